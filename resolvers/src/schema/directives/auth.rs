//! `@auth(rules: […])`: who may do what. Served so far: `{ allow: public }` with API keys, and the sandbox's global rule.

use super::{Directive, Parameter, Shape, Site};
use crate::identity::AuthMode;
use crate::schema::diagnostic::Problems;
use crate::schema::document::{Document, TypeNode, Value};
use crate::schema::model::{Allow, AuthRule, Model, ModelOperation};

/// See the module.
pub(crate) const AUTH: Directive = Directive {
    name: "auth",
    site: Site::Type,
    repeatable: false,
    parameters: &[Parameter::required("rules", Shape::Objects(RULE))],
};

/// A rule.
const RULE: &[Parameter] = &[
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

/// Gives the model its rules.
pub(crate) fn apply(node: &TypeNode, sandbox: bool, model: &mut Model, problems: &mut Problems) {
    let Some(applied) = node.directive(AUTH.name) else {
        if !sandbox {
            problems.warning(
                "auth-missing",
                node.span,
                format!("Nobody may use `{}`: it has no rules.", node.name),
                "Add `@auth(rules: [{ allow: public }])`.",
            );
        }
        return;
    };
    let Some(rules) = applied.argument("rules").and_then(Value::items) else {
        return;
    };
    if rules.is_empty() {
        problems.error(
            "auth-empty",
            applied.span,
            format!("`@auth` of `{}` has no rules.", node.name),
            "Write `rules: [{ allow: public }]`, or remove `@auth`.",
        );
    }
    for rule in rules {
        if let Some(rule) = read(rule, problems) {
            if model.auth.iter().any(|other| other.same_role(&rule)) {
                problems.error(
                    "auth-repeated",
                    rule.span,
                    format!("`{}` has a rule for the same callers already.", node.name),
                    "Merge the two into one rule, with the operations of both.",
                );
            } else {
                model.auth.push(rule);
            }
        }
    }
}

/// A rule, if it is one that is served.
fn read(rule: &Value, problems: &mut Problems) -> Option<AuthRule> {
    let allow = rule.get("allow").and_then(Value::word)?;
    let provider = rule.get("provider").and_then(Value::word);
    if !ALLOW.contains(&allow) || provider.is_some_and(|name| !PROVIDERS.contains(&name)) {
        return None;
    }
    if allow != "public" || !matches!(provider, None | Some("apiKey")) {
        let provider = provider.map_or_else(String::new, |name| format!(", provider: {name}"));
        problems.error(
            "auth-unsupported",
            rule.span,
            format!("Rules of the kind `{{ allow: {allow}{provider} }}` are not served yet."),
            "Use `{ allow: public }`, which lets in everyone who holds an API key.",
        );
        return None;
    }
    for word in [
        "ownerField",
        "identityClaim",
        "groups",
        "groupsField",
        "groupClaim",
    ] {
        if let Some(value) = rule.get(word) {
            problems.error(
                "auth-stray-argument",
                value.span,
                format!("`{word}` means nothing in a rule with `allow: public`."),
                "Remove it.",
            );
        }
    }
    Some(AuthRule {
        allow: Allow::Public,
        provider: AuthMode::ApiKey,
        operations: operations(rule, problems),
        span: rule.span,
    })
}

fn operations(rule: &Value, problems: &mut Problems) -> Vec<ModelOperation> {
    let Some(given) = rule.get("operations").and_then(Value::items) else {
        return OPERATIONS
            .iter()
            .flat_map(|word| operation(word))
            .fold(Vec::new(), add);
    };
    let words: Vec<&str> = given.iter().filter_map(Value::word).collect();
    if words.contains(&"read") {
        let extra = given.iter().find(|value| {
            let word = value.word().unwrap_or_default();
            word != "read"
                && operation(word)
                    .iter()
                    .any(|operation| READ.contains(operation))
        });
        if let Some(extra) = extra {
            problems.error(
                "auth-read-twice",
                extra.span,
                format!(
                    "`read` contains `{}` already.",
                    extra.word().unwrap_or_default()
                ),
                "Keep `read`, or list the operations it stands for.",
            );
        }
    }
    words.into_iter().flat_map(operation).fold(Vec::new(), add)
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

/// The rules of both sides of a join model, a rule of both merged.
pub(crate) fn merged(one: &[AuthRule], other: &[AuthRule]) -> Vec<AuthRule> {
    let mut rules = one.to_vec();
    for rule in other {
        match rules.iter_mut().find(|known| known.same_role(rule)) {
            Some(known) => {
                let operations = std::mem::take(&mut known.operations);
                known.operations = rule.operations.iter().copied().fold(operations, add);
            }
            None => rules.push(rule.clone()),
        }
    }
    rules
}

/// The input that opens models without rules to every API key, as Gen 1 writes it.
const SANDBOX: &str = "AMPLIFY";

/// Takes `input AMPLIFY { globalAuthRule: AuthRule = { allow: public } }` out of the document.
pub(crate) fn take_sandbox(document: &mut Document, problems: &mut Problems) {
    let Some(input) = document.inputs.shift_remove(SANDBOX) else {
        return;
    };
    let rule = input
        .field("globalAuthRule")
        .filter(|_| input.fields.len() == 1)
        .and_then(|field| field.default.as_ref())
        .and_then(|rule| rule.get("allow"));
    // Also if the rule is wrong: then that is said once, not for every model.
    document.sandbox = true;
    if rule.and_then(Value::word) != Some("public") {
        problems.error(
            "sandbox-rule",
            input.span,
            "The only global rule there is lets in everyone who holds an API key.",
            "Write `input AMPLIFY { globalAuthRule: AuthRule = { allow: public } }`, or remove it.",
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::schema::load;
    use crate::schema::model::ModelOperation::{Create, Get, List, Listen, Search, Sync};
    use crate::schema::testing::{codes, model, warnings};

    #[test]
    fn a_public_rule_grants_everything_unless_it_lists_operations() {
        let operations = |rule: &str| {
            let text = format!("type A @model @auth(rules: [{rule}]) {{ id: ID! }}");
            model(&text, "A").auth.remove(0).operations
        };
        assert_eq!(operations("{allow: public}").len(), 8);
        assert_eq!(
            operations("{allow: public, provider: apiKey, operations: [create, read]}"),
            [Create, Get, List, Search, Listen, Sync]
        );
        assert_eq!(operations("{allow: public, operations: []}"), []);
    }

    #[test]
    fn a_model_without_rules_is_closed_unless_the_sandbox_is_on() {
        let text = "type A @model { id: ID! }";
        assert_eq!(warnings(text), ["auth-missing"]);
        let open =
            format!("{text} input AMPLIFY {{ globalAuthRule: AuthRule = {{ allow: public }} }}");
        assert_eq!(warnings(&open), [""; 0]);
        let schema = load(&open).expect("the sandbox is served").schema;
        assert!(schema.sandbox);
        assert!(schema.inputs.is_empty());
    }

    #[test]
    fn rules_that_are_not_served_are_refused_each_at_its_place() {
        let text = "type A @model @auth(rules: [{allow: public}, {allow: owner},\n {allow: private, provider: iam}]) { id: ID! }";
        let found = load(text).expect_err("owner rules are not served");
        let places: Vec<_> = found
            .iter()
            .map(|p| (p.code, p.span.line, p.span.column))
            .collect();
        assert_eq!(
            places,
            [("auth-unsupported", 1, 46), ("auth-unsupported", 2, 2)]
        );
    }

    #[test]
    fn rules_that_make_no_sense_are_refused() {
        for (rules, code) in [
            ("rules: []", "auth-empty"),
            ("rules: null", "wrong-argument"),
            ("", "missing-argument"),
            ("rules: [{allow: everyone}]", "unknown-word"),
            (
                "rules: [{allow: public, operations: [write]}]",
                "unknown-word",
            ),
            (
                "rules: [{allow: public, operations: [read, sync]}]",
                "auth-read-twice",
            ),
            ("rules: [{allow: public}, {allow: public}]", "auth-repeated"),
            (
                "rules: [{allow: public, ownerField: \"o\"}]",
                "auth-stray-argument",
            ),
        ] {
            let parentheses = if rules.is_empty() {
                String::new()
            } else {
                format!("({rules})")
            };
            let text = format!("type A @model @auth{parentheses} {{ id: ID! }}");
            assert_eq!(codes(&text), [code], "{rules}");
        }
        assert_eq!(
            codes("type A @auth(rules: [{allow: public}]) { b: Int }"),
            ["auth-without-model"]
        );
        assert_eq!(
            codes(
                "input AMPLIFY { globalAuthRule: AuthRule = { allow: owner } } type A { b: Int }"
            ),
            ["sandbox-rule"]
        );
    }
}
