//! From the model IR to the API it promises: what the Amplify GraphQL Transformer v2 generates with sync on.
//!
//! * [`names`] – how generated things are called;
//! * [`operators`] – the inputs every API has, and those made on demand per enum and key type;
//! * [`model`] – object types and pages; [`inputs`] – what mutations take; [`filters`] – filters and conditions;
//! * [`keys`] – key arguments; [`operations`] – the fields of `Query`, `Mutation`, `Subscription`; [`search`] – searches;
//! * [`declared`] – what the schema writes itself; [`http`] – the inputs of fields that are answered over HTTP;
//! * [`gates`] – who may reach what, by the way of authenticating.
//!
//! Where the original generates a schema that does not hold together (references to types it never makes), the nearest
//! type that exists is used; each such place says so.

mod declared;
mod filters;
mod gates;
mod http;
mod inputs;
mod keys;
mod model;
mod names;
mod operations;
mod operators;
mod search;

use indexmap::IndexMap;

pub(crate) use names::{composite_argument, nested_input};

use super::types::{
    FieldDef, InputDef, InputField, InputRole, ObjectDef, ObjectKind, TypeDef, TypeRef, TypeSystem,
    is_built_in,
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
    generator.declared_operations();
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
    generator.gates();
    generator.scalars();
    TypeSystem {
        types: generator.types,
        modes: schema.modes.clone(),
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
                interfaces: Vec::new(),
                gates: Vec::new(),
                keeps_default: false,
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
}

/// The name of a field's innermost type in the API.
fn base_name(base: &Base) -> String {
    base.name().to_owned()
}

/// A field's type with its wrappers over another innermost name.
fn type_ref(ty: &FieldType, name: &str) -> TypeRef {
    let wrapped = |inner: TypeRef, required: bool| {
        if required { non_null(inner) } else { inner }
    };
    let mut levels = vec![ty.required];
    levels.extend(ty.lists().map(|elements| elements.0));
    let innermost = levels.pop().unwrap_or_default();
    let levels = levels.into_iter().rev();
    levels.fold(wrapped(named(name), innermost), |inner, required| {
        wrapped(list(inner), required)
    })
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
