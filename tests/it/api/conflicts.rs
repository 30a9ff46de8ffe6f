//! What a client sees of conflicts, under Automerge and under Optimistic Concurrency (`sync-semantics` 2.2, 5, 6).

use serde_json::{Value, json};

use crate::support::site::{Plan, Site, on_both_stores};

const SCHEMA: &str = include_str!("../../schemas/players.graphql");
const MERGING: Plan = Plan::of(SCHEMA);
const REFUSING: Plan = Plan::optimistic(SCHEMA);

const FIELDS: &str = "id name jersey note interests points \
    stats { ppg apg rpg games home { city seats } } meta teamId position \
    createdAt updatedAt _version _deleted _lastChangedAt";

/// A player that has gone through so many versions, and holds these fields in the last.
async fn player(site: &Site, id: &str, version: i64, fields: &Value) -> Value {
    let mut input = json!({"id": id, "name": "Nadia"});
    overlay(&mut input, fields);
    let mut stored = site.mutate("createPlayer", input, FIELDS).await.value();
    for at in 1..version {
        let touch = json!({"id": id, "_version": at});
        stored = site.mutate("updatePlayer", touch, FIELDS).await.value();
    }
    assert_eq!(stored["_version"], version);
    stored
}

fn overlay(base: &mut Value, fields: &Value) {
    let base = base.as_object_mut().expect("an object");
    for (name, value) in fields.as_object().expect("an object") {
        base.insert(name.clone(), value.clone());
    }
}

fn with(base: &Value, fields: &Value) -> Value {
    let mut whole = base.clone();
    overlay(&mut whole, fields);
    whole
}

/// A record without what every write changes.
fn content(record: &Value) -> Value {
    let mut content = record.clone();
    let members = content.as_object_mut().expect("a record");
    for name in ["_version", "_lastChangedAt", "updatedAt"] {
        members.shift_remove(name);
    }
    content
}

fn stats(values: &Value) -> Value {
    let none =
        json!({"stats": {"ppg": null, "apg": null, "rpg": null, "games": null, "home": null}});
    json!({"stats": with(&none["stats"], values)})
}

/// Example, stored version, stored fields, the client's version (null for none), its fields, the fields afterwards.
fn examples() -> Vec<(&'static str, i64, Value, Value, Value, Value)> {
    vec![
        (
            "A1",
            4,
            json!({"jersey": 5}),
            json!(2),
            json!({"jersey": 55}),
            json!({"jersey": 5}),
        ),
        (
            "A2",
            5,
            json!({"name": "Nadia"}),
            json!(3),
            json!({"name": "Shaggy", "interests": ["breakfast"], "points": [24, 30]}),
            json!({"name": "Nadia", "interests": ["breakfast"], "points": [24, 30]}),
        ),
        (
            "A3",
            6,
            json!({"points": [24, 30, 27]}),
            json!(5),
            json!({"points": [30, 35]}),
            json!({"points": [24, 30, 27, 30, 35]}),
        ),
        (
            "A4",
            8,
            json!({"stats": {"ppg": 35.4, "apg": 6.3}}),
            json!(3),
            json!({"stats": {"ppg": 25.7, "rpg": 6.9}}),
            stats(&json!({"ppg": 35.4, "apg": 6.3, "rpg": 6.9})),
        ),
        (
            "A5",
            3,
            json!({"interests": ["a", "b"]}),
            json!(2),
            json!({"interests": ["a", "b", "c"]}),
            json!({"interests": ["a", "b", "a", "b", "c"]}),
        ),
        (
            "A6",
            2,
            json!({"name": "kept", "points": [0, 1, 2]}),
            json!(1),
            json!({"name": "x", "points": [0, 1, 2], "note": null}),
            json!({"name": "kept", "points": [0, 1, 2, 0, 1, 2]}),
        ),
        (
            "A7",
            1,
            json!({"name": "o"}),
            Value::Null,
            json!({"name": "n"}),
            json!({"name": "o"}),
        ),
        (
            "A11",
            4,
            json!({"name": "post 0"}),
            json!(1),
            json!({"teamId": "second"}),
            json!({"name": "post 0", "teamId": "second"}),
        ),
        (
            "A11 with a null that was sent",
            4,
            json!({"teamId": null}),
            json!(1),
            json!({"teamId": "second"}),
            json!({"teamId": "second"}),
        ),
        (
            "A12",
            4,
            json!({"teamId": "original"}),
            json!(1),
            json!({"teamId": "second"}),
            json!({"teamId": "original"}),
        ),
        (
            "A15",
            5,
            json!({"note": "n"}),
            json!(4),
            json!({"note": null}),
            json!({"note": "n"}),
        ),
        (
            "A16",
            5,
            json!({"stats": {"ppg": 1, "games": [1], "home": {"city": "Oslo"}}}),
            json!(4),
            json!({"stats": {"ppg": 2, "games": [2], "apg": 3, "home": {"city": "Rome", "seats": 9}}}),
            stats(
                &json!({"ppg": 1, "games": [1, 2], "apg": 3, "home": {"city": "Oslo", "seats": 9}}),
            ),
        ),
        (
            "A17",
            5,
            json!({"meta": "{\"k\":1}"}),
            json!(4),
            json!({"meta": "{\"k\":2,\"z\":1}"}),
            json!({"meta": "{\"k\":1,\"z\":1}"}),
        ),
        (
            "A18",
            5,
            json!({"meta": "{\"k\":1}"}),
            json!(4),
            json!({"meta": "[\"y\"]"}),
            json!({"meta": "{\"k\":1}"}),
        ),
        (
            "A19",
            5,
            json!({"interests": ["a"]}),
            json!(5),
            json!({"interests": ["c"]}),
            json!({"interests": ["c"]}),
        ),
        (
            "A20",
            5,
            json!({"interests": ["a"]}),
            json!(9),
            json!({"interests": ["c"]}),
            json!({"interests": ["a", "c"]}),
        ),
        (
            "an enum is a scalar",
            2,
            json!({"position": "GUARD"}),
            json!(1),
            json!({"position": "CENTER"}),
            json!({"position": "GUARD"}),
        ),
    ]
}

on_both_stores! { MERGING;

/// `sync-semantics` 6.4, AM-1, AM-2: the answer holds the merged record and the stored version plus one, and so does
/// the store.
async fn automerge_gives_what_the_worked_examples_say(site: &Site) {
    for (n, (example, version, stored, base, incoming, expected)) in
        examples().into_iter().enumerate()
    {
        let id = format!("p{n}");
        let before = player(site, &id, version, &stored).await;
        let input = with(&json!({"id": id, "_version": base}), &incoming);
        let merged = site.mutate("updatePlayer", input, FIELDS).await.value();
        assert_eq!(merged["_version"], version + 1, "{example}");
        assert_eq!(content(&merged), content(&with(&before, &expected)), "{example}");
        let read = site.read(&format!("{{ getPlayer(id: \"{id}\") {{ {FIELDS} }} }}")).await;
        assert_eq!(read, merged, "{example}");
    }
}

/// A7, A8: without a version nothing changes but the version; with the answer's version the second try succeeds.
async fn a_client_without_version_wins_with_its_second_call(site: &Site) {
    player(site, "p", 1, &json!({"note": "o"})).await;
    let first = json!({"id": "p", "note": "n"});
    let first = site.mutate("updatePlayer", first, FIELDS).await.value();
    assert_eq!((&first["note"], &first["_version"]), (&json!("o"), &json!(2)));
    let second = json!({"id": "p", "note": "n", "_version": first["_version"]});
    let second = site.mutate("updatePlayer", second, FIELDS).await.value();
    assert_eq!((&second["note"], &second["_version"]), (&json!("n"), &json!(3)));
}

/// A9, A10: a stale scalar loses, also if the other client changed another field.
async fn a_stale_title_loses_whichever_field_the_other_client_changed(site: &Site) {
    player(site, "p", 1, &json!({"note": "original"})).await;
    let other = json!({"id": "p", "teamId": "second", "_version": 1});
    site.mutate("updatePlayer", other, FIELDS).await.value();
    let stale = json!({"id": "p", "note": "mine", "_version": 1});
    let merged = site.mutate("updatePlayer", stale, FIELDS).await.value();
    assert_eq!(
        (&merged["note"], &merged["teamId"], &merged["_version"]),
        (&json!("original"), &json!("second"), &json!(3))
    );
}

/// 6.3: `updatedAt` is a stored scalar like any other and stays, while `_lastChangedAt` moves.
async fn a_merge_keeps_updated_at_and_moves_last_changed_at(site: &Site) {
    let before = player(site, "p", 2, &json!({"note": "n"})).await;
    let stale = json!({"id": "p", "note": "x", "_version": 1});
    let merged = site.mutate("updatePlayer", stale, FIELDS).await.value();
    assert_eq!(merged["updatedAt"], before["updatedAt"]);
    assert!(merged["_lastChangedAt"].as_i64() >= before["_lastChangedAt"].as_i64());
}

/// Row 11, A13: the delete wins over a stale update, whose answer tells the client to drop its copy.
async fn a_stale_update_of_a_deleted_record_leaves_it_deleted(site: &Site) {
    player(site, "p", 6, &json!({"note": "n"})).await;
    let gone = json!({"id": "p", "_version": 6});
    site.mutate("deletePlayer", gone, FIELDS).await.value();
    let stale = json!({"id": "p", "note": "x", "interests": ["y"], "_version": 5});
    let merged = site.mutate("updatePlayer", stale, FIELDS).await.value();
    assert_eq!(merged["_deleted"], true);
    assert_eq!(merged["_version"], 8);
    assert_eq!((&merged["note"], &merged["interests"]), (&json!("n"), &Value::Null));
}

/// Row 14, A14, AM-4: deletes are never merged.
async fn automerge_refuses_a_stale_delete_and_shows_the_record(site: &Site) {
    let stored = player(site, "p", 3, &json!({"points": [1]})).await;
    for version in [json!(2), Value::Null, json!(7)] {
        let stale = json!({"id": "p", "_version": version});
        let error = site.mutate("deletePlayer", stale, FIELDS).await.refusal();
        assert_eq!(error["errorType"], "ConflictUnhandled", "{version}");
        assert_eq!(error["message"], "Conflict resolver rejects mutation.");
        assert_eq!(error["data"], stored, "{version}");
    }
    let read = site.read(&format!("{{ getPlayer(id: \"p\") {{ {FIELDS} }} }}")).await;
    assert_eq!(read, stored);
}

/// `errata.md` row 29: a client that repeats a delete in vain is answered later and later, and never with less.
async fn a_delete_that_is_repeated_in_vain_is_slowed_down(site: &Site) {
    let stored = player(site, "p", 2, &json!({})).await;
    let begun = std::time::Instant::now();
    for _ in 0..5 {
        let stale = json!({"id": "p", "_version": 1});
        let error = site.mutate("deletePlayer", stale, FIELDS).await.refusal();
        assert_eq!(error["errorType"], "ConflictUnhandled");
        assert_eq!(error["data"], stored);
    }
    let waited = begun.elapsed().as_millis();
    assert!(waited >= 50 + 100 + 200 + 400, "{waited} ms");
}

/// AM-3: every write of a crowd is acknowledged with a version of its own, and no element is lost.
async fn t37_many_stale_writers_are_all_merged(site: &Site) {
    player(site, "p", 1, &json!({"points": []})).await;
    let writers = (0..20).map(|n| {
        let input = json!({"id": "p", "points": [n], "_version": 99});
        site.mutate("updatePlayer", input, "_version points")
    });
    let answers = futures_util::future::join_all(writers).await;
    let mut versions: Vec<i64> = answers
        .into_iter()
        .map(|answer| answer.value()["_version"].as_i64().expect("a number"))
        .collect();
    versions.sort_unstable();
    assert_eq!(versions, (2..22).collect::<Vec<_>>());
    let stored = site.read("{ getPlayer(id: \"p\") { points } }").await;
    let mut points: Vec<i64> = stored["points"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_i64)
        .collect();
    points.sort_unstable();
    assert_eq!(points, (0..20).collect::<Vec<_>>());
}
}

mod optimistic {
    use super::*;

    on_both_stores! { REFUSING;

    /// OCC-1, OCC-2, rows 7 to 9: nothing is written, and the one error has AppSync's keys in AppSync's order.
    async fn occ_1_occ_2_another_version_is_refused_with_the_stored_record(site: &Site) {
        let stored = player(site, "p", 4, &json!({"note": "server", "points": [1]})).await;
        for version in [json!(3), Value::Null, json!(0), json!(9)] {
            let stale = json!({"id": "p", "note": "mine", "_version": version});
            let error = site.mutate("updatePlayer", stale, FIELDS).await.refusal();
            let keys: Vec<_> = error.as_object().expect("an object").keys().collect();
            assert_eq!(
                keys,
                ["path", "data", "errorType", "errorInfo", "locations", "message"]
            );
            assert_eq!(error["path"], json!(["updatePlayer"]));
            assert_eq!(error["data"], stored, "{version}");
            assert_eq!(error["errorType"], "ConflictUnhandled");
            assert_eq!(error["errorInfo"], Value::Null);
            assert_eq!(error["locations"][0]["sourceName"], Value::Null);
            assert_eq!(error["message"], "Conflict resolver rejects mutation.");
        }
        let read = site.read(&format!("{{ getPlayer(id: \"p\") {{ {FIELDS} }} }}")).await;
        assert_eq!(read, stored);
    }

    /// JavaScript repeats for ever what is refused without a record, so there is one whatever was selected.
    async fn occ_4_a_conflict_always_shows_the_record(site: &Site) {
        player(site, "p", 3, &json!({"note": "n"})).await;
        for selection in ["id", "_version", "note", "alias: name", "__typename"] {
            for mutation in ["updatePlayer", "deletePlayer"] {
                let mut stale = json!({"id": "p", "_version": 1});
                if mutation == "updatePlayer" {
                    stale["note"] = json!("x");
                }
                let error = site.mutate(mutation, stale, selection).await.refusal();
                assert_eq!(error["errorType"], "ConflictUnhandled");
                let shown = &error["data"];
                assert_eq!((&shown["id"], &shown["_version"]), (&json!("p"), &json!(3)), "{selection}");
                assert!(shown["_lastChangedAt"].is_i64(), "{selection}");
            }
        }
    }

    /// Row 5: the stored version passes, and lists and nested values are replaced whole.
    async fn the_stored_version_passes_and_replaces(site: &Site) {
        let fields = json!({"points": [1, 2], "stats": {"ppg": 1.5, "games": [1]}, "note": "n"});
        let before = player(site, "p", 2, &fields).await;
        let input = json!({"id": "p", "points": [3], "stats": {"apg": 2}, "note": null, "_version": 2});
        let after = site.mutate("updatePlayer", input, FIELDS).await.value();
        let changed = with(&json!({"points": [3], "note": null}), &stats(&json!({"apg": 2})));
        assert_eq!(content(&after), content(&with(&before, &changed)));
        assert_eq!(after["_version"], 3);
    }

    /// Row 11, row 16: what is refused over a tombstone says that the record is deleted.
    async fn conflicts_with_a_deleted_record_say_that_it_is_deleted(site: &Site) {
        player(site, "p", 2, &json!({"note": "n"})).await;
        let gone = json!({"id": "p", "_version": 2});
        let tombstone = site.mutate("deletePlayer", gone, FIELDS).await.value();
        let stale = json!({"id": "p", "note": "x", "_version": 1});
        let update = site.mutate("updatePlayer", stale, FIELDS).await.refusal();
        let stale = json!({"id": "p", "_version": 1});
        let delete = site.mutate("deletePlayer", stale, FIELDS).await.refusal();
        for error in [update, delete] {
            assert_eq!(error["errorType"], "ConflictUnhandled");
            assert_eq!(error["data"], tombstone);
            assert_eq!(error["data"]["_deleted"], true);
        }
    }

    /// Of writers that start from one version exactly one succeeds.
    async fn of_many_writers_of_one_version_one_wins(site: &Site) {
        player(site, "p", 1, &json!({})).await;
        let writers = (0..12).map(|n| {
            let input = json!({"id": "p", "jersey": n, "_version": 1});
            site.mutate("updatePlayer", input, "jersey _version")
        });
        let answers = futures_util::future::join_all(writers).await;
        let (won, lost): (Vec<_>, Vec<_>) = answers
            .into_iter()
            .partition(|answer| answer.0.get("errors").is_none());
        assert_eq!((won.len(), lost.len()), (1, 11));
        let winner = won.into_iter().next().expect("one").value();
        let stored = site.read("{ getPlayer(id: \"p\") { jersey _version } }").await;
        assert_eq!(stored, winner);
        for answer in lost {
            let error = answer.refusal();
            assert_eq!(error["errorType"], "ConflictUnhandled");
            assert_eq!(error["data"]["_version"], 2);
        }
    }
    }
}
