//! What mutations store, so that it can be read again: required values, numbers as sent, keys by value.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::{Served, serve_schema};

const SCHEMA: &str = "
type Place { city: String! lines: [String!] inner: Place }
enum Mood { GOOD BAD }
type Diary @model @auth(rules: [{ allow: public }]) {
  id: ID!
  title: String!
  mood: Mood!
  pages: [String]!
  words: [String!]
  place: Place
  places: [Place!]
  spots: [Place!]!
  score: Float
  createdAt: AWSDateTime!
}
type Mark @model @auth(rules: [{ allow: public }]) {
  x: Int! @primaryKey(sortKeyFields: [\"y\"])
  y: Float!
  note: String
}";

const UPDATE: &str = "mutation M($input: UpdateDiaryInput!) {
    updateDiary(input: $input) { __typename id title mood pages words score _version } }";

pub(super) fn served(source: &str) -> Served {
    let loaded = crate::schema::load(source).unwrap_or_else(|problems| panic!("{problems:?}"));
    serve_schema(loaded.schema)
}

async fn with_a_diary() -> Served {
    let api = served(SCHEMA);
    let diary = json!({"id": "d", "title": "t", "mood": "GOOD", "pages": ["a"], "words": ["b"], "spots": []});
    api.create("Diary", diary).await;
    api
}

/// `client-js` 9.4: a record that cannot be read stops every client that syncs it.
#[tokio::test]
async fn an_update_cannot_erase_what_is_required() {
    let api = with_a_diary().await;
    for (field, ty) in [
        ("title", "String!"),
        ("mood", "Mood!"),
        ("pages", "[String]!"),
        ("spots", "[PlaceInput!]!"),
        ("createdAt", "AWSDateTime!"),
    ] {
        for version in [json!(1), json!(7), Value::Null] {
            let input = json!({"id": "d", field: null, "words": ["c"], "_version": version});
            let body = api.ask(UPDATE, json!({ "input": input })).await;
            assert_eq!(body["data"], json!({"updateDiary": null}));
            let error = &body["errors"][0];
            assert_eq!(
                error["message"],
                format!("Variable '{field}' has coerced Null value for NonNull type '{ty}'")
            );
            assert_eq!(error["path"], json!(["updateDiary"]));
            assert_eq!(
                (&error["errorType"], &error["data"]["_version"]),
                (&Value::Null, &json!(1))
            );
            assert_eq!(error["data"]["title"], "t");
        }
    }
    let body = api
        .ask(
            "{ getDiary(id: \"d\") { title words _version } }",
            json!({}),
        )
        .await;
    assert_eq!(
        body,
        json!({"data": {"getDiary": {"title": "t", "words": ["b"], "_version": 1}}})
    );
}

#[tokio::test]
async fn a_missing_record_is_missing_whatever_the_update_says() {
    let api = with_a_diary().await;
    let body = api
        .ask(UPDATE, json!({"input": {"id": "other", "title": null}}))
        .await;
    let error = &body["errors"][0];
    assert_eq!(error["errorType"], "ConditionalCheckFailedException");
}

#[tokio::test]
async fn elements_and_nested_fields_that_are_required_are_there_in_every_write() {
    let api = with_a_diary().await;
    let create = "mutation M($input: CreateDiaryInput!) { createDiary(input: $input) { id } }";
    for (field, value, named) in [
        ("words", json!(["a", null]), "words"),
        ("place", json!({}), "city"),
        ("place", json!({"city": null}), "city"),
        ("place", json!({"city": "x", "lines": [null]}), "lines"),
        (
            "place",
            json!({"city": "x", "inner": {"lines": []}}),
            "city",
        ),
        ("places", json!([null]), "places"),
        ("places", json!([{"city": "x"}, {"lines": []}]), "city"),
    ] {
        let expected = format!("Variable '{named}' has coerced Null value for NonNull type");
        let update = json!({"id": "d", field: value, "_version": 1});
        let message = api.message(UPDATE, json!({ "input": update })).await;
        assert!(message.starts_with(&expected), "{field} {value}: {message}");
        let mut new = json!({"id": "n", "title": "t", "mood": "BAD", "pages": [], "spots": []});
        new[field] = value.clone();
        let message = api.message(create, json!({ "input": new })).await;
        assert!(message.starts_with(&expected), "{field} {value}: {message}");
    }
    let nullable =
        json!({"id": "d", "pages": ["a", null], "words": null, "place": null, "_version": 1});
    let body = api.ask(UPDATE, json!({ "input": nullable })).await;
    assert_eq!(body["data"]["updateDiary"]["pages"], json!(["a", null]));
    assert_eq!(body["data"]["updateDiary"]["words"], Value::Null);
}

/// A schema may declare the input of a nested type itself, and less strictly than the type.
#[tokio::test]
async fn an_input_of_the_schema_cannot_store_what_its_type_cannot_show() {
    let source = "
        type Place { city: String! floor: Int }
        input PlaceInput { city: String floor: String }
        type Diary @model @auth(rules: [{ allow: public }]) { id: ID! place: Place }";
    let api = served(source);
    let create = "mutation M($place: PlaceInput) { createDiary(input: {id: \"d\", place: $place}) { id place { city } } }";
    for (place, expected) in [
        (
            json!({}),
            "Variable 'city' has coerced Null value for NonNull type 'String!'",
        ),
        (
            json!({"city": "x", "floor": "one"}),
            "Variable 'floor' has an invalid value. It does not fit the type 'Int'.",
        ),
    ] {
        assert_eq!(
            api.message(create, json!({ "place": place })).await,
            expected
        );
    }
    let body = api.ask(create, json!({"place": {"city": "x"}})).await;
    assert_eq!(body["data"]["createDiary"]["place"]["city"], "x");
}

/// JSON text, so that numbers keep theirs.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// `errata.md` 2.3. The parser writes an exponent with its sign, as JavaScript does: `1e21` is `1e+21`.
#[tokio::test]
async fn a_number_is_echoed_as_it_was_sent() {
    let api = with_a_diary().await;
    for (version, (sent, echoed)) in [
        ("1.50", "1.50"),
        ("-0", "-0"),
        ("-0.0", "-0.0"),
        ("0.1", "0.1"),
        ("12345678901234567890", "12345678901234567890"),
        ("3.141592653589793238462643", "3.141592653589793238462643"),
        ("1e+21", "1e+21"),
        ("1e-7", "1e-7"),
        ("1.7976931348623157e+308", "1.7976931348623157e+308"),
        ("1e2", "1e+2"),
        ("1E2", "1e+2"),
    ]
    .into_iter()
    .enumerate()
    {
        let version = version + 1;
        let input = parsed(&format!(
            r#"{{"id":"d","score":{sent},"_version":{version}}}"#
        ));
        let update =
            "mutation M($input: UpdateDiaryInput!) { updateDiary(input: $input) { score } }";
        let expected = format!(r#"{{"data":{{"updateDiary":{{"score":{echoed}}}}}}}"#);
        assert_eq!(api.text(update, json!({ "input": input })).await, expected);
        let read = api
            .text("{ getDiary(id: \"d\") { score } }", json!({}))
            .await;
        assert_eq!(read, expected.replace("updateDiary", "getDiary"), "{sent}");
    }
    let infinite = parsed(r#"{"id":"d","score":1E400}"#);
    let message = api.message(UPDATE, json!({ "input": infinite })).await;
    assert!(message.contains("not a valid Float"), "{message}");
}

/// `client-native` R25, `errata.md` 2.4.
#[tokio::test]
async fn a_key_is_the_same_record_whatever_its_literal() {
    let api = served(SCHEMA);
    api.create("Mark", json!({"x": 0, "y": parsed("1.50"), "note": "n"}))
        .await;
    let get = "query Q($x: Int!, $y: Float!) { getMark(x: $x, y: $y) { note } }";
    let found = json!({"data": {"getMark": {"note": "n"}}});
    for (x, y) in [
        ("0", "1.5"),
        ("-0", "1.500"),
        ("0", "15e-1"),
        ("-0", "0.15E1"),
    ] {
        let key = json!({"x": parsed(x), "y": parsed(y)});
        assert_eq!(api.ask(get, key).await, found, "{x} {y}");
    }
    let swift = "query Q($x: ID!, $y: ID!) { getMark(x: $x, y: $y) { note } }";
    for key in [json!({"x": "0", "y": "1.50"}), json!({"x": 0, "y": "1.5"})] {
        assert_eq!(api.ask(swift, key.clone()).await, found, "{key}");
    }
    assert_eq!(
        api.ask("{ getMark(x: -0, y: 1.5) { note } }", json!({}))
            .await,
        found
    );

    let again = "mutation M($input: CreateMarkInput!) { createMark(input: $input) { note } }";
    let other = json!({"input": {"x": parsed("-0"), "y": parsed("1.500"), "note": "other"}});
    let body = api.ask(again, other).await;
    assert_eq!(
        body["errors"][0]["errorType"],
        "ConditionalCheckFailedException"
    );
    let delete = "mutation M($input: DeleteMarkInput!) { deleteMark(input: $input) { y } }";
    let key = json!({"input": {"x": "0", "y": "1.5", "_version": "1"}});
    assert_eq!(
        api.text(delete, key).await,
        r#"{"data":{"deleteMark":{"y":1.50}}}"#
    );
}

#[tokio::test]
async fn an_id_is_the_same_as_a_number_and_as_text() {
    let api = served(SCHEMA);
    let diary = json!({"id": 7, "title": "t", "mood": "GOOD", "pages": [], "spots": []});
    api.create("Diary", diary).await;
    let found = json!({"data": {"getDiary": {"id": "7"}}});
    let get = "query Q($id: ID!) { getDiary(id: $id) { id } }";
    for id in [json!(7), json!("7")] {
        assert_eq!(api.ask(get, json!({ "id": id })).await, found);
    }
    for literal in ["7", "\"7\""] {
        let document = format!("{{ getDiary(id: {literal}) {{ id }} }}");
        assert_eq!(api.ask(&document, json!({})).await, found);
    }
    let filter = "{ listDiaries(filter: {id: {eq: 7}}) { items { id } } }";
    let body = api.ask(filter, json!({})).await;
    assert_eq!(body["data"]["listDiaries"]["items"], json!([{"id": "7"}]));
}
