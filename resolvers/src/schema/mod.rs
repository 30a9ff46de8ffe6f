//! An Amplify schema: text in, checked model IR out, or every problem of it at once.

pub mod diagnostic;
pub mod model;

pub use diagnostic::{Diagnostic, Severity, Span};
pub use model::Schema;
