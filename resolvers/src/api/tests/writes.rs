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
    let diary = json!({"id": "d", "title": "t", "mood": "GOOD", "pages": ["a"], "words": ["b"]});
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
        let mut new = json!({"id": "n", "title": "t", "mood": "BAD", "pages": []});
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
