//! Values at the edges of what stores can hold: answered alike, and never by asking the client to try again for ever.

use serde_json::{Value, json};

use crate::support::site::{Plan, Site, on_both_stores};

const PLAN: Plan = Plan::of(include_str!("../../schemas/keys.graphql"));

/// Text that does not compress, so that no store can hide its length.
fn noise(length: usize) -> String {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let digit = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(
            b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
                [(state >> 58) as usize],
        )
    };
    (0..length).map(digit).collect()
}

/// So many records of 400 KB.
const LARGE: i64 = 12;

/// Every way of reading pages, ordered by number but for the base sync and the list, whose order is that of keys.
const QUESTIONS: [&str; 5] = [
    "{ listOrders({next}) { items { number note } nextToken } }",
    "{ listOrders(filter: {number: {ge: 0}}, {next}) { items { number note } nextToken } }",
    "{ ordersByCustomerAndNumber(customer: \"c\", {next}) { items { number note } nextToken } }",
    "{ syncOrders({next}) { items { number note } nextToken } }",
    "{ syncOrders(lastSync: 1, {next}) { items { number note } nextToken } }",
];

async fn large_orders(site: &Site) {
    let note = noise(400_000);
    for number in 0..LARGE {
        let id = format!("o{number:02}");
        let input =
            json!({"id": id, "customer": "c", "number": number, "state": "OPEN", "note": note});
        site.mutate("createOrder", input, "id").await.value();
    }
}

fn numbers(items: &Value) -> Vec<i64> {
    let items = items.as_array().expect("items").iter();
    items
        .map(|item| item["number"].as_i64().expect("a number"))
        .collect()
}

const LIGHT: Plan = PLAN.configured(|config| config.engine.page_bytes = 1_500_000);

on_both_stores! { LIGHT;

/// `errata.md` row 39: whatever the page is of, it ends with the record that makes it heavy enough, and the next one goes on
/// behind that.
async fn a_page_that_weighs_too_much_ends_and_goes_on(site: &Site) {
    large_orders(site).await;
    for question in QUESTIONS {
        let first = site.read(&question.replace("{next}", "limit: 1000")).await;
        assert_eq!(numbers(&first["items"]), [0, 1, 2, 3], "{question}");
        let all = site.walk(question).await;
        assert_eq!(numbers(&all.into()), (0..LARGE).collect::<Vec<_>>(), "{question}");
    }
}

/// A page on which the records that stand in an index end and those that have moved begin weighs no more than another.
async fn what_has_moved_shares_a_page_with_what_has_not(site: &Site) {
    large_orders(site).await;
    let page = async |token: &Value| {
        let query = format!(
            "{{ ordersByCustomerAndNumber(customer: \"c\", limit: 1000, nextToken: {token}) {{ items {{ number note }} nextToken }} }}"
        );
        let page = site.read(&query).await;
        (numbers(&page["items"]), page["nextToken"].clone())
    };
    let (found, mut token) = page(&Value::Null).await;
    let mut pages = vec![found];
    for (id, number) in [("o10", 100), ("o11", 101), ("o00", 102), ("o01", 103)] {
        let input = json!({"id": id, "number": number, "state": "OPEN", "_version": 1});
        site.mutate("updateOrder", input, "id").await.value();
    }
    while !token.is_null() {
        let (found, next) = page(&token).await;
        pages.push(found);
        token = next;
    }
    let expected = [vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![8, 9, 102, 103], vec![100, 101]];
    assert_eq!(pages, expected);
}
}

on_both_stores! { PLAN;

/// A key, or what one index holds of a record, has up to 1,024 bytes; more is refused for good, before any store sees it.
async fn long_keys_are_stored_up_to_a_limit_and_then_refused_for_good(site: &Site) {
    let query = "query q($id: ID!, $customer: ID!) { getOrder(id: $id) { id } ordersByCustomer(customer: $customer) { items { id } } }";
    let (long, most) = (noise(20_000), noise(1_000));
    for input in [json!({"id": most, "customer": "c"}), json!({"id": "o", "customer": most})] {
        let made = site.mutate("createOrder", input.clone(), "id customer").await.value();
        assert_eq!(made, input);
        let found = site.ask(query, input.clone()).await.0;
        let order = json!({"id": input["id"]});
        assert_eq!(found["data"], json!({"getOrder": order, "ordersByCustomer": {"items": [order]}}));
    }
    for (mutation, input, what) in [
        ("createOrder", json!({"id": long, "customer": "c"}), "key of 'Order'"),
        ("createOrder", json!({"id": "x", "customer": long}), "index 'byCustomer'"),
        ("updateOrder", json!({"id": "o", "customer": long, "_version": 1}), "index 'byCustomer'"),
        ("updateOrder", json!({"id": "o", "number": 1, "state": "OPEN", "placed": "2024-01-01T00:00:00Z", "_version": 1}), ""),
    ] {
        let answer = site.mutate(mutation, input, "id _version").await;
        if what.is_empty() {
            assert_eq!(answer.value()["_version"], 2);
        } else {
            let message = answer.refusal()["message"].clone();
            assert_eq!(message, format!("The fields of the {what} hold more than 1024 bytes."));
        }
    }
    assert_eq!(site.read("{ listOrders(filter: {id: {eq: \"x\"}}) { items { id } } }").await["items"], json!([]));
}

/// A record of half a megabyte goes through every way of reading.
async fn large_records_are_stored_and_read(site: &Site) {
    let note = noise(500_000);
    let input = json!({"id": "o", "customer": "c", "note": note});
    let made = site.mutate("createOrder", input, "note").await.value();
    assert_eq!(made["note"], Value::String(note.clone()));
    let synced = site.read("{ syncOrders { items { note } } }").await;
    assert_eq!(synced["items"][0]["note"], Value::String(note));
}

/// AppSync ends pages at 1 MB (SYNC-10).
async fn a_page_of_large_records_is_as_large_as_asked_for(site: &Site) {
    large_orders(site).await;
    for question in QUESTIONS {
        let page = site.read(&question.replace("{next}", "limit: 1000")).await;
        assert_eq!((numbers(&page["items"]), &page["nextToken"]), ((0..LARGE).collect(), &Value::Null), "{question}");
    }
}

/// The numbers at the ends of 32 bits are keys like any others, in order.
async fn the_largest_and_smallest_numbers_are_keys_in_order(site: &Site) {
    for row in [i32::MAX, 0, i32::MIN, -1] {
        site.mutate("createShelf", json!({"aisle": "a", "row": row}), "row").await.value();
    }
    let page = site.read("{ listShelves(aisle: \"a\") { items { row } } }").await;
    let rows: Vec<_> = page["items"].as_array().expect("items").iter().map(|item| item["row"].as_i64()).collect();
    assert_eq!(rows, [i32::MIN, -1, 0, i32::MAX].map(|row| Some(i64::from(row))));
    let query = format!("{{ getShelf(aisle: \"a\", row: {}) {{ row }} }}", i32::MIN);
    assert_eq!(site.read(&query).await, json!({"row": i32::MIN}));
}
}

const UNINDEXED: &str = "type Note @model @auth(rules: [{ allow: public }]) {
    id: ID! topic: String heading: String }";
const INDEXED: &str = "type Note @model @auth(rules: [{ allow: public }]) {
    id: ID! topic: String @index(name: \"byTopic\", sortKeyFields: [\"heading\"], queryField: \"notesByTopic\") heading: String }";

on_both_stores! { Plan::of(INDEXED);

/// The index does not hold such a record yet, and does as soon as it has the other field.
async fn one_field_of_an_index_is_as_limited_as_both(site: &Site) {
    let long = noise(8_000);
    for input in [json!({"id": "n", "topic": long}), json!({"id": "n", "heading": long})] {
        let message = site.mutate("createNote", input, "id").await.refusal()["message"].clone();
        assert_eq!(message, "The fields of the index 'byTopic' hold more than 1024 bytes.");
    }
    site.mutate("createNote", json!({"id": "n", "topic": noise(1_000)}), "id").await.value();
    let message = site.mutate("updateNote", json!({"id": "n", "heading": noise(25), "_version": 1}), "id").await.refusal()["message"].clone();
    assert_eq!(message, "The fields of the index 'byTopic' hold more than 1024 bytes.");
}
}

on_both_stores! { Plan::of(UNINDEXED);

/// They are what they were, but the index does not hold them.
async fn records_that_are_older_than_an_index_may_be_too_long_for_it(site: &mut Site) {
    let long = noise(20_000);
    for input in [json!({"id": "long", "topic": long, "heading": "h"}), json!({"id": "short", "topic": "t", "heading": "h"})] {
        site.mutate("createNote", input, "id").await.value();
    }
    site.reload(INDEXED).await;
    let questions = [
        "query q($topic: String!) { notesByTopic(topic: $topic) { items { id } } }",
        "query q($topic: String!) { listNotes(filter: {topic: {eq: $topic}}) { items { id } } }",
        "query q($topic: String!) { syncNotes(filter: {topic: {eq: $topic}}) { items { id } } }",
    ];
    for (topic, expected) in [("t", ["short"; 3].as_slice()), (&long, &["", "long", "long"])] {
        for (question, expected) in questions.iter().zip(expected) {
            let found = site.ask(question, json!({ "topic": topic })).await.value();
            let expected: Vec<_> = Some(json!({ "id": expected })).into_iter().filter(|_| !expected.is_empty()).collect();
            assert_eq!(found["items"], json!(expected), "{question}");
        }
    }
    let renamed = site.mutate("updateNote", json!({"id": "long", "heading": "g", "_version": 1}), "_version").await;
    assert_eq!(renamed.refusal()["message"], "The fields of the index 'byTopic' hold more than 1024 bytes.");
    let touched = site.mutate("updateNote", json!({"id": "long", "heading": "h", "_version": 1}), "topic heading _version").await;
    assert_eq!(touched.value(), json!({"topic": long, "heading": "h", "_version": 2}));
    let shortened = site.mutate("updateNote", json!({"id": "long", "topic": "t", "_version": 2}), "_version").await;
    assert_eq!(shortened.value(), json!({"_version": 3}));
    let found = site.read("{ notesByTopic(topic: \"t\") { items { id } } }").await;
    assert_eq!(found["items"], json!([{"id": "long"}, {"id": "short"}]));
}
}

on_both_stores! { Plan::of(UNINDEXED);

/// An entry of an index holds the key, too.
async fn records_that_are_older_than_an_index_may_have_keys_that_are_too_long_for_it(site: &mut Site) {
    let (both, one) = (format!("a{}", noise(1_000)), format!("b{}", noise(1_000)));
    let (topic, heading) = (noise(1_000), noise(1_001));
    let short = json!({"id": "short", "topic": topic, "heading": "h"});
    for input in [json!({"id": both, "topic": topic, "heading": heading}), json!({"id": one, "topic": topic, "heading": "h"}), short] {
        site.mutate("createNote", input, "id").await.value();
    }
    site.reload(INDEXED).await;
    for (question, expected) in [
        ("query q($topic: String!) { notesByTopic(topic: $topic) { items { id } } }", vec!["short"]),
        ("query q($topic: String!) { listNotes(filter: {topic: {eq: $topic}}) { items { id } } }", vec![&both, &one, "short"]),
        ("query q($topic: String!) { syncNotes(filter: {topic: {eq: $topic}}) { items { id } } }", vec![&both, &one, "short"]),
    ] {
        let found = site.ask(question, json!({ "topic": topic })).await.value();
        let mut found: Vec<_> = found["items"].as_array().expect("items").iter().map(|item| item["id"].as_str()).collect();
        found.sort_unstable();
        assert_eq!(found, expected.into_iter().map(Some).collect::<Vec<_>>(), "{question}");
    }
    let renamed = site.mutate("updateNote", json!({"id": one, "heading": "g", "_version": 1}), "_version").await;
    assert_eq!(renamed.refusal()["message"], "The fields of the index 'byTopic' hold more than 817 bytes.");
    let shortened = site.mutate("updateNote", json!({"id": both, "topic": "t", "heading": "h", "_version": 1}), "_version").await;
    assert_eq!(shortened.value(), json!({"_version": 2}));
    let found = site.read("{ notesByTopic(topic: \"t\") { items { id } } }").await;
    assert_eq!(found["items"], json!([{"id": both}]));
}
}

const RELATED: Plan = Plan::of(include_str!("../../schemas/relations.graphql"))
    .configured(|config| config.engine.page_bytes = 60_000);

on_both_stores! { LIGHT;

/// However many pages a request asks for: when they weigh as much as one may, each further one has a record, and a token for
/// the rest.
async fn the_pages_of_a_request_share_what_one_page_may_weigh(site: &Site) {
    const ALIASES: usize = 20;
    large_orders(site).await;
    for question in QUESTIONS {
        let question = question.replace("{next}", "limit: 1000");
        let field = question.trim_start_matches("{ ").trim_end_matches(" }").replace("items { number note }", "items { number }");
        let aliases: String = (0..ALIASES).map(|n| format!("a{n}: {field} }} ")).collect();
        let body = site.ask(&format!("{{ {aliases}}}"), json!({})).await.0;
        assert_eq!(body["errors"], Value::Null, "{body}");
        let pages: Vec<_> = (0..ALIASES).map(|n| &body["data"][format!("a{n}")]).collect();
        let records: Vec<_> = pages.iter().map(|page| numbers(&page["items"])).collect();
        assert_eq!(records[0], [0, 1, 2, 3], "{question}");
        // Those that were read at the same time.
        let (first, further) = records.split_at(8);
        assert!(first.iter().all(|page| !page.is_empty()), "{question}");
        assert!(further.iter().all(|page| *page == [0]), "{question}: {further:?}");
        assert!(pages.iter().all(|page| page["nextToken"].is_string()), "{question}");
    }
}

/// Whatever else it reads: what a request holds has an end, and what lies behind that is refused, not the rest.
async fn what_a_request_reads_at_once_has_an_end(site: &Site) {
    large_orders(site).await;
    let aliases: String = (0..80).map(|n| format!("a{n}: getOrder(id: \"o{:02}\") {{ number }} ", n % LARGE)).collect();
    let body = site.ask(&format!("{{ {aliases}}}"), json!({})).await.0;
    let errors = body["errors"].as_array().expect("errors");
    assert!(errors.iter().all(|error| error["errorType"] == "ResolverExecutionLimitReached"), "{errors:?}");
    // As much as sixteen pages: 24 MB of records of 400 KB.
    let answered = (0..80).filter(|n| body["data"][format!("a{n}")].is_object()).count();
    assert_eq!((answered, errors.len()), (59, 21));
}
}

on_both_stores! { RELATED;

/// `errata.md` row 39: a page of parents reads the children of all of them, so that they share what a page may weigh. Nothing
/// is left out: what does not go into a parent's page comes with the token.
async fn the_children_on_a_page_of_parents_share_what_one_page_may_weigh(site: &Site) {
    const PARENTS: usize = 40;
    let content = noise(5_000);
    for parent in 0..PARENTS {
        let id = format!("p{parent:02}");
        site.mutate("createPost", json!({"id": id, "title": "t"}), "id").await.value();
        for rank in 0..3 {
            let input = json!({"postID": id, "rank": rank, "content": content});
            site.mutate("createComment", input, "id").await.value();
        }
    }
    let page = site.read("{ listPosts { items { id comments { items { rank content } nextToken } } } }").await;
    let posts = page["items"].as_array().expect("items");
    assert_eq!(posts.len(), PARENTS);
    let mut weight = 0;
    for post in posts {
        let comments = post["comments"]["items"].as_array().expect("items");
        assert!(!comments.is_empty(), "{}", post["id"]);
        weight += comments.len() * content.len();
        let mut ranks: Vec<_> = comments.iter().map(|comment| comment["rank"].clone()).collect();
        if let next @ Value::String(_) = &post["comments"]["nextToken"] {
            let rest = format!("{{ getPost(id: {}) {{ comments(nextToken: {next}) {{ items {{ rank }} nextToken }} }} }}", post["id"]);
            let rest = site.read(&rest).await["comments"].take();
            ranks.extend(rest["items"].as_array().expect("items").iter().map(|comment| comment["rank"].clone()));
            assert_eq!(rest["nextToken"], Value::Null);
        }
        assert_eq!(ranks, [0, 1, 2], "{}", post["id"]);
    }
    let most = 60_000 + (PARENTS + 1) * content.len();
    assert!((60_000..=most).contains(&weight), "{weight}");
}
}
