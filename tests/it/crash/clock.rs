//! The clock of a running deployment is set forward and back by hours.

use pretty_assertions::assert_eq;
use serde_json::json;

use crate::support::accounts::{create, delete, update};
use crate::support::audit::audit;
use crate::support::cluster::execute;
use crate::support::postgres::Database;
use crate::support::victim::Victim;

const HOUR: i64 = 3_600_000;

/// Sets the database's clock off by so much.
async fn set_off(database: &Database, by: i64) {
    let mut connection = database.connect().await;
    let sql = format!(
        "create or replace function wall_ms() returns bigint language sql volatile as \
         $$ select floor(extract(epoch from clock_timestamp()) * 1000)::bigint + ({by}) $$"
    );
    execute(&mut connection, &sql).await;
}

/// The keys that a sync brings, and its `startedAt`.
async fn sync(victim: &Victim, last: Option<u64>) -> (Vec<String>, u64) {
    let query = "query operation($last: AWSTimestamp) { \
                 syncPosts(limit: 1000, lastSync: $last) { items { id } startedAt } }";
    let page = victim.value(query, &json!({ "last": last })).await;
    let items = page["items"].as_array().expect("items").iter();
    let ids = items.map(|item| item["id"].as_str().expect("a key").to_owned());
    (ids.collect(), page["startedAt"].as_u64().expect("a time"))
}

/// F1, D1, D3 of `sync-design.md`.
#[tokio::test]
async fn a_clock_that_is_set_forward_and_back_is_spoken_of_and_no_change_is_missed() {
    let database = Database::create().await;
    let victim = Victim::start(&database.url, None).await.ready().await;
    let (mut last_change, mut last_sync) = (0, None);
    for (number, by, said) in [
        (1, 0, None),
        (2, 2 * HOUR, Some("has jumped forward")),
        (3, -HOUR, Some("is behind the newest change")),
        (4, 3 * HOUR, Some("has caught up")),
    ] {
        set_off(&database, by).await;
        if let Some(said) = said {
            victim.logs(said).await;
        }
        let id = format!("n{number}");
        let mut changes = vec![create(&id), update(&id, 1)];
        if number == 4 {
            changes.push(delete("n1", 2));
        }
        for mutation in &changes {
            let (status, body) = mutation.send(&victim).await.expect("an answer");
            assert_eq!(status, 200, "{body}");
            let record = body["data"]
                .as_object()
                .and_then(|data| data.values().next());
            let changed = record.and_then(|record| record["_lastChangedAt"].as_i64());
            let changed = changed.unwrap_or_else(|| panic!("{body}"));
            assert!(last_change <= changed, "time runs backwards: {body}");
            last_change = changed;
        }
        let (brought, started_at) = sync(&victim, last_sync).await;
        for mutation in &changes {
            assert!(brought.contains(&mutation.id), "{} is missed", mutation.id);
        }
        last_sync = Some(started_at);
    }
    assert_eq!(audit(&database.url).await, [""; 0]);
    drop(victim);
    database.remove().await;
}
