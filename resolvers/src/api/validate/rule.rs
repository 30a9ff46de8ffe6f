//! The rules by name, and the errors of documents that break them.

use async_graphql::Pos;

use super::super::document::location;
use super::super::error::GraphqlError;

/// The rules of the GraphQL specification, by graphql-java's names, which appear in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    BadValueForDefaultArg,
    DuplicateArgumentNames,
    DuplicateDirectiveName,
    DuplicateFragmentName,
    DuplicateOperationName,
    DuplicateVariableName,
    FieldUndefined,
    FieldsConflict,
    FragmentCycle,
    FragmentTypeConditionInvalid,
    InlineFragmentTypeConditionInvalid,
    InvalidFragmentType,
    LoneAnonymousOperationViolation,
    MisplacedDirective,
    MissingDirectiveArgument,
    MissingFieldArgument,
    NonInputTypeOnVariable,
    SubSelectionNotAllowed,
    SubSelectionRequired,
    SubscriptionMultipleRootFields,
    UndefinedFragment,
    UndefinedVariable,
    UnknownArgument,
    UnknownDirective,
    UnknownType,
    UnusedFragment,
    UnusedVariable,
    VariableTypeMismatch,
    WrongType,
}

/// A validation error. `path` are field names down to the place.
pub(crate) fn violation(
    rule: Rule,
    detail: impl std::fmt::Display,
    path: &[&str],
    pos: Pos,
) -> GraphqlError {
    let place = if path.is_empty() {
        String::new()
    } else {
        format!(" @ '{}'", path.join("/"))
    };
    GraphqlError {
        path: None,
        data: None,
        error_type: None,
        custom: None,
        locations: Some(vec![location(pos)]),
        message: format!("Validation error of type {rule:?}: {detail}{place}"),
    }
}
