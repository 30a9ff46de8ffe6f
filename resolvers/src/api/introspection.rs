//! `__schema` and `__type`: the type system shown through async-graphql's introspection.
//!
//! Only introspection runs here; records never pass through this schema, so its resolvers answer nothing.

use std::sync::OnceLock;

use async_graphql::dynamic::{
    Enum, Field, FieldFuture, FieldValue, InputObject, InputValue, Object, Scalar, Schema,
    Subscription, SubscriptionField, SubscriptionFieldFuture, TypeRef as DynamicRef,
};
use async_graphql::{Name, Request, Value as GraphqlValue, Variables};
use futures_util::FutureExt;
use futures_util::stream;
use serde_json::{Map, Value};

use super::types::{
    EnumDef, FieldDef, InputDef, InputField, ObjectDef, TypeDef, TypeRef, TypeSystem, is_built_in,
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
        };
    }
    builder.finish().map_err(|error| error.to_string())
}

fn enumeration(declared: &EnumDef) -> Enum {
    declared
        .values
        .iter()
        .fold(Enum::new(&declared.name), Enum::item)
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
    object
        .fields
        .values()
        .fold(Object::new(&object.name), |built, field| {
            built.field(output_field(field))
        })
}

fn output_field(field: &FieldDef) -> Field {
    let empty = Field::new(&field.name, type_ref(&field.ty), |_| {
        FieldFuture::Value(None)
    });
    let arguments = field.arguments.values().map(input_value);
    arguments.fold(empty, Field::argument)
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
