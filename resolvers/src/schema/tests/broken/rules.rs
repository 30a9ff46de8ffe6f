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
fn owner_rules() {
    insta::assert_snapshot!(report(r#"type Todo @model @auth(rules: [
  { allow: owner },
  { allow: groups, groups: ["Admin"] }
  { allow: public, provider: iam }
]) {
  id: ID!
}"#), @r##"
schema.graphql:2:3: error[auth-unsupported]: Rules of the kind `{ allow: owner }` are not served yet.
 2 |   { allow: owner },
   |   ^
 help: Use `{ allow: public }`, which lets in everyone who holds an API key.

schema.graphql:3:3: error[auth-unsupported]: Rules of the kind `{ allow: groups }` are not served yet.
 3 |   { allow: groups, groups: ["Admin"] }
   |   ^
 help: Use `{ allow: public }`, which lets in everyone who holds an API key.

schema.graphql:4:3: error[auth-unsupported]: Rules of the kind `{ allow: public, provider: iam }` are not served yet.
 4 |   { allow: public, provider: iam }
   |   ^
 help: Use `{ allow: public }`, which lets in everyone who holds an API key.
"##);
}

#[test]
fn rules_on_a_field() {
    insta::assert_snapshot!(report(r#"type Todo @model @auth(rules: [{ allow: public }]) {
  secret: String @auth(rules: [{ allow: owner }])
}"#), @r##"
schema.graphql:2:18: error[directive-misplaced]: `@auth` on a field is not served yet.
 2 |   secret: String @auth(rules: [{ allow: owner }])
   |                  ^
 help: Put the rules on the type.
"##);
}

#[test]
fn rules_on_a_type_that_is_no_model() {
    insta::assert_snapshot!(report(r#"type Place @auth(rules: [{ allow: public }]) {
  city: String
}"#), @r##"
schema.graphql:1:12: error[auth-without-model]: `Place` has `@auth` but no `@model`.
 1 | type Place @auth(rules: [{ allow: public }]) {
   |            ^
 help: Types without `@model` are read and written with the model that holds them; put the rules there.
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
