//! Composite keys, indexes, sort key conditions and directions (`transformer.md` 4.2, 5, 6.1).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::site::{Plan, Site, on_both_stores};

const PLAN: Plan = Plan::of(include_str!("../../schemas/keys.graphql"));

async fn readings(site: &Site) {
    for (device, day, hour) in [
        ("d1", "2024-01-01", 9),
        ("d1", "2024-01-01", 10),
        ("d1", "2024-01-02", 2),
        ("d2", "2024-01-01", 9),
        ("d1#2024-01-01", "2024-01-01", 9),
    ] {
        let input = json!({"device": device, "day": day, "hour": hour, "value": 1.5});
        site.mutate("createReading", input, "device").await.value();
    }
}

async fn shelves(site: &Site) {
    for (aisle, row) in [("a", 10), ("a", 9), ("a", -1), ("b", 5)] {
        let input = json!({"aisle": aisle, "row": row});
        site.mutate("createShelf", input, "row").await.value();
    }
}

async fn orders(site: &Site) {
    for (id, customer, number, state, placed) in [
        (
            "o1",
            "c1",
            json!(1),
            json!("OPEN"),
            json!("2024-03-01T00:00:00Z"),
        ),
        (
            "o2",
            "c1",
            json!(20),
            json!("PAID"),
            json!("2024-01-01T00:00:00Z"),
        ),
        (
            "o3",
            "c1",
            json!(3),
            json!("PAID"),
            json!("2024-02-01T00:00:00Z"),
        ),
        ("o4", "c2", json!(4), json!("PAID"), Value::Null),
        ("o5", "c1", Value::Null, Value::Null, Value::Null),
    ] {
        let mut input = json!({"id": id, "customer": customer});
        for (name, value) in [("number", number), ("state", state), ("placed", placed)] {
            if !value.is_null() {
                input[name] = value;
            }
        }
        site.mutate("createOrder", input, "id").await.value();
    }
}

/// The values of one field of a connection's items.
async fn column(site: &Site, field: &str, query: &str) -> Vec<Value> {
    let page = site
        .read(&format!("{{ {query} {{ items {{ {field} }} }} }}"))
        .await;
    let items = page["items"].as_array().expect("items");
    items.iter().map(|item| item[field].clone()).collect()
}

async fn refused(site: &Site, query: &str) -> String {
    let answer = site
        .ask(&format!("{{ {query} {{ nextToken }} }}"), json!({}))
        .await;
    let error = answer.refusal();
    assert_eq!(error["errorType"], "InvalidArgumentsError", "{query}");
    error["message"].as_str().expect("a message").to_owned()
}

on_both_stores! { PLAN;

/// Section 4: get, update and delete take all fields of the key, and values that join alike are different keys.
async fn a_composite_key_is_all_of_its_fields(site: &Site) {
    readings(site).await;
    let fields = "device day hour value _version _deleted";
    let change = json!({"device": "d1", "day": "2024-01-01", "hour": 10, "value": 7, "_version": 1});
    let changed = site.mutate("updateReading", change, fields).await.value();
    let gone = json!({"device": "d2", "day": "2024-01-01", "hour": 9, "_version": 1});
    let deleted = site.mutate("deleteReading", gone, fields).await.value();
    assert_eq!(changed["value"], 7);
    assert_eq!(deleted["_deleted"], true);
    for (device, hour, expected) in [
        ("d1", 10, changed),
        ("d2", 9, deleted),
        ("d2", 10, Value::Null),
        ("d1#2024-01-01", 9, json!({"device": "d1#2024-01-01", "day": "2024-01-01", "hour": 9,
            "value": 1.5, "_version": 1, "_deleted": null})),
    ] {
        let key = format!("device: \"{device}\", day: \"2024-01-01\", hour: {hour}");
        assert_eq!(site.read(&format!("{{ getReading({key}) {{ {fields} }} }}")).await, expected);
    }
    let message = site
        .mutate("updateReading", json!({"device": "d1", "day": "2024-01-01"}), fields)
        .await
        .invalid();
    assert!(message.contains("hour"), "{message}");
}

/// A key is taken by a record with the same values only (row 2 over a composite key).
async fn a_composite_key_is_taken_once(site: &Site) {
    readings(site).await;
    let again = json!({"device": "d1", "day": "2024-01-02", "hour": 2, "value": 9});
    let error = site.mutate("createReading", again, "value").await.refusal();
    assert_eq!(error["errorType"], "ConditionalCheckFailedException");
    assert_eq!(error["data"]["value"], 1.5);
    assert_eq!(error["data"]["hour"], 2);
}

/// `errata.md` row 55, `client-js` 11.2: DataStore asks for an `id` without a value on models with another key.
async fn a_get_by_an_id_that_is_no_key_is_null(site: &Site) {
    let query = "query operation($id: ID!) { getReading(id: $id) { device } }";
    let (status, _, body) = site.post(json!({"query": query, "variables": {}}).to_string()).await;
    assert_eq!((status, body), (200, json!({"data": {"getReading": null}})));
}

/// Section 5: a list with the partition walks it in the order of its sort key, numbers as numbers.
async fn a_list_of_one_partition_is_sorted_by_its_sort_key(site: &Site) {
    shelves(site).await;
    let rows = |arguments: &'static str| async move {
        column(site, "row", &format!("listShelves({arguments})")).await
    };
    assert_eq!(rows("aisle: \"a\"").await, [json!(-1), json!(9), json!(10)]);
    assert_eq!(rows("aisle: \"a\", sortDirection: DESC").await, [json!(10), json!(9), json!(-1)]);
    assert_eq!(rows("aisle: \"a\", row: {gt: 8}").await, [json!(9), json!(10)]);
    assert_eq!(rows("aisle: \"a\", row: {between: [-1, 9]}").await, [json!(-1), json!(9)]);
    assert_eq!(rows("aisle: \"a\", row: {eq: 9}").await, [json!(9)]);
    assert_eq!(rows("aisle: \"a\", row: {le: 9}, sortDirection: DESC").await, [json!(9), json!(-1)]);
    assert_eq!(rows("aisle: \"nowhere\"").await, [] as [Value; 0]);
    assert_eq!(rows("filter: {row: {ge: 9}}, aisle: \"a\", limit: 10").await.len(), 2);
}

/// Section 5: several sort fields are compared as one string, so 10 comes before 9.
async fn a_composite_sort_key_compares_as_text(site: &Site) {
    readings(site).await;
    let hours = |arguments: &'static str| async move {
        column(site, "hour", &format!("listReadings(device: \"d1\", {arguments})")).await
    };
    assert_eq!(hours("limit: 9").await, [json!(10), json!(9), json!(2)]);
    assert_eq!(hours("dayHour: {eq: {day: \"2024-01-01\", hour: 9}}").await, [json!(9)]);
    assert_eq!(hours("dayHour: {beginsWith: {day: \"2024-01-01\"}}").await, [json!(10), json!(9)]);
    assert_eq!(hours("dayHour: {gt: {day: \"2024-01-01\", hour: 9}}").await, [json!(2)]);
    assert_eq!(
        hours("dayHour: {between: [{day: \"2024-01-01\", hour: 9}, {day: \"2024-01-02\", hour: 2}]}").await,
        [json!(9), json!(2)]
    );
}

/// Section 5: what sort arguments need, in AppSync's words.
async fn sort_arguments_have_their_rules(site: &Site) {
    let cases = [
        (
            "listShelves(sortDirection: ASC)",
            "When providing argument 'sortDirection' you must also provide argument 'aisle'.",
        ),
        (
            "listCoupons(sortDirection: DESC)",
            "sortDirection is not supported for List operations without a Sort key defined.",
        ),
        (
            "listShelves(row: {eq: 1})",
            "When providing argument 'row' you must also provide arguments aisle",
        ),
        (
            "listReadings(dayHour: {eq: {day: \"2024-01-01\"}})",
            "When providing argument 'dayHour' you must also provide 'device'.",
        ),
        (
            "listReadings(device: \"d\", dayHour: {eq: {hour: 1}})",
            "When providing argument 'dayHour.eq.hour' you must also provide 'dayHour.eq.day'.",
        ),
        (
            "listReadings(device: \"d\", dayHour: {ge: {day: \"2024-01-01\"}, le: {day: \"2024-01-02\"}})",
            "Argument dayHour must specify at most one key condition operation.",
        ),
        (
            "listReadings(device: \"d\", dayHour: {between: [{day: \"2024-01-01\"}]})",
            "Argument 'dayHour.between' expects exactly two elements.",
        ),
    ];
    for (query, message) in cases {
        assert_eq!(refused(site, query).await, message, "{query}");
    }
}

/// Section 4.2: an index holds the records that have all of its fields.
async fn an_index_holds_the_records_that_have_its_fields(site: &Site) {
    orders(site).await;
    let mut ids = column(site, "id", "ordersByCustomer(customer: \"c1\")").await;
    ids.sort_by_key(ToString::to_string);
    assert_eq!(ids, [json!("o1"), json!("o2"), json!("o3"), json!("o5")]);
    let ids = column(site, "id", "ordersByCustomerAndNumber(customer: \"c1\")").await;
    assert_eq!(ids, [json!("o1"), json!("o3"), json!("o2")]);
    let query = "ordersByCustomerAndNumber(customer: \"c1\", number: {gt: 1}, sortDirection: DESC)";
    assert_eq!(column(site, "id", query).await, [json!("o2"), json!("o3")]);
    let ids = column(site, "id", "ordersByStateAndPlaced(state: PAID)").await;
    assert_eq!(ids, [json!("o2"), json!("o3")]);
    let query = "ordersByCustomerAndState(customer: \"c1\", stateNumber: {beginsWith: {state: PAID}})";
    assert_eq!(column(site, "id", query).await, [json!("o2"), json!("o3")]);
    let query = "ordersByStateAndPlaced(state: PAID, placed: {beginsWith: \"2024-02\"})";
    assert_eq!(column(site, "id", query).await, [json!("o3")]);
}

/// `sync-semantics` 6.3: an index follows every write, a clear and a merge too.
async fn an_index_follows_updates_and_keeps_tombstones(site: &Site) {
    orders(site).await;
    let paid = || column(site, "id", "ordersByStateAndPlaced(state: PAID)");
    let sent = json!({"id": "o2", "state": "SENT", "number": 20, "_version": 1});
    site.mutate("updateOrder", sent, "id").await.value();
    assert_eq!(paid().await, [json!("o3")]);
    let added = json!({"id": "o5", "state": "PAID", "number": 5, "placed": "2023-01-01T00:00:00Z"});
    site.mutate("updateOrder", added, "id").await.value();
    assert_eq!(paid().await, [json!("o5"), json!("o3")]);
    let gone = json!({"id": "o3", "_version": 1});
    site.mutate("deleteOrder", gone, "id").await.value();
    assert_eq!(paid().await, [json!("o5"), json!("o3")]);
    let cleared = json!({"id": "o5", "placed": null, "_version": 2});
    site.mutate("updateOrder", cleared, "id").await.value();
    assert_eq!(paid().await, [json!("o3")]);
}

/// `sync-design` D5: following the tokens ends, and shows every order, although each is given a greater number as soon as it was
/// shown, and one a smaller number than all before it is.
async fn tokens_of_an_index_lead_to_its_end_while_its_records_move(site: &Site) {
    for n in 0..7 {
        let input = json!({"id": format!("o{n}"), "customer": "c", "number": n, "state": "OPEN"});
        site.mutate("createOrder", input, "id").await.value();
    }
    let number = async |id: &Value, version: &Value, number: i32| {
        let input = json!({"id": id, "number": number, "state": "OPEN", "_version": version});
        site.mutate("updateOrder", input, "id").await.value();
    };
    let mut shown = BTreeMap::new();
    let mut token = Value::Null;
    for page in 1.. {
        assert!(page < 9, "the pages do not end: {shown:?}");
        let query = format!(
            "{{ ordersByCustomerAndNumber(customer: \"c\", limit: 2, nextToken: {token}) {{ items {{ id _version }} nextToken }} }}"
        );
        let found = site.read(&query).await;
        let items = found["items"].as_array().expect("items");
        assert!(!items.is_empty(), "page {page}");
        for item in items {
            *shown.entry(item["id"].to_string()).or_insert(0) += 1;
            number(&item["id"], &item["_version"], 100 * page).await;
        }
        if page == 1 {
            number(&json!("o5"), &json!(1), -1).await;
        }
        token = found["nextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(shown.len(), 7, "{shown:?}");
    assert!(shown.values().all(|times| *times <= 2), "{shown:?}");
}

/// Section 6.1: of a composite sort key all fields are given or none.
async fn a_composite_index_key_is_written_whole(site: &Site) {
    let input = json!({"id": "o", "customer": "c", "state": "OPEN"});
    let answer = site.mutate("createOrder", input, "id").await;
    let error = answer.refusal();
    assert_eq!(
        error["message"],
        "When creating any part of the composite sort key for @index 'byCustomerAndState', you must provide all fields for the key. Missing key: 'number'."
    );
    assert_eq!(error["errorType"], Value::Null);
    orders(site).await;
    let input = json!({"id": "o1", "number": 2, "_version": 1});
    let error = site.mutate("updateOrder", input, "id").await.refusal();
    assert_eq!(
        error["message"],
        "When updating any part of the composite sort key for @index 'byCustomerAndState', you must provide all fields for the key. Missing key: 'state'."
    );
}
}
