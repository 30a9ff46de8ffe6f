//! The conflict journal: the same on both databases, and read from the command line.

use std::sync::Arc;

use driftless::storage::{Place, Store, open_at};
use driftless_conflict_handlers::Recorded;
use driftless_resolvers::clock::System;
use driftless_resolvers::journal::{Journal, JournalQuery, Retention};
use driftless_resolvers::storage::memory::Memory;
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

/// What is too old or too much is forgotten, and what is left is found by model, by record, and page after page.
async fn keeps_what_it_may(journal: &dyn Journal) {
    let keep = |entries, age| Retention { entries, age };
    let all = JournalQuery {
        limit: 10,
        ..JournalQuery::default()
    };
    let times = async |query: &JournalQuery| {
        let found = journal.conflicts(query).await.expect("conflicts");
        let times = found.iter().map(|entry| entry.conflict.at.0 / 1_000);
        times.collect::<Vec<_>>()
    };
    for (number, retention, left) in [
        (1, keep(100, 5_000), vec![1]),
        (3, keep(100, 5_000), vec![3, 1]),
        (7, keep(100, 5_000), vec![7, 3]),
        (8, keep(3, 60_000), vec![8, 7, 3]),
        (9, keep(3, 60_000), vec![9, 8, 7]),
    ] {
        let conflict = conflict(if number == 8 { "Stock" } else { "Post" }, number);
        journal
            .append(&[conflict], retention)
            .await
            .expect("appended");
        assert_eq!(times(&all).await, left);
    }
    let of = |model: &str| JournalQuery {
        model: Some(model.to_owned()),
        ..all.clone()
    };
    assert_eq!(times(&of("Stock")).await, [8]);
    assert_eq!(times(&of("Post")).await, [9, 7]);
    let nobody = JournalQuery {
        key: Some("[\"q\"]".to_owned()),
        ..all.clone()
    };
    assert_eq!(times(&nobody).await, [0; 0]);
    let first = JournalQuery {
        limit: 2,
        ..all.clone()
    };
    let page = journal.conflicts(&first).await.expect("conflicts");
    let next = JournalQuery {
        before: page.last().map(|entry| entry.id),
        ..first
    };
    assert_eq!(times(&next).await, [7]);
    let one = journal.conflict(page[0].id).await.expect("an answer");
    assert_eq!(one.as_ref(), Some(&page[0]));
    assert_eq!(journal.conflict(1).await.expect("an answer"), None);
}

#[tokio::test]
async fn the_journal_keeps_what_it_may_in_memory() {
    keeps_what_it_may(&Memory::new(Arc::new(System))).await;
}

#[tokio::test]
async fn the_journal_keeps_what_it_may_on_sqlite() {
    let store = open("sqlite::memory:").await;
    keeps_what_it_may(&*store.journal()).await;
    store.close().await;
}

#[tokio::test]
async fn the_journal_keeps_what_it_may_on_postgres() {
    let database = Database::create().await;
    let store = open(&database.url).await;
    keeps_what_it_may(&*store.journal()).await;
    store.close().await;
    database.remove().await;
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
