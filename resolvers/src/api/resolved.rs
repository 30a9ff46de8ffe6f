//! What resolvers answered, in columns: one batch per relation field and level, however many parents there are.

use std::ops::Range;
use std::sync::Arc;

use driftless_conflict_handlers::{Fields, Record, Timestamp};

use serde_json::Value;

use super::error::{ErrorType, Failure, FieldError};
use super::outcome::{Connection, Outcome, Resolved};

/// The values of one field for a row of parents.
#[derive(Debug, Default)]
pub(crate) struct Column {
    /// One value per parent.
    pub(crate) cells: Vec<Cell>,
    /// The records of all values.
    pub(crate) records: Vec<Arc<Record>>,
    /// What was resolved below these records: one layer for the field's own selection, or one per `items` selection of
    /// a page, in the order of the plan.
    pub(crate) layers: Vec<Layer>,
}

/// One value.
#[derive(Debug)]
pub(crate) enum Cell {
    /// Nothing there.
    Null,
    /// No value, and why.
    Failed(FieldError),
    /// The record at this place of the column.
    Record(usize),
    /// A key without its record.
    Reference(Arc<Fields>),
    /// A finished answer (introspection).
    Json(Value),
    /// A page of the column's records.
    Page {
        /// Which.
        records: Range<usize>,
        /// `nextToken`.
        next_token: Option<String>,
        /// `startedAt`.
        started_at: Option<Timestamp>,
    },
}

/// The resolved fields of a selection, for every record of a column.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    /// By position of the field in the selection.
    pub(crate) columns: Vec<(usize, Column)>,
}

impl Layer {
    /// The column of a field.
    pub(crate) fn column(&self, field: usize) -> Option<&Column> {
        let mut columns = self.columns.iter();
        columns
            .find(|(index, _)| *index == field)
            .map(|(_, column)| column)
    }
}

impl Column {
    /// A column without layers. `Err` if the store was not available for one of the values.
    pub(crate) fn of(outcomes: impl IntoIterator<Item = Outcome>) -> Result<Column, String> {
        let mut column = Column::default();
        for outcome in outcomes {
            let cell = match outcome {
                Ok(resolved) => column.keep(resolved),
                Err(Failure::Field(error)) => Cell::Failed(error),
                Err(Failure::Unavailable(reason)) => return Err(reason),
            };
            column.cells.push(cell);
        }
        Ok(column)
    }

    /// A column of one failed value.
    pub(crate) fn failed(error: FieldError) -> Column {
        Column {
            cells: vec![Cell::Failed(error)],
            ..Column::default()
        }
    }

    fn keep(&mut self, resolved: Resolved) -> Cell {
        match resolved {
            Resolved::Null => Cell::Null,
            Resolved::Reference(key) => Cell::Reference(key),
            Resolved::Record(record) => {
                self.records.push(record);
                Cell::Record(self.records.len() - 1)
            }
            Resolved::Connection(Connection {
                records,
                next_token,
                started_at,
            }) => {
                let start = self.records.len();
                self.records.extend(records);
                Cell::Page {
                    records: start..self.records.len(),
                    next_token,
                    started_at,
                }
            }
        }
    }
}

/// The error for a fault of this server.
pub(crate) fn internal_failure() -> FieldError {
    FieldError::new(ErrorType::InternalFailure, "Internal failure.")
}
