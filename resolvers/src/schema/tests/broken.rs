//! Broken schemas, as their authors see them.

mod directives;
mod keys;
mod relations;
mod rules;
mod text;
mod types;

use crate::schema::diagnostic::render;
use crate::schema::load;

/// What a broken schema's author sees.
fn report(source: &str) -> String {
    match load(source) {
        Ok(_) => panic!("it loads:\n{source}"),
        Err(problems) => render(&problems, "schema.graphql", source),
    }
}
