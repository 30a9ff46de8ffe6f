//! What cannot be shown: nulls, and the errors that explain them.

use serde_json::Value;

use super::super::coerce::kind;
use super::super::error::{ErrorType, FieldError, GraphqlError, PathSegment};
use super::super::plan::{Field, Selection};
use super::super::shown;
use super::super::types::TypeRef;
use super::{NoValue, Projection, Step, Treatment, Written};
use crate::authz::unauthorized;
use crate::identity::Family;

/// More errors than this say nothing new; nulls beyond it stand without one.
const ERROR_LIMIT: usize = 1_000;

impl<'a> Projection<'a> {
    /// Nothing where something may be expected.
    pub(super) fn nothing(&mut self, selection: &Selection, ty: &TypeRef) -> Written {
        let TypeRef::NonNull(inner) = ty else {
            self.null();
            return Ok(());
        };
        let message = format!(
            "Cannot return null for non-nullable type: '{inner}' within parent '{}' ({})",
            selection.type_name,
            self.place()
        );
        self.report(message);
        Err(NoValue)
    }

    /// A field that the mutation of an event has not selected.
    pub(super) fn unselected(&mut self, selection: &Selection, field: &Field) -> Written {
        self.lacks |= field.ty.is_non_null();
        self.nothing(selection, &field.ty)
    }

    /// A stored value that is none of its type: null and an error.
    pub(super) fn unfit(&mut self, field: &Field, ty: &TypeRef, value: &Value) -> Written {
        let message = format!(
            "Can't serialize value ({}) : Expected type '{ty}' but was '{}'.",
            self.place(),
            kind(value)
        );
        tracing::warn!(
            field = field.name,
            message,
            "a stored value does not fit its type"
        );
        self.report(message);
        self.null();
        Ok(())
    }

    fn report(&mut self, message: String) {
        self.push(GraphqlError {
            path: Some(self.path()),
            data: None,
            error_type: None,
            custom: None,
            locations: None,
            message,
        });
    }

    fn push(&mut self, error: GraphqlError) {
        self.faults += 1;
        if self.errors.len() < ERROR_LIMIT {
            self.errors.push(error);
        }
    }

    fn path(&self) -> Vec<PathSegment> {
        let segment = |step: &Step<'_>| match step {
            Step::Key(key) => PathSegment::Key((*key).to_owned()),
            Step::Index(index) => PathSegment::Index(*index),
        };
        self.path.iter().map(segment).collect()
    }

    /// The path as messages show it: `/syncPosts/items[3]/title`.
    fn place(&self) -> String {
        let mut place = String::new();
        for step in &self.path {
            match step {
                Step::Key(key) => {
                    place.push('/');
                    place.push_str(key);
                }
                Step::Index(index) => place.push_str(&format!("[{index}]")),
            }
        }
        place
    }

    /// A field that the reader may not see. Where an error would do harm it is null without one (`errata.md` rows 5, 21).
    pub(super) fn refused(&mut self, selection: &Selection, field: &Field) -> Written {
        let told = match self.treatment {
            Treatment::Plain => true,
            Treatment::Mutation => self.viewer.is_told_of_refusals(),
            Treatment::Sync | Treatment::Event | Treatment::Rejection => false,
        };
        if told {
            let error = unauthorized(&field.name, &selection.type_name);
            self.push(GraphqlError {
                path: Some(self.path()),
                data: None,
                error_type: error.error_type,
                custom: None,
                locations: Some(vec![field.location]),
                message: error.message,
            });
        }
        self.withheld |= field.ty.is_non_null();
        Err(NoValue)
    }

    /// A field whose resolver failed. Relations fail silently where an error would harm (`errata.md` rows 5, 6).
    pub(super) fn failed(&mut self, field: &'a Field, error: &FieldError, root: bool) -> Written {
        let refused = error.error_type == Some(ErrorType::Unauthorized);
        let silent = !root
            && match self.treatment {
                Treatment::Plain => false,
                Treatment::Sync => refused,
                Treatment::Mutation | Treatment::Event | Treatment::Rejection => true,
            };
        if silent {
            tracing::warn!(
                field = field.name,
                error = error.message,
                "a relation is shown as null"
            );
            return Err(NoValue);
        }
        let record = error.record.as_deref().filter(|_| !refused);
        let data = record
            .zip(field.selection())
            .and_then(|(record, selection)| {
                shown::stored_record(self.viewer, selection, record, self.variables)
            });
        self.push(GraphqlError {
            path: Some(self.path()),
            data,
            error_type: error.error_type,
            custom: error.custom.clone(),
            locations: Some(vec![field.location]),
            message: error.message.clone(),
        });
        Err(NoValue)
    }

    /// A field whose answer is not served yet: null, and why, where an error harms nobody.
    pub(super) fn unserved(&mut self, selection: &Selection, field: &Field, what: &str) -> Written {
        if self.treatment == Treatment::Plain || self.path.len() == 1 {
            self.push(GraphqlError {
                path: Some(self.path()),
                data: None,
                custom: None,
                error_type: None,
                locations: Some(vec![field.location]),
                message: format!("{what} is not served yet."),
            });
            return match field.ty {
                TypeRef::NonNull(_) => Err(NoValue),
                _ => {
                    self.null();
                    Ok(())
                }
            };
        }
        self.nothing(selection, &field.ty)
    }

    /// Android ends its start at a sync without data, but takes an empty page next to the refusal (`errata.md` row 19).
    pub(super) fn goes_on_without(&self, error: &FieldError) -> bool {
        self.treatment == Treatment::Sync
            && self.path.len() == 1
            && error.error_type == Some(ErrorType::Unauthorized)
            && matches!(self.family, Family::Android | Family::Flutter)
    }
}
