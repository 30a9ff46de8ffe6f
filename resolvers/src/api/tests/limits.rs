//! What a request may cost, and that the cache of plans changes no answer.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::{serve, serve_configured};
use crate::engine::Settings;
use crate::fixtures;

#[tokio::test]
async fn a_fragment_does_not_multiply_a_long_argument() {
    let long = "x".repeat(50_000);
    let fragment = format!(
        "fragment F on Post {{ comments(filter: {{content: {{eq: \"{long}\"}}}}) {{ items {{ id }} }} }}"
    );
    let spread = |times: usize| {
        let posts: Vec<_> = (0..times)
            .map(|n| format!("a{n}: getPost(id: \"p\") {{ ...F }}"))
            .collect();
        format!("{{ {} }} {fragment}", posts.join(" "))
    };
    let api = serve();
    assert_eq!(
        api.ask(&spread(2), json!({})).await,
        json!({"data": {"a0": null, "a1": null}})
    );
    let body = api.ask(&spread(900), json!({})).await;
    assert_eq!(
        body["errors"][0]["errorType"],
        "ResolverExecutionLimitReached"
    );
}

#[tokio::test]
async fn a_document_is_answered_alike_the_first_time_and_from_the_cache() {
    let api = serve();
    api.create("Post", json!({"id": "p", "rating": 3})).await;
    let list = "query Q($f: ModelPostFilterInput = {rating: {gt: 2}}, $x: Boolean = true) {
        listPosts(filter: $f) { items { id rating @include(if: $x) __typename } } }";
    for variables in [
        json!({}),
        json!({"x": false}),
        json!({"f": null}),
        json!({"f": {"rating": {"gt": 3}}}),
        json!({"x": null}),
        json!({"f": 3}),
    ] {
        let first = serve();
        first.create("Post", json!({"id": "p", "rating": 3})).await;
        let fresh = first.text(list, variables.clone()).await;
        for _ in 0..2 {
            assert_eq!(
                api.text(list, variables.clone()).await,
                fresh,
                "{variables}"
            );
        }
    }
}

#[tokio::test]
async fn aliases_of_large_pages_end_at_a_limit() {
    let settings = Settings {
        root_limit: 110,
        ..Settings::default()
    };
    let api = serve_configured(fixtures::schema(), settings);
    for n in 0..1_000 {
        api.store_raw("Comment", json!({"id": n.to_string(), "content": "x"}))
            .await;
    }
    let pages: Vec<_> = (0..110)
        .map(|n| format!("a{n}: listComments(limit: 1000) {{ __typename }}"))
        .collect();
    let body = api
        .ask(&format!("{{ {} }}", pages.join(" ")), json!({}))
        .await;
    assert_eq!(body["data"]["a90"]["__typename"], "ModelCommentConnection");
    assert_eq!(body["data"]["a109"], Value::Null);
    let errors = body["errors"].as_array().unwrap();
    assert!(
        errors
            .iter()
            .all(|error| error["errorType"] == "ResolverExecutionLimitReached")
    );
    assert!(api.store.reads.load(Ordering::SeqCst) < 1_120);
}
