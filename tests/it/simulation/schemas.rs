//! The schemas that are simulated, and how a client sees them.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use driftless::config::SchemaSource;
use driftless_client_test_harness::schema::{Field, Kind, Model, Parent, Schema};
use driftless_resolvers::schema::Schema as Served;
use driftless_resolvers::schema::model::{
    Base, Field as ServedField, Model as ServedModel, Origin, RelationKind, Scalar, Via,
};

/// A schema to serve, and its models as a client's generated code describes them.
#[derive(Clone)]
pub(super) struct Subject {
    pub(super) served: Arc<Served>,
    pub(super) schema: Schema,
    /// Whether each record belongs to somebody.
    pub(super) has_owners: bool,
}

const PLAYERS: &str = include_str!("../../schemas/players.graphql");
const KEYS: &str = include_str!("../../schemas/keys.graphql");
const RELATIONS: &str = include_str!("../../schemas/relations.graphql");
const SCALARS: &str = include_str!("../../schemas/scalars.graphql");
const OWNED: &str = include_str!("../../schemas/owned.graphql");
const SHEETS: &str = include_str!("../../schemas/sheets.graphql");

static SUBJECTS: LazyLock<Vec<Subject>> = LazyLock::new(|| {
    let whitepaper = include_str!("../../../examples/whitepaper/schema.graphql");
    let everything = [PLAYERS, KEYS, RELATIONS, SCALARS].join("\n");
    let texts = [
        whitepaper,
        PLAYERS,
        KEYS,
        RELATIONS,
        SCALARS,
        OWNED,
        &everything,
        SHEETS,
    ];
    texts.into_iter().map(Subject::of).collect()
});

impl Subject {
    /// One of them, in turn; one is several of the others at once.
    pub(super) fn number(number: usize) -> Subject {
        SUBJECTS[number % SUBJECTS.len()].clone()
    }

    fn of(sdl: &str) -> Subject {
        let source = SchemaSource::Text(sdl.to_owned());
        let loaded = driftless::schema::load(&source, &Default::default());
        let served = loaded.expect("the schema loads").schema;
        let schema = describe(&served);
        assert!(!schema.models.is_empty(), "nothing to play with");
        Subject {
            served,
            schema,
            has_owners: sdl == OWNED,
        }
    }
}

/// The models that keep their operations and stamps, with the fields whose values a simulated user can make up.
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
    let is_complete = model.operations.writes().count() == 3
        && model.timestamps.created.as_deref() == Some("createdAt")
        && model.timestamps.updated.as_deref() == Some("updatedAt");
    let references = references(schema, model);
    let mut fields = Vec::new();
    let stored = model.stored_fields().filter(|field| {
        !matches!(field.origin, Origin::Timestamp | Origin::Owner) && field.default.is_none()
    });
    for field in stored {
        let kind = match references.get(field.name.as_str()) {
            Some(target) => Some(Kind::Reference((*target).to_owned())),
            None => kind(schema, field).filter(|_| !is_indexed(model, field)),
        };
        let is_key = model.key.fields().any(|key| key == field.name);
        match (kind, is_key) {
            (_, true) => fields.push(described(field, key_kind(field)?)),
            (Some(kind), false) => fields.push(described(field, kind)),
            (None, false) if !field.ty.required => {}
            (None, false) => return None,
        }
    }
    is_complete.then(|| Model {
        name: model.name.clone(),
        plural: sync.strip_prefix("sync").unwrap_or(sync).to_owned(),
        key: model.key.fields().map(str::to_owned).collect(),
        fields,
        parents: parents(schema, model),
    })
}

/// The foreign keys that stand alone, with the models they lead to.
fn references<'s>(schema: &'s Served, model: &'s ServedModel) -> BTreeMap<&'s str, &'s str> {
    let relations = model
        .fields
        .values()
        .filter_map(|field| field.relation.as_ref());
    let single = relations.filter_map(|relation| match &relation.via {
        Via::Key(fields) if fields.len() == 1 => Some((fields[0].as_str(), &*relation.target)),
        _ => None,
    });
    single
        .filter(|(field, target)| {
            let is_key = model.key.fields().any(|key| key == *field);
            !is_key
                && stands_alone(model, field)
                && schema
                    .models
                    .get(*target)
                    .is_some_and(|target| has_key_of_text(target))
        })
        .collect()
}

/// Whether a key is one text, as references are (`Kind::Reference`).
fn has_key_of_text(model: &ServedModel) -> bool {
    let field = model.fields.get(&model.key.partition);
    model.key.sort.is_empty() && matches!(field.and_then(key_kind), Some(Kind::Text))
}

/// Whether no index needs the field together with another one.
fn stands_alone(model: &ServedModel, field: &str) -> bool {
    let mut keys = model.indexes.iter().map(|index| &index.key);
    keys.all(|key| key.sort.is_empty() || key.fields().all(|name| name != field))
}

/// The parents that a client selects by their key.
fn parents(schema: &Served, model: &ServedModel) -> Vec<Parent> {
    let references = references(schema, model);
    let mut parents = Vec::new();
    for field in model.fields.values() {
        if let Some(relation) = &field.relation
            && relation.kind == RelationKind::BelongsTo
            && let Via::Key(fields) = &relation.via
            && references.contains_key(fields[0].as_str())
        {
            parents.push(Parent {
                field: field.name.clone(),
                foreign_key: fields[0].clone(),
                key: schema.models[&relation.target].key.partition.clone(),
            });
        }
    }
    parents
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

/// What a field of a key can be: a text, a whole number, or a text of a certain form.
fn key_kind(field: &ServedField) -> Option<Kind> {
    let Base::Scalar(scalar) = field.ty.base else {
        return None;
    };
    let kind = scalar_kind(scalar)?;
    matches!(kind, Kind::Text | Kind::Int | Kind::Enum(_)).then_some(kind)
}

fn kind(schema: &Served, field: &ServedField) -> Option<Kind> {
    match (&field.ty.base, field.ty.list.is_some()) {
        (Base::Scalar(scalar), false) => scalar_kind(*scalar),
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

/// Texts of a certain form are chosen among a few.
fn scalar_kind(scalar: Scalar) -> Option<Kind> {
    let texts: &[&str] = match scalar {
        Scalar::Id | Scalar::String => return Some(Kind::Text),
        Scalar::Int | Scalar::Float => return Some(Kind::Int),
        Scalar::Boolean => return Some(Kind::Boolean),
        Scalar::AwsTimestamp => return Some(Kind::Timestamp),
        Scalar::AwsJson => return Some(Kind::Json),
        Scalar::AwsDate => &["2024-02-29", "1999-12-31Z", "2000-01-01+02:00"],
        Scalar::AwsTime => &["12:30:00.000Z", "01:02:03", "23:59:59.999999999Z"],
        Scalar::AwsDateTime => &["2024-02-29T12:30:00.000Z", "1970-01-01T00:00:00Z"],
        Scalar::AwsEmail => &["a@example.org", "b.c+d@example.org"],
        Scalar::AwsUrl => &["https://example.org", "https://example.org/a?b=c#d"],
        Scalar::AwsPhone => &["+1 206-555-0100", "+44 20 7946 0000"],
        Scalar::AwsIpAddress => &["10.0.0.1", "2001:db8::1"],
    };
    Some(Kind::Enum(
        texts.iter().map(|text| (*text).to_owned()).collect(),
    ))
}
