//! Rules.

use super::report;

#[test]
fn a_word_that_does_not_exist() {
    insta::assert_snapshot!(report(r#"type Todo @model @auth(rules: [{ allow: publik, operations: [write] }]) {
  id: ID!
}"#), @r##"
schema.graphql:1:41: error[unknown-word]: `allow` cannot be `publik`.
 1 | type Todo @model @auth(rules: [{ allow: publik, operations: [write] }]) {
   |                                         ^
 help: Did you mean `public`?

schema.graphql:1:62: error[unknown-word]: `operations` cannot be `write`.
 1 | type Todo @model @auth(rules: [{ allow: publik, operations: [write] }]) {
   |                                                              ^
 help: Did you mean `create`?
"##);
}

#[test]
fn rules_that_contradict_themselves() {
    insta::assert_snapshot!(report(r#"type Todo @model @auth(rules: [
  { allow: owner, provider: apiKey },
  { allow: groups, groups: [] }
  { allow: public, operations: [read, sync] }
]) {
  id: ID!
}"#), @r##"
schema.graphql:2:29: error[auth-provider]: A rule with `allow: owner` cannot have `provider: apiKey`.
 2 |   { allow: owner, provider: apiKey },
   |                             ^
 help: Use `userPools` or `oidc`.

schema.graphql:3:3: error[auth-groups]: This rule names no group.
 3 |   { allow: groups, groups: [] }
   |   ^
 help: Write the groups: `groups: ["Admin"]`.

schema.graphql:4:39: error[auth-read-twice]: `read` contains `sync` already.
 4 |   { allow: public, operations: [read, sync] }
   |                                       ^
 help: Keep `read`, or list the operations it stands for.
"##);
}

#[test]
fn rules_on_a_field_that_hide_required_ones() {
    insta::assert_snapshot!(report(r#"type Todo @model @auth(rules: [{ allow: public }]) {
  name: String!
  secret: String @auth(rules: [{ allow: owner }])
}"#), @r##"
schema.graphql:2:3: error[auth-required-field]: `Todo.name` is required, but not everyone who may read the model may read it.
 2 |   name: String!
   |   ^
 help: Remove the `!`, or give the field rules with `read` for all who may read any field.
"##);
}

#[test]
fn rules_on_a_type_that_is_no_model() {
    insta::assert_snapshot!(report(r#"type Place @auth(rules: [{ allow: public }]) {
  city: String
}"#), @r##"
schema.graphql:1:12: error[directive-misplaced]: `@auth` may only stand on `@model` types, fields of `@model` types, fields of other types and operations.
 1 | type Place @auth(rules: [{ allow: public }]) {
   |            ^
 help: Put the rules on its fields, or on the models that hold it.
"##);
}

#[test]
fn no_rules() {
    insta::assert_snapshot!(report(r#"type Todo @model @auth(rules: []) {
  id: ID!
}"#), @r##"
schema.graphql:1:18: error[auth-empty]: `@auth` of `Todo` has no rules.
 1 | type Todo @model @auth(rules: []) {
   |                  ^
 help: Write `rules: [{ allow: public }]`, or remove `@auth`.
"##);
}

#[test]
fn a_sandbox_for_owners() {
    insta::assert_snapshot!(report(r#"input AMPLIFY { globalAuthRule: AuthRule = { allow: owner } }
type Todo @model { id: ID! }"#), @r##"
schema.graphql:1:7: error[sandbox-rule]: The only global rule there is lets in everyone who holds an API key.
 1 | input AMPLIFY { globalAuthRule: AuthRule = { allow: owner } }
   |       ^
 help: Write `input AMPLIFY { globalAuthRule: AuthRule = { allow: public } }`, or remove it.
"##);
}
