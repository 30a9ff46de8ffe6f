//! Every error a client can ever see: reading this file tells what may come back.
//!
//! The wire form is AppSync's: `path, data, errorType, errorInfo, locations, message`, in that order, all at the top
//! level of the entry (`sync-semantics` 8, OCC-2). `extensions` is never sent (`client-native` R19).

use serde_json::Value;

/// The `errorType` of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorType {
    /// A rule refuses the operation, the field or the record.
    Unauthorized,
    /// The stored version is another one and the strategy refuses the write.
    ConflictUnhandled,
    /// The record exists already, does not exist, or the caller's condition does not hold.
    ConditionalCheckFailed,
    /// A conflict handler failed.
    ConflictError,
    /// A conflict handler was asked as often as it may be, and the record moved each time.
    MaxConflicts,
    /// An argument is out of its range or does not go with another one.
    InvalidArguments,
    /// A page token is not one of this query's.
    InvalidToken,
    /// A filter that is no predicate.
    UnrecognizedFilter,
    /// The operation is not part of the API any more.
    OperationDisabled,
    /// The document nests too deep.
    QueryDepthLimitReached,
    /// The document selects too much.
    ResolverExecutionLimitReached,
    /// A subscription was sent over HTTP.
    OperationNotSupported,
    /// A fault of this server that trying again will not cure.
    InternalFailure,
}

impl ErrorType {
    /// Its name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ErrorType::Unauthorized => "Unauthorized",
            ErrorType::ConflictUnhandled => "ConflictUnhandled",
            ErrorType::ConditionalCheckFailed => "ConditionalCheckFailedException",
            ErrorType::ConflictError => "ConflictError",
            ErrorType::MaxConflicts => "MaxConflicts",
            ErrorType::InvalidArguments => "InvalidArgumentsError",
            ErrorType::InvalidToken => "DynamoDB:UserIllegalArgumentException",
            ErrorType::UnrecognizedFilter => "Unrecognized Filter",
            ErrorType::OperationDisabled => "OperationDisabled",
            ErrorType::QueryDepthLimitReached => "QueryDepthLimitReached",
            ErrorType::ResolverExecutionLimitReached => "ResolverExecutionLimitReached",
            ErrorType::OperationNotSupported => "OperationNotSupported",
            ErrorType::InternalFailure => "InternalFailure",
        }
    }
}

/// The type of an HTTP 400 for a request that is no GraphQL request.
pub const MALFORMED_REQUEST: &str = "MalformedHttpRequestException";

/// The type of an HTTP 400 for a request that does not say which operation to run.
pub const BAD_REQUEST: &str = "BadRequestException";

/// What went wrong in one field. The executor adds path and location.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldError {
    /// For people.
    pub message: String,
    /// For programs; `null` on the wire if there is none (validation and coercion).
    pub error_type: Option<ErrorType>,
    /// The stored record a rejected mutation shows (`errata.md` row 16), in full; the executor projects it to the
    /// mutation's selection.
    pub record: Option<Box<crate::Record>>,
    /// What the user's own code says beyond that.
    pub custom: Option<Box<Custom>>,
}

/// What the user's own code puts into an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Custom {
    /// In place of the type.
    pub error_type: Option<String>,
    /// `errorInfo`; Android's and Flutter's clients bear none (`client-native` R19).
    pub info: Option<Value>,
}

impl FieldError {
    /// An error with a type and no record.
    pub fn new(error_type: ErrorType, message: impl Into<String>) -> Self {
        FieldError {
            message: message.into(),
            error_type: Some(error_type),
            record: None,
            custom: None,
        }
    }

    /// An error without a type.
    pub fn untyped(message: impl Into<String>) -> Self {
        FieldError {
            message: message.into(),
            error_type: None,
            record: None,
            custom: None,
        }
    }

    /// The same error, showing the stored record.
    #[must_use]
    pub fn with_record(mut self, record: crate::Record) -> Self {
        self.record = Some(Box::new(record));
        self
    }

    /// The same error, with what the user's code says.
    #[must_use]
    pub fn with_custom(mut self, custom: Custom) -> Self {
        self.custom = Some(Box::new(custom));
        self
    }
}

/// Why a field has no answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// An error of this field; the rest of the answer stands.
    Field(FieldError),
    /// The store cannot be used now. If nothing was committed the whole request is answered "try again later"
    /// (`errata.md` rows 1, 2).
    Unavailable(String),
}

impl From<FieldError> for Failure {
    fn from(error: FieldError) -> Self {
        Failure::Field(error)
    }
}

impl From<crate::storage::StorageError> for Failure {
    fn from(error: crate::storage::StorageError) -> Self {
        use crate::storage::StorageError;
        match error {
            StorageError::Unavailable(_) | StorageError::Timeout(_) => {
                Failure::Unavailable(error.to_string())
            }
            StorageError::Corrupt(_) => Failure::Field(FieldError::new(
                ErrorType::InternalFailure,
                "Internal failure.",
            )),
        }
    }
}

/// An entry of `errors`, ready for the wire.
#[derive(Debug, Clone, PartialEq)]
pub struct GraphqlError {
    /// Response keys and list positions down to the field; `None` for request errors.
    pub path: Option<Vec<PathSegment>>,
    /// The stored record of a rejected mutation, projected.
    pub data: Option<Value>,
    /// The type, if any.
    pub error_type: Option<ErrorType>,
    /// What the user's own code says beyond that.
    pub custom: Option<Box<Custom>>,
    /// Where in the document; `None` is `null` on the wire.
    pub locations: Option<Vec<Location>>,
    /// For people.
    pub message: String,
}

/// One step of an error's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathSegment {
    /// A response key.
    Key(String),
    /// A position in a list.
    Index(usize),
}

/// A place in a document, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}
