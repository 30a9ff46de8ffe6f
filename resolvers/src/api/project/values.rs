//! Stored values and metadata, written as their types want them.

use driftless_conflict_handlers::Record;
use serde_json::Value;

use super::super::plan::{Field, Selection, Shape, Source};
use super::super::scalars::javascript;
use super::super::types::TypeRef;
use super::{EMPTY, NoValue, Object, Projection, Seen, Step, Treatment, Written};
use crate::schema::model::Scalar;

impl<'a> Projection<'a> {
    pub(super) fn property(&mut self, seen: Seen<'a, '_>, field: &'a Field) -> Written {
        let Seen {
            selection,
            object,
            sight,
        } = seen;
        let metadata = match (&field.source, object) {
            (Source::TypeName, _) => {
                self.text(&selection.type_name);
                return Ok(());
            }
            (Source::Attribute, Object::Record(record)) => {
                let value = record.fields.get(&field.name);
                let Some(sight) = sight else {
                    return self.attribute(selection, field, value);
                };
                if !sight.shows(&field.name, record) {
                    return self.refused(selection, field);
                }
                if self.treatment == Treatment::Mutation && sight.redacts(&field.name) {
                    return Err(NoValue);
                }
                return match value.and_then(|value| sight.rewritten(&field.name, value)) {
                    Some(Value::String(text)) => {
                        self.text(&text);
                        Ok(())
                    }
                    Some(Value::Array(owners)) => {
                        self.out.extend(Value::Array(owners).to_string().bytes());
                        Ok(())
                    }
                    _ => self.attribute(selection, field, value),
                };
            }
            (Source::Attribute, Object::Nested(fields) | Object::Reference(fields)) => {
                return self.attribute(selection, field, fields.get(&field.name));
            }
            (Source::Version, Object::Record(record)) => Some(i64::from(record.version.0)),
            (Source::LastChangedAt, Object::Record(record)) => Some(record.last_changed_at.0),
            (Source::Deleted, Object::Record(Record { deleted: true, .. })) => {
                self.out.extend_from_slice(b"true");
                return Ok(());
            }
            (Source::NextToken, Object::Page(page)) => {
                match page.next_token {
                    Some(token) => self.text(token),
                    None => self.null(),
                }
                return Ok(());
            }
            (Source::StartedAt, Object::Page(page)) => page.started_at.map(|time| time.0),
            _ => None,
        };
        match metadata {
            Some(number) => {
                self.out.extend_from_slice(number.to_string().as_bytes());
                Ok(())
            }
            None => self.nothing(selection, &field.ty),
        }
    }

    fn attribute(
        &mut self,
        selection: &'a Selection,
        field: &'a Field,
        value: Option<&'a Value>,
    ) -> Written {
        self.value(selection, field, &field.ty, value.unwrap_or(&Value::Null))
    }

    /// Writes a stored value as its type wants it.
    fn value(
        &mut self,
        selection: &'a Selection,
        field: &'a Field,
        ty: &TypeRef,
        value: &'a Value,
    ) -> Written {
        match (ty, value) {
            (_, Value::Null) => self.nothing(selection, ty),
            (TypeRef::NonNull(inner), value) => {
                let (errors, faults) = (self.errors.len(), self.faults);
                let before = self.mark();
                let written = self.value(selection, field, inner, value);
                if written.is_ok() && self.faults > faults && self.is_null_since(before) {
                    self.errors.truncate(errors);
                    return self.nothing(selection, ty);
                }
                written
            }
            (TypeRef::List(inner), Value::Array(values)) => {
                self.list(selection, field, inner, values)
            }
            (TypeRef::List(_), _) => self.unfit(field, ty, value),
            (TypeRef::Named(_), value) => self.named(field, ty, value),
        }
    }

    fn is_null_since(&self, before: usize) -> bool {
        &self.out[before..] == b"null"
    }

    fn list(
        &mut self,
        selection: &'a Selection,
        field: &'a Field,
        inner: &TypeRef,
        values: &'a [Value],
    ) -> Written {
        self.out.push(b'[');
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.path.push(Step::Index(index));
            let before = self.mark();
            let written = self.value(selection, field, inner, value);
            let settled = self.settle(inner, before, written);
            self.path.pop();
            settled?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn named(&mut self, field: &'a Field, ty: &TypeRef, value: &'a Value) -> Written {
        match (&field.shape, value) {
            (Shape::Object(inner), Value::Object(fields)) => {
                self.object(inner, Object::Nested(fields), &EMPTY, 0)
            }
            (Shape::Enum(words), Value::String(word)) if words.contains(word) => {
                self.text(word);
                Ok(())
            }
            (Shape::Scalar(scalar), value)
                if self.is_for_javascript() && !javascript::takes(*scalar, value) =>
            {
                self.spoiled = true;
                self.unfit(field, ty, value)
            }
            (Shape::Scalar(scalar), value) if self.scalar(*scalar, value) => Ok(()),
            _ => self.unfit(field, ty, value),
        }
    }

    /// Writes a stored scalar; whether it was one.
    fn scalar(&mut self, scalar: Scalar, value: &Value) -> bool {
        match (scalar, value) {
            (Scalar::Boolean, Value::Bool(flag)) => {
                let word: &[u8] = if *flag { b"true" } else { b"false" };
                self.out.extend_from_slice(word);
            }
            (Scalar::Float, Value::Number(number)) => {
                self.out.extend_from_slice(number.as_str().as_bytes());
            }
            (Scalar::Int | Scalar::AwsTimestamp, Value::Number(number)) => {
                let Some(int) = number.as_i64() else {
                    return false;
                };
                if scalar == Scalar::Int && i32::try_from(int).is_err() {
                    return false;
                }
                self.out.extend_from_slice(number.as_str().as_bytes());
            }
            (Scalar::Int | Scalar::Float | Scalar::Boolean | Scalar::AwsTimestamp, _) => {
                return false;
            }
            (_, Value::String(text)) => self.text(text),
            (Scalar::AwsJson, other) => self.text(&other.to_string()),
            (_, Value::Number(number)) => self.text(number.as_str()),
            (_, Value::Bool(flag)) => self.text(if *flag { "true" } else { "false" }),
            _ => return false,
        }
        true
    }

    pub(super) fn text(&mut self, text: &str) {
        serde_json::to_writer(&mut self.out, text).expect("writing to memory cannot fail");
    }
}
