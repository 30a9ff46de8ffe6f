//! From text to the parser's tree, or the one place where that ends.

use async_graphql::parser::{self, types::ServiceDocument};

use super::diagnostic::{Problems, Span};
use super::source;

/// The text the parser was given (its places are those of the source) and what it made of it; `None` if it could not.
pub(crate) fn parse(text: &str, problems: &mut Problems) -> Option<(String, ServiceDocument)> {
    if let Some(span) = source::too_deep(text) {
        problems.error(
            "too-deep",
            span,
            "The schema nests brackets deeper than any schema needs.",
            "Look for brackets that are never closed.",
        );
        return None;
    }
    let text = source::close_types(text);
    match parser::parse_schema(&text) {
        Ok(parsed) => Some((text, parsed)),
        Err(error) => {
            report(&error, &text, problems);
            None
        }
    }
}

fn report(error: &parser::Error, text: &str, problems: &mut Problems) {
    let span = error.positions().next().map(Span::from).unwrap_or_default();
    let empty = text.trim().is_empty() || span.line == 0;
    let (message, help) = match error {
        _ if empty => (
            "The schema is empty.".to_owned(),
            "Declare at least one type, such as `type Post @model { title: String }`.",
        ),
        parser::Error::Syntax { message, .. } => (
            readable(message),
            "Check the line for a missing `:`, an unclosed bracket or quotation mark, or an empty `{ }`.",
        ),
        other => (
            format!("The schema cannot be read: {other}."),
            "Leave out `schema { … }`; it is made from the models.",
        ),
    };
    problems.error("syntax", span, message, help);
}

/// The parser's own explanation, in words of GraphQL: it ends in `= expected name, directive, …`.
fn readable(message: &str) -> String {
    let expected = message
        .lines()
        .rev()
        .find_map(|line| line.trim().strip_prefix("= expected "));
    match expected {
        Some(expected) => {
            let words = expected
                .replace("type_system_definition", "a definition")
                .replace("EOI", "the end")
                .replace("arguments_definition", "`:`")
                .replace("type_", "a type")
                .replace("const_", "")
                .replace("enum_value_definition", "enum value")
                .replace('_', " ");
            format!("The schema cannot be read: expected {words} here.")
        }
        None => "The schema cannot be read here.".to_owned(),
    }
}

impl From<async_graphql::Pos> for Span {
    fn from(pos: async_graphql::Pos) -> Self {
        Span {
            line: pos.line,
            column: pos.column,
        }
    }
}
