//! Relations: batches, references, and what non-null does.

use std::sync::atomic::Ordering;

use serde_json::json;

use super::serve;

#[tokio::test]
async fn relations_are_resolved_in_both_directions() {
    let api = serve();
    api.create("Post", json!({"id": "p", "title": "t"})).await;
    api.create(
        "Comment",
        json!({"id": "c1", "postID": "p", "content": "a"}),
    )
    .await;
    api.create(
        "Comment",
        json!({"id": "c2", "postID": "p", "content": "b"}),
    )
    .await;
    let body = api
        .ask(
            "{ getPost(id: \"p\") { comments(limit: 1) { items { content post { title } } nextToken }
               all: comments(sortDirection: DESC) { items { id } more: items { content } } } }",
            json!({}),
        )
        .await;
    let post = &body["data"]["getPost"];
    assert_eq!(
        post["comments"]["items"],
        json!([{"content": "a", "post": {"title": "t"}}])
    );
    assert!(post["comments"]["nextToken"].is_string());
    assert_eq!(
        post["all"],
        json!({"items": [{"id": "c2"}, {"id": "c1"}], "more": [{"content": "b"}, {"content": "a"}]})
    );
}

#[tokio::test]
async fn the_parents_of_a_page_are_read_in_one_batch() {
    let api = serve();
    api.create("Post", json!({"id": "p", "title": "t"})).await;
    for id in ["c1", "c2", "c3"] {
        api.create("Comment", json!({"id": id, "postID": "p", "content": "x"}))
            .await;
    }
    let before = api.store.reads.load(Ordering::SeqCst);
    let body = api
        .ask("{ listComments { items { post { title } } } }", json!({}))
        .await;
    assert_eq!(
        body["data"]["listComments"]["items"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    assert_eq!(api.store.reads.load(Ordering::SeqCst) - before, 2);
}

/// However many parents a level has, its relation is read at once.
#[tokio::test]
async fn each_level_of_nested_lists_is_read_in_one_batch() {
    let api = serve();
    for post in ["p1", "p2", "p3"] {
        api.create("Post", json!({"id": post, "title": "t"})).await;
        for number in 0..4 {
            let comment = json!({"id": format!("{post}{number}"), "postID": post, "content": "x"});
            api.create("Comment", comment).await;
        }
    }
    let before = api.store.reads.load(Ordering::SeqCst);
    let query = "{ listPosts { items { comments { items { post { comments(limit: 2) { items { id } } } } } } } }";
    let body = api.ask(query, json!({})).await;
    let posts = body["data"]["listPosts"]["items"].as_array().unwrap();
    assert_eq!(posts.len(), 3);
    for post in posts {
        let comments = post["comments"]["items"].as_array().unwrap();
        assert_eq!(comments.len(), 4);
        for comment in comments {
            let inner = &comment["post"]["comments"]["items"];
            assert_eq!(inner.as_array().map(Vec::len), Some(2));
        }
    }
    // The list, its 3 pages of comments, their 12 parents, and the 12 pages of those.
    assert_eq!(api.store.reads.load(Ordering::SeqCst) - before, 4);
}

#[tokio::test]
async fn the_key_of_a_missing_parent_is_made_from_the_foreign_key() {
    let api = serve();
    api.create(
        "Comment",
        json!({"id": "c", "postID": "gone", "content": "x"}),
    )
    .await;
    let body = api
        .ask(
            "{ getComment(id: \"c\") { post { id _deleted __typename } } }",
            json!({}),
        )
        .await;
    assert_eq!(
        body,
        json!({"data": {"getComment": {"post": {"id": "gone", "_deleted": null, "__typename": "Post"}}}})
    );
    let body = api
        .ask("{ getComment(id: \"c\") { post { id title } } }", json!({}))
        .await;
    assert_eq!(body, json!({"data": {"getComment": {"post": null}}}));
}

#[tokio::test]
async fn a_deleted_parent_is_shown_as_deleted() {
    let api = serve();
    api.create("Post", json!({"id": "p"})).await;
    api.create("Comment", json!({"id": "c", "postID": "p", "content": "x"}))
        .await;
    let delete = "mutation { deletePost(input: {id: \"p\", _version: 1}) { id } }";
    api.ask(delete, json!({})).await;
    let body = api
        .ask(
            "{ syncComments { items { post { id _deleted } } } }",
            json!({}),
        )
        .await;
    assert_eq!(
        body["data"]["syncComments"]["items"][0]["post"],
        json!({"id": "p", "_deleted": true})
    );
}

#[tokio::test]
async fn relations_nest_to_the_limit_without_overflowing_the_stack() {
    let api = serve();
    api.create("Post", json!({"id": "p", "title": "t"})).await;
    api.create("Comment", json!({"id": "c", "postID": "p", "content": "x"}))
        .await;
    let depth = 20;
    let document = format!(
        "{{ getPost(id: \"p\") {{ {} title {} }} }}",
        "comments { items { post {".repeat(depth),
        "} } }".repeat(depth)
    );
    let body = api.ask(&document, json!({})).await;
    let mut post = &body["data"]["getPost"];
    for _ in 0..depth {
        post = &post["comments"]["items"][0]["post"];
    }
    assert_eq!(post["title"], "t", "{body}");
}

#[tokio::test]
async fn pages_below_pages_end_at_a_limit() {
    let api = serve();
    api.create("Post", json!({"id": "p", "title": "t"})).await;
    for n in 0..12 {
        api.create(
            "Comment",
            json!({"id": format!("c{n}"), "postID": "p", "content": "x"}),
        )
        .await;
    }
    let document = format!(
        "{{ getPost(id: \"p\") {{ {} title {} }} }}",
        "comments { items { post {".repeat(7),
        "} } }".repeat(7)
    );
    let body = api.ask(&document, json!({})).await;
    let errors = body["errors"].as_array().unwrap();
    let error = &errors[0];
    assert_eq!(error["errorType"], "ResolverExecutionLimitReached");
    assert!(errors.len() <= 1_000);
    assert!(error["path"].as_array().unwrap().len() > 5, "{error}");
}
