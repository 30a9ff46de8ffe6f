//! Tombstones and deltas whose time is over (`errata.md` rows 30 and 32).

use serde_json::{Value, json};

use crate::support::site::{Plan, Site, on_both_stores};

const PLAN: Plan = Plan::of(include_str!("../../schemas/keys.graphql")).configured(|config| {
    config.engine.tombstone_ttl = Some(0);
    config.engine.delta_window = Some(0);
});

on_both_stores! { PLAN;

/// MUT-7, MUT-8, section 2.2 rows 1, 4 and 12: the delete still answers its tombstone; then the record is gone, and its
/// versions go on.
async fn a_tombstone_whose_time_is_over_is_gone_and_its_id_is_free(site: &Site) {
    let selection = "id customer _version _deleted";
    for id in ["o1", "o2"] {
        let input = json!({"id": id, "customer": "c"});
        site.mutate("createOrder", input, "id").await.value();
    }
    let input = json!({"id": "o1", "_version": 1});
    let deleted = site.mutate("deleteOrder", input.clone(), selection).await.value();
    assert_eq!(deleted, json!({"id": "o1", "customer": "c", "_version": 2, "_deleted": true}));

    assert_eq!(site.read("{ getOrder(id: \"o1\") { id } }").await, Value::Null);
    let only = json!({"items": [{"id": "o2"}], "nextToken": null});
    for query in ["listOrders(limit: 1)", "ordersByCustomer(customer: \"c\", limit: 1)"] {
        let page = site.read(&format!("{{ {query} {{ items {{ id }} nextToken }} }}")).await;
        assert_eq!(page, only, "{query}");
    }
    for mutation in ["updateOrder", "deleteOrder"] {
        let error = site.mutate(mutation, json!({"id": "o1", "_version": 2}), selection).await.refusal();
        // So that a device that was away for longer lets its copy go.
        let left = (&error["data"]["_version"], &error["data"]["_deleted"]);
        assert_eq!(left, (&json!(2), &json!(true)), "{error}");
        let message = error["message"].as_str().expect("a message");
        assert!(message.starts_with("No existing item found in the data source"), "{message}");
    }

    let input = json!({"id": "o1", "customer": "d"});
    let reborn = site.mutate("createOrder", input, selection).await.value();
    assert_eq!(reborn, json!({"id": "o1", "customer": "d", "_version": 3, "_deleted": null}));
    let read = site.read(&format!("{{ getOrder(id: \"o1\") {{ {selection} }} }}")).await;
    assert_eq!(read, reborn);
}

/// A device that was away learns of the deletion, with what the record held; and outside the window it gets everything.
async fn a_sync_outside_the_window_brings_everything_and_shells_too(site: &Site) {
    for code in ["a", "b"] {
        let input = json!({"code": code, "percent": 1});
        site.mutate("createCoupon", input, "code").await.value();
    }
    site.mutate("deleteCoupon", json!({"code": "a", "_version": 1}), "code").await.value();
    let page = site.read("{ syncCoupons { items { code percent _version _deleted } startedAt } }").await;
    let everything = json!([
        {"code": "a", "percent": 1, "_version": 2, "_deleted": true},
        {"code": "b", "percent": 1, "_version": 1, "_deleted": null}
    ]);
    assert_eq!(page["items"], everything);
    let last_sync = page["startedAt"].as_i64().expect("a time") + 1;
    // Nothing was written to coupons since; the window has passed once another write is later.
    let mut at = last_sync;
    let mut row = 0;
    while at <= last_sync {
        let input = json!({"aisle": "a", "row": row});
        let written = site.mutate("createShelf", input, "_lastChangedAt").await.value();
        at = written["_lastChangedAt"].as_i64().expect("a time");
        row += 1;
    }
    let query = format!("{{ syncCoupons(lastSync: {last_sync}) {{ items {{ code percent _version _deleted }} }} }}");
    assert_eq!(site.read(&query).await["items"], everything);
}

}

const NOTES: Plan =
    Plan::of("type Note @model @auth(rules: [{allow: public}]) { id: ID! text: String }");
const FOR_EVER: Plan = NOTES.configured(|config| config.engine.tombstone_ttl = None);

/// `tombstone_ttl`: after thirty days a tombstone is gone, unless it is never.
async fn a_tombstone_stays_for_ever_where_its_time_is_never_over(site: Site) {
    let selection = "id text _version _deleted";
    let note = json!({"id": "n", "text": "t"});
    site.mutate("createNote", note.clone(), "id").await.value();
    site.mutate("deleteNote", json!({"id": "n", "_version": 1}), "id")
        .await
        .value();
    site.database("update \"m1_Note\" set changed_ms = changed_ms - 2678400000")
        .await;
    let get = format!("{{ getNote(id: \"n\") {{ {selection} }} }}");
    assert_eq!(site.read(&get).await, Value::Null);

    let site = site.restarted(FOR_EVER).await;
    let tombstone = json!({"id": "n", "text": "t", "_version": 2, "_deleted": true});
    assert_eq!(site.read(&get).await, tombstone);
    let list = format!("{{ listNotes {{ items {{ {selection} }} }} }}");
    assert_eq!(site.read(&list).await["items"], json!([tombstone]));
    let other = json!({"id": "n", "text": "other"});
    let taken = site
        .mutate("createNote", other.clone(), selection)
        .await
        .refusal();
    assert_eq!(taken["errorType"], "ConditionalCheckFailedException");
    assert_eq!(taken["data"]["_deleted"], true, "{taken}");

    let site = site.restarted(NOTES).await;
    let reborn = site.mutate("createNote", other, selection).await.value();
    assert_eq!(
        reborn,
        json!({"id": "n", "text": "other", "_version": 3, "_deleted": null})
    );
    site.finish().await;
}

#[tokio::test]
async fn a_tombstone_stays_for_ever_where_its_time_is_never_over_on_sqlite() {
    a_tombstone_stays_for_ever_where_its_time_is_never_over(Site::sqlite(NOTES).await).await;
}

#[tokio::test]
async fn a_tombstone_stays_for_ever_where_its_time_is_never_over_on_postgres() {
    a_tombstone_stays_for_ever_where_its_time_is_never_over(Site::postgres(NOTES).await).await;
}
