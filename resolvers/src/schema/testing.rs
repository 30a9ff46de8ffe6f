//! What the tests of this module ask a schema.

use super::diagnostic::Diagnostic;
use super::load;
use super::model::Model;

/// A model of a schema that loads.
pub(crate) fn model(source: &str, name: &str) -> Model {
    match load(source) {
        Ok(loaded) => Model::clone(&loaded.schema.models[name]),
        Err(problems) => panic!(
            "{}",
            super::diagnostic::render(&problems, "schema.graphql", source)
        ),
    }
}

/// The codes of the warnings of a schema that loads.
pub(crate) fn warnings(source: &str) -> Vec<&'static str> {
    match load(source) {
        Ok(loaded) => codes_of(&loaded.warnings),
        Err(problems) => panic!(
            "{}",
            super::diagnostic::render(&problems, "schema.graphql", source)
        ),
    }
}

/// The codes of the errors of a schema.
pub(crate) fn codes(source: &str) -> Vec<&'static str> {
    let problems = load(source).err().unwrap_or_default();
    let errors: Vec<Diagnostic> = problems
        .into_iter()
        .filter(|problem| problem.severity == super::Severity::Error)
        .collect();
    codes_of(&errors)
}

fn codes_of(problems: &[Diagnostic]) -> Vec<&'static str> {
    problems.iter().map(|problem| problem.code).collect()
}
