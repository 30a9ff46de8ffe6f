//! Filters as clients write them, judged by the database (`transformer.md` 6.6, `client-js` 8.5).

use serde_json::{Value, json};

use crate::support::site::{Plan, Site, on_both_stores};

const PLAN: Plan = Plan::of(include_str!("../../schemas/scalars.graphql"));

/// `null` was sent as null, `missing` was never sent; the others have values.
async fn things(site: &Site) {
    let inputs = [
        json!({"id": "missing"}),
        json!({"id": "null", "string": null, "int": null, "strings": null, "boolean": null, "level": null}),
        json!({"id": "low", "string": "apple", "int": -3, "float": 1.5, "boolean": false, "level": "LOW",
            "strings": ["a", "b"], "date": "2024-01-31", "place": {"city": "Oslo"}}),
        json!({"id": "high", "string": "Zebra pie", "int": 20, "float": 10.0, "boolean": true, "level": "HIGH",
            "strings": [], "date": "2024-02-01", "timestamp": 5_000_000_000_i64}),
        json!({"id": "wild", "string": "50%_\\'\"é😀", "int": 3, "float": 2.50}),
    ];
    for input in inputs {
        site.mutate("createThing", input, "id").await.value();
    }
}

async fn passing(site: &Site, filter: &Value) -> String {
    let query = "query q($filter: ModelThingFilterInput) { listThings(filter: $filter) { items { id } nextToken } }";
    let page = site.ask(query, json!({"filter": filter})).await.value();
    assert_eq!(page["nextToken"], Value::Null);
    let mut ids: Vec<_> = page["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| item["id"].as_str().expect("an id"))
        .collect();
    ids.sort_unstable();
    ids.join(" ")
}

async fn expect(site: &Site, table: &[(Value, &str)]) {
    for (filter, expected) in table {
        let mut expected: Vec<_> = expected.split_whitespace().collect();
        expected.sort_unstable();
        assert_eq!(passing(site, filter).await, expected.join(" "), "{filter}");
    }
}

on_both_stores! { PLAN;

/// Section 6.6: what is missing is not null, and neither compares.
async fn missing_and_null_follow_the_table(site: &Site) {
    things(site).await;
    expect(site, &[
        (json!({"string": {"eq": "apple"}}), "low"),
        (json!({"string": {"eq": null}}), "null"),
        (json!({"string": {"ne": "apple"}}), "missing null high wild"),
        (json!({"string": {"ne": null}}), "missing low high wild"),
        (json!({"int": {"lt": 1}}), "low"),
        (json!({"int": {"ge": -100}}), "low high wild"),
        (json!({"string": {"contains": ""}}), "low high wild"),
        (json!({"string": {"notContains": "e"}}), "missing null wild"),
        (json!({"string": {"beginsWith": ""}}), "low high wild"),
        (json!({"string": {"attributeExists": true}}), "null low high wild"),
        (json!({"string": {"attributeExists": false}}), "missing"),
        (json!({"string": {"attributeType": "_null"}}), "null"),
        (json!({"string": {"size": {"ge": 1}}}), "low high wild"),
    ]).await;
}

/// Section 6.6: numbers compare by value, strings by bytes, and special characters mean themselves.
async fn values_compare_by_type(site: &Site) {
    things(site).await;
    expect(site, &[
        (json!({"int": {"between": [-3, 3]}}), "low wild"),
        (json!({"int": {"gt": 3}}), "high"),
        (json!({"float": {"eq": 2.5}}), "wild"),
        (json!({"float": {"le": 2.50}}), "low wild"),
        (json!({"float": {"eq": 10}}), "high"),
        (json!({"timestamp": {"gt": 4_294_967_296_i64}}), "high"),
        (json!({"string": {"lt": "a"}}), "high wild"),
        (json!({"string": {"beginsWith": "Zebra"}}), "high"),
        (json!({"string": {"beginsWith": "zebra"}}), ""),
        (json!({"string": {"contains": "%_"}}), "wild"),
        (json!({"string": {"contains": "%"}}), "wild"),
        (json!({"string": {"contains": "_"}}), "wild"),
        (json!({"string": {"beginsWith": "50%_\\'\""}}), "wild"),
        (json!({"string": {"contains": "é😀"}}), "wild"),
        (json!({"boolean": {"eq": false}}), "low"),
        (json!({"boolean": {"ne": true}}), "missing null low wild"),
        (json!({"level": {"eq": "HIGH"}}), "high"),
        (json!({"level": {"ne": "HIGH"}}), "missing null low wild"),
        (json!({"date": {"gt": "2024-01-31"}}), "high"),
        (json!({"strings": {"contains": "b"}}), "low"),
        (json!({"strings": {"contains": "c"}}), ""),
        (json!({"strings": {"notContains": "b"}}), "missing null high wild"),
        (json!({"strings": {"size": {"eq": 0}}}), "high"),
        (json!({"strings": {"attributeType": "list"}}), "low high"),
        (json!({"id": {"eq": "low"}}), "low"),
    ]).await;
}

/// Section 6.6: keys and operators side by side are ANDed; groups nest.
async fn groups_combine_as_logic_does(site: &Site) {
    things(site).await;
    expect(site, &[
        (json!({}), "missing null low high wild"),
        (json!({"and": []}), "missing null low high wild"),
        (json!({"int": {"gt": -10, "lt": 10}}), "low wild"),
        (json!({"int": {"gt": -10}, "string": {"contains": "e"}}), "low high"),
        (json!({"or": [{"id": {"eq": "low"}}, {"int": {"eq": 20}}]}), "low high"),
        (json!({"not": {"int": {"gt": 0}}}), "missing null low"),
        (json!({"not": {"string": {"attributeExists": false}}}), "null low high wild"),
        (
            json!({"and": [{"or": [{"id": {"eq": "null"}}, {"id": {"eq": "wild"}}]}, {"not": {"int": {"eq": 3}}}]}),
            "null",
        ),
        (json!({"or": [{"int": {"eq": 20}}], "id": {"ne": "high"}}), ""),
    ]).await;
}

/// `client-js` 8.5, `errata.md` row 41: DataStore's operators are taken although the API does not list them.
async fn the_operators_of_datastore_are_taken(site: &Site) {
    things(site).await;
    expect(site, &[
        (json!({"and": [{"int": {"in": [3, 20]}}]}), "high wild"),
        (json!({"int": {"notIn": [3, 20]}}), "missing null low"),
        (json!({"string": {"in": []}}), ""),
        (json!({"and": [{"not": {"level": {"in": ["LOW"]}}}]}), "missing null high wild"),
        (json!({"level": {"beginsWith": "H"}}), "high"),
        (json!({"date": {"in": ["2024-02-01"]}}), "high"),
    ]).await;
}

/// The same filter selects the same records in a sync, a list and a document that spells it out.
async fn one_filter_means_the_same_everywhere(site: &Site) {
    things(site).await;
    let text = "{or: [{int: {between: [1, 5]}}, {strings: {contains: \"a\"}}]}";
    for query in ["listThings", "syncThings"] {
        let page = site.read(&format!("{{ {query}(filter: {text}) {{ items {{ id }} }} }}")).await;
        let mut ids: Vec<_> = page["items"].as_array().expect("items").iter().map(|item| item["id"].clone()).collect();
        ids.sort_by_key(ToString::to_string);
        assert_eq!(ids, [json!("low"), json!("wild")], "{query}");
    }
}

/// Section 7: what is no predicate is refused and not taken for everything.
async fn what_is_no_predicate_is_refused(site: &Site) {
    things(site).await;
    let query = "query q($filter: ModelThingFilterInput) { listThings(filter: $filter) { items { id } } }";
    for filter in [json!({"int": {"between": [1]}}), json!({"int": {"between": 1}}), json!({"int": {"gt": null}})] {
        let error = site.ask(query, json!({"filter": filter})).await.refusal();
        assert_eq!(error["errorType"], "Unrecognized Filter", "{filter}");
        assert_eq!(error["message"], "Unable to process the filter expression");
    }
    for filter in [json!({"nothing": {"eq": 1}}), json!({"int": {"like": 1}}), json!({"int": {"eq": "many"}})] {
        let body = site.ask(query, json!({"filter": filter})).await.0;
        assert_eq!(body["data"], Value::Null, "{filter}");
        assert_eq!(body["errors"].as_array().expect("errors").len(), 1, "{body}");
    }
}
}
