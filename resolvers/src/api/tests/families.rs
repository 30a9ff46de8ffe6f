//! What one client family cannot bear, and what it gets instead.

use serde_json::{Value, json};

use super::writes::served;
use super::{Served, caller, request, serve_schema};
use crate::feed::{Event, Operation, Seq};
use crate::fixtures;
use crate::identity::Family;

fn for_family(mut api: Served, family: Family) -> Served {
    api.caller = caller(family);
    api
}

/// `errata.md` row 19.
#[tokio::test]
async fn a_sync_that_is_refused_is_an_empty_page_for_android_and_null_for_others() {
    let closed = || {
        let mut schema = fixtures::schema();
        let mut post = fixtures::post();
        post.auth.clear();
        schema.models.insert("Post".to_owned(), post.into());
        serve_schema(schema)
    };
    let sync =
        "{ syncPosts { items { id comments { items { id } } } nextToken startedAt __typename } }";
    let page = json!({"items": [], "nextToken": null, "startedAt": 0, "__typename": "ModelPostConnection"});
    for (family, expected) in [
        (Family::Android, page.clone()),
        (Family::Flutter, page),
        (Family::Swift, Value::Null),
        (Family::JavaScript, Value::Null),
        (Family::Unknown, Value::Null),
    ] {
        let api = for_family(closed(), family);
        let body = api.ask(sync, json!({})).await;
        assert_eq!(body["data"], json!({ "syncPosts": expected }), "{family:?}");
        let errors = body["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0]["errorType"], "Unauthorized");
        assert_eq!(
            errors[0]["message"],
            "Not Authorized to access syncPosts on type Query"
        );
        let body = api.ask("{ listPosts { items { id } } }", json!({})).await;
        assert_eq!(body["data"], json!({"listPosts": null}), "{family:?}");
    }
}

const HOSTS: &str = "type Host @model @auth(rules: [{ allow: public }]) {
  id: ID!
  address: AWSIPAddress
  since: AWSTimestamp
}";

/// `errata.md` row 58: AppSync takes a prefix length and a time before 1970, the client for JavaScript stops at both.
#[tokio::test]
async fn a_value_that_stops_javascript_takes_its_item_out_of_a_sync() {
    let sync = "{ syncHosts { items { id address since } } }";
    for (family, bad) in [
        (Family::JavaScript, Value::Null),
        (
            Family::Swift,
            json!({"id": "a", "address": "10.0.0.0/8", "since": -1}),
        ),
    ] {
        let api = for_family(served(HOSTS), family);
        api.create(
            "Host",
            json!({"id": "a", "address": "10.0.0.0/8", "since": -1}),
        )
        .await;
        api.create(
            "Host",
            json!({"id": "b", "address": "10.0.0.1", "since": 1}),
        )
        .await;
        let body = api.ask(sync, json!({})).await;
        let good = json!({"id": "b", "address": "10.0.0.1", "since": 1});
        assert_eq!(body["data"]["syncHosts"]["items"], json!([bad, good]));
        assert_eq!(body.get("errors").is_some(), bad.is_null());
        let get = api.ask("{ getHost(id: \"a\") { since } }", json!({})).await;
        assert_eq!(get, json!({"data": {"getHost": {"since": -1}}}));
    }
}

#[test]
fn an_event_with_a_value_that_stops_javascript_is_for_the_others() {
    let event = Event {
        seq: Seq(1),
        operation: Operation::Create,
        record: fixtures::record(json!({"id": "a", "since": -1})).into(),
        selected: None,
    };
    let document = "subscription S { onCreateHost { id since } }";
    let api = served(HOSTS);
    let subscribe = |family| {
        let subscription = api
            .api
            .subscribe(&request(document, json!({})), &caller(family));
        subscription.unwrap()
    };
    let (script, swift) = (subscribe(Family::JavaScript), subscribe(Family::Swift));
    assert_eq!(script.payload(&event), None);
    assert_eq!(
        swift.payload(&event).unwrap(),
        br#"{"data":{"onCreateHost":{"id":"a","since":-1}}}"#
    );
    assert_ne!(script.projection_key(), swift.projection_key());
}
