//! How much of a document a plan repeats, and how much memory it holds.

use async_graphql_value::Value as Literal;

use super::{Argument, Field, Plan, Selection, Shape, Switch};

/// Arguments of fragments that are spread often may add so much to a document's own text.
const REPEATED_TEXT: usize = 256 * 1024;

/// What the literals of a plan may amount to, so that no fragment multiplies a long one.
pub(super) fn literal_allowance(document: &str) -> usize {
    document.len() + REPEATED_TEXT
}

/// About what the literals of these arguments take up in a document.
pub(super) fn of_literals(arguments: &[Argument]) -> usize {
    let given = arguments
        .iter()
        .filter_map(|argument| argument.given.as_ref());
    given.map(|literal| weigh(literal, 1)).sum()
}

/// Every node of a literal weighs this much, and its text.
fn weigh(literal: &Literal, node: usize) -> usize {
    let inner: usize = match literal {
        Literal::String(text) => text.len(),
        Literal::Number(number) => number.as_str().len(),
        Literal::Variable(name) | Literal::Enum(name) => name.len(),
        Literal::Binary(bytes) => bytes.len(),
        Literal::List(items) => items.iter().map(|item| weigh(item, node)).sum(),
        Literal::Object(fields) => fields
            .iter()
            .map(|(name, value)| name.len() + weigh(value, node))
            .sum(),
        Literal::Null | Literal::Boolean(_) => 0,
    };
    node + inner
}

impl Plan {
    /// About how many bytes it holds.
    pub(crate) fn weight(&self) -> usize {
        size_of::<Plan>() + of_selection(&self.root)
    }
}

fn of_selection(selection: &Selection) -> usize {
    selection.type_name.len() + selection.fields.iter().map(of_field).sum::<usize>()
}

fn of_field(field: &Field) -> usize {
    let below = match &field.shape {
        Shape::Object(selection) => of_selection(selection),
        Shape::Enum(words) => words
            .iter()
            .map(|word| size_of::<String>() + word.len())
            .sum(),
        Shape::Scalar(_) | Shape::Json | Shape::Abstract => 0,
    };
    let arguments = field.arguments.iter().map(|argument| {
        let literal = argument.given.as_ref();
        size_of::<Argument>() + literal.map_or(0, |given| weigh(given, size_of::<Literal>()))
    });
    let switches = field.conditions.iter().flatten().count() * size_of::<Switch>();
    size_of::<Field>()
        + field.key.len()
        + field.name.len()
        + below
        + arguments.sum::<usize>()
        + switches
}
