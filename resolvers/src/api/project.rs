//! From resolved values to response bytes: one pass, nulls carried up by cutting the buffer back.

mod faults;
mod page;
mod values;

use driftless_conflict_handlers::{Fields, Record, Timestamp};

use super::error::GraphqlError;
use super::plan::{Field, Selection, Source};
use super::resolved::{Cell, Column, Layer};
use super::types::{Resolver, TypeRef};
use super::variables::Variables;
use super::viewer::{Sights, Viewer};
use crate::asked::Selected;
use crate::authz::Sight;
use crate::identity::Family;

/// An object on its way into the answer.
#[derive(Clone, Copy)]
enum Object<'a> {
    Root,
    Record(&'a Record),
    Reference(&'a Fields),
    Nested(&'a Fields),
    Page(PageParts<'a>),
}

/// An object, and what the reader may see of it.
#[derive(Clone, Copy)]
struct Seen<'a, 's> {
    selection: &'a Selection,
    object: Object<'a>,
    /// `None` is everything.
    sight: Option<&'s Sight>,
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
    viewer: Viewer<'a>,
    sights: Sights,
    variables: &'a Variables,
    family: Family,
    /// The bytes so far.
    pub(crate) out: Vec<u8>,
    /// The errors so far.
    pub(crate) errors: Vec<GraphqlError>,
    /// How many faults were met, reported or not.
    faults: usize,
    path: Vec<Step<'a>>,
    treatment: Treatment,
    /// Something is refused that the type says is there.
    pub(crate) withheld: bool,
    /// What a mutation selected of the event's record; `None` is all of it.
    told: Option<&'a Selected>,
    /// The part of that for the object being written.
    selected: Option<&'a Selected>,
    /// The mutation did not select something that the type says is there.
    pub(crate) lacks: bool,
    /// The current item of a sync page holds a value that its reader cannot bear.
    spoiled: bool,
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
    /// As in the answer of a mutation; any fault keeps the event back.
    Event,
    /// The stored record of a rejection: a relation may be null whatever its type (`sync-semantics` MUT-10).
    Rejection,
}

impl<'a> Projection<'a> {
    /// An empty answer.
    pub(crate) fn new(viewer: Viewer<'a>, variables: &'a Variables) -> Self {
        Projection {
            viewer,
            sights: Sights::default(),
            variables,
            family: viewer.caller.family,
            withheld: false,
            out: Vec::with_capacity(1024),
            errors: Vec::new(),
            faults: 0,
            path: Vec::new(),
            treatment: Treatment::Plain,
            told: None,
            selected: None,
            lacks: false,
            spoiled: false,
        }
    }

    /// The same for an event of which subscribers are told no more than a mutation selected.
    pub(crate) fn of(self, told: Option<&'a Selected>) -> Self {
        Projection { told, ..self }
    }

    /// Writes the root object.
    pub(crate) fn root(&mut self, selection: &'a Selection, layer: &'a Layer) -> Written {
        self.object(selection, Object::Root, layer, 0)
    }

    /// Writes a result that belongs to no model and has nothing below it.
    pub(crate) fn alone(&mut self, selection: &'a Selection, result: &'a Record) -> Written {
        self.object(selection, Object::Record(result), &EMPTY, 0)
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
        let sight = match (object, &selection.model) {
            (Object::Record(_), Some(model)) => self.sights.of(self.viewer, model),
            _ => None,
        };
        let guarded = self.viewer.guards(&selection.type_name);
        let seen = Seen {
            selection,
            object,
            sight: sight.as_deref(),
        };
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
            let selected = self.selected;
            let known = self.enter(field);
            let written = match (&field.source, object) {
                _ if !known => self.unselected(selection, field),
                _ if guarded && self.viewer.is_denied(&selection.type_name, &field.name) => {
                    self.refused(selection, field)
                }
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
                (Source::Unserved(what), _) => self.unserved(selection, field, what),
                _ => self.property(seen, field),
            };
            let settled = self.settle(&field.ty, before, written);
            self.selected = selected;
            self.path.pop();
            settled?;
        }
        self.out.push(b'}');
        Ok(())
    }

    /// Goes down to a field in what a mutation selected; whether it is there. The type's name always is.
    fn enter(&mut self, field: &Field) -> bool {
        let Some(selected) = self.selected else {
            return true;
        };
        let below = selected.below(&field.name);
        self.selected = below.flatten();
        below.is_some() || field.source == Source::TypeName
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
            self.selected = self.told;
        }
        let cell = column.and_then(|column| Some((column, column.cells.get(row)?)));
        if let Some((_, Cell::Json(value))) = cell {
            self.out.extend_from_slice(value.to_string().as_bytes());
            return Ok(());
        }
        if let Some((_, Cell::Failed(error))) = cell
            && !self.goes_on_without(error)
        {
            return self.failed(field, error, root);
        }
        let (Some((column, cell)), Some(selection)) = (cell, field.selection()) else {
            return self.nothing(parent, &field.ty);
        };
        match cell {
            Cell::Failed(error) => self.failed(field, error, root).or_else(|NoValue| {
                let page = Object::Page(nothing_yet(column));
                self.object(selection, page, &EMPTY, 0)
            }),
            Cell::Null if self.treatment == Treatment::Rejection => {
                self.null();
                Ok(())
            }
            Cell::Null => self.nothing(parent, &field.ty),
            Cell::Json(_) => Err(NoValue),
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
}

/// The page of a model the caller may not sync. A client that keeps its `startedAt` asks for everything next time, when
/// it may have got the right.
fn nothing_yet(column: &Column) -> PageParts<'_> {
    PageParts {
        column,
        start: 0,
        end: 0,
        next_token: None,
        started_at: Some(Timestamp(0)),
    }
}

static EMPTY: Layer = Layer {
    columns: Vec::new(),
};

fn treatment(field: &Field) -> Treatment {
    match &field.source {
        Source::Root(Resolver::Sync(_)) => Treatment::Sync,
        Source::Root(Resolver::Create(_) | Resolver::Update(_) | Resolver::Delete(_)) => {
            Treatment::Mutation
        }
        Source::Root(Resolver::Subscribe(..) | Resolver::Hear(_)) => Treatment::Event,
        _ => Treatment::Plain,
    }
}
