//! Values, defaults, timestamps and names of operations (`sync-semantics` MUT-11, `transformer.md` 4.1, 6.1, 6.4).

use serde_json::{Value, json};

use crate::support::site::{Plan, Site, on_both_stores};

const PLAN: Plan = Plan::of(include_str!("../../schemas/scalars.graphql"));

const THING: &str = "string int float boolean date time dateTime timestamp email json url phone ip level \
    place { city country lines at } strings ints floats levels times jsons places { city country lines at }";

/// Values whose text a server might be tempted to tidy.
const VALUES: &str = r#"{"string":" a\u0001é😀\\ ","int":-2147483648,"float":1.10,"boolean":false,
"date":"2024-02-29Z","time":"23:59:59.123456789+01:00","dateTime":"2024-02-29T01:02:03Z","timestamp":1700000000000,
"email":"Ada@Example.org","json":"{ \"b\" : 1.0 , \"a\":[ ] }","url":"https://example.org/%7e?q=a+b#c","phone":"+1 206-555-0100",
"ip":"2001:DB8::1","level":"HIGH",
"place":{"city":"Oslo","country":null,"lines":["a",""],"at":"2024-01-01T00:00:00.000+02:00"},
"strings":[null,"","x"],"ints":[],"floats":[1000.0,0.5,null,12345678901.25],"levels":["LOW","LOW"],"times":["10:00"],
"jsons":["[]","{}"],"places":[{"city":"Rom","country":"it","lines":null,"at":null},null]}"#;

/// A body as text, so that numbers keep the spelling under test.
async fn create(site: &Site, id: &str) -> String {
    let input = format!("{{\"id\":\"{id}\",{}", &VALUES[1..]);
    let query = format!(
        "mutation m($input: CreateThingInput!) {{ createThing(input: $input) {{ {THING} }} }}"
    );
    let body = format!(
        "{{\"query\":{},\"variables\":{{\"input\":{input}}}}}",
        json!(query)
    );
    let (_, _, answer) = site.post(body).await;
    assert!(answer.get("errors").is_none(), "{answer:#}");
    answer["data"]["createThing"].to_string()
}

on_both_stores! { PLAN;

/// MUT-11, `client-js` rule 15: every value comes back as it was sent, in the answer and from the store.
async fn t38_values_are_echoed_as_they_were_sent(site: &Site) {
    let sent: Value = serde_json::from_str(VALUES).expect("JSON");
    assert_eq!(create(site, "t").await, sent.to_string());
    let read = site.read(&format!("{{ getThing(id: \"t\") {{ {THING} }} }}")).await;
    assert_eq!(read.to_string(), sent.to_string());
    let listed = site.read(&format!("{{ syncThings {{ items {{ {THING} }} }} }}")).await;
    assert_eq!(listed["items"][0].to_string(), sent.to_string());
}

/// `client-js` 9.4, rule 12: what would stop a client's sync engine is not let in.
async fn values_that_are_none_of_their_type_are_refused(site: &Site) {
    for (field, value) in [
        ("int", json!("3")),
        ("int", json!(1.5)),
        ("int", json!(2_147_483_648_i64)),
        ("boolean", json!(1)),
        ("boolean", json!("true")),
        ("date", json!("2024-02-30")),
        ("time", json!("24:00")),
        ("dateTime", json!("2024-01-01 10:00:00")),
        ("timestamp", json!("soon")),
        ("email", json!("ada")),
        ("json", json!("{broken")),
        ("json", json!("\"text\"")),
        ("json", json!("5")),
        ("url", json!("example")),
        ("phone", json!("call me")),
        ("ip", json!("300.1.1.1")),
        ("level", json!("MIDDLE")),
        ("string", json!("nul\u{0}")),
        ("ints", json!([1, null])),
        ("levels", json!(["MIDDLE"])),
        ("place", json!({"country": "no"})),
        ("place", json!({"city": "Oslo", "planet": "Earth"})),
    ] {
        let input = json!({"id": "t", field: value});
        let body = site.mutate("createThing", input, "id").await.0;
        assert_eq!(body["errors"].as_array().map(Vec::len), Some(1), "{field}: {value}: {body}");
        assert!(body["data"].is_null() || body["data"]["createThing"].is_null(), "{field}: {value}");
    }
    assert_eq!(site.read("{ listThings { items { id } } }").await["items"], json!([]));
}

/// Section 6.4: a default fills what is absent or null, on create only, each in its own type.
async fn defaults_fill_absent_and_null_on_create_only(site: &Site) {
    let fields = "title stars price open level since meta";
    let expected = json!({"title": "Untitled \"draft\"", "stars": 3, "price": serde_json::from_str::<Value>("1.50").expect("a number"),
        "open": true, "level": "LOW", "since": "2024-02-29", "meta": "{\"a\":1}"});
    let absent = site.mutate("createDraft", json!({"id": "a"}), fields).await.value();
    assert_eq!(absent, expected);
    let nulls = json!({"id": "n", "title": null, "stars": null, "price": null, "open": null, "level": null, "since": null, "meta": null});
    assert_eq!(site.mutate("createDraft", nulls, fields).await.value(), expected);
    let given = json!({"id": "g", "title": "", "stars": 0, "price": 0, "open": false, "level": "HIGH", "since": "2000-01-01", "meta": "[]"});
    let mut kept = given.clone();
    kept.as_object_mut().expect("an object").shift_remove("id");
    assert_eq!(site.mutate("createDraft", given, fields).await.value(), kept);
    let cleared = json!({"id": "a", "title": null, "stars": null, "_version": 1});
    let cleared = site.mutate("updateDraft", cleared, "title stars open").await.value();
    assert_eq!(cleared, json!({"title": null, "stars": null, "open": true}));
}

/// Section 4.1: timestamps may have other names; a declared one may be sent and then wins.
async fn timestamps_have_the_names_the_model_gives_them(site: &Site) {
    let fields = "madeAt touchedAt _version";
    let made = site.mutate("createMemo", json!({"id": "m"}), fields).await.value();
    assert!(made["madeAt"].is_string());
    assert_eq!(made["madeAt"], made["touchedAt"]);
    let mine = json!({"id": "m", "touchedAt": "2001-02-03T04:05:06Z", "_version": 1});
    let mine = site.mutate("updateMemo", mine, fields).await.value();
    assert_eq!(mine["touchedAt"], "2001-02-03T04:05:06Z");
    assert_eq!(mine["madeAt"], made["madeAt"]);
    let touched = site.mutate("updateMemo", json!({"id": "m", "_version": 2}), fields).await.value();
    assert!(touched["touchedAt"].as_str() >= made["touchedAt"].as_str());
    let message = site.mutate("createMemo", json!({"madeAt": "2001-02-03T04:05:06Z"}), fields).await.invalid();
    assert!(message.contains("'madeAt' that is not defined for input object type 'CreateMemoInput'"), "{message}");
}

/// Section 4.1: operations are renamed and switched off; sync stays.
async fn operations_have_the_names_the_model_gives_them(site: &Site) {
    let query = "mutation { writeLog(input: {id: \"l\", line: \"x\"}) { id } }";
    site.read(query).await;
    assert_eq!(site.read("{ readLog(id: \"l\") { line } }").await, json!({"line": "x"}));
    assert_eq!(site.read("{ syncLogs { items { line } } }").await["items"], json!([{"line": "x"}]));
    for (query, name, parent) in [
        ("{ getLog(id: \"l\") { line } }", "getLog", "Query"),
        ("mutation { updateLog(input: {id: \"l\"}) { line } }", "updateLog", "Mutation"),
    ] {
        let message = site.ask(query, json!({})).await.invalid();
        assert_eq!(
            message,
            format!("Validation error of type FieldUndefined: Field '{name}' in type '{parent}' is undefined @ '{name}'")
        );
    }
}
}
