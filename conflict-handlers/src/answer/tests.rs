use serde_json::json;

use super::*;
use crate::decision::Rule;
use crate::payload::{INPUT_BYTES, Payload};
use crate::testing::{Case, object, record, rule};

fn read(answer: Value) -> Answer {
    serde_json::from_value(answer).unwrap()
}

fn case() -> Case {
    Case::over(
        json!({"id": "p", "name": "seen", "jersey": 1}),
        json!({"id": "p", "name": "stored", "jersey": 1}),
        json!({"name": "sent", "jersey": null}),
    )
}

fn decide(case: &Case, answer: Value, form: Form) -> Result<Resolution, Fault> {
    case.ask(|conflict| read(answer).resolution(conflict, form))
}

#[test]
fn resolve_replaces_the_document_and_writes_no_metadata() {
    let item = json!({"name": "both", "_version": 9, "_deleted": true, "__typename": "Player"});
    let resolution = decide(
        &case(),
        json!({"action": "RESOLVE", "item": item}),
        Form::Lambda,
    )
    .unwrap();
    assert_eq!(
        resolution.decision,
        Decision::Replace(object(json!({"name": "both"})))
    );
    assert_eq!(rule(&resolution, "name"), Some(Rule::Computed));
    assert_eq!(rule(&resolution, "jersey"), Some(Rule::Removed));
}

#[test]
fn every_action_means_something_for_an_update() {
    let stored = json!({"id": "p", "name": "stored", "jersey": 1});
    let replaced = |value: Value| Decision::Replace(object(value));
    for (answer, expected) in [
        (
            json!({"action": "MERGE", "patch": {"jersey": 2}, "unset": ["name"]}),
            replaced(json!({"id": "p", "jersey": 2})),
        ),
        (
            json!({"action": "ACCEPT"}),
            replaced(json!({"id": "p", "name": "sent"})),
        ),
        (json!({"action": "KEEP"}), replaced(stored.clone())),
        (json!({"action": "KEEP", "bump": false}), Decision::Keep),
        (json!({"action": "AUTOMERGE"}), replaced(stored)),
        (json!({"action": "REJECT"}), Decision::reject()),
        (json!({"action": "REMOVE"}), Decision::Remove),
    ] {
        let resolution = decide(&case(), answer.clone(), Form::Component).unwrap();
        assert_eq!(resolution.decision, expected, "{answer}");
    }
}

/// LAM-3 and `errata.md` row 50.
#[test]
fn lam_3_remove_of_an_update_is_malformed_in_appsyncs_form() {
    let answer = decide(&case(), json!({"action": "REMOVE"}), Form::Lambda);
    assert!(matches!(answer, Err(Fault::Malformed(_))), "{answer:?}");
}

#[test]
fn a_delete_is_removed_or_refused_and_nothing_else() {
    let mut case = case();
    case.operation = Operation::Delete;
    for form in [Form::Lambda, Form::Component] {
        let removed = decide(&case, json!({"action": "REMOVE"}), form).unwrap();
        assert_eq!(removed.decision, Decision::Remove);
        let refused = decide(&case, json!({"action": "REJECT"}), form).unwrap();
        assert_eq!(refused.decision, Decision::reject());
        for answer in [
            json!({"action": "RESOLVE", "item": {}}),
            json!({"action": "MERGE"}),
            json!({"action": "KEEP"}),
        ] {
            let answer = decide(&case, answer, form);
            assert!(matches!(answer, Err(Fault::Malformed(_))), "{answer:?}");
        }
    }
}

#[test]
fn refusals_may_have_words_of_their_own() {
    let answer = json!({"action": "ERROR", "errorType": "SoldOut", "message": "none left"});
    let resolution = decide(&case(), answer, Form::Lambda).unwrap();
    let Decision::Fail(error) = resolution.decision else {
        panic!("no error: {resolution:?}");
    };
    assert_eq!(
        (error.error_type.as_str(), error.message.as_str()),
        ("SoldOut", "none left")
    );
}

#[test]
fn event_has_appsyncs_five_keys_and_one_more() {
    let event = case().ask(|conflict| Payload::of(conflict).unwrap().event(conflict, 250));
    let keys: Vec<&String> = event.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "newItem",
            "existingItem",
            "arguments",
            "resolver",
            "identity",
            "sync"
        ]
    );
    assert_eq!(event["newItem"], json!({"id": "p", "name": "sent"}));
    assert_eq!(
        event["existingItem"],
        json!({
            "id": "p", "name": "stored", "jersey": 1,
            "_version": 5, "_lastChangedAt": 5000, "_deleted": null
        })
    );
    assert_eq!(event["resolver"]["field"], "updatePlayer");
    let sync = &event["sync"];
    assert_eq!(sync["baseItem"]["name"], "seen");
    assert_eq!(sync["removed"], json!(["jersey"]));
    assert_eq!(sync["incoming"], json!({"name": "sent"}));
    assert_eq!(sync["intermediate"][0]["changedFields"], json!(["name"]));
    assert_eq!(sync["key"], json!({"id": "p"}));
    assert_eq!(
        (&sync["clientVersion"], &sync["existingVersion"]),
        (&json!(4), &json!(5))
    );
}

#[test]
fn limit_input_an_event_that_is_too_large_loses_its_extras_before_it_is_given_up() {
    let mut case = case();
    let long = "x".repeat(INPUT_BYTES / 3);
    case.base = Some(record(4, json!({"name": long})));
    case.stored = record(5, json!({"name": long}));
    let event = case.ask(|conflict| Payload::of(conflict).unwrap());
    assert!(event.base_item.is_some() && event.automerge_result.is_none());
    case.change
        .fields
        .insert("name".to_owned(), Value::from(long));
    let event = case.ask(Payload::of);
    assert!(event.is_err(), "{event:?}");
}
