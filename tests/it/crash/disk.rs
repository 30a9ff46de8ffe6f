//! The disk is full under SQLite. No file may grow beyond a size, as under a quota; `ENOSPC` takes the same way through
//! SQLite and the server.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use pretty_assertions::assert_eq;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::support::accounts::{Accounts, assert_try_again, create, fill, persist, update};
use crate::support::audit::audit;
use crate::support::cluster::execute;
use crate::support::postgres::Database;
use crate::support::server::{DATASTORE, PATIENCE};
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

/// A file with room for what SQLite writes beside it before it takes that over, once, and for no more of it.
const CROWDED: u64 = 6 << 20;
/// So long is the log at the most where it is taken over: a thousand pages and their headers.
const TAKEN_OVER: u64 = 1_000 * (4_096 + 24) + 32;

/// Commits go to a log beside the file, which they reach later: when nobody waits for an answer that could be refused.
#[tokio::test]
async fn t49_a_disk_that_is_full_when_sqlite_takes_over_its_log_takes_nothing_that_was_acknowledged()
 {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("data.db");
    let length = |of: &str| {
        let path = folder.path().join(of);
        std::fs::metadata(path).expect("a file").len()
    };
    let url = format!("sqlite:{}", file.display());
    let mut victim = Victim::start(&url, None).await.ready().await;
    let mut accounts = Accounts::default();
    accounts.open(&victim).await;
    for round in 0..3 {
        victim.limit_files(Some(CROWDED));
        let refused = fill(&mut accounts, &victim).await;
        let waiting = length("data.db-wal");
        assert!(waiting > TAKEN_OVER + 300_000, "{waiting} were taken over");
        accounts.assert_kept(&victim).await;
        match round {
            0 => {
                assert_eq!(audit(&url).await, [""; 0]);
                victim.limit_files(None);
            }
            1 => {
                victim.kill().await;
                victim = victim.again(None).await.ready().await;
            }
            _ => {
                assert!(victim.stop().await.success());
                assert_eq!(audit(&url).await, [""; 0]);
                victim = Victim::start(&url, None).await.ready().await;
            }
        }
        persist(&mut accounts, &victim, &refused).await;
        persist(&mut accounts, &victim, &update("a", 2 + round)).await;
        accounts.assert_kept(&victim).await;
        assert!(length("data.db") > CROWDED, "nothing was taken over");
    }
    assert!(victim.stop().await.success());
    assert_eq!(audit(&url).await, [""; 0]);
}

/// What is open stays open; a server that is started anew finds that it may not write, and says where.
#[tokio::test]
async fn a_sqlite_file_that_becomes_read_only_with_its_folder_takes_nothing_that_was_acknowledged()
{
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("data.db");
    let allow = |of: &Path, mode| {
        std::fs::set_permissions(of, Permissions::from_mode(mode)).expect("it is ours");
    };
    let url = format!("sqlite:{}", file.display());
    let mut victim = Victim::unprivileged(&url).await.ready().await;
    let mut accounts = Accounts::default();
    accounts.open(&victim).await;
    let refuses = async |victim: &mut Victim, reason: &str| {
        assert!(!victim.ended().await.success());
        let log = victim.log();
        let last = log.rsplit_once("the store opens").map(|(_, last)| last);
        let names = |last: &str| last.contains("data.db") && last.contains(reason);
        assert!(last.is_some_and(names), "{log}");
    };

    let mark = folder.path().join("data.db.mark");
    let marked = async {
        while !mark.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, marked).await.expect("a mark");

    // Everything that a write needs is there and open.
    allow(folder.path(), 0o555);
    allow(&file, 0o444);
    persist(&mut accounts, &victim, &update("a", 2)).await;
    accounts.assert_kept(&victim).await;
    victim.logs("the mark cannot be kept").await;
    allow(folder.path(), 0o755);
    victim.logs("the mark is kept again").await;
    victim.kill().await;
    victim = victim.again(None).await;
    refuses(&mut victim, "denied").await;
    allow(&file, 0o644);
    victim = victim.again(None).await.ready().await;
    accounts.assert_kept(&victim).await;
    persist(&mut accounts, &victim, &update("a", 3)).await;

    // What is written beside the file is not there after an end in order.
    assert!(victim.stop().await.success());
    allow(folder.path(), 0o555);
    victim = Victim::unprivileged(&url).await;
    refuses(&mut victim, "its folder must be").await;
    allow(folder.path(), 0o755);
    victim = victim.again(None).await.ready().await;
    accounts.assert_kept(&victim).await;
    persist(&mut accounts, &victim, &update("a", 4)).await;
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
