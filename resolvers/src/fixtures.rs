//! Models and records the unit tests of this crate share.

mod world;

use indexmap::IndexMap;
use serde_json::Value;

use crate::schema::Span;
use crate::schema::model::{
    Allow, AuthRule, Base, ElementsRequired, EnumType, Field, FieldType, Index, KeyFields, Model,
    ModelOperation, ObjectType, Operations, Origin, Relation, RelationKind, Scalar, Schema,
    Timestamps, Via,
};
use crate::{Fields, Record, Timestamp, Version};

pub(crate) use world::{START, World, caller, column, device, paged, written};

/// A live record of version 1.
pub(crate) fn record(fields: Value) -> Record {
    Record {
        fields: object(fields),
        version: Version::FIRST,
        last_changed_at: Timestamp(1_700_000_000_000),
        deleted: false,
    }
}

/// A tombstone of version 2.
pub(crate) fn tombstone(fields: Value) -> Record {
    Record {
        version: Version(2),
        deleted: true,
        ..record(fields)
    }
}

/// The members of a JSON object.
pub(crate) fn object(value: Value) -> Fields {
    match value {
        Value::Object(members) => members,
        other => panic!("not an object: {other}"),
    }
}

/// `Post`, `Comment`, `Stock` and `Visit`: a generated key, a relation, a composite key, composite and single sort keys.
pub(crate) fn schema() -> Schema {
    let mut schema = Schema::default();
    for model in [post(), comment(), stock(), visit()] {
        schema.models.insert(model.name.clone(), model.into());
    }
    schema.types.insert(
        "Place".to_owned(),
        ObjectType {
            name: "Place".to_owned(),
            fields: fields([
                plain("city", Scalar::String, true),
                list("lines", Scalar::String),
            ]),
            interfaces: Vec::new(),
            gates: Vec::new(),
            description: None,
        },
    );
    schema.enums.insert(
        "Status".to_owned(),
        EnumType {
            name: "Status".to_owned(),
            values: vec!["DRAFT".to_owned(), "ACTIVE".to_owned()],
            deprecated: IndexMap::new(),
            description: None,
        },
    );
    schema
}

/// A model with one field of every kind.
pub(crate) fn post() -> Model {
    let mut score = plain("score", Scalar::Float, false);
    score.default = Some(serde_json::json!(0.5));
    let mut status = plain("status", Scalar::String, false);
    status.ty.base = Base::Enum("Status".to_owned());
    let mut place = plain("place", Scalar::String, false);
    place.ty.base = Base::Object("Place".to_owned());
    let mut comments = relation(
        "comments",
        RelationKind::HasMany,
        "Comment",
        Via::Index("byPost".to_owned(), vec!["id".to_owned()]),
    );
    comments.ty.list = Some(ElementsRequired(false));
    model(
        "Post",
        [
            plain("id", Scalar::Id, true),
            plain("title", Scalar::String, false),
            plain("rating", Scalar::Int, false),
            score,
            plain("open", Scalar::Boolean, false),
            status,
            list("tags", Scalar::String),
            place,
            plain("meta", Scalar::AwsJson, false),
            plain("blogID", Scalar::Id, false),
            comments,
            timestamp("createdAt"),
            timestamp("updatedAt"),
        ],
        key("id", &[]),
    )
}

/// The many side of a relation, with an index that orders it.
pub(crate) fn comment() -> Model {
    let mut comment = model(
        "Comment",
        [
            plain("id", Scalar::Id, true),
            plain("postID", Scalar::Id, false),
            plain("content", Scalar::String, true),
            relation(
                "post",
                RelationKind::BelongsTo,
                "Post",
                Via::Key(vec!["postID".to_owned()]),
            ),
            timestamp("createdAt"),
            timestamp("updatedAt"),
        ],
        key("id", &[]),
    );
    comment
        .indexes
        .push(index("byPost", "postID", &["content"], "commentsByPost"));
    comment
}

/// A custom key with one sort field.
pub(crate) fn stock() -> Model {
    let mut stock = model(
        "Stock",
        [
            plain("sku", Scalar::Id, true),
            plain("warehouse", Scalar::String, true),
            plain("count", Scalar::Int, true),
            timestamp("createdAt"),
            timestamp("updatedAt"),
        ],
        key("sku", &["warehouse"]),
    );
    stock.custom_key = true;
    stock
}

/// An index with a composite sort key, one part of it a number.
pub(crate) fn visit() -> Model {
    let mut visit = model(
        "Visit",
        [
            plain("id", Scalar::Id, true),
            plain("site", Scalar::String, true),
            plain("day", Scalar::String, false),
            plain("n", Scalar::Int, false),
            timestamp("createdAt"),
            timestamp("updatedAt"),
        ],
        key("id", &[]),
    );
    visit
        .indexes
        .push(index("bySite", "site", &["day", "n"], "visitsBySite"));
    visit
}

fn model<const N: usize>(name: &str, members: [Field; N], key: KeyFields) -> Model {
    Model {
        fields: fields(members),
        key,
        auth: vec![public()],
        operations: operations(name),
        timestamps: Timestamps {
            created: Some("createdAt".to_owned()),
            updated: Some("updatedAt".to_owned()),
            unfit: Vec::new(),
        },
        ..Model::new(name, Span::default())
    }
}

fn public() -> AuthRule {
    use ModelOperation::{Create, Delete, Get, List, Listen, Search, Sync, Update};
    AuthRule {
        allow: Allow::Public,
        provider: crate::identity::AuthMode::ApiKey,
        operations: vec![Create, Update, Delete, Get, List, Sync, Listen, Search],
        span: Span::default(),
    }
}

fn operations(name: &str) -> Operations {
    Operations {
        get: Some(format!("get{name}")),
        list: Some(format!("list{name}s")),
        sync: Some(format!("sync{name}s")),
        create: Some(format!("create{name}")),
        update: Some(format!("update{name}")),
        delete: Some(format!("delete{name}")),
        search: None,
        on_create: vec![format!("onCreate{name}")],
        on_update: vec![format!("onUpdate{name}")],
        on_delete: vec![format!("onDelete{name}")],
        open_subscriptions: false,
    }
}

fn key(partition: &str, sort: &[&str]) -> KeyFields {
    KeyFields {
        partition: partition.to_owned(),
        sort: sort.iter().map(|&name| name.to_owned()).collect(),
    }
}

fn index(name: &str, partition: &str, sort: &[&str], query_field: &str) -> Index {
    Index {
        name: name.to_owned(),
        key: key(partition, sort),
        query_field: Some(query_field.to_owned()),
        default_limit: 100,
        declared: true,
    }
}

fn fields<const N: usize>(members: [Field; N]) -> IndexMap<String, Field> {
    members
        .into_iter()
        .map(|field| (field.name.clone(), field))
        .collect()
}

fn plain(name: &str, scalar: Scalar, required: bool) -> Field {
    let ty = FieldType::single(Base::Scalar(scalar), required);
    Field::new(name, ty, Origin::Declared, Span::default())
}

fn list(name: &str, scalar: Scalar) -> Field {
    let mut field = plain(name, scalar, false);
    field.ty.list = Some(ElementsRequired(false));
    field
}

fn timestamp(name: &str) -> Field {
    let mut field = plain(name, Scalar::AwsDateTime, true);
    field.origin = Origin::Timestamp;
    field
}

fn relation(name: &str, kind: RelationKind, target: &str, via: Via) -> Field {
    let mut field = plain(name, Scalar::Id, false);
    field.ty.base = Base::Model(target.to_owned());
    field.relation = Some(Relation {
        kind,
        target: target.to_owned(),
        via,
        default_limit: 100,
    });
    field
}
