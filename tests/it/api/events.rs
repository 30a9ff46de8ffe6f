//! What subscribers are sent of committed writes, with either store (`sync-semantics` 9).

use serde_json::{Value, json};

use crate::support::server::{DATASTORE, Socket};
use crate::support::site::{Plan, Site, on_both_stores};

const PLAN: Plan = Plan::of(include_str!("../../schemas/players.graphql"));

const FIELDS: &str = "id name note points _version _deleted _lastChangedAt";

/// Subscribed to all three kinds of events; the id of a subscription is its name.
async fn listener(site: &Site, arguments: &str) -> Socket {
    let authorization = site.server.authorization(DATASTORE);
    let mut socket = site.server.session().await;
    for name in ["onCreatePlayer", "onUpdatePlayer", "onDeletePlayer"] {
        let query = format!("subscription operation {{ {name}{arguments} {{ {FIELDS} }} }}");
        socket.subscribe(name, &query, &authorization).await;
    }
    socket
}

/// The next event.
async fn event(socket: &mut Socket) -> (String, Value) {
    let frame = socket.frame().await;
    assert_eq!(frame["type"], "data", "{frame}");
    let name = frame["id"].as_str().expect("an id").to_owned();
    let record = frame["payload"]["data"][&name].clone();
    (name, record)
}

/// The next event of a version that was not shown before: the newest state of a record may be repeated
/// (`errata.md` row 13).
async fn news(socket: &mut Socket, seen: i64) -> (String, Value) {
    loop {
        let (name, record) = event(socket).await;
        if record["_version"].as_i64() > Some(seen) {
            return (name, record);
        }
    }
}

on_both_stores! { PLAN;

/// SUB-1, SUB-2, SUB-4: subscribers get the whole record, whatever the mutation selected, merges and deletes included.
async fn every_committed_write_is_an_event_with_the_whole_record(site: &Site) {
    let mut socket = listener(site, "").await;
    let created = json!({"id": "p", "name": "Ada", "points": [1]});
    site.mutate("createPlayer", created, "id").await.value();
    let (name, record) = event(&mut socket).await;
    assert_eq!(name, "onCreatePlayer");
    assert_eq!((&record["name"], &record["points"], &record["_version"]), (&json!("Ada"), &json!([1]), &json!(1)));

    let merged = json!({"id": "p", "points": [2], "name": "Bob", "_version": 9});
    site.mutate("updatePlayer", merged, "id").await.value();
    let (name, record) = news(&mut socket, 1).await;
    assert_eq!(name, "onUpdatePlayer");
    assert_eq!((&record["name"], &record["points"], &record["_version"]), (&json!("Ada"), &json!([1, 2]), &json!(2)));

    site.mutate("deletePlayer", json!({"id": "p", "_version": 2}), "id").await.value();
    let (name, record) = news(&mut socket, 2).await;
    assert_eq!(name, "onDeletePlayer");
    assert_eq!((&record["_deleted"], &record["name"]), (&json!(true), &json!("Ada")));
    assert_eq!(site.read(&format!("{{ getPlayer(id: \"p\") {{ {FIELDS} }} }}")).await, record);
}

/// A merge is a success like any other, though every field of it was dropped.
async fn am_2_a_merge_is_answered_and_told_to_subscribers(site: &Site) {
    let mut socket = listener(site, "").await;
    site.mutate("createPlayer", json!({"id": "p", "name": "Ada"}), "id").await.value();
    let stale = json!({"id": "p", "name": "Bob", "_version": 9});
    let merged = site.mutate("updatePlayer", stale, FIELDS).await.value();
    assert_eq!((&merged["name"], &merged["_version"]), (&json!("Ada"), &json!(2)));
    let (name, record) = news(&mut socket, 1).await;
    assert_eq!((name.as_str(), &record), ("onUpdatePlayer", &merged));
}

/// SUB-2: what was refused is no event, and neither is what does not pass the subscriber's filter.
async fn refused_and_filtered_writes_are_no_events(site: &Site) {
    let mut socket = listener(site, "(filter: {and: [{name: {beginsWith: \"A\"}}]})").await;
    for name in ["Bob", "Zoe"] {
        site.mutate("createPlayer", json!({"id": name, "name": name}), "id").await.value();
    }
    site.mutate("deletePlayer", json!({"id": "Bob", "_version": 7}), "id").await.refusal();
    site.mutate("updatePlayer", json!({"id": "none", "name": "A", "_version": 7}), "id").await.refusal();
    site.mutate("createPlayer", json!({"id": "Ada", "name": "Ada"}), "id").await.value();
    let (name, record) = event(&mut socket).await;
    assert_eq!((name.as_str(), &record["id"]), ("onCreatePlayer", &json!("Ada")));
}

/// CL-6: the versions of a record come in order, none left out, however fast they are written.
async fn the_versions_of_a_record_come_in_order(site: &Site) {
    let mut socket = listener(site, "").await;
    site.mutate("createPlayer", json!({"id": "p", "name": "Ada"}), "id").await.value();
    for version in 1..20 {
        let input = json!({"id": "p", "note": version.to_string(), "_version": version});
        site.mutate("updatePlayer", input, "id").await.value();
    }
    let mut newest = 0;
    while newest < 20 {
        let (_, record) = event(&mut socket).await;
        let version = record["_version"].as_i64().expect("a version");
        assert!(version == newest + 1 || version == newest, "{newest}, then {version}");
        newest = version;
    }
}
}
