//! `@auth(rules: […])`: who may do what with a model, and with single fields of it (`transformer` 8.1).

mod owner;
mod required;
mod rule;
mod sandbox;

use super::{Directive, Parameter, Shape, Site};
use crate::identity::AuthMode;
use crate::schema::Options;
use crate::schema::diagnostic::Problems;
use crate::schema::document::{Applied, FieldNode, TypeNode, Value};
use crate::schema::draft::Draft;
use crate::schema::model::{AuthRule, Model};
use crate::schema::roles;
pub(crate) use owner::add_owner_fields;
pub(crate) use required::check_required_fields;
pub(crate) use rule::merged;
pub(crate) use sandbox::take_sandbox;

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
    owner::check_sort_key(model, problems);
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

#[cfg(test)]
mod tests {
    use crate::identity::AuthMode;
    use crate::schema::model::ModelOperation::{Create, Get, List, Listen, Search, Sync};
    use crate::schema::model::{Allow, AuthRule};
    use crate::schema::testing::{codes, model, warnings};
    use crate::schema::{Options, load_with};

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
