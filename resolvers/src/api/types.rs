//! The generated type system: what introspection shows, what validation checks, what execution runs.

use std::borrow::Cow;

use indexmap::IndexMap;
use serde_json::Value;

use crate::identity::AuthMode;
use crate::schema::model::{Deprecation, Gate, Scalar};

/// All types of an API.
#[derive(Debug, Clone, Default)]
pub struct TypeSystem {
    /// By name: objects (with `Query`, `Mutation`, `Subscription` where they exist), interfaces, unions, inputs, enums,
    /// scalars.
    pub types: IndexMap<String, TypeDef>,
    /// The ways to authenticate, the default one first.
    pub modes: Vec<AuthMode>,
}

impl TypeSystem {
    /// The object type of that name.
    #[must_use]
    pub fn object(&self, name: &str) -> Option<&ObjectDef> {
        match self.types.get(name) {
            Some(TypeDef::Object(object)) => Some(object),
            _ => None,
        }
    }

    /// The gates of a field, one of which a caller has to pass: its own, or else those of its type, or else the default
    /// mode's (`transformer` 8.2, gate 1).
    #[must_use]
    pub fn gates<'t>(&'t self, object: &'t ObjectDef, field: &'t FieldDef) -> Cow<'t, [Gate]> {
        if field.gates.is_empty() {
            return self.gates_of_type(object);
        }
        if field.keeps_default {
            return Cow::Owned([&field.gates, self.gates_of_type(object).as_ref()].concat());
        }
        Cow::Borrowed(&field.gates)
    }

    fn gates_of_type<'t>(&'t self, object: &'t ObjectDef) -> Cow<'t, [Gate]> {
        let default = self.modes.iter().take(1).copied().map(Gate::of);
        if object.gates.is_empty() {
            Cow::Owned(default.collect())
        } else if object.keeps_default {
            Cow::Owned(object.gates.iter().cloned().chain(default).collect())
        } else {
            Cow::Borrowed(&object.gates)
        }
    }

    /// The object types an object, interface or union stands for.
    pub fn possible<'t>(&'t self, name: &'t str) -> impl Iterator<Item = &'t ObjectDef> {
        let members: &[String] = match self.types.get(name) {
            Some(TypeDef::Union(union)) => &union.members,
            _ => &[],
        };
        self.types
            .values()
            .filter_map(move |definition| match definition {
                TypeDef::Object(object)
                    if object.name == name
                        || object.interfaces.iter().any(|it| it == name)
                        || members.contains(&object.name) =>
                {
                    Some(object)
                }
                _ => None,
            })
    }
}

/// A type.
#[derive(Debug, Clone)]
pub enum TypeDef {
    /// An object type.
    Object(ObjectDef),
    /// An interface.
    Interface(InterfaceDef),
    /// A union.
    Union(UnionDef),
    /// An input type.
    Input(InputDef),
    /// An enum.
    Enum(EnumDef),
    /// A scalar.
    Scalar(Scalar),
}

impl TypeDef {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            TypeDef::Object(object) => &object.name,
            TypeDef::Interface(interface) => &interface.name,
            TypeDef::Union(union) => &union.name,
            TypeDef::Input(input) => &input.name,
            TypeDef::Enum(declared) => &declared.name,
            TypeDef::Scalar(scalar) => scalar.name(),
        }
    }

    /// Every type its fields and their arguments refer to.
    pub fn references(&self) -> impl Iterator<Item = &TypeRef> {
        let (fields, inputs) = match self {
            TypeDef::Object(object) => (Some(&object.fields), None),
            TypeDef::Interface(interface) => (Some(&interface.fields), None),
            TypeDef::Input(input) => (None, Some(&input.fields)),
            TypeDef::Enum(_) | TypeDef::Scalar(_) | TypeDef::Union(_) => (None, None),
        };
        let of_fields = fields.into_iter().flat_map(IndexMap::values);
        let of_inputs = inputs.into_iter().flat_map(IndexMap::values);
        of_fields
            .flat_map(|field| {
                let arguments = field.arguments.values().map(|argument| &argument.ty);
                std::iter::once(&field.ty).chain(arguments)
            })
            .chain(of_inputs.map(|input| &input.ty))
    }
}

/// Whether GraphQL itself defines a scalar; AppSync defines the others.
#[must_use]
pub fn is_built_in(scalar: Scalar) -> bool {
    matches!(
        scalar,
        Scalar::Id | Scalar::String | Scalar::Int | Scalar::Float | Scalar::Boolean
    )
}

/// An object type.
#[derive(Debug, Clone)]
pub struct ObjectDef {
    /// Its name.
    pub name: String,
    /// Its fields in order.
    pub fields: IndexMap<String, FieldDef>,
    /// What its values are.
    pub kind: ObjectKind,
    /// The interfaces it implements.
    pub interfaces: Vec<String>,
    /// Who may reach it, where the default mode is not the whole answer; one of them is enough.
    pub gates: Vec<Gate>,
    /// Whether the default mode reaches it too, gates or not.
    pub keeps_default: bool,
}

/// An interface.
#[derive(Debug, Clone)]
pub struct InterfaceDef {
    /// Its name.
    pub name: String,
    /// Its fields in order.
    pub fields: IndexMap<String, FieldDef>,
    /// The interfaces it implements itself.
    pub interfaces: Vec<String>,
}

/// A union.
#[derive(Debug, Clone)]
pub struct UnionDef {
    /// Its name.
    pub name: String,
    /// The names of the object types it stands for.
    pub members: Vec<String>,
}

/// What the values of an object type are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectKind {
    /// `Query`, `Mutation`, `Subscription`.
    Root,
    /// Records of this model.
    Model(String),
    /// Pages of this model's records.
    Connection(String),
    /// Objects nested in a record.
    Nested,
}

/// A field of an object type.
#[derive(Debug, Clone)]
pub struct FieldDef {
    /// Its name.
    pub name: String,
    /// Its arguments in order.
    pub arguments: IndexMap<String, InputField>,
    /// Its type.
    pub ty: TypeRef,
    /// What it does.
    pub resolver: Resolver,
    /// Who may reach it, where that is not what its type says; one of them is enough.
    pub gates: Vec<Gate>,
    /// Whether whoever reaches its type reaches it too, gates or not.
    pub keeps_default: bool,
    /// The mutations a subscription is told by, as the SDL writes it.
    pub subscribes: Vec<String>,
    /// Whether it should not be used any more.
    pub deprecated: Option<Deprecation>,
}

impl FieldDef {
    /// A field without arguments that everybody may reach who may reach its type.
    #[must_use]
    pub fn new(name: &str, ty: TypeRef, resolver: Resolver) -> FieldDef {
        FieldDef {
            name: name.to_owned(),
            arguments: IndexMap::new(),
            ty,
            resolver,
            gates: Vec::new(),
            keeps_default: false,
            subscribes: Vec::new(),
            deprecated: None,
        }
    }
}

/// What a field does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolver {
    /// Shows the value of the same name of its parent (document field, metadata, or page member).
    Property,
    /// `getX` of this model.
    Get(String),
    /// `listXs` of this model.
    List(String),
    /// The query of this model's index.
    Index(String, String),
    /// `syncXs` of this model.
    Sync(String),
    /// `createX` of this model.
    Create(String),
    /// `updateX` of this model.
    Update(String),
    /// `deleteX` of this model.
    Delete(String),
    /// Writes of these kinds to this model: `onCreateX`, `onUpdateX`, `onDeleteX`, and what the schema writes by hand.
    Subscribe(String, Vec<crate::feed::Operation>),
    /// The results of these hand-written mutations.
    Hear(Vec<String>),
    /// The arguments, for whoever is told of this hand-written mutation (`resolvers` 2.4).
    Echo,
    /// The relation of this name of the parent model.
    Relation,
    /// Nothing: always null (a field without a resolver).
    Nothing,
    /// What this server does not serve yet, as the end of "… is not served yet".
    Unserved(&'static str),
}

/// An input type.
#[derive(Debug, Clone)]
pub struct InputDef {
    /// Its name.
    pub name: String,
    /// Its fields in order.
    pub fields: IndexMap<String, InputField>,
    /// What it is for, as far as coercion is more lenient than the SDL (`errata.md` row 41).
    pub role: InputRole,
}

/// What an input type is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputRole {
    /// No leniency.
    Plain,
    /// A filter or condition over this model's records.
    Predicate(String),
    /// The operators of one field inside a predicate.
    Operators(Operand),
    /// Conditions on keys, in which timestamps are written as `Int`.
    Key,
    /// `DeleteXInput`: numeric strings are accepted for numbers (`client-native` R25).
    Delete(String),
}

/// What the operators of a predicate's field compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operand {
    /// Strings and everything written as one.
    String,
    /// Ids.
    Id,
    /// Whole numbers.
    Int,
    /// Numbers.
    Float,
    /// Booleans.
    Boolean,
    /// Values of this enum.
    Enum(String),
    /// The size of a value.
    Size,
}

/// An argument or a field of an input type.
#[derive(Debug, Clone)]
pub struct InputField {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: TypeRef,
    /// Its default value in the SDL, if any.
    pub default: Option<Value>,
}

/// An enum.
#[derive(Debug, Clone)]
pub struct EnumDef {
    /// Its name.
    pub name: String,
    /// Its values in order.
    pub values: Vec<String>,
    /// The values that should not be used any more.
    pub deprecated: IndexMap<String, Deprecation>,
}

/// A reference to a type, with its wrappers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeRef {
    /// A nullable named type.
    Named(String),
    /// A nullable list.
    List(Box<TypeRef>),
    /// Non-null of the other two.
    NonNull(Box<TypeRef>),
}

impl TypeRef {
    /// The innermost name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            TypeRef::Named(name) => name,
            TypeRef::List(inner) | TypeRef::NonNull(inner) => inner.name(),
        }
    }

    /// Whether null is not a value of it.
    #[must_use]
    pub fn is_non_null(&self) -> bool {
        matches!(self, TypeRef::NonNull(_))
    }
}

impl std::fmt::Display for TypeRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TypeRef::Named(name) => f.write_str(name),
            TypeRef::List(inner) => write!(f, "[{inner}]"),
            TypeRef::NonNull(inner) => write!(f, "{inner}!"),
        }
    }
}
