//! Subscriptions and what their events look like.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{request, serve};
use crate::api::{Origin, Refusal, Subscription};
use crate::feed::{Event, Operation, Seq};
use crate::fixtures;

fn event(operation: Operation, fields: Value) -> Event {
    let record = match operation {
        Operation::Delete => fixtures::tombstone(fields),
        Operation::Create | Operation::Update => fixtures::record(fields),
    };
    Event {
        seq: Seq(1),
        operation,
        record: Arc::new(record),
        selected: None,
    }
}

fn subscribe(document: &str, variables: Value) -> Result<Subscription, Refusal> {
    let served = serve();
    served
        .api
        .subscribe(&request(document, variables), &served.caller)
}

fn payload(subscription: &Subscription, event: &Event) -> Option<String> {
    let payload = subscription.payload(event)?;
    Some(String::from_utf8(payload).unwrap())
}

#[test]
fn an_event_is_the_full_record_in_the_subscribers_selection() {
    let subscription = subscribe(
        "subscription operation { onCreateComment { id content postID _version _lastChangedAt _deleted post { id _deleted } } }",
        json!({}),
    )
    .unwrap();
    assert_eq!(subscription.origin, Origin::Log("Comment".to_owned()));
    let created = event(
        Operation::Create,
        json!({"id": "c", "content": "x", "postID": "p"}),
    );
    assert_eq!(
        payload(&subscription, &created).unwrap(),
        r#"{"data":{"onCreateComment":{"id":"c","content":"x","postID":"p","_version":1,"_lastChangedAt":1700000000000,"_deleted":null,"post":{"id":"p","_deleted":null}}}}"#
    );
}

#[test]
fn events_of_another_kind_or_outside_the_filter_are_not_for_it() {
    let subscription = subscribe(
        "subscription operation($filter: ModelSubscriptionPostFilterInput) { onUpdatePost(filter: $filter) { id _deleted } }",
        json!({"filter": {"and": [{"rating": {"gt": 3}}, {"not": {"title": {"in": ["hidden"]}}}]}}),
    )
    .unwrap();
    let shown = |operation, fields| payload(&subscription, &event(operation, fields)).is_some();
    assert!(shown(
        Operation::Update,
        json!({"id": "p", "rating": 4, "title": "a"})
    ));
    assert!(!shown(
        Operation::Update,
        json!({"id": "p", "rating": 3, "title": "a"})
    ));
    assert!(!shown(
        Operation::Update,
        json!({"id": "p", "rating": 4, "title": "hidden"})
    ));
    assert!(!shown(
        Operation::Create,
        json!({"id": "p", "rating": 4, "title": "a"})
    ));
}

#[test]
fn a_deletion_is_shown_as_a_full_tombstone() {
    let subscription = subscribe("subscription S { alias: onDeletePost { id title _deleted comments { items { id } nextToken } } }", json!({})).unwrap();
    let deleted = event(Operation::Delete, json!({"id": "p", "title": "t"}));
    assert_eq!(
        payload(&subscription, &deleted).unwrap(),
        r#"{"data":{"alias":{"id":"p","title":"t","_deleted":true,"comments":{"items":[],"nextToken":null}}}}"#
    );
}

#[test]
fn an_event_that_violates_its_type_is_skipped() {
    let subscription = subscribe(
        "subscription S { onCreateComment { id content } }",
        json!({}),
    )
    .unwrap();
    assert_eq!(
        payload(&subscription, &event(Operation::Create, json!({"id": "c"}))),
        None
    );
}

#[test]
fn an_unknown_argument_is_refused_in_the_words_javascript_looks_for() {
    let Err(Refusal::Invalid(errors)) = subscribe(
        "subscription S { onCreatePost(fitler: {}) { id } }",
        json!({}),
    ) else {
        panic!("admitted");
    };
    assert_eq!(
        errors[0].message,
        "Validation error of type UnknownArgument: Unknown field argument fitler @ 'onCreatePost'"
    );
}

#[test]
fn only_subscriptions_are_admitted() {
    for (document, word) in [
        ("query Q { listPosts { nextToken } }", "query"),
        ("mutation { createPost(input: {}) { id } }", "mutation"),
        ("", "unknown"),
    ] {
        assert_eq!(
            subscribe(document, json!({})).err(),
            Some(Refusal::NotASubscription(word.to_owned()))
        );
    }
}

#[test]
fn subscriptions_that_differ_in_their_arguments_only_share_a_projection() {
    let served = serve();
    let document = "subscription S($f: ModelSubscriptionPostFilterInput, $t: Boolean = false) {
        onCreatePost(filter: $f) { id title @include(if: $t) } }";
    let key = |variables| {
        let subscription = served
            .api
            .subscribe(&request(document, variables), &served.caller);
        subscription.unwrap().projection_key()
    };
    let plain = key(json!({}));
    assert_eq!(plain, key(json!({"f": {"rating": {"gt": 3}}})));
    assert_ne!(plain, key(json!({"t": true})));
}

#[test]
fn a_subscription_has_one_root_field_also_behind_fragments() {
    for document in [
        "subscription S { onCreatePost { id } onUpdatePost { id } }",
        "subscription S { ...F } fragment F on Subscription { onCreatePost { id } onUpdatePost { id } }",
        "subscription S { ...F } fragment F on Subscription { onCreatePost { id } b: onCreatePost { id } }",
        "subscription S { ...F } fragment F on Subscription { onCreatePost { id } __typename }",
    ] {
        let Err(Refusal::Invalid(errors)) = subscribe(document, json!({})) else {
            panic!("{document} must be refused");
        };
        assert!(
            errors[0].message.contains("SubscriptionMultipleRootFields"),
            "{errors:?}"
        );
    }
    let one = "subscription S { ...F } fragment F on Subscription { onCreatePost { id } }";
    assert!(subscribe(one, json!({})).is_ok());
}
