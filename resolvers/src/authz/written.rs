//! Who may reach what a schema writes by hand: its own operations, and fields that have `@aws_…` directives or, outside
//! of models, rules (`transformer` 8.2, 8.8; `auth` 2.1). No record says whose they are, so only static rules count.

use std::collections::HashMap;

use super::role::{Role, Standing};
use super::rules::opens_iam;
use super::{Settings, claims};
use crate::identity::{AuthMode, Identity};
use crate::schema::model::{AuthRule, Field, Gate, Model};
use crate::schema::{Schema, roles};

/// The fields that have conditions of their own, by type and name.
pub(super) type Written = HashMap<String, HashMap<String, Conditions>>;

/// Who may reach a field.
#[derive(Debug, Clone)]
pub(super) struct Conditions {
    /// The ways in; one of them has to be the caller's.
    gates: Vec<Gate>,
    /// The roles of its rules, one of which the caller has to have, if it has rules.
    roles: Option<Vec<Role>>,
}

impl Conditions {
    /// Whether a caller may reach the field.
    pub(super) fn hold(&self, identity: &Identity, settings: &Settings) -> bool {
        let inside = |role: &Role| role.standing(identity, settings) == Standing::Inside;
        self.gates.iter().any(|gate| passes(gate, identity))
            && self
                .roles
                .as_ref()
                .is_none_or(|roles| roles.iter().any(inside))
    }
}

/// Whether a caller passes a gate: it is of its mode, and in one of its groups where it names some.
fn passes(gate: &Gate, identity: &Identity) -> bool {
    let in_group = match identity {
        Identity::UserPool(token) => {
            let groups = claims::groups(token, claims::GROUPS);
            gate.groups.iter().any(|group| groups.contains(group))
        }
        _ => false,
    };
    gate.mode == identity.mode() && (gate.groups.is_empty() || in_group)
}

/// What a schema writes by hand.
pub(super) fn written(schema: &Schema, settings: &Settings) -> Written {
    let reader = Reader { schema, settings };
    let mut written = Written::new();
    for (root, fields) in schema.operations.iter() {
        let around = schema
            .operations
            .gates
            .get(root)
            .map_or(&[][..], Vec::as_slice);
        let fields = fields.values().map(|field| {
            let conditions = reader.operation(field, around);
            (field.name.clone(), conditions)
        });
        written.insert(root.to_owned(), fields.collect());
    }
    let nested = schema.types.values().map(|ty| (&ty.name, &ty.fields));
    let models = schema
        .models
        .values()
        .map(|model| (&model.name, &model.fields));
    for (name, fields) in nested.chain(models) {
        let is_model = schema.models.contains_key(name);
        let own = fields.values().filter_map(|field| {
            let conditions = reader.field(field, is_model)?;
            Some((field.name.clone(), conditions))
        });
        let own: HashMap<_, _> = own.collect();
        if !own.is_empty() {
            written.insert(name.clone(), own);
        }
    }
    written
}

struct Reader<'s> {
    schema: &'s Schema,
    settings: &'s Settings,
}

impl Reader<'_> {
    /// An operation: its own gates and those of its rules, else its type's, else the default mode's.
    fn operation(&self, field: &Field, around: &[Gate]) -> Conditions {
        let default = self
            .schema
            .modes
            .first()
            .copied()
            .unwrap_or(AuthMode::ApiKey);
        let mut gates = self.gates(field);
        if gates.is_empty() {
            gates = self.counted(around);
        }
        if gates.is_empty() && !self.settings.closes_unnamed {
            gates.push(Gate::of(default));
        }
        self.conditions(field, gates)
    }

    /// A field of another type: if it has neither gates nor rules it goes with the object it is part of.
    fn field(&self, field: &Field, of_model: bool) -> Option<Conditions> {
        if of_model {
            // The rules of a model's field are the matrix's.
            let gates = self.counted(&field.gates);
            return (!gates.is_empty()).then_some(Conditions { gates, roles: None });
        }
        let gates = self.gates(field);
        (!gates.is_empty()).then(|| self.conditions(field, gates))
    }

    /// The gates of a field: those it has, and one for every provider of its rules.
    fn gates(&self, field: &Field) -> Vec<Gate> {
        let mut gates = self.counted(&field.gates);
        for rule in field.auth.iter().flatten() {
            gates.push(Gate::of(rule.provider));
        }
        if opens_iam(self.settings) && !gates.is_empty() {
            gates.push(Gate::of(AuthMode::Iam));
        }
        gates
    }

    /// `@aws_auth` counts only where user pools are the only mode (`auth` 2.1).
    fn counted(&self, gates: &[Gate]) -> Vec<Gate> {
        let only = self.schema.modes == [AuthMode::UserPool];
        let counts = |gate: &&Gate| !gate.legacy || only;
        gates.iter().filter(counts).cloned().collect()
    }

    fn conditions(&self, field: &Field, gates: Vec<Gate>) -> Conditions {
        let roles = field.auth.as_ref().map(|rules| static_roles(rules));
        Conditions { gates, roles }
    }
}

/// The roles of rules that need no record to be judged.
fn static_roles(rules: &[AuthRule]) -> Vec<Role> {
    // Nothing here is named by a record, so no model is looked into.
    let nobody = Model::new("", crate::schema::Span::default());
    let roles = rules.iter().flat_map(roles::of_rule);
    let roles = roles.map(|role| Role::of(&nobody, &role));
    roles.filter(|role| !role.is_dynamic()).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::authz::Rules;
    use crate::fixtures::object;
    use crate::identity::{IamIdentity, LambdaIdentity, TokenIdentity};
    use crate::schema::{Options, load_with};

    fn user(groups: &[&str]) -> Identity {
        Identity::UserPool(Arc::new(TokenIdentity {
            issuer: "i".to_owned(),
            subject: "s".to_owned(),
            claims: object(json!({"sub": "s", "cognito:groups": groups})),
        }))
    }

    fn key() -> Identity {
        Identity::ApiKey { id: "k".to_owned() }
    }

    fn rules(text: &str, modes: &[AuthMode], settings: &Settings) -> Rules {
        let options = Options {
            modes: modes.to_vec(),
            ..Options::default()
        };
        let loaded = load_with(text, &options).expect("a good schema");
        Rules::of(&loaded.schema, settings)
    }

    const TEXT: &str = r#"
        type Note @model @auth(rules: [{allow: private}, {allow: public}]) {
            id: ID!
            pin: String @aws_cognito_user_pools(cognito_groups: ["Admin"])
        }
        type Info { a: String b: String @auth(rules: [{allow: groups, groups: ["Admin"]}]) c: String @aws_api_key }
        type Query {
            plain: Info @function(name: "f")
            keyed: Info @function(name: "f") @aws_api_key
            ruled: Info @function(name: "f") @auth(rules: [{allow: groups, groups: ["Admin"]}, {allow: custom}, {allow: owner}])
        }"#;

    const MODES: [AuthMode; 4] = [
        AuthMode::UserPool,
        AuthMode::ApiKey,
        AuthMode::Lambda,
        AuthMode::Iam,
    ];

    #[test]
    fn what_is_written_by_hand_is_reached_by_its_gates_and_static_rules() {
        let rules = rules(TEXT, &MODES, &Settings::default());
        let lambda = Identity::Lambda(Arc::new(LambdaIdentity::default()));
        let (alice, admin) = (user(&[]), user(&["Admin"]));
        for (ty, field, reached) in [
            ("Query", "plain", [true, true, false, false]),
            ("Query", "keyed", [false, false, true, false]),
            ("Query", "ruled", [false, true, false, true]),
            ("Info", "a", [true, true, true, true]),
            ("Info", "b", [false, true, false, false]),
            ("Info", "c", [false, false, true, false]),
            ("Note", "pin", [false, true, false, false]),
            ("Note", "id", [true, true, true, true]),
        ] {
            let callers = [&alice, &admin, &key(), &lambda];
            let seen = callers.map(|caller| rules.reaches(ty, field, caller));
            assert_eq!(seen, reached, "{ty}.{field}");
        }
    }

    #[test]
    fn operations_that_nothing_speaks_of_may_be_closed() {
        let settings = Settings {
            closes_unnamed: true,
            ..Settings::default()
        };
        let rules = rules(TEXT, &MODES, &settings);
        let admin = user(&["Admin"]);
        assert!(!rules.reaches("Query", "plain", &admin));
        assert!(rules.reaches("Query", "ruled", &admin));
        assert!(rules.reaches("Query", "keyed", &key()));
    }

    #[test]
    fn a_gate_hides_a_models_field_from_filters_too() {
        let rules = rules(TEXT, &MODES, &Settings::default());
        let hidden = |identity| rules.sight("Note", &identity).access("pin");
        assert_eq!(hidden(user(&[])), super::super::Access::Deny);
        assert_eq!(hidden(user(&["Admin"])), super::super::Access::Allow);
    }

    #[test]
    fn whom_the_configuration_exempts_reaches_everything() {
        let settings = Settings {
            enable_iam_access: true,
            ..Settings::default()
        };
        let service = Identity::Iam(Arc::new(IamIdentity::default()));
        let rules = rules(TEXT, &MODES, &settings);
        for field in ["plain", "keyed", "ruled"] {
            assert!(rules.reaches("Query", field, &service), "{field}");
        }
    }

    #[test]
    fn aws_auth_counts_where_user_pools_are_the_only_mode() {
        let text = r#"type Note @model @auth(rules: [{allow: private}]) {
            id: ID!
            pin: String @aws_auth(cognito_groups: ["Admin"])
        }"#;
        let alone = rules(text, &[AuthMode::UserPool], &Settings::default());
        assert!(!alone.reaches("Note", "pin", &user(&[])));
        assert!(alone.reaches("Note", "pin", &user(&["Admin"])));
        let among = rules(text, &MODES, &Settings::default());
        assert!(among.reaches("Note", "pin", &user(&[])));
    }
}
