//! Handlers that are programs of the user's: what may come of them, and what is written down (`sync-semantics` 7.2,
//! LAM-1 to LAM-4).

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use driftless_conflict_handlers::answer::{Answer, Form};
use driftless_conflict_handlers::optimistic::OptimisticConcurrency;
use driftless_conflict_handlers::{Conflict, External, Fault, Handler, Recorded, Resolution, Rule};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::post_at;
use crate::api::error::ErrorType;
use crate::engine::Strategies;
use crate::fixtures::{World, schema};
use crate::journal::{Journal, JournalEntry, JournalQuery, Notebook, Retention};
use crate::schema::model::ModelOperation;
use crate::storage::StorageError;

/// Answers every conflict alike.
struct Scripted {
    answer: Value,
    asked: Arc<AtomicU32>,
}

impl External for Scripted {
    fn name(&self) -> &'static str {
        "plugin:scripted"
    }

    fn resolve<'a>(
        &'a self,
        conflict: &'a Conflict<'a>,
        _patience: Duration,
    ) -> BoxFuture<'a, Result<Resolution, Fault>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        async move {
            match serde_json::from_value::<Answer>(self.answer.clone()) {
                Ok(answer) => answer.resolution(conflict, Form::Component),
                Err(error) => Err(Fault::Malformed(error.to_string())),
            }
        }
        .boxed()
    }
}

/// Never answers.
struct Silent;

impl External for Silent {
    fn name(&self) -> &'static str {
        "http:silent"
    }

    fn resolve<'a>(
        &'a self,
        _conflict: &'a Conflict<'a>,
        _patience: Duration,
    ) -> BoxFuture<'a, Result<Resolution, Fault>> {
        std::future::pending().boxed()
    }
}

fn world(answer: Value) -> (World, Arc<AtomicU32>) {
    let asked = Arc::new(AtomicU32::new(0));
    let handler = Handler::external(Scripted {
        answer,
        asked: Arc::clone(&asked),
    });
    (World::over(schema(), Strategies::all(handler)), asked)
}

fn stale() -> Value {
    json!({"id": "p", "title": "mine", "_version": 1})
}

#[tokio::test]
async fn lam_1_answer_resolve_is_stored_as_the_next_version() {
    let item = json!({"id": "other", "title": "both", "_version": 99, "createdAt": "2024-01-01T00:00:00Z"});
    let (world, asked) = world(json!({"action": "RESOLVE", "item": item}));
    post_at(&world, 3, json!({"title": "theirs"})).await;
    let record = world.update("Post", stale()).await.unwrap();
    assert_eq!(record.version.0, 4);
    assert_eq!(
        record.fields["id"],
        json!("p"),
        "the key is not its to change"
    );
    assert_eq!(record.fields["title"], json!("both"));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

/// LAM-4.
#[tokio::test]
async fn lam_4_what_a_resolved_item_lacks_goes_away() {
    let (world, _) = world(json!({"action": "RESOLVE", "item": {"title": "both"}}));
    post_at(&world, 2, json!({"title": "theirs", "rating": 5})).await;
    let record = world.update("Post", stale()).await.unwrap();
    assert!(!record.fields.contains_key("rating"), "{record:?}");
}

#[tokio::test]
async fn lam_1_an_item_that_was_overtaken_is_asked_for_again_up_to_a_limit() {
    let (mut world, asked) = world(json!({"action": "ACCEPT"}));
    world.engine.settings.max_conflicts = 4;
    post_at(&world, 2, json!({"title": "theirs"})).await;
    world.store.rivals.store(2, Ordering::SeqCst);
    let record = world.update("Post", stale()).await.unwrap();
    assert_eq!((record.version.0, asked.load(Ordering::SeqCst)), (5, 3));

    world.store.rivals.store(100, Ordering::SeqCst);
    let error = world.update("Post", stale()).await.unwrap_err();
    assert_eq!(error.error_type, Some(ErrorType::MaxConflicts));
    let shown = error.record.expect("the stored record");
    assert_eq!(shown.fields["title"], json!("mine"));
    assert_eq!(asked.load(Ordering::SeqCst), 3 + 4);
}

/// LAM-2.
#[tokio::test]
async fn lam_2_a_false_condition_asks_nobody() {
    let (world, asked) = world(json!({"action": "ACCEPT"}));
    post_at(&world, 2, json!({"title": "theirs"})).await;
    let current = json!({"id": "p", "title": "mine", "_version": 2});
    let condition = json!({"title": {"eq": "other"}});
    let error = world
        .update_if("Post", current, condition)
        .await
        .unwrap_err();
    assert_eq!(error.error_type, Some(ErrorType::ConditionalCheckFailed));
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn answer_reject_is_a_conflict_with_the_stored_record() {
    for (answer, message) in [
        (
            json!({"action": "REJECT"}),
            "Conflict resolver rejects mutation.",
        ),
        (
            json!({"action": "REJECT", "message": "sold out"}),
            "sold out",
        ),
    ] {
        let (world, _) = world(answer);
        post_at(&world, 2, json!({"title": "theirs"})).await;
        let error = world.update("Post", stale()).await.unwrap_err();
        assert_eq!(error.error_type, Some(ErrorType::ConflictUnhandled));
        assert_eq!(error.message, message);
        assert_eq!(error.record.unwrap().version.0, 2);
    }
}

#[tokio::test]
async fn answer_error_of_the_handlers_own_keeps_its_type() {
    let answer = json!({
        "action": "ERROR", "errorType": "SoldOut", "message": "none left", "errorInfo": {"left": 0}
    });
    let (world, _) = world(answer);
    post_at(&world, 2, json!({"title": "theirs"})).await;
    let error = world.update("Post", stale()).await.unwrap_err();
    let custom = error.custom.expect("the handler's words");
    assert_eq!(custom.error_type.as_deref(), Some("SoldOut"));
    assert_eq!(custom.info, Some(json!({"left": 0})));
}

#[tokio::test]
async fn lam_3_a_stale_delete_is_the_handlers_to_decide() {
    for (answer, expected) in [
        (json!({"action": "REMOVE"}), Ok(3)),
        (
            json!({"action": "REJECT"}),
            Err(ErrorType::ConflictUnhandled),
        ),
        (
            json!({"action": "RESOLVE", "item": {}}),
            Err(ErrorType::ConflictError),
        ),
    ] {
        let (world, _) = world(answer.clone());
        post_at(&world, 2, json!({"title": "theirs"})).await;
        let deleted = world
            .delete("Post", json!({"id": "p", "_version": 1}))
            .await;
        let deleted = deleted.map(|record| {
            assert!(record.deleted);
            record.version.0
        });
        let deleted = deleted.map_err(|error| error.error_type.unwrap());
        assert_eq!(deleted, expected, "{answer}");
    }
}

/// `errata.md` row 50.
#[tokio::test]
async fn answer_remove_deletes_the_record_of_an_update() {
    let (world, _) = world(json!({"action": "REMOVE"}));
    post_at(&world, 2, json!({"title": "theirs"})).await;
    let record = world.update("Post", stale()).await.unwrap();
    assert_eq!((record.version.0, record.deleted), (3, true));
    let last = world.events("Post").await.pop().unwrap();
    assert_eq!(last.operation, crate::feed::Operation::Delete);
}

#[tokio::test]
async fn answer_keep_makes_a_version_or_none() {
    for (bump, version) in [(true, 3), (false, 2)] {
        let (world, _) = world(json!({"action": "KEEP", "bump": bump}));
        post_at(&world, 2, json!({"title": "theirs"})).await;
        let record = world.update("Post", stale()).await.unwrap();
        assert_eq!(
            (record.version.0, &record.fields["title"]),
            (version, &json!("theirs"))
        );
    }
}

#[tokio::test]
async fn answer_merge_sets_and_unsets_fields_of_the_stored_record() {
    let patch = json!({"action": "MERGE", "patch": {"rating": 7}, "unset": ["title"]});
    let (world, _) = world(patch);
    post_at(&world, 2, json!({"title": "theirs", "tags": ["a"]})).await;
    let record = world.update("Post", stale()).await.unwrap();
    assert_eq!(
        (&record.fields["rating"], &record.fields["tags"]),
        (&json!(7), &json!(["a"]))
    );
    assert!(!record.fields.contains_key("title"));
    assert_eq!(record.version.0, 3);
}

#[tokio::test]
async fn answer_accept_writes_what_the_client_asked_for() {
    let (world, _) = world(json!({"action": "ACCEPT"}));
    post_at(&world, 2, json!({"title": "theirs", "rating": 5})).await;
    let record = world.update("Post", stale()).await.unwrap();
    assert_eq!(
        (&record.fields["title"], &record.fields["rating"]),
        (&json!("mine"), &json!(5))
    );
}

#[tokio::test]
async fn answer_automerge_leaves_it_to_the_built_in_strategy() {
    let (world, _) = world(json!({"action": "AUTOMERGE"}));
    post_at(&world, 2, json!({"title": "theirs"})).await;
    let stale = json!({"id": "p", "title": "mine", "tags": ["a"], "_version": 1});
    let record = world.update("Post", stale).await.unwrap();
    assert_eq!(
        (&record.fields["title"], &record.fields["tags"]),
        (&json!("theirs"), &json!(["a"]))
    );
    let error = world
        .delete("Post", json!({"id": "p", "_version": 1}))
        .await
        .unwrap_err();
    assert_eq!(error.error_type, Some(ErrorType::ConflictUnhandled));
}

/// What a handler may not say, LAM-5's words of AppSync's older handlers among it.
#[tokio::test]
async fn answer_other_lam_5_anything_else_is_a_conflict_error() {
    for answer in [
        json!({}),
        json!(null),
        json!("RESOLVE"),
        json!({"action": "resolve", "item": {}}),
        json!({"action": "RESOLVE"}),
        json!({"action": "RESOLVE", "item": "text"}),
        json!({"strategy": "Reject"}),
        json!({"action": "DISCARD"}),
        json!({"action": "RETRY"}),
        json!({"errorMessage": "no such table", "errorType": "Error"}),
    ] {
        let (world, _) = world(answer.clone());
        post_at(&world, 2, json!({"title": "theirs"})).await;
        let error = world.update("Post", stale()).await.unwrap_err();
        assert_eq!(error.error_type, Some(ErrorType::ConflictError), "{answer}");
        assert_eq!(error.record.unwrap().version.0, 2, "{answer}");
        assert_eq!(world.events("Post").await.len(), 2, "{answer}");
    }
}

/// A strategy of its own for a model, in both directions, while the others go by the default.
#[tokio::test]
async fn lam_6_a_models_own_strategy_wins_over_the_default() {
    let external = Handler::external(Scripted {
        answer: json!({"action": "ACCEPT"}),
        asked: Arc::default(),
    });
    let models = [("Post".to_owned(), external)].into();
    let default = Handler::builtin(OptimisticConcurrency);
    let world = World::over(schema(), Strategies { default, models });
    post_at(&world, 2, json!({"title": "theirs"})).await;
    let record = world.update("Post", stale()).await.unwrap();
    assert_eq!(record.fields["title"], json!("mine"));
    let stock = json!({"sku": "s", "warehouse": "w", "count": 1});
    world.create("Stock", stock.clone()).await.unwrap();
    let error = world.update("Stock", stock).await.unwrap_err();
    assert_eq!(error.error_type, Some(ErrorType::ConflictUnhandled));
}

#[tokio::test]
async fn limit_schema_what_is_no_record_of_the_model_is_not_stored() {
    for item in [
        json!({"title": 5}),
        json!({"rating": "five"}),
        json!({"status": "NO_SUCH_WORD"}),
        json!({"tags": "one"}),
        json!({"meta": "{broken"}),
        json!({"titel": "a typing error"}),
        json!({"place": {"lines": 5}}),
        json!({"createdAt": "yesterday"}),
    ] {
        let (world, _) = world(json!({"action": "MERGE", "patch": item}));
        post_at(&world, 2, json!({"title": "theirs"})).await;
        let error = world.update("Post", stale()).await.unwrap_err();
        assert_eq!(error.error_type, Some(ErrorType::ConflictError), "{item}");
        assert_eq!(error.message, "Conflict handler failed.");
        assert_eq!(error.record.unwrap().version.0, 2);
        assert_eq!(world.events("Post").await.len(), 2, "nothing was written");
    }
}

/// `resolvers` 5: a handler is no way to hand a record over, or to set a field, where the caller may not.
#[tokio::test]
async fn a_handler_does_nothing_that_its_caller_may_not_do() {
    for (patch, refused) in [
        (json!({"rating": 5}), true),
        (json!({"title": "both"}), false),
    ] {
        let handler = Handler::external(Scripted {
            answer: json!({"action": "MERGE", "patch": patch}),
            asked: Arc::default(),
        });
        let mut schema = schema();
        let post = Arc::make_mut(schema.models.get_mut("Post").unwrap());
        let mut own = post.auth.clone();
        own[0].operations = vec![ModelOperation::Get];
        post.fields.get_mut("rating").unwrap().auth = Some(own);
        let world = World::over(schema, Strategies::all(handler));
        post_at(&world, 2, json!({"title": "theirs"})).await;
        let result = world.update("Post", stale()).await;
        let refusal = result.err().map(|error| error.error_type.unwrap());
        assert_eq!(
            refusal,
            refused.then_some(ErrorType::ConflictError),
            "{patch}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_never_answers_is_given_up_before_the_client_is() {
    let strategies = Strategies::all(Handler::external(Silent));
    let world = World::over(schema(), strategies);
    post_at(&world, 2, json!({"title": "theirs"})).await;
    let before = tokio::time::Instant::now();
    let error = world.update("Post", stale()).await.unwrap_err();
    assert_eq!(error.error_type, Some(ErrorType::ConflictError));
    assert_eq!(error.record.unwrap().version.0, 2);
    assert!(before.elapsed() < Duration::from_secs(8));
}

/// Keeps everything in memory.
#[derive(Default)]
struct Kept(Mutex<Vec<Recorded>>);

impl Journal for Kept {
    fn append<'a>(
        &'a self,
        conflicts: &'a [Recorded],
        _retention: Retention,
    ) -> BoxFuture<'a, Result<(), StorageError>> {
        self.0.lock().unwrap().extend_from_slice(conflicts);
        futures_util::future::ready(Ok(())).boxed()
    }

    fn conflicts<'a>(
        &'a self,
        _query: &'a JournalQuery,
    ) -> BoxFuture<'a, Result<Vec<JournalEntry>, StorageError>> {
        futures_util::future::ready(Ok(Vec::new())).boxed()
    }

    fn conflict(&self, _id: i64) -> BoxFuture<'_, Result<Option<JournalEntry>, StorageError>> {
        futures_util::future::ready(Ok(None)).boxed()
    }
}

#[tokio::test]
async fn every_conflict_is_written_down_and_no_other_write_is() {
    let journal = Arc::new(Kept::default());
    let (notebook, work) = Notebook::kept_by(
        journal.clone(),
        Retention::default(),
        tokio_util::sync::CancellationToken::new(),
    );
    let mut world = World::new();
    world.engine.journal = notebook;
    post_at(&world, 3, json!({"title": "theirs", "tags": ["a"]})).await;
    let input = json!({"id": "p", "title": "mine", "tags": ["b"], "rating": 5, "_version": 1});
    let merged = world.update("Post", input).await.unwrap();
    world
        .delete("Post", json!({"id": "p", "_version": 2}))
        .await
        .unwrap_err();
    drop(world);
    work.await;

    let kept = journal.0.lock().unwrap();
    let [update, delete] = &kept[..] else {
        panic!("{} conflicts", kept.len());
    };
    assert_eq!(
        (update.strategy.as_str(), update.outcome.as_str()),
        ("automerge", "resolved")
    );
    assert_eq!(update.client_version.map(|version| version.0), Some(1));
    assert_eq!(update.stored.version.0, 3);
    assert_eq!(update.result.as_ref(), Some(&merged));
    assert_eq!(update.actor.as_deref(), Some("api_key:k1"));
    let rule = |field: &str| {
        let verdict = update
            .verdicts
            .iter()
            .find(|verdict| verdict.field == field);
        verdict.map(|verdict| verdict.rule)
    };
    assert_eq!(rule("title"), Some(Rule::Rejected));
    assert_eq!(rule("tags"), Some(Rule::Appended));
    assert_eq!(rule("rating"), Some(Rule::Added));
    assert_eq!(delete.outcome, "rejected");
    assert_eq!(delete.result, None);
}
