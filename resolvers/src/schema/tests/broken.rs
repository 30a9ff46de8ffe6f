//! Broken schemas, as their authors see them.

use crate::schema::diagnostic::render;
use crate::schema::load;

/// What a broken schema's author sees.
fn report(source: &str) -> String {
    match load(source) {
        Ok(_) => panic!("it loads:\n{source}"),
        Err(problems) => render(&problems, "schema.graphql", source),
    }
}

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
fn an_unknown_type() {
    insta::assert_snapshot!(report(r#"type Todo @model {
  at: DateTime
  name: Strng
  what: Elephant
}"#), @r##"
schema.graphql:1:6: warning[auth-missing]: Nobody may use `Todo`: it has no rules.
 1 | type Todo @model {
   |      ^
 help: Add `@auth(rules: [{ allow: public }])`.

schema.graphql:2:7: error[unknown-type]: There is no type `DateTime`.
 2 |   at: DateTime
   |       ^
 help: Did you mean `AWSDateTime`?

schema.graphql:3:9: error[unknown-type]: There is no type `Strng`.
 3 |   name: Strng
   |         ^
 help: Did you mean `String`?

schema.graphql:4:9: error[unknown-type]: There is no type `Elephant`.
 4 |   what: Elephant
   |         ^
 help: Declare it, or use a built-in scalar such as `String`.
"##);
}

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

#[test]
fn first_generation_directives() {
    insta::assert_snapshot!(report(r#"type Todo @model @versioned @key(fields: ["id"]) @auth(rules: [{ allow: public }]) {
  id: ID!
  kids: [Kid] @connection
}
type Kid @model @auth(rules: [{ allow: public }]) {
  id: ID!
}"#), @r##"
schema.graphql:1:18: error[first-generation]: `@versioned` is from the first generation of the GraphQL Transformer and is not served.
 1 | type Todo @model @versioned @key(fields: ["id"]) @auth(rules: [{ allow: public }]) {
   |                  ^
 help: Remove it: every model is versioned.

schema.graphql:1:29: error[first-generation]: `@key` is from the first generation of the GraphQL Transformer and is not served.
 1 | type Todo @model @versioned @key(fields: ["id"]) @auth(rules: [{ allow: public }]) {
   |                             ^
 help: Write `@primaryKey(sortKeyFields: […])` or `@index(name: "…")` behind the key's first field.

schema.graphql:3:15: error[first-generation]: `@connection` is from the first generation of the GraphQL Transformer and is not served.
 3 |   kids: [Kid] @connection
   |               ^
 help: Write `@hasOne`, `@hasMany`, `@belongsTo` or `@manyToMany` instead.
"##);
}

#[test]
fn directives_that_are_not_served() {
    insta::assert_snapshot!(report(r#"type Todo @model @searchable @auth(rules: [{ allow: public }]) {
  a: String @function(name: "f")
  b: Int @validate(type: gt, value: "1")
}"#), @r##"
schema.graphql:1:18: error[unsupported-directive]: `@searchable` is not served yet.
 1 | type Todo @model @searchable @auth(rules: [{ allow: public }]) {
   |                  ^
 help: Remove it and use `@index`, or filter the list query.

schema.graphql:2:13: error[unsupported-directive]: `@function` is not served yet.
 2 |   a: String @function(name: "f")
   |             ^
 help: Remove the field.

schema.graphql:3:10: error[unsupported-directive]: `@validate` is not served yet.
 3 |   b: Int @validate(type: gt, value: "1")
   |          ^
 help: Remove it and check the value in the client.
"##);
}

#[test]
fn custom_operations() {
    insta::assert_snapshot!(report(r#"type Query {
  echo(text: String): String @function(name: "echo")
}
extend type Mutation { ping: String }
extend type Query { pong: String }"#), @r##"
schema.graphql:1:6: error[unsupported-operations]: Root type `Query` is not served.
 1 | type Query {
   |      ^
 help: Remove it: operations are made from the models, custom ones are not served yet.

schema.graphql:4:13: error[unsupported-operations]: Root type `Mutation` is not served.
 4 | extend type Mutation { ping: String }
   |             ^
 help: Remove it: operations are made from the models, custom ones are not served yet.
"##);
}

#[test]
fn kinds_of_types_that_are_not_served() {
    insta::assert_snapshot!(report(r#"interface Named { name: String }
union Any = A | B
scalar Money
type A implements Named { name: String price: Money any: Any }
type B { b: Int }
schema { query: A }
directive @mine on OBJECT"#), @r##"
schema.graphql:1:11: error[unsupported-interface]: Interface `Named` is not served.
 1 | interface Named { name: String }
   |           ^
 help: Write its fields into each type instead.

schema.graphql:2:7: error[unsupported-union]: Union `Any` is not served.
 2 | union Any = A | B
   |       ^
 help: Use one type with a nullable field for each case instead.

schema.graphql:3:8: error[unsupported-scalar]: Scalar `Money` is not served.
 3 | scalar Money
   |        ^
 help: Use one of the built-in scalars, for example `String` or `AWSJSON`.

schema.graphql:4:19: error[unsupported-interface]: Types that implement interfaces are not served.
 4 | type A implements Named { name: String price: Money any: Any }
   |                   ^
 help: Remove `implements Named`.

schema.graphql:6:1: error[schema-definition]: The schema declares its root types.
 6 | schema { query: A }
   | ^
 help: Leave `schema { … }` out: `Query`, `Mutation` and `Subscription` are made from the models.

schema.graphql:7:12: error[directive-definition]: Directive `@mine` is declared here.
 7 | directive @mine on OBJECT
   |            ^
 help: Leave the declaration out: all directives a schema may use are built in.
"##);
}

#[test]
fn types_declared_twice() {
    insta::assert_snapshot!(report(r#"type A { a: Int }
enum A { B }
type String { c: Int }
enum E { X X }
type D { d: Int d: Int }"#), @r##"
schema.graphql:2:6: error[duplicate-type]: There is a type `A` already, in line 1.
 2 | enum A { B }
   |      ^
 help: Give one of them another name, or add fields with `extend type A`.

schema.graphql:3:6: error[reserved-name]: `String` is built in.
 3 | type String { c: Int }
   |      ^
 help: Leave the declaration out, or give the type another name.

schema.graphql:4:12: error[duplicate-enum-value]: `E.X` is declared twice.
 4 | enum E { X X }
   |            ^
 help: Remove one of the two.

schema.graphql:5:17: error[duplicate-field]: `D.d` is declared twice.
 5 | type D { d: Int d: Int }
   |                 ^
 help: Remove one of the two.
"##);
}

#[test]
fn reserved_names() {
    insta::assert_snapshot!(report(r#"type Todo @model @auth(rules: [{ allow: public }]) {
  _version: Int
  __typename: String
}
type ModelTodoConnection { a: Int }
type ModelStringInput { a: Int }"#), @r##"
schema.graphql:2:3: error[reserved-field]: `Todo._version` is a reserved name.
 2 |   _version: Int
   |   ^
 help: Remove it: every model has it already.

schema.graphql:3:3: error[reserved-field]: `Todo.__typename` is a reserved name.
 3 |   __typename: String
   |   ^
 help: Choose a name that does not begin with `__`.

schema.graphql:5:6: error[name-taken]: `ModelTodoConnection` is the name of a type that is made for `Todo`.
 5 | type ModelTodoConnection { a: Int }
   |      ^
 help: Give the type another name.

schema.graphql:6:6: error[name-taken]: `ModelStringInput` is the name of a type that is made for every API.
 6 | type ModelStringInput { a: Int }
   |      ^
 help: Give the type another name.
"##);
}

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
fn directives_in_the_wrong_place() {
    insta::assert_snapshot!(report(r#"type Place @primaryKey {
  city: String @index(name: "byCity")
  size: Int @model
}
enum E @model { A @index }
input I { a: Int @default(value: "1") }"#), @r##"
schema.graphql:1:12: error[directive-misplaced]: `@primaryKey` stands on fields of `@model` types.
 1 | type Place @primaryKey {
   |            ^
 help: Move it behind the type of the field it is meant for.

schema.graphql:2:16: error[directive-misplaced]: `@index` may only stand on fields of `@model` types.
 2 |   city: String @index(name: "byCity")
   |                ^
 help: Add `@model` to the type, or remove `@index`.

schema.graphql:3:13: error[directive-misplaced]: `@model` stands on types, not on fields or inputs.
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

schema.graphql:6:18: error[directive-misplaced]: `@default` stands on fields of `@model` types.
 6 | input I { a: Int @default(value: "1") }
   |                  ^
 help: Move it behind the type of the field it is meant for.
"##);
}

#[test]
fn an_input_as_a_field_and_a_model_in_a_type() {
    insta::assert_snapshot!(report(r#"input I { m: M }
type T { m: M }
type M @model @auth(rules: [{ allow: public }]) {
  i: I
  n: [[Int]]
  o(p: Int): Int
}"#), @r##"
schema.graphql:1:14: error[type-in-input]: `M` is no input type, so an input cannot have it.
 1 | input I { m: M }
   |              ^
 help: Declare an input with the fields of `M`.

schema.graphql:2:13: error[model-in-type]: A type without `@model` cannot hold records of `M`.
 2 | type T { m: M }
   |             ^
 help: Hold the id instead, for example `mID: ID`.

schema.graphql:4:6: error[input-as-field]: `I` is an input type, so a field cannot have it.
 4 |   i: I
   |      ^
 help: Declare `I` with `type` instead of `input`.

schema.graphql:5:6: error[nested-list]: `[[Int]]` is a list of lists, which is not served.
 5 |   n: [[Int]]
   |      ^
 help: Use a list of a type that has a list field, or `AWSJSON`.

schema.graphql:6:5: error[field-arguments]: Field `M.o` takes arguments, which is not served.
 6 |   o(p: Int): Int
   |     ^
 help: Remove the arguments.
"##);
}

#[test]
fn a_type_that_needs_itself() {
    insta::assert_snapshot!(report(r#"type A { b: B! }
type B { a: A! c: [A!]! }
type C { a: A! }"#), @r##"
schema.graphql:1:6: error[endless-type]: No value of `A` can ever be made: what it requires never ends.
 1 | type A { b: B! }
   |      ^
 help: Make one of the fields on the way nullable, or a list.

schema.graphql:2:6: error[endless-type]: No value of `B` can ever be made: what it requires never ends.
 2 | type B { a: A! c: [A!]! }
   |      ^
 help: Make one of the fields on the way nullable, or a list.

schema.graphql:3:6: error[endless-type]: No value of `C` can ever be made: what it requires never ends.
 3 | type C { a: A! }
   |      ^
 help: Make one of the fields on the way nullable, or a list.
"##);
}

#[test]
fn an_extension_of_nothing() {
    insta::assert_snapshot!(report(r#"extend type Todo { a: Int }
extend enum E { A }
enum E { B }"#), @r##"
schema.graphql:1:13: error[extension-without-type]: There is no type `Todo` to extend.
 1 | extend type Todo { a: Int }
   |             ^
 help: Declare the type itself, without `extend`.

schema.graphql:2:13: error[unsupported-extension]: `E` cannot be extended like this.
 2 | extend enum E { A }
   |             ^
 help: Write the additions into the declaration of `E`.
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
