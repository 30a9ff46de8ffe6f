//! Clients in a loop, whose answers are held back.

use anyhow::ensure;
use driftless_resolvers::identity::Family;
use futures_util::poll;
use serde_json::json;

use crate::support::backend::{Backend, datastore};
use crate::support::rig::{Rig, Verdict, anomaly};

const PLAYERS: &str = include_str!("../../schemas/players.graphql");

anomaly!(a_refusal_that_is_held_back_shows_the_record_as_it_is_in_the_end on [memory]);

/// While its request is under way a client throws events of the record away, so that what the refusal shows is what it
/// keeps (`client-js` 10.2, 12.3).
async fn a_refusal_that_is_held_back_shows_the_record_as_it_is_in_the_end(rig: &Rig) -> Verdict {
    let backend = Backend::over(rig, PLAYERS, |_| {}).await;
    let device = datastore(Family::JavaScript);
    let write = async |mutation, input| backend.mutate(&device, mutation, input).await;
    write("createPlayer", json!({"id": "p", "name": "Ada"}))
        .await?
        .version()?;
    write(
        "updatePlayer",
        json!({"id": "p", "name": "Bea", "_version": 1}),
    )
    .await?
    .version()?;
    let stale = json!({"id": "p", "_version": 1});
    let at_once = write("deletePlayer", stale.clone()).await?;
    ensure!(at_once.error["data"]["name"] == "Bea", "{at_once:?}");

    let mut again = Box::pin(write("deletePlayer", stale));
    // Over the store in memory nothing else takes time.
    ensure!(
        poll!(again.as_mut()).is_pending(),
        "the same refusal comes at once"
    );
    write(
        "updatePlayer",
        json!({"id": "p", "name": "Cleo", "_version": 2}),
    )
    .await?
    .version()?;
    rig.pass(50).await;
    let later = again.await?;
    ensure!(later.error["errorType"] == "ConflictUnhandled", "{later:?}");
    ensure!(later.error["data"]["name"] == "Cleo", "{later:?}");
    ensure!(later.error["data"]["_version"] == 3, "{later:?}");
    Ok(())
}
