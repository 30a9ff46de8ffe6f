//! The schemas that are simulated, and how a client sees them.

use driftless_client_test_harness::schema::{Field, Kind, Model, Schema};
use driftless_resolvers::schema::Schema as Served;
use driftless_resolvers::schema::model::{
    Base, Field as ServedField, Model as ServedModel, Origin, Scalar,
};

/// A schema to serve, and its models as a client's generated code describes them.
pub(super) struct Subject {
    pub(super) sdl: &'static str,
    pub(super) schema: Schema,
}

const SCHEMAS: [&str; 4] = [
    include_str!("../../../examples/whitepaper/schema.graphql"),
    include_str!("../../schemas/players.graphql"),
    include_str!("../../schemas/keys.graphql"),
    include_str!("../../schemas/relations.graphql"),
];

impl Subject {
    /// One of them, in turn.
    pub(super) fn number(number: usize) -> Subject {
        let sdl = SCHEMAS[number % SCHEMAS.len()];
        let source = driftless::config::SchemaSource::Text(sdl.to_owned());
        let loaded = driftless::schema::load(&source, &Default::default());
        let schema = describe(&loaded.expect("the schema loads").schema);
        assert!(!schema.models.is_empty(), "nothing to play with");
        Subject { sdl, schema }
    }
}

/// The models whose keys are texts, with the fields whose values a simulated user can make up.
fn describe(schema: &Served) -> Schema {
    let models = schema.models.values();
    let described = models.filter_map(|model| describe_model(schema, model));
    Schema {
        models: described
            .filter(|model| model.editable().count() > 0)
            .collect(),
    }
}

fn describe_model(schema: &Served, model: &ServedModel) -> Option<Model> {
    let sync = model.operations.sync.as_deref()?;
    let mut fields = Vec::new();
    for field in model
        .stored_fields()
        .filter(|field| field.origin != Origin::Timestamp)
    {
        let kind = kind(schema, field).filter(|_| !is_indexed(model, field));
        let is_key = model.key.fields().any(|key| key == field.name);
        match (kind, is_key) {
            (_, true) if is_text(field) => fields.push(described(field, Kind::Text)),
            (Some(kind), false) => fields.push(described(field, kind)),
            (None, false) if !field.ty.required => {}
            (_, true) | (None, false) => return None,
        }
    }
    Some(Model {
        name: model.name.clone(),
        plural: sync.strip_prefix("sync")?.to_owned(),
        key: model.key.fields().map(str::to_owned).collect(),
        fields,
        parents: Vec::new(),
    })
}

/// Indexes have rules of their own about nulls and about fields that go together.
fn is_indexed(model: &ServedModel, field: &ServedField) -> bool {
    let mut keys = model.indexes.iter().map(|index| &index.key);
    keys.any(|key| key.fields().any(|name| name == field.name))
}

fn described(field: &ServedField, kind: Kind) -> Field {
    Field {
        name: field.name.clone(),
        kind,
        required: field.ty.required,
    }
}

fn is_text(field: &ServedField) -> bool {
    let scalars = [Scalar::Id, Scalar::String];
    field.ty.list.is_none()
        && matches!(field.ty.base, Base::Scalar(scalar) if scalars.contains(&scalar))
}

fn kind(schema: &Served, field: &ServedField) -> Option<Kind> {
    match (&field.ty.base, field.ty.list.is_some()) {
        (Base::Scalar(Scalar::Id | Scalar::String), false) => Some(Kind::Text),
        (Base::Scalar(Scalar::Int), false) => Some(Kind::Int),
        (Base::Scalar(Scalar::Id | Scalar::String), true) => Some(Kind::List),
        (Base::Enum(name), false) => Some(Kind::Enum(schema.enums.get(name)?.values.clone())),
        (Base::Object(name), false) => {
            let mut fields = Vec::new();
            for field in schema.types.get(name)?.fields.values() {
                match kind(schema, field) {
                    Some(kind) => fields.push(described(field, kind)),
                    None if field.ty.required => return None,
                    None => {}
                }
            }
            Some(Kind::Object(fields))
        }
        _ => None,
    }
}
