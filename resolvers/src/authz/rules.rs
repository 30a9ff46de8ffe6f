//! The rules of a schema, worked out once.

use std::collections::HashMap;

use super::gate::{self, Modes};
use super::matrix::Matrix;
use super::sight::{self, Protected};
use super::written::{self, Written};
use super::{Settings, claims};
use crate::identity::{AuthMode, Identity};
use crate::schema::Schema;
use crate::schema::model::Model;

use super::role::{Named, Who};

/// What the rules of a schema come to, for every model.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    pub(super) settings: Settings,
    pub(super) written: Written,
    models: HashMap<String, ModelRules>,
}

/// What the rules of one model come to.
#[derive(Debug, Clone)]
pub(super) struct ModelRules {
    /// `None` where the schema has no rules for the model.
    pub(super) matrix: Option<Matrix>,
    /// The modes that get through to its operations, and to its type.
    pub(super) modes: Modes,
    /// The fields that not every reader of the model may read.
    pub(super) protected: Vec<Protected>,
    /// The relations that the answers of mutations do not show (`transformer` 8.6).
    pub(super) redacted_relations: Vec<String>,
    /// The owner fields of which clients see the last part.
    pub(super) owners: Vec<String>,
    /// Whether API keys may do everything, because there are no rules and the sandbox is on.
    sandboxed: bool,
    /// Whether whoever the API lets in may subscribe.
    pub(super) open_subscriptions: bool,
}

impl Rules {
    /// Works out the rules of a schema.
    #[must_use]
    pub fn of(schema: &Schema, settings: &Settings) -> Self {
        let models = schema.models.values();
        let models = models.map(|model| {
            let rules = ModelRules::of(schema, model, settings);
            (model.name.clone(), rules)
        });
        Rules {
            settings: settings.clone(),
            written: written::written(schema, settings),
            models: models.collect(),
        }
    }

    /// The rules of a model. The API has no others than the schema's.
    pub(super) fn model(&self, name: &str) -> Option<&ModelRules> {
        self.models.get(name)
    }

    /// Whether the caller passes whatever the rules say: an admin role, or any signer that no identity pool speaks for
    /// where those have access (`transformer` 8.8).
    pub(super) fn exempts(&self, identity: &Identity) -> bool {
        let Identity::Iam(signer) = identity else {
            return false;
        };
        let pooled = signer.identity_pool_id.is_some() || signer.identity_id.is_some();
        let names = &self.settings.admin_roles;
        let admin = signer.authenticated.is_none()
            && names
                .iter()
                .any(|name| signer.user_arn.contains(name.as_str()));
        admin || (self.settings.enable_iam_access && !pooled && signer.authenticated.is_none())
    }
}

/// Whether signers may have access beyond what rules say.
pub(super) fn opens_iam(settings: &Settings) -> bool {
    settings.enable_iam_access || !settings.admin_roles.is_empty()
}

impl ModelRules {
    fn of(schema: &Schema, model: &Model, settings: &Settings) -> Self {
        let matrix = has_rules(model).then(|| Matrix::of(model));
        let protected = matrix.iter().flat_map(sight::protected).collect::<Vec<_>>();
        let redacted_relations = match &matrix {
            Some(matrix) if has_redaction(model) => {
                sight::redacted_relations(schema, model, matrix, &protected)
            }
            _ => Vec::new(),
        };
        let roles = matrix.iter().flat_map(|matrix| &matrix.rows);
        let owners = roles.filter_map(|row| match &row.role.who {
            Who::Owner(named) if claims::is_composite(&named.claim) => Some(named.field.clone()),
            _ => None,
        });
        ModelRules {
            modes: gate::modes(schema, matrix.as_ref(), settings),
            owners: owners.collect(),
            sandboxed: matrix.is_none() && schema.sandbox,
            open_subscriptions: model.operations.open_subscriptions,
            protected: if has_redaction(model) {
                protected
            } else {
                protected.into_iter().map(Protected::shown).collect()
            },
            redacted_relations,
            matrix,
        }
    }

    /// The owners that callers of a mode can be.
    pub(super) fn owned_by(&self, mode: AuthMode) -> impl Iterator<Item = &Named> {
        let rows = self.matrix.iter().flat_map(|matrix| &matrix.rows);
        rows.filter_map(move |row| match &row.role.who {
            Who::Owner(named) if row.role.provider == mode => Some(named),
            _ => None,
        })
    }

    /// Whether the caller passes because of where it comes from, not of a rule.
    pub(super) fn passes_without_rules(&self, identity: &Identity) -> bool {
        self.sandboxed && identity.mode() == AuthMode::ApiKey
    }
}

/// Whether the model or one of its fields has rules.
pub(super) fn has_rules(model: &Model) -> bool {
    !model.auth.is_empty() || model.fields.values().any(|field| field.auth.is_some())
}

/// Whether answers of mutations hide protected fields, because subscribers would get to see them.
fn has_redaction(model: &Model) -> bool {
    let operations = &model.operations;
    let subscribed = [
        &operations.on_create,
        &operations.on_update,
        &operations.on_delete,
    ];
    !operations.open_subscriptions && subscribed.iter().any(|names| !names.is_empty())
}
