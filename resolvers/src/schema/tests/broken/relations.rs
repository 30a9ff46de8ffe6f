//! Relations.

use super::report;

#[test]
fn models_that_lead_to_each_other() {
    insta::assert_snapshot!(report(r#"type A @model @auth(rules: [{ allow: public }]) {
  b: B @hasOne
}
type B @model @auth(rules: [{ allow: public }]) {
  a: A @hasOne
}"#), @r##"
schema.graphql:5:8: error[relation-mutual]: `B` and `A` refer to each other by `@hasOne` or `@hasMany`, which cannot be synced.
 5 |   a: A @hasOne
   |        ^
 help: Use `@belongsTo` here, or on `A.b`.
"##);
}

#[test]
fn a_belongs_to_without_another_side() {
    insta::assert_snapshot!(report(r#"type A @model @auth(rules: [{ allow: public }]) {
  b: B @belongsTo
}
type B @model @auth(rules: [{ allow: public }]) {
  id: ID!
}"#), @r##"
schema.graphql:2:8: error[relation-one-sided]: `B` has no `@hasOne` or `@hasMany` back to `A`.
 2 |   b: B @belongsTo
   |        ^
 help: Add a field of type `[A]` with `@hasMany` to `B`, or use `@hasOne` here.
"##);
}

#[test]
fn a_relation_to_a_type_that_is_no_model() {
    insta::assert_snapshot!(report(r#"type A @model @auth(rules: [{ allow: public }]) {
  b: [B] @hasMany
  c: [String] @hasMany
}
type B {
  b: Int
}"#), @r##"
schema.graphql:2:6: error[relation-to-non-model]: `@hasMany` needs a `@model`, and `B` is none.
 2 |   b: [B] @hasMany
   |      ^
 help: Add `@model` to `B`, or remove `@hasMany`.

schema.graphql:3:6: error[relation-to-non-model]: `@hasMany` needs a `@model`, and `String` is none.
 3 |   c: [String] @hasMany
   |      ^
 help: Write the name of a model, or remove `@hasMany`.
"##);
}

#[test]
fn a_relation_of_the_wrong_number() {
    insta::assert_snapshot!(report(r#"type A @model @auth(rules: [{ allow: public }]) {
  b: B @hasMany
  c: [B] @hasOne
}
type B @model @auth(rules: [{ allow: public }]) {
  id: ID!
}"#), @r##"
schema.graphql:2:6: error[relation-needs-list]: `@hasMany` leads to many records, and `A.b` holds one.
 2 |   b: B @hasMany
   |      ^
 help: Write `[B]`, or use `@hasOne`.

schema.graphql:3:6: error[relation-needs-single]: `@hasOne` leads to one record, and `A.c` is a list.
 3 |   c: [B] @hasOne
   |      ^
 help: Write `B`, or use `@hasMany`.
"##);
}

#[test]
fn a_relation_by_an_index_that_is_not_there() {
    insta::assert_snapshot!(report(r#"type Post @model @auth(rules: [{ allow: public }]) {
  comments: [Comment] @hasMany(indexName: "byPosts", fields: ["id"])
}
type Comment @model @auth(rules: [{ allow: public }]) {
  postID: ID @index(name: "byPost")
  post: Post @belongsTo(fields: ["postId"])
}"#), @r##"
schema.graphql:2:43: error[relation-unknown-index]: `Comment` has no index `byPosts`.
 2 |   comments: [Comment] @hasMany(indexName: "byPosts", fields: ["id"])
   |                                           ^
 help: Did you mean `byPost`?

schema.graphql:6:34: error[relation-unknown-field]: `Comment` has no field `postId`.
 6 |   post: Post @belongsTo(fields: ["postId"])
   |                                  ^
 help: Did you mean `postID`?
"##);
}

#[test]
fn references_on_one_side() {
    insta::assert_snapshot!(report(r#"type A @model @auth(rules: [{ allow: public }]) {
  bs: [B] @hasMany(references: ["aId"])
}
type B @model @auth(rules: [{ allow: public }]) {
  aId: ID
}"#), @r##"
schema.graphql:2:11: error[relation-one-sided]: `B` has no `@belongsTo` with the same `references` back to `A`.
 2 |   bs: [B] @hasMany(references: ["aId"])
   |           ^
 help: Add a field of type `A` with `@belongsTo(references: ["aId"])` to `B`.
"##);
}

#[test]
fn a_many_to_many_with_one_side() {
    insta::assert_snapshot!(report(r#"type A @model @auth(rules: [{ allow: public }]) {
  bs: [B] @manyToMany(relationName: "AB")
}
type B @model @auth(rules: [{ allow: public }]) {
  id: ID!
}"#), @r##"
schema.graphql:2:11: error[many-to-many-pair]: The relation "AB" stands on only one instead of two fields.
 2 |   bs: [B] @manyToMany(relationName: "AB")
   |           ^
 help: Put it on one list of each of the two models.
"##);
}
