//! Every operator over every type (`transformer.md` 3, 5 and 6.6): filters, conditions, and conditions of sort keys.

use serde_json::{Map, Value, json};

use crate::support::site::{Plan, Site, on_both_stores};

const PLAN: Plan = Plan::of(include_str!("../../schemas/operators.graphql"));

/// Three values in the order of their type, and what only the middle one begins with and contains.
struct Values {
    field: &'static str,
    low: Value,
    middle: Value,
    high: Value,
    /// For texts.
    part: Option<&'static str>,
}

fn texts(field: &'static str, [low, middle, high]: [&str; 3], part: &'static str) -> Values {
    Values {
        field,
        low: low.into(),
        middle: middle.into(),
        high: high.into(),
        part: Some(part),
    }
}

fn numbers(field: &'static str, [low, middle, high]: [Value; 3]) -> Values {
    Values {
        field,
        low,
        middle,
        high,
        part: None,
    }
}

/// Strings compare by their bytes, so capitals come first and dates are what they are written like.
fn ordered() -> Vec<Values> {
    vec![
        texts("text", ["Zoe", "anna", "é😀"], "ann"),
        texts("ref", ["1", "10", "2"], "10"),
        numbers("int", [json!(-2), json!(9), json!(10)]),
        numbers("float", [json!(-1.5), json!(2), json!(1e3)]),
        texts(
            "date",
            ["-0044-03-15", "2024-02-29", "2024-03-01Z"],
            "2024-02",
        ),
        texts("time", ["09:00", "10:00:00.5", "23:59:59.999999999Z"], "10"),
        texts(
            "dateTime",
            [
                "1999-12-31T23:59:59Z",
                "2024-02-29T00:00Z",
                "2024-03-01T00:00:00.123456789+01:00",
            ],
            "2024-02",
        ),
        numbers(
            "timestamp",
            [json!(-1), json!(1_700_000_000), json!(5_000_000_000_i64)],
        ),
        texts("size", ["L", "M", "S"], "M"),
    ]
}

fn unordered() -> Vec<Values> {
    vec![
        texts(
            "email",
            ["a@example.org", "b@example.org", "c@example.org"],
            "b@",
        ),
        texts("json", ["[1]", "[2]", "{}"], "[2"),
        texts(
            "url",
            [
                "https://a.example",
                "https://b.example/x",
                "https://c.example",
            ],
            "https://b",
        ),
        texts(
            "phone",
            ["+12065550100", "+12065550101", "+492065550102"],
            "+12065550101",
        ),
        texts("ip", ["10.0.0.1", "192.0.2.1/24", "::1"], "192"),
    ]
}

/// A record for each value; `null` was sent as null, `missing` was not sent, `erased` was set and then erased.
async fn samples(site: &Site, values: &[Values]) {
    let mut records: Vec<(&str, Map<String, Value>)> =
        ["low", "middle", "high", "null", "missing", "erased"]
            .map(|id| (id, Map::from_iter([("id".to_owned(), id.into())])))
            .into();
    for it in values {
        let given = [&it.low, &it.middle, &it.high, &Value::Null];
        for ((_, record), value) in records.iter_mut().zip(given) {
            record.insert(it.field.to_owned(), value.clone());
        }
        records[5].1.insert(it.field.to_owned(), it.middle.clone());
    }
    let erased = values.iter().map(|it| (it.field.to_owned(), Value::Null));
    let mut erased: Map<_, _> = erased.collect();
    erased.insert("id".to_owned(), "erased".into());
    erased.insert("_version".to_owned(), 1.into());
    for (_, record) in records {
        site.mutate("createSample", record.into(), "id")
            .await
            .value();
    }
    site.mutate("updateSample", erased.into(), "id")
        .await
        .value();
}

async fn passing(site: &Site, filter: &Value) -> Vec<String> {
    let query = "query q($filter: ModelSampleFilterInput) { listSamples(filter: $filter) { items { id } } syncSamples(filter: $filter) { items { id } } }";
    let body = site.ask(query, json!({"filter": filter})).await.0;
    assert!(body.get("errors").is_none(), "{filter}: {body}");
    let ids = |field: &str| {
        let items = body["data"][field]["items"].as_array().expect("items");
        let mut ids: Vec<_> = items
            .iter()
            .map(|it| it["id"].as_str().expect("an id").to_owned())
            .collect();
        ids.sort();
        ids
    };
    assert_eq!(ids("listSamples"), ids("syncSamples"), "{filter}");
    ids("listSamples")
}

async fn expect(site: &Site, field: &str, test: Value, expected: &str) {
    let mut expected: Vec<_> = expected.split_whitespace().collect();
    expected.sort_unstable();
    let filter = json!({field: test});
    assert_eq!(passing(site, &filter).await, expected, "{filter}");
}

/// What every type has, and what missing and null come to.
async fn equality(site: &Site, it: &Values) {
    expect(site, it.field, json!({"eq": it.middle}), "middle").await;
    expect(site, it.field, json!({"eq": null}), "null").await;
    expect(
        site,
        it.field,
        json!({"ne": it.middle}),
        "low high null missing erased",
    )
    .await;
    expect(
        site,
        it.field,
        json!({"ne": null}),
        "low middle high missing erased",
    )
    .await;
    expect(
        site,
        it.field,
        json!({"attributeExists": true}),
        "low middle high null",
    )
    .await;
    expect(
        site,
        it.field,
        json!({"attributeExists": false}),
        "missing erased",
    )
    .await;
    expect(site, it.field, json!({"attributeType": "_null"}), "null").await;
    let ty = if it.part.is_some() {
        "string"
    } else {
        "number"
    };
    expect(
        site,
        it.field,
        json!({"attributeType": ty}),
        "low middle high",
    )
    .await;
    expect(site, it.field, json!({"attributeType": "map"}), "").await;
}

async fn order(site: &Site, it: &Values) {
    expect(site, it.field, json!({"lt": it.middle}), "low").await;
    expect(site, it.field, json!({"le": it.middle}), "low middle").await;
    expect(site, it.field, json!({"gt": it.middle}), "high").await;
    expect(site, it.field, json!({"ge": it.middle}), "middle high").await;
    expect(
        site,
        it.field,
        json!({"between": [it.low, it.middle]}),
        "low middle",
    )
    .await;
    expect(site, it.field, json!({"between": [it.high, it.low]}), "").await;
}

async fn parts(site: &Site, it: &Values, part: &str) {
    expect(site, it.field, json!({"beginsWith": part}), "middle").await;
    expect(site, it.field, json!({"contains": part}), "middle").await;
    expect(
        site,
        it.field,
        json!({"notContains": part}),
        "low high null missing erased",
    )
    .await;
    expect(
        site,
        it.field,
        json!({"size": {"ge": 0}}),
        "low middle high",
    )
    .await;
    // In bytes of UTF-8.
    let length = |value: &Value| value.as_str().map(str::len);
    let named = [("low", &it.low), ("middle", &it.middle), ("high", &it.high)];
    let alike = named
        .iter()
        .filter(|(_, value)| length(value) == length(&it.middle));
    let alike: Vec<_> = alike.map(|(id, _)| *id).collect();
    expect(
        site,
        it.field,
        json!({"size": {"eq": length(&it.middle)}}),
        &alike.join(" "),
    )
    .await;
}

/// Rows of one group, in the order of one field; one has no value.
async fn rows(site: &Site, values: &[Values]) {
    for (id, pick) in [("low", 0), ("middle", 1), ("high", 2), ("missing", 3)] {
        let mut row = Map::from_iter([
            ("id".to_owned(), id.into()),
            ("group".to_owned(), "g".into()),
        ]);
        for it in values {
            if let Some(value) = [&it.low, &it.middle, &it.high].get(pick) {
                row.insert(it.field.to_owned(), (*value).clone());
            }
        }
        site.mutate("createRow", row.into(), "id").await.value();
    }
    site.mutate(
        "createRow",
        json!({"id": "elsewhere", "group": "h", "int": 9, "date": "2024-02-29"}),
        "id",
    )
    .await
    .value();
}

async fn walked(site: &Site, query: &str, arguments: &str) -> Vec<String> {
    let text = format!("{{ {query}(group: \"g\"{arguments}) {{ items {{ id }} }} }}");
    let page = site.read(&text).await;
    let items = page["items"].as_array().expect("items");
    items
        .iter()
        .map(|it| it["id"].as_str().expect("an id").to_owned())
        .collect()
}

/// A value as a document writes it: texts quoted.
fn literal(value: &Value) -> String {
    value.to_string()
}

on_both_stores! { PLAN;

/// 6.6 over every scalar that is text or a number, in lists and in syncs.
async fn every_operator_of_every_scalar_follows_the_table(site: &Site) {
    let mut all = ordered();
    all.extend(unordered());
    samples(site, &all).await;
    for it in &all {
        equality(site, it).await;
        order(site, it).await;
        if let Some(part) = it.part {
            parts(site, it, part).await;
        }
    }
}

/// 6.6 over flags and lists; an empty list has a size and holds nothing.
async fn flags_and_lists_follow_the_table(site: &Site) {
    for record in [
        json!({"id": "yes", "flag": true, "texts": ["a", "b"], "ints": [1, 2], "sizes": ["L", "M"]}),
        json!({"id": "no", "flag": false, "texts": [], "ints": [], "sizes": []}),
        json!({"id": "null", "flag": null, "texts": null, "ints": null, "sizes": null}),
        json!({"id": "holes", "texts": [null, "b"], "ints": [null], "sizes": [null]}),
        json!({"id": "missing"}),
    ] {
        site.mutate("createSample", record, "id").await.value();
    }
    for (field, test, expected) in [
        ("flag", json!({"eq": true}), "yes"),
        ("flag", json!({"eq": false}), "no"),
        ("flag", json!({"eq": null}), "null"),
        ("flag", json!({"ne": true}), "no null missing holes"),
        ("flag", json!({"attributeType": "bool"}), "yes no"),
        ("texts", json!({"contains": "b"}), "yes holes"),
        ("texts", json!({"notContains": "b"}), "no null missing"),
        ("texts", json!({"attributeType": "list"}), "yes no holes"),
        ("texts", json!({"attributeExists": true}), "yes no null holes"),
        ("texts", json!({"size": {"eq": 2}}), "yes holes"),
        ("texts", json!({"size": {"between": [0, 1]}}), "no"),
        ("texts", json!({"eq": "a"}), ""),
        ("ints", json!({"attributeExists": false}), "missing"),
        ("ints", json!({"attributeType": "list"}), "yes no holes"),
        ("ints", json!({"eq": 1}), ""),
        ("sizes", json!({"contains": "M"}), "yes"),
        ("sizes", json!({"notContains": "M"}), "no null missing holes"),
        ("sizes", json!({"eq": ["L", "M"]}), "yes"),
        ("sizes", json!({"ne": ["L", "M"]}), "no null missing holes"),
    ] {
        expect(site, field, test, expected).await;
    }
}

/// 6.6: a condition speaks the language of filters, about the stored record.
async fn a_condition_is_judged_as_a_filter_is(site: &Site) {
    let values = ordered();
    samples(site, &values).await;
    for it in &values {
        for (id, test, holds) in [
            ("middle", json!({"eq": it.middle}), true),
            ("middle", json!({"ne": it.middle}), false),
            ("middle", json!({"lt": it.high}), true),
            ("middle", json!({"between": [it.high, it.low]}), false),
            ("missing", json!({"ne": it.middle}), true),
            ("missing", json!({"le": it.high}), false),
            ("missing", json!({"attributeExists": false}), true),
            ("null", json!({"eq": null}), true),
            ("null", json!({"attributeExists": false}), false),
        ] {
            let condition = json!({it.field: test});
            let read = site.read(&format!("{{ getSample(id: \"{id}\") {{ _version }} }}")).await;
            let input = json!({"id": id, "_version": read["_version"]});
            let answer = site.mutate_if("updateSample", input, condition.clone(), "id").await;
            if holds {
                answer.value();
            } else {
                let error = answer.refusal();
                assert_eq!(error["errorType"], "ConditionalCheckFailedException", "{condition}");
            }
        }
    }
}

/// 5: every condition over every type of sort field, in both directions; records without the field are not in the index.
async fn every_sort_condition_of_every_type_selects_its_part(site: &Site) {
    let values = ordered();
    rows(site, &values).await;
    for it in &values {
        let query = format!("rowsBy{}{}", it.field[..1].to_uppercase(), &it.field[1..]);
        let all = ["low", "middle", "high"];
        assert_eq!(walked(site, &query, "").await, all, "{query}");
        let mut backwards = all;
        backwards.reverse();
        assert_eq!(walked(site, &query, ", sortDirection: DESC").await, backwards, "{query}");
        let [low, middle, high] = [&it.low, &it.middle, &it.high].map(literal);
        let begins = it.part.filter(|_| it.field != "size").map(|part| (format!("beginsWith: \"{part}\""), "middle"));
        for (condition, expected) in [
            (format!("eq: {middle}"), "middle"),
            (format!("lt: {middle}"), "low"),
            (format!("le: {middle}"), "low middle"),
            (format!("gt: {middle}"), "high"),
            (format!("ge: {middle}"), "middle high"),
            (format!("between: [{low}, {middle}]"), "low middle"),
            (format!("between: [{high}, {low}]"), ""),
            (format!("gt: {low}, lt: {high}"), "middle"),
        ].into_iter().chain(begins) {
            let expected: Vec<_> = expected.split_whitespace().collect();
            let arguments = format!(", {}: {{{condition}}}", it.field);
            assert_eq!(walked(site, &query, &arguments).await, expected, "{query}{arguments}");
        }
    }
}

/// 5: several sort fields are one text joined by `#`, whatever their types; a condition may leave out the later ones.
async fn every_condition_of_a_composite_sort_key_compares_text(site: &Site) {
    for (id, date, int) in [("a", "2024-01-01", 10), ("b", "2024-01-01", 9), ("c", "2024-01-02", 1), ("d", "2024-01-02", -1)] {
        site.mutate("createRow", json!({"id": id, "group": "g", "date": date, "int": int}), "id").await.value();
    }
    site.mutate("createRow", json!({"id": "half", "group": "g"}), "id").await.value();
    // `10` before `9`, `-1` before `1`.
    for (arguments, expected) in [
        ("", "a b d c"),
        (", sortDirection: DESC", "c d b a"),
        (", dateInt: {eq: {date: \"2024-01-01\", int: 9}}", "b"),
        (", dateInt: {lt: {date: \"2024-01-01\", int: 9}}", "a"),
        (", dateInt: {le: {date: \"2024-01-01\", int: 9}}", "a b"),
        (", dateInt: {gt: {date: \"2024-01-01\", int: 9}}", "d c"),
        (", dateInt: {ge: {date: \"2024-01-01\", int: 9}}", "b d c"),
        (", dateInt: {between: [{date: \"2024-01-01\", int: 9}, {date: \"2024-01-02\", int: -1}]}", "b d"),
        (", dateInt: {beginsWith: {date: \"2024-01-02\"}}", "d c"),
        (", dateInt: {beginsWith: {date: \"2024-01-02\", int: 1}}", "c"),
        (", dateInt: {gt: {date: \"2024-01-02\"}}", "d c"),
        (", dateInt: null", "a b d c"),
        (", limit: 1, dateInt: {beginsWith: {date: \"2024-01-02\"}}, sortDirection: DESC", "c"),
    ] {
        let expected: Vec<_> = expected.split_whitespace().collect();
        assert_eq!(walked(site, "rowsByDateAndInt", arguments).await, expected, "{arguments}");
    }
}

/// 5: DataStore's selective sync names a key first; the answer is that of the plain filter.
async fn a_sync_by_a_key_is_the_plain_filters(site: &Site) {
    rows(site, &ordered()).await;
    for (filter, expected) in [
        ("{and: [{group: {eq: \"g\"}}]}", "high low middle missing"),
        ("{and: [{group: {eq: \"g\"}}, {int: {ge: 9}}]}", "high middle"),
        ("{and: [{group: {eq: \"g\"}}, {int: {between: [-2, 9]}}]}", "low middle"),
        ("{and: [{group: {eq: \"g\"}}, {int: {gt: -5}}, {int: {lt: 10}}]}", "low middle"),
        ("{and: [{group: {eq: \"g\"}}, {or: [{int: {eq: 9}}, {text: {beginsWith: \"Z\"}}]}]}", "low middle"),
        ("{and: [{group: {eq: \"h\"}}, {date: {eq: \"2024-02-29\"}}]}", "elsewhere"),
    ] {
        let query = format!("{{ syncRows(limit: 2, {{next}}, filter: {filter}) {{ items {{ id }} nextToken }} }}");
        let items = site.walk(&query).await;
        let mut ids: Vec<_> = items.iter().map(|it| it["id"].as_str().expect("an id")).collect();
        ids.sort_unstable();
        assert_eq!(ids, expected.split_whitespace().collect::<Vec<_>>(), "{filter}");
    }
}
}
