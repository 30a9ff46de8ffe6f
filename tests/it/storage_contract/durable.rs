//! What only stores that outlive their process can be asked.

use driftless::storage::open;

use pretty_assertions::assert_eq;

use crate::support::cluster::execute;
use crate::support::pgbouncer::{Pooler, Settings};
use crate::support::postgres::Database;

use super::*;

async fn keeps_everything(stand: Stand) {
    let model = ready(&stand).await;
    create(
        &stand,
        &model,
        json!({"id": "a", "blog": "x", "title": "one"}),
    )
    .await;
    let kept = update(
        &stand,
        &model,
        1,
        json!({"id": "a", "blog": "x", "title": "two"}),
    )
    .await;
    let secret = stand.storage.secret("tokens").await.unwrap();
    let (_, started_at) = sync(&stand, &model, None).await;

    let stand = stand.restart().await;
    ready(&stand).await;
    assert_eq!(get(&stand, &model, "a").await, Some(kept.clone()));
    assert_eq!(stand.storage.secret("tokens").await.unwrap(), secret);
    let events = log(&stand, &model).await;
    assert_eq!(events.len(), 2);
    let third = update(
        &stand,
        &model,
        2,
        json!({"id": "a", "blog": "x", "title": "three"}),
    )
    .await;
    assert!(third.last_changed_at >= kept.last_changed_at);
    let (records, _) = sync(&stand, &model, Some(started_at)).await;
    assert_eq!(records, std::slice::from_ref(&third));
    let indexed = walk(
        &stand,
        &model,
        partition("byTitle", json!("x"), vec![], false),
        5,
    )
    .await;
    assert_eq!(indexed, [third]);
    stand.finish().await;
}

#[tokio::test]
async fn a_restart_keeps_everything_in_sqlite() {
    keeps_everything(Stand::sqlite().await).await;
}

#[tokio::test]
async fn a_restart_keeps_everything_in_postgres() {
    keeps_everything(Stand::postgres().await).await;
}

#[tokio::test]
async fn a_restart_keeps_everything_behind_a_pooler() {
    keeps_everything(Stand::pooled().await).await;
}

/// A pooler as it comes refuses whoever sends settings for a session; several nodes share its few connections.
#[tokio::test]
async fn t50_nodes_share_a_pooler_that_refuses_settings() {
    let database = crate::support::postgres::Database::create().await;
    let pooler = Pooler::before(&database.url, Settings::Refused).await;
    let model = post();
    let schema = schema(&[&model]);
    let nodes: Vec<_> = join_all((0..3).map(|_| open(&pooler.url))).await;
    let nodes: Vec<_> = nodes.into_iter().map(Result::unwrap).collect();
    for prepared in join_all(nodes.iter().map(|node| node.storage.prepare(&schema))).await {
        prepared.unwrap();
    }
    let creates = (0..60).map(|n| {
        let document = write(&model, Expected::Absent, json!({"id": n.to_string()}));
        nodes[n % 3].storage.put(&model, document)
    });
    for put in join_all(creates).await {
        done(put.unwrap());
    }
    let log = nodes[0].feed.since(&model, Seq(0), 100).await.unwrap();
    assert_eq!((log.events.len(), log.next), (60, Seq(60)));
    for node in nodes {
        node.close().await;
    }
    drop(pooler);
    database.remove().await;
}

#[tokio::test]
async fn t48_a_sqlite_file_in_use_is_refused() {
    let stand = Stand::sqlite().await;
    let refusal = open(&stand.url().unwrap()).await.err().unwrap().to_string();
    assert!(
        refusal.contains("is in use by another process"),
        "{refusal}"
    );
    stand.finish().await;
}

/// By a link of either kind, or a folder that is one. Through a hard link SQLite would write another log beside it.
#[tokio::test]
async fn a_sqlite_file_in_use_is_refused_whichever_path_leads_to_it() {
    let stand = Stand::sqlite().await;
    let url = stand.url().unwrap();
    let file = std::path::Path::new(url.trim_start_matches("sqlite:"));
    let elsewhere = tempfile::tempdir().unwrap();
    let path = |name: &str| elsewhere.path().join(name);
    std::os::unix::fs::symlink(file, path("soft.db")).unwrap();
    std::fs::hard_link(file, path("hard.db")).unwrap();
    std::os::unix::fs::symlink(file.parent().unwrap(), path("folder")).unwrap();
    let inside = path("folder").join(file.file_name().unwrap());
    for path in [path("soft.db"), path("hard.db"), inside] {
        let refusal = open(&format!("sqlite:{}", path.display())).await;
        let refusal = refusal.err().unwrap().to_string();
        assert!(
            refusal.contains("is in use by another process"),
            "{}: {refusal}",
            path.display()
        );
    }
    stand.finish().await;
}

/// What it could not keep would be an edit lost, much later.
#[tokio::test]
async fn a_database_that_cannot_keep_every_text_is_refused() {
    let database = Database::create().await;
    let mut connection = database.connect().await;
    for (encoding, is_fit) in [("LATIN1", false), ("SQL_ASCII", true)] {
        let name = format!("{}_{}", database.name(), encoding.to_lowercase());
        let make = format!("create database {name} encoding '{encoding}' template template0");
        execute(&mut connection, &make).await;
        let url = database.url.replace(database.name(), &name);
        match open(&url).await {
            Ok(store) => {
                assert!(is_fit, "{encoding}");
                store.close().await;
            }
            Err(refusal) => {
                assert!(!is_fit, "{refusal:#}");
                let refusal = format!("{refusal:#}");
                assert!(refusal.contains("keeps text as LATIN1"), "{refusal}");
            }
        }
        execute(
            &mut connection,
            &format!("drop database {name} with (force)"),
        )
        .await;
    }
    drop(connection);
    database.remove().await;
}

#[tokio::test]
async fn an_address_of_no_store_is_refused_with_examples() {
    let refusal = open("mysql://host/name").await.err().unwrap().to_string();
    assert!(refusal.contains("sqlite:path/to/file.db") && refusal.contains("postgres://"));
}

#[tokio::test]
async fn a_store_in_memory_is_a_store_of_its_own() {
    let one = open("sqlite::memory:").await.unwrap();
    let other = open("sqlite::memory:").await.unwrap();
    assert_ne!(
        one.storage.secret("tokens").await.unwrap(),
        other.storage.secret("tokens").await.unwrap()
    );
}

/// Two nodes on one database, each with its own queue.
#[tokio::test]
async fn two_nodes_never_both_write_a_version() {
    let stand = Stand::postgres().await;
    let model = ready(&stand).await;
    let other = open(&stand.url().unwrap()).await.unwrap();
    other.storage.prepare(&schema(&[&model])).await.unwrap();
    create(&stand, &model, json!({"id": "a"})).await;
    for version in 1..=30 {
        let document = || {
            write(
                &model,
                Expected::Version(Version(version)),
                json!({"id": "a"}),
            )
        };
        let (one, two) = tokio::join!(
            stand.storage.put(&model, document()),
            other.storage.put(&model, document())
        );
        let won = [one.unwrap(), two.unwrap()]
            .into_iter()
            .filter(|put| matches!(put, Put::Done(_)))
            .count();
        assert_eq!(won, 1, "version {version}");
    }
    let events = other.feed.since(&model, Seq(0), 100).await.unwrap().events;
    let seqs: Vec<_> = events.iter().map(|event| event.seq.0).collect();
    assert_eq!(seqs, (1..=31).collect::<Vec<_>>());
    other.close().await;
    stand.finish().await;
}

#[tokio::test]
async fn nodes_that_start_together_prepare_one_database() {
    let database = crate::support::postgres::Database::create().await;
    let schema = schema(&[&post()]);
    let nodes = join_all((0..4).map(|_| open(&database.url))).await;
    let nodes: Vec<_> = nodes.into_iter().map(Result::unwrap).collect();
    for prepared in join_all(nodes.iter().map(|node| node.storage.prepare(&schema))).await {
        prepared.unwrap();
    }
    for node in nodes {
        node.close().await;
    }
    database.remove().await;
}

/// `sync-semantics` META-1: `_version` is a 32-bit `Int`.
#[tokio::test]
async fn t45_a_version_that_cannot_grow_refuses_only_its_own_record() {
    for stand in [Stand::sqlite().await, Stand::postgres().await] {
        a_version_that_cannot_grow(stand).await;
    }
}

async fn a_version_that_cannot_grow(stand: Stand) {
    let model = ready(&stand).await;
    create(&stand, &model, json!({"id": "old"})).await;
    let last = i32::MAX as u32;
    super::recovery::execute(&stand, "update \"m1_Post\" set version = 2147483647").await;
    let spent = write(
        &model,
        Expected::Version(Version(last)),
        json!({"id": "old"}),
    );
    let fresh = write(&model, Expected::Absent, json!({"id": "new"}));
    let (spent, fresh) = tokio::join!(
        stand.storage.put(&model, spent),
        stand.storage.put(&model, fresh)
    );
    assert!(matches!(spent, Err(StorageError::Corrupt(_))), "{spent:?}");
    assert_eq!(done(fresh.unwrap()).version, Version(1));
    assert_eq!(
        get(&stand, &model, "old").await.unwrap().version,
        Version(last)
    );
    stand.finish().await;
}

/// `sync-design.md` T7: a default of another isolation level must not break the order of the log.
#[tokio::test]
async fn another_default_isolation_level_does_no_harm() {
    let stand = Stand::postgres().await;
    let database = stand.database().unwrap();
    let mut connection = database.connect().await;
    let strict = format!(
        "alter database {} set default_transaction_isolation = 'repeatable read'",
        database.name()
    );
    sqlx::query(sqlx::AssertSqlSafe(strict))
        .execute(&mut connection)
        .await
        .unwrap();
    drop(connection);
    let stand = stand.restart().await;
    let model = ready(&stand).await;
    let record = create(&stand, &model, json!({"id": "a"})).await;
    assert_eq!(get(&stand, &model, "a").await, Some(record));
    stand.finish().await;
}

/// A rolling upgrade: the old node knows nothing of the new index, and still fills it.
#[tokio::test]
async fn a_node_with_the_former_schema_fills_the_new_index() {
    let stand = Stand::postgres().await;
    let fields = [
        ("id", Scalar::Id),
        ("blog", Scalar::Id),
        ("rating", Scalar::Int),
    ];
    let before = model("Post", &fields, &["id"], &[("byBlog", &["blog"])]);
    stand.storage.prepare(&schema(&[&before])).await.unwrap();
    create(
        &stand,
        &before,
        json!({"id": "1", "blog": "x", "rating": 2}),
    )
    .await;

    let other = open(&stand.url().unwrap()).await.unwrap();
    let after = model(
        "Post",
        &fields,
        &["id"],
        &[("byRating", &["blog", "rating"])],
    );
    other.storage.prepare(&schema(&[&after])).await.unwrap();
    create(
        &stand,
        &before,
        json!({"id": "2", "blog": "x", "rating": 1}),
    )
    .await;
    update(
        &stand,
        &before,
        1,
        json!({"id": "1", "blog": "x", "rating": 0}),
    )
    .await;

    let query = Query {
        scope: partition("byRating", json!("x"), vec![], false),
        rows: Filter::everything(),
        filter: Filter::everything(),
        limit: 10,
        after: None,
    };
    let page = other.storage.query(&after, &query).await.unwrap();
    assert_eq!(ids(&page.records), ["1", "2"]);
    other.close().await;
    stand.finish().await;
}
