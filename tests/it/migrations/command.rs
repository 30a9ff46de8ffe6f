//! `driftless migrate`, as a person or a script uses it.

use std::path::Path;
use std::process::{Output, Stdio};

use driftless_resolvers::filter::Filter;
use driftless_resolvers::storage::{Query, Scope};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::place::{Place, loaded};
use crate::cli::{command, run, stderr, stdout};

const FORMER: &str = r#"
type Post @model @auth(rules: [{allow: public}]) {
  id: ID!
  title: String
  note: String @index(name: "byNote", queryField: "postsByNote")
}
type Draft @model @auth(rules: [{allow: public}]) { id: ID! text: String }
"#;

const NEXT: &str = r#"
type Post @model @auth(rules: [{allow: public}]) {
  id: ID!
  title: String @index(name: "byTitle", queryField: "postsByTitle")
  stars: Int
}
"#;

/// A folder with both schemas, beside a database that was prepared for the former one.
async fn project(place: &Place, records: usize) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("former.graphql"), FORMER).unwrap();
    std::fs::write(folder.path().join("next.graphql"), NEXT).unwrap();
    let former = loaded(FORMER);
    let posts = (0..records).map(|n| json!({"id": n.to_string(), "title": "t", "note": "kept"}));
    place.hold(&former, "Post", posts.collect()).await;
    place
        .hold(&former, "Draft", vec![json!({"id": "d", "text": "kept"})])
        .await;
    folder
}

async fn migrate(folder: &Path, place: &Place, schema: &str, more: &[&str]) -> Output {
    let url = place.url();
    let mut arguments = vec!["migrate", "--schema", schema, "--database", &url];
    arguments.extend(more);
    run(folder, &arguments).await
}

fn said(output: &Output) -> Value {
    let text = stdout(output);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{}", stderr(output)))
}

async fn source(place: &Place) -> String {
    let store = place.open().await;
    let prepared = store.prepared().await.unwrap();
    store.close().await;
    prepared.map(|prepared| prepared.source).unwrap_or_default()
}

/// How many records of a model of this schema are found by an index.
async fn indexed(place: &Place, schema: &str, index: &str, value: &str) -> usize {
    let store = place.open().await;
    let schema = loaded(schema);
    store.storage.prepare(&schema).await.unwrap();
    let query = Query {
        scope: Scope::Index {
            index: Some(index.to_owned()),
            partition: json!(value),
            sort: Vec::new(),
            descending: false,
        },
        rows: Filter::everything(),
        filter: Filter::everything(),
        limit: 10_000,
        after: None,
    };
    let page = store.storage.query(&schema.models["Post"], &query).await;
    store.close().await;
    page.unwrap().records.len()
}

async fn shows_keeps_and_removes(place: Place) {
    let folder = project(&place, 3).await;
    let folder = folder.path();

    let dry = migrate(folder, &place, "next.graphql", &["--dry-run", "--json"]).await;
    assert_eq!(dry.status.code(), Some(0), "{}", stderr(&dry));
    let plan = said(&dry);
    let rows: Vec<_> = plan["changes"].as_array().unwrap().iter().collect();
    for (subject, class) in [
        ("Post.stars", "safe"),
        ("Post.byTitle", "safe"),
        ("Post.note", "confirm"),
        ("Post.byNote", "confirm"),
        ("Draft", "confirm"),
    ] {
        assert!(
            rows.iter()
                .any(|row| row["subject"] == subject && row["class"] == class),
            "{subject} in {plan:#}"
        );
    }
    let work = [
        json!({"work": "fill", "model": "Post", "columns": 1, "records": "3"}),
        json!({"work": "index", "model": "Post", "indexes": 2}),
    ];
    assert_eq!(plan["work"], json!(work));
    assert_eq!(plan["applied"], false);
    assert_eq!(source(&place).await, FORMER, "a dry run changes nothing");

    let done = migrate(folder, &place, "next.graphql", &[]).await;
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    let text = stdout(&done);
    assert!(text.contains("Draft: the table, with 1 records"), "{text}");
    assert!(text.contains("is prepared for next.graphql"), "{text}");
    assert_eq!(source(&place).await, NEXT);
    assert_eq!(indexed(&place, NEXT, "byTitle", "t").await, 3);
    // Whoever goes back finds everything, with the indexes filled.
    assert_eq!(indexed(&place, FORMER, "byNote", "kept").await, 3);
    let back = migrate(folder, &place, "next.graphql", &["--json"]).await;
    let back = said(&back);
    assert_eq!((&back["known"], &back["work"]), (&json!(true), &json!([])));
    assert_eq!(back["leftovers"].as_array().unwrap().len(), 2, "{back:#}");

    let removed = migrate(folder, &place, "next.graphql", &["--allow-destructive"]).await;
    assert_eq!(removed.status.code(), Some(0), "{}", stderr(&removed));
    let rest = migrate(folder, &place, "next.graphql", &["--dry-run", "--json"]).await;
    assert_eq!(said(&rest)["leftovers"], json!([]));
    assert_eq!(indexed(&place, NEXT, "byTitle", "t").await, 3);
    // The former schema is not one that the database is ready for any more; it starts with an empty model.
    let again = migrate(folder, &place, "former.graphql", &["--json"]).await;
    assert_eq!(said(&again)["known"], false);
    assert_eq!(indexed(&place, FORMER, "byNote", "kept").await, 3);
    let store = place.open().await;
    assert!(
        store
            .look(&loaded(FORMER))
            .await
            .unwrap()
            .empty
            .contains("Draft")
    );
    store.close().await;
    place.remove().await;
}

#[tokio::test]
async fn migrate_shows_its_plan_keeps_everything_and_removes_only_when_told_on_sqlite() {
    shows_keeps_and_removes(Place::sqlite()).await;
}

#[tokio::test]
async fn migrate_shows_its_plan_keeps_everything_and_removes_only_when_told_on_postgres() {
    shows_keeps_and_removes(Place::postgres().await).await;
}

#[tokio::test]
async fn migrate_shows_its_plan_keeps_everything_and_removes_only_when_told_behind_a_pooler() {
    shows_keeps_and_removes(Place::pooled().await).await;
}

#[tokio::test]
async fn migrate_refuses_another_key_and_changes_nothing() {
    let place = Place::sqlite();
    let folder = project(&place, 1).await;
    let keyed = FORMER.replace(
        "id: ID!\n  title: String\n",
        "id: ID!\n  title: String! @primaryKey\n",
    );
    std::fs::write(folder.path().join("keyed.graphql"), &keyed).unwrap();
    for more in [&["--allow-destructive"] as &[&str], &[]] {
        let refused = migrate(folder.path(), &place, "keyed.graphql", more).await;
        assert_eq!(refused.status.code(), Some(1));
        assert!(
            stderr(&refused).contains("key-changed"),
            "{}",
            stderr(&refused)
        );
        assert_eq!(source(&place).await, FORMER);
    }
    place.remove().await;
}

#[tokio::test]
async fn serve_says_what_to_run_before_it_starts_on_another_schema() {
    let place = Place::sqlite();
    let folder = project(&place, 1).await;
    let url = place.url();
    let serve = [
        "serve",
        "--schema",
        "next.graphql",
        "--database",
        &url,
        "--listen",
        "127.0.0.1:0",
    ];
    let refused = command(folder.path(), &serve)
        .env("DRIFTLESS_AUTH_API_KEYS", "da2-abcdefghijklmnopqrstuvwxyz")
        .output()
        .await
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let text = stderr(&refused);
    for part in ["Post.note", "Draft", "driftless migrate --dry-run"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    place.remove().await;
}

/// Starts a migration and kills it once it has told of so many steps; whether it ended before.
async fn killed_after(folder: &Path, place: &Place, steps: usize) -> bool {
    let url = place.url();
    let arguments = ["migrate", "--schema", "next.graphql", "--database", &url];
    let mut child = command(folder, &arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    for _ in 0..steps {
        if lines.next_line().await.unwrap().is_none() {
            assert!(child.wait().await.unwrap().success());
            return true;
        }
    }
    child.kill().await.unwrap();
    false
}

async fn survives_being_killed(place: Place) {
    const RECORDS: usize = 2_100;
    let folder = project(&place, RECORDS).await;
    for steps in 1.. {
        assert!(steps < 20, "every attempt gets further");
        if killed_after(folder.path(), &place, steps).await {
            break;
        }
    }
    assert_eq!(source(&place).await, NEXT);
    assert_eq!(indexed(&place, NEXT, "byTitle", "t").await, RECORDS);
    place.remove().await;
}

#[tokio::test]
async fn a_migration_of_sqlite_that_is_killed_at_each_step_comes_to_its_end() {
    survives_being_killed(Place::sqlite()).await;
}

#[tokio::test]
async fn a_migration_behind_a_pooler_that_is_killed_at_each_step_comes_to_its_end() {
    survives_being_killed(Place::pooled().await).await;
}

#[tokio::test]
async fn a_migration_of_postgres_that_is_killed_at_each_step_comes_to_its_end() {
    survives_being_killed(Place::postgres().await).await;
}
