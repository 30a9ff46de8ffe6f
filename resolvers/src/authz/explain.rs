//! Why a caller may or may not do something: every rule of the model, in the order of the schema, with what it comes to.

use serde_json::Value;

use super::role::{Named, Role, Standing};
use super::{Access, Reading, Refused, Rules};
use crate::api::outcome::Arguments;
use crate::identity::{AuthMode, Identity};
use crate::schema::model::{Allow, AuthRule, Model, ModelOperation};
use crate::schema::{Schema, Span, roles};
use crate::{Fields, Record, Timestamp, Version};

/// A decision and its reasons.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Whether the caller may.
    pub allowed: bool,
    /// The decision in a sentence.
    pub summary: String,
    /// What each rule comes to, in the order of the schema.
    pub reasons: Vec<Reason>,
}

/// What one rule comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Where the rule stands; `None` for what no rule says.
    pub span: Option<Span>,
    /// The field whose rule it is; `None` for a rule of the model.
    pub field: Option<String>,
    /// Whether it lets the caller in.
    pub applies: bool,
    /// Why, or why not.
    pub text: String,
}

/// What somebody wants to know about.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The model.
    pub model: &'a Model,
    /// What the caller wants to do to its records.
    pub operation: ModelOperation,
    /// Who it is.
    pub identity: &'a Identity,
    /// The record: what is stored, or for a create the input. Without one it is about any record.
    pub record: Option<&'a Fields>,
}

/// Explains what the rules of a schema decide.
#[must_use]
pub fn explain(schema: &Schema, rules: &Rules, question: Question<'_>) -> Explanation {
    let (allowed, summary) = verdict(rules, question);
    let mut reasons = Vec::new();
    if rules.exempts(question.identity) {
        reasons.push(Reason {
            span: None,
            field: None,
            applies: true,
            text: "the configuration lets this signer pass every rule".to_owned(),
        });
    }
    let Question { model, .. } = question;
    if !super::rules::has_rules(model) {
        let open = schema.sandbox && question.identity.mode() == AuthMode::ApiKey;
        let text = if open {
            "the model has no rules, and the sandbox opens those to API keys"
        } else {
            "the model has no rules, so it is closed"
        };
        reasons.push(Reason {
            span: Some(model.span),
            field: None,
            applies: open,
            text: text.to_owned(),
        });
    }
    reasons.extend(
        model
            .auth
            .iter()
            .map(|rule| reason(rules, question, rule, None)),
    );
    for field in model.fields.values() {
        let own = field.auth.iter().flatten();
        reasons.extend(own.map(|rule| reason(rules, question, rule, Some(&field.name))));
    }
    Explanation {
        allowed,
        summary,
        reasons,
    }
}

/// What is decided, by the functions that decide requests.
fn verdict(rules: &Rules, question: Question<'_>) -> (bool, String) {
    let Question {
        model,
        operation,
        identity,
        record,
    } = question;
    let found = |access: Access| match (&access, record) {
        (Access::Allow, _) => (true, "every record".to_owned()),
        (Access::Deny, _) => (false, "no record".to_owned()),
        (Access::Rows(_), None) => (true, "the records that name the caller".to_owned()),
        (Access::Rows(_), Some(fields)) => match access.includes(&stored(fields)) {
            true => (true, "this record, which names the caller".to_owned()),
            false => (
                false,
                "not this record, which does not name the caller".to_owned(),
            ),
        },
    };
    let written = |verdict: Result<(), Refused>| match verdict {
        Ok(()) => (true, "this record".to_owned()),
        Err(Refused::Operation) => (false, "not this record".to_owned()),
        Err(Refused::Fields(fields)) => (false, format!("not the fields {}", fields.join(", "))),
    };
    let nothing = Fields::new();
    match operation {
        ModelOperation::Create => {
            let input = record.unwrap_or(&nothing);
            written(rules.create(model, identity, input).map(|_| ()))
        }
        ModelOperation::Update | ModelOperation::Delete if record.is_none() => {
            match rules.hopes(&model.name, operation, identity) {
                true => (true, "some records".to_owned()),
                false => (false, "no record".to_owned()),
            }
        }
        ModelOperation::Update => written(rules.update(model, identity, &nothing, record)),
        ModelOperation::Delete => written(rules.delete(model, identity, record)),
        ModelOperation::Listen => found(rules.listen(&model.name, identity, &Arguments::new())),
        reading => found(rules.read(&model.name, Reading::Operation(reading, &[]), identity)),
    }
}

fn stored(fields: &Fields) -> Record {
    Record {
        fields: fields.clone(),
        version: Version::FIRST,
        last_changed_at: Timestamp(0),
        deleted: false,
    }
}

fn reason(rules: &Rules, question: Question<'_>, rule: &AuthRule, field: Option<&str>) -> Reason {
    let (applies, text) = judged(rules, question, rule);
    Reason {
        span: Some(rule.span),
        field: field.map(str::to_owned),
        applies,
        text,
    }
}

/// Whether one rule lets the caller in, and why or why not.
fn judged(rules: &Rules, question: Question<'_>, rule: &AuthRule) -> (bool, String) {
    let Question {
        model,
        operation,
        identity,
        record,
    } = question;
    if !rule.operations.contains(&operation) {
        let word = format!("{operation:?}").to_lowercase();
        return (false, format!("it does not speak of {word}"));
    }
    if rule.provider != identity.mode() {
        let (wanted, given) = (mode(rule.provider), mode(identity.mode()));
        return (
            false,
            format!("it is for {wanted}, and the caller comes with {given}"),
        );
    }
    let made: Vec<Role> = roles::of_rule(rule)
        .iter()
        .map(|role| Role::of(model, role))
        .collect();
    let standings = made
        .iter()
        .map(|role| role.standing(identity, &rules.settings));
    let mut text = String::new();
    for standing in standings {
        let (applies, said) = standing_of(&standing, record, operation, rule);
        if applies {
            return (true, said);
        }
        text = said;
    }
    (false, text)
}

fn standing_of(
    standing: &Standing<'_>,
    record: Option<&Fields>,
    operation: ModelOperation,
    rule: &AuthRule,
) -> (bool, String) {
    match standing {
        Standing::Inside => (true, "it speaks of this caller".to_owned()),
        Standing::Outside => (false, outside(rule)),
        Standing::Owner(named, identities) => {
            let known: Vec<&str> = identities.all().collect();
            if identities.whole.is_none() {
                return (
                    false,
                    format!("the token lacks a part of the claim {}", named.claim),
                );
            }
            names(standing, named, record, operation, &known)
        }
        Standing::Groups(named, groups) => {
            let known: Vec<&str> = groups.iter().map(String::as_str).collect();
            names(standing, named, record, operation, &known)
        }
    }
}

/// Whether a record names one of these, or may.
fn names(
    standing: &Standing<'_>,
    named: &Named,
    record: Option<&Fields>,
    operation: ModelOperation,
    known: &[&str],
) -> (bool, String) {
    let known = known.join(", ");
    let field = &named.field;
    let Some(record) = record else {
        return (
            true,
            format!("on records whose {field} names one of: {known}"),
        );
    };
    let value = record.get(field).unwrap_or(&Value::Null);
    let fills = operation == ModelOperation::Create
        && matches!(standing, Standing::Owner(..))
        && !record.contains_key(field);
    if fills {
        (
            true,
            format!("{field} is not given, so the caller becomes the owner"),
        )
    } else if standing.holds_on(record) {
        (
            true,
            format!("{field} is {value}, which names one of: {known}"),
        )
    } else {
        (
            false,
            format!("{field} is {value}, which names none of: {known}"),
        )
    }
}

fn outside(rule: &AuthRule) -> String {
    match &rule.allow {
        Allow::Groups { groups, claim } => {
            format!("the claim {claim} lists none of: {}", groups.join(", "))
        }
        Allow::GroupsField { claim, .. } => format!("the claim {claim} lists no group"),
        Allow::Public => "the signer is no guest of an identity pool".to_owned(),
        Allow::Private => "the signer is no signed-in user of an identity pool".to_owned(),
        Allow::Custom | Allow::Owner { .. } => "it does not speak of this caller".to_owned(),
    }
}

fn mode(mode: AuthMode) -> &'static str {
    match mode {
        AuthMode::ApiKey => "an API key",
        AuthMode::UserPool => "a token of a user pool",
        AuthMode::Oidc => "a token of another issuer",
        AuthMode::Iam => "a signature",
        AuthMode::Lambda => "what the authorizer function accepts",
    }
}

#[cfg(test)]
mod tests {
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
        };
        explain(&schema, &rules, question)
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
}
