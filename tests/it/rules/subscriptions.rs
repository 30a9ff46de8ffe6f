//! Who gets which events: rows 35 to 39 of the table, and the other rows about reading.

use serde_json::json;

use super::*;
use crate::support::server::Socket;
use crate::support::site::on_both_stores;

/// Subscribes, or is refused.
pub(super) async fn subscribe(site: &Site, who: Who, query: &str) -> Result<Socket, Value> {
    start(site, query, &authorization(site, who)).await
}

/// Subscribes with this credential, or is refused.
pub(super) async fn start(
    site: &Site,
    query: &str,
    authorization: &Value,
) -> Result<Socket, Value> {
    let mut socket = site.server.session().await;
    socket.start("s", query, authorization).await;
    let frame = socket.frame().await;
    if frame["type"] == "start_ack" {
        return Ok(socket);
    }
    assert_eq!(frame["type"], "error", "{frame}");
    Err(frame["payload"]["errors"][0].clone())
}

pub(super) async fn listening(site: &Site, who: Who, query: &str) -> Socket {
    subscribe(site, who, query)
        .await
        .unwrap_or_else(|error| panic!("{who:?}: {query}: {error}"))
}

#[track_caller]
pub(super) fn assert_refused(refused: Result<Socket, Value>, field: &str) {
    let Err(error) = refused else {
        panic!("{field} is open");
    };
    assert_eq!(error["errorType"], "Unauthorized", "{error}");
    let expected = format!("Not Authorized to access {field} on type Subscription");
    assert_eq!(error["message"], expected.as_str());
}

/// The record of the next event.
pub(super) async fn event(socket: &mut Socket) -> Value {
    let frame = socket.frame().await;
    assert_eq!(frame["type"], "data", "{frame}");
    assert_eq!(frame["payload"].get("errors"), None, "{frame}");
    let data = frame["payload"]["data"].as_object().expect("data").clone();
    data.values().next().expect("a field").clone()
}

on_both_stores! { RULES;

/// Row 35.
async fn owners_get_the_events_of_their_records(site: &Site) {
    let query = "subscription { onCreateNote { id owner } }";
    let mut socket = listening(site, A, query).await;
    create(site, B, "Note", r#"id: "b""#).await.value();
    create(site, A, "Note", r#"id: "a""#).await.value();
    assert_eq!(event(&mut socket).await, json!({"id": "a", "owner": "alice"}));
    assert_refused(subscribe(site, K, query).await, "onCreateNote");
    assert_refused(subscribe(site, Oidc, query).await, "onCreateNote");
}

/// Row 36, by every form of the caller's name (`errata.md` row 43).
async fn an_owner_argument_is_the_callers_own(site: &Site) {
    let query = |owner: &str| format!("subscription {{ onCreateNote(owner: \"{owner}\") {{ id }} }}");
    let mut sockets = Vec::new();
    for name in ["alice", "sA", "sA::alice"] {
        sockets.push(listening(site, A, &query(name)).await);
    }
    sockets.push(listening(site, A, "subscription { onCreateNote(owner: null) { id } }").await);
    let nobodys = sockets.pop();
    assert_refused(subscribe(site, B, &query("alice")).await, "onCreateNote");
    create(site, B, "Note", r#"id: "b""#).await.value();
    create(site, A, "Note", r#"id: "a""#).await.value();
    for mut socket in sockets {
        assert_eq!(event(&mut socket).await, json!({"id": "a"}));
    }
    drop(nobodys);
}

/// Row 37.
async fn a_group_gets_every_event_and_others_are_refused(site: &Site) {
    let query = "subscription { onCreateBoard { id } }";
    let mut socket = listening(site, G, query).await;
    for who in [A, D, K] {
        assert_refused(subscribe(site, who, query).await, "onCreateBoard");
    }
    create(site, G, "Board", r#"id: "r1""#).await.value();
    assert_eq!(event(&mut socket).await, json!({"id": "r1"}));
}

/// Row 38, for lists of groups too, however many there are (`errata.md` row 44).
async fn members_get_the_events_of_their_groups(site: &Site) {
    create(site, D, "Team", r#"id: "r1", group: "Devs""#).await.value();
    create(site, G, "Team", r#"id: "r2", group: "Admin""#).await.value();
    let query = "subscription { onUpdateTeam { id group } }";
    let mut socket = listening(site, D, query).await;
    assert_refused(subscribe(site, A, query).await, "onUpdateTeam");
    update(site, G, "Team", r#"id: "r2", title: "x", _version: 1"#).await.value();
    update(site, D, "Team", r#"id: "r1", title: "x", _version: 1"#).await.value();
    assert_eq!(event(&mut socket).await, json!({"id": "r1", "group": "Devs"}));

    let mut clubs = listening(site, G, "subscription { onCreateClub { id } }").await;
    create(site, D, "Club", r#"id: "d", groups: ["Devs"]"#).await.value();
    create(site, D, "Club", r#"id: "both", groups: ["Devs", "Admin"]"#).await.value();
    assert_eq!(event(&mut clubs).await, json!({"id": "both"}));
}

/// Row 39.
async fn whom_a_static_rule_lets_listen_may_choose_an_owner(site: &Site) {
    let query = r#"subscription { onCreateTask(owner: "alice") { id } }"#;
    let mut socket = listening(site, G, query).await;
    create(site, B, "Task", r#"id: "b""#).await.value();
    create(site, A, "Task", r#"id: "a""#).await.value();
    assert_eq!(event(&mut socket).await, json!({"id": "a"}));
}

/// Row 41.
async fn a_token_without_a_part_of_the_claim_does_not_listen(site: &Site) {
    let query = "subscription { onCreateMailed { id } }";
    assert_refused(subscribe(site, A, query).await, "onCreateMailed");
    listening(site, AliceById, query).await;
}

/// Row 42: owner lists are judged event by event.
async fn each_of_several_owners_gets_the_event(site: &Site) {
    let query = "subscription { onCreatePaper { id editors } }";
    let mut socket = listening(site, B, query).await;
    create(site, A, "Paper", r#"id: "mine""#).await.value();
    create(site, A, "Paper", r#"id: "ours", editors: ["alice", "bob"]"#).await.value();
    assert_eq!(event(&mut socket).await, json!({"id": "ours", "editors": ["alice", "bob"]}));
}

/// `errata.md` row 21: readers keep the values of their fields, others never see them, and nobody gets an error.
async fn each_subscriber_sees_the_fields_it_may_read(site: &Site) {
    let query = "subscription { onUpdateWorker { id name salary } }";
    create(site, G, "Worker", r#"id: "r1", owner: "alice", salary: 5"#).await.value();
    let mut admin = listening(site, G, query).await;
    let mut owner = listening(site, A, query).await;
    update(site, A, "Worker", r#"id: "r1", name: "n", _version: 1"#).await.value();
    assert_eq!(event(&mut admin).await, json!({"id": "r1", "name": "n", "salary": 5}));
    assert_eq!(event(&mut owner).await, json!({"id": "r1", "name": "n", "salary": null}));
}

/// A record that was given away is the new owner's, events included.
async fn after_a_change_of_owner_the_new_one_gets_the_events(site: &Site) {
    create(site, A, "Note", r#"id: "r1""#).await.value();
    create(site, B, "Note", r#"id: "r2""#).await.value();
    let query = "subscription { onUpdateNote { id title } }";
    let mut former = listening(site, A, query).await;
    let mut new = listening(site, B, query).await;
    update(site, A, "Note", r#"id: "r1", owner: "bob", title: "gone", _version: 1"#).await.value();
    assert_eq!(event(&mut new).await, json!({"id": "r1", "title": "gone"}));
    create(site, A, "Note", r#"id: "r3""#).await.value();
    update(site, A, "Note", r#"id: "r3", title: "mine", _version: 1"#).await.value();
    assert_eq!(event(&mut former).await, json!({"id": "r3", "title": "mine"}));
}

/// Row 1.
async fn nobody_hears_of_a_model_without_rules(site: &Site) {
    for who in [A, G, K, Oidc] {
        assert_refused(subscribe(site, who, "subscription { onCreatePlain { id } }").await, "onCreatePlain");
    }
}

/// Rows 23, 25 and 27.
async fn private_and_public_rules_hold_for_events(site: &Site) {
    let forum = "subscription { onCreateForum { id } }";
    let mut users = [listening(site, A, forum).await, listening(site, G, forum).await];
    for who in [K, Oidc] {
        assert_refused(subscribe(site, who, forum).await, "onCreateForum");
    }
    create(site, B, "Forum", r#"id: "f""#).await.value();
    for socket in &mut users {
        assert_eq!(event(socket).await, json!({"id": "f"}));
    }
    let public = "subscription { onCreatePublic { id } }";
    let mut key = listening(site, K, public).await;
    for who in [A, G, Oidc] {
        assert_refused(subscribe(site, who, public).await, "onCreatePublic");
    }
    create(site, K, "Public", r#"id: "p""#).await.value();
    assert_eq!(event(&mut key).await, json!({"id": "p"}));
    let poster = "subscription { onCreatePoster { id } }";
    let mut key = listening(site, K, poster).await;
    let mut alice = listening(site, A, poster).await;
    create(site, B, "Poster", r#"id: "b""#).await.value();
    create(site, A, "Poster", r#"id: "a""#).await.value();
    assert_eq!(event(&mut key).await, json!({"id": "b"}));
    assert_eq!(event(&mut key).await, json!({"id": "a"}));
    assert_eq!(event(&mut alice).await, json!({"id": "a"}));
}

/// Rows 40 and 43: other claims, another issuer.
async fn owners_by_other_claims_get_their_events(site: &Site) {
    let mut alice = listening(site, A, "subscription { onCreateLegacy { id owner } }").await;
    create(site, B, "Legacy", r#"id: "b""#).await.value();
    create(site, A, "Legacy", r#"id: "a""#).await.value();
    assert_eq!(event(&mut alice).await, json!({"id": "a", "owner": "alice"}));
    let abroad = "subscription { onCreateAbroad { id owner } }";
    assert_refused(subscribe(site, A, abroad).await, "onCreateAbroad");
    let mut olga = listening(site, Oidc, abroad).await;
    create(site, Oidc, "Abroad", r#"id: "o""#).await.value();
    assert_eq!(event(&mut olga).await, json!({"id": "o", "owner": "sO"}));
}

/// Rows 6, 10 and 22: what counts is whose the record is when the event happens.
async fn a_record_that_changes_hands_changes_its_listeners(site: &Site) {
    create(site, D, "Team", r#"id: "t", group: "Devs""#).await.value();
    let query = "subscription { onUpdateTeam { id group title } }";
    let mut devs = listening(site, D, query).await;
    let mut admins = listening(site, G, query).await;
    update(site, D, "Team", r#"id: "t", title: "ours", _version: 1"#).await.value();
    update(site, D, "Team", r#"id: "t", group: "Admin", title: "theirs", _version: 2"#).await.value();
    assert_eq!(event(&mut admins).await, json!({"id": "t", "group": "Admin", "title": "theirs"}));
    assert_eq!(event(&mut devs).await, json!({"id": "t", "group": "Devs", "title": "ours"}));
    create(site, D, "Team", r#"id: "u", group: "Devs""#).await.value();
    update(site, D, "Team", r#"id: "u", title: "next", _version: 1"#).await.value();
    assert_eq!(event(&mut devs).await, json!({"id": "u", "group": "Devs", "title": "next"}));
}
}
