//! Which mutations a caller may make (`transformer` 8.4).

use serde_json::Value;

use super::matrix::{Matrix, Row};
use super::role::{Standing, Who};
use super::rules::{ModelRules, Rules};
use super::{Access, read};
use crate::Fields;
use crate::identity::Identity;
use crate::schema::model::{Model, ModelOperation, Origin};

/// Why a mutation is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// As a whole.
    Operation,
    /// Because of these fields of its input.
    Fields(Vec<String>),
}

/// The fields of a record's metadata, which whoever may write a field may send.
const METADATA: [&str; 3] = ["_version", "_deleted", "_lastChangedAt"];

/// What the roles of a caller allow between them.
enum Allowed<'m> {
    Everything,
    Rows(Vec<&'m Row>),
}

impl<'m> Allowed<'m> {
    fn add(&mut self, row: &'m Row, whole: bool) {
        match self {
            Allowed::Everything => {}
            _ if whole => *self = Allowed::Everything,
            Allowed::Rows(rows) => rows.push(row),
        }
    }

    fn is_everything(&self) -> bool {
        matches!(self, Allowed::Everything)
    }
}

/// Whether the caller passes, or is refused, before any role is asked.
fn settled(
    rules: &Rules,
    model: &ModelRules,
    operation: ModelOperation,
    identity: &Identity,
) -> Option<Result<(), Refused>> {
    let verdict = |access| match access {
        Access::Allow => Ok(()),
        _ => Err(Refused::Operation),
    };
    if !model.modes.reach(operation, identity.mode()) {
        return Some(Err(Refused::Operation));
    }
    (model.matrix.is_none() || rules.exempts(identity))
        .then(|| verdict(read::whole(rules, model, identity)))
}

/// Whether a caller may create a record from this input, to which defaults have been added. The answer is what the
/// caller's owner rules add to it.
pub(super) fn create(
    rules: &Rules,
    model: &Model,
    known: &ModelRules,
    identity: &Identity,
    input: &Fields,
) -> Result<Fields, Refused> {
    let mut added = Fields::new();
    if let Some(verdict) = settled(rules, known, ModelOperation::Create, identity) {
        return verdict.map(|()| added);
    }
    let Some(matrix) = &known.matrix else {
        return Err(Refused::Operation);
    };
    let whole = |row: &Row| row.every.has(ModelOperation::Create);
    let mut allowed = Allowed::Rows(Vec::new());
    for (row, standing) in in_order(rules, matrix, identity, |row| {
        row.some.has(ModelOperation::Create)
    }) {
        let Standing::Owner(named, identities) = &standing else {
            if !allowed.is_everything() && standing.holds_on(input) {
                allowed.add(row, whole(row));
            }
            continue;
        };
        let Some(identity) = &identities.whole else {
            continue;
        };
        let fills = !input.contains_key(&named.field)
            && !added.contains_key(&named.field)
            && (!allowed.is_everything() || rules.settings.populate_owner_for_static_groups);
        if fills {
            let identity = Value::from(identity.as_str());
            let owner = if named.list {
                vec![identity].into()
            } else {
                identity
            };
            added.insert(named.field.clone(), owner);
        }
        if standing.holds_on(input) || standing.holds_on(&added) {
            allowed.add(row, whole(row));
        }
    }
    let fields = |row: &Row, field: &str| may(matrix, model, row, field, ModelOperation::Create);
    settle(allowed, input.keys(), |rows, field| {
        rows.iter().any(|row| fields(row, field))
    })?;
    Ok(added)
}

/// Whether a caller may make this update of what is stored.
pub(super) fn update(
    rules: &Rules,
    model: &Model,
    known: &ModelRules,
    identity: &Identity,
    input: &Fields,
    stored: Option<&Fields>,
) -> Result<(), Refused> {
    if let Some(verdict) = settled(rules, known, ModelOperation::Update, identity) {
        return verdict;
    }
    let Some(matrix) = &known.matrix else {
        return Err(Refused::Operation);
    };
    let (update, delete) = (ModelOperation::Update, ModelOperation::Delete);
    let mut allowed = Allowed::Rows(Vec::new());
    let takes_part = |row: &Row| row.some.has_any(&[update, delete]);
    for (row, standing) in in_order(rules, matrix, identity, takes_part) {
        if standing.holds_on(stored.unwrap_or(&Fields::new())) {
            allowed.add(row, row.every.has_all(&[update, delete]));
        }
    }
    let key = &model.key.partition;
    settle(allowed, input.keys(), |rows, field| {
        let may = |operation| {
            rows.iter()
                .any(|row| may(matrix, model, row, field, operation))
        };
        let erases = input.get(field).is_some_and(Value::is_null);
        let set = field == key || may(update);
        set && (!erases || METADATA.contains(&field) || erasable(matrix, rows, field))
    })
}

/// Whether there can be a record of which the caller may make this mutation: otherwise none needs to be read.
pub(super) fn hopes(
    rules: &Rules,
    model: &ModelRules,
    operation: ModelOperation,
    identity: &Identity,
) -> bool {
    if let Some(verdict) = settled(rules, model, operation, identity) {
        return verdict.is_ok();
    }
    let takes_part = |row: &&Row| match operation {
        ModelOperation::Delete => row.every.has(operation),
        ModelOperation::Update => row.some.has_any(&[operation, ModelOperation::Delete]),
        _ => row.some.has(operation),
    };
    let rows = model.matrix.iter().flat_map(|matrix| &matrix.rows);
    let holds = |row: &Row| {
        let standing = row.role.standing(identity, &rules.settings);
        standing.held().is_some()
    };
    rows.filter(takes_part).any(holds)
}

/// Whether one of the roles by which a caller creates holds on what was stored.
pub(super) fn revive(
    rules: &Rules,
    model: &ModelRules,
    identity: &Identity,
    stored: &Fields,
) -> bool {
    if let Some(verdict) = settled(rules, model, ModelOperation::Create, identity) {
        return verdict.is_ok();
    }
    let matrix = model.matrix.iter();
    let mut rows = matrix.flat_map(|matrix| matrix.taking_part(ModelOperation::Create));
    rows.any(|row| {
        row.role
            .standing(identity, &rules.settings)
            .holds_on(stored)
    })
}

/// Whether a caller may delete what is stored.
pub(super) fn delete(
    rules: &Rules,
    known: &ModelRules,
    identity: &Identity,
    stored: Option<&Fields>,
) -> Result<(), Refused> {
    if let Some(verdict) = settled(rules, known, ModelOperation::Delete, identity) {
        return verdict;
    }
    let rows = known.matrix.iter();
    let mut rows = rows.flat_map(|matrix| matrix.taking_part(ModelOperation::Delete));
    let nothing = Fields::new();
    let holds = |row: &Row| {
        let standing = row.role.standing(identity, &rules.settings);
        standing.holds_on(stored.unwrap_or(&nothing))
    };
    if rows.any(holds) {
        Ok(())
    } else {
        Err(Refused::Operation)
    }
}

/// The roles that take part, in the order in which they are asked: static ones, owners, groups that records name. Once
/// one of them allows everything the others can only fill in owners.
fn in_order<'m>(
    rules: &Rules,
    matrix: &'m Matrix,
    identity: &Identity,
    takes_part: impl Fn(&Row) -> bool,
) -> Vec<(&'m Row, Standing<'m>)> {
    let rows = matrix.rows.iter().filter(|row| takes_part(row));
    let mut standings: Vec<_> = rows
        .map(|row| (row, row.role.standing(identity, &rules.settings)))
        .collect();
    standings.sort_by_key(|(row, _)| match row.role.who {
        Who::Private => 0,
        Who::Public | Who::Custom | Who::Groups { .. } => 1,
        Who::Owner(_) => 2,
        Who::GroupsField(_) => 3,
    });
    standings
}

/// Whether a role may do this to a field. What no rule speaks of goes with the rest, unless it names somebody.
fn may(matrix: &Matrix, model: &Model, row: &Row, field: &str, operation: ModelOperation) -> bool {
    match matrix.cell(row, field) {
        Some(cell) => cell.has(operation),
        None => {
            METADATA.contains(&field)
                || model
                    .fields
                    .get(field)
                    .is_some_and(|field| field.origin == Origin::ForeignKey)
        }
    }
}

/// Whether one of these roles may set a field to null, which is to delete it.
fn erasable(matrix: &Matrix, rows: &[&Row], field: &str) -> bool {
    let deletes = |row: &&Row| {
        let cell = matrix.cell(row, field);
        cell.is_some_and(|cell| cell.has(ModelOperation::Delete))
    };
    rows.iter().any(deletes)
}

/// Refuses the fields that none of the caller's roles may write.
fn settle<'f>(
    allowed: Allowed<'_>,
    fields: impl Iterator<Item = &'f String>,
    may: impl Fn(&[&Row], &str) -> bool,
) -> Result<(), Refused> {
    let rows = match allowed {
        Allowed::Everything => return Ok(()),
        Allowed::Rows(rows) if rows.is_empty() => return Err(Refused::Operation),
        Allowed::Rows(rows) => rows,
    };
    let refused: Vec<String> = fields.filter(|field| !may(&rows, field)).cloned().collect();
    if refused.is_empty() {
        Ok(())
    } else {
        Err(Refused::Fields(refused))
    }
}
