//! Role × field × operation as decisions ask for it: made from [`roles::Matrix`] once per schema, in bits.

use indexmap::IndexMap;

use super::role::Role;
use crate::schema::model::{Model, ModelOperation};
use crate::schema::roles;

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
    pub(super) fn has(self, operation: ModelOperation) -> bool {
        self.0 & bit(operation) != 0
    }

    /// Whether one of these is in the set.
    pub(super) fn has_any(self, operations: &[ModelOperation]) -> bool {
        self.0 & Operations::of(operations).0 != 0
    }

    /// Whether all of these are in the set.
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
    /// What the rules of a model come to.
    pub(super) fn of(model: &Model) -> Self {
        let matrix = roles::Matrix::of(model);
        let fields = matrix.fields().map(str::to_owned);
        let rows = matrix.rows().map(|(role, row)| {
            let cells: Vec<_> = row.iter().map(|cell| Operations::of(cell)).collect();
            let bits = || cells.iter().map(|cell| cell.0);
            Row {
                role: Role::of(model, role),
                some: Operations(bits().fold(0, std::ops::BitOr::bitor)),
                every: Operations(bits().fold(u8::MAX, std::ops::BitAnd::bitand)),
                cells,
            }
        });
        Matrix {
            fields: fields.zip(0..).collect(),
            rows: rows.collect(),
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
