//! Types and names.

use super::report;

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
