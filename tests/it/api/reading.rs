//! Sizes of pages and the ends of relations (`transformer.md` 5, 5.1).

use serde_json::{Value, json};

use crate::support::site::{Plan, Site, on_both_stores};

const PLAN: Plan = Plan::of(include_str!("../../schemas/reading.graphql"));

async fn save(site: &Site, model: &str, input: Value) {
    site.mutate(&format!("create{model}"), input, "_version")
        .await
        .value();
}

/// A shop with 101 items, in one request each of 101 aliases at most.
async fn shop(site: &Site) {
    save(site, "Shop", json!({"id": "s"})).await;
    for from in [0, 60] {
        let items = (from..from + 60).take_while(|rank| *rank < 101);
        let creates = items.map(|rank| format!("a{rank}: createItem(input: {{id: \"i{rank:03}\", shopID: \"s\", rank: {rank}}}) {{ id }}"));
        let document = format!("mutation {{ {} }}", creates.collect::<Vec<_>>().join("\n"));
        let body = site.ask(&document, json!({})).await.0;
        assert!(body.get("errors").is_none(), "{body}");
    }
}

/// How many items a page has, and whether another follows.
fn size(page: &Value) -> (usize, bool) {
    let items = page["items"].as_array().expect("items");
    (items.len(), page["nextToken"].is_string())
}

on_both_stores! { PLAN;

/// 5: 100 records on a page of lists, index queries, syncs and children, unless the directive says otherwise.
async fn pages_of_every_kind_have_their_default_size(site: &Site) {
    shop(site).await;
    for query in ["listItems", "syncItems", "itemsByShop(shopID: \"s\")"] {
        let page = site.read(&format!("{{ {query} {{ items {{ id }} nextToken }} }}")).await;
        assert_eq!(size(&page), (100, true), "{query}");
    }
    let shop = site.read("{ getShop(id: \"s\") { items { items { id } nextToken } few { items { id } nextToken } } }").await;
    assert_eq!(size(&shop["items"]), (100, true));
    assert_eq!(size(&shop["few"]), (2, true));
    let shop = site.read("{ getShop(id: \"s\") { few(limit: 101) { items { id } nextToken } } }").await;
    assert_eq!(size(&shop["few"]).0, 101);
    for label in 0..4 {
        let id = label.to_string();
        save(site, "Label", json!({"id": id})).await;
        save(site, "ShopLabel", json!({"shopId": "s", "labelId": id})).await;
    }
    let shop = site.read("{ getShop(id: \"s\") { labels { items { label { id } } nextToken } } }").await;
    assert_eq!(size(&shop["labels"]), (3, true));
}

/// 5: an index query has no meaning without its partition.
async fn an_index_query_needs_its_partition(site: &Site) {
    let message = site.ask("{ itemsByShop { items { id } } }", json!({})).await.invalid();
    assert!(message.contains("MissingFieldArgument: Missing field argument shopID"), "{message}");
    let query = "query q($shop: ID!) { itemsByShop(shopID: $shop) { items { id } } }";
    let message = site.ask(query, json!({"shop": null})).await.invalid();
    assert_eq!(message, "Variable 'shop' has coerced Null value for NonNull type 'ID!'");
}

/// 5.1: a parent without the key has no children; children without the parent's key are nobody's.
async fn a_parent_without_the_key_has_no_children(site: &Site) {
    save(site, "Shop", json!({"id": "none"})).await;
    save(site, "Shop", json!({"id": "null", "region": null})).await;
    save(site, "Shop", json!({"id": "north", "region": "n"})).await;
    save(site, "Item", json!({"id": "1", "shopID": "x", "rank": 1})).await;
    save(site, "Item", json!({"id": "2", "shopID": "x", "rank": 1, "region": "n"})).await;
    for (id, expected) in [("none", json!([])), ("null", json!([])), ("north", json!([{"id": "2"}]))] {
        let shop = site.read(&format!("{{ getShop(id: \"{id}\") {{ regional {{ items {{ id }} nextToken }} }} }}")).await;
        assert_eq!(shop["regional"], json!({"items": expected, "nextToken": null}), "{id}");
    }
}

/// 5.1: hasOne by references takes the first record of the index; a null direction is none.
async fn has_one_by_references_takes_the_first(site: &Site) {
    shop(site).await;
    for id in ["b", "a", "c"] {
        save(site, "Badge", json!({"id": id, "shopId": "s"})).await;
    }
    let shop = site.read("{ getShop(id: \"s\") { badge { id shop { id } } } }").await;
    assert_eq!(shop["badge"], json!({"id": "a", "shop": {"id": "s"}}));
    let first = site.read("{ getShop(id: \"s\") { few(sortDirection: null, nextToken: null, filter: null, rank: null) { items { rank } } } }").await;
    assert_eq!(first["few"]["items"], json!([{"rank": 0}, {"rank": 1}]));
}
}
