//! Which fields a caller sees of a record it may have (`transformer` 8.6).

use serde_json::Value;

use super::matrix::{Matrix, Operations, Row};
use super::role::{Role, Standing, Who};
use super::rules::{ModelRules, Rules};
use super::{Access, claims};
use crate::Fields;
use crate::identity::{AuthMode, Identity};
use crate::schema::Schema;
use crate::schema::model::{Base, Model, ModelOperation};

/// A field that some readers of the model may not read.
#[derive(Debug, Clone)]
pub(super) struct Protected {
    pub(super) field: String,
    /// Who may read it.
    pub(super) readers: Vec<Role>,
    /// Whether answers of mutations leave it out.
    pub(super) redacted: bool,
}

impl Protected {
    /// The same field, where answers of mutations show it.
    pub(super) fn shown(self) -> Self {
        Protected {
            redacted: false,
            ..self
        }
    }
}

/// The readers of a model as far as a field is concerned: where everybody of a provider may read it, that provider's
/// other roles say nothing.
fn readers<'m>(matrix: &'m Matrix, field: &str) -> Vec<&'m Row> {
    let reads_all = |row: &&Row| {
        let cell = matrix.cell(row, field);
        row.role.who == Who::Private && cell.is_some_and(|cell| cell.has_all(&Operations::READ))
    };
    let rows: Vec<&Row> = matrix.taking_part(ModelOperation::Get).collect();
    let covered: Vec<AuthMode> = rows
        .iter()
        .copied()
        .filter(reads_all)
        .map(|row| row.role.provider)
        .filter(|provider| matches!(provider, AuthMode::UserPool | AuthMode::Oidc))
        .collect();
    rows.into_iter()
        .filter(|row| row.role.who == Who::Private || !covered.contains(&row.role.provider))
        .collect()
}

/// The readers of a model that may read this field of it.
fn readers_of_field<'m>(matrix: &'m Matrix, field: &str) -> Vec<&'m Row> {
    let may = |row: &&Row| {
        let cell = matrix.cell(row, field);
        cell.is_some_and(|cell| cell.has_any(&Operations::READ))
    };
    readers(matrix, field).into_iter().filter(may).collect()
}

/// The fields of a model that some of its readers may not read.
pub(super) fn protected(matrix: &Matrix) -> Vec<Protected> {
    let fields = matrix.fields().filter_map(|field| {
        let may = readers_of_field(matrix, field);
        (may.len() < readers(matrix, field).len()).then(|| Protected {
            field: field.to_owned(),
            readers: may.into_iter().map(|row| row.role.clone()).collect(),
            redacted: true,
        })
    });
    fields.collect()
}

/// The relations that answers of mutations show as if they led nowhere: their subscribers might not be allowed to read
/// where they lead.
pub(super) fn redacted_relations(
    schema: &Schema,
    model: &Model,
    matrix: &Matrix,
    protected: &[Protected],
) -> Vec<String> {
    let relations = model.fields.values().filter(|field| {
        let Base::Model(target) = &field.ty.base else {
            return false;
        };
        if field.relation.is_none() || field.ty.required {
            return false;
        }
        if protected
            .iter()
            .any(|protected| protected.field == field.name)
        {
            return true;
        }
        let target = schema
            .models
            .get(target)
            .filter(|target| super::rules::has_rules(target));
        target.is_some_and(|target| {
            let readers = readers_of_field(matrix, &field.name);
            let ours: Vec<&Role> = readers.into_iter().map(|row| &row.role).collect();
            let theirs = Matrix::of(target);
            hides(&ours, &related_readers(&theirs))
        })
    });
    relations.map(|field| field.name.clone()).collect()
}

/// The roles that read a model at all; where everybody of a provider does, that provider's other roles say nothing.
fn related_readers(matrix: &Matrix) -> Vec<&Role> {
    let rows = matrix.rows.iter();
    let roles: Vec<&Role> = rows
        .filter(|row| row.some.has_any(&Operations::READ))
        .map(|row| &row.role)
        .collect();
    let is_open = |provider: AuthMode| {
        matches!(provider, AuthMode::UserPool | AuthMode::Oidc)
            && roles
                .iter()
                .any(|role| role.provider == provider && role.who == Who::Private)
    };
    let says_something = |role: &&Role| role.who == Who::Private || !is_open(role.provider);
    roles.iter().copied().filter(says_something).collect()
}

/// Whether the two sides of a relation have readers in common without being open to the very same ones.
fn hides(ours: &[&Role], theirs: &[&Role]) -> bool {
    let meets = |our: &Role| {
        theirs.iter().any(|their| {
            let either_private = our.who == Who::Private || their.who == Who::Private;
            let pooled = matches!(
                our.provider,
                AuthMode::UserPool | AuthMode::Oidc | AuthMode::Iam
            );
            our == *their || (our.provider == their.provider && pooled && either_private)
        })
    };
    let is_static = |role: &Role| !role.is_dynamic() && role.who != Who::Custom;
    let same = || {
        ours.len() == theirs.len()
            && theirs
                .iter()
                .all(|their| ours.iter().any(|our| our == their && is_static(our)))
    };
    ours.iter().any(|our| meets(our)) && !same()
}

/// What one caller sees of a model's records.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sight {
    /// The protected fields that are not open to the caller on every record.
    fields: Vec<FieldSight>,
    /// The fields of which the last part is shown.
    owners: Vec<String>,
    /// The relations that answers of mutations do not show.
    redacted_relations: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
struct FieldSight {
    name: String,
    access: Access,
    redacted: bool,
}

impl Sight {
    /// Whether the caller may read a field of a record with this document.
    #[must_use]
    pub fn shows(&self, field: &str, record: &crate::Record) -> bool {
        let mut fields = self.fields.iter();
        fields
            .find(|sight| sight.name == field)
            .is_none_or(|sight| sight.access.includes(record))
    }

    /// Whether answers of mutations leave the field out even if the caller may read it.
    #[must_use]
    pub fn redacts(&self, field: &str) -> bool {
        let mut fields = self.fields.iter();
        fields.any(|sight| sight.redacted && sight.name == field)
            || self.redacted_relations.iter().any(|name| name == field)
    }

    /// What a client sees of a stored value, if it is not the value itself.
    #[must_use]
    pub fn rewritten(&self, field: &str, value: &Value) -> Option<Value> {
        let is_owner = self.owners.iter().any(|name| name == field);
        is_owner.then(|| claims::visible(value))
    }

    /// On which records the caller may read a field.
    #[must_use]
    pub fn access(&self, field: &str) -> Access {
        let mut fields = self.fields.iter();
        let sight = fields.find(|sight| sight.name == field);
        sight.map_or(Access::Allow, |sight| sight.access.clone())
    }

    /// Whether every field of every record is shown as it is stored.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.fields.is_empty() && self.owners.is_empty() && self.redacted_relations.is_empty()
    }

    /// The fields of this record that the caller may not read.
    pub fn hidden(&self, record: &crate::Record) -> impl Iterator<Item = &str> {
        let hidden = self
            .fields
            .iter()
            .filter(|sight| !sight.access.includes(record));
        hidden.map(|sight| sight.name.as_str())
    }
}

/// What a caller sees of a model's records. `publish_only` shows the caller of a mutation what it may read.
pub(super) fn sight(
    rules: &Rules,
    model_name: &str,
    model: &ModelRules,
    identity: &Identity,
) -> Sight {
    let exempt = rules.exempts(identity);
    let redacts = rules.settings.mutation_redaction == super::Redaction::AppSync;
    let denied = match identity {
        Identity::Lambda(caller) => caller.denied_fields.as_slice(),
        _ => &[],
    };
    let denied = denied.iter().filter(|(ty, _)| ty == model_name);
    let mut fields: Vec<FieldSight> = denied
        .map(|(_, field)| FieldSight {
            name: field.clone(),
            access: Access::Deny,
            redacted: false,
        })
        .collect();
    let gated = rules.written.get(model_name).into_iter().flatten();
    for (field, _) in gated.filter(|(field, _)| !rules.reaches(model_name, field, identity)) {
        fields.push(FieldSight {
            name: field.clone(),
            access: Access::Deny,
            redacted: false,
        });
    }
    for protected in &model.protected {
        let redacted = redacts && protected.redacted;
        let access = if exempt {
            Access::Allow
        } else {
            readable(&protected.readers, rules, identity)
        };
        let known = fields.iter().any(|sight| sight.name == protected.field);
        if !known && (redacted || access != Access::Allow) {
            fields.push(FieldSight {
                name: protected.field.clone(),
                access,
                redacted,
            });
        }
    }
    Sight {
        fields,
        owners: model.owners.clone(),
        redacted_relations: if redacts {
            model.redacted_relations.clone()
        } else {
            Vec::new()
        },
    }
}

fn readable(readers: &[Role], rules: &Rules, identity: &Identity) -> Access {
    let standings = readers
        .iter()
        .map(|role| role.standing(identity, &rules.settings));
    Access::any(standings.filter_map(|standing: Standing<'_>| standing.held()))
}

/// The document as the caller may read it: what is refused is missing.
pub(crate) fn visible_fields(sight: &Sight, record: &crate::Record) -> Fields {
    let fields = record.fields.iter();
    fields
        .filter(|(name, _)| sight.shows(name, record))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
