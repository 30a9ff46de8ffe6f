//! Who may reach what by the way of authenticating (`transformer` 8.2, gate 1): the modes of a model's rules on its
//! operations, its type, its pages and the types it stores, beside what the schema says by hand.
//!
//! The steps and their order are the original's, so that the directives in the SDL are too; where it forgets a mode that
//! a nested type needs, so does this.

use indexmap::IndexMap;

use super::Generator;
use super::names::connection;
use crate::api::types::{ObjectKind, TypeDef};
use crate::identity::AuthMode;
use crate::schema::model::{Base, Gate, Model, ModelOperation};
use crate::schema::roles::{Matrix, Role};

const SEARCH_TYPES: [&str; 4] = [
    "SearchableAggregateResult",
    "SearchableAggregateScalarResult",
    "SearchableAggregateBucketResult",
    "SearchableAggregateBucketResultItem",
];

impl Generator<'_> {
    /// Puts gates on everything that has other ones than the default mode's.
    pub(super) fn gates(&mut self) {
        let schema = self.schema;
        let open = self.open_modes();
        for model in schema.models.values().filter(|model| model.auth.is_empty()) {
            self.open_model(model, &open);
        }
        if schema.sandbox || schema.iam_access {
            self.open_custom_to_iam();
        }
        let mut seen = IndexMap::new();
        let mut searched = Vec::new();
        for model in schema.models.values().filter(|model| has_rules(model)) {
            self.model_gates(model, &mut seen);
            if model.operations.search.is_some() {
                extend(&mut searched, self.modes(Matrix::of(model).roles()));
            }
        }
        self.custom_gates();
        let mut modes = self.service(&searched, false);
        if schema.sandbox && self.default_mode() != AuthMode::ApiKey && self.has(SEARCH_TYPES[0]) {
            extend(&mut modes, [AuthMode::ApiKey].to_vec());
        }
        for name in SEARCH_TYPES {
            self.gate_type(name, &modes);
        }
    }

    fn default_mode(&self) -> AuthMode {
        self.schema
            .modes
            .first()
            .copied()
            .unwrap_or(AuthMode::ApiKey)
    }

    /// The modes that reach models without rules, beside the default one.
    fn open_modes(&self) -> Vec<AuthMode> {
        let schema = self.schema;
        match (schema.sandbox, schema.iam_access, self.default_mode()) {
            (true, true, _) => vec![AuthMode::ApiKey, AuthMode::Iam],
            (true, false, AuthMode::ApiKey) | (false, true, AuthMode::Iam) => Vec::new(),
            (true, false, _) => vec![AuthMode::ApiKey],
            (false, true, _) => vec![AuthMode::Iam],
            (false, false, _) => Vec::new(),
        }
    }

    fn open_model(&mut self, model: &Model, modes: &[AuthMode]) {
        self.gate_type(&model.name, modes);
        let mut seen = Vec::new();
        let nested = nested_types(model.fields.values().map(|field| &field.ty.base));
        self.open_nested(nested, modes, &mut seen);
        for (root, name, _) in operations(model) {
            self.gate_field(root, &name, modes);
        }
        if lists(model) {
            self.gate_type(&connection(&model.name), modes);
        }
    }

    fn open_nested(&mut self, names: Vec<String>, modes: &[AuthMode], seen: &mut Vec<String>) {
        for name in names {
            if seen.contains(&name) {
                continue;
            }
            self.gate_type(&name, modes);
            seen.push(name.clone());
            self.open_nested(self.nested_in(&name), modes, seen);
        }
    }

    /// Signed requests reach whatever is written by hand; the default mode goes on doing so.
    fn open_custom_to_iam(&mut self) {
        let schema = self.schema;
        let roots = schema
            .operations
            .iter()
            .map(|(root, fields)| (root.to_owned(), fields));
        let types = schema.types.keys().map(|name| (name.clone(), None));
        let roots = roots.filter(|(_, fields)| !fields.is_empty());
        let all = roots
            .map(|(root, fields)| (root, Some(fields)))
            .chain(types);
        for (name, operations) in all {
            let Some(TypeDef::Object(object)) = self.types.get_mut(&name) else {
                continue;
            };
            object.keeps_default |= object.gates.is_empty();
            add(&mut object.gates, AuthMode::Iam);
            for field in operations.into_iter().flat_map(IndexMap::keys) {
                if let Some(field) = object.fields.get_mut(field) {
                    field.keeps_default |= field.gates.is_empty();
                    add(&mut field.gates, AuthMode::Iam);
                }
            }
        }
    }

    fn model_gates(&mut self, model: &Model, seen: &mut IndexMap<String, Vec<AuthMode>>) {
        let matrix = Matrix::of(model);
        let modes = self.modes(matrix.roles());
        let unruled = modes.is_empty() && self.names_default_mode();
        let on_type = self.service(&modes, unruled);
        self.gate_type(&model.name, &on_type);
        for (root, name, operation) in operations(model) {
            let allowed: Vec<&Role> = matrix.allowed(operation).collect();
            let ours = self.modes(allowed.iter().copied());
            let default = self.default_mode();
            let with_default = allowed.iter().any(|role| role.provider == default)
                || (allowed.is_empty() && self.names_default_mode());
            let gates = self.service(&ours, with_default);
            self.gate_field(root, &name, &gates);
            // The type an operation answers is reached by whoever reaches the operation.
            let answer = match self.types.get(root) {
                Some(TypeDef::Object(object)) => {
                    object.fields.get(&name).map(|field| field.ty.name())
                }
                _ => None,
            };
            if let Some(answer) = answer.map(str::to_owned) {
                self.gate_type(&answer, &gates);
            }
        }
        let nested = self.nested_in(&model.name);
        self.nested_gates(nested, &modes, seen);
    }

    fn nested_gates(
        &mut self,
        names: Vec<String>,
        modes: &[AuthMode],
        seen: &mut IndexMap<String, Vec<AuthMode>>,
    ) {
        for name in names {
            let known = seen.get(&name).cloned();
            let mut gates = self.service(modes, known.is_some());
            let first = known.is_none();
            let mut known = known.unwrap_or_default();
            gates.retain(|mode| !known.contains(mode));
            extend(&mut known, gates.clone());
            seen.insert(name.clone(), known);
            if first || !gates.is_empty() {
                self.gate_type(&name, &gates);
                self.nested_gates(self.nested_in(&name), modes, seen);
            }
        }
    }

    /// Hand-written operations and fields of other types have the modes of their own rules.
    fn custom_gates(&mut self) {
        let schema = self.schema;
        let mut ruled = Vec::new();
        for (root, fields) in schema.operations.iter() {
            ruled.extend(fields.values().map(|field| (root, field)));
        }
        for ty in schema.types.values() {
            ruled.extend(ty.fields.values().map(|field| (ty.name.as_str(), field)));
        }
        for (owner, field) in ruled {
            if let Some(rules) = &field.auth {
                let mut modes = Vec::new();
                extend(&mut modes, rules.iter().map(|rule| rule.provider).collect());
                let modes = self.with_iam(modes);
                self.gate_field(owner, &field.name, &self.service(&modes, false));
            }
        }
    }

    fn modes<'r>(&self, roles: impl Iterator<Item = &'r Role>) -> Vec<AuthMode> {
        let mut modes = Vec::new();
        extend(&mut modes, roles.map(|role| role.provider).collect());
        self.with_iam(modes)
    }

    fn with_iam(&self, mut modes: Vec<AuthMode>) -> Vec<AuthMode> {
        if self.schema.iam_access {
            extend(&mut modes, vec![AuthMode::Iam]);
        }
        modes
    }

    /// Whether the default mode is named where no rule speaks, since another one is let in.
    fn names_default_mode(&self) -> bool {
        self.schema.iam_access && self.default_mode() != AuthMode::Iam
    }

    /// The modes that have to be written down: all but the default one, and that one too where it is not alone.
    fn service(&self, modes: &[AuthMode], with_default: bool) -> Vec<AuthMode> {
        let default = self.default_mode();
        let mut written: Vec<AuthMode> = modes
            .iter()
            .copied()
            .filter(|mode| *mode != default)
            .collect();
        if !written.is_empty() && (with_default || modes.contains(&default)) {
            written.push(default);
        }
        written
    }

    fn gate_type(&mut self, name: &str, modes: &[AuthMode]) {
        if let Some(TypeDef::Object(object)) = self.types.get_mut(name) {
            for mode in modes {
                add(&mut object.gates, *mode);
            }
        }
    }

    fn gate_field(&mut self, owner: &str, field: &str, modes: &[AuthMode]) {
        if let Some(TypeDef::Object(object)) = self.types.get_mut(owner)
            && let Some(field) = object.fields.get_mut(field)
        {
            for mode in modes {
                add(&mut field.gates, *mode);
            }
        }
    }

    /// The types the fields of a type lead to, pages of relations included.
    fn nested_in(&self, name: &str) -> Vec<String> {
        let Some(TypeDef::Object(object)) = self.types.get(name) else {
            return Vec::new();
        };
        let names = object.fields.values().map(|field| field.ty.name());
        names
            .filter(|name| self.is_plain(name))
            .map(str::to_owned)
            .collect()
    }

    /// Whether a type is an object type that is no model.
    fn is_plain(&self, name: &str) -> bool {
        matches!(
            self.types.get(name),
            Some(TypeDef::Object(object)) if !matches!(object.kind, ObjectKind::Model(_))
        )
    }
}

fn has_rules(model: &Model) -> bool {
    !model.auth.is_empty() || model.fields.values().any(|field| field.auth.is_some())
}

fn lists(model: &Model) -> bool {
    model.operations.list.is_some() || model.operations.sync.is_some()
}

fn nested_types<'b>(bases: impl Iterator<Item = &'b Base>) -> Vec<String> {
    bases
        .filter_map(|base| match base {
            Base::Object(name) => Some(name.clone()),
            _ => None,
        })
        .collect()
}

/// The generated operations of a model with what a caller has to be allowed to do.
fn operations(model: &Model) -> Vec<(&'static str, String, ModelOperation)> {
    let names = &model.operations;
    let mut all = Vec::new();
    for (name, operation) in [
        (&names.get, ModelOperation::Get),
        (&names.list, ModelOperation::List),
        (&names.sync, ModelOperation::Sync),
        (&names.search, ModelOperation::Search),
    ] {
        all.extend(name.iter().map(|name| ("Query", name.clone(), operation)));
    }
    for index in model
        .indexes
        .iter()
        .filter_map(|index| index.query_field.as_ref())
    {
        for operation in [ModelOperation::List, ModelOperation::Get] {
            all.push(("Query", index.clone(), operation));
        }
    }
    for (name, operation) in [
        (&names.create, ModelOperation::Create),
        (&names.update, ModelOperation::Update),
        (&names.delete, ModelOperation::Delete),
    ] {
        all.extend(
            name.iter()
                .map(|name| ("Mutation", name.clone(), operation)),
        );
    }
    if !names.open_subscriptions {
        let subscriptions = [&names.on_create, &names.on_update, &names.on_delete];
        for name in subscriptions.into_iter().flatten() {
            all.push(("Subscription", name.clone(), ModelOperation::Listen));
        }
    }
    all
}

fn add(gates: &mut Vec<Gate>, mode: AuthMode) {
    if !gates.iter().any(|gate| gate.mode == mode && !gate.legacy) {
        gates.push(Gate::of(mode));
    }
}

fn extend(modes: &mut Vec<AuthMode>, more: Vec<AuthMode>) {
    for mode in more {
        if !modes.contains(&mode) {
            modes.push(mode);
        }
    }
}
