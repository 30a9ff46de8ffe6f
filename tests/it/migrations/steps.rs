//! The steps themselves: nothing is missed and nothing is lost, wherever they end and whoever writes meanwhile.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use driftless::storage::{Progress, Store, open};
use driftless_resolvers::feed::Operation;
use driftless_resolvers::filter::Filter;
use driftless_resolvers::schema::Schema;
use driftless_resolvers::schema::model::{Model, Scalar};
use driftless_resolvers::storage::{Expected, Key, Put, Query, Scope, StorageError, Write};
use driftless_resolvers::{Fields, Version};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::support::models::{model, schema};
use crate::support::postgres::Database;
use crate::support::probe::{Probe, ids};
use crate::support::rig::Rig;
use crate::support::server::PATIENCE;
use crate::support::stores::Stand;

/// More than two batches of records that are filled at a time.
const RECORDS: usize = 1_100;

fn post(indexes: &[(&str, &[&str])]) -> Model {
    let fields = [
        ("id", Scalar::Id),
        ("blog", Scalar::Id),
        ("rating", Scalar::Int),
        ("title", Scalar::String),
    ];
    model("Post", &fields, &["id"], indexes)
}

fn before() -> Model {
    post(&[("byBlog", &["blog"])])
}

fn after() -> Model {
    post(&[
        ("byRating", &["blog", "rating"]),
        ("byTitle", &["title", "blog"]),
    ])
}

fn document(id: &str, rating: usize) -> Value {
    json!({"id": id, "blog": "x", "rating": rating, "title": format!("t{rating}")})
}

async fn put(store: &Store, model: &Model, expected: Expected, document: Value) {
    let fields: Fields = document.as_object().unwrap().clone();
    let write = Write {
        key: Key::of(model, &fields).unwrap(),
        expected,
        operation: Operation::Update,
        fields,
        deleted: false,
        actor: None,
        request: None,
    };
    let put = store.storage.put(model, write).await.unwrap();
    assert!(matches!(put, Put::Done(_)), "{put:?}");
}

async fn create_many(store: &Store, model: &Model, count: usize) {
    let creates = (0..count).map(|n| {
        let document = document(&format!("old-{n:05}"), n);
        put(store, model, Expected::Absent, document)
    });
    futures_util::future::join_all(creates).await;
}

async fn prepare(store: &Store, model: &Model) {
    store.storage.prepare(&only(model)).await.unwrap();
}

fn only(model: &Model) -> Schema {
    schema(&[model])
}

fn by_rating(limit: usize) -> Query {
    Query {
        scope: Scope::Index {
            index: Some("byRating".to_owned()),
            partition: json!("x"),
            sort: Vec::new(),
            descending: false,
        },
        rows: Filter::everything(),
        filter: Filter::everything(),
        limit,
        after: None,
    }
}

/// (rating, id) of every record that an index holds, in its order.
async fn indexed(store: &Store, model: &Model) -> Vec<(u64, String)> {
    let mut query = by_rating(500);
    let mut found = Vec::new();
    loop {
        let page = store.storage.query(model, &query).await.unwrap();
        found.extend(page.records.iter().map(|record| {
            let id = record.fields["id"].as_str().unwrap().to_owned();
            (record.fields["rating"].as_u64().unwrap(), id)
        }));
        match page.next {
            None => return found,
            next => query.after = next,
        }
    }
}

/// Stops after so many steps, as a process that is killed there does; whether it came to the end. The first step is
/// taken by every process, and does nothing if it was done.
async fn migrate_some(store: &Store, model: &Model, steps: usize) -> bool {
    let done = AtomicUsize::new(0);
    let observer = |_: Progress| {
        if done.fetch_add(1, Ordering::SeqCst) + 1 == steps {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    };
    store.migrate(&only(model), &observer).await.unwrap()
}

/// A process that ends after any step leaves a database that the former schema still reads and writes, and that the
/// next process goes on with. What was written in between is in the new indexes too.
async fn goes_on_after_every_step(mut stand: Stand) {
    let (before, after) = (before(), after());
    prepare(stand.store(), &before).await;
    create_many(stand.store(), &before, RECORDS).await;
    let mut expected: Vec<_> = (0..RECORDS)
        .map(|n| (n as u64, format!("old-{n:05}")))
        .collect();
    for step in 0.. {
        assert!(step < 50, "every step gets further");
        let finished = migrate_some(stand.store(), &after, if step == 0 { 1 } else { 2 }).await;
        stand = stand.restart().await;
        prepare(stand.store(), &before).await;
        let id = format!("new-{step}");
        let rating = RECORDS + step;
        let created = document(&id, rating);
        put(stand.store(), &before, Expected::Absent, created).await;
        expected.push((rating as u64, id));
        let moved = document(&format!("old-{step:05}"), 5_000 + step);
        let first = Expected::Version(Version(1));
        put(stand.store(), &before, first, moved).await;
        expected[step].0 = 5_000 + step as u64;
        if finished {
            break;
        }
    }
    prepare(stand.store(), &after).await;
    expected.sort();
    assert_eq!(indexed(stand.store(), &after).await, expected);
    stand.finish().await;
}

/// A version before this one did not note where in the log a record came into being.
async fn completes_tables_of_a_former_version(mut rig: Rig) {
    let probe = Probe::new(&rig).await;
    for id in ["old-00000", "old-00001", "old-00002"] {
        probe.save(id, 0).await.unwrap();
    }
    let former = [
        "alter table \"m1_Post\" drop column first_seq",
        "update shards set layout = 'former'",
    ];
    for sql in former {
        rig.database(sql).await;
    }
    rig = rig.restart(None).await;
    let probe = Probe::new(&rig).await;
    probe.save("new", 0).await.unwrap();
    probe.save("old-00001", 1).await.unwrap();
    let mut page = probe.first(None, 1).await.unwrap();
    let mut found = ids(&page.records);
    while page.next.is_some() {
        page = probe.next(&page, 1).await.unwrap();
        found.extend(ids(&page.records));
    }
    assert_eq!(found, ["new", "old-00000", "old-00001", "old-00002"]);
    rig.finish().await;
}

/// The columns that say where the values of index columns changed.
async fn moved_columns(rig: &Rig) -> Vec<String> {
    let sql = "select name from index_columns";
    let names: Vec<String> = match rig.stand.database() {
        Some(database) => {
            let mut connection = database.connect().await;
            let found = sqlx::query_scalar(sql).fetch_all(&mut connection).await;
            found.unwrap()
        }
        None => {
            let url = rig.stand.url().unwrap();
            let mut connection = SqliteConnection::connect(&url).await.unwrap();
            let found = sqlx::query_scalar(sql).fetch_all(&mut connection).await;
            let found = found.unwrap();
            connection.close().await.unwrap();
            found
        }
    };
    let names = names.iter().map(|name| name.trim_end_matches('"'));
    names.map(|name| format!("{name}_seq\"")).collect()
}

/// A version before this one did not note where in the log a record moved in an index; a column that is removed and made again
/// has the note again.
async fn notes_moves_in_tables_of_a_former_version(mut rig: Rig) {
    let (before, after) = (before(), after());
    prepare(rig.stand.store(), &after).await;
    create_many(rig.stand.store(), &after, 3).await;
    for moved in moved_columns(&rig).await {
        rig.database(&format!("alter table \"m1_Post\" drop column {moved}"))
            .await;
    }
    rig.database("update shards set layout = 'former'").await;
    rig = rig.restart(None).await;
    let store = rig.stand.store();
    for (remove, moves_back) in [(false, "old-00002"), (true, "old-00001")] {
        prepare(store, &after).await;
        if remove {
            store.contract(&only(&before)).await.unwrap();
            prepare(store, &after).await;
        }
        let mut query = by_rating(2);
        let mut page = store.storage.query(&after, &query).await.unwrap();
        let mut found = ids(&page.records);
        let first = Expected::Version(Version(1));
        put(store, &after, first, document(moves_back, 0)).await;
        while page.next.is_some() {
            query.after = page.next;
            page = store.storage.query(&after, &query).await.unwrap();
            found.extend(ids(&page.records));
        }
        found.sort();
        assert_eq!(found, ["old-00000", "old-00001", "old-00002"], "{remove}");
    }
    rig.finish().await;
}

#[tokio::test]
async fn moves_are_noted_in_tables_of_a_former_version_in_sqlite() {
    notes_moves_in_tables_of_a_former_version(Rig::sqlite().await).await;
}

#[tokio::test]
async fn moves_are_noted_in_tables_of_a_former_version_in_postgres() {
    notes_moves_in_tables_of_a_former_version(Rig::postgres().await).await;
}

#[tokio::test]
async fn tables_of_a_former_version_are_completed_in_sqlite() {
    completes_tables_of_a_former_version(Rig::sqlite().await).await;
}

#[tokio::test]
async fn tables_of_a_former_version_are_completed_in_postgres() {
    completes_tables_of_a_former_version(Rig::postgres().await).await;
}

#[tokio::test]
async fn a_migration_that_ends_after_any_step_is_gone_on_with_in_sqlite() {
    goes_on_after_every_step(Stand::sqlite().await).await;
}

#[tokio::test]
async fn a_migration_that_ends_after_any_step_is_gone_on_with_in_postgres() {
    goes_on_after_every_step(Stand::postgres().await).await;
}

/// A store that takes a new schema while its own writes go on: the batch that waited writes the new columns too.
async fn takes_writes_all_the_while(stand: Stand) {
    let (before, after) = (before(), after());
    prepare(stand.store(), &before).await;
    create_many(stand.store(), &before, RECORDS).await;
    let store = stand.store();
    let writes = async {
        for n in 0..300 {
            let created = document(&format!("new-{n}"), RECORDS + n);
            put(store, &before, Expected::Absent, created).await;
        }
    };
    tokio::join!(prepare(store, &after), writes);
    assert_eq!(indexed(store, &after).await.len(), RECORDS + 300);
    stand.finish().await;
}

#[tokio::test]
async fn writes_go_on_while_sqlite_takes_a_new_schema() {
    takes_writes_all_the_while(Stand::sqlite().await).await;
}

#[tokio::test]
async fn writes_go_on_while_postgres_takes_a_new_schema() {
    takes_writes_all_the_while(Stand::postgres().await).await;
}

/// A rolling upgrade under load: nodes of both schemas write while one of them changes the tables.
#[tokio::test]
async fn nodes_of_both_schemas_write_while_the_tables_change() {
    let stand = Stand::postgres().await;
    let (before, after) = (before(), after());
    prepare(stand.store(), &before).await;
    create_many(stand.store(), &before, RECORDS).await;
    let new = open(&stand.url().unwrap()).await.unwrap();
    let old_writes = async {
        for n in 0..200 {
            let created = document(&format!("new-{n}"), RECORDS + n);
            put(stand.store(), &before, Expected::Absent, created).await;
            let moved = document(&format!("old-{n:05}"), 5_000 + n);
            put(stand.store(), &before, Expected::Version(Version(1)), moved).await;
        }
    };
    let new_writes = async {
        prepare(&new, &after).await;
        for n in 200..400 {
            let moved = document(&format!("old-{n:05}"), 5_000 + n);
            put(&new, &after, Expected::Version(Version(1)), moved).await;
        }
    };
    tokio::join!(old_writes, new_writes);
    let mut expected: Vec<_> = (0..RECORDS)
        .map(|n| {
            let rating = if n < 400 { 5_000 + n } else { n };
            (rating as u64, format!("old-{n:05}"))
        })
        .collect();
    expected.extend((0..200).map(|n| ((RECORDS + n) as u64, format!("new-{n}"))));
    expected.sort();
    assert_eq!(indexed(&new, &after).await, expected);
    new.close().await;
    stand.finish().await;
}

/// While nodes are replaced by ones of a newer version, that writes by a function with other parameters, clients of the old
/// ones must keep what they want to write.
#[tokio::test]
async fn a_node_of_a_former_version_says_that_it_cannot_write_any_more() {
    let rig = Rig::postgres().await;
    let probe = Probe::new(&rig).await;
    probe.save("old", 0).await.unwrap();
    rig.database(
        "do $$ declare f text; begin \
         for f in select oid::regprocedure::text from pg_proc where proname like 'm1\\_write\\_%' \
         loop execute 'drop function ' || f; end loop; end $$; \
         create function m1_write_newer(p_new text) returns void language sql as 'select'; \
         update shards set layout = '\"m1_write_newer\"'",
    )
    .await;
    let new = probe.write("new", 0, "title");
    let refused = rig.storage().put(&probe.model, new).await;
    let Err(StorageError::Unavailable(reason)) = &refused else {
        panic!("{refused:?}");
    };
    assert!(reason.contains("replace this node"), "{reason}");
    rig.finish().await;
}

/// How many sessions wait for the lock of a model's writes.
async fn waiting(connection: &mut PgConnection) -> i64 {
    let sql = "select count(*) from pg_locks where locktype = 'advisory' and not granted \
               and database = (select oid from pg_database where datname = current_database())";
    sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
}

async fn until_waiting(database: &Database, count: i64) {
    let mut connection = database.connect().await;
    let reached = async {
        while waiting(&mut connection).await < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.unwrap();
}

/// The race of an expansion: a call of the former write function that already waits for the model's lock goes on in the
/// body it began with, although that function is dropped meanwhile. It must not write a row without the new columns. The
/// table is empty, so that nobody fills them later.
#[tokio::test]
async fn a_write_that_waited_while_columns_were_added_fills_them() {
    let stand = Stand::postgres().await;
    let (before, after) = (before(), after());
    prepare(stand.store(), &before).await;
    let new = open(&stand.url().unwrap()).await.unwrap();
    let database = stand.database().unwrap();
    let mut holder = database.connect().await;
    let mut held = holder.begin().await.unwrap();
    let lock = "select pg_advisory_xact_lock(7001, shard) from shards";
    sqlx::query(lock).execute(&mut *held).await.unwrap();

    let change = async { prepare(&new, &after).await };
    let write = async {
        until_waiting(database, 1).await;
        put(
            stand.store(),
            &before,
            Expected::Absent,
            document("late", 7),
        )
        .await;
    };
    let release = async {
        until_waiting(database, 2).await;
        held.commit().await.unwrap();
    };
    tokio::join!(change, write, release);
    assert_eq!(indexed(&new, &after).await, [(7, "late".to_owned())]);
    new.close().await;
    stand.finish().await;
}

/// A node that is killed while it makes an index leaves one that Postgres does not use.
#[tokio::test]
async fn an_index_that_nobody_finished_is_made_again() {
    let stand = Stand::postgres().await;
    let after = after();
    prepare(stand.store(), &after).await;
    create_many(stand.store(), &after, 3).await;
    let mut connection = stand.database().unwrap().connect().await;
    let invalid = "select count(*) from pg_index i join pg_class c on c.oid = i.indexrelid \
                   where starts_with(c.relname, 'm1_by') and not i.indisvalid";
    let break_off = "update pg_index set indisvalid = false where indexrelid in \
                     (select oid from pg_class where starts_with(relname, 'm1_by'))";
    sqlx::query(AssertSqlSafe(break_off))
        .execute(&mut connection)
        .await
        .unwrap();
    let broken: i64 = sqlx::query_scalar(invalid)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(broken, 4);
    prepare(stand.store(), &after).await;
    let broken: i64 = sqlx::query_scalar(invalid)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(broken, 0);
    assert_eq!(indexed(stand.store(), &after).await.len(), 3);
    drop(connection);
    stand.finish().await;
}

/// A report or a backup that reads the table for long must not stop the others: the change waits for it, in short turns.
#[tokio::test]
async fn a_long_reader_delays_a_change_and_stops_nobody_else() {
    let stand = Stand::postgres().await;
    let (before, after) = (before(), after());
    prepare(stand.store(), &before).await;
    create_many(stand.store(), &before, 3).await;
    let new = open(&stand.url().unwrap()).await.unwrap();
    let mut connection = stand.database().unwrap().connect().await;
    let mut report = connection.begin().await.unwrap();
    sqlx::query("select count(*) from \"m1_Post\"")
        .execute(&mut *report)
        .await
        .unwrap();
    let others = async {
        // The first attempt to change the table has to give up before these are through.
        for n in 0..5 {
            let created = document(&format!("new-{n}"), 10 + n);
            put(stand.store(), &before, Expected::Absent, created).await;
            let keys = [Key(json!([format!("new-{n}")]).to_string())];
            let found = stand.storage.get(&before, &keys).await.unwrap();
            assert!(found[0].is_some());
        }
        report.commit().await.unwrap();
    };
    tokio::join!(prepare(&new, &after), others);
    assert_eq!(indexed(&new, &after).await.len(), 8);
    new.close().await;
    drop(connection);
    stand.finish().await;
}
