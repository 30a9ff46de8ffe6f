//! The definitions of a schema as they are written, with places: what the later stages read.

use std::collections::{HashMap, HashSet};

use async_graphql::Value as ConstValue;
use indexmap::IndexMap;

use super::diagnostic::Span;
use super::model::{ElementsRequired, EnumType};
use super::overrides::Overrides;
use super::source::Place;

/// The definitions of a schema.
#[derive(Debug, Default)]
pub(crate) struct Document {
    /// Object types, in source order: models, root types (`Query` …), and others.
    pub(crate) types: IndexMap<String, TypeNode>,
    /// Declared input types.
    pub(crate) inputs: IndexMap<String, TypeNode>,
    /// Interfaces.
    pub(crate) interfaces: IndexMap<String, TypeNode>,
    /// Unions.
    pub(crate) unions: IndexMap<String, UnionNode>,
    /// Enums.
    pub(crate) enums: IndexMap<String, EnumType>,
    /// Where each type was declared, whatever its kind.
    pub(crate) places: HashMap<String, Span>,
    /// Types of kinds that are not served; each was reported where it is declared, so not again where it is used.
    pub(crate) refused: HashSet<String>,
    /// Whether the global rule of the sandbox is there.
    pub(crate) sandbox: bool,
    /// Whether it is read for an API without sync.
    pub(crate) unsynced: bool,
    /// Names of models that are given beside it.
    pub(crate) overrides: Overrides,
}

/// The types whose fields are operations.
pub(crate) const ROOTS: [&str; 3] = ["Query", "Mutation", "Subscription"];

/// A union.
#[derive(Debug, Clone)]
pub(crate) struct UnionNode {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) members: Vec<(String, Span)>,
}

/// An object type, an input type or an interface.
#[derive(Debug, Clone)]
pub(crate) struct TypeNode {
    pub(crate) name: String,
    pub(crate) span: Span,
    pub(crate) description: Option<String>,
    pub(crate) directives: Vec<Applied>,
    pub(crate) fields: Vec<FieldNode>,
    /// The interfaces it implements.
    pub(crate) implements: Vec<(String, Span)>,
}

impl TypeNode {
    /// What a model that nobody declared would have declared.
    pub(crate) fn undeclared(name: &str, span: Span) -> Self {
        TypeNode {
            name: name.to_owned(),
            span,
            description: None,
            directives: Vec::new(),
            fields: Vec::new(),
            implements: Vec::new(),
        }
    }

    /// Whether it is a `@model`.
    pub(crate) fn is_model(&self) -> bool {
        self.directive("model").is_some() && !self.is_root()
    }

    /// Whether its fields are operations.
    pub(crate) fn is_root(&self) -> bool {
        ROOTS.contains(&self.name.as_str())
    }

    /// The first directive of this name.
    pub(crate) fn directive(&self, name: &str) -> Option<&Applied> {
        self.directives.iter().find(|applied| applied.name == name)
    }

    /// The field of this name.
    pub(crate) fn field(&self, name: &str) -> Option<&FieldNode> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The names of its fields.
    pub(crate) fn field_names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.name.as_str())
    }
}

/// A field of a type.
#[derive(Debug, Clone)]
pub(crate) struct FieldNode {
    pub(crate) name: String,
    pub(crate) span: Span,
    pub(crate) description: Option<String>,
    pub(crate) ty: DeclaredType,
    pub(crate) directives: Vec<Applied>,
    /// Its arguments.
    pub(crate) arguments: Vec<FieldNode>,
    /// The default of an argument or an input's field.
    pub(crate) default: Option<Value>,
    /// Whether an extension of the type adds it.
    pub(crate) extends: bool,
}

impl FieldNode {
    /// The first directive of this name.
    pub(crate) fn directive(&self, name: &str) -> Option<&Applied> {
        self.directives.iter().find(|applied| applied.name == name)
    }
}

/// The type of a field as written.
#[derive(Debug, Clone)]
pub(crate) struct DeclaredType {
    pub(crate) span: Span,
    pub(crate) base: String,
    pub(crate) list: Option<ElementsRequired>,
    /// Whether the elements of the lists inside a list are non-null, from the outside in.
    pub(crate) inner: Vec<ElementsRequired>,
    pub(crate) required: bool,
}

/// A directive where it is used.
#[derive(Debug, Clone)]
pub(crate) struct Applied {
    pub(crate) name: String,
    pub(crate) span: Span,
    pub(crate) arguments: Vec<Argument>,
}

/// An argument of a directive, or a field of an object inside one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Argument {
    pub(crate) name: String,
    pub(crate) span: Span,
    pub(crate) value: Value,
}

/// A value with the place where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Value {
    pub(crate) span: Span,
    pub(crate) kind: Kind,
}

/// The kinds of values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Null,
    Text(String),
    Number(serde_json::Number),
    Boolean(bool),
    /// An enum value.
    Word(String),
    List(Vec<Value>),
    Object(Vec<Argument>),
}

/// Readers for arguments whose shape was checked; a value of another shape reads as absent.
impl Applied {
    /// The value of an argument, `null` included.
    pub(crate) fn argument(&self, name: &str) -> Option<&Value> {
        self.arguments
            .iter()
            .find(|argument| argument.name == name)
            .map(|argument| &argument.value)
    }

    /// A text argument; absent and `null` are the same.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.argument(name).and_then(Value::text)
    }

    /// A list of texts with their places; a single text is a list of one. `None` if absent or `null`.
    pub(crate) fn texts(&self, name: &str) -> Option<Vec<(&str, Span)>> {
        self.argument(name).and_then(Value::texts)
    }
}

impl Value {
    /// A value with the places of its parts.
    pub(crate) fn located(value: &ConstValue, place: &Place) -> Value {
        let kind = match value {
            ConstValue::Null | ConstValue::Binary(_) => Kind::Null,
            ConstValue::Number(number) => Kind::Number(number.clone()),
            ConstValue::String(text) => Kind::Text(text.clone()),
            ConstValue::Boolean(yes) => Kind::Boolean(*yes),
            ConstValue::Enum(word) => Kind::Word(word.to_string()),
            ConstValue::List(items) => Kind::List(
                items
                    .iter()
                    .enumerate()
                    .map(|(at, item)| Value::located(item, place.element(at)))
                    .collect(),
            ),
            ConstValue::Object(fields) => Kind::Object(
                fields
                    .iter()
                    .map(|(name, value)| {
                        let (span, inner) = place.field(name);
                        Argument {
                            name: name.to_string(),
                            span,
                            value: Value::located(value, inner),
                        }
                    })
                    .collect(),
            ),
        };
        Value {
            span: place.span,
            kind,
        }
    }

    /// The text of a string.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The word of an enum value.
    pub(crate) fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }

    /// A whole number.
    pub(crate) fn whole(&self) -> Option<i64> {
        match &self.kind {
            Kind::Number(number) => number.as_i64(),
            _ => None,
        }
    }

    /// A list of texts with their places.
    pub(crate) fn texts(&self) -> Option<Vec<(&str, Span)>> {
        self.items().map(|items| {
            items
                .iter()
                .filter_map(|item| Some((item.text()?, item.span)))
                .collect()
        })
    }

    /// The elements of a list; a single value is a list of one. `None` for `null`.
    pub(crate) fn items(&self) -> Option<&[Value]> {
        match &self.kind {
            Kind::Null => None,
            Kind::List(items) => Some(items),
            _ => Some(std::slice::from_ref(self)),
        }
    }

    /// A field of an object.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        match &self.kind {
            Kind::Object(fields) => fields
                .iter()
                .find(|field| field.name == name)
                .map(|field| &field.value),
            _ => None,
        }
    }

    /// The value as JSON; words are texts there.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.kind {
            Kind::Null => serde_json::Value::Null,
            Kind::Text(text) | Kind::Word(text) => text.as_str().into(),
            Kind::Number(number) => number.clone().into(),
            Kind::Boolean(yes) => (*yes).into(),
            Kind::List(items) => items.iter().map(Value::to_json).collect(),
            Kind::Object(fields) => {
                let members = fields
                    .iter()
                    .map(|field| (field.name.clone(), field.value.to_json()));
                serde_json::Value::Object(members.collect())
            }
        }
    }

    /// Whether it is `null`.
    pub(crate) fn is_null(&self) -> bool {
        self.kind == Kind::Null
    }
}
