//! Variables and arguments.

use serde_json::{Value, json};

use super::{serve, serve_schema};
use crate::fixtures;

const CREATE: &str = "mutation M($input: CreateCommentInput!) { createComment(input: $input) { id content postID } }";
const UPDATE: &str = "mutation M($input: UpdatePostInput!, $condition: ModelPostConditionInput) {
    updatePost(input: $input, condition: $condition) { id title rating } }";

#[tokio::test]
async fn a_variable_that_was_not_sent_leaves_its_field_untouched() {
    let api = serve();
    api.create("Post", json!({"id": "p", "title": "kept", "rating": 3}))
        .await;
    let document = "mutation M($title: String, $rating: Int) {
        updatePost(input: {id: \"p\", title: $title, rating: $rating, _version: 1}) { title rating } }";
    let body = api.ask(document, json!({"rating": null})).await;
    assert_eq!(
        body["data"]["updatePost"],
        json!({"title": "kept", "rating": null})
    );
}

#[tokio::test]
async fn undeclared_variables_are_ignored() {
    let api = serve();
    let body = api
        .ask(
            "query Q($id: ID!) { getPost(id: $id) { id } }",
            json!({"id": "p", "title": 4}),
        )
        .await;
    assert_eq!(body, json!({"data": {"getPost": null}}));
}

#[tokio::test]
async fn a_missing_required_value_is_named() {
    let api = serve();
    for variables in [json!({}), json!({"input": null})] {
        assert_eq!(
            api.message(CREATE, variables).await,
            "Variable 'input' has coerced Null value for NonNull type 'CreateCommentInput!'"
        );
    }
    for input in [json!({"id": "c"}), json!({"id": "c", "content": null})] {
        assert_eq!(
            api.message(CREATE, json!({"input": input})).await,
            "Variable 'content' has coerced Null value for NonNull type 'String!'"
        );
    }
}

#[tokio::test]
async fn an_unknown_input_field_is_named() {
    let api = serve();
    assert_eq!(
        api.text(UPDATE, json!({"input": {"id": "p", "x": 1}}))
            .await,
        r#"{"data":null,"errors":[{"path":null,"locations":null,"message":"The variables input contains a field name 'x' that is not defined for input object type 'UpdatePostInput'"}]}"#
    );
}

#[tokio::test]
async fn values_of_another_type_are_refused() {
    let api = serve();
    for (field, value) in [
        ("rating", json!("3")),
        ("rating", json!(2_147_483_648_i64)),
        ("rating", json!(1.5)),
        ("title", json!(3)),
        ("title", json!("nul\0")),
        ("status", json!("NOPE")),
        ("open", json!("true")),
        ("tags", json!([3])),
        ("place", json!("Kiel")),
        ("meta", json!("not json")),
    ] {
        let message = api
            .message(UPDATE, json!({"input": {"id": "p", field: value.clone()}}))
            .await;
        assert!(
            message.starts_with(&format!("Variable '{field}' has an invalid value")),
            "{field} {value}: {message}"
        );
    }
}

#[tokio::test]
async fn a_single_value_stands_for_a_list_of_one() {
    let api = serve();
    let body = api
        .ask(
            "mutation M($input: CreatePostInput!) { createPost(input: $input) { tags } }",
            json!({"input": {"id": "p", "tags": "a"}}),
        )
        .await;
    assert_eq!(body["data"]["createPost"]["tags"], json!(["a"]));
}

#[tokio::test]
async fn conditions_take_every_operator_and_key_fields() {
    let api = serve();
    api.create(
        "Post",
        json!({"id": "p", "title": "abc", "rating": 3, "status": "DRAFT", "tags": ["x"]}),
    )
    .await;
    for condition in [
        json!({"and": [{"rating": {"in": [1, 3]}}]}),
        json!({"not": {"status": {"in": ["ACTIVE"]}}}),
        json!({"or": [{"status": {"beginsWith": "DR"}}, {"open": {"eq": true}}]}),
        json!({"id": {"eq": "p"}}),
        json!({"status": {"contains": "RAF", "notContains": "X"}}),
        json!({"tags": {"contains": "x"}, "title": {"notIn": ["zzz"]}}),
        json!({"rating": {"between": [1, 4]}, "_version": {"ge": 1}}),
        json!({}),
        Value::Null,
    ] {
        let update = json!({"input": {"id": "p", "title": "abc"}, "condition": condition});
        let body = api.ask(UPDATE, update).await;
        let errors = body["errors"].as_array();
        let condition_failed =
            errors.is_some_and(|errors| errors[0]["errorType"] != "ConflictUnhandled");
        assert!(!condition_failed, "{condition}: {body}");
    }
}

#[tokio::test]
async fn predicates_in_the_document_are_as_lenient_as_in_variables() {
    let api = serve();
    api.create("Post", json!({"id": "p", "rating": 3})).await;
    let document = "query Q($r: [Int]) { listPosts(filter: {not: {rating: {notIn: $r}}, or: [{status: {in: [DRAFT]}}, {id: {eq: \"p\"}}]}) {
        items { id } } }";
    let body = api.ask(document, json!({"r": [3]})).await;
    assert_eq!(
        body,
        json!({"data": {"listPosts": {"items": [{"id": "p"}]}}})
    );
}

#[tokio::test]
async fn an_unknown_operator_is_refused() {
    let api = serve();
    let document = "query Q($f: ModelPostFilterInput) { listPosts(filter: $f) { items { id } } }";
    assert_eq!(
        api.message(document, json!({"f": {"rating": {"like": 3}}}))
            .await,
        "The variables input contains a field name 'like' that is not defined for input object type 'ModelIntInput'"
    );
}

#[tokio::test]
async fn timestamps_are_compared_beyond_32_bits() {
    let api = serve();
    api.create("Post", json!({"id": "p"})).await;
    let document = "query Q($f: ModelPostFilterInput) { listPosts(filter: $f) { items { id } } }";
    let body = api
        .ask(
            document,
            json!({"f": {"_lastChangedAt": {"ge": 1_700_000_000_000_i64}}}),
        )
        .await;
    assert_eq!(
        body,
        json!({"data": {"listPosts": {"items": [{"id": "p"}]}}})
    );
}

#[tokio::test]
async fn swift_may_send_numbers_of_a_key_as_text() {
    let mut schema = fixtures::schema();
    let mut visit = fixtures::visit();
    visit.name = "Visit".to_owned();
    visit.key.sort = vec!["n".to_owned()];
    if let Some(n) = visit.fields.get_mut("n") {
        n.ty.required = true;
    }
    visit.custom_key = true;
    schema.models.insert("Visit".to_owned(), visit.into());
    let api = serve_schema(schema);
    api.create("Visit", json!({"id": "v", "n": 7, "site": "s", "day": "d"}))
        .await;
    let get = "query Q($id: ID!, $n: ID!) { getVisit(id: $id, n: $n) { n } }";
    let body = api.ask(get, json!({"id": "v", "n": "7"})).await;
    assert_eq!(body, json!({"data": {"getVisit": {"n": 7}}}));
    let delete =
        "mutation M($input: DeleteVisitInput!) { deleteVisit(input: $input) { n _deleted } }";
    let body = api
        .ask(
            delete,
            json!({"input": {"id": "v", "n": "7", "_version": 1}}),
        )
        .await;
    assert_eq!(
        body,
        json!({"data": {"deleteVisit": {"n": 7, "_deleted": true}}})
    );
    let update = "mutation M($input: UpdateVisitInput!) { updateVisit(input: $input) { n } }";
    let message = api
        .message(update, json!({"input": {"id": "v", "n": "7"}}))
        .await;
    assert!(message.contains("invalid value"), "{message}");
}

#[tokio::test]
async fn a_get_by_id_without_value_is_null_on_a_model_with_another_key() {
    let api = serve();
    let document = "query operation($id: ID!) { getStock(id: $id) { sku } }";
    for variables in [json!({}), json!({"id": null})] {
        let body = api.ask(document, variables).await;
        assert_eq!(body, json!({"data": {"getStock": null}}));
    }
    let message = api.message(document, json!({"id": "x"})).await;
    assert!(message.contains("UnknownArgument"), "{message}");
    let on_post = "query operation($x: ID!) { getPost(x: $x) { id } }";
    let body = api.ask(on_post, json!({})).await;
    assert!(
        body["errors"]
            .as_array()
            .is_some_and(|errors| !errors.is_empty())
    );
}

#[tokio::test]
async fn arguments_that_are_null_are_as_good_as_absent() {
    let api = serve();
    api.create("Post", json!({"id": "p"})).await;
    let document = "query Q($f: ModelPostFilterInput, $l: Int, $n: String) { listPosts(filter: $f, limit: $l, nextToken: $n) { items { id } nextToken } }";
    for variables in [
        json!({}),
        json!({"f": null, "l": null, "n": null}),
        json!({"f": {}}),
    ] {
        let body = api.ask(document, variables).await;
        assert_eq!(
            body,
            json!({"data": {"listPosts": {"items": [{"id": "p"}], "nextToken": null}}})
        );
    }
}
