//! The disk is full under SQLite. No file may grow beyond a size, as under a quota; `ENOSPC` takes the same way through
//! SQLite and the server.

use pretty_assertions::assert_eq;
use tempfile::TempDir;

use crate::support::accounts::{Accounts, assert_try_again, create, fill, persist, update};
use crate::support::audit::audit;
use crate::support::cluster::execute;
use crate::support::postgres::Database;
use crate::support::server::DATASTORE;
use crate::support::victim::Victim;

/// Every file may grow to here and no further, in the middle of a page.
const FULL: u64 = 301_000;

#[tokio::test]
async fn t49_a_full_disk_under_sqlite_takes_nothing_that_was_acknowledged_and_clients_keep_the_rest()
 {
    let folder = TempDir::new().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("data.db").display());
    let mut victim = Victim::start(&url, None).await.ready().await;
    let mut accounts = Accounts::default();
    accounts.open(&victim).await;
    for round in 0..3 {
        // The file and its log have grown meanwhile.
        victim.limit_files(Some(FULL * (round + 1)));
        let refused = fill(&mut accounts, &victim).await;
        for agent in [DATASTORE, "amplify-android:2.23.0", "amplify-swift:2.33.0"] {
            let (status, body) = refused
                .send_as(agent, &victim.door)
                .await
                .expect("an answer");
            assert_eq!(status, 503, "{agent}: {body}");
            assert_try_again(&body);
        }
        accounts.assert_kept(&victim).await;
        assert_eq!(audit(&url).await, [""; 0], "round {round}");
        if round == 1 {
            // Without a way to tidy up, and on a disk that is still full.
            victim.kill().await;
            assert_eq!(audit(&url).await, [""; 0]);
            victim = victim.again(None).await.ready().await;
        }
        victim.limit_files(None);
        persist(&mut accounts, &victim, &refused).await;
        persist(&mut accounts, &victim, &update("a", 2 + round)).await;
        persist(&mut accounts, &victim, &create(&format!("room {round}"))).await;
        accounts.assert_kept(&victim).await;
    }
    assert!(victim.stop().await.success());
    assert_eq!(audit(&url).await, [""; 0]);
}

/// Services make a database read-only when its disk is nearly full. Devices go on reading: the tick that keeps `startedAt`
/// near now is left out, and the changes since an older `startedAt` are only sent once more.
#[tokio::test]
async fn devices_go_on_syncing_from_a_database_that_takes_no_writes() {
    let database = Database::create().await;
    let mut victim = Victim::start(&database.url, None).await.ready().await;
    let mut accounts = Accounts::default();
    accounts.open(&victim).await;
    let mut admin = database.connect().await;
    let name = database.name();
    // The model has been idle for an hour, and so has its server.
    victim.kill().await;
    let later = "create or replace function wall_ms() returns bigint language sql volatile as \
                 $$ select floor(extract(epoch from clock_timestamp()) * 1000)::bigint + 3600000 $$";
    execute(&mut admin, later).await;
    let victim = victim.again(None).await.ready().await;
    let throw_out = "select pg_terminate_backend(pid) from pg_stat_activity \
                     where datname = current_database() and pid <> pg_backend_pid()";
    let close =
        format!("alter database {name} set default_transaction_read_only = on; {throw_out}");
    execute(&mut admin, &close).await;

    let (status, body) = update("a", 2).send(&victim).await.expect("an answer");
    assert_eq!(status, 503, "{body}");
    assert_try_again(&body);
    accounts.assert_kept(&victim).await;

    let open = format!("alter database {name} reset default_transaction_read_only; {throw_out}");
    execute(&mut admin, &open).await;
    persist(&mut accounts, &victim, &update("a", 2)).await;
    accounts.assert_kept(&victim).await;
    assert_eq!(audit(&database.url).await, [""; 0]);
    drop((admin, victim));
    database.remove().await;
}
