//! A store that is slow or stuck: requests wait first, then each client family is told so in the form that makes it keep
//! its edits and go on with its sync (`errata.md` rows 1, 2 and 20).

use std::collections::BTreeMap;
use std::time::Duration;

use driftless::config::{Choice, Config, Strategy};
use driftless_conflict_handlers::policies::Policy;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use sqlx::{PgConnection, Row as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite;

use crate::support::cluster::execute;
use crate::support::postgres::Database;
use crate::support::server::{DATASTORE, PATIENCE, Server, Socket};

const ANDROID: &str = "amplify-android:2.23.0 md/Android";
const SWIFT: &str = "amplify-swift:2.33.0";
const FLUTTER: &str = "amplify-flutter/2.4.0";
const SYNC: &str =
    "query operation { syncPosts(lastSync: 0) { items { id } nextToken startedAt } }";
const CREATE: &str = "mutation operation($input: CreatePostInput!) {
    createPost(input: $input) { id title _version } }";

/// A server over a database that a test can hold.
async fn site(answer_time: Duration) -> (Server, Database, PgConnection) {
    site_with(answer_time, |_| ()).await
}

async fn site_with(
    answer_time: Duration,
    change: impl FnOnce(&mut Config),
) -> (Server, Database, PgConnection) {
    let database = Database::create().await;
    let url = database.url.clone();
    let server = Server::start_with(|config| {
        config.database = driftless::config::Database(url);
        config.limits.answer_time = answer_time;
        config.drain = Duration::ZERO;
        change(config);
    })
    .await;
    let holder = database.connect().await;
    (server, database, holder)
}

/// The same, where ratings are counters and post `p` stands at 100.
async fn counting_site(answer_time: Duration) -> (Server, Database, PgConnection) {
    let ratings = Choice::Builtin {
        strategy: Strategy::default(),
        fields: BTreeMap::from([("rating".to_owned(), Policy::Counter)]),
    };
    let models = BTreeMap::from([("Post".to_owned(), ratings)]);
    let parts = site_with(answer_time, |config| config.conflict.models = models).await;
    let input = json!({"id": "p", "title": "t", "rating": 100, "status": "ACTIVE"});
    let created = parts.0.graphql(CREATE, json!({"input": input})).await;
    assert_eq!(created["data"]["createPost"]["_version"], 1, "{created}");
    parts
}

/// One piece sold by a device that saw 100.
fn update(server: &Server) -> reqwest::RequestBuilder {
    let query = "mutation operation($input: UpdatePostInput!) { updatePost(input: $input) { rating _version } }";
    let input = json!({"id": "p", "rating": 99, "_version": 1});
    server.post(json!({"query": query, "variables": {"input": input}}).to_string())
}

/// Sends a request on a line of its own, whose answer nobody reads yet.
async fn send(server: &Server, request: reqwest::RequestBuilder) -> TcpStream {
    let request = request.build().expect("a request");
    let body = request
        .body()
        .and_then(reqwest::Body::as_bytes)
        .expect("a body");
    let mut text = format!(
        "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in request.headers() {
        text += &format!("{name}: {}\r\n", value.to_str().expect("a text"));
    }
    let mut line = TcpStream::connect(server.app.address())
        .await
        .expect("a line");
    line.write_all(format!("{text}\r\n").as_bytes())
        .await
        .expect("a head");
    line.write_all(body).await.expect("a body");
    line
}

/// Keeps everybody from posts, readers and writers, until it is told to let go.
async fn hold_posts(holder: &mut PgConnection) {
    let sql = "select tablename::text from pg_tables where tablename like 'm%\\_Post'";
    let table: String = sqlx::query_scalar(sql)
        .fetch_one(&mut *holder)
        .await
        .expect("the table");
    let lock = format!("begin; lock table \"{table}\" in access exclusive mode");
    execute(holder, &lock).await;
}

fn body(query: &str) -> Value {
    let input = json!({"id": "p", "title": "kept", "rating": 1, "status": "ACTIVE"});
    json!({"query": query, "variables": {"input": input}})
}

fn request(server: &Server, agent: &str, query: &str) -> reqwest::RequestBuilder {
    // Each client has a connection of its own.
    server
        .post(body(query).to_string())
        .header("x-amz-user-agent", agent)
        .header("user-agent", agent)
}

/// The answer of `errata.md` row 1.
async fn assert_told_to_come_back(response: reqwest::Response, agent: &str) {
    assert_eq!(response.status(), 503, "{agent}");
    let headers = response.headers().clone();
    assert_eq!(headers["retry-after"], "1", "{agent}");
    assert_eq!(headers["content-type"], "application/json", "{agent}");
    assert!(!headers.contains_key("x-amzn-errortype"), "{agent}");
    let text = response.text().await.expect("a body");
    assert_eq!(
        text,
        r#"{"message":"Network Error","errors":"unavailable"}"#
    );
}

/// How many statements wait for a lock.
async fn waiting(onlooker: &mut PgConnection) -> Vec<String> {
    let sql = "select query_start::text from pg_stat_activity where wait_event_type = 'Lock' \
               and datname = current_database() order by 1";
    let rows = sqlx::query(sql).fetch_all(onlooker).await.expect("a list");
    rows.iter().map(|row| row.get(0)).collect()
}

/// Waits until somebody waits for a lock who did not before.
async fn another_waits(onlooker: &mut PgConnection, before: &[String]) -> Vec<String> {
    let looking = async {
        loop {
            let now = waiting(onlooker).await;
            if now.iter().any(|start| !before.contains(start)) {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking)
        .await
        .expect("somebody tries")
}

#[tokio::test]
async fn mutations_that_a_store_does_not_take_are_kept_by_every_client() {
    let (server, database, mut holder) = site(Duration::from_millis(300)).await;
    hold_posts(&mut holder).await;
    for agent in [DATASTORE, ANDROID, SWIFT, FLUTTER, "curl/8.0"] {
        let response = request(&server, agent, CREATE).send().await;
        assert_told_to_come_back(response.expect("an answer"), agent).await;
    }
    // Another model is not held.
    let query = "mutation { createUser(input: {username: \"free\"}) { id } }";
    let created = server.graphql(query, json!({})).await;
    assert!(created["data"]["createUser"]["id"].is_string(), "{created}");

    execute(&mut holder, "rollback").await;
    let response = request(&server, DATASTORE, CREATE)
        .send()
        .await
        .expect("an answer");
    let answer: Value =
        serde_json::from_str(&response.text().await.expect("a body")).expect("JSON");
    assert_eq!(answer["data"]["createPost"]["_version"], 1, "{answer}");
    server.app.stop().await;
    drop(holder);
    database.remove().await;
}

#[tokio::test]
async fn a_mutation_whose_client_was_told_to_come_back_counts_once() {
    let (server, database, mut holder) = counting_site(Duration::from_millis(300)).await;
    hold_posts(&mut holder).await;
    for _ in 0..2 {
        let response = update(&server).send().await.expect("an answer");
        assert_told_to_come_back(response, DATASTORE).await;
    }
    execute(&mut holder, "rollback").await;
    // Both attempts are the one client's, so one edit is carried out; then another device makes an equal one.
    for (rating, version) in [(99, 2), (98, 3)] {
        let answer = update(&server).send().await.expect("an answer");
        let answer: Value = answer.json().await.expect("JSON");
        let post = json!({"rating": rating, "_version": version});
        assert_eq!(answer, json!({"data": {"updatePost": post}}));
    }
    server.app.stop().await;
    drop(holder);
    database.remove().await;
}

#[tokio::test]
async fn a_mutation_whose_client_hung_up_counts_once_when_it_comes_again() {
    let (server, database, mut holder) = counting_site(PATIENCE).await;
    let mut onlooker = database.connect().await;
    hold_posts(&mut holder).await;
    let before = waiting(&mut onlooker).await;
    let mut line = send(&server, update(&server)).await;
    another_waits(&mut onlooker, &before).await;
    line.shutdown().await.expect("a line");
    let unheard = line.read_to_end(&mut Vec::new()).await.expect("the end");
    assert_eq!(unheard, 0, "the server has hung up too, without an answer");
    let again = tokio::spawn(update(&server).send());
    execute(&mut holder, "rollback").await;
    let answer = again.await.expect("a task").expect("an answer");
    let answer: Value = answer.json().await.expect("JSON");
    assert_eq!(
        answer["data"]["updatePost"],
        json!({"rating": 99, "_version": 2})
    );
    server.app.stop().await;
    drop((holder, onlooker));
    database.remove().await;
}

#[tokio::test]
async fn syncs_that_a_store_does_not_answer_are_told_in_the_form_that_their_client_survives() {
    let (server, database, mut holder) = site(Duration::from_millis(300)).await;
    hold_posts(&mut holder).await;
    for agent in [DATASTORE, "curl/8.0"] {
        let response = request(&server, agent, SYNC).send().await;
        assert_told_to_come_back(response.expect("an answer"), agent).await;
    }
    for agent in [ANDROID, SWIFT, FLUTTER] {
        let cut = request(&server, agent, SYNC).send().await;
        let error = cut.expect_err("native clients stop after any answer but a good one");
        assert!(
            error.is_request() && !error.is_timeout(),
            "{agent}: {error:?}"
        );
    }
    // The port is open all the while, and a connection that was cut harms no other.
    let alive = reqwest::get(server.url("/livez")).await.expect("an answer");
    assert_eq!(alive.status(), 200);
    execute(&mut holder, "rollback").await;
    for agent in [DATASTORE, ANDROID] {
        let response = request(&server, agent, SYNC)
            .send()
            .await
            .expect("an answer");
        assert_eq!(response.status(), 200, "{agent}");
    }
    server.app.stop().await;
    drop(holder);
    database.remove().await;
}

#[tokio::test]
async fn requests_outwait_a_store_that_is_stuck_for_longer_than_its_own_patience() {
    let (server, database, mut holder) = site(Duration::from_secs(60)).await;
    hold_posts(&mut holder).await;
    let mutation = tokio::spawn(request(&server, DATASTORE, CREATE).send());
    let sync = tokio::spawn(request(&server, ANDROID, SYNC).send());
    // The database gives up on both once; both are tried again.
    let mut onlooker = database.connect().await;
    let mut seen = Vec::new();
    while seen.len() < 4 {
        seen.extend(another_waits(&mut onlooker, &seen).await);
        seen.sort();
        seen.dedup();
    }
    execute(&mut holder, "rollback").await;
    for answer in [mutation, sync] {
        let response = answer.await.expect("a task").expect("an answer");
        assert_eq!(response.status(), 200);
        let answer: Value =
            serde_json::from_str(&response.text().await.expect("a body")).expect("JSON");
        assert!(answer.get("errors").is_none(), "{answer}");
    }
    server.app.stop().await;
    drop(holder);
    database.remove().await;
}

/// `errata.md` rows 1 and 20 while a server ends: its port is closed last of all, and until then each client is told in the
/// form that makes it keep its mutation and go on with its sync.
#[tokio::test]
async fn a_server_that_ends_turns_each_client_away_in_the_form_that_it_survives() {
    let (server, database, mut holder) = site(Duration::from_secs(60)).await;
    hold_posts(&mut holder).await;
    let running = tokio::spawn(request(&server, DATASTORE, CREATE).send());
    another_waits(&mut database.connect().await, &[]).await;
    let of = |agents: &[&'static str], query| {
        let requests = agents
            .iter()
            .map(|agent| (*agent, request(&server, agent, query)));
        requests.collect::<Vec<_>>()
    };
    let answered = of(&[DATASTORE, ANDROID, SWIFT, FLUTTER, "curl/8.0"], CREATE)
        .into_iter()
        .chain(of(&[DATASTORE, "curl/8.0"], SYNC))
        .collect::<Vec<_>>();
    let cut = of(&[ANDROID, SWIFT, FLUTTER], SYNC);
    let address = server.app.address().to_string();
    let free = server.post(json!({"query": "{ listUsers { items { id } } }"}).to_string());

    // It waits for the mutation that is running.
    let stopping = tokio::spawn(server.app.stop());
    let closed = async {
        let ask = || free.try_clone().expect("a text").send();
        while ask().await.expect("an answer").status() == 200 {}
    };
    tokio::time::timeout(PATIENCE, closed)
        .await
        .expect("it is closed");
    for (agent, request) in answered {
        assert_told_to_come_back(request.send().await.expect("an answer"), agent).await;
    }
    for (agent, request) in cut {
        let error = request.send().await.expect_err("no answer is a good one");
        assert!(error.is_request(), "{agent}: {error:?}");
    }
    let upgrade = Socket::open(&address, "/graphql/realtime", &[]).await;
    match upgrade.err() {
        Some(tungstenite::Error::Http(response)) => assert_eq!(response.status(), 503),
        other => panic!("{other:?}"),
    }

    execute(&mut holder, "rollback").await;
    let response = running.await.expect("a task").expect("an answer");
    let answer: Value =
        serde_json::from_str(&response.text().await.expect("a body")).expect("JSON");
    assert_eq!(answer["data"]["createPost"]["_version"], 1, "{answer}");
    stopping.await.expect("it ends");
    drop(holder);
    database.remove().await;
}
