//! The connection to Postgres is lost while a write commits, so that nobody knows whether it did. Where changes add up a write
//! that is done twice is wrong, and so is one that is taken for another device's equal one.

use std::collections::BTreeMap;
use std::sync::Arc;

use driftless::config::{Choice, Config, Strategy};
use driftless::storage::{Store, open};
use driftless_conflict_handlers::policies::Policy;
use driftless_resolvers::clock::System;
use driftless_resolvers::identity::Family;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::task::JoinHandle;

use crate::support::audit::audit;
use crate::support::backend::{Answer, Backend, datastore};
use crate::support::cluster::execute;
use crate::support::line::Line;
use crate::support::postgres::Database;
use crate::support::server::PATIENCE;

const PLAYERS: &str = include_str!("../../schemas/players.graphql");

/// Writes that a line carries stand still before their commit while somebody holds the lock.
const HOLD: &str = "
    create function hold() returns trigger language plpgsql as $$
    begin
        perform set_config('lock_timeout', '0', true);
        perform set_config('statement_timeout', '0', true);
        perform pg_advisory_xact_lock(7999);
        return null;
    end $$;
    create constraint trigger hold after insert on change_log deferrable initially deferred
        for each row execute function hold();
    select pg_advisory_lock(7999);";

const WAITS: &str = "select pid from pg_locks where locktype = 'advisory' and objid = 7999 and not granted \
     and database = (select oid from pg_database where datname = current_database())";
/// How many writes wait for their turn.
const ASKS: &str = "select count(*) from pg_locks where locktype = 'advisory' and classid = 7001 and not granted \
     and database = (select oid from pg_database where datname = current_database())";

fn counting(config: &mut Config) {
    let jerseys = Choice::Builtin {
        strategy: Strategy::default(),
        fields: BTreeMap::from([("jersey".to_owned(), Policy::Counter)]),
    };
    config.conflict.models = BTreeMap::from([("Player".to_owned(), jerseys)]);
}

/// A node whose line to the database can be cut, one whose line holds, and somebody who holds writes.
struct Scene {
    database: Database,
    line: Line,
    far: (Store, Arc<Backend>),
    near: (Store, Arc<Backend>),
    holder: PgConnection,
}

async fn node(url: &str) -> (Store, Arc<Backend>) {
    let store = open(url).await.expect("the store opens");
    let (storage, feed) = (store.storage.clone(), store.feed.clone());
    let backend = Backend::new(storage, feed, Arc::new(System), PLAYERS, counting).await;
    (store, Arc::new(backend))
}

/// One piece sold by a device that saw 100. All devices have one key.
async fn sell(backend: &Backend) -> anyhow::Result<Answer> {
    let sold = json!({"id": "p", "jersey": 99, "_version": 1});
    let caller = datastore(Family::JavaScript);
    backend.mutate(&caller, "updatePlayer", sold).await
}

impl Scene {
    async fn set() -> Scene {
        let database = Database::create().await;
        let line = Line::to(&database.url).await;
        let near = node(&database.url).await;
        let far = node(&line.url).await;
        let created = json!({"id": "p", "name": "n", "jersey": 100});
        let caller = datastore(Family::JavaScript);
        let created = near.1.mutate(&caller, "createPlayer", created).await;
        assert_eq!(created.expect("an answer").version().expect("a version"), 1);
        let mut holder = database.connect().await;
        execute(&mut holder, HOLD).await;
        Scene {
            database,
            line,
            far,
            near,
            holder,
        }
    }

    /// A piece is sold by the far node, and its write stands before its commit.
    async fn selling(&mut self) -> (JoinHandle<anyhow::Result<Answer>>, i32) {
        let backend = Arc::clone(&self.far.1);
        let selling = tokio::spawn(async move { sell(&backend).await });
        let waiting = async {
            loop {
                let waiting = sqlx::query_scalar(WAITS);
                let waiting = waiting.fetch_optional(&mut self.holder).await;
                if let Some(process) = waiting.expect("the locks can be read") {
                    return process;
                }
            }
        };
        let process = tokio::time::timeout(PATIENCE, waiting).await;
        (selling, process.expect("a write stands still"))
    }

    async fn release(&mut self) {
        execute(&mut self.holder, "select pg_advisory_unlock(7999)").await;
    }

    /// What is stored, and how many versions the log knows.
    async fn stored(&mut self) -> (Value, i64) {
        let caller = datastore(Family::JavaScript);
        let query = "{ getPlayer(id: \"p\") { jersey _version } }";
        let read = self.near.1.ask(&caller, query, json!({})).await;
        let count = "select count(*) from change_log where op <> 't'";
        let count = sqlx::query_scalar(count).fetch_one(&mut self.holder).await;
        let read = read.expect("an answer")["data"]["getPlayer"].clone();
        (read, count.expect("a count"))
    }

    async fn finish(self) {
        for (store, _) in [self.far, self.near] {
            store.close().await;
        }
        assert_eq!(audit(&self.database.url).await, [""; 0]);
        drop((self.holder, self.line));
        self.database.remove().await;
    }
}

async fn answered(selling: JoinHandle<anyhow::Result<Answer>>) -> Value {
    let answer = selling.await.expect("a task").expect("an answer").value;
    json!({"jersey": answer["jersey"], "_version": answer["_version"]})
}

/// The commit takes place after its connection is gone: before the node is back, or while it asks what became of it.
async fn is_done_once(back_first: bool) {
    let mut scene = Scene::set().await;
    let (selling, _) = scene.selling().await;
    scene.line.cut();
    if back_first {
        scene.line.mend();
        let asks = async {
            while sqlx::query_scalar::<_, i64>(ASKS)
                .fetch_one(&mut scene.holder)
                .await
                .expect("the locks can be read")
                == 0
            {}
        };
        tokio::time::timeout(PATIENCE, asks)
            .await
            .expect("it asks what became of its write");
    }
    scene.release().await;
    if !back_first {
        let committed = async { while scene.stored().await.1 < 2 {} };
        tokio::time::timeout(PATIENCE, committed)
            .await
            .expect("the database commits it");
        scene.line.mend();
    }
    let once = json!({"jersey": 99, "_version": 2});
    assert_eq!(answered(selling).await, once);
    assert_eq!(scene.stored().await, (once, 2));
    // Another device sells one too.
    sell(&scene.far.1).await.expect("an answer");
    let twice = json!({"jersey": 98, "_version": 3});
    assert_eq!(scene.stored().await, (twice, 3));
    scene.finish().await;
}

#[tokio::test]
async fn a_write_that_commits_while_its_connection_is_gone_is_done_once() {
    is_done_once(false).await;
}

#[tokio::test]
async fn a_write_that_commits_while_it_is_asked_for_is_done_once() {
    is_done_once(true).await;
}

/// The connection is lost and the commit does not take place; meanwhile another device's equal change arrives by another
/// node. It is not taken for the lost one: both count.
#[tokio::test]
async fn a_lost_write_is_not_taken_for_an_equal_one_of_another_device() {
    let mut scene = Scene::set().await;
    let (selling, process) = scene.selling().await;
    scene.line.cut();
    let end = format!("select pg_terminate_backend({process})");
    let ended = sqlx::query(AssertSqlSafe(end)).execute(&mut scene.holder);
    ended.await.expect("a superuser may");
    scene.release().await;
    let other = sell(&scene.near.1).await.expect("an answer");
    assert_eq!(other.version().expect("a version"), 2);
    scene.line.mend();
    let both = json!({"jersey": 98, "_version": 3});
    assert_eq!(answered(selling).await, both);
    assert_eq!(scene.stored().await, (both, 3));
    scene.finish().await;
}
