//! The operator's door: conflicts are listed, shown and decided again while the server runs, and everything is counted.

use driftless::config::Secret;
use serde_json::{Value, json};

use super::examples;
use crate::support::components::guest;
use crate::support::server::DATASTORE;
use crate::support::site::{Plan, Site, on_both_stores};

const SCHEMA: &str = "type Product @model @auth(rules: [{allow: public}]) { id: ID! name: String! count: Int! note: String }";
const FIELDS: &str = "id name count note _version _deleted";
pub(super) const ADMIN: &str = "the operator's secret";

fn counted() -> Plan {
    Plan::decided_by(SCHEMA, examples::component("stock-counter"))
        .configured(|config| config.admin = Some(Secret(ADMIN.to_owned())))
}

fn broken() -> Plan {
    let folder = tempfile::tempdir().expect("a folder").keep();
    let path = folder.join("broken.wasm");
    std::fs::write(&path, guest("", "", "unreachable")).expect("a file");
    Plan::decided_by(SCHEMA, path)
        .configured(|config| config.admin = Some(Secret(ADMIN.to_owned())))
}

async fn get(site: &Site, path: &str) -> (u16, String) {
    let request = reqwest::Client::new().get(site.server.url(path));
    let answer = request.bearer_auth(ADMIN).send().await.expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.text().await.expect("a body"))
}

async fn read(site: &Site, path: &str) -> Value {
    let (status, body) = get(site, path).await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).expect("JSON")
}

async fn replay(site: &Site, body: &Value) -> (u16, Value) {
    let request = reqwest::Client::new().post(site.server.url("/admin/v1/conflicts/replay"));
    let request = request.bearer_auth(ADMIN).body(body.to_string());
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    let text = answer.text().await.expect("a body");
    (status, serde_json::from_str(&text).expect("JSON"))
}

/// A product of version 2 and a stale count of it; the answer to that.
async fn stale_count(site: &Site) -> crate::support::site::Answer {
    let product = json!({"id": "p", "name": "Cup", "count": 10});
    site.mutate("createProduct", product, FIELDS).await.value();
    let sold = json!({"id": "p", "count": 7, "_version": 1});
    site.mutate("updateProduct", sold, FIELDS).await.value();
    let stale = json!({"id": "p", "count": 9, "name": "Mug", "_version": 1});
    site.mutate("updateProduct", stale, FIELDS).await
}

/// What has been left in the notebook is written a little later.
pub(super) async fn written(site: &Site) -> Vec<Value> {
    loop {
        let listed = read(site, "/admin/v1/conflicts").await;
        let conflicts = listed["conflicts"].as_array().expect("a list").clone();
        if !conflicts.is_empty() {
            return conflicts;
        }
        tokio::task::yield_now().await;
    }
}

/// The value of a series in the text of `/metrics`.
fn figure(text: &str, series: &str) -> Option<f64> {
    let line = text.lines().find(|line| {
        line.strip_prefix(series)
            .is_some_and(|rest| rest.starts_with(' '))
    })?;
    line.rsplit(' ').next()?.parse().ok()
}

on_both_stores! { counted();

async fn conflicts_are_listed_shown_and_decided_again_over_the_admin_api(site: &mut Site) {
    let merged = stale_count(site).await.value();
    assert_eq!((&merged["count"], &merged["name"]), (&json!(6), &json!("Cup")));
    let conflicts = written(site).await;
    assert_eq!(conflicts.len(), 1);
    let conflict = &conflicts[0];
    assert_eq!((&conflict["model"], &conflict["outcome"]), (&json!("Product"), &json!("resolved")));
    assert_eq!(conflict["base"]["fields"]["count"], 10);
    assert_eq!(conflict["stored"]["fields"]["count"], 7);
    assert_eq!(conflict["incoming"]["count"], 9);
    assert_eq!(conflict["result"]["fields"]["count"], 6);

    let id = conflict["id"].as_i64().expect("a number");
    let shown = read(site, &format!("/admin/v1/conflicts/{id}")).await;
    assert_eq!(&shown, conflict);
    for (path, count) in [
        ("?model=Product&limit=5", 1),
        ("?model=Other", 0),
        ("?limit=0", 0),
    ] {
        let listed = read(site, &format!("/admin/v1/conflicts{path}")).await;
        assert_eq!(listed["conflicts"].as_array().map(Vec::len), Some(count), "{path}");
    }
    assert_eq!(get(site, &format!("/admin/v1/conflicts?before={id}")).await.1, "{\"conflicts\":[]}");

    // By the model's own handler, by others, and one that never happened.
    for (again, name, count) in [
        (json!({"id": id}), "Cup", 6),
        (json!({"id": id, "strategy": "automerge"}), "Cup", 7),
        (json!({"id": id, "strategy": "automerge_3way"}), "Mug", 7),
        (json!({"id": id, "strategy": "last_writer_wins"}), "Mug", 9),
    ] {
        let (status, decided) = replay(site, &again).await;
        assert_eq!(status, 200, "{decided}");
        let result = &decided["result"]["fields"];
        assert_eq!((&result["name"], &result["count"]), (&json!(name), &json!(count)), "{again}");
        assert!(decided["verdicts"].as_array().is_some_and(|verdicts| !verdicts.is_empty()));
    }
    let written_by_hand = json!({"strategy": "optimistic", "conflict": {
        "model": "Product", "stored": {"fields": {"id": "p", "count": 1}, "version": 2}, "incoming": {"count": 2}
    }});
    let (_, decided) = replay(site, &written_by_hand).await;
    assert_eq!(decided["outcome"], "rejected");
    let stored = site.read(&format!("{{ getProduct(id: \"p\") {{ {FIELDS} }} }}")).await;
    assert_eq!(stored, merged, "a replay stores nothing");

    for wrong in [json!({}), json!({"id": id, "strategy": "best"}), json!({"id": id, "conflict": {}}), json!([])] {
        assert_eq!(replay(site, &wrong).await.0, 400, "{wrong}");
    }
    assert_eq!(get(site, "/admin/v1/conflicts?limit=many").await.0, 400);
    assert_eq!(get(site, "/admin/v1/conflicts/999999").await.0, 404);
    assert_eq!(get(site, "/admin/v1/conflicts/x").await.0, 404);
}
}

#[tokio::test]
async fn figures_count_requests_mutations_conflicts_handlers_sockets_and_events() {
    let site = Site::sqlite(counted()).await;
    let authorization = site.server.authorization(DATASTORE);
    let mut socket = site.server.session().await;
    let query = "subscription operation { onUpdateProduct { id _version } }";
    socket.subscribe("s", query, &authorization).await;
    stale_count(&site).await.value();
    for _ in 0..2 {
        assert_eq!(socket.frame().await["type"], "data");
    }
    let missing = json!({"id": "none", "_version": 1});
    site.mutate("deleteProduct", missing, "id").await.refusal();

    let (status, text) = get(&site, "/metrics").await;
    assert_eq!(status, 200);
    let plugin = format!("plugin:{}", examples::component("stock-counter").display());
    let at_least = |series: &str, least: f64| {
        let value = figure(&text, series);
        assert!(value >= Some(least), "{series} is {value:?} in\n{text}");
    };
    for (series, value) in [
        ("driftless_sockets".to_owned(), 1.0),
        ("driftless_subscriptions".to_owned(), 1.0),
        ("driftless_mutations_total{model=\"Product\",operation=\"create\",outcome=\"ok\"}".to_owned(), 1.0),
        ("driftless_mutations_total{model=\"Product\",operation=\"update\",outcome=\"ok\"}".to_owned(), 2.0),
        (
            "driftless_mutations_total{model=\"Product\",operation=\"delete\",outcome=\"ConditionalCheckFailedException\"}".to_owned(),
            1.0,
        ),
        (
            format!("driftless_conflicts_total{{model=\"Product\",strategy=\"{plugin}\",outcome=\"resolved\"}}"),
            1.0,
        ),
        (
            format!("driftless_conflict_handler_calls_total{{handler=\"{plugin}\",result=\"answered\"}}"),
            1.0,
        ),
        (
            format!("driftless_conflict_handler_seconds_count{{handler=\"{plugin}\"}}"),
            1.0,
        ),
    ] {
        assert_eq!(figure(&text, &series), Some(value), "{series} in\n{text}");
    }
    at_least(
        "driftless_http_requests_total{route=\"graphql\",status=\"200\"}",
        4.0,
    );
    at_least(
        "driftless_http_request_seconds_count{route=\"graphql\"}",
        4.0,
    );
    at_least("driftless_events_delivered_total", 2.0);

    let anybody = reqwest::get(site.server.url("/metrics")).await;
    assert_eq!(anybody.expect("an answer").status(), 401);
    site.finish().await;
    let closed = Site::sqlite(Plan::of(SCHEMA)).await;
    assert_eq!(get(&closed, "/metrics").await.0, 404);
    assert_eq!(get(&closed, "/admin/v1/conflicts").await.0, 404);
    closed.finish().await;
}

#[tokio::test]
async fn a_plugin_that_breaks_is_counted_and_its_conflict_written_down() {
    let site = Site::sqlite(broken()).await;
    let error = stale_count(&site).await.refusal();
    assert_eq!(error["errorType"], "ConflictError");
    let conflicts = written(&site).await;
    assert_eq!(conflicts[0]["outcome"], "fault");
    let reason = conflicts[0]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("unreachable"), "{reason}");
    let (_, text) = get(&site, "/metrics").await;
    for series in [
        "result=\"broken\"} 1",
        "outcome=\"fault\"} 1",
        "operation=\"update\",outcome=\"ConflictError\"} 1",
    ] {
        assert!(text.contains(series), "{series} in\n{text}");
    }
    let (status, decided) = replay(&site, &json!({"id": conflicts[0]["id"]})).await;
    assert_eq!((status, &decided["outcome"]), (200, &json!("fault")));
    site.finish().await;
}
