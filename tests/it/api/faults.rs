//! Nulls, paths and partial results (`sync-semantics` 8, the GraphQL specification 6.4.4, `errata.md` row 4).

use serde_json::{Value, json};

use crate::support::site::{Plan, Site, on_both_stores};

const BEFORE: &str = r#"
type Blog @model @auth(rules: [{ allow: public }]) {
  id: ID!
  posts: [Post] @hasMany(indexName: "byBlog", fields: ["id"])
}

type Post @model @auth(rules: [{ allow: public }]) {
  id: ID!
  title: String
  blogID: ID @index(name: "byBlog", queryField: "postsByBlog")
  blog: Blog @belongsTo(fields: ["blogID"])
}
"#;

const PLAN: Plan = Plan::of(BEFORE);

const JAVASCRIPT: &[(&str, &str)] = &[("x-amz-user-agent", "aws-amplify/6.22.1 datastore/1")];
const SWIFT: &[(&str, &str)] = &[("user-agent", "amplify-swift/2.0.0")];

/// Two posts of a blog, written before the title became required; one of them has none.
async fn aged(site: &mut Site) {
    for (mutation, input) in [
        ("createBlog", json!({"id": "b"})),
        (
            "createPost",
            json!({"id": "good", "title": "t", "blogID": "b"}),
        ),
        ("createPost", json!({"id": "bad", "blogID": "b"})),
    ] {
        site.mutate(mutation, input, "id").await.value();
    }
    site.reload(&BEFORE.replace("title: String", "title: String!"))
        .await;
}

fn message(path: &str) -> String {
    format!("Cannot return null for non-nullable type: 'String' within parent 'Post' ({path})")
}

/// The error of one bad title at this path.
fn expected(steps: &Value, path: &str) -> Value {
    json!({"path": steps, "data": null, "errorType": null, "errorInfo": null, "locations": null, "message": message(path)})
}

on_both_stores! { PLAN;

/// Section 8.2: a null in a required field takes its record with it, tells the path, and leaves its siblings alone.
async fn a_null_in_a_required_field_takes_the_nearest_nullable_with_it(site: &mut Site) {
    aged(site).await;
    let query = "{ first: getPost(id: \"bad\") { id name: title } second: getPost(id: \"good\") { title } }";
    let body = site.ask(query, json!({})).await.0;
    assert_eq!(body["data"], json!({"first": null, "second": {"title": "t"}}));
    assert_eq!(body["errors"], json!([expected(&json!(["first", "name"]), "/first/name")]));
    let body = site.ask("{ getPost(id: \"bad\") { id blogID } }", json!({})).await.0;
    assert_eq!(body, json!({"data": {"getPost": {"id": "bad", "blogID": "b"}}}));
}

/// A bad element of a nested list is null at its place, with the whole path to it.
async fn a_bad_child_is_null_at_its_place(site: &mut Site) {
    aged(site).await;
    let query = "{ getBlog(id: \"b\") { posts { items { id title blog { id } } } } }";
    let body = site.ask(query, json!({})).await.0;
    let items = body["data"]["getBlog"]["posts"]["items"].as_array().expect("items").clone();
    let at = items.iter().position(Value::is_null).expect("a null");
    assert_eq!(items[1 - at], json!({"id": "good", "title": "t", "blog": {"id": "b"}}));
    let path = json!(["getBlog", "posts", "items", at, "title"]);
    assert_eq!(body["errors"], json!([expected(&path, &format!("/getBlog/posts/items[{at}]/title"))]));
}

/// `client-js` rule 12 and 9.4: JavaScript skips a null item only with an error beside it that is not `Unauthorized`.
async fn javascript_is_told_of_a_bad_item_of_a_sync(site: &mut Site) {
    aged(site).await;
    site.speak_as(JAVASCRIPT);
    let body = site.ask("{ syncPosts { items { id title } nextToken startedAt } }", json!({})).await.0;
    let page = &body["data"]["syncPosts"];
    let items = page["items"].as_array().expect("items");
    let at = items.iter().position(Value::is_null).expect("a null");
    assert_eq!(items.len(), 2);
    assert!(page["startedAt"].is_number());
    let path = json!(["syncPosts", "items", at, "title"]);
    assert_eq!(body["errors"], json!([expected(&path, &format!("/syncPosts/items[{at}]/title"))]));
}

/// `errata.md` row 4: native clients throw on a null item, so they get the good ones only.
async fn native_clients_get_the_good_items_of_a_sync(site: &mut Site) {
    aged(site).await;
    site.speak_as(SWIFT);
    let body = site.ask("{ syncPosts { items { id title } } }", json!({})).await.0;
    assert_eq!(body["data"]["syncPosts"]["items"], json!([{"id": "good", "title": "t"}]));
    assert_eq!(body["errors"].as_array().expect("errors").len(), 1);
}

/// A record that lacks a value can be repaired: the write happens, whatever its answer could show.
async fn a_bad_record_is_repaired_by_an_update(site: &mut Site) {
    aged(site).await;
    let repair = json!({"id": "bad", "title": "now", "_version": 1});
    let repaired = site.mutate("updatePost", repair, "id title _version").await.value();
    assert_eq!(repaired, json!({"id": "bad", "title": "now", "_version": 2}));
    let body = site.ask("{ syncPosts { items { title } } }", json!({})).await.value();
    assert_eq!(body["items"].as_array().expect("items").len(), 2);
}

/// A field that fails leaves the other fields of the request alone, each with its own error.
async fn fields_fail_alone(site: &Site) {
    let query = "query q {
  good: listPosts { items { id } }
  limit: listPosts(limit: 0) { items { id } }
  token: listPosts(nextToken: \"x\") { items { id } }
}";
    let body = site.ask(query, json!({})).await.0;
    assert_eq!(body["data"], json!({"good": {"items": []}, "limit": null, "token": null}));
    let found: Vec<_> = body["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|error| (error["path"].clone(), error["errorType"].clone(), error["locations"].clone()))
        .collect();
    let at = |line: u32| json!([{"line": line, "column": 3, "sourceName": null}]);
    assert_eq!(
        found,
        [
            (json!(["limit"]), json!("InvalidArgumentsError"), at(3)),
            (json!(["token"]), json!("DynamoDB:UserIllegalArgumentException"), at(4)),
        ]
    );
}

/// Section 8.3: documents that are not valid run nothing and say where, without a type.
async fn invalid_documents_run_nothing(site: &Site) {
    let query = "mutation {\n  createPost(input: {id: \"p\"}) { id nothing }\n}";
    let body = site.ask(query, json!({})).await.0;
    assert_eq!(body["data"], Value::Null);
    let error = &body["errors"][0];
    assert_eq!(
        error["message"],
        "Validation error of type FieldUndefined: Field 'nothing' in type 'Post' is undefined @ 'createPost/nothing'"
    );
    assert_eq!(error["path"], Value::Null);
    assert_eq!(error["locations"], json!([{"line": 2, "column": 37, "sourceName": null}]));
    assert_eq!(error.get("errorType").unwrap_or(&Value::Null), &Value::Null);
    let message = site
        .ask("mutation m($input: CreatePostInput!) { createPost(input: $input) { id } }", json!({}))
        .await
        .invalid();
    assert_eq!(message, "Variable 'input' has coerced Null value for NonNull type 'CreatePostInput!'");
    assert_eq!(site.read("{ listPosts { items { id } } }").await["items"], json!([]));
}

/// Section 8.3: what is no request is a 400 with AppSync's names, in header and body.
async fn what_is_no_request_is_a_400(site: &Site) {
    let malformed = "MalformedHttpRequestException";
    for (body, kind, text) in [
        ("", malformed, "Request body is empty."),
        ("{}", malformed, "Unable to parse GraphQL query."),
        ("[]", malformed, "Unable to parse GraphQL query."),
        ("{\"query\":", malformed, "Unable to parse GraphQL query."),
        ("{\"query\":\"{ listPosts {\"}", malformed, "Unable to parse GraphQL query."),
        ("{\"query\":\"query a { __typename } query b { __typename }\"}", "BadRequestException", "Missing operation name."),
    ] {
        let (status, header, answer) = site.post(body.to_owned()).await;
        assert_eq!(status, 400, "{body}: {answer}");
        assert_eq!(header.as_deref(), Some(kind), "{body}");
        let error = &answer["errors"][0];
        assert_eq!((error["errorType"].as_str(), error["message"].as_str()), (Some(kind), Some(text)), "{body}");
    }
}
}
