//! `__schema` and `__type`: the type system shown through async-graphql's introspection.
//!
//! Only introspection runs here; records never pass through this schema, so its resolvers answer nothing. Types that no
//! operation leads to (a nested type no model uses, say) are in the SDL but not shown here.

use std::sync::OnceLock;

use async_graphql::dynamic::{
    Enum, EnumItem, Field, FieldFuture, FieldValue, InputObject, InputValue, Interface,
    InterfaceField, Object, Scalar, Schema, Subscription, SubscriptionField,
    SubscriptionFieldFuture, TypeRef as DynamicRef, Union,
};
use async_graphql::{Name, Request, Value as GraphqlValue, Variables};
use futures_util::FutureExt;
use futures_util::stream;
use serde_json::{Map, Value};

use super::types::{
    EnumDef, FieldDef, InputDef, InputField, InterfaceDef, ObjectDef, TypeDef, TypeRef, TypeSystem,
    is_built_in,
};

/// Answers the introspection fields of a query. The schema behind it is built by the first query that needs it.
#[derive(Default)]
pub struct Introspection {
    schema: OnceLock<Result<Schema, String>>,
}

impl Introspection {
    /// The values of the root fields `__schema` and `__type` of a query, under their response keys.
    ///
    /// For the executor: call it once per document whose root selection (fragments included) holds one of the two, with
    /// the document as it came, and take from the answer the response keys of those fields; every other root field is
    /// null in it and is the executor's own to answer. An `Err` is the message for the first introspection field, which
    /// is then null. `types` must be the same at every call: the first one builds the schema.
    pub fn answer(
        &self,
        types: &TypeSystem,
        document: &str,
        operation_name: Option<&str>,
        variables: &Map<String, Value>,
    ) -> Result<Map<String, Value>, String> {
        let schema = self
            .schema
            .get_or_init(|| build(types))
            .as_ref()
            .map_err(Clone::clone)?;
        let mut request = Request::new(document)
            .variables(graphql_variables(variables))
            .only_introspection();
        if let Some(name) = operation_name {
            request = request.operation_name(name);
        }
        let response = schema
            .execute(request)
            .now_or_never()
            .ok_or("Introspection waited for something.")?;
        if let Some(error) = response.errors.into_iter().next() {
            return Err(error.message);
        }
        match json(response.data) {
            Value::Object(fields) => Ok(fields),
            _ => Err("The query has no introspection fields.".to_owned()),
        }
    }
}

/// The schema async-graphql needs, with resolvers that answer nothing.
fn build(types: &TypeSystem) -> Result<Schema, String> {
    let root = |name: &str| types.object(name).is_some();
    let mut builder = Schema::build(
        "Query",
        root("Mutation").then_some("Mutation"),
        root("Subscription").then_some("Subscription"),
    );
    for definition in types.types.values() {
        builder = match definition {
            TypeDef::Scalar(scalar) if is_built_in(*scalar) => builder,
            TypeDef::Scalar(scalar) => builder.register(Scalar::new(scalar.name())),
            TypeDef::Enum(declared) => builder.register(enumeration(declared)),
            TypeDef::Input(input) => builder.register(input_object(input)),
            TypeDef::Object(object) if object.name == "Subscription" => {
                builder.register(subscription(object))
            }
            TypeDef::Object(object) => builder.register(output_object(object)),
            TypeDef::Interface(interface) => builder.register(output_interface(interface)),
            TypeDef::Union(union) => {
                let built = Union::new(&union.name);
                let members = union.members.iter();
                builder.register(members.fold(built, Union::possible_type))
            }
        };
    }
    builder.finish().map_err(|error| error.to_string())
}

fn enumeration(declared: &EnumDef) -> Enum {
    let values = declared.values.iter().map(|value| {
        let item = EnumItem::new(value);
        match declared.deprecated.get(value) {
            Some(deprecation) => item.deprecation(deprecation.reason.as_deref()),
            None => item,
        }
    });
    values.fold(Enum::new(&declared.name), Enum::item)
}

fn input_object(input: &InputDef) -> InputObject {
    input
        .fields
        .values()
        .fold(InputObject::new(&input.name), |built, field| {
            built.field(input_value(field))
        })
}

fn output_object(object: &ObjectDef) -> Object {
    let empty = Object::new(&object.name);
    let implementing = object.interfaces.iter().fold(empty, Object::implement);
    object.fields.values().fold(implementing, |built, field| {
        built.field(output_field(field))
    })
}

fn output_interface(interface: &InterfaceDef) -> Interface {
    let empty = Interface::new(&interface.name);
    let implementing = interface
        .interfaces
        .iter()
        .fold(empty, Interface::implement);
    interface
        .fields
        .values()
        .fold(implementing, |built, field| {
            let empty = InterfaceField::new(&field.name, type_ref(&field.ty));
            let with_arguments = field.arguments.values().map(input_value);
            let made = with_arguments.fold(empty, InterfaceField::argument);
            built.field(match &field.deprecated {
                Some(deprecation) => made.deprecation(deprecation.reason.as_deref()),
                None => made,
            })
        })
}

fn output_field(field: &FieldDef) -> Field {
    let empty = Field::new(&field.name, type_ref(&field.ty), |_| {
        FieldFuture::Value(None)
    });
    let arguments = field.arguments.values().map(input_value);
    let made = arguments.fold(empty, Field::argument);
    match &field.deprecated {
        Some(deprecation) => made.deprecation(deprecation.reason.as_deref()),
        None => made,
    }
}

fn subscription(object: &ObjectDef) -> Subscription {
    let fields = object.fields.values().map(|field| {
        let empty = SubscriptionField::new(&field.name, type_ref(&field.ty), |_| {
            SubscriptionFieldFuture::new(async {
                Ok(stream::empty::<async_graphql::Result<FieldValue<'_>>>())
            })
        });
        let arguments = field.arguments.values().map(input_value);
        arguments.fold(empty, SubscriptionField::argument)
    });
    fields.fold(Subscription::new(&object.name), Subscription::field)
}

fn input_value(field: &InputField) -> InputValue {
    let value = InputValue::new(&field.name, type_ref(&field.ty));
    match &field.default {
        Some(default) => value.default_value(graphql_value(default)),
        None => value,
    }
}

fn type_ref(ty: &TypeRef) -> DynamicRef {
    match ty {
        TypeRef::Named(name) => DynamicRef::named(name),
        TypeRef::List(inner) => DynamicRef::List(Box::new(type_ref(inner))),
        TypeRef::NonNull(inner) => DynamicRef::NonNull(Box::new(type_ref(inner))),
    }
}

fn graphql_variables(variables: &Map<String, Value>) -> Variables {
    let mut converted = Variables::default();
    for (name, value) in variables {
        converted.insert(Name::new(name), graphql_value(value));
    }
    converted
}

/// By hand: async-graphql's values cannot be deserialized while numbers keep their text.
fn graphql_value(value: &Value) -> GraphqlValue {
    match value {
        Value::Null => GraphqlValue::Null,
        Value::Bool(flag) => GraphqlValue::Boolean(*flag),
        Value::Number(number) => GraphqlValue::Number(number.clone()),
        Value::String(text) => GraphqlValue::String(text.clone()),
        Value::Array(items) => GraphqlValue::List(items.iter().map(graphql_value).collect()),
        Value::Object(fields) => GraphqlValue::Object(
            fields
                .iter()
                .map(|(name, value)| (Name::new(name), graphql_value(value)))
                .collect(),
        ),
    }
}

fn json(value: GraphqlValue) -> Value {
    match value {
        GraphqlValue::Null | GraphqlValue::Binary(_) => Value::Null,
        GraphqlValue::Boolean(flag) => Value::Bool(flag),
        GraphqlValue::Number(number) => Value::Number(number),
        GraphqlValue::String(text) => Value::String(text),
        GraphqlValue::Enum(name) => Value::String(name.to_string()),
        GraphqlValue::List(items) => Value::Array(items.into_iter().map(json).collect()),
        GraphqlValue::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| (name.to_string(), json(value)))
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::api::generate::generate;
    use crate::fixtures;

    /// What graphql-js 15 asks by default, and what graphql-js 16 asks with every option on.
    const CLASSIC: &str = include_str!("introspection/classic_query.graphql");
    const FULL: &str = include_str!("introspection/full_query.graphql");

    fn ask(document: &str, variables: Value) -> Result<Map<String, Value>, String> {
        let Value::Object(variables) = variables else {
            panic!("variables are an object");
        };
        Introspection::default().answer(&generate(&fixtures::schema()), document, None, &variables)
    }

    fn named<'a>(answer: &'a Map<String, Value>, list: &str, name: &str) -> &'a Value {
        answer["__schema"][list]
            .as_array()
            .unwrap()
            .iter()
            .find(|entry| entry["name"] == name)
            .unwrap_or_else(|| panic!("{list} has no {name}"))
    }

    #[test]
    fn the_usual_introspection_queries_show_every_type_an_operation_leads_to() {
        for document in [CLASSIC, FULL] {
            let answer = ask(document, json!({})).unwrap();
            let shown: BTreeSet<&str> = answer["__schema"]["types"]
                .as_array()
                .unwrap()
                .iter()
                .map(|ty| ty["name"].as_str().unwrap())
                .filter(|name| !name.starts_with("__"))
                .collect();
            let types = generate(&fixtures::schema());
            let generated: BTreeSet<&str> = types.types.keys().map(String::as_str).collect();
            let missing: Vec<_> = generated.difference(&shown).collect();
            assert_eq!(missing, [&"AmplifyAIConversationTurnErrorInput"]);
            assert!(shown.is_subset(&generated), "{shown:?}");
            assert_eq!(answer["__schema"]["queryType"]["name"], "Query");
            assert_eq!(answer["__schema"]["mutationType"]["name"], "Mutation");
            assert_eq!(
                answer["__schema"]["subscriptionType"]["name"],
                "Subscription"
            );
        }
    }

    #[test]
    fn a_mutation_is_shown_with_its_input_and_types() {
        let answer = ask(CLASSIC, json!({})).unwrap();
        let mutation = named(&answer, "types", "Mutation");
        let create = mutation["fields"]
            .as_array()
            .unwrap()
            .iter()
            .find(|field| field["name"] == "createPost")
            .unwrap();
        assert_eq!(
            create["type"],
            json!({"kind": "OBJECT", "name": "Post", "ofType": null})
        );
        assert_eq!(create["args"][0]["name"], "input");
        assert_eq!(create["args"][0]["type"]["kind"], "NON_NULL");
        assert_eq!(
            create["args"][0]["type"]["ofType"]["name"],
            "CreatePostInput"
        );
        assert_eq!(
            named(&answer, "types", "CreatePostInput")["kind"],
            "INPUT_OBJECT"
        );
        assert_eq!(named(&answer, "types", "AWSTimestamp")["kind"], "SCALAR");
    }

    #[test]
    fn one_type_can_be_asked_for_by_a_variable() {
        let document = "query Q($n: String!) { post: __type(name: $n) { ...F } none: __type(name: \"Nope\") { name } }
            fragment F on __Type { name kind }";
        let answer = ask(document, json!({"n": "Post", "unused": 1.50})).unwrap();
        assert_eq!(answer["post"], json!({"name": "Post", "kind": "OBJECT"}));
        assert_eq!(answer["none"], Value::Null);
    }

    #[test]
    fn other_root_fields_are_left_to_the_executor() {
        let answer = ask(
            "{ __schema { queryType { name } } listPosts { items { id } } }",
            json!({}),
        )
        .unwrap();
        assert_eq!(answer["__schema"], json!({"queryType": {"name": "Query"}}));
        assert_eq!(answer["listPosts"], Value::Null);
    }

    #[test]
    fn the_operation_is_chosen_by_name() {
        let document = "query A { __type(name: \"Post\") { name } } query B { __schema { queryType { name } } }";
        let types = generate(&fixtures::schema());
        let introspection = Introspection::default();
        let answer = introspection
            .answer(&types, document, Some("B"), &Map::new())
            .unwrap();
        assert_eq!(answer.keys().collect::<Vec<_>>(), ["__schema"]);
    }

    #[test]
    fn a_missing_variable_is_an_error_with_a_message() {
        let document = "query Q($n: String!) { __type(name: $n) { name } }";
        let message = ask(document, json!({})).unwrap_err();
        assert!(message.contains('n'), "{message}");
    }
}
