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
    /// Whether it is what decided: it let the caller in before another one was asked, or it is a rule of a field that is
    /// refused. Where no rule lets the caller in, none did.
    pub decides: bool,
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
    /// What a create or an update sends. A create is asked about the record if this is not told.
    pub input: Option<&'a Fields>,
}

impl<'a> Question<'a> {
    /// What rules compare with: the stored record, or what is to be created.
    fn subject(self) -> Option<&'a Fields> {
        match self.operation {
            ModelOperation::Create => self.input.or(self.record),
            _ => self.record,
        }
    }

    /// The fields that are written.
    fn written(self) -> impl Iterator<Item = (&'a String, &'a Value)> {
        let input = match self.operation {
            ModelOperation::Create => self.subject(),
            ModelOperation::Update => self.input,
            _ => None,
        };
        input.into_iter().flatten()
    }

    /// The field of the model whose own rules decide about a field; `None` where the model's do.
    fn ruled_by(self, field: &str) -> Option<&str> {
        let known = self.model.fields.get(field);
        known
            .is_some_and(|known| known.auth.is_some())
            .then_some(field)
    }
}

/// What is decided.
enum Verdict {
    Allowed,
    Refused,
    /// Because of these fields.
    Fields(Vec<String>),
}

/// Explains what the rules of a schema decide.
#[must_use]
pub fn explain(schema: &Schema, rules: &Rules, question: Question<'_>) -> Explanation {
    let (verdict, summary) = verdict(rules, question);
    let mut reasons = beside_rules(schema, rules, question);
    let first_rule = reasons.len();
    let Question { model, .. } = question;
    let of_model = model.auth.iter().map(|rule| (rule, None));
    let of_fields = model.fields.values().flat_map(|field| {
        let own = field.auth.iter().flatten();
        own.map(|rule| (rule, Some(field.name.as_str())))
    });
    let mut ranks = vec![0; first_rule];
    for (rule, field) in of_model.chain(of_fields) {
        ranks.push(rank(rule));
        reasons.push(reason(rules, question, rule, field));
    }
    for index in deciding(question, &verdict, &reasons, &ranks) {
        reasons[index].decides = true;
    }
    Explanation {
        allowed: matches!(verdict, Verdict::Allowed),
        summary,
        reasons,
    }
}

/// What no rule says.
fn beside_rules(schema: &Schema, rules: &Rules, question: Question<'_>) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let mut add = |span, applies, text: &str| {
        reasons.push(Reason {
            span,
            field: None,
            applies,
            decides: false,
            text: text.to_owned(),
        });
    };
    if rules.exempts(question.identity) {
        add(
            None,
            true,
            "the configuration lets this signer pass every rule",
        );
    }
    if !super::rules::has_rules(question.model) {
        let open = schema.sandbox && question.identity.mode() == AuthMode::ApiKey;
        let text = match open {
            true => "the model has no rules, and the sandbox opens those to API keys",
            false => "the model has no rules, so it is closed",
        };
        add(Some(question.model.span), open, text);
    }
    reasons
}

/// When a rule is asked: static ones before owners, and those before groups that records name (`auth` 3.2).
fn rank(rule: &AuthRule) -> u8 {
    match rule.allow {
        Allow::Private => 1,
        Allow::Public | Allow::Custom | Allow::Groups { .. } => 2,
        Allow::Owner { .. } => 3,
        Allow::GroupsField { .. } => 4,
    }
}

/// The reasons that decide.
fn deciding(
    question: Question<'_>,
    verdict: &Verdict,
    reasons: &[Reason],
    ranks: &[u8],
) -> Vec<usize> {
    let of = |field: Option<&str>| -> Vec<usize> {
        let places = 0..reasons.len();
        places
            .filter(|place| reasons[*place].field.as_deref() == field)
            .collect()
    };
    let first = |places: Vec<usize>| {
        let applying = places.into_iter().filter(|place| reasons[*place].applies);
        applying.min_by_key(|place| ranks[*place])
    };
    match verdict {
        Verdict::Refused => Vec::new(),
        Verdict::Fields(fields) => fields
            .iter()
            .flat_map(|field| of(question.ruled_by(field)))
            .collect(),
        Verdict::Allowed => {
            let written = question.written();
            let mut found: Vec<usize> = written
                .filter_map(|(field, _)| first(of(question.ruled_by(field))))
                .collect();
            if found.is_empty() {
                let any = || first((0..reasons.len()).collect());
                found.extend(first(of(None)).or_else(any));
            }
            found
        }
    }
}

/// What is decided, by the functions that decide requests.
fn verdict(rules: &Rules, question: Question<'_>) -> (Verdict, String) {
    let Question {
        model,
        operation,
        identity,
        record,
        ..
    } = question;
    let said = |verdict, text: &str| (verdict, text.to_owned());
    let found = |access: Access| match (&access, record) {
        (Access::Allow, _) => said(Verdict::Allowed, "every record"),
        (Access::Deny, _) => said(Verdict::Refused, "no record"),
        (Access::Rows(_), None) => said(Verdict::Allowed, "the records that name the caller"),
        (Access::Rows(_), Some(fields)) => match access.includes(&stored(fields)) {
            true => said(Verdict::Allowed, "this record, which names the caller"),
            false => said(
                Verdict::Refused,
                "not this record, which does not name the caller",
            ),
        },
    };
    let written = |verdict: Result<(), Refused>| match verdict {
        Ok(()) => said(Verdict::Allowed, "this record"),
        Err(Refused::Operation) => said(Verdict::Refused, "not this record"),
        Err(Refused::Fields(fields)) => {
            let text = format!("not the fields {}", fields.join(", "));
            (Verdict::Fields(fields), text)
        }
    };
    let nothing = Fields::new();
    match operation {
        ModelOperation::Create => {
            let input = question.subject().unwrap_or(&nothing);
            written(rules.create(model, identity, input).map(|_| ()))
        }
        ModelOperation::Update | ModelOperation::Delete if record.is_none() => {
            match rules.hopes(&model.name, operation, identity) {
                true => said(Verdict::Allowed, "some records"),
                false => said(Verdict::Refused, "no record"),
            }
        }
        ModelOperation::Update => {
            let input = question.input.unwrap_or(&nothing);
            written(rules.update(model, identity, input, record))
        }
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
    let (applies, text) = judged(rules, question, rule, field);
    Reason {
        span: Some(rule.span),
        field: field.map(str::to_owned),
        applies,
        decides: false,
        text,
    }
}

/// Whether one rule, the model's or a field's, lets the caller in, and why or why not.
fn judged(
    rules: &Rules,
    question: Question<'_>,
    rule: &AuthRule,
    field: Option<&str>,
) -> (bool, String) {
    let (model, identity) = (question.model, question.identity);
    let (operation, record) = (question.operation, question.subject());
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
    if operation == ModelOperation::Update && !rule.operations.contains(&ModelOperation::Delete) {
        let erased = question
            .written()
            .filter(|(name, value)| value.is_null() && question.ruled_by(name) == field);
        let erased: Vec<&str> = erased.map(|(name, _)| name.as_str()).collect();
        if !erased.is_empty() {
            let erased = erased.join(", ");
            let text = format!("to erase {erased} is to delete it, of which it does not speak");
            return (false, text);
        }
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
mod tests;
