//! Explanations name the rules that decide.

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::authz::Settings;
use crate::fixtures::object;
use crate::identity::TokenIdentity;
use crate::schema::{Options, load_with};

const TEXT: &str = r#"type Task @model @auth(rules: [
  { allow: owner },
  { allow: groups, groups: ["Admin"], operations: [read] }
  { allow: public, operations: [read] }
]) { id: ID! title: String }"#;

fn explained(operation: ModelOperation, record: Option<Value>) -> Explanation {
    let options = Options {
        modes: vec![AuthMode::UserPool, AuthMode::ApiKey],
        ..Options::default()
    };
    let schema = load_with(TEXT, &options).expect("a good schema").schema;
    let rules = Rules::of(&schema, &Settings::default());
    let identity = Identity::UserPool(Arc::new(TokenIdentity {
        issuer: "i".to_owned(),
        subject: "sA".to_owned(),
        claims: object(json!({"sub": "sA", "username": "alice"})),
    }));
    let record = record.map(object);
    let question = Question {
        model: &schema.models["Task"],
        operation,
        identity: &identity,
        record: record.as_ref(),
        input: None,
    };
    explain(&schema, &rules, question)
}

/// What an update of alice's record comes to, and the lines of the rules that decide.
fn updating(text: &str, input: Value) -> (bool, String, Vec<usize>) {
    let options = Options {
        modes: vec![AuthMode::UserPool],
        ..Options::default()
    };
    let schema = load_with(text, &options).expect("a good schema").schema;
    let rules = Rules::of(&schema, &Settings::default());
    let identity = Identity::UserPool(Arc::new(TokenIdentity {
        issuer: "i".to_owned(),
        subject: "sA".to_owned(),
        claims: object(json!({"sub": "sA", "username": "alice"})),
    }));
    let (record, input) = (object(json!({"owner": "alice"})), object(input));
    let question = Question {
        model: &schema.models["Task"],
        operation: ModelOperation::Update,
        identity: &identity,
        record: Some(&record),
        input: Some(&input),
    };
    let explanation = explain(&schema, &rules, question);
    let deciding = explanation.reasons.iter().filter(|reason| reason.decides);
    let lines = deciding.map(|reason| reason.span.map_or(0, |span| span.line));
    (explanation.allowed, explanation.summary, lines.collect())
}

#[test]
fn the_rules_of_the_fields_that_are_written_decide() {
    let text = r#"type Task @model @auth(rules: [
  { allow: owner, operations: [create, read, update] }
  { allow: groups, groups: ["Admin"], operations: [read] }
]) {
  id: ID!
  title: String
  salary: Int @auth(rules: [
    { allow: groups, groups: ["Admin"] }
    { allow: owner, operations: [read] }
  ])
}"#;
    let said =
        |allowed, summary: &str, lines: &[usize]| (allowed, summary.to_owned(), lines.to_vec());
    assert_eq!(
        updating(text, json!({"title": "t"})),
        said(true, "this record", &[2])
    );
    assert_eq!(
        updating(text, json!({"title": "t", "salary": 1})),
        said(false, "not the fields salary", &[8, 9])
    );
    let erased = updating(text, json!({"title": null}));
    assert_eq!(erased, said(false, "not the fields title", &[2, 3]));
}

fn lines(explanation: &Explanation) -> Vec<(usize, bool, &str)> {
    let reasons = explanation.reasons.iter();
    reasons
        .map(|reason| {
            (
                reason.span.map_or(0, |span| span.line),
                reason.applies,
                reason.text.as_str(),
            )
        })
        .collect()
}

#[test]
fn every_rule_says_whether_it_applies_and_where_it_stands() {
    let explanation = explained(ModelOperation::Get, Some(json!({"owner": "sB::bob"})));
    assert!(!explanation.allowed);
    assert_eq!(
        lines(&explanation),
        [
            (
                2,
                false,
                "owner is \"sB::bob\", which names none of: sA::alice, sA, alice"
            ),
            (3, false, "the claim cognito:groups lists none of: Admin"),
            (
                4,
                false,
                "it is for an API key, and the caller comes with a token of a user pool"
            ),
        ]
    );
}

#[test]
fn the_rule_that_decided_is_named() {
    let explanation = explained(ModelOperation::Update, Some(json!({"owner": "alice"})));
    assert!(explanation.allowed);
    assert_eq!(
        lines(&explanation)[..2],
        [
            (
                2,
                true,
                "owner is \"alice\", which names one of: sA::alice, sA, alice"
            ),
            (3, false, "it does not speak of update"),
        ]
    );
    let any = explained(ModelOperation::List, None);
    assert_eq!(any.summary, "the records that name the caller");
}
