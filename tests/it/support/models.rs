//! Models built by hand, for tests below the schema loader.

use driftless_resolvers::identity::AuthMode;
use driftless_resolvers::schema::Schema;
use driftless_resolvers::schema::model::{
    Allow, AuthRule, Base, Field, FieldType, Index, KeyFields, Model, ModelOperation, Origin,
    Scalar,
};

/// A model with these fields (all nullable) and this key.
pub(crate) fn model(
    name: &str,
    fields: &[(&str, Scalar)],
    key: &[&str],
    indexes: &[(&str, &[&str])],
) -> Model {
    Model {
        fields: fields
            .iter()
            .map(|(name, scalar)| ((*name).to_owned(), field(name, *scalar)))
            .collect(),
        key: key_fields(key),
        custom_key: key != ["id"],
        indexes: indexes
            .iter()
            .map(|(name, fields)| Index {
                name: (*name).to_owned(),
                key: key_fields(fields),
                query_field: None,
                default_limit: 100,
                declared: true,
            })
            .collect(),
        ..Model::new(name, Default::default())
    }
}

/// The same model, whose records belong to whom these fields name.
pub(crate) fn owned(model: Model, fields: &[&str]) -> Model {
    let rule = |field: &&str| AuthRule {
        allow: Allow::Owner {
            field: (*field).to_owned(),
            claim: "sub::username".to_owned(),
        },
        provider: AuthMode::UserPool,
        operations: vec![ModelOperation::Sync],
        span: Default::default(),
    };
    Model {
        auth: fields.iter().map(rule).collect(),
        ..model
    }
}

/// A schema of these models.
pub(crate) fn schema(models: &[&Model]) -> Schema {
    let mut schema = Schema::default();
    for model in models {
        schema
            .models
            .insert(model.name.clone(), (*model).clone().into());
    }
    schema
}

fn field(name: &str, scalar: Scalar) -> Field {
    let ty = FieldType::single(Base::Scalar(scalar), false);
    Field::new(name, ty, Origin::Declared, Default::default())
}

fn key_fields(fields: &[&str]) -> KeyFields {
    let mut fields = fields.iter().map(|field| (*field).to_owned());
    KeyFields {
        partition: fields.next().expect("a key has a field"),
        sort: fields.collect(),
    }
}
