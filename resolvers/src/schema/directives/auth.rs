//! `@auth(rules: […])`: who may do what with a model, and with single fields of it (`transformer` 8.1).

mod rule;

use super::model::subscription_level;
use super::{Directive, Parameter, Shape, Site};
use crate::identity::AuthMode;
use crate::schema::Options;
use crate::schema::diagnostic::{Problems, Span};
use crate::schema::document::{Applied, Document, FieldNode, TypeNode, Value};
use crate::schema::draft::Draft;
use crate::schema::model::{Allow, AuthRule, Base, Field, FieldType, Model, Origin, Scalar};
use crate::schema::roles;
use crate::schema::source::is_name;
pub(crate) use rule::merged;

/// See the module.
pub(crate) const AUTH: Directive = Directive {
    name: "auth",
    sites: &[
        Site::Model,
        Site::ModelField,
        Site::TypeField,
        Site::RootField,
    ],
    repeatable: false,
    parameters: &[Parameter::required("rules", Shape::Objects(rule::RULE))],
};

/// What the rules of a schema are read under.
pub(crate) struct Rules<'a> {
    /// The configuration.
    pub(crate) options: &'a Options,
    /// Whether models without rules are open.
    pub(crate) sandbox: bool,
}

/// Gives the model and its fields their rules.
pub(crate) fn apply(
    node: &TypeNode,
    rules: &Rules<'_>,
    model: &mut Model,
    problems: &mut Problems,
) {
    let on_fields = node
        .fields
        .iter()
        .any(|field| field.directive(AUTH.name).is_some());
    match node.directive(AUTH.name) {
        Some(applied) => type_rules(applied, rules, model, problems),
        None if !on_fields && !rules.sandbox => problems.warning(
            "auth-missing",
            node.span,
            format!("Nobody may use `{}`: it has no rules.", node.name),
            "Add `@auth(rules: [{ allow: public }])`.",
        ),
        None => {}
    }
    for field in &node.fields {
        if let Some(applied) = field.directive(AUTH.name)
            && let Some(found) = field_rules(
                (node, field),
                rule::On::ModelField,
                applied,
                rules,
                problems,
            )
            && let Some(field) = model.fields.get_mut(&field.name)
        {
            field.auth = Some(found);
        }
    }
    sort_key_of_owner(model, problems);
}

fn type_rules(applied: &Applied, rules: &Rules<'_>, model: &mut Model, problems: &mut Problems) {
    for value in given(applied, &model.name, problems) {
        let Some(rule) = rule::read(value, rule::On::Model, rules.options, problems) else {
            continue;
        };
        if roles::overlap(&model.auth, &rule) {
            problems.error(
                "auth-repeated",
                rule.span,
                format!("`{}` has a rule for the same callers already.", model.name),
                "Merge the two into one rule, with the operations of both.",
            );
        } else {
            model.auth.push(rule);
        }
    }
}

/// Gives hand-written operations, and fields of types that are no models, their rules. There is no record to compare
/// with, so only static rules let anybody in (`transformer` 8.8).
pub(crate) fn apply_elsewhere(draft: &mut Draft<'_>, rules: &Rules<'_>, problems: &mut Problems) {
    for node in draft
        .document
        .types
        .values()
        .filter(|node| !node.is_model())
    {
        for field in &node.fields {
            let Some(applied) = field.directive(AUTH.name) else {
                continue;
            };
            let on = if node.is_root() {
                rule::On::Operation
            } else {
                rule::On::TypeField
            };
            let Some(mut found) = field_rules((node, field), on, applied, rules, problems) else {
                continue;
            };
            for rule in found.iter().filter(|rule| !rule.is_static()) {
                problems.warning(
                    "auth-not-static",
                    rule.span,
                    format!(
                        "This rule lets nobody in: `{}.{}` belongs to no record that names anybody.",
                        node.name, field.name
                    ),
                    "Use `private`, `public`, or `groups` with a list of groups.",
                );
            }
            found.retain(AuthRule::is_static);
            let fields = match node.name.as_str() {
                "Query" => Some(&mut draft.operations.queries),
                "Mutation" => Some(&mut draft.operations.mutations),
                "Subscription" => Some(&mut draft.operations.subscriptions),
                name => draft.types.get_mut(name).map(|ty| &mut ty.fields),
            };
            if let Some(field) = fields.and_then(|fields| fields.get_mut(&field.name)) {
                field.auth = Some(found);
            }
        }
    }
}

/// The rules of a field; of two for the same callers the last one holds.
fn field_rules(
    (node, field): (&TypeNode, &FieldNode),
    on: rule::On,
    applied: &Applied,
    rules: &Rules<'_>,
    problems: &mut Problems,
) -> Option<Vec<AuthRule>> {
    let name = format!("{}.{}", node.name, field.name);
    let values = given(applied, &name, problems);
    let found: Vec<AuthRule> = values
        .iter()
        .filter_map(|value| rule::read(value, on, rules.options, problems))
        .collect();
    (found.len() == values.len()).then_some(found)
}

/// The rules of a directive, at least one.
fn given<'v>(applied: &'v Applied, on: &str, problems: &mut Problems) -> &'v [Value] {
    let Some(values) = applied.argument("rules").and_then(Value::items) else {
        return &[];
    };
    if values.is_empty() {
        problems.error(
            "auth-empty",
            applied.span,
            format!("`@auth` of `{on}` has no rules."),
            "Write `rules: [{ allow: public }]`, or remove `@auth`.",
        );
    }
    values
}

/// An owner named by several claims is not known when the sort key is computed, so it cannot be a part of it.
fn sort_key_of_owner(model: &Model, problems: &mut Problems) {
    let owned = model.auth.iter().find_map(|rule| match &rule.allow {
        Allow::Owner { field, claim } if claim.contains("::") && model.key.sort.contains(field) => {
            Some((field, rule.span))
        }
        _ => None,
    });
    if let Some((field, span)) = owned {
        problems.error(
            "auth-owner-sort-key",
            span,
            format!(
                "`{}.{field}` is a sort field of the primary key, so it cannot name the owner.",
                model.name
            ),
            "Use another field for the owner, or for the sort key.",
        );
    }
}

/// Adds the owner fields that rules speak of and nobody declared.
pub(crate) fn add_owner_fields(model: &mut Model, problems: &mut Problems) {
    let own = model
        .fields
        .values()
        .filter_map(|field| field.auth.as_ref());
    let all: Vec<AuthRule> = own.flatten().chain(&model.auth).cloned().collect();
    for rule in &all {
        match &rule.allow {
            Allow::Owner { field, .. } if !model.fields.contains_key(field) => {
                add_owner_field(model, field, rule.span, problems);
            }
            Allow::GroupsField { field, .. } if !model.fields.contains_key(field) => {
                problems.warning(
                    "auth-groups-field-missing",
                    rule.span,
                    format!(
                        "`{}` has no field `{field}`, so this rule lets nobody in.",
                        model.name
                    ),
                    format!("Declare it: `{field}: [String]`."),
                );
            }
            _ => {}
        }
    }
}

fn add_owner_field(model: &mut Model, name: &str, span: Span, problems: &mut Problems) {
    if !is_name(name) || name.starts_with("__") {
        problems.error(
            "auth-owner-field",
            span,
            format!("`{name}` cannot be the name of a field."),
            "Name a field of the model with `ownerField`.",
        );
        return;
    }
    let alike = model
        .fields
        .keys()
        .find(|known| known.eq_ignore_ascii_case(name));
    if let Some(alike) = alike {
        problems.warning(
            "auth-owner-field-case",
            span,
            format!(
                "`{}` gets a field `{name}` for its owner beside `{alike}`.",
                model.name
            ),
            format!("Write `ownerField: \"{alike}\"` if that is what you mean."),
        );
    }
    let ty = FieldType::single(Base::Scalar(Scalar::String), false);
    let field = Field::new(name, ty, Origin::Owner, model.span);
    model.fields.insert(name.to_owned(), field);
}

/// A required field that some reader of the model may not read would break every answer of a mutation
/// (`transformer` 8.6).
pub(crate) fn check_required_fields(node: &TypeNode, model: &Model, problems: &mut Problems) {
    let quiet = matches!(subscription_level(node), Some("off" | "public"));
    if quiet || model.fields.values().all(|field| field.auth.is_none()) {
        return;
    }
    let matrix = roles::Matrix::of(model);
    let hidden: Vec<&Field> = model
        .fields
        .values()
        .filter(|field| field.ty.required && matrix.is_hidden_from_some_reader(&field.name))
        .collect();
    for field in hidden {
        problems.error(
            "auth-required-field",
            field.span,
            format!(
                "`{}.{}` is required, but not everyone who may read the model may read it.",
                model.name, field.name
            ),
            "Remove the `!`, or give the field rules with `read` for all who may read any field.",
        );
    }
}

/// The modes the rules of a schema name, in the order in which they do; API keys if none are named.
pub(crate) fn named_modes(draft: &Draft<'_>, sandbox: bool) -> Vec<AuthMode> {
    let mut rules: Vec<&AuthRule> = Vec::new();
    for model in draft.models.values() {
        rules.extend(&model.auth);
        rules.extend(
            model
                .fields
                .values()
                .flat_map(|field| field.auth.iter().flatten()),
        );
    }
    rules.sort_by_key(|rule| rule.span);
    let mut modes = Vec::new();
    for mode in rules.into_iter().map(|rule| rule.provider) {
        if !modes.contains(&mode) {
            modes.push(mode);
        }
    }
    if modes.is_empty() || (sandbox && !modes.contains(&AuthMode::ApiKey)) {
        modes.push(AuthMode::ApiKey);
    }
    modes
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
    use crate::identity::AuthMode;
    use crate::schema::model::ModelOperation::{Create, Get, List, Listen, Search, Sync};
    use crate::schema::model::{Allow, AuthRule, Model, Origin};
    use crate::schema::testing::{codes, model, warnings};
    use crate::schema::{Options, load, load_with};

    fn rules(given: &str) -> Vec<AuthRule> {
        let text = format!("type A @model @auth(rules: [{given}]) {{ id: ID! }}");
        model(&text, "A").auth
    }

    #[test]
    fn a_rule_grants_everything_unless_it_lists_operations() {
        let operations = |rule: &str| rules(rule).remove(0).operations;
        assert_eq!(operations("{allow: public}").len(), 8);
        assert_eq!(
            operations("{allow: owner, provider: oidc, operations: [create, read]}"),
            [Create, Get, List, Search, Listen, Sync]
        );
        assert_eq!(operations("{allow: public, operations: []}"), []);
    }

    #[test]
    fn rules_have_the_defaults_of_their_kind() {
        let owner = |field: &str, claim: &str| Allow::Owner {
            field: field.to_owned(),
            claim: claim.to_owned(),
        };
        let groups = |groups: &[&str], claim: &str| Allow::Groups {
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            claim: claim.to_owned(),
        };
        let field = |field: &str, claim: &str| Allow::GroupsField {
            field: field.to_owned(),
            claim: claim.to_owned(),
        };
        for (rule, provider, allow) in [
            ("{allow: public}", AuthMode::ApiKey, Allow::Public),
            (
                "{allow: public, provider: iam}",
                AuthMode::Iam,
                Allow::Public,
            ),
            ("{allow: private}", AuthMode::UserPool, Allow::Private),
            (
                "{allow: private, provider: identityPool}",
                AuthMode::Iam,
                Allow::Private,
            ),
            ("{allow: custom}", AuthMode::Lambda, Allow::Custom),
            (
                "{allow: owner}",
                AuthMode::UserPool,
                owner("owner", "sub::username"),
            ),
            (
                "{allow: owner, provider: oidc, ownerField: \"by\", identityClaim: \"sub\"}",
                AuthMode::Oidc,
                owner("by", "sub"),
            ),
            (
                "{allow: groups, groups: \"a\"}",
                AuthMode::UserPool,
                groups(&["a"], "cognito:groups"),
            ),
            (
                "{allow: groups, groups: [\"a\", \"b\", \"a\"], groupClaim: \"g\"}",
                AuthMode::UserPool,
                groups(&["a", "b"], "g"),
            ),
            (
                "{allow: groups, groupsField: \"id\"}",
                AuthMode::UserPool,
                field("id", "cognito:groups"),
            ),
        ] {
            let read = rules(rule).remove(0);
            assert_eq!((read.provider, read.allow), (provider, allow), "{rule}");
        }
    }

    #[test]
    fn the_default_claim_is_the_name_alone_where_the_project_says_so() {
        let options = Options {
            username_claim: true,
            ..Options::default()
        };
        let text = "type A @model @auth(rules: [{allow: owner}]) { id: ID! }";
        let schema = load_with(text, &options).expect("it loads").schema;
        let Allow::Owner { claim, .. } = &schema.models["A"].auth[0].allow else {
            panic!("an owner rule");
        };
        assert_eq!(claim, "username");
    }

    #[test]
    fn an_owner_field_nobody_declared_is_added() {
        let text = "type A @model @auth(rules: [{allow: owner}, {allow: owner, ownerField: \"by\"}]) { by: ID secret: Int @auth(rules: [{allow: owner, ownerField: \"keeper\"}]) }";
        let model: Model = model(text, "A");
        let added: Vec<&str> = model
            .fields
            .values()
            .filter(|field| field.origin == Origin::Owner)
            .map(|field| field.name.as_str())
            .collect();
        assert_eq!(added, ["keeper", "owner"]);
    }

    #[test]
    fn the_modes_are_those_the_rules_name_unless_they_are_configured() {
        let text = "type A @model @auth(rules: [{allow: owner}]) { id: ID! @auth(rules: [{allow: public}, {allow: owner}]) }";
        let modes = |options: &Options| load_with(text, options).expect("it loads").schema.modes;
        assert_eq!(
            modes(&Options::default()),
            [AuthMode::UserPool, AuthMode::ApiKey]
        );
        let modes_of = |modes: &[AuthMode]| Options {
            modes: modes.to_vec(),
            ..Options::default()
        };
        let configured = [AuthMode::Iam, AuthMode::ApiKey, AuthMode::UserPool];
        assert_eq!(modes(&modes_of(&configured)), configured);
        let problems = load_with(text, &modes_of(&[AuthMode::UserPool])).expect_err("no keys");
        assert_eq!(problems[0].code, "auth-mode-missing");
        assert_eq!(problems[0].span.column, 70);
    }

    #[test]
    fn a_required_field_that_a_reader_may_not_read_is_refused() {
        let text = |arguments: &str, field: &str| {
            format!(
                "type A @model{arguments} @auth(rules: [{{allow: public}}]) {{ id: ID! name: String! {field} }}"
            )
        };
        let secret = "s: String @auth(rules: [{allow: owner}])";
        assert_eq!(codes(&text("", secret)), ["auth-required-field"; 2]);
        assert_eq!(
            codes(&text("(subscriptions: {level: off})", secret)),
            [""; 0]
        );
        assert_eq!(
            codes(&text("", "s: String @auth(rules: [{allow: public}])")),
            [""; 0]
        );
        assert_eq!(
            codes("type A @model { id: ID! name: String! @auth(rules: [{allow: owner}]) }"),
            ["auth-required-field"]
        );
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
            ("rules: [{allow: owner}, {allow: owner}]", "auth-repeated"),
            (
                "rules: [{allow: groups, groups: [\"a\", \"b\"]}, {allow: groups, groups: [\"b\"]}]",
                "auth-repeated",
            ),
            ("rules: [{allow: owner, provider: apiKey}]", "auth-provider"),
            (
                "rules: [{allow: public, provider: userPools}]",
                "auth-provider",
            ),
            (
                "rules: [{allow: private, provider: apiKey}]",
                "auth-provider",
            ),
            ("rules: [{allow: custom, provider: oidc}]", "auth-provider"),
            ("rules: [{allow: groups}]", "auth-groups"),
            ("rules: [{allow: groups, groups: []}]", "auth-groups"),
            (
                "rules: [{allow: groups, groups: [\"a\"], groupsField: \"g\"}]",
                "auth-groups",
            ),
            (
                "rules: [{allow: owner, groups: [\"a\"]}]",
                "auth-stray-argument",
            ),
            (
                "rules: [{allow: owner, groupClaim: \"a\"}]",
                "auth-stray-argument",
            ),
            (
                "rules: [{allow: owner, ownerField: \"no name\"}]",
                "auth-owner-field",
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
            ["directive-misplaced"]
        );
        assert_eq!(
            codes("type A @model { b: Int @auth(rules: [{allow: public, operations: [list]}]) }"),
            ["auth-field-operation"]
        );
        assert_eq!(
            codes(
                "type A @model @auth(rules: [{allow: owner}]) { a: ID! @primaryKey(sortKeyFields: [\"owner\"]) owner: String! }"
            ),
            ["auth-owner-sort-key"]
        );
        assert_eq!(
            codes(
                "type A @model @auth(rules: [{allow: owner, identityClaim: \"sub\"}]) { a: ID! @primaryKey(sortKeyFields: [\"owner\"]) owner: String! }"
            ),
            [""; 0]
        );
        assert_eq!(
            codes(
                "input AMPLIFY { globalAuthRule: AuthRule = { allow: owner } } type A { b: Int }"
            ),
            ["sandbox-rule"]
        );
    }

    #[test]
    fn arguments_that_change_nothing_are_pointed_out() {
        assert_eq!(
            warnings(
                "type A @model @auth(rules: [{allow: public, ownerField: \"o\"}]) { id: ID! }"
            ),
            ["auth-stray-argument"]
        );
        assert_eq!(
            warnings(
                "type A @model @auth(rules: [{allow: groups, groupsField: \"teams\"}]) { id: ID! }"
            ),
            ["auth-groups-field-missing"]
        );
    }
}
