//! One rule: who, proven how, may do what.

use super::super::{Parameter, Shape};
use crate::identity::AuthMode;
use crate::schema::Options;
use crate::schema::diagnostic::Problems;
use crate::schema::document::Value;
use crate::schema::model::{Allow, AuthRule, ModelOperation};

/// What a rule takes.
pub(super) const RULE: &[Parameter] = &[
    Parameter::required("allow", Shape::Word(ALLOW)),
    Parameter::optional("provider", Shape::Word(PROVIDERS)),
    Parameter::optional("ownerField", Shape::Text),
    Parameter::optional("identityClaim", Shape::Text),
    Parameter::optional("groups", Shape::Texts),
    Parameter::optional("groupsField", Shape::Text),
    Parameter::optional("groupClaim", Shape::Text),
    Parameter::optional("operations", Shape::Words(OPERATIONS)),
];

const ALLOW: &[&str] = &["public", "owner", "groups", "private", "custom"];

const PROVIDERS: &[&str] = &[
    "apiKey",
    "userPools",
    "oidc",
    "iam",
    "identityPool",
    "function",
];

const OPERATIONS: &[&str] = &[
    "create", "update", "delete", "read", "get", "list", "sync", "listen", "search",
];

/// What `read` stands for, and may not stand beside.
const READ: [ModelOperation; 5] = [
    ModelOperation::Get,
    ModelOperation::List,
    ModelOperation::Search,
    ModelOperation::Listen,
    ModelOperation::Sync,
];

/// The claim owner rules compare unless they name one.
const OWNER_CLAIM: &str = "sub::username";
/// The same without subjects, as older projects have it.
const USERNAME_CLAIM: &str = "username";
const OWNER_FIELD: &str = "owner";
const GROUP_CLAIM: &str = "cognito:groups";

/// What a rule stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    /// A `@model` type.
    Model,
    /// A field of one.
    ModelField,
    /// A field of `Query`, `Mutation` or `Subscription`.
    Operation,
    /// A field of another type.
    TypeField,
}

/// A rule, if it makes sense.
pub(super) fn read(
    rule: &Value,
    on: On,
    options: &Options,
    problems: &mut Problems,
) -> Option<AuthRule> {
    let word = rule.get("allow").and_then(Value::word)?;
    if !ALLOW.contains(&word) {
        return None;
    }
    let provider = provider(rule, word, options, problems);
    let allow = allow(rule, word, options, problems);
    let operations = operations(rule, on, problems);
    Some(AuthRule {
        provider: provider?,
        allow: allow?,
        operations: operations?,
        span: rule.span,
    })
}

/// The way to prove who one is: given, or the one that goes with the kind of rule.
fn provider(
    rule: &Value,
    allow: &str,
    options: &Options,
    problems: &mut Problems,
) -> Option<AuthMode> {
    let possible: &[&str] = match allow {
        "owner" | "groups" => &["userPools", "oidc"],
        "private" => &["userPools", "oidc", "identityPool", "iam"],
        "public" => &["apiKey", "identityPool", "iam"],
        "custom" => &["function"],
        _ => return None,
    };
    let given = rule.get("provider").filter(|value| !value.is_null());
    let name = match given {
        Some(value) => value.word().filter(|name| PROVIDERS.contains(name))?,
        None => possible[0],
    };
    if !possible.contains(&name) {
        let alternatives: Vec<String> = possible.iter().map(|name| format!("`{name}`")).collect();
        problems.error(
            "auth-provider",
            given.map_or(rule.span, |value| value.span),
            format!("A rule with `allow: {allow}` cannot have `provider: {name}`."),
            format!("Use {}.", alternatives.join(" or ")),
        );
        return None;
    }
    let mode = mode(name)?;
    if !options.modes.is_empty() && !options.modes.contains(&mode) {
        problems.error(
            "auth-mode-missing",
            given.map_or(rule.span, |value| value.span),
            format!(
                "This rule needs {}, which are not configured.",
                credentials(mode)
            ),
            format!("Configure the mode `{}`, or remove the rule.", mode.name()),
        );
    }
    Some(mode)
}

fn mode(provider: &str) -> Option<AuthMode> {
    Some(match provider {
        "apiKey" => AuthMode::ApiKey,
        "userPools" => AuthMode::UserPool,
        "oidc" => AuthMode::Oidc,
        "iam" | "identityPool" => AuthMode::Iam,
        "function" => AuthMode::Lambda,
        _ => return None,
    })
}

fn credentials(mode: AuthMode) -> &'static str {
    match mode {
        AuthMode::ApiKey => "API keys",
        AuthMode::UserPool => "tokens of a user pool",
        AuthMode::Oidc => "tokens of an OpenID Connect issuer",
        AuthMode::Iam => "signed requests",
        AuthMode::Lambda => "tokens for an authorizer function",
    }
}

/// Arguments that change nothing for a kind of rule.
fn stray(allow: &str) -> &'static [&'static str] {
    match allow {
        "owner" => &["groupsField"],
        "groups" => &["ownerField"],
        _ => &["ownerField", "identityClaim", "groupsField", "groupClaim"],
    }
}

fn allow(rule: &Value, word: &str, options: &Options, problems: &mut Problems) -> Option<Allow> {
    let given = |name: &str| rule.get(name).filter(|value| !value.is_null());
    for name in stray(word) {
        if let Some(value) = given(name) {
            problems.warning(
                "auth-stray-argument",
                value.span,
                format!("`{name}` means nothing in a rule with `allow: {word}`."),
                "Remove it.",
            );
        }
    }
    let mut fine = true;
    let mut refuse = |name: &str, meant: &str| {
        if let Some(value) = given(name) {
            problems.error(
                "auth-stray-argument",
                value.span,
                format!("`{name}` cannot stand in a rule with `allow: {word}`."),
                format!("Remove it, or write `allow: {meant}`."),
            );
            fine = false;
        }
    };
    match word {
        "groups" => refuse("identityClaim", "owner"),
        "owner" => {
            refuse("groupClaim", "groups");
            refuse("groups", "groups");
        }
        _ => refuse("groups", "groups"),
    }
    let text = |name: &str| {
        let text = rule.get(name).and_then(Value::text);
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let made = match word {
        "public" => Allow::Public,
        "private" => Allow::Private,
        "custom" => Allow::Custom,
        "owner" => {
            let claim = if options.username_claim {
                USERNAME_CLAIM
            } else {
                OWNER_CLAIM
            };
            Allow::Owner {
                field: text("ownerField").unwrap_or_else(|| OWNER_FIELD.to_owned()),
                claim: text("identityClaim").unwrap_or_else(|| claim.to_owned()),
            }
        }
        _ => groups(rule, text, problems)?,
    };
    fine.then_some(made)
}

fn groups(
    rule: &Value,
    text: impl Fn(&str) -> Option<String>,
    problems: &mut Problems,
) -> Option<Allow> {
    let claim = text("groupClaim").unwrap_or_else(|| GROUP_CLAIM.to_owned());
    let listed = rule.get("groups").and_then(Value::texts);
    let (message, help) = match (listed, text("groupsField")) {
        (None, Some(field)) => return Some(Allow::GroupsField { field, claim }),
        (Some(listed), None) if !listed.is_empty() => {
            let mut groups: Vec<String> = Vec::new();
            for (group, _) in listed {
                if !groups.iter().any(|known| known == group) {
                    groups.push(group.to_owned());
                }
            }
            return Some(Allow::Groups { groups, claim });
        }
        (Some(_), None) => (
            "This rule names no group.",
            "Write the groups: `groups: [\"Admin\"]`.",
        ),
        (Some(_), Some(_)) => (
            "This rule has both `groups` and `groupsField`.",
            "Make two rules of it, one with each.",
        ),
        (None, None) => (
            "This rule does not say which groups.",
            "Add `groups: [\"Admin\"]`, or `groupsField` with the name of a field that lists them.",
        ),
    };
    problems.error("auth-groups", rule.span, message, help);
    None
}

/// What the callers may do; everything unless the rule says otherwise.
fn operations(rule: &Value, on: On, problems: &mut Problems) -> Option<Vec<ModelOperation>> {
    let Some(given) = rule.get("operations").and_then(Value::items) else {
        let all = OPERATIONS.iter().flat_map(|word| operation(word));
        return Some(all.fold(Vec::new(), add));
    };
    if let (On::Operation | On::TypeField, [first, ..]) = (on, given) {
        problems.error(
            "auth-operations",
            first.span,
            "Rules here cannot have `operations`: there is only one thing to do with the field.",
            "Remove `operations`.",
        );
        return None;
    }
    let words: Vec<&str> = given.iter().filter_map(Value::word).collect();
    let mut reads = given.iter().filter(|value| value.word() == Some("read"));
    if let (Some(_), Some(again)) = (reads.next(), reads.next()) {
        problems.error(
            "auth-read-twice",
            again.span,
            "`read` is there already.",
            "Keep one of the two.",
        );
        return None;
    }
    let part_of_read = given.iter().find(|value| {
        let word = value.word().unwrap_or_default();
        word != "read" && operation(word).iter().any(|one| READ.contains(one))
    });
    if let Some(part) = part_of_read {
        let word = part.word().unwrap_or_default();
        if on == On::ModelField {
            problems.error(
                "auth-field-operation",
                part.span,
                format!("`{word}` cannot be allowed for a single field."),
                "Use create, read, update and delete.",
            );
            return None;
        }
        if words.contains(&"read") {
            problems.error(
                "auth-read-twice",
                part.span,
                format!("`read` contains `{word}` already."),
                "Keep `read`, or list the operations it stands for.",
            );
            return None;
        }
    }
    Some(words.into_iter().flat_map(operation).fold(Vec::new(), add))
}

fn add(mut operations: Vec<ModelOperation>, operation: ModelOperation) -> Vec<ModelOperation> {
    if !operations.contains(&operation) {
        operations.push(operation);
    }
    operations
}

/// What a word of `operations` stands for.
fn operation(word: &str) -> Vec<ModelOperation> {
    match word {
        "create" => vec![ModelOperation::Create],
        "update" => vec![ModelOperation::Update],
        "delete" => vec![ModelOperation::Delete],
        "get" => vec![ModelOperation::Get],
        "list" => vec![ModelOperation::List],
        "sync" => vec![ModelOperation::Sync],
        "listen" => vec![ModelOperation::Listen],
        "search" => vec![ModelOperation::Search],
        "read" => READ.to_vec(),
        _ => Vec::new(),
    }
}

/// The rules of both sides of a join model; of two for the same callers the second side's holds, as in the original.
pub(crate) fn merged(one: &[AuthRule], other: &[AuthRule]) -> Vec<AuthRule> {
    let mut rules: Vec<AuthRule> = one
        .iter()
        .filter_map(|rule| other.iter().try_fold(rule.clone(), without))
        .collect();
    rules.extend(other.iter().cloned());
    rules
}

/// A rule without the callers another one speaks of, if any are left.
fn without(mut rule: AuthRule, other: &AuthRule) -> Option<AuthRule> {
    if let Allow::Groups { groups, claim } = &mut rule.allow
        && let Allow::Groups {
            groups: theirs,
            claim: their_claim,
        } = &other.allow
        && rule.provider == other.provider
        && claim == their_claim
    {
        groups.retain(|group| !theirs.contains(group));
        return (!groups.is_empty()).then_some(rule);
    }
    (!rule.same_role(other)).then_some(rule)
}
