//! What a schema writes by hand: arguments, handlers of fields, gates, validations.

use std::sync::Arc;

use serde_json::Value;

use super::FieldType;
use crate::identity::AuthMode;

/// An argument of a field.
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: FieldType,
    /// Its default, if it has one.
    pub default: Option<Value>,
}

/// A way in: callers of this mode may reach a type or field (`transformer` 8.2, gate 1). One line of `@aws_*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Gate {
    /// How the caller proves who it is.
    pub mode: AuthMode,
    /// The groups of the user pool one of which the caller must be in; none are asked for if it is empty.
    pub groups: Vec<String>,
    /// Whether it was written as `@aws_auth`, which is the same for user pools.
    pub legacy: bool,
}

impl Gate {
    /// The gate for every caller of a mode.
    #[must_use]
    pub fn of(mode: AuthMode) -> Gate {
        Gate {
            mode,
            groups: Vec::new(),
            legacy: false,
        }
    }

    /// The directive it is written as, without `@`.
    #[must_use]
    pub fn directive(&self) -> &'static str {
        match self.mode {
            AuthMode::ApiKey => "aws_api_key",
            AuthMode::UserPool if self.legacy => "aws_auth",
            AuthMode::UserPool => "aws_cognito_user_pools",
            AuthMode::Oidc => "aws_oidc",
            AuthMode::Iam => "aws_iam",
            AuthMode::Lambda => "aws_lambda",
        }
    }
}

/// Code of the user's that answers a field (`transformer` 9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handler {
    /// `@function`.
    Function(Function),
    /// `@http`.
    Http(Http),
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name; `${env}` in it stands for the environment.
    pub name: String,
    /// Where it runs, if the directive says so.
    pub region: Option<String>,
    /// Whose it is, if the directive says so.
    pub account: Option<String>,
    /// Whether it is told and not waited for (`invocationType: Event`).
    pub event: bool,
}

/// A request to an HTTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// The method.
    pub method: HttpMethod,
    /// The address as written, with `:name` for parameters of its path.
    pub url: String,
    /// The parameters of its path.
    pub params: Vec<String>,
    /// Headers to send, after those the caller sent.
    pub headers: Vec<(String, String)>,
}

/// The methods `@http` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the method of that name")]
pub enum HttpMethod {
    Get,
    Post,
    Put,
    Delete,
    Patch,
}

impl HttpMethod {
    /// Whether requests have a body.
    #[must_use]
    pub fn has_body(self) -> bool {
        matches!(self, HttpMethod::Post | HttpMethod::Put | HttpMethod::Patch)
    }
}

/// One `@validate`.
#[derive(Debug, Clone, PartialEq)]
pub struct Validation {
    /// What is asked of the value.
    pub check: Check,
    /// The operand as written, for messages.
    pub operand: String,
    /// What the client is told instead of the built-in message.
    pub message: Option<String>,
}

/// What is asked of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Check {
    /// `gt`.
    GreaterThan(f64),
    /// `lt`.
    LessThan(f64),
    /// `gte`.
    AtLeast(f64),
    /// `lte`.
    AtMost(f64),
    /// `minLength`, in characters.
    MinLength(usize),
    /// `maxLength`, in characters.
    MaxLength(usize),
    /// `startsWith`.
    StartsWith(String),
    /// `endsWith`.
    EndsWith(String),
    /// `matches`: the whole text is an instance of the pattern.
    Matches(Pattern),
}

/// A regular expression that texts are matched against as a whole, as Java's `Pattern` does. Its work is bounded.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    compiled: Arc<fancy_regex::Regex>,
}

/// So much backtracking is more than any sensible pattern needs.
const MAX_BACKTRACKING: usize = 100_000;

impl Pattern {
    /// The pattern, or what is wrong with it.
    pub fn new(text: &str) -> Result<Pattern, String> {
        let whole = format!("^(?:{text})$");
        let compiled = fancy_regex::RegexBuilder::new(&whole)
            .backtrack_limit(MAX_BACKTRACKING)
            .delegate_size_limit(1 << 20)
            .build()
            .map_err(|error| error.to_string().replace('\n', " "))?;
        Ok(Pattern {
            text: text.to_owned(),
            compiled: Arc::new(compiled),
        })
    }

    /// Whether a text is an instance; one that takes too long to tell is none.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.compiled.is_match(text).unwrap_or(false)
    }
}

impl std::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// `@deprecated`, with its reason if it gives one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deprecation {
    /// Why.
    pub reason: Option<String>,
}
