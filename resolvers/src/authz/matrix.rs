//! Role × field × operation: what the rules of a model come to, computed once per schema (`transformer` 8.1).

use indexmap::IndexMap;

use super::role::Role;
use crate::schema::model::{AuthRule, Model, ModelOperation, Origin};

/// A set of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Operations(u8);

impl Operations {
    /// The operations that read.
    pub(super) const READ: [ModelOperation; 5] = [
        ModelOperation::Get,
        ModelOperation::List,
        ModelOperation::Search,
        ModelOperation::Listen,
        ModelOperation::Sync,
    ];

    fn of(operations: &[ModelOperation]) -> Self {
        let bits = operations.iter().map(|operation| bit(*operation));
        Operations(bits.fold(0, std::ops::BitOr::bitor))
    }

    /// Whether the operation is in the set.
    #[must_use]
    pub(super) fn has(self, operation: ModelOperation) -> bool {
        self.0 & bit(operation) != 0
    }

    /// Whether one of these is in the set.
    #[must_use]
    pub(super) fn has_any(self, operations: &[ModelOperation]) -> bool {
        self.0 & Operations::of(operations).0 != 0
    }

    /// Whether all of these are in the set.
    #[must_use]
    pub(super) fn has_all(self, operations: &[ModelOperation]) -> bool {
        let wanted = Operations::of(operations).0;
        self.0 & wanted == wanted
    }
}

fn bit(operation: ModelOperation) -> u8 {
    1 << match operation {
        ModelOperation::Create => 0,
        ModelOperation::Update => 1,
        ModelOperation::Delete => 2,
        ModelOperation::Get => 3,
        ModelOperation::List => 4,
        ModelOperation::Sync => 5,
        ModelOperation::Listen => 6,
        ModelOperation::Search => 7,
    }
}

/// What one role may do.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    /// Who.
    pub(super) role: Role,
    /// What, per field of the matrix.
    cells: Vec<Operations>,
    /// What on at least one field.
    pub(super) some: Operations,
    /// What on every field.
    pub(super) every: Operations,
}

/// The matrix of a model.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Matrix {
    /// The fields that rules speak of, which are the declared ones, and their columns.
    fields: IndexMap<String, usize>,
    /// One row per role, in the order rules name them.
    pub(super) rows: Vec<Row>,
}

impl Matrix {
    /// What the rules of a model come to. A field's own rules replace the model's.
    pub(super) fn of(model: &Model) -> Self {
        let mut matrix = Matrix {
            fields: columns(model),
            rows: Vec::new(),
        };
        for rule in &model.auth {
            matrix.grant(model, rule, None);
        }
        let columns: Vec<(String, usize)> = matrix
            .fields
            .iter()
            .map(|(name, column)| (name.clone(), *column))
            .collect();
        for (name, column) in columns {
            if let Some(rules) = &model.fields[&name].auth {
                for row in &mut matrix.rows {
                    row.cells[column] = Operations::default();
                }
                for rule in rules {
                    matrix.grant(model, rule, Some(column));
                }
            }
        }
        for row in &mut matrix.rows {
            let cells = || row.cells.iter().map(|cell| cell.0);
            row.some = Operations(cells().fold(0, std::ops::BitOr::bitor));
            row.every = Operations(cells().fold(u8::MAX, std::ops::BitAnd::bitand));
        }
        matrix
    }

    /// Gives the roles of a rule its operations on a field, or on all.
    fn grant(&mut self, model: &Model, rule: &AuthRule, column: Option<usize>) {
        let operations = Operations::of(&rule.operations);
        for role in Role::of(model, rule) {
            let row = match self.rows.iter().position(|row| row.role.is(&role)) {
                Some(row) => row,
                None => {
                    self.rows.push(Row {
                        role,
                        cells: vec![Operations::default(); self.fields.len()],
                        some: Operations::default(),
                        every: Operations::default(),
                    });
                    self.rows.len() - 1
                }
            };
            let cells = &mut self.rows[row].cells;
            match column {
                Some(column) => cells[column] = operations,
                // Two rules of a model for one role are one rule with the operations of both.
                None => cells.iter_mut().for_each(|cell| cell.0 |= operations.0),
            }
        }
    }

    /// What a role may do to a field. A field that rules do not speak of has no column.
    pub(super) fn cell(&self, row: &Row, field: &str) -> Option<Operations> {
        self.fields.get(field).map(|column| row.cells[*column])
    }

    /// The fields of the matrix.
    pub(super) fn fields(&self) -> impl Iterator<Item = &str> {
        self.fields.keys().map(String::as_str)
    }

    /// The rows of the roles that take part in an operation: on one field at least; in a delete, on every field.
    pub(super) fn taking_part(&self, operation: ModelOperation) -> impl Iterator<Item = &Row> {
        let takes_part = move |row: &&Row| match operation {
            ModelOperation::Delete => row.every.has(operation),
            _ => row.some.has(operation),
        };
        self.rows.iter().filter(takes_part)
    }
}

/// The declared fields. A model that declares none (one that joins two others may not) has the others instead.
fn columns(model: &Model) -> IndexMap<String, usize> {
    let numbered = |origins: fn(Origin) -> bool| -> IndexMap<String, usize> {
        let fields = model.fields.values().filter(|field| origins(field.origin));
        let names = fields.map(|field| field.name.clone());
        names
            .enumerate()
            .map(|(column, name)| (name, column))
            .collect()
    };
    let declared = numbered(|origin| origin == Origin::Declared);
    if declared.is_empty() {
        return numbered(|_| true);
    }
    declared
}
