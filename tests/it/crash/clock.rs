//! The clock of a running deployment is set forward and back by hours.

use std::time::Duration;

use driftless::storage::open;
use pretty_assertions::assert_eq;
use serde_json::json;

use crate::cli::run;
use crate::support::accounts::{create, delete, update};
use crate::support::audit::audit;
use crate::support::cluster::execute;
use crate::support::postgres::Database;
use crate::support::server::{PATIENCE, Server};
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

/// Waits until it has said something so many times.
async fn says(victim: &Victim, what: &str, times: usize) {
    let waiting = async {
        while victim.log().matches(what).count() < times {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.unwrap_or_else(|_| panic!("never said: {what}\n{}", victim.log()));
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

const DOUBTED: &str = "has jumped forward and is not believed";
const BELIEVED: &str = "the clock of the store is believed again";
const BEHIND: &str = "is behind the newest change";
const CAUGHT_UP: &str = "has caught up";

/// F1, D1, D3 of `sync-design.md`. What the clock is set to, whether somebody says then that it is right, what the server
/// says for the how-many-th time, and what time changes get.
#[tokio::test]
async fn a_clock_that_is_set_forward_and_back_is_spoken_of_and_no_change_is_missed() {
    let database = Database::create().await;
    let victim = Victim::start(&database.url, None).await.ready().await;
    let (mut last_change, mut last_sync) = (0, None);
    let mut began = 0;
    for (number, (by, is_right, said, expected)) in [
        (0, false, None, 0),
        (2 * HOUR, false, Some((DOUBTED, 1)), 0),
        (0, false, Some((BELIEVED, 1)), 0),
        (3 * HOUR, true, Some((DOUBTED, 2)), 3 * HOUR),
        (-HOUR, false, Some((BEHIND, 1)), 3 * HOUR),
        (3 * HOUR, false, Some((CAUGHT_UP, 1)), 3 * HOUR),
    ]
    .into_iter()
    .enumerate()
    {
        set_off(&database, by).await;
        if let Some((what, times)) = said {
            says(&victim, what, times).await;
        }
        if is_right {
            let operator = open(&database.url).await.expect("a database");
            assert!(operator.believe_clock().await.expect("it is told"));
            operator.close().await;
            says(&victim, BELIEVED, 2).await;
        }
        let id = format!("n{number}");
        let mut changes = vec![create(&id), update(&id, 1)];
        if by == -HOUR {
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
        if number == 0 {
            began = last_change;
        }
        let off = last_change - began - expected;
        assert!((0..HOUR / 2).contains(&off), "{number}: {off} ms off");
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

/// A load balancer goes on sending requests there, and an operator sees why times are not the clock's.
#[tokio::test]
async fn a_clock_that_is_not_believed_is_told_by_probes_and_figures_and_keeps_nobody_from_working()
{
    let database = Database::create().await;
    let url = database.url.clone();
    let server = Server::start_with(|config| {
        config.database = driftless::config::Database(url);
        config.admin = Some(driftless::config::Secret("secret".to_owned()));
        config.drain = Duration::ZERO;
    })
    .await;
    let get = async |path: &str| {
        let request = reqwest::Client::new().get(server.url(path));
        let answer = request.bearer_auth("secret").send().await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), 200);
        answer.text().await.expect("a text")
    };
    assert!(get("/readyz").await.contains(r#""clock":"ok""#));
    assert!(
        get("/metrics")
            .await
            .contains("\ndriftless_clock_ahead_seconds 0\n")
    );
    set_off(&database, 2 * HOUR).await;
    let told = async { while !get("/readyz").await.contains("not believed") {} };
    tokio::time::timeout(PATIENCE, told)
        .await
        .expect("it is told");
    let figures = get("/metrics").await;
    let ahead = figures.lines().find_map(|line| {
        let number = line.strip_prefix("driftless_clock_ahead_seconds ")?;
        number.parse::<i64>().ok()
    });
    assert!(
        (7_190..=7_200).contains(&ahead.expect("a figure")),
        "{ahead:?}"
    );

    // What `driftless dev` leaves behind in its folder.
    let folder = tempfile::tempdir().expect("a folder");
    let running = json!({"http_endpoint": server.url("/graphql"), "pid": 1});
    std::fs::create_dir(folder.path().join(".driftless")).expect("a folder");
    let file = folder.path().join(".driftless/running.json");
    std::fs::write(file, running.to_string()).expect("a file");
    let status = run(folder.path(), &["status"]).await;
    let told = String::from_utf8_lossy(&status.stdout);
    assert!(told.contains("s ahead, not believed"), "{told}");
    assert_eq!(status.status.code(), Some(0));
    server.app.stop().await;
    database.remove().await;
}
