//! The one predicate behind GraphQL filters, `condition`, selective sync, subscription filters and row rules.
//!
//! A [`Filter`] has three readers that must agree: [`Filter::matches`] here, the SQL compiler of the stores, and the
//! subscription hub. The meaning of every operator on missing, NULL and differently typed attributes is DynamoDB's
//! (`transformer.md` 6.6).

mod input;
mod matching;

use serde_json::Value;

use crate::Record;
use crate::api::error::FieldError;
use crate::schema::model::Model;

/// A predicate over one record.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// Every part holds; an empty list is always true.
    All(Vec<Filter>),
    /// At least one part holds; an empty list is never true.
    Any(Vec<Filter>),
    /// The part does not hold.
    Not(Box<Filter>),
    /// One attribute passes one test.
    Field {
        /// The field's name; `_deleted`, `_version` and `_lastChangedAt` mean the metadata, and a live record's
        /// `_deleted` is *missing* (`errata.md` row 42).
        name: String,
        /// What it must pass.
        test: Test,
    },
}

/// A test of one attribute. Numbers compare by value (as doubles), strings by their UTF-8 bytes.
///
/// Values of different types are never equal, less or greater; so every test but `Ne`, `NotContains` and `NotIn` is
/// false on them.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// Equal; `eq null` holds for NULL only, never for a missing attribute.
    Eq(Value),
    /// Not equal; true for a missing attribute.
    Ne(Value),
    /// Less than.
    Lt(Value),
    /// At most.
    Le(Value),
    /// Greater than.
    Gt(Value),
    /// At least.
    Ge(Value),
    /// Within two bounds, both included.
    Between(Value, Value),
    /// A string begins with this one.
    BeginsWith(String),
    /// A string that is this one, or one of whose parts between `::` is: an owner, by whichever form a client knows
    /// (`errata.md` row 43).
    Names(String),
    /// A list one of whose elements is such a string.
    HasName(String),
    /// A substring of a string, or an element of a list.
    Contains(Value),
    /// The opposite of `Contains`; true for missing and NULL.
    NotContains(Value),
    /// One of these values.
    In(Vec<Value>),
    /// None of these values; true for a missing attribute.
    NotIn(Vec<Value>),
    /// Present (NULL counts as present), or absent.
    Exists(bool),
    /// Of this DynamoDB type.
    Type(AttributeType),
    /// The size (bytes of a string, elements of a list or map) passes a test whose values are numbers; false for
    /// whatever has no size.
    Size(Box<Test>),
}

/// DynamoDB's names for what an attribute holds (`ModelAttributeTypes`). Sets and binaries are never stored here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttributeType {
    /// `binary`, `binarySet`, `numberSet`, `stringSet`: never true.
    Never,
    /// `bool`.
    Bool,
    /// `list`.
    List,
    /// `map`.
    Map,
    /// `number`.
    Number,
    /// `string`.
    String,
    /// `_null`.
    Null,
}

impl Filter {
    /// The filter that every record passes.
    #[must_use]
    pub fn everything() -> Self {
        Filter::All(Vec::new())
    }

    /// What has this value under this name; null stands for having none (`realtime` 4.1).
    #[must_use]
    pub(crate) fn equal(name: &str, value: &Value) -> Filter {
        let test = |test| Filter::Field {
            name: name.to_owned(),
            test,
        };
        let equal = test(Test::Eq(value.clone()));
        if value.is_null() {
            Filter::Any(vec![equal, test(Test::Exists(false))])
        } else {
            equal
        }
    }

    /// Whether every record passes, whatever it holds.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        matches!(self, Filter::All(parts) if parts.is_empty())
    }

    /// What passes both.
    #[must_use]
    pub fn and(self, other: Filter) -> Filter {
        match (self.is_everything(), other.is_everything()) {
            (_, true) => self,
            (true, _) => other,
            _ => Filter::All(vec![self, other]),
        }
    }

    /// Whether any part speaks of this field.
    #[must_use]
    pub(crate) fn mentions(&self, field: &str) -> bool {
        match self {
            Filter::All(parts) | Filter::Any(parts) => {
                parts.iter().any(|part| part.mentions(field))
            }
            Filter::Not(part) => part.mentions(field),
            Filter::Field { name, .. } => name == field,
        }
    }

    /// The predicate a client sent (`filter` or `condition`), after coercion.
    ///
    /// An empty or null filter is everything. What is no predicate (`between` without two bounds, a comparison with
    /// null) is refused as AppSync words it (`transformer.md` 6.6, 7).
    pub fn from_input(input: &Value, model: &Model) -> Result<Filter, FieldError> {
        input::filter(input, model)
    }

    /// Whether a record passes.
    #[must_use]
    pub fn matches(&self, record: &Record) -> bool {
        matching::filter(self, record)
    }
}

impl Test {
    /// Whether an attribute passes; `None` is a missing attribute.
    #[must_use]
    pub fn passes(&self, attribute: Option<&Value>) -> bool {
        matching::passes(self, attribute)
    }
}
