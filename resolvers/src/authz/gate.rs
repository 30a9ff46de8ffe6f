//! The first gate: which modes reach an operation at all (`transformer` 8.2).
//!
//! The original writes it into the API as `@aws_…` directives, made from the rules; here the rules are asked.

use super::Settings;
use super::matrix::Matrix;
use super::rules::opens_iam;
use crate::identity::AuthMode;
use crate::schema::Schema;
use crate::schema::model::ModelOperation;

/// The modes that reach a model's operations and its type.
#[derive(Debug, Clone, Default)]
pub(super) struct Modes {
    operations: Vec<(ModelOperation, Vec<AuthMode>)>,
    /// The modes that reach the type's fields.
    pub(super) model: Vec<AuthMode>,
    /// The modes that reach what has no rules.
    pub(super) unruled: Vec<AuthMode>,
}

impl Modes {
    /// Whether a mode reaches an operation.
    pub(super) fn reach(&self, operation: ModelOperation, mode: AuthMode) -> bool {
        let mut entries = self.operations.iter();
        let modes = entries.find(|(entry, _)| *entry == operation);
        modes
            .map_or(&self.unruled, |(_, modes)| modes)
            .contains(&mode)
    }
}

const OPERATIONS: [ModelOperation; 8] = [
    ModelOperation::Create,
    ModelOperation::Update,
    ModelOperation::Delete,
    ModelOperation::Get,
    ModelOperation::List,
    ModelOperation::Sync,
    ModelOperation::Listen,
    ModelOperation::Search,
];

/// The modes of a model with these rules.
pub(super) fn modes(schema: &Schema, matrix: Option<&Matrix>, settings: &Settings) -> Modes {
    let default = schema.modes.first().copied().unwrap_or(AuthMode::ApiKey);
    let iam = opens_iam(settings).then_some(AuthMode::Iam);
    let Some(matrix) = matrix else {
        let sandbox = schema.sandbox.then_some(AuthMode::ApiKey);
        let unruled: Vec<_> = std::iter::once(default).chain(sandbox).chain(iam).collect();
        return Modes {
            operations: Vec::new(),
            model: unruled.clone(),
            unruled,
        };
    };
    // What nobody may do is refused to callers of the default mode by the rules, to all others here.
    let or_default = |modes: Vec<AuthMode>| match modes.as_slice() {
        [] => std::iter::once(default).chain(iam).collect(),
        _ => modes.into_iter().chain(iam).collect::<Vec<_>>(),
    };
    let providers = |operation| {
        let rows = matrix.taking_part(operation);
        or_default(rows.map(|row| row.role.provider).collect())
    };
    Modes {
        operations: OPERATIONS
            .into_iter()
            .map(|operation| (operation, providers(operation)))
            .collect(),
        model: or_default(matrix.rows.iter().map(|row| row.role.provider).collect()),
        unruled: vec![default],
    }
}
