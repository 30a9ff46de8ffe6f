//! The client's description of the models: what `models/schema.js` exports and DataStore starts from.
//!
//! Amplify makes it with a generator of its own, which reads the schema without checking it and has rules of its own
//! (`transformer` section 11); so this reads the declarations too, not the model IR.

mod attributes;
mod draft;
mod relations;
mod version;

use serde_json::{Map, Value, json};

use crate::schema::document::{Document, TypeNode};
use crate::schema::plural::plural;
use draft::{Field, Model, Models};

/// The version of Amplify's generator whose output this is.
const CODEGEN_VERSION: &str = "3.4.4";

/// The models of a schema source as the client wants them; `None` if the source cannot be read (loading it tells why).
/// Sources that do not load give a description of no use.
#[must_use]
pub fn client_models(source: &str) -> Option<Value> {
    let document = crate::schema::parse::document(source, &mut Default::default())?;
    let mut models = Models::of(&document);
    models.join_models();
    models.associate();
    let described = models.values().map(|model| {
        (
            model.name.clone(),
            describe_model(model, &document, &models),
        )
    });
    let described: Map<String, Value> = described.collect();
    Some(json!({
        "models": described,
        "enums": enums(&document),
        "nonModels": nested_types(&document, &models),
        "codegenVersion": CODEGEN_VERSION,
        "version": version::version(&document, &models),
    }))
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
        let fields = node.fields.iter().map(Field::declared);
        let fields = describe_fields(&fields.collect::<Vec<_>>(), document, models);
        let value = json!({ "name": node.name, "fields": fields });
        (node.name.clone(), value)
    });
    described.collect()
}

fn describe_model(model: &Model, document: &Document, models: &Models) -> Value {
    json!({
        "name": model.name,
        "fields": describe_fields(&model.fields, document, models),
        "syncable": true,
        "pluralName": plural(&model.name),
        "attributes": attributes::described(model),
    })
}

fn describe_fields(fields: &[Field], document: &Document, models: &Models) -> Map<String, Value> {
    let described = fields.iter().map(|field| {
        let mut value = Map::new();
        value.insert("name".to_owned(), json!(field.name));
        value.insert("isArray".to_owned(), json!(field.nullable_list.is_some()));
        value.insert(
            "type".to_owned(),
            describe_type(&field.ty, document, models),
        );
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
        (field.name.clone(), Value::Object(value))
    });
    described.collect()
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
