//! Subscriptions that the schema writes by hand: the field's rules say who may subscribe, the model's what is told.

use serde_json::json;

use super::subscriptions::{assert_refused, event, listening, subscribe};
use super::*;
use crate::support::site::on_both_stores;

const PLAN: Plan =
    Plan::of(include_str!("../../schemas/published_rules.graphql")).configured(users_first);

async fn publish(site: &Site, who: Who, field: &str) -> Reply {
    who.asks(site, &format!("mutation {{ {field} }}")).await
}

on_both_stores! { PLAN;

/// The records of whose events a subscriber gets to know are those the model's rules let it have.
async fn the_models_rules_decide_whose_events_are_told(site: &Site) {
    let query = "subscription { onNote { id title owner } }";
    let mut alice = listening(site, A, query).await;
    let mut admin = listening(site, G, query).await;
    assert_refused(subscribe(site, K, query).await, "onNote");
    create(site, B, "Note", r#"id: "b""#).await.value();
    create(site, A, "Note", r#"id: "a""#).await.value();
    assert_eq!(event(&mut alice).await, json!({"id": "a", "title": null, "owner": "alice"}));
    assert_eq!(event(&mut admin).await["id"], "b");
    assert_eq!(event(&mut admin).await["id"], "a");
}

/// An owner argument names an owner by any form; it is the caller's own unless a static rule lets it have everything.
async fn an_owner_argument_names_an_owner_by_any_form(site: &Site) {
    let query = |arguments: &str| format!("subscription {{ onNote({arguments}) {{ id }} }}");
    assert_refused(subscribe(site, B, &query("owner: \"alice\"")).await, "onNote");
    let mut sockets = Vec::new();
    for (who, name) in [(A, "alice"), (A, "sA"), (A, "sA::alice"), (G, "alice")] {
        sockets.push(listening(site, who, &query(&format!("owner: \"{name}\""))).await);
    }
    let mut titled = listening(site, G, &query("owner: \"alice\", title: \"t\"")).await;
    create(site, B, "Note", r#"id: "b", title: "t""#).await.value();
    create(site, A, "Note", r#"id: "a""#).await.value();
    create(site, A, "Note", r#"id: "t", title: "t""#).await.value();
    for mut socket in sockets {
        assert_eq!(event(&mut socket).await, json!({"id": "a"}));
    }
    assert_eq!(event(&mut titled).await, json!({"id": "t"}));
}

/// Fields are shown to each subscriber as it may read them.
async fn protected_fields_are_shown_to_their_readers(site: &Site) {
    let query = "subscription { onWorker { id salary } }";
    let mut admin = listening(site, G, query).await;
    let mut other = listening(site, B, query).await;
    create(site, G, "Worker", r#"id: "w", salary: 5, owner: "alice""#).await.value();
    assert_eq!(event(&mut admin).await, json!({"id": "w", "salary": 5}));
    assert_eq!(event(&mut other).await, json!({"id": "w", "salary": null}));
}

/// Without rules of its own a field is the default mode's; the fields of its type have theirs.
async fn without_rules_a_subscription_is_the_default_modes(site: &Site) {
    let query = "subscription { onPlace { name } }";
    assert_refused(subscribe(site, K, query).await, "onPlace");
    assert_refused(subscribe(site, Oidc, query).await, "onPlace");
    let mut user = listening(site, B, query).await;
    let mut curious = listening(site, B, "subscription { onPlace { name secret } }").await;
    let mut admin = listening(site, G, "subscription { onPlace { name secret } }").await;
    publish(site, K, r#"publishPlace(name: "k") { name }"#).await.is_unauthorized();
    publish(site, G, r#"publishPlace(name: "n", secret: "s") { name secret }"#).await.value();
    assert_eq!(event(&mut user).await, json!({"name": "n"}));
    assert_eq!(event(&mut curious).await, json!({"name": "n", "secret": null}));
    assert_eq!(event(&mut admin).await, json!({"name": "n", "secret": "s"}));
}

/// The rules of a subscription say who may subscribe, those of a mutation who may publish.
async fn the_rules_of_a_field_open_it_and_close_it(site: &Site) {
    let mut key = listening(site, K, "subscription { onOpen { name } }").await;
    let mut user = listening(site, A, "subscription { onOpen { name } }").await;
    let mut admin = listening(site, G, "subscription { onAdmin { name } }").await;
    assert_refused(subscribe(site, A, "subscription { onAdmin { name } }").await, "onAdmin");
    publish(site, A, r#"publishAdmin(name: "forged") { name }"#).await.is_unauthorized();
    publish(site, G, r#"publishAdmin(name: "true") { name }"#).await.value();
    publish(site, K, r#"publishOpen(name: "key") { name }"#).await.value();
    for socket in [&mut key, &mut user] {
        assert_eq!(event(socket).await, json!({"name": "true"}));
        assert_eq!(event(socket).await, json!({"name": "key"}));
    }
    assert_eq!(event(&mut admin).await, json!({"name": "key"}));
}
}

const SANDBOX: Plan =
    Plan::of(include_str!("../../schemas/sandbox.graphql")).configured(users_first);

on_both_stores! { SANDBOX;

/// The sandbox opens models without rules to keys, and nothing else: what is written by hand stays the default mode's.
async fn the_sandbox_opens_nothing_that_is_written_by_hand(site: &Site) {
    let create = r#"mutation { createOpen(input: {id: "o", place: {city: "Oslo"}}) { id place { city } } }"#;
    let made = K.asks(site, create).await.value();
    assert_eq!(made, json!({"id": "o", "place": {"city": "Oslo"}}));
    K.asks(site, "{ listRuleds { items { id } } }").await.is_unauthorized();
    for query in [
        "{ where { city } }",
        r#"mutation { publish(city: "x") { city } }"#,
        r#"mutation { publishOpen(city: "x") { city } }"#,
    ] {
        K.asks(site, query).await.is_unauthorized();
    }
    assert_refused(subscribe(site, K, "subscription { onPublish { city } }").await, "onPublish");
    assert_refused(subscribe(site, K, "subscription { onOpen { id } }").await, "onOpen");
    let mut user = listening(site, A, "subscription { onPublish { city } }").await;
    assert_eq!(A.asks(site, "{ where { city } }").await.value(), Value::Null);
    A.asks(site, r#"mutation { publish(city: "x") { city } }"#).await.value();
    assert_eq!(event(&mut user).await, json!({"city": "x"}));
    // Nobody but keys gets anything of the open model, whoever subscribes by hand.
    assert_refused(subscribe(site, A, "subscription { onOpen { id } }").await, "onOpen");
}
}
