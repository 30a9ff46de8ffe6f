//! The server's process is killed at each moment of a write.

use pretty_assertions::assert_eq;
use tempfile::TempDir;

use crate::support::accounts::{Accounts, Mutation, create, delete, everything, update};
use crate::support::audit::audit;
use crate::support::postgres::Database;
use crate::support::victim::Victim;

/// What a dead server left of the write it was at.
#[derive(Debug, PartialEq, Eq)]
enum Left {
    Nothing,
    TheWrite,
}

/// Kills the server while a write of each kind stands at a moment, and tells what is left of it.
async fn killed_at(url: &str, moment: &'static str, left: &Left) {
    let mut accounts = Accounts::default();
    let mut victim = Victim::start(url, None).await.ready().await;
    accounts.open(&victim).await;
    for mutation in [create("new"), update("c", 1), delete("a", 2)] {
        victim.kill().await;
        victim = victim.again(Some((moment, 0))).await.ready().await;
        dies_at(&mut victim, &mutation).await;
        assert_eq!(audit(url).await, [""; 0], "{moment}: {mutation:?}");

        victim = victim.again(None).await.ready().await;
        let stored = everything(&victim).await;
        let version = stored
            .get(&mutation.id)
            .map(|record| record["_version"].as_u64());
        let is_there = version == Some(Some(mutation.version));
        assert_eq!(is_there, *left == Left::TheWrite, "{moment}: {mutation:?}");

        // The client's HTTP layer sends it again (`client-js` 2.1), and that is one write all the same.
        accounts.settle(&victim, &mutation).await;
        accounts.assert_kept(&victim).await;
        assert_eq!(audit(url).await, [""; 0], "{moment}: {mutation:?}");
    }
    assert!(victim.stop().await.success());
}

async fn dies_at(victim: &mut Victim, mutation: &Mutation) {
    let sent = tokio::spawn(mutation.send(victim));
    victim.held().await;
    victim.kill().await;
    let answer = sent.await.expect("the request ends");
    assert!(answer.is_err(), "answered before it was done: {answer:?}");
}

/// Each moment on a database of its own.
macro_rules! killed {
    ($($moment:literal leaves $left:ident: $sqlite:ident $($postgres:ident)?;)+) => {$(
        #[tokio::test]
        async fn $sqlite() {
            let folder = TempDir::new().expect("a folder");
            let url = format!("sqlite:{}", folder.path().join("data.db").display());
            killed_at(&url, $moment, &Left::$left).await;
        }
        $(
            #[tokio::test]
            async fn $postgres() {
                let database = Database::create().await;
                killed_at(&database.url, $moment, &Left::$left).await;
                database.remove().await;
            }
        )?
    )+};
}

killed! {
    "taken" leaves Nothing:
        a_write_that_a_dead_server_had_only_taken_is_not_there_in_sqlite
        a_write_that_a_dead_server_had_only_taken_is_not_there_in_postgres;
    "written" leaves Nothing:
        a_write_that_a_dead_server_had_not_committed_is_not_there_in_sqlite;
    "committed" leaves TheWrite:
        a_write_that_a_dead_server_had_committed_unanswered_is_there_in_sqlite
        a_write_that_a_dead_server_had_committed_unanswered_is_there_in_postgres;
    "told" leaves TheWrite:
        a_write_that_a_dead_server_had_told_subscribers_is_there_in_sqlite
        a_write_that_a_dead_server_had_told_subscribers_is_there_in_postgres;
}
