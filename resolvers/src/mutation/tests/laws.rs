//! Laws of mutations under every strategy, over histories made at random: several clients that hold whatever version of
//! a record they saw last, or a wrong one, or none.

use driftless_conflict_handlers::Handler;
use driftless_conflict_handlers::automerge::Automerge;
use driftless_conflict_handlers::last_writer::LastWriterWins;
use driftless_conflict_handlers::optimistic::OptimisticConcurrency;
use driftless_conflict_handlers::three_way::ThreeWay;
use proptest::prelude::{Just, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy as Generator;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};

use crate::Record;
use crate::api::error::FieldError;
use crate::engine::Strategies;
use crate::fixtures::{World, caller, object, schema};

#[derive(Debug, Clone)]
enum Step {
    Create(Value),
    /// How far the version is from the stored one; `None` sends none.
    Update(Option<i64>, Value),
    Delete(Option<i64>),
}

fn fields() -> impl Generator<Value = Value> {
    let title = prop_oneof![Just(Value::Null), "[a-c]".prop_map(Value::from)];
    let tags = prop::collection::vec("[a-c]", 0..3);
    prop_oneof![
        title.prop_map(|title| json!({"title": title})),
        any::<i8>().prop_map(|rating| json!({"rating": rating})),
        tags.prop_map(|tags| json!({"tags": tags})),
        Just(json!({"place": {"city": "c", "lines": ["l"]}, "meta": "{\"k\":[1]}"})),
    ]
}

fn distance() -> impl Generator<Value = Option<i64>> {
    prop_oneof![4 => Just(Some(0)), 4 => (-3_i64..4).prop_map(Some), 1 => Just(None)]
}

fn step() -> impl Generator<Value = Step> {
    prop_oneof![
        2 => fields().prop_map(Step::Create),
        8 => (distance(), fields()).prop_map(|(version, fields)| Step::Update(version, fields)),
        2 => distance().prop_map(Step::Delete),
    ]
}

fn strategies() -> Vec<Handler> {
    vec![
        Handler::builtin(Automerge),
        Handler::builtin(OptimisticConcurrency),
        Handler::builtin(ThreeWay),
        Handler::builtin(LastWriterWins),
    ]
}

impl Step {
    /// The input about the record `p`, of which this version is stored.
    fn input(&self, stored: i64) -> Value {
        let (version, fields) = match self {
            Step::Create(fields) => (&None, fields.clone()),
            Step::Update(version, fields) => (version, fields.clone()),
            Step::Delete(version) => (version, json!({})),
        };
        let mut input = object(json!({"id": "p"}));
        input.append(&mut object(fields));
        if let Some(distance) = version {
            input.insert("_version".to_owned(), json!(stored + distance));
        }
        Value::Object(input)
    }

    async fn send(&self, world: &World, input: &Value) -> Result<Record, FieldError> {
        match self {
            Step::Create(_) => world.create("Post", input.clone()).await,
            Step::Update(..) => world.update("Post", input.clone()).await,
            Step::Delete(_) => world.delete("Post", input.clone()).await,
        }
    }

    /// Whether it names the stored version, as far as it has to.
    fn is_current(&self) -> bool {
        let (Step::Create(_) | Step::Update(Some(0), _) | Step::Delete(Some(0))) = self else {
            return false;
        };
        true
    }
}

/// What is stored and how long the log is.
async fn state(world: &World) -> (Option<Record>, usize) {
    let events = world.events("Post").await;
    (
        events.last().map(|event| Record::clone(&event.record)),
        events.len(),
    )
}

async fn history(handler: Handler, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut world = World::over(schema(), Strategies::all(handler));
    for (number, step) in steps.iter().enumerate() {
        world.caller = caller(if number % 2 == 0 { "k1" } else { "k2" });
        world.pass(7);
        let (before, length) = state(&world).await;
        let stored = before.as_ref().map_or(0, |record| record.version.0.into());
        let input = step.input(stored);
        let outcome = step.send(&world, &input).await;
        let (after, longer) = state(&world).await;
        match &outcome {
            Err(_) => {
                // What is refused changes nothing and is no event.
                prop_assert_eq!(&after, &before);
                prop_assert_eq!(longer, length);
            }
            Ok(answer) => {
                // The answer is what is stored; a version is written once, and the next one is one more.
                prop_assert_eq!(Some(answer), after.as_ref());
                let next = before.as_ref().map_or(1, |record| record.version.0 + 1);
                let written = longer - length;
                prop_assert!(
                    written == 1 && answer.version.0 == next || written == 0 && after == before
                );
                let was_deleted = before.is_some_and(|record| record.deleted);
                prop_assert!(answer.deleted || !was_deleted, "raised from the dead");
            }
        }
        // Whoever lost the answer asks again: nothing more is written, and a success stays one (`errata.md` 14, 15).
        if let Ok(answer) = outcome
            && step.is_current()
        {
            let again = step.send(&world, &input).await;
            prop_assert_eq!(again, Ok(answer));
            prop_assert_eq!(state(&world).await.1, longer);
        }
    }
    let versions = world.events("Post").await;
    let versions: Vec<u32> = versions
        .iter()
        .map(|event| event.record.version.0)
        .collect();
    let gapless: Vec<u32> = (1..).take(versions.len()).collect();
    prop_assert_eq!(versions, gapless);
    Ok(())
}

proptest! {
    #[test]
    fn versions_grow_by_one_and_what_is_refused_changes_nothing(steps in prop::collection::vec(step(), 1..14)) {
        // Loops of conflicts are slowed down: that takes no time here.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        for handler in strategies() {
            runtime.block_on(history(handler, steps.clone()))?;
        }
    }
}
