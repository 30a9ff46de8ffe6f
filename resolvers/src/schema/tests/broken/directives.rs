//! Directives and their arguments.

use super::report;

#[test]
fn an_unknown_directive() {
    insta::assert_snapshot!(report(r#"type Todo @modl {
  id: ID!
}"#), @r##"
schema.graphql:1:11: error[unknown-directive]: There is no directive `@modl`.
 1 | type Todo @modl {
   |           ^
 help: Did you mean `@model`?
"##);
}

#[test]
fn an_unknown_argument() {
    insta::assert_snapshot!(report(r#"type Todo @model @auth(rules: [{ allow: public }]) {
  a: String @index(nam: "byA", sortKeyField: ["b"])
  b: String
}"#), @r##"
schema.graphql:2:20: error[unknown-argument]: `@index` has no argument `nam`.
 2 |   a: String @index(nam: "byA", sortKeyField: ["b"])
   |                    ^
 help: Did you mean `name`?

schema.graphql:2:32: error[unknown-argument]: `@index` has no argument `sortKeyField`.
 2 |   a: String @index(nam: "byA", sortKeyField: ["b"])
   |                                ^
 help: Did you mean `sortKeyFields`?
"##);
}

#[test]
fn an_argument_of_the_wrong_kind() {
    insta::assert_snapshot!(report(r#"type Todo @model(queries: "all") @auth(rules: [{ allow: public }]) {
  a: String @index(name: 5)
}"#), @r##"
schema.graphql:1:27: error[wrong-argument]: `queries` of `@model` is not an object.
 1 | type Todo @model(queries: "all") @auth(rules: [{ allow: public }]) {
   |                           ^
 help: Write `queries: { get: "…" }`.

schema.graphql:2:26: error[wrong-argument]: `name` of `@index` is not a string.
 2 |   a: String @index(name: 5)
   |                          ^
 help: Write `name: "…"`.
"##);
}

#[test]
fn directives_that_are_not_served() {
    insta::assert_snapshot!(report(r#"type Todo @model @auth(rules: [{ allow: public }]) {
  a: String @predictions(actions: [translateText])
  b: Int @refersTo(name: "c")
}"#), @r##"
schema.graphql:2:13: error[unsupported-directive]: `@predictions` needs a service of AWS and is not served.
 2 |   a: String @predictions(actions: [translateText])
   |             ^
 help: Remove it.

schema.graphql:3:10: error[unsupported-directive]: `@refersTo` is for models in SQL databases.
 3 |   b: Int @refersTo(name: "c")
   |          ^
 help: Remove it, or name the model's first name with `@mapsTo`.
"##);
}

#[test]
fn directives_in_the_wrong_place() {
    insta::assert_snapshot!(report(r#"type Place @primaryKey {
  city: String @index(name: "byCity")
  size: Int @model
}
enum E @model { A @index }
input I { a: Int @default(value: "1") }"#), @r##"
schema.graphql:1:12: error[directive-misplaced]: `@primaryKey` may only stand on fields of `@model` types.
 1 | type Place @primaryKey {
   |            ^
 help: Move it behind the type of the field it is meant for.

schema.graphql:2:16: error[directive-misplaced]: `@index` may only stand on fields of `@model` types.
 2 |   city: String @index(name: "byCity")
   |                ^
 help: Add `@model` to the type, or remove `@index`.

schema.graphql:3:13: error[directive-misplaced]: `@model` may only stand on `@model` types.
 3 |   size: Int @model
   |             ^
 help: Move it behind the name of the type.

schema.graphql:5:8: error[directive-misplaced]: `@model` may not stand on an enum.
 5 | enum E @model { A @index }
   |        ^
 help: Remove it.

schema.graphql:5:19: error[directive-misplaced]: `@index` may not stand on an enum value.
 5 | enum E @model { A @index }
   |                   ^
 help: Remove it.

schema.graphql:6:18: error[directive-misplaced]: `@default` may only stand on fields of `@model` types.
 6 | input I { a: Int @default(value: "1") }
   |                  ^
 help: Move it behind the type of the field it is meant for.
"##);
}

#[test]
fn defaults_of_another_type() {
    insta::assert_snapshot!(report(r#"enum Size { SMALL LARGE }
type A @model @auth(rules: [{ allow: public }]) {
  n: Int @default(value: "1.5")
  at: AWSDateTime @default(value: "2024-01-31")
  size: Size @default(value: "SMAL")
  tags: [String] @default(value: "x")
}"#), @r##"
schema.graphql:3:26: error[default-value]: "1.5" is no Int.
 3 |   n: Int @default(value: "1.5")
   |                          ^
 help: Write a whole number of 32 bits, such as "5".

schema.graphql:4:35: error[default-value]: "2024-01-31" is no AWSDateTime.
 4 |   at: AWSDateTime @default(value: "2024-01-31")
   |                                   ^
 help: Write a time with its offset, such as "2024-01-31T12:30:00.000Z".

schema.graphql:5:30: error[default-value]: "SMAL" is no value of `Size`.
 5 |   size: Size @default(value: "SMAL")
   |                              ^
 help: Did you mean `SMALL`?

schema.graphql:6:18: error[default-not-scalar]: `A.tags` cannot have a default.
 6 |   tags: [String] @default(value: "x")
   |                  ^
 help: Only fields with a single scalar or enum value can; remove it.
"##);
}

#[test]
fn timestamps_and_names_that_cannot_be() {
    insta::assert_snapshot!(report(r#"type A @model(timestamps: { createdAt: "at", updatedAt: "at" }, queries: { get: "get a" }) @auth(rules: [{ allow: public }]) {
  id: ID!
}"#), @r##"
schema.graphql:1:27: error[timestamps-same]: Both timestamps have the same name.
 1 | type A @model(timestamps: { createdAt: "at", updatedAt: "at" }, queries: { get: "get a" }) @auth(rules: [{ all…
   |                           ^
 help: Give them different names, or switch one off with `null`.

schema.graphql:1:81: error[operation-name]: `get a` cannot be the name of an operation or field.
 1 | … { createdAt: "at", updatedAt: "at" }, queries: { get: "get a" }) @auth(rules: [{ allow: public }]) {
   |                                                         ^
 help: Use letters, digits and `_`, not beginning with a digit or `__`.
"##);
}

#[test]
fn two_models_that_were_one() {
    insta::assert_snapshot!(report(r#"type A @model @mapsTo(name: "Old") @auth(rules: [{ allow: public }]) { id: ID! }
type B @model @mapsTo(name: "Old") @auth(rules: [{ allow: public }]) { id: ID! }"#), @r##"
schema.graphql:2:29: error[maps-to-taken]: `B` cannot be what was called `Old`: `A` is.
 2 | type B @model @mapsTo(name: "Old") @auth(rules: [{ allow: public }]) { id: ID! }
   |                             ^
 help: Records belong to one model. Leave `@mapsTo` to one of the two.
"##);
}
