//! What a model looks like: its object type, its pages, its relation fields.

use indexmap::IndexMap;

use super::names::{connection, filter, written_connection, written_filter};
use super::{Generator, by_name, input, list, named, non_null};
use crate::api::types::{FieldDef, InputField, ObjectDef, ObjectKind, Resolver, TypeDef, TypeRef};
use crate::schema::model::{Field, Model, Relation, RelationKind, Via};
use crate::schema::naming::{foreign_key, relation_index};

impl Generator<'_> {
    /// Everything that belongs to one model alone.
    pub(super) fn model_types(&mut self, model: &Model) {
        self.object_type(model);
        self.nested_inputs(model.fields.values());
        self.queries(model);
        self.mutations(model);
        self.subscriptions(model);
    }

    fn object_type(&mut self, model: &Model) {
        let mut fields: Vec<FieldDef> = Vec::with_capacity(model.fields.len() + 3);
        for field in model.fields.values() {
            fields.push(self.object_field(&model.name, field));
        }
        if !self.schema.unsynced {
            fields.push(property("_version", non_null(named("Int"))));
            fields.push(property("_deleted", named("Boolean")));
            fields.push(property("_lastChangedAt", non_null(named("AWSTimestamp"))));
        }
        self.add_object(&model.name, ObjectKind::Model(model.name.clone()), fields);
        if let Some(TypeDef::Object(object)) = self.types.get_mut(&model.name) {
            object.interfaces.clone_from(&model.interfaces);
            object.gates.clone_from(&model.gates);
        }
    }

    fn add_object(&mut self, name: &str, kind: ObjectKind, fields: Vec<FieldDef>) {
        self.add(TypeDef::Object(ObjectDef {
            name: name.to_owned(),
            fields: fields
                .into_iter()
                .map(|field| (field.name.clone(), field))
                .collect(),
            kind,
            interfaces: Vec::new(),
            gates: Vec::new(),
            keeps_default: false,
        }));
    }

    /// The page of `list` and `sync`, with its filter; the names of both.
    pub(super) fn page(&mut self, model: &Model) -> (String, String) {
        let (page, filter) = (connection(&model.name), filter(&model.name));
        if !self.has(&page) {
            self.add_page(&page, model, true);
        }
        if !self.has(&filter) {
            self.add_filter(&filter, model);
        }
        (page, filter)
    }

    /// The page of index queries and relations: the same where the name is written in upper case, else one of its own
    /// without `startedAt` (`transformer` 2.2). `deleted` says whether a filter made here knows `_deleted`.
    pub(super) fn written_page(&mut self, model: &Model, user: WrittenPage) -> (String, String) {
        let (page, filter) = (written_connection(&model.name), written_filter(&model.name));
        if !self.has(&page) {
            self.add_page(&page, model, false);
        }
        if !self.has(&filter) {
            self.add_written_filter(&filter, model, user);
        }
        (page, filter)
    }

    fn add_page(&mut self, name: &str, model: &Model, sync: bool) {
        let mut fields = vec![
            property("items", non_null(list(named(&model.name)))),
            property("nextToken", named("String")),
        ];
        if sync && !self.schema.unsynced {
            fields.push(property("startedAt", named("AWSTimestamp")));
        }
        self.add_object(name, ObjectKind::Connection(model.name.clone()), fields);
    }

    /// Gives the has-many fields of a model their pages and arguments.
    pub(super) fn relation_fields(&mut self, model: &Model) {
        for field in model.fields.values() {
            let Some(relation) = &field.relation else {
                continue;
            };
            if relation.kind != RelationKind::HasMany {
                continue;
            }
            let Some(target) = self.schema.models.get(&relation.target).cloned() else {
                continue;
            };
            let (page, filter) = self.written_page(&target, WrittenPage::Relation);
            let arguments = self.many_arguments(model, field, relation, &target, &filter);
            if let Some(TypeDef::Object(object)) = self.types.get_mut(&model.name)
                && let Some(definition) = object.fields.get_mut(&field.name)
            {
                definition.ty = named(&page);
                definition.arguments = arguments;
            }
        }
    }

    fn many_arguments(
        &mut self,
        model: &Model,
        field: &Field,
        relation: &Relation,
        target: &Model,
        filter: &str,
    ) -> IndexMap<String, InputField> {
        let mut arguments = Vec::with_capacity(5);
        arguments.extend(self.many_sort_argument(model, field, relation, target));
        arguments.extend([
            input("filter", named(filter)),
            input("sortDirection", named("ModelSortDirection")),
            input("limit", named("Int")),
            input("nextToken", named("String")),
        ]);
        by_name(arguments)
    }

    /// The sort condition of a has-many: the sort fields the relation itself leaves open. A relation that makes its own
    /// foreign key offers those of the other model's primary key (which the resolver ignores, as the original does); one
    /// with `references` offers none (`transformer` 4.3).
    fn many_sort_argument(
        &mut self,
        model: &Model,
        field: &Field,
        relation: &Relation,
        target: &Model,
    ) -> Option<InputField> {
        match &relation.via {
            Via::Key(fields) if fields.len() < 2 => self.sort_argument(target, &target.key, None),
            Via::Key(_) => None,
            Via::Index(name, fields) => {
                if *name == relation_index(&model.name, &field.name) {
                    implicit_index_of(model, field, target)
                        .and_then(|_| self.sort_argument(target, &target.key, None))
                } else if fields.len() < 2 {
                    let index = target.index(name)?;
                    self.sort_argument(target, &index.key, Some(name))
                } else {
                    None
                }
            }
        }
    }
}

/// Who first needs the page and filter spelled as the model is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WrittenPage {
    /// An index query.
    Index,
    /// A relation.
    Relation,
}

/// The foreign key fields a has-many without `fields` and `references` has on its target: key field, then sort fields.
pub(super) fn implicit_index_of<'a>(
    model: &Model,
    field: &Field,
    target: &'a Model,
) -> Option<&'a crate::schema::model::KeyFields> {
    let index = target.index(&relation_index(&model.name, &field.name))?;
    let partition = foreign_key(&model.name, &field.name, &model.key.partition);
    (index.key.partition == partition).then_some(&index.key)
}

fn property(name: &str, ty: TypeRef) -> FieldDef {
    FieldDef::new(name, ty, Resolver::Property)
}
