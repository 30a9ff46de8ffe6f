//! The client's description of the models: what `models/schema.js` exports and DataStore starts from.
//!
//! Amplify makes it with a generator of its own, which reads the schema without checking it and has rules of its own
//! (`transformer` section 11); so this reads the declarations too, not the model IR.

mod attributes;
mod draft;
mod introspection;
mod relations;
mod version;

use serde_json::{Map, Value, json};

use crate::schema::document::{Document, TypeNode};
use crate::schema::overrides::{Overrides, plural_of};
use draft::{Field, Model, Models};

/// The version of Amplify's generator whose output this is.
const CODEGEN_VERSION: &str = "3.4.4";

/// The models of a schema source as the client wants them; `None` if the source cannot be read (loading it tells why).
/// Sources that do not load give a description of no use.
#[must_use]
pub fn client_models(source: &str) -> Option<Value> {
    client_models_with(source, &Overrides::new())
}

/// The same with names that are given beside the schema.
#[must_use]
pub fn client_models_with(source: &str, overrides: &Overrides) -> Option<Value> {
    let (document, models) = read(source, overrides)?;
    let mut described = described(&document, &models, false);
    described.insert("codegenVersion".to_owned(), json!(CODEGEN_VERSION));
    described.insert(
        "version".to_owned(),
        json!(version::version(&document, &models)),
    );
    Some(Value::Object(described))
}

/// The same as `data.model_introspection` of `amplify_outputs.json` has it, with the hand-written operations; `None` if
/// the source cannot be read.
#[must_use]
pub fn model_introspection(source: &str, overrides: &Overrides) -> Option<Value> {
    let (document, models) = read(source, overrides)?;
    let mut introspection = Map::new();
    introspection.insert("version".to_owned(), json!(introspection::VERSION));
    introspection.extend(described(&document, &models, true));
    introspection.extend(introspection::operations(&document, &models));
    Some(Value::Object(introspection))
}

fn read(source: &str, overrides: &Overrides) -> Option<(Document, Models)> {
    let mut document = crate::schema::parse::document(source, &mut Default::default())?;
    document.overrides.clone_from(overrides);
    let mut models = Models::of(&document);
    models.join_models();
    models.associate();
    Some((document, models))
}

/// Models, nested types and enums; `outputs` says whether in the form of `amplify_outputs.json`.
fn described(document: &Document, models: &Models, outputs: bool) -> Map<String, Value> {
    let described = models.values().map(|model| {
        let mut value = describe_model(model, document, models);
        if outputs {
            complete(&mut value, model);
        }
        (model.name.clone(), Value::Object(value))
    });
    let described: Map<String, Value> = described.collect();
    let mut all = Map::new();
    all.insert("models".to_owned(), Value::Object(described));
    all.insert("enums".to_owned(), Value::Object(enums(document)));
    let nested = nested_types(document, models);
    all.insert("nonModels".to_owned(), Value::Object(nested));
    all
}

/// What the outputs say of a model beyond `schema.js`.
fn complete(described: &mut Map<String, Value>, model: &Model) {
    described.insert(
        "primaryKeyInfo".to_owned(),
        introspection::primary_key(model),
    );
    let fields = described.get_mut("fields").and_then(Value::as_object_mut);
    for (_, field) in fields.into_iter().flatten() {
        let association = field.get_mut("association").and_then(Value::as_object_mut);
        if let Some(association) = association.filter(|it| it["connectionType"] == "HAS_ONE") {
            association
                .entry("targetNames")
                .or_insert_with(|| json!([]));
        }
    }
}

fn enums(document: &Document) -> Map<String, Value> {
    let described = document.enums.values().map(|declared| {
        let value = json!({ "name": declared.name, "values": declared.values });
        (declared.name.clone(), value)
    });
    described.collect()
}

/// The types that are no models.
fn nested(document: &Document) -> impl Iterator<Item = &TypeNode> {
    document.types.values().filter(|node| {
        !node.is_model() && !matches!(node.name.as_str(), "Query" | "Mutation" | "Subscription")
    })
}

fn nested_types(document: &Document, models: &Models) -> Map<String, Value> {
    let described = nested(document).map(|node| {
        let fields = node.fields.iter();
        let fields = fields.filter(|field| !introspection::is_abstract(field, document));
        let fields = fields.map(Field::declared);
        let fields = describe_fields(&fields.collect::<Vec<_>>(), document, models);
        let value = json!({ "name": node.name, "fields": fields });
        (node.name.clone(), value)
    });
    described.collect()
}

fn describe_model(model: &Model, document: &Document, models: &Models) -> Map<String, Value> {
    let described = [
        ("name", json!(model.name)),
        (
            "fields",
            Value::Object(describe_fields(&model.fields, document, models)),
        ),
        ("syncable", json!(true)),
        (
            "pluralName",
            json!(plural_of(&document.overrides, &model.name)),
        ),
        ("attributes", json!(attributes::described(model))),
    ];
    described
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

fn describe_fields(fields: &[Field], document: &Document, models: &Models) -> Map<String, Value> {
    let described = fields.iter().map(|field| {
        let value = describe_field(field, |ty| describe_type(ty, document, models));
        (field.name.clone(), Value::Object(value))
    });
    described.collect()
}

fn describe_field(field: &Field, ty: impl Fn(&str) -> Value) -> Map<String, Value> {
    let mut value = Map::new();
    value.insert("name".to_owned(), json!(field.name));
    value.insert("isArray".to_owned(), json!(field.nullable_list.is_some()));
    value.insert("type".to_owned(), ty(&field.ty));
    value.insert("isRequired".to_owned(), json!(field.required));
    value.insert("attributes".to_owned(), json!([]));
    if let Some(nullable) = field.nullable_list {
        value.insert("isArrayNullable".to_owned(), json!(nullable));
    }
    if field.read_only {
        value.insert("isReadOnly".to_owned(), json!(true));
    }
    if let Some(association) = &field.association {
        value.insert("association".to_owned(), association.clone());
    }
    value
}

fn describe_type(name: &str, document: &Document, models: &Models) -> Value {
    if document.enums.contains_key(name) {
        json!({ "enum": name })
    } else if models.get(name).is_some() {
        json!({ "model": name })
    } else if document.types.contains_key(name) {
        json!({ "nonModel": name })
    } else {
        json!(name)
    }
}
