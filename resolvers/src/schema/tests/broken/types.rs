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
fn custom_operations_that_clash() {
    insta::assert_snapshot!(report(r#"type Query {
  echo(text: String): String @function
  getTodo: Todo
}
type Todo @model @auth(rules: [{ allow: public }]) { id: ID! }
type Subscription @model { a: Int }
extend type Mutation { ping: String }
extend type Query { pong: String @index }"#), @r##"
schema.graphql:2:30: error[missing-argument]: `@function` needs `name`.
 2 |   echo(text: String): String @function
   |                              ^
 help: Add `name: "…"`.

schema.graphql:3:3: error[duplicate-operation]: `Todo` has a query `getTodo` already.
 3 |   getTodo: Todo
   |   ^
 help: Give one of them another name, or switch the generated one off with the arguments of `@model`.

schema.graphql:6:19: error[directive-misplaced]: `@model` may only stand on `@model` types.
 6 | type Subscription @model { a: Int }
   |                   ^
 help: Give the type another name: this one is for operations.

schema.graphql:7:13: error[extension-without-type]: There is no type `Mutation` to extend.
 7 | extend type Mutation { ping: String }
   |             ^
 help: Declare the type itself, without `extend`.

schema.graphql:8:34: error[directive-misplaced]: `@index` may only stand on fields of `@model` types.
 8 | extend type Query { pong: String @index }
   |                                  ^
 help: Move it behind the type of the field it is meant for.
"##);
}

#[test]
fn kinds_of_types_that_are_not_served() {
    insta::assert_snapshot!(report(r#"interface Named { name: String }
union Any = A | B
scalar Money
type A implements Named & Other { price: Money any: Any }
type B { b: Any! }
type Todo @model @auth(rules: [{ allow: public }]) { named: Named any: [Any] }
union None = B | Named | Nothing | B
schema { query: A }
directive @mine on OBJECT"#), @r##"
schema.graphql:3:8: error[unsupported-scalar]: Scalar `Money` is not known.
 3 | scalar Money
   |        ^
 help: Use one of the built-in scalars, for example `String` or `AWSJSON`.

schema.graphql:4:19: error[interface-field]: `A` implements `Named`, but has no field `name` of its type.
 4 | type A implements Named & Other { price: Money any: Any }
   |                   ^
 help: Declare `name` as the interface does, or remove `implements Named`.

schema.graphql:4:27: error[unknown-interface]: There is no interface `Other`.
 4 | type A implements Named & Other { price: Money any: Any }
   |                           ^
 help: Declare it, or remove `implements Other`.

schema.graphql:6:61: error[abstract-in-model]: `Named` stands for several types, so a record cannot store it.
 6 | type Todo @model @auth(rules: [{ allow: public }]) { named: Named any: [Any] }
   |                                                             ^
 help: Use one type with a nullable field for each case.

schema.graphql:6:72: error[abstract-in-model]: `Any` stands for several types, so a record cannot store it.
 6 | type Todo @model @auth(rules: [{ allow: public }]) { named: Named any: [Any] }
   |                                                                        ^
 help: Use one type with a nullable field for each case.

schema.graphql:7:18: error[union-member]: `Named` is no object type, so union `None` cannot have it.
 7 | union None = B | Named | Nothing | B
   |                  ^
 help: Name types that are declared with `type`.

schema.graphql:7:26: error[unknown-type]: There is no type `Nothing`.
 7 | union None = B | Named | Nothing | B
   |                          ^
 help: Did you mean `String`?

schema.graphql:7:36: error[duplicate-member]: Union `None` has `B` twice.
 7 | union None = B | Named | Nothing | B
   |                                    ^
 help: Remove one of the two.

schema.graphql:8:17: error[schema-definition]: The root type is called `A` instead of `Query`.
 8 | schema { query: A }
   |                 ^
 help: Call it `Query`, and leave `schema { … }` out.

schema.graphql:9:12: warning[directive-definition]: Directive `@mine` means nothing here.
 9 | directive @mine on OBJECT
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
  t: T
  n: [[[[[Int]]]]]
  o(p: M): Int
}"#), @r##"
schema.graphql:1:14: error[type-in-input]: `M` is no input type, so an input cannot have it.
 1 | input I { m: M }
   |              ^
 help: Declare an input with the fields of `M`.

schema.graphql:2:10: error[model-in-type]: `T` is stored in records, so it cannot hold records of `M`.
 2 | type T { m: M }
   |          ^
 help: Hold the id instead, or keep the type out of models.

schema.graphql:4:6: error[input-as-field]: `I` is an input type, so a field cannot have it.
 4 |   i: I
   |      ^
 help: Declare `I` with `type` instead of `input`.

schema.graphql:6:6: error[nested-list]: `[[[[[Int]]]]]` has more than 4 lists in each other.
 6 |   n: [[[[[Int]]]]]
   |      ^
 help: Use a list of a type that has a list field, or `AWSJSON`.

schema.graphql:7:8: error[type-in-input]: `M` is no input type, so an input cannot have it.
 7 |   o(p: M): Int
   |        ^
 help: Declare an input with the fields of `M`.
"##);
}

#[test]
fn a_type_that_needs_itself() {
    insta::assert_snapshot!(report(r#"type Todo @model @auth(rules: [{ allow: public }]) { a: A c: C }
type A { b: B! }
type B { a: A! c: [A!]! }
type C { a: A! }"#), @r##"
schema.graphql:2:6: error[endless-type]: No value of `A` can ever be made: what it requires never ends.
 2 | type A { b: B! }
   |      ^
 help: Make one of the fields on the way nullable, or a list.

schema.graphql:3:6: error[endless-type]: No value of `B` can ever be made: what it requires never ends.
 3 | type B { a: A! c: [A!]! }
   |      ^
 help: Make one of the fields on the way nullable, or a list.

schema.graphql:4:6: error[endless-type]: No value of `C` can ever be made: what it requires never ends.
 4 | type C { a: A! }
   |      ^
 help: Make one of the fields on the way nullable, or a list.
"##);
}

#[test]
fn an_extension_of_nothing() {
    insta::assert_snapshot!(report(r#"extend type Todo { a: Int }
extend enum E { A }
extend type E { b: Int }
enum E { B }"#), @r##"
schema.graphql:1:13: error[extension-without-type]: There is no type `Todo` to extend.
 1 | extend type Todo { a: Int }
   |             ^
 help: Declare the type itself, without `extend`.

schema.graphql:3:13: error[unsupported-extension]: `E` is of another kind, so it cannot be extended like this.
 3 | extend type E { b: Int }
   |             ^
 help: Write the additions into the declaration of `E`.
"##);
}
