//! Faults: where nulls and errors end up.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::{Served, caller, serve};
use crate::api::Reply;
use crate::identity::Family;

const SYNC: &str = "query S { syncComments { items { id content } nextToken } }";

async fn with_bad_comments(good: usize, bad: usize) -> Served {
    let api = serve();
    for n in 0..good {
        api.create("Comment", json!({"id": format!("good{n}"), "content": "x"}))
            .await;
    }
    for n in 0..bad {
        api.store_raw("Comment", json!({"id": format!("bad{n}")}))
            .await;
    }
    api
}

fn for_family(mut api: Served, family: Family) -> Served {
    api.caller = caller(family);
    api
}

#[tokio::test]
async fn a_rejected_update_shows_the_stored_record_in_its_selection() {
    let api = serve();
    api.create(
        "Comment",
        json!({"id": "c", "postID": "p", "content": "stored"}),
    )
    .await;
    let text = api
        .text(
            "mutation operation($input: UpdateCommentInput!, $condition: ModelCommentConditionInput) {
  updateComment(input: $input, condition: $condition) { content post { id _deleted } }
}",
            json!({"input": {"id": "c", "content": "new", "_version": 1}, "condition": {"content": {"eq": "other"}}}),
        )
        .await;
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(body["data"], json!({"updateComment": null}));
    let error = &body["errors"][0];
    assert_eq!(body["errors"].as_array().unwrap().len(), 1);
    assert_eq!(error["errorType"], "ConditionalCheckFailedException");
    assert_eq!(error["path"], json!(["updateComment"]));
    assert_eq!(error["errorInfo"], Value::Null);
    assert_eq!(
        error["locations"],
        json!([{"line": 2, "column": 3, "sourceName": null}])
    );
    assert_eq!(
        error["data"],
        json!({"content": "stored", "post": {"id": "p", "_deleted": null}, "id": "c", "_version": 1,
            "_lastChangedAt": 1_700_000_000_000_i64, "_deleted": null})
    );
    let keys = [
        "path",
        "data",
        "errorType",
        "errorInfo",
        "locations",
        "message",
    ];
    let keys: Vec<_> = keys
        .iter()
        .map(|key| text.rfind(&format!("\"{key}\":")))
        .collect();
    assert!(
        error.as_object().unwrap().keys().eq([
            "path",
            "data",
            "errorType",
            "errorInfo",
            "locations",
            "message"
        ]),
        "{keys:?}"
    );
}

#[tokio::test]
async fn a_stale_delete_is_a_conflict_with_the_tombstones_metadata() {
    let api = serve();
    api.create("Post", json!({"id": "p", "title": "t"})).await;
    let body = api
        .ask("mutation { deletePost(input: {id: \"p\", _version: 9}) { id comments { nextToken } } }", json!({}))
        .await;
    assert_eq!(body["errors"][0]["errorType"], "ConflictUnhandled");
    assert_eq!(body["errors"][0]["data"]["_version"], 1);
    assert_eq!(body["data"], json!({"deletePost": null}));
}

#[tokio::test]
async fn null_in_a_required_field_takes_its_record_with_it() {
    let api = with_bad_comments(0, 1).await;
    let text = api
        .text(
            "{ getComment(id: \"bad0\") { id content } other: getComment(id: \"x\") { id } }",
            json!({}),
        )
        .await;
    assert_eq!(
        text,
        r#"{"data":{"getComment":null,"other":null},"errors":[{"path":["getComment","content"],"data":null,"errorType":null,"errorInfo":null,"locations":null,"message":"Cannot return null for non-nullable type: 'String' within parent 'Comment' (/getComment/content)"}]}"#
    );
}

#[tokio::test]
async fn a_stored_value_of_another_type_is_null_with_an_error() {
    let api = serve();
    api.store_raw("Post", json!({"id": "p", "rating": "three", "status": "GONE", "createdAt": "2020-01-01T00:00:00Z", "updatedAt": "x"})).await;
    let body = api
        .ask("{ getPost(id: \"p\") { id rating status } }", json!({}))
        .await;
    assert_eq!(
        body["data"]["getPost"],
        json!({"id": "p", "rating": null, "status": null})
    );
    let paths: Vec<_> = body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["path"].clone())
        .collect();
    assert_eq!(
        paths,
        [json!(["getPost", "rating"]), json!(["getPost", "status"])]
    );
}

#[tokio::test]
async fn javascript_gets_null_and_an_error_for_a_bad_item_of_a_sync() {
    for family in [Family::JavaScript, Family::Unknown] {
        let api = for_family(with_bad_comments(1, 1).await, family);
        let body = api.ask(SYNC, json!({})).await;
        let items = body["data"]["syncComments"]["items"].as_array().unwrap();
        assert_eq!(items.iter().filter(|item| item.is_null()).count(), 1);
        assert_eq!(items.len(), 2);
        let error = &body["errors"][0];
        let message = error["message"].as_str().unwrap();
        let index = items.iter().position(Value::is_null).unwrap();
        assert_eq!(
            error["path"],
            json!(["syncComments", "items", index, "content"])
        );
        assert_eq!(
            message,
            format!(
                "Cannot return null for non-nullable type: 'String' within parent 'Comment' (/syncComments/items[{index}]/content)"
            )
        );
    }
}

#[tokio::test]
async fn javascript_gets_an_empty_page_if_no_item_of_a_sync_is_good() {
    let api = with_bad_comments(0, 2).await;
    let text = api.text(SYNC, json!({})).await;
    assert_eq!(
        text,
        r#"{"data":{"syncComments":{"items":[],"nextToken":null}}}"#
    );
}

#[tokio::test]
async fn native_clients_never_get_a_null_item_of_a_sync() {
    for family in [Family::Android, Family::Swift, Family::Flutter] {
        for (good, bad) in [(0, 1), (1, 1), (2, 2)] {
            let api = for_family(with_bad_comments(good, bad).await, family);
            let body = api.ask(SYNC, json!({})).await;
            let items = body["data"]["syncComments"]["items"].as_array().unwrap();
            assert_eq!(items.len(), good);
            assert!(items.iter().all(Value::is_object));
            assert_eq!(body["errors"].as_array().unwrap().len(), bad);
        }
    }
}

#[tokio::test]
async fn a_list_follows_the_specification_for_every_family() {
    let api = for_family(with_bad_comments(0, 1).await, Family::Android);
    let body = api
        .ask("{ listComments { items { content } } }", json!({}))
        .await;
    assert_eq!(body["data"]["listComments"]["items"], json!([null]));
    assert_eq!(body["errors"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_store_that_is_down_is_worth_another_try() {
    let api = serve();
    api.store.calls_left.store(0, Ordering::SeqCst);
    for document in [
        "{ getPost(id: \"p\") { id } }",
        "{ syncPosts { items { id } } }",
        "mutation { createPost(input: {id: \"p\"}) { id } }",
    ] {
        assert!(
            matches!(api.reply(document, json!({})).await, Reply::Unavailable(_)),
            "{document}"
        );
    }
}

#[tokio::test]
async fn a_later_mutation_that_finds_the_store_down_fails_alone() {
    let two = "mutation { a: createPost(input: {id: \"a\"}) { id } b: createPost(input: {id: \"b\"}) { id } }";
    let calls = {
        let api = serve();
        let before = api.store.reads.load(Ordering::SeqCst);
        api.ask(
            "mutation { a: createPost(input: {id: \"a\"}) { id } }",
            json!({}),
        )
        .await;
        api.store.reads.load(Ordering::SeqCst) - before
    };
    let api = serve();
    api.store.calls_left.store(calls, Ordering::SeqCst);
    let body = api.ask(two, json!({})).await;
    assert_eq!(body["data"], json!({"a": {"id": "a"}, "b": null}));
    assert_eq!(body["errors"][0]["errorType"], "InternalFailure");
    assert_eq!(body["errors"][0]["path"], json!(["b"]));
}

#[tokio::test]
async fn the_relations_of_a_committed_mutation_cannot_undo_its_answer() {
    let comment = "mutation { createComment(input: {id: \"c\", postID: \"p\", content: \"x\"}) { id post { title } key: post { id } } }";
    let api = serve();
    api.create("Post", json!({"id": "p", "title": "t"})).await;
    let before = api.store.reads.load(Ordering::SeqCst);
    api.ask(comment, json!({})).await;
    let calls = api.store.reads.load(Ordering::SeqCst) - before;

    let api = serve();
    api.create("Post", json!({"id": "p", "title": "t"})).await;
    api.store.calls_left.store(calls - 1, Ordering::SeqCst);
    let body = api.ask(comment, json!({})).await;
    assert_eq!(
        body,
        json!({"data": {"createComment": {"id": "c", "post": null, "key": {"id": "p"}}}})
    );
}

#[tokio::test]
async fn a_field_that_fails_leaves_its_siblings_alone() {
    let api = serve();
    let body = api
        .ask(
            "{ a: listPosts(limit: 0) { items { id } } b: listPosts { items { id } } }",
            json!({}),
        )
        .await;
    assert_eq!(body["data"], json!({"a": null, "b": {"items": []}}));
    assert_eq!(body["errors"][0]["path"], json!(["a"]));
    assert_eq!(body["errors"][0]["errorType"], "InvalidArgumentsError");
}

#[tokio::test]
async fn a_subscription_over_http_is_not_supported() {
    let body = serve()
        .ask("subscription S { onCreatePost { id } }", json!({}))
        .await;
    assert_eq!(body["errors"][0]["errorType"], "OperationNotSupported");
    assert_eq!(body["data"], Value::Null);
}

#[tokio::test]
async fn requests_are_served_from_any_thread() {
    let api = serve();
    let (shared, caller) = (std::sync::Arc::clone(&api.api), api.caller.clone());
    let request = super::request(
        "mutation { createPost(input: {id: \"p\"}) { id } }",
        json!({}),
    );
    let task = tokio::spawn(async move { shared.execute(&request, &caller).await });
    assert!(matches!(task.await.unwrap(), Reply::Answer(_)));
}

#[tokio::test]
async fn introspection_that_fails_says_so() {
    let body = serve().ask("{ __type { name } }", json!({})).await;
    assert_eq!(body["data"], json!({"__type": null}));
    assert_eq!(body["errors"].as_array().unwrap().len(), 1);
}
