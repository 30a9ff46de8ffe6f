//! Texts that cannot be read.

use super::report;

#[test]
fn a_syntax_error() {
    insta::assert_snapshot!(report(r#"type Todo @model {
  id: ID!
  name
}"#), @r##"
schema.graphql:4:1: error[syntax]: The schema cannot be read: expected `:` here.
 4 | }
   | ^
 help: Check the line for a missing `:`, an unclosed bracket or quotation mark, or an empty `{ }`.
"##);
}

#[test]
fn an_unclosed_bracket() {
    insta::assert_snapshot!(report(r#"type Todo @model {
  id: ID!
"#), @r##"
schema.graphql:3:1: error[syntax]: The schema cannot be read: expected field definition or directive here.
 help: Check the line for a missing `:`, an unclosed bracket or quotation mark, or an empty `{ }`.
"##);
}

#[test]
fn a_list_that_is_never_closed() {
    insta::assert_snapshot!(report(r#"type Todo @model @auth(rules: [{ allow: public }]) {
  tags: [String
}"#), @r##"
schema.graphql:2:9: error[syntax]: The schema cannot be read: expected a type here.
 2 |   tags: [String
   |         ^
 help: Check the line for a missing `:`, an unclosed bracket or quotation mark, or an empty `{ }`.
"##);
}

#[test]
fn an_unclosed_text() {
    insta::assert_snapshot!(report(r#"type Todo @model {
  id: ID! @default(value: "x)
}"#), @r##"
schema.graphql:2:27: error[syntax]: The schema cannot be read: expected value here.
 2 |   id: ID! @default(value: "x)
   |                           ^
 help: Check the line for a missing `:`, an unclosed bracket or quotation mark, or an empty `{ }`.
"##);
}

#[test]
fn nothing_at_all() {
    insta::assert_snapshot!(report(r#"  # only a comment
"#), @r##"
schema.graphql:2:1: error[syntax]: The schema cannot be read: expected a definition here.
 help: Check the line for a missing `:`, an unclosed bracket or quotation mark, or an empty `{ }`.
"##);
}

#[test]
fn an_empty_type() {
    insta::assert_snapshot!(report(r#"type Todo @model {}"#), @r##"
schema.graphql:1:19: error[syntax]: The schema cannot be read: expected field definition here.
 1 | type Todo @model {}
   |                   ^
 help: Check the line for a missing `:`, an unclosed bracket or quotation mark, or an empty `{ }`.
"##);
}

#[test]
fn brackets_without_end() {
    insta::assert_snapshot!(report(r#"type A { a: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[
}"#), @r##"
schema.graphql:1:76: error[too-deep]: The schema nests brackets deeper than any schema needs.
 1 | type A { a: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[
   |                                                                            ^
 help: Look for brackets that are never closed.
"##);
}
