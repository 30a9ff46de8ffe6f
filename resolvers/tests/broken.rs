//! What the authors of broken schemas are told: place, code, what is wrong and the way out, for every schema of
//! `broken/*.graphql`. The answers are beside them; after a change on purpose `INSTA_UPDATE=always` writes them anew.

#![expect(clippy::unwrap_used, reason = "everything here is part of a test")]

use std::fmt::Write;
use std::fs;
use std::path::Path;

use driftless_resolvers::schema::{diagnostic, load};

/// The schemas of a file with their names: each begins with a line `#= name`.
fn cases(text: &str) -> Vec<(&str, &str)> {
    text.split("#= ")
        .skip(1)
        .map(|case| {
            let (name, schema) = case.split_once('\n').unwrap();
            (name, schema.trim_end())
        })
        .collect()
}

#[track_caller]
fn compare(class: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    let text = fs::read_to_string(folder.join(format!("{class}.graphql"))).unwrap();
    let mut answers = String::new();
    for (name, schema) in cases(&text) {
        let Err(problems) = load(schema) else {
            panic!("{name} loads: {schema}");
        };
        let told = diagnostic::render(&problems, name, schema);
        writeln!(answers, "{told}").unwrap();
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(class, answers));
}

#[test]
fn broken_text_are_told_where_what_and_how() {
    compare("text");
}

#[test]
fn broken_types_are_told_where_what_and_how() {
    compare("types");
}

#[test]
fn broken_directives_are_told_where_what_and_how() {
    compare("directives");
}

#[test]
fn broken_keys_are_told_where_what_and_how() {
    compare("keys");
}

#[test]
fn broken_relations_are_told_where_what_and_how() {
    compare("relations");
}

#[test]
fn broken_rules_are_told_where_what_and_how() {
    compare("rules");
}

#[test]
fn broken_names_are_told_where_what_and_how() {
    compare("names");
}
