//! `driftless check`, `driftless clock` and `driftless restored`: what an operator asks of a database and tells it.

use driftless::storage::open;
use driftless_resolvers::schema::model::{Model, Scalar};
use driftless_resolvers::storage::{SyncFrom, SyncQuery};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _};

use super::{folder, run, stderr, stdout};
use crate::support::models::{model, schema};
use crate::support::postgres::Database;
use crate::support::probe::Probe;

/// A database that holds two versions of one record, and that nobody uses.
async fn left_behind(url: &str) -> Model {
    let store = open(url).await.expect("the store opens");
    let probe = Probe::of(store.storage.clone(), store.feed.clone(), "Post").await;
    for version in 0..2 {
        let write = probe.write("a", version, "title");
        store
            .storage
            .put(&probe.model, write)
            .await
            .expect("it is written");
    }
    store.close().await;
    model(
        "Post",
        &[("id", Scalar::Id), ("title", Scalar::String)],
        &["id"],
        &[],
    )
}

async fn execute(url: &str, sql: &str) {
    let query = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
    if url.starts_with("sqlite") {
        let mut connection = sqlx::SqliteConnection::connect(url)
            .await
            .expect("a connection");
        query.execute(&mut connection).await.expect("it runs");
    } else {
        let mut connection = sqlx::PgConnection::connect(url)
            .await
            .expect("a connection");
        query.execute(&mut connection).await.expect("it runs");
    }
}

/// A sound database is called so, and a record that differs from the log is the first thing that is told, with exit
/// codes for scripts.
async fn check_tells_the_first_difference(url: &str) {
    left_behind(url).await;
    let folder = folder();
    let check = async |more: &[&str]| {
        let arguments = [&["check", "--database", url], more].concat();
        run(folder.path(), &arguments).await
    };
    let sound = check(&[]).await;
    assert_eq!(sound.status.code(), Some(0), "{}", stderr(&sound));
    assert_eq!(stdout(&sound), "1 records and 2 rows of the log agree\n");

    execute(
        url,
        "update \"m1_Post\" set doc = '{\"id\":\"a\",\"title\":\"another\"}'",
    )
    .await;
    let wrong = check(&[]).await;
    assert_eq!(wrong.status.code(), Some(1));
    assert_eq!(stdout(&wrong), "");
    let told = stderr(&wrong);
    assert!(
        told.contains("Post: record [\"a\"] has another content than the log at 2"),
        "{told}"
    );

    let wrong = check(&["--json"]).await;
    assert_eq!(wrong.status.code(), Some(1));
    let told: Value = serde_json::from_str(&stdout(&wrong)).expect("JSON");
    assert_eq!(told["records"], 0);
    let finding =
        json!({"model": "Post", "what": "record [\"a\"] has another content than the log at 2"});
    assert_eq!(told["findings"], json!([finding]));
}

/// The server of a SQLite file is the only one to write it; whoever checks it reads.
#[tokio::test]
async fn check_reads_a_sqlite_file_while_it_is_served() {
    let home = folder();
    let url = format!("sqlite:{}", home.path().join("data.db").display());
    let check = async || run(home.path(), &["check", "--database", &url]).await;
    let missing = check().await;
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr(&missing).contains("there is no SQLite file"));

    let store = open(&url).await.expect("the store opens");
    let probe = Probe::of(store.storage.clone(), store.feed.clone(), "Post").await;
    probe.save("a", 0).await.expect("a write");
    let sound = check().await;
    assert_eq!(sound.status.code(), Some(0), "{}", stderr(&sound));
    assert_eq!(stdout(&sound), "1 records and 1 rows of the log agree\n");
    probe.save("a", 1).await.expect("a write");
    store.close().await;
    let sound = check().await;
    assert_eq!(stdout(&sound), "1 records and 2 rows of the log agree\n");
}

/// After `restored` every client gets everything at its next sync, in versions that it has not seen.
async fn restored_begins_an_epoch(url: &str) {
    let model = left_behind(url).await;
    let folder = folder();
    let restored = run(folder.path(), &["restored", "--database", url]).await;
    assert_eq!(restored.status.code(), Some(0), "{}", stderr(&restored));
    assert!(
        stdout(&restored).contains("a new epoch has begun"),
        "{}",
        stdout(&restored)
    );
    let store = open(url).await.expect("the store opens");
    store
        .storage
        .prepare(&schema(&[&model]))
        .await
        .expect("it is made ready");
    let query = SyncQuery {
        from: SyncFrom::First {
            last_sync: Some(1),
            overlap: 0,
            window: None,
        },
        rows: driftless_resolvers::filter::Filter::everything(),
        filter: driftless_resolvers::filter::Filter::everything(),
        limit: 10,
    };
    let page = store.storage.sync(&model, &query).await.expect("a page");
    assert_eq!(page.records.len(), 1);
    assert!(page.records[0].version.0 > 1_000_000);
    store.close().await;
    let sound = run(folder.path(), &["check", "--database", url]).await;
    assert_eq!(sound.status.code(), Some(0), "{}", stderr(&sound));
}

#[tokio::test]
async fn check_tells_the_first_difference_in_sqlite() {
    let home = folder();
    let url = format!("sqlite:{}", home.path().join("data.db").display());
    check_tells_the_first_difference(&url).await;
}

#[tokio::test]
async fn check_tells_the_first_difference_in_postgres() {
    let database = Database::create().await;
    check_tells_the_first_difference(&database.url).await;
    database.remove().await;
}

#[tokio::test]
async fn restored_begins_an_epoch_in_sqlite() {
    let home = folder();
    let url = format!("sqlite:{}", home.path().join("data.db").display());
    restored_begins_an_epoch(&url).await;
}

#[tokio::test]
async fn restored_begins_an_epoch_in_postgres() {
    let database = Database::create().await;
    restored_begins_an_epoch(&database.url).await;
    database.remove().await;
}

#[tokio::test]
async fn a_database_that_is_in_use_or_is_none_is_said_to_be_so() {
    let home = folder();
    let url = format!("sqlite:{}", home.path().join("data.db").display());
    let store = open(&url).await.expect("the store opens");
    let output = run(home.path(), &["restored", "--database", &url]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("in use by another process"),
        "{}",
        stderr(&output)
    );
    for command in ["check", "restored"] {
        let output = run(home.path(), &[command, "--database", "nonsense"]).await;
        assert_eq!(output.status.code(), Some(1), "{command}");
        assert!(
            stderr(&output).contains("no address of a store"),
            "{}",
            stderr(&output)
        );
    }
    store.close().await;
}

/// What servers have found out about the clock of a database is shown, and an operator may say that it is right.
#[tokio::test]
async fn clock_shows_what_servers_believe_and_tells_them_otherwise() {
    let database = Database::create().await;
    let url = database.url.as_str();
    left_behind(url).await;
    let folder = folder();
    let clock = async |more: &[&str]| {
        let arguments = [&["clock", "--database", url], more].concat();
        let output = run(folder.path(), &arguments).await;
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output)
    };
    assert_eq!(clock(&[]).await, "the clock is believed\n");
    execute(url, "update store_clock set ahead_ms = 7200000").await;
    let told = clock(&[]).await;
    assert!(
        told.contains("is 7200 s ahead of what servers believe"),
        "{told}"
    );
    let told = clock(&["--right"]).await;
    assert!(told.contains("every server believes the clock"), "{told}");
    assert_eq!(clock(&[]).await, "the clock is believed\n");
    database.remove().await;

    let file = format!("sqlite:{}", folder.path().join("store.db").display());
    left_behind(&file).await;
    let output = run(folder.path(), &["clock", "--right", "--database", &file]).await;
    assert_eq!(stdout(&output), "the clock is believed\n");
}
