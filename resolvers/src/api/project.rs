//! From resolved values to response bytes: one pass, nulls carried up by cutting the buffer back.

use driftless_conflict_handlers::{Fields, Record, Timestamp};
use serde_json::Value;

use super::error::{ErrorType, FieldError, GraphqlError, PathSegment};
use super::plan::{Field, Selection, Shape, Source};
use super::resolved::{Cell, Column, Layer};
use super::shown;
use super::types::{Resolver, TypeRef};
use super::variables::Variables;
use crate::identity::Family;
use crate::schema::Schema;
use crate::schema::model::Scalar;

/// An object on its way into the answer.
#[derive(Clone, Copy)]
enum Object<'a> {
    Root,
    Record(&'a Record),
    Reference(&'a Fields),
    Nested(&'a Fields),
    Page(PageParts<'a>),
}

/// A page: a range of a column's records.
#[derive(Clone, Copy)]
struct PageParts<'a> {
    column: &'a Column,
    start: usize,
    end: usize,
    next_token: Option<&'a str>,
    started_at: Option<Timestamp>,
}

/// Signals that a non-null place has no value, so that the nearest nullable place above becomes null.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoValue;

type Written = Result<(), NoValue>;

/// One answer while it is written.
pub(crate) struct Projection<'a> {
    schema: &'a Schema,
    variables: &'a Variables,
    family: Family,
    /// The bytes so far.
    pub(crate) out: Vec<u8>,
    /// The errors so far.
    pub(crate) errors: Vec<GraphqlError>,
    path: Vec<Step<'a>>,
    treatment: Treatment,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// How faults below the current root field are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Treatment {
    /// As the GraphQL specification says.
    Plain,
    /// Bad items are handled by client family and refused fields are silent (`errata.md` rows 4, 5).
    Sync,
    /// Relations fail silently (`errata.md` row 6).
    Mutation,
    /// The stored record of a rejection: a relation may be null whatever its type (`sync-semantics` MUT-10).
    Rejection,
}

impl<'a> Projection<'a> {
    /// An empty answer.
    pub(crate) fn new(schema: &'a Schema, variables: &'a Variables, family: Family) -> Self {
        Projection {
            schema,
            variables,
            family,
            out: Vec::with_capacity(1024),
            errors: Vec::new(),
            path: Vec::new(),
            treatment: Treatment::Plain,
        }
    }

    /// Writes the root object.
    pub(crate) fn root(&mut self, selection: &'a Selection, layer: &'a Layer) -> Written {
        self.object(selection, Object::Root, layer, 0)
    }

    /// Writes the stored record of a rejected mutation.
    pub(crate) fn rejected(
        &mut self,
        selection: &'a Selection,
        record: &'a Record,
        layer: &'a Layer,
    ) -> Written {
        self.treatment = Treatment::Rejection;
        self.object(selection, Object::Record(record), layer, 0)
    }

    fn object(
        &mut self,
        selection: &'a Selection,
        object: Object<'a>,
        layer: &'a Layer,
        row: usize,
    ) -> Written {
        self.out.push(b'{');
        let mut items = 0;
        let mut first = true;
        for (index, field) in selection.fields.iter().enumerate() {
            if !field.selected(self.variables) {
                continue;
            }
            if !first {
                self.out.push(b',');
            }
            first = false;
            self.key(&field.key);
            self.path.push(Step::Key(&field.key));
            let before = self.mark();
            let written = match (&field.source, object) {
                (Source::Items, Object::Page(page)) => {
                    items += 1;
                    self.items(field, page, items - 1)
                }
                (
                    Source::Root(_)
                    | Source::KeylessGet { .. }
                    | Source::Introspection
                    | Source::Relation { .. },
                    _,
                ) => self.resolved(selection, field, layer.column(index), row),
                _ => self.property(selection, field, object),
            };
            let settled = self.settle(&field.ty, before, written);
            self.path.pop();
            settled?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn key(&mut self, key: &str) {
        // Response keys are GraphQL names: nothing in them needs escaping.
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn mark(&self) -> usize {
        self.out.len()
    }

    /// Turns "no value" into null where the type allows it.
    fn settle(&mut self, ty: &TypeRef, before: usize, written: Written) -> Written {
        match written {
            Err(NoValue) if !ty.is_non_null() => {
                self.out.truncate(before);
                self.null();
                Ok(())
            }
            written => written,
        }
    }

    fn null(&mut self) {
        self.out.extend_from_slice(b"null");
    }

    fn property(
        &mut self,
        selection: &'a Selection,
        field: &'a Field,
        object: Object<'a>,
    ) -> Written {
        let metadata = match (&field.source, object) {
            (Source::TypeName, _) => {
                self.text(&selection.type_name);
                return Ok(());
            }
            (Source::Attribute, Object::Record(Record { fields, .. })) => {
                return self.attribute(selection, field, fields.get(&field.name));
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
                let errors = self.errors.len();
                let before = self.mark();
                let written = self.value(selection, field, inner, value);
                if written.is_ok() && self.errors.len() > errors && self.is_null_since(before) {
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

    fn text(&mut self, text: &str) {
        serde_json::to_writer(&mut self.out, text).expect("writing to memory cannot fail");
    }

    /// Nothing where something may be expected.
    fn nothing(&mut self, selection: &Selection, ty: &TypeRef) -> Written {
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

    /// A stored value that is none of its type: null and an error.
    fn unfit(&mut self, field: &Field, ty: &TypeRef, value: &Value) -> Written {
        let message = format!(
            "Can't serialize value ({}) : Expected type '{ty}' but was '{}'.",
            self.place(),
            super::coerce::kind(value)
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
        self.errors.push(GraphqlError {
            path: Some(self.path()),
            data: None,
            error_type: None,
            locations: None,
            message,
        });
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

    fn resolved(
        &mut self,
        parent: &'a Selection,
        field: &'a Field,
        column: Option<&'a Column>,
        row: usize,
    ) -> Written {
        let root = !matches!(field.source, Source::Relation { .. });
        if root {
            self.treatment = treatment(field);
        }
        let cell = column.and_then(|column| Some((column, column.cells.get(row)?)));
        if let Some((_, Cell::Json(value))) = cell {
            self.out.extend_from_slice(value.to_string().as_bytes());
            return Ok(());
        }
        if let Some((_, Cell::Failed(error))) = cell {
            return self.failed(field, error, root);
        }
        let (Some((column, cell)), Some(selection)) = (cell, field.selection()) else {
            return self.nothing(parent, &field.ty);
        };
        match cell {
            Cell::Null if self.treatment == Treatment::Rejection => {
                self.null();
                Ok(())
            }
            Cell::Null => self.nothing(parent, &field.ty),
            Cell::Failed(_) | Cell::Json(_) => Err(NoValue),
            Cell::Record(index) => {
                let record = Object::Record(&column.records[*index]);
                self.object(
                    selection,
                    record,
                    column.layers.first().unwrap_or(&EMPTY),
                    *index,
                )
            }
            Cell::Reference(key) => self.object(selection, Object::Reference(key), &EMPTY, 0),
            Cell::Page {
                records,
                next_token,
                started_at,
            } => {
                let page = PageParts {
                    column,
                    start: records.start,
                    end: records.end,
                    next_token: next_token.as_deref(),
                    started_at: *started_at,
                };
                self.object(selection, Object::Page(page), &EMPTY, 0)
            }
        }
    }

    /// The records of a page. In a sync page an item that violates its type must neither end the sync nor go unseen
    /// (`errata.md` row 4).
    fn items(&mut self, field: &'a Field, page: PageParts<'a>, nth: usize) -> Written {
        let Some(selection) = field.selection() else {
            return Err(NoValue);
        };
        let layer = page.column.layers.get(nth).unwrap_or(&EMPTY);
        let tolerant = self.treatment == Treatment::Sync && self.path.len() == ROOT_PAGE_DEPTH;
        let (start, errors) = (self.mark(), self.errors.len());
        let (mut good, mut bad) = (0, 0);
        self.out.push(b'[');
        for (position, index) in (page.start..page.end).enumerate() {
            let before = self.mark();
            if before > start + 1 {
                self.out.push(b',');
            }
            self.path.push(Step::Index(position));
            let item = self.mark();
            let record = Object::Record(&page.column.records[index]);
            let written = self.object(selection, record, layer, index);
            self.path.pop();
            if written.is_ok() {
                good += 1;
                continue;
            }
            bad += 1;
            if tolerant && self.is_native() {
                self.out.truncate(before);
            } else {
                self.settle(element(&field.ty), item, written)?;
            }
        }
        if tolerant && good == 0 && bad > 0 && !self.is_native() {
            // JavaScript repeats a page without good items for minutes if it holds an error.
            self.out.truncate(start + 1);
            self.errors.truncate(errors);
        }
        if bad > 0 {
            tracing::warn!(
                model = selection.type_name,
                bad,
                "records violate their type"
            );
        }
        self.out.push(b']');
        Ok(())
    }

    fn is_native(&self) -> bool {
        matches!(
            self.family,
            Family::Android | Family::Swift | Family::Flutter
        )
    }

    fn failed(&mut self, field: &'a Field, error: &FieldError, root: bool) -> Written {
        let refused = error.error_type == Some(ErrorType::Unauthorized);
        let silent = !root
            && match self.treatment {
                Treatment::Plain => false,
                Treatment::Sync => refused,
                Treatment::Mutation | Treatment::Rejection => true,
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
                shown::stored_record(self.schema, selection, record, self.variables)
            });
        self.errors.push(GraphqlError {
            path: Some(self.path()),
            data,
            error_type: error.error_type,
            locations: Some(vec![field.location]),
            message: error.message.clone(),
        });
        Err(NoValue)
    }
}

/// The path to the items of a page that is a root field: its key, and `items`.
const ROOT_PAGE_DEPTH: usize = 2;

/// The type of a list's elements.
fn element(ty: &TypeRef) -> &TypeRef {
    match ty {
        TypeRef::NonNull(inner) => element(inner),
        TypeRef::List(inner) => inner,
        TypeRef::Named(_) => ty,
    }
}

static EMPTY: Layer = Layer {
    columns: Vec::new(),
};

fn treatment(field: &Field) -> Treatment {
    match &field.source {
        Source::Root(Resolver::Sync(_)) => Treatment::Sync,
        Source::Root(
            Resolver::Create(_)
            | Resolver::Update(_)
            | Resolver::Delete(_)
            | Resolver::Subscribe(..),
        ) => Treatment::Mutation,
        _ => Treatment::Plain,
    }
}
