//! From the model IR to the API it promises: what the Amplify GraphQL Transformer v2 generates with sync on.
//!
//! * [`names`] – how generated things are called;
//! * [`operators`] – the inputs every API has, and those made on demand per enum and key type;
//! * [`model`] – object types and pages; [`inputs`] – what mutations take; [`filters`] – filters and conditions;
//! * [`keys`] – key arguments; [`operations`] – the fields of `Query`, `Mutation`, `Subscription`.
//!
//! Where the original generates a schema that does not hold together (references to types it never makes), the nearest
//! type that exists is used; each such place says so.

mod filters;
mod inputs;
mod keys;
mod model;
mod names;
mod operations;
mod operators;

use indexmap::IndexMap;

pub(crate) use names::{composite_argument, nested_input};

use super::types::{
    EnumDef, FieldDef, InputDef, InputField, InputRole, ObjectDef, ObjectKind, Resolver, TypeDef,
    TypeRef, TypeSystem, is_built_in,
};
use crate::schema::Schema;
use crate::schema::model::{Base, FieldType, Scalar};

/// The API of a schema (`transformer` sections 1–5).
#[must_use]
pub fn generate(schema: &Schema) -> TypeSystem {
    let mut generator = Generator {
        schema,
        types: IndexMap::new(),
    };
    generator.declared_types();
    generator.constant_types();
    for model in schema.models.values() {
        generator.model_types(model);
    }
    // Index queries and relations come after all models: they reuse a model's page and filter where those exist.
    for model in schema.models.values() {
        generator.index_queries(model);
    }
    for model in schema.models.values() {
        generator.relation_fields(model);
    }
    generator.scalars();
    TypeSystem {
        types: generator.types,
    }
}

/// The type system while it grows.
struct Generator<'a> {
    schema: &'a Schema,
    types: IndexMap<String, TypeDef>,
}

impl Generator<'_> {
    /// Whether a type of that name exists already; the schema's own types win over generated ones.
    fn has(&self, name: &str) -> bool {
        self.types.contains_key(name)
    }

    fn add(&mut self, definition: TypeDef) {
        let name = definition.name().to_owned();
        self.types.entry(name).or_insert(definition);
    }

    fn add_input(&mut self, name: &str, role: InputRole, fields: Vec<InputField>) {
        self.add(TypeDef::Input(InputDef {
            name: name.to_owned(),
            fields: by_name(fields),
            role,
        }));
    }

    /// Adds a field to `Query`, `Mutation` or `Subscription`.
    fn add_operation(&mut self, root: &str, field: FieldDef) {
        let entry = self.types.entry(root.to_owned()).or_insert_with(|| {
            TypeDef::Object(ObjectDef {
                name: root.to_owned(),
                fields: IndexMap::new(),
                kind: ObjectKind::Root,
            })
        });
        if let TypeDef::Object(object) = entry {
            object.fields.entry(field.name.clone()).or_insert(field);
        }
    }

    /// The scalars: GraphQL's own always, AppSync's where something refers to them.
    fn scalars(&mut self) {
        for scalar in Scalar::ALL {
            if is_built_in(scalar) || self.refers_to(scalar.name()) {
                self.add(TypeDef::Scalar(scalar));
            }
        }
    }

    fn refers_to(&self, name: &str) -> bool {
        self.types
            .values()
            .any(|definition| definition.references().any(|ty| ty.name() == name))
    }

    /// The enums, nested types and inputs the schema declares.
    fn declared_types(&mut self) {
        let schema = self.schema;
        for declared in schema.enums.values() {
            self.add(TypeDef::Enum(EnumDef {
                name: declared.name.clone(),
                values: declared.values.clone(),
            }));
        }
        for declared in schema.inputs.values() {
            let fields = declared.fields.values().map(|field| InputField {
                name: field.name.clone(),
                ty: type_ref(&field.ty, &base_name(&field.ty.base)),
                default: field.default.clone(),
            });
            self.add_input(&declared.name, InputRole::Plain, fields.collect());
        }
        for declared in schema.types.values() {
            let fields = declared.fields.values().map(|field| FieldDef {
                name: field.name.clone(),
                arguments: IndexMap::new(),
                ty: type_ref(&field.ty, &base_name(&field.ty.base)),
                resolver: Resolver::Property,
            });
            self.add(TypeDef::Object(ObjectDef {
                name: declared.name.clone(),
                fields: fields.map(|field| (field.name.clone(), field)).collect(),
                kind: ObjectKind::Nested,
            }));
        }
    }
}

/// The name of a field's innermost type in the API.
fn base_name(base: &Base) -> String {
    match base {
        Base::Scalar(scalar) => scalar.name().to_owned(),
        Base::Enum(name) | Base::Object(name) | Base::Model(name) => name.clone(),
    }
}

/// A field's type with its wrappers over another innermost name.
fn type_ref(ty: &FieldType, name: &str) -> TypeRef {
    let named = named(name);
    let nullable = match ty.list {
        None => named,
        Some(elements) => list(if elements.0 { non_null(named) } else { named }),
    };
    if ty.required {
        non_null(nullable)
    } else {
        nullable
    }
}

fn named(name: &str) -> TypeRef {
    TypeRef::Named(name.to_owned())
}

fn list(inner: TypeRef) -> TypeRef {
    TypeRef::List(Box::new(inner))
}

fn non_null(inner: TypeRef) -> TypeRef {
    match inner {
        TypeRef::NonNull(_) => inner,
        TypeRef::Named(_) | TypeRef::List(_) => TypeRef::NonNull(Box::new(inner)),
    }
}

fn nullable(ty: TypeRef) -> TypeRef {
    match ty {
        TypeRef::NonNull(inner) => *inner,
        TypeRef::Named(_) | TypeRef::List(_) => ty,
    }
}

fn input(name: &str, ty: TypeRef) -> InputField {
    InputField {
        name: name.to_owned(),
        ty,
        default: None,
    }
}

/// The fields by name; the first of two with the same name stays.
fn by_name(fields: Vec<InputField>) -> IndexMap<String, InputField> {
    let mut named = IndexMap::with_capacity(fields.len());
    for field in fields {
        named.entry(field.name.clone()).or_insert(field);
    }
    named
}
