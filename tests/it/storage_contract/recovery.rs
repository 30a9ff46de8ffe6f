//! Databases that are not what they were: damaged, or put back to an older state.

use driftless::storage::{Store, Verdict, open};
use pretty_assertions::assert_eq;
use sqlx::{AssertSqlSafe, Connection as _};

use super::*;

/// How far versions jump at the start of an epoch.
pub(super) const JUMP: u32 = 1_000_000;

pub(super) async fn worked_on(stand: &Stand) -> Model {
    let model = ready(stand).await;
    for id in ["a", "b", "c"] {
        create(stand, &model, json!({"id": id, "blog": "x", "score": 0.1})).await;
    }
    update(
        stand,
        &model,
        1,
        json!({"id": "b", "blog": "y", "score": 1e300}),
    )
    .await;
    update(stand, &model, 2, json!({"id": "b", "blog": "y"})).await;
    model
}

pub(super) async fn execute(stand: &Stand, sql: &str) {
    let url = stand.url().unwrap();
    let sql = AssertSqlSafe(sql.to_owned());
    if url.starts_with("sqlite") {
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    } else {
        let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    }
}

async fn findings(stand: &Stand) -> Vec<String> {
    let Verdict { findings, .. } = stand.store().check().await.unwrap();
    findings.iter().map(ToString::to_string).collect()
}

async fn sound_stores_are_found_sound(stand: Stand) {
    let model = worked_on(&stand).await;
    sync(&stand, &model, None).await;
    let verdict = stand.store().check().await.unwrap();
    assert_eq!((verdict.records, verdict.findings), (3, vec![]));
    assert!(stand.store().begin_epoch().await.unwrap());
    create(&stand, &model, json!({"id": "d"})).await;
    let verdict = stand.store().check().await.unwrap();
    assert_eq!((verdict.records, verdict.findings), (4, vec![]));
    stand.finish().await;
}

/// Each damage, and what is said of it. Every one is mended by the statement after it.
const DAMAGES: [(&str, &str, &str); 8] = [
    (
        "update \"m1_Post\" set version = 7 where pk = '[\"a\"]'",
        "update \"m1_Post\" set version = 1 where pk = '[\"a\"]'",
        "Post: record [\"a\"] is stored in version 7, but the log says 1 at 1",
    ),
    (
        "update \"m1_Post\" set doc = '{\"id\":\"c\"}' where pk = '[\"c\"]'",
        "update \"m1_Post\" set doc = (select doc from change_log where seq = 3) where pk = '[\"c\"]'",
        "Post: record [\"c\"] has another content than the log at 3",
    ),
    (
        "update \"m1_Post\" set version = 2, seq = 4 where pk = '[\"b\"]'",
        "update \"m1_Post\" set version = 3, seq = 5 where pk = '[\"b\"]'",
        "Post: record [\"b\"] is stored in version 2, but the log holds version 3 of it",
    ),
    (
        "update \"m1_Post\" set seq = 2 where pk = '[\"a\"]'",
        "update \"m1_Post\" set seq = 1 where pk = '[\"a\"]'",
        "Post: record [\"a\"] says it was written at 2 of the log, where [\"b\"] was",
    ),
    (
        "update change_log set seq = 9 where seq = 4",
        "update change_log set seq = 4 where seq = 9",
        "Post: the log goes from 3 to 5",
    ),
    (
        "update change_log set changed_ms = 5 where seq = 4",
        "update change_log set changed_ms = (select max(changed_ms) from change_log where seq <> 4) where seq = 4",
        "Post: the time of the log goes back at 4",
    ),
    (
        "update change_log set pk = '[\"z\"]' where seq = 4",
        "update change_log set pk = '[\"b\"]' where seq = 4",
        "Post: record [\"z\"] is in the log at 4 and is not stored",
    ),
    (
        "update change_log set version = 9 where seq = 2",
        "update change_log set version = 1 where seq = 2",
        "Post: record [\"b\"] is stored in version 3, but the log holds version 9 of it",
    ),
];

async fn damages_are_told_in_words(stand: Stand) {
    worked_on(&stand).await;
    for (damage, mend, words) in DAMAGES {
        execute(&stand, damage).await;
        assert_eq!(findings(&stand).await, [words], "{damage}");
        execute(&stand, mend).await;
        assert_eq!(findings(&stand).await, [""; 0], "{mend}");
    }
    let columns = "select name from index_columns where fields = '[\"blog\"]'";
    let url = stand.url().unwrap();
    let column: String = if url.starts_with("sqlite") {
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        sqlx::query_scalar(columns)
            .fetch_one(&mut connection)
            .await
            .unwrap()
    } else {
        let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
        sqlx::query_scalar(columns)
            .fetch_one(&mut connection)
            .await
            .unwrap()
    };
    execute(
        &stand,
        &format!("update \"m1_Post\" set {column} = 'no' where pk = '[\"a\"]'"),
    )
    .await;
    assert_eq!(
        findings(&stand).await,
        ["Post: the index over blog holds no for record [\"a\"], which says otherwise"]
    );
    stand.finish().await;
}

#[tokio::test]
async fn sound_stores_are_found_sound_in_sqlite() {
    sound_stores_are_found_sound(Stand::sqlite().await).await;
}

#[tokio::test]
async fn sound_stores_are_found_sound_in_postgres() {
    sound_stores_are_found_sound(Stand::postgres().await).await;
}

#[tokio::test]
async fn damages_are_told_in_words_in_sqlite() {
    damages_are_told_in_words(Stand::sqlite().await).await;
}

#[tokio::test]
async fn t32_damages_are_told_in_words_in_postgres() {
    damages_are_told_in_words(Stand::postgres().await).await;
}

/// What a client that synced in the lost time gets: everything, in versions greater than any it has seen; and then deltas
/// again.
pub(super) async fn is_a_new_epoch(
    storage: &dyn driftless_resolvers::storage::Storage,
    model: &Model,
    last_sync: i64,
) {
    let query = |last_sync| SyncQuery {
        from: SyncFrom::First {
            last_sync: Some(last_sync),
            overlap: 0,
            window: None,
        },
        rows: Filter::everything(),
        filter: Filter::everything(),
        limit: 100,
    };
    let page = storage.sync(model, &query(last_sync)).await.unwrap();
    assert_eq!(ids(&page.records), ["a", "b", "c"]);
    assert!(page.records.iter().all(|record| record.version.0 > JUMP));
    assert!(page.started_at.0 > last_sync);
    let next = storage
        .sync(model, &query(page.started_at.0))
        .await
        .unwrap();
    assert_eq!(ids(&next.records), [""; 0]);
    // It may have been made before and lost, so that devices hold versions of it that begin at 1 (F2).
    let made = write(model, Expected::Absent, json!({"id": "new"}));
    let made = done(storage.put(model, made).await.unwrap());
    assert!(made.version.0 > JUMP, "{made:?}");
    let made = Expected::Version(made.version);
    let changed = write(model, made, json!({"id": "new", "title": "t"}));
    done(storage.put(model, changed).await.unwrap());
}

/// The reference store does what the others do.
#[tokio::test]
async fn the_reference_store_begins_epochs() {
    let stand = Stand::memory().await;
    let model = ready(&stand).await;
    let reference = stand.reference().unwrap();
    for id in ["a", "b"] {
        create(&stand, &model, json!({ "id": id })).await;
    }
    create(&stand, &model, json!({"id": "c"})).await;
    let backup = reference.backup();
    update(&stand, &model, 1, json!({"id": "c"})).await;
    create(&stand, &model, json!({"id": "new"})).await;
    let (_, last_sync) = sync(&stand, &model, None).await;
    let head = stand.feed.head(&model).await.unwrap();
    reference.put_back(&backup);
    reference.begin_epoch();
    is_a_new_epoch(stand.storage.as_ref(), &model, last_sync).await;
    let followed = stand.feed.since(&model, head, 10).await.unwrap();
    assert!(
        !followed.whole,
        "whoever followed the log has missed something"
    );
}

/// `sync-design.md` T29: a backup is put back.
#[tokio::test]
async fn an_older_copy_of_a_sqlite_file_begins_a_new_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("data.db").display());
    let model = post();
    let schema = schema(&[&model]);
    let put_all = async |store: &Store, expected: Expected| {
        for id in ["a", "b", "c"] {
            let document = write(&model, expected, json!({"id": id}));
            done(store.storage.put(&model, document).await.unwrap());
        }
    };
    let store = open(&url).await.unwrap();
    store.storage.prepare(&schema).await.unwrap();
    put_all(&store, Expected::Absent).await;
    store.close().await;
    let backup = std::fs::read(folder.path().join("data.db")).unwrap();

    let store = open(&url).await.unwrap();
    store.storage.prepare(&schema).await.unwrap();
    put_all(&store, Expected::Version(Version(1))).await;
    let everything = first(None, 100);
    let seen = store.storage.sync(&model, &everything).await.unwrap();
    store.close().await;
    std::fs::write(folder.path().join("data.db"), backup).unwrap();

    let store = open(&url).await.unwrap();
    store.storage.prepare(&schema).await.unwrap();
    is_a_new_epoch(store.storage.as_ref(), &model, seen.started_at.0).await;
    store.close().await;
    // And only once.
    let store = open(&url).await.unwrap();
    store.storage.prepare(&schema).await.unwrap();
    let page = store.storage.sync(&model, &everything).await.unwrap();
    assert!(
        page.records
            .iter()
            .all(|record| record.version.0 < 2 * JUMP)
    );
    store.close().await;
}

/// F2 of `sync-design.md`: backups are put back again and again, older and newer ones, each time after writes.
#[tokio::test]
async fn a_copy_of_a_sqlite_file_that_is_put_back_again_gives_no_version_away_twice() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data.db");
    let url = format!("sqlite:{}", file.display());
    let model = post();
    let mut told = BTreeMap::new();
    let mut work = async |round: usize, id: &str, writes: usize| {
        let store = open(&url).await.unwrap();
        store.storage.prepare(&schema(&[&model])).await.unwrap();
        for number in 0..writes {
            let found = store.storage.get(&model, &[key(id)]).await.unwrap();
            let stored = found.into_iter().next().flatten();
            let expected = match &stored {
                None => Expected::Absent,
                Some(stored) => Expected::Version(stored.version),
            };
            let title = format!("{round}.{number}");
            let next = write(&model, expected, json!({"id": id, "title": title}));
            let next = done(store.storage.put(&model, next).await.unwrap());
            for record in stored.into_iter().chain([next]) {
                let known = told.entry((id.to_owned(), record.version));
                let known = known.or_insert(record.clone());
                assert_eq!(record.fields, known.fields, "{:?}", record.version);
            }
        }
        store.close().await;
    };
    let mut backups = Vec::new();
    // The log of the newer one is longer than that of the older one and of what is written after a restore.
    for (round, (id, writes)) in [("a", 3), ("b", 20)].into_iter().enumerate() {
        work(round, id, writes).await;
        backups.push(std::fs::read(&file).unwrap());
    }
    for (round, backup) in [1, 1, 0, 1, 0, 0].into_iter().enumerate() {
        std::fs::write(&file, &backups[backup]).unwrap();
        work(2 + round, "a", 5).await;
    }
}

/// What takes a database back to its fourth write.
pub(super) const LOSE: &str = "delete from change_log where seq >= 5; \
     update \"m1_Post\" b set version = l.version, seq = l.seq, changed_ms = l.changed_ms, doc = l.doc \
     from change_log l where l.seq = 4 and b.pk = l.pk";

/// The database falls back to its fourth write, as under a dump that is put back: no connection ends.
pub(super) async fn fall_back(stand: &Stand) {
    let mut admin = stand.database().unwrap().connect().await;
    let mut transaction = admin.begin().await.unwrap();
    for sql in ["select pg_advisory_xact_lock(7001, 1)", LOSE] {
        sqlx::raw_sql(sql).execute(&mut *transaction).await.unwrap();
    }
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn a_node_whose_database_fell_back_gives_no_version_away_whether_it_has_noticed_or_not() {
    let stand = Stand::postgres().await;
    let model = worked_on(&stand).await;
    let version = async || get(&stand, &model, "b").await.unwrap().version;
    let lost = version().await;
    fall_back(&stand).await;
    let mut held = version().await;
    assert!(held < lost, "{held:?} {lost:?}");
    let document = json!({"id": "b", "blog": "z"});
    let written = loop {
        let expected = Expected::Version(held);
        match put(&stand, &model, expected, document.clone()).await {
            Put::Done(record) => break record.version,
            Put::Stale(stored) => held = stored.unwrap().version,
        }
    };
    assert!(written.0 > JUMP, "{written:?}");
    stand.finish().await;
}

/// `sync-design.md` T28: the last acknowledged writes are gone, as after a fail-over to a replica that lagged behind.
#[tokio::test]
async fn a_node_notices_that_acknowledged_writes_are_gone() {
    let stand = Stand::postgres().await;
    let model = worked_on(&stand).await;
    let (_, last_sync) = sync(&stand, &model, None).await;
    let other = open(&stand.url().unwrap()).await.unwrap();
    other.storage.prepare(&schema(&[&model])).await.unwrap();
    fall_back(&stand).await;
    while get(&stand, &model, "a").await.unwrap().version.0 < JUMP {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    is_a_new_epoch(stand.storage.as_ref(), &model, last_sync).await;
    let followed = other.feed.since(&model, Seq(5), 10).await.unwrap();
    assert!(
        !followed.whole,
        "whoever followed the log has missed something"
    );
    other.close().await;
    stand.finish().await;
}

/// `sync-design.md` T29: the server was recovered from a backup while no node ran.
#[tokio::test]
async fn a_database_with_another_history_begins_a_new_epoch() {
    let stand = Stand::postgres().await;
    let model = worked_on(&stand).await;
    let (_, last_sync) = sync(&stand, &model, None).await;
    execute(&stand, "update lineage set history = '1/00000001'").await;
    let stand = stand.restart().await;
    ready(&stand).await;
    is_a_new_epoch(stand.storage.as_ref(), &model, last_sync).await;
    let stand = stand.restart().await;
    ready(&stand).await;
    let version = get(&stand, &model, "a").await.unwrap().version;
    assert_eq!(version, Version(JUMP + 1));
    stand.finish().await;
}

/// `sync-design.md` 10: a replica that every commit waited for has lost nothing. Another server with the data of this one
/// may have: it was restored from a copy.
#[tokio::test]
async fn only_a_replica_that_commits_waited_for_goes_on_in_the_epoch() {
    for (before, expected) in [
        (
            "replicated = true, history = split_part(history, '/', 1) || '/0000'",
            Version(1),
        ),
        (
            "replicated = true, history = '1/00000001'",
            Version(JUMP + 1),
        ),
        (
            "history = split_part(history, '/', 1) || '/0000'",
            Version(JUMP + 1),
        ),
    ] {
        let stand = Stand::postgres().await;
        let model = worked_on(&stand).await;
        execute(&stand, &format!("update lineage set {before}")).await;
        let stand = stand.restart().await;
        ready(&stand).await;
        let version = get(&stand, &model, "a").await.unwrap().version;
        assert_eq!(version, expected, "{before}");
        stand.finish().await;
    }
}

/// `sync-design.md` L8, T42: the log loses what is old, and nothing but history is lost with it.
async fn a_trimmed_log_loses_nothing_but_history(stand: Stand) {
    const DAY: i64 = 86_400_000;
    let model = worked_on(&stand).await;
    let (_, long_ago) = sync(&stand, &model, None).await;
    assert_eq!(stand.store().trim(DAY).await.unwrap(), 0, "nothing is old");
    stand.clock.advance(3 * DAY);
    if !stand.clock_is_held() {
        let age = format!(
            "update change_log set changed_ms = changed_ms - {}; \
             update \"m1_Post\" set changed_ms = changed_ms - {0}",
            3 * DAY
        );
        let mut admin = stand.database().unwrap().connect().await;
        sqlx::raw_sql(AssertSqlSafe(age))
            .execute(&mut admin)
            .await
            .unwrap();
    }
    let removed = stand.store().trim(DAY).await.unwrap();
    assert_eq!(removed, 4, "the last row is the clock");
    create(&stand, &model, json!({"id": "d"})).await;
    assert!(!stand.feed.since(&model, Seq(1), 10).await.unwrap().whole);
    let last_sync = if stand.clock_is_held() {
        long_ago
    } else {
        long_ago - 3 * DAY
    };
    let (records, _) = sync(&stand, &model, Some(last_sync)).await;
    assert!(ids(&records).contains(&"d"), "{records:?}");
    let (records, _) = sync(&stand, &model, None).await;
    assert_eq!(ids(&records), ["a", "b", "c", "d"]);
    assert_eq!(findings(&stand).await, [""; 0]);
    stand.finish().await;
}

#[tokio::test]
async fn a_trimmed_log_loses_nothing_but_history_in_sqlite() {
    a_trimmed_log_loses_nothing_but_history(Stand::sqlite().await).await;
}

#[tokio::test]
async fn a_trimmed_log_loses_nothing_but_history_in_postgres() {
    a_trimmed_log_loses_nothing_but_history(Stand::postgres().await).await;
}
