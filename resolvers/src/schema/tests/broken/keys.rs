//! Keys, indexes and operations.

use super::report;

#[test]
fn a_primary_key_that_cannot_be() {
    insta::assert_snapshot!(report(r#"type Todo @model @auth(rules: [{ allow: public }]) {
  code: ID @primaryKey(sortKeyFields: ["tags", "nme"])
  tags: [String!]!
  name: String!
}"#), @r##"
schema.graphql:2:40: error[key-not-scalar]: The primary key: `Todo.tags` is neither a scalar nor an enum.
 2 |   code: ID @primaryKey(sortKeyFields: ["tags", "nme"])
   |                                        ^
 help: Use a field with a single scalar or enum value.

schema.graphql:2:48: error[key-unknown-field]: The primary key: `Todo` has no field `nme`.
 2 |   code: ID @primaryKey(sortKeyFields: ["tags", "nme"])
   |                                                ^
 help: Did you mean `name`?
"##);
}

#[test]
fn two_primary_keys() {
    insta::assert_snapshot!(report(r#"type Todo @model @auth(rules: [{ allow: public }]) {
  a: ID! @primaryKey
  b: ID! @primaryKey
}"#), @r##"
schema.graphql:3:10: error[primary-key-repeated]: `Todo` has a primary key already: `a`.
 3 |   b: ID! @primaryKey
   |          ^
 help: Name `b` in `sortKeyFields` of that one.
"##);
}

#[test]
fn an_index_over_nothing() {
    insta::assert_snapshot!(report(r#"type Todo @model @auth(rules: [{ allow: public }]) {
  a: String @index(name: "byA", sortKeyFields: ["createdAt"])
  b: Boolean @index(name: "byB")
  c: String @index(name: "b")
}"#), @r##"
schema.graphql:2:49: error[key-unknown-field]: The index: `Todo` has no field `createdAt`.
 2 |   a: String @index(name: "byA", sortKeyFields: ["createdAt"])
   |                                                 ^
 help: Declare it on the model: `createdAt: AWSDateTime!`.

schema.graphql:3:3: error[key-boolean]: The index: `Todo.b` is a Boolean, which cannot be part of a key.
 3 |   b: Boolean @index(name: "byB")
   |   ^
 help: Use an enum with two values, or leave the field out.

schema.graphql:4:26: error[index-name]: An index cannot have this name.
 4 |   c: String @index(name: "b")
   |                          ^
 help: Use 3 to 255 letters, digits, `_`, `-` and `.`.
"##);
}

#[test]
fn two_indexes_of_one_name() {
    insta::assert_snapshot!(report(r#"type Todo @model @auth(rules: [{ allow: public }]) {
  a: String @index(name: "byA")
  b: String @index(name: "byA")
}"#), @r##"
schema.graphql:3:26: error[index-duplicate]: `Todo` has an index `byA` already.
 3 |   b: String @index(name: "byA")
   |                          ^
 help: Give one of them another name.
"##);
}

#[test]
fn two_queries_of_one_name() {
    insta::assert_snapshot!(report(r#"type Todo @model @auth(rules: [{ allow: public }]) {
  a: String @index(name: "byA", queryField: "listTodos")
}
type Todos @model @auth(rules: [{ allow: public }]) {
  id: ID!
}"#), @r##"
schema.graphql:1:6: error[duplicate-operation]: `Todo` would have the query `listTodos`, which is the name of another of its operations.
 1 | type Todo @model @auth(rules: [{ allow: public }]) {
   |      ^
 help: Give one of them another name, with the arguments of `@model` or `queryField` of `@index`.

schema.graphql:4:6: error[duplicate-operation]: `Todos` would have the query `listTodos`, which is the name of an operation of `Todo`.
 4 | type Todos @model @auth(rules: [{ allow: public }]) {
   |      ^
 help: Give one of them another name, with the arguments of `@model` or `queryField` of `@index`.

schema.graphql:4:6: error[duplicate-operation]: `Todos` would have the query `syncTodos`, which is the name of an operation of `Todo`.
 4 | type Todos @model @auth(rules: [{ allow: public }]) {
   |      ^
 help: Give one of them another name, with the arguments of `@model` or `queryField` of `@index`.
"##);
}
