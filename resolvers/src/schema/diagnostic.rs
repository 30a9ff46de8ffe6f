//! A problem in a schema: where, what, and the way out.

/// A place in the schema's source; lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The schema cannot be served.
    Error,
    /// It is served, but probably not what was meant.
    Warning,
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// A stable code, e.g. `index-unknown-field`.
    pub code: &'static str,
    /// Where.
    pub span: Span,
    /// What is wrong, one sentence.
    pub message: String,
    /// What to do, one sentence.
    pub help: String,
}
