//! Answers that are lost, and writers that meet at one record.

use anyhow::{Context as _, ensure};
use driftless::config::Strategy;
use driftless_resolvers::identity::Family;
use serde_json::{Value, json};

use crate::support::backend::{Backend, caller, datastore};
use crate::support::rig::{Rig, Verdict, anomaly};

const PLAYERS: &str = include_str!("../../schemas/players.graphql");

anomaly!(t12_a_write_whose_answer_is_lost_is_done_once on [memory, sqlite, postgres] notices [
    stores_that_forget_requests: NoHistory
]);

/// `client-js` 10.5. Committed, not answered; the client sends the same again. Somebody else writes in between once.
async fn t12_a_write_whose_answer_is_lost_is_done_once(rig: &Rig) -> Verdict {
    let backend = Backend::over(rig, PLAYERS, |_| {}).await;
    let device = datastore(Family::JavaScript);
    let mut listener = backend.listen(&caller(Family::JavaScript)).await?;
    let sent = [
        (
            "createPlayer",
            json!({"id": "p", "name": "Ada", "points": [1]}),
        ),
        (
            "updatePlayer",
            json!({"id": "p", "points": [1, 2], "_version": 1}),
        ),
        (
            "updatePlayer",
            json!({"id": "p", "points": [1, 2, 3], "_version": 2}),
        ),
        ("deletePlayer", json!({"id": "p", "_version": 4})),
    ];
    for (n, (mutation, input)) in sent.into_iter().enumerate() {
        rig.store.lose_answers(1);
        let lost = backend.mutate(&device, mutation, input.clone()).await;
        ensure!(lost.is_err(), "{mutation} is answered");
        let mut expected = n as i64 + 1;
        if n == 2 {
            let other = json!({"id": "p", "note": "other", "_version": 3});
            backend
                .mutate(&device, "updatePlayer", other)
                .await?
                .version()?;
        }
        if n >= 2 {
            expected += 1;
        }
        let again = backend.mutate(&device, mutation, input).await?;
        ensure!(
            again.version()? == expected,
            "{mutation} again is {again:?}, not {expected}"
        );
    }
    let mut versions = Vec::new();
    for _ in 0..5 {
        versions.push(listener.event().await?.1);
    }
    versions.extend(listener.told().into_iter().map(|(_, version)| version));
    ensure!(versions == [1, 2, 3, 4, 5], "events of {versions:?}");
    Ok(())
}

anomaly!(t35_an_update_and_a_delete_that_meet_end_alike_everywhere on [memory, sqlite, postgres]);

/// Section 2.2 rows 11 and 14. Both are based on version 1, in both orders, under both strategies.
async fn t35_an_update_and_a_delete_that_meet_end_alike_everywhere(rig: &Rig) -> Verdict {
    let merging = Backend::over(rig, PLAYERS, |_| {}).await;
    let refusing = Backend::over(rig, PLAYERS, |config| {
        config.conflict.default = Strategy::Optimistic.into();
    })
    .await;
    let device = datastore(Family::Swift);
    for (backend, name, merges) in [(&merging, "m", true), (&refusing, "r", false)] {
        let input = |id: &str, more: Value| {
            let mut input = json!({"id": format!("{name}{id}"), "_version": 1});
            input
                .as_object_mut()
                .expect("an object")
                .extend(more.as_object().cloned().unwrap_or_default());
            input
        };
        for id in ["1", "2"] {
            let mut create = input(id, json!({"name": "Ada"}));
            create
                .as_object_mut()
                .expect("an object")
                .remove("_version");
            backend
                .mutate(&device, "createPlayer", create)
                .await?
                .version()?;
        }
        // The update first: the delete is stale and is refused, whatever the strategy.
        let update = input("1", json!({"note": "n"}));
        backend
            .mutate(&device, "updatePlayer", update)
            .await?
            .version()?;
        let refused = backend
            .mutate(&device, "deletePlayer", input("1", json!({})))
            .await?;
        ensure!(
            refused.error["errorType"] == "ConflictUnhandled",
            "{refused:?}"
        );
        let shown = &refused.error["data"];
        ensure!(
            shown["_version"] == 2 && shown["note"] == "n",
            "{refused:?}"
        );

        // The delete first: the record stays deleted.
        backend
            .mutate(&device, "deletePlayer", input("2", json!({})))
            .await?
            .version()?;
        let late = backend
            .mutate(&device, "updatePlayer", input("2", json!({"note": "n"})))
            .await?;
        let (shown, version) = if merges {
            (&late.value, 3)
        } else {
            ensure!(late.error["errorType"] == "ConflictUnhandled", "{late:?}");
            (&late.error["data"], 2)
        };
        let told = shown["_version"].as_i64().context("a record is shown")?;
        ensure!(told == version && shown["_deleted"] == true, "{late:?}");
    }
    Ok(())
}
