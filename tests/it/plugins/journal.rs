//! The conflict journal: the same on both databases, and read from the command line.

use driftless::storage::{Place, Store, open_at};
use driftless_conflict_handlers::Recorded;
use driftless_resolvers::journal::{JournalQuery, Retention};
use serde_json::{Value, json};

use super::examples;
use crate::cli::run;
use crate::support::postgres::Database;

fn conflict(model: &str, number: i64) -> Recorded {
    serde_json::from_value(json!({
        "model": model,
        "key": "[\"p\"]",
        "at": 1_000 * number,
        "strategy": "automerge",
        "outcome": "resolved",
        "stored": {"fields": {"id": "p", "title": "theirs"}, "version": 2},
        "incoming": {"title": "mine"},
        "verdicts": [{"field": "title", "rule": "rejected"}],
        "types": {"id": "ID!", "title": "String"},
    }))
    .expect("a conflict")
}

async fn open(url: &str) -> Store {
    open_at(&Place::at(url)).await.expect("a store")
}

/// Conflicts that were left before the end are there afterwards, newest first, and no more than are wanted.
async fn keeps_what_was_left(url: &str) {
    let store = open(url).await;
    let retention = Retention {
        entries: 3,
        age: 3_600_000,
    };
    let notebook = store.notebook(retention);
    for number in 1..=5 {
        notebook.note(conflict("Post", number));
    }
    notebook.note(conflict("Stock", 6));
    store.close().await;

    let store = open(url).await;
    let journal = store.journal();
    let query = |model: Option<&str>| JournalQuery {
        model: model.map(str::to_owned),
        limit: 10,
        ..JournalQuery::default()
    };
    let all = journal.conflicts(&query(None)).await.expect("conflicts");
    let times: Vec<i64> = all.iter().map(|entry| entry.conflict.at.0).collect();
    assert_eq!(times, [6_000, 5_000, 4_000]);
    let stock = journal
        .conflicts(&query(Some("Stock")))
        .await
        .expect("conflicts");
    assert_eq!(stock.len(), 1);
    let shown = journal.conflict(stock[0].id).await.expect("a conflict");
    assert_eq!(
        shown.map(|entry| entry.conflict),
        Some(conflict("Stock", 6))
    );
    assert_eq!(journal.conflict(1_000).await.expect("an answer"), None);
    store.close().await;
}

#[tokio::test]
async fn the_journal_keeps_what_was_left_on_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    keeps_what_was_left(&format!(
        "sqlite:{}",
        folder.path().join("data.db").display()
    ))
    .await;
}

#[tokio::test]
async fn the_journal_keeps_what_was_left_on_postgres() {
    let database = Database::create().await;
    keeps_what_was_left(&database.url).await;
}

#[tokio::test]
async fn old_conflicts_are_forgotten() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&format!(
        "sqlite:{}",
        folder.path().join("data.db").display()
    ))
    .await;
    let retention = Retention {
        entries: 100,
        age: 5_000,
    };
    let journal = store.journal();
    journal
        .append(&[conflict("Post", 1)], retention)
        .await
        .expect("appended");
    journal
        .append(&[conflict("Post", 7)], retention)
        .await
        .expect("appended");
    let query = JournalQuery {
        limit: 10,
        ..JournalQuery::default()
    };
    let left = journal.conflicts(&query).await.expect("conflicts");
    assert_eq!(left.len(), 1);
    store.close().await;
}

/// What the command prints.
async fn said(folder: &std::path::Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments).await;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test]
async fn conflicts_are_listed_shown_and_decided_again_at_the_command_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let url = format!("sqlite:{}", path.join("data.db").display());
    let store = open(&url).await;
    let mut counted = conflict("Stock", 1);
    counted.incoming = serde_json::from_value(json!({"count": 9})).expect("fields");
    counted.stored.fields.insert("count".to_owned(), 7.into());
    let mut base = counted.stored.clone();
    base.fields.insert("count".to_owned(), 10.into());
    counted.base = Some(base);
    counted.types.insert("count".to_owned(), "Int".to_owned());
    let journal = store.journal();
    journal
        .append(&[counted], Retention::default())
        .await
        .expect("appended");
    store.close().await;

    let listed = said(path, &["conflict", "list", "--database", &url]).await;
    assert!(
        listed.contains("automerge") && listed.contains("Stock [\"p\"]"),
        "{listed}"
    );
    let shown = said(path, &["conflict", "show", "1", "--database", &url]).await;
    assert!(shown.contains("title: rejected"), "{shown}");

    let whole = said(
        path,
        &["conflict", "show", "1", "--database", &url, "--json"],
    )
    .await;
    std::fs::write(path.join("conflict.json"), whole).expect("a file");
    let plugin = examples::component("stock-counter");
    let plugin = plugin.to_str().expect("text");
    for (by, count) in [
        (["--strategy", "automerge"], 7),
        (["--strategy", "last_writer_wins"], 9),
        (["--plugin", plugin], 6),
    ] {
        let mut arguments = vec!["conflict", "replay", "conflict.json", "--json"];
        arguments.extend(by);
        let decided: Value = serde_json::from_str(&said(path, &arguments).await).expect("JSON");
        assert_eq!(decided["result"]["fields"]["count"], count, "{by:?}");
    }
    let verdict = said(
        path,
        &[
            "conflict",
            "replay",
            "conflict.json",
            "--strategy",
            "optimistic",
        ],
    )
    .await;
    assert!(
        verdict.contains("rejected") && verdict.contains("count"),
        "{verdict}"
    );

    let nothing = run(path, &["conflict", "replay", "no-such-file.json"]).await;
    assert_eq!(nothing.status.code(), Some(1));
}
