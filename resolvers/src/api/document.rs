//! From the text of a request to one operation of a parsed document, within limits.
//!
//! Everything after this works recursively, so the nesting of the text is measured before it is parsed, and the size of
//! the document before it is walked.

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, OperationDefinition, OperationType, Selection,
    SelectionSet,
};
use async_graphql::parser::{Error as ParserError, parse_query};
use async_graphql::{Name, Pos, Positioned};

use super::error::{BAD_REQUEST, ErrorType, GraphqlError, Location, MALFORMED_REQUEST};
use super::validate::{Rule, violation};
use crate::engine::Settings;

/// Brackets of any kind may nest this deep; the parser's stack need grows with it.
const BRACKET_LIMIT: usize = 150;

/// Why a request is not executed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Rejection {
    /// HTTP 400: type and message.
    Malformed(&'static str, String),
    /// HTTP 200 with `data: null` and these errors.
    Invalid(Vec<GraphqlError>),
}

impl From<GraphqlError> for Rejection {
    fn from(error: GraphqlError) -> Self {
        Rejection::Invalid(vec![error])
    }
}

/// Parses a document (`errata.md` row 52: text that does not parse is a malformed request).
pub(crate) fn parse(text: &str, limits: &Settings) -> Result<ExecutableDocument, Rejection> {
    if nesting(text) > BRACKET_LIMIT {
        return Err(too_deep(limits));
    }
    let document = parse_query(text).map_err(|error| refuse(&error, limits))?;
    if size(&document) > limits.field_limit {
        return Err(too_many_fields(limits));
    }
    Ok(document)
}

/// The operation to run.
pub(crate) fn choose<'a>(
    document: &'a ExecutableDocument,
    name: Option<&str>,
) -> Result<&'a Positioned<OperationDefinition>, Rejection> {
    let unknown = |name: &str| bad_request(format!("Unknown operation named '{name}'."));
    match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Ok(operation),
        (DocumentOperations::Single(_), Some(name)) => Err(unknown(name)),
        (DocumentOperations::Multiple(all), Some(name)) => {
            all.get(name).ok_or_else(|| unknown(name))
        }
        (DocumentOperations::Multiple(all), None) => {
            let mut operations = all.values();
            match (operations.next(), operations.next()) {
                (Some(only), None) => Ok(only),
                _ => Err(bad_request("Missing operation name.".to_owned())),
            }
        }
    }
}

/// Whether the chosen operation, or any if none can be chosen, is a mutation. A document that is refused for its nesting
/// or does not parse is none: whoever executes it says what is wrong.
pub(crate) fn mutates(text: &str, name: Option<&str>) -> bool {
    if nesting(text) > BRACKET_LIMIT {
        return false;
    }
    let Ok(document) = parse_query(text) else {
        return false;
    };
    let chosen = |operation: Option<&Name>| match (name, operation) {
        (Some(wanted), Some(name)) => wanted == name.as_str(),
        (Some(_), None) => false,
        (None, _) => true,
    };
    let mut operations = document.operations.iter();
    operations
        .any(|(name, definition)| chosen(name) && definition.node.ty == OperationType::Mutation)
}

/// The error of a document that nests too deep.
pub(crate) fn too_deep(limits: &Settings) -> Rejection {
    limit_error(
        ErrorType::QueryDepthLimitReached,
        format!(
            "The selections of the document nest deeper than {} levels.",
            limits.depth_limit
        ),
    )
}

/// The error of a document that selects too much.
pub(crate) fn too_many_fields(limits: &Settings) -> Rejection {
    limit_error(
        ErrorType::ResolverExecutionLimitReached,
        format!(
            "The document selects more than {} fields.",
            limits.field_limit
        ),
    )
}

/// The error of an operation with too many fields at its root.
pub(crate) fn too_many_roots(limits: &Settings) -> Rejection {
    limit_error(
        ErrorType::ResolverExecutionLimitReached,
        format!(
            "The operation has more than {} fields at its root.",
            limits.root_limit
        ),
    )
}

/// The error of a question about the API itself where it is not answered.
pub(crate) fn no_introspection() -> Rejection {
    Rejection::from(GraphqlError {
        path: None,
        data: None,
        error_type: None,
        custom: None,
        locations: None,
        message: "Introspection has been disabled for this request.".to_owned(),
    })
}

/// A place of the parser as a place in an answer.
pub(crate) fn location(pos: Pos) -> Location {
    Location {
        line: pos.line,
        column: pos.column,
    }
}

fn limit_error(error_type: ErrorType, message: String) -> Rejection {
    Rejection::from(GraphqlError {
        path: None,
        data: None,
        error_type: Some(error_type),
        custom: None,
        locations: None,
        message,
    })
}

fn bad_request(message: String) -> Rejection {
    Rejection::Malformed(BAD_REQUEST, message)
}

fn refuse(error: &ParserError, limits: &Settings) -> Rejection {
    match error {
        ParserError::RecursionLimitExceeded => too_deep(limits),
        ParserError::MultipleOperations { anonymous, .. } => violation(
            Rule::LoneAnonymousOperationViolation,
            "Anonymous operation with other operations.",
            &[],
            *anonymous,
        )
        .into(),
        ParserError::OperationDuplicated {
            operation, second, ..
        } => violation(
            Rule::DuplicateOperationName,
            format!("There can be only one operation named '{operation}'"),
            &[],
            *second,
        )
        .into(),
        ParserError::FragmentDuplicated {
            fragment, second, ..
        } => violation(
            Rule::DuplicateFragmentName,
            format!("There can be only one fragment named '{fragment}'"),
            &[],
            *second,
        )
        .into(),
        _ => Rejection::Malformed(
            MALFORMED_REQUEST,
            "Unable to parse GraphQL query.".to_owned(),
        ),
    }
}

/// How deep brackets nest outside strings and comments.
fn nesting(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut depth, mut deepest, mut at) = (0usize, 0usize, 0usize);
    while let Some(byte) = bytes.get(at) {
        at = match byte {
            b'{' | b'[' | b'(' => {
                depth += 1;
                deepest = deepest.max(depth);
                at + 1
            }
            b'}' | b']' | b')' => {
                depth = depth.saturating_sub(1);
                at + 1
            }
            b'#' => end_of_comment(bytes, at),
            b'"' => end_of_string(bytes, at),
            _ => at + 1,
        };
    }
    deepest
}

fn end_of_comment(bytes: &[u8], start: usize) -> usize {
    let rest = bytes[start..].iter();
    let length = rest.take_while(|byte| !matches!(byte, b'\n' | b'\r'));
    start + length.count()
}

/// The position after the string that starts here. An unfinished one ends at the end of its line, so that no bracket
/// can hide behind a stray quote.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    if bytes[start..].starts_with(br#"""""#) {
        return end_of_block(bytes, start + 3);
    }
    let mut at = start + 1;
    loop {
        match bytes.get(at) {
            None | Some(b'\n' | b'\r') => return at,
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
        }
    }
}

fn end_of_block(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    while at < bytes.len() {
        if bytes[at..].starts_with(br#"\""""#) {
            at += 4;
        } else if bytes[at..].starts_with(br#"""""#) {
            return at + 3;
        } else {
            at += 1;
        }
    }
    at
}

/// How many selections are written in the document, fragments counted once.
fn size(document: &ExecutableDocument) -> usize {
    let operations = document.operations.iter();
    let fragments = document.fragments.values();
    operations
        .map(|(_, operation)| &operation.node.selection_set.node)
        .chain(fragments.map(|fragment| &fragment.node.selection_set.node))
        .map(count)
        .sum()
}

fn count(selections: &SelectionSet) -> usize {
    let nested = |selection: &Positioned<Selection>| match &selection.node {
        Selection::Field(field) => count(&field.node.selection_set.node),
        Selection::InlineFragment(fragment) => count(&fragment.node.selection_set.node),
        Selection::FragmentSpread(_) => 0,
    };
    selections.items.iter().map(|item| 1 + nested(item)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_chosen_mutation_counts_as_one() {
        assert!(mutates("mutation { a }", None));
        assert!(!mutates("{ a }", None));
        assert!(!mutates("query q { a } mutation m { a }", Some("q")));
        assert!(mutates("query q { a } mutation m { a }", None));
    }

    #[test]
    fn ten_thousand_nested_brackets_are_refused_without_parsing_them() {
        for open in ["{a", "{a(b:[", "{a(b:{c:", "query($a:["] {
            let text = open.repeat(10_000);
            let Err(Rejection::Invalid(errors)) = parse(&text, &Settings::default()) else {
                panic!("{open} must be refused as too deep");
            };
            assert_eq!(
                errors[0].error_type,
                Some(ErrorType::QueryDepthLimitReached)
            );
        }
    }

    #[test]
    fn brackets_in_strings_and_comments_do_not_nest() {
        let hidden = "{[(".repeat(1_000);
        let text = format!(
            "# {hidden}\n{{ a(b: \"{hidden}\\\"{hidden}\", c: \"\"\"{hidden}\\\"\"\"{hidden}\"\"\") }}"
        );
        assert!(parse(&text, &Settings::default()).is_ok());
    }

    #[test]
    fn a_stray_quote_hides_no_brackets() {
        assert!(nesting(&format!("\"\n{}", "{".repeat(500))) >= 500);
    }

    #[test]
    fn the_deepest_nesting_that_is_let_through_parses_on_a_small_stack() {
        let worker = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
        let text = format!("{{a(b:{}1{})}}", "[".repeat(140), "]".repeat(140));
        let run = worker.spawn(move || parse(&text, &Settings::default()).is_ok());
        assert!(run.expect("thread starts").join().expect("no overflow"));
    }

    #[test]
    fn a_document_of_several_operations_needs_a_name() {
        let document = parse("query A {a} query B {b}", &Settings::default()).expect("parses");
        assert!(choose(&document, Some("B")).is_ok());
        assert_eq!(
            choose(&document, None).err(),
            Some(bad_request("Missing operation name.".to_owned()))
        );
    }
}
