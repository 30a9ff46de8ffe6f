//! The model IR: what a schema means once every directive has been read and checked.
//!
//! All implicit things are explicit here: generated `id`s, timestamps, foreign keys, join models, index and operation
//! names. Whoever reads the IR never looks at a directive again.

mod custom;
mod rules;
mod types;

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;

use super::diagnostic::Span;
use crate::feed::Operation;
use crate::identity::AuthMode;
pub use custom::{
    Argument, Check, Deprecation, Function, Gate, Handler, Http, HttpMethod, Pattern, Validation,
};
pub use rules::{Allow, AuthRule, ModelOperation};
pub use types::{Base, ElementsRequired, FieldType, Scalar};

/// A checked schema.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    /// The `@model` types in source order, join models of `@manyToMany` after them.
    pub models: IndexMap<String, Arc<Model>>,
    /// Object types that are no models: stored inside records, or what hand-written operations return.
    pub types: IndexMap<String, ObjectType>,
    /// Interfaces.
    pub interfaces: IndexMap<String, ObjectType>,
    /// Unions.
    pub unions: IndexMap<String, UnionType>,
    /// Enums.
    pub enums: IndexMap<String, EnumType>,
    /// Input types the schema declares itself.
    pub inputs: IndexMap<String, ObjectType>,
    /// The operations the schema writes by hand.
    pub operations: RootFields,
    /// `input AMPLIFY { globalAuthRule: AuthRule = { allow: public } }`: models without rules are open to API keys.
    pub sandbox: bool,
    /// The ways to authenticate, the default one first.
    pub modes: Vec<AuthMode>,
    /// The text it was read from; empty for schemas that were not read.
    pub source: Arc<str>,
    /// Whether signed requests that do not come from an identity pool pass every rule (`transformer` 8.8).
    pub iam_access: bool,
    /// Whether it is read for an API without conflict detection: nothing of sync is in it. Such an API can be shown, but
    /// not be served.
    pub unsynced: bool,
}

/// The hand-written fields of `Query`, `Mutation` and `Subscription`, in source order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RootFields {
    /// Those of `Query`.
    pub queries: IndexMap<String, Field>,
    /// Those of `Mutation`.
    pub mutations: IndexMap<String, Field>,
    /// Those of `Subscription`.
    pub subscriptions: IndexMap<String, Field>,
    /// Who may reach the root types, as far as the schema says so by hand.
    pub gates: IndexMap<String, Vec<Gate>>,
}

impl RootFields {
    /// The root types with their hand-written fields.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &IndexMap<String, Field>)> {
        [
            ("Query", &self.queries),
            ("Mutation", &self.mutations),
            ("Subscription", &self.subscriptions),
        ]
        .into_iter()
    }
}

/// An object type that is no model, a declared input type, or an interface.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectType {
    /// Its name.
    pub name: String,
    /// Its fields in source order.
    pub fields: IndexMap<String, Field>,
    /// The interfaces it implements.
    pub interfaces: Vec<String>,
    /// Who may reach it, as far as the schema says so by hand (`@aws_iam` and the like).
    pub gates: Vec<Gate>,
    /// Its description, if any.
    pub description: Option<String>,
}

/// A union.
#[derive(Debug, Clone, PartialEq)]
pub struct UnionType {
    /// Its name.
    pub name: String,
    /// The object types it stands for.
    pub members: Vec<String>,
    /// Its description, if any.
    pub description: Option<String>,
}

/// An enum.
#[derive(Debug, Clone, PartialEq)]
pub struct EnumType {
    /// Its name.
    pub name: String,
    /// Its values in source order.
    pub values: Vec<String>,
    /// The values that should not be used any more.
    pub deprecated: IndexMap<String, Deprecation>,
    /// Its description, if any.
    pub description: Option<String>,
}

/// A `@model` type: one base table, one log, one set of operations.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The type's name.
    pub name: String,
    /// Every field in schema order: the declared ones (`id` first if it was added), then foreign keys of implicit
    /// relations, then timestamps. Relations are in here too. The sync fields (`_version` …) are not.
    pub fields: IndexMap<String, Field>,
    /// The primary key.
    pub key: KeyFields,
    /// Whether `@primaryKey` names the key (then `list` takes key arguments).
    pub custom_key: bool,
    /// The secondary indexes, those of implicit relations included.
    pub indexes: Vec<Index>,
    /// The rules of `@auth`, in source order.
    pub auth: Vec<AuthRule>,
    /// Who may reach the type, as far as the schema says so by hand (`@aws_iam` and the like).
    pub gates: Vec<Gate>,
    /// The interfaces it implements.
    pub interfaces: Vec<String>,
    /// The names of its operations; `None` where one is switched off.
    pub operations: Operations,
    /// The timestamp fields; `None` where one is switched off.
    pub timestamps: Timestamps,
    /// The name its records were first stored under, if that was another one (`@mapsTo`).
    pub maps_to: Option<String>,
    /// Where it was declared.
    pub span: Span,
    /// Its description, if any.
    pub description: Option<String>,
}

impl Model {
    /// A model with nothing in it yet, kept by its `id`.
    #[must_use]
    pub fn new(name: &str, span: Span) -> Model {
        Model {
            name: name.to_owned(),
            fields: IndexMap::new(),
            key: KeyFields {
                partition: "id".to_owned(),
                sort: Vec::new(),
            },
            custom_key: false,
            indexes: Vec::new(),
            auth: Vec::new(),
            gates: Vec::new(),
            interfaces: Vec::new(),
            operations: Operations::default(),
            timestamps: Timestamps::default(),
            maps_to: None,
            span,
            description: None,
        }
    }

    /// The name its records are stored under.
    #[must_use]
    pub fn stored_name(&self) -> &str {
        self.maps_to.as_deref().unwrap_or(&self.name)
    }

    /// The secondary index with this name.
    #[must_use]
    pub fn index(&self, name: &str) -> Option<&Index> {
        self.indexes.iter().find(|index| index.name == name)
    }

    /// The fields that are stored in the document: all but relations, and but fields of a model's type without a
    /// relation, which are always null.
    pub fn stored_fields(&self) -> impl Iterator<Item = &Field> {
        self.fields
            .values()
            .filter(|field| !matches!(field.ty.base, Base::Model(_) | Base::Abstract(_)))
    }
}

/// A field of a model or of a nested type.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: FieldType,
    /// Why it is there.
    pub origin: Origin,
    /// The value of `@default`, already of the field's JSON type.
    pub default: Option<Value>,
    /// What it leads to, if it is a relation.
    pub relation: Option<Relation>,
    /// The rules of its own `@auth`: on a model's field they replace the model's; on a hand-written operation or a field
    /// of another type there are static ones only, and one of them must hold.
    pub auth: Option<Vec<AuthRule>>,
    /// Who may reach it, as far as the schema says so by hand (`@aws_iam` and the like).
    pub gates: Vec<Gate>,
    /// Its arguments, as declared.
    pub arguments: IndexMap<String, Argument>,
    /// What answers it, in order, if that is code of the user's.
    pub handlers: Vec<Handler>,
    /// The mutations whose results a hand-written subscription gets (`@aws_subscribe`).
    pub subscribes: Vec<String>,
    /// What its values must be (`@validate`), in source order.
    pub validations: Vec<Validation>,
    /// Whether it should not be used any more.
    pub deprecated: Option<Deprecation>,
    /// Where it was declared (the model's place for generated ones).
    pub span: Span,
    /// Its description, if any.
    pub description: Option<String>,
}

impl Field {
    /// A field of a type, with nothing more to say about it.
    #[must_use]
    pub fn new(name: &str, ty: FieldType, origin: Origin, span: Span) -> Field {
        Field {
            name: name.to_owned(),
            ty,
            origin,
            default: None,
            relation: None,
            auth: None,
            gates: Vec::new(),
            arguments: IndexMap::new(),
            handlers: Vec::new(),
            subscribes: Vec::new(),
            validations: Vec::new(),
            deprecated: None,
            span,
            description: None,
        }
    }
}

/// Why a field exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The type's declaration says so.
    Declared,
    /// An `extend type` says so.
    Extension,
    /// The `id` of a model that declares neither `id` nor a key.
    GeneratedId,
    /// The foreign key of an implicit relation.
    ForeignKey,
    /// `createdAt` or `updatedAt`, not declared.
    Timestamp,
    /// The owner field of an owner rule, not declared.
    Owner,
}

impl Origin {
    /// Whether the schema writes the field, be it in an extension.
    #[must_use]
    pub fn is_written(self) -> bool {
        matches!(self, Origin::Declared | Origin::Extension)
    }
}

/// The fields of a primary key or index, partition first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFields {
    /// The partition field.
    pub partition: String,
    /// The sort fields; several are compared as one string joined with `#`.
    pub sort: Vec<String>,
}

impl KeyFields {
    /// All fields in order.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.partition.as_str()).chain(self.sort.iter().map(String::as_str))
    }
}

/// A secondary index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its name, unique within the model.
    pub name: String,
    /// Its fields.
    pub key: KeyFields,
    /// The query field it gets on `Query`, if any.
    pub query_field: Option<String>,
    /// The `limit` a page has when the caller gives none.
    pub default_limit: usize,
    /// Whether `@index` or a join model asks for it; otherwise a relation made it for itself.
    pub declared: bool,
}

/// What a relation field leads to and how the records are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// Its kind.
    pub kind: RelationKind,
    /// The model it leads to (the join model for `@manyToMany`).
    pub target: String,
    /// How the target's records are found.
    pub via: Via,
    /// The `limit` of a many-relation's page when the caller gives none (100 unless the directive says otherwise).
    pub default_limit: usize,
}

/// The kinds of relations as far as reading goes; `@manyToMany` is a `HasMany` of the join model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelationKind {
    /// One record whose key (or index) holds our values.
    HasOne,
    /// The parent, by our foreign key.
    BelongsTo,
    /// A connection.
    HasMany,
}

/// How a relation finds its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// By the target's primary key (a leading part of it for has-many): our fields, in the order of the key's fields.
    Key(Vec<String>),
    /// By an index of the target: its name, and our fields in the order of the index's fields (a leading part).
    Index(String, Vec<String>),
}

/// The names of a model's operations, after `@model`'s arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Operations {
    /// `getX`.
    pub get: Option<String>,
    /// `listXs`.
    pub list: Option<String>,
    /// `syncXs`.
    pub sync: Option<String>,
    /// `createX`.
    pub create: Option<String>,
    /// `updateX`.
    pub update: Option<String>,
    /// `deleteX`.
    pub delete: Option<String>,
    /// `searchXs`, for searchable models.
    pub search: Option<String>,
    /// `onCreateX`, possibly several.
    pub on_create: Vec<String>,
    /// `onUpdateX`, possibly several.
    pub on_update: Vec<String>,
    /// `onDeleteX`, possibly several.
    pub on_delete: Vec<String>,
    /// `subscriptions: { level: public }`: whoever the API lets in may subscribe, whatever the rules say.
    pub open_subscriptions: bool,
}

impl Operations {
    /// The mutations that are there, with the kind of write each makes.
    pub fn writes(&self) -> impl Iterator<Item = (&str, Operation)> {
        [
            (&self.create, Operation::Create),
            (&self.update, Operation::Update),
            (&self.delete, Operation::Delete),
        ]
        .into_iter()
        .filter_map(|(name, operation)| Some((name.as_deref()?, operation)))
    }
}

/// The names of the timestamp fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timestamps {
    /// `createdAt`.
    pub created: Option<String>,
    /// `updatedAt`.
    pub updated: Option<String>,
    /// Names a timestamp would have, but whose declared field is of a type that can hold none.
    pub unfit: Vec<String>,
}
