//! What the original transformer makes of schemas, and what the original library makes of words.
//!
//! The recordings are not part of the checkout. Where they lie beside it (`../shared/fixtures`) all of them are compared;
//! where they do not, the tests say so, and the golden schemas of this module stand for them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::identity::AuthMode;
use crate::schema::diagnostic::render;
use crate::schema::model::{
    Base, Field, KeyFields, Model, Relation, RelationKind, Scalar, Schema, Via,
};
use crate::schema::plural::plural;
use crate::schema::{Options, load_with};

/// The folder of recordings, if there is one.
fn recordings(kind: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/fixtures")
        .join(kind);
    if !folder.exists() {
        println!(
            "NOT COMPARED: there are no recordings in {}",
            folder.display()
        );
        return None;
    }
    Some(folder)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read_json(path: &Path) -> Value {
    serde_json::from_str(&read(path)).expect("recordings are JSON")
}

#[test]
fn every_recorded_plural_is_ours() {
    let Some(folder) = recordings("plurals") else {
        return;
    };
    let words = read_json(&folder.join("plurals.json"));
    let words = words.as_object().expect("words and their plurals");
    for (one, many) in words {
        assert_eq!(
            Some(plural(one).as_str()),
            many.as_str(),
            "the plural of {one}"
        );
    }
    println!("{} plurals compared", words.len());
}

/// How the API of a recording was configured.
fn options(modes: &Value, sandbox: bool) -> Options {
    let modes = modes.as_array().expect("modes").iter();
    let modes = modes.map(|mode| match mode.as_str() {
        Some("API_KEY") => AuthMode::ApiKey,
        Some("AMAZON_COGNITO_USER_POOLS") => AuthMode::UserPool,
        Some("OPENID_CONNECT") => AuthMode::Oidc,
        Some("AWS_IAM") => AuthMode::Iam,
        Some("AWS_LAMBDA") => AuthMode::Lambda,
        other => panic!("{other:?} is no mode"),
    });
    Options {
        modes: modes.collect(),
        sandbox,
        ..Options::default()
    }
}

#[test]
fn every_golden_schema_has_the_keys_of_the_original() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens");
    compare_keys(&folder, None);
}

#[test]
fn every_recorded_schema_has_the_recorded_keys_or_is_refused_as_by_the_original() {
    if let Some(folder) = recordings("schemas") {
        compare_keys(&folder, Some("models.schema.json"));
    }
}

fn compare_keys(folder: &Path, client_models: Option<&str>) {
    let mut served = 0;
    for name in folders(folder) {
        let folder = folder.join(&name);
        let source = read(&folder.join("schema.graphql"));
        let meta = folder.join("meta.json");
        let meta = if meta.exists() {
            read_json(&meta)
        } else {
            json!({ "auth": ["API_KEY"] })
        };
        let options = options(&meta["auth"], meta["sandbox"] == true);
        match load_with(&source, &options) {
            Ok(loaded) => {
                let expected = read_json(&folder.join("expected.keys.json"));
                pretty_assertions::assert_eq!(keys(&loaded.schema), sorted(&expected), "{name}");
                if let Some(file) = client_models {
                    let models = read_json(&folder.join(file));
                    compare_models(&loaded.schema, &models, &name);
                }
                served += 1;
            }
            Err(problems) => assert!(
                meta["error"].is_object(),
                "{}",
                render(&problems, &name, &source)
            ),
        }
    }
    println!("{served} recorded schemas served");
}

fn folders(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The IR as the recordings tell keys, indexes and relations.
fn keys(schema: &Schema) -> Value {
    let tables: BTreeMap<&str, Value> = schema
        .models
        .values()
        .map(|model| (model.name.as_str(), table(model)))
        .collect();
    let relations: BTreeMap<String, Value> = schema
        .models
        .values()
        .flat_map(|model| model.fields.values().map(move |field| (model, field)))
        .filter_map(|(model, field)| {
            let relation = field.relation.as_ref()?;
            let name = format!("{}.{}", model.name, field.name);
            Some((name, described(schema, relation)))
        })
        .collect();
    sorted(&json!({ "tables": tables, "relations": relations }))
}

fn table(model: &Model) -> Value {
    let mut types = BTreeMap::new();
    let mut attributes = |key: &KeyFields| {
        let names = attributes(key);
        for name in &names {
            // The `id` nobody calls a primary key is a string to the store, whatever it was declared.
            let plain_id = !model.custom_key && name == "id";
            let number = !plain_id && model.fields.get(name).is_some_and(is_number);
            types.insert(name.clone(), if number { "N" } else { "S" });
        }
        names
    };
    let key = attributes(&model.key);
    let indexes: BTreeMap<&str, Vec<String>> = model
        .indexes
        .iter()
        .map(|index| (index.name.as_str(), attributes(&index.key)))
        .collect();
    json!({ "key": key, "types": types, "indexes": indexes })
}

fn is_number(field: &Field) -> bool {
    matches!(field.ty.base, Base::Scalar(scalar) if scalar.is_number())
}

/// The stored attributes of a key: several sort fields are one.
fn attributes(key: &KeyFields) -> Vec<String> {
    let mut names = vec![key.partition.clone()];
    if !key.sort.is_empty() {
        names.push(key.sort.join("#"));
    }
    names
}

fn described(schema: &Schema, relation: &Relation) -> Value {
    let target = &schema.models[&relation.target];
    let (key, ours, index) = match &relation.via {
        Via::Key(ours) => (&target.key, ours, None),
        Via::Index(name, ours) => {
            let index = target
                .index(name)
                .expect("relations go by indexes that exist");
            (&index.key, ours, Some(name))
        }
    };
    let many = relation.kind == RelationKind::HasMany;
    let mut told = Map::new();
    told.insert("model".to_owned(), json!(relation.target));
    told.insert("many".to_owned(), json!(many));
    told.insert("where".to_owned(), pairs(key, ours, many));
    if let Some(index) = index {
        told.insert("index".to_owned(), json!(index));
    }
    if many {
        told.insert("limit".to_owned(), json!(relation.default_limit));
    }
    Value::Object(told)
}

/// Their attributes and our fields; a single record whose sort key nobody gives is looked up with an empty one.
fn pairs(key: &KeyFields, ours: &[String], many: bool) -> Value {
    let mut pairs = Map::new();
    pairs.insert(key.partition.clone(), json!(ours[0]));
    let sort = ours[1..].join("#");
    let whole_partition = many && sort.is_empty();
    if !key.sort.is_empty() && !whole_partition {
        pairs.insert(key.sort.join("#"), json!(sort));
    }
    Value::Object(pairs)
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<_, _> = members
                .iter()
                .map(|(key, value)| (key.clone(), sorted(value)))
                .collect();
            json!(members)
        }
        other => other.clone(),
    }
}

/// The client's models have the same fields, in the same order but for foreign keys, which it puts last.
fn compare_models(schema: &Schema, recorded: &Value, name: &str) {
    let recorded = recorded["models"].as_object().expect("models");
    let theirs: Vec<&String> = recorded.keys().collect();
    let ours: Vec<&String> = schema.models.keys().collect();
    assert_eq!(ours, theirs, "models of {name}");
    for (model, told) in recorded {
        let told = told["fields"].as_object().expect("fields");
        let fields = &schema.models[model].fields;
        for (field, told) in told {
            let Some(ours) = fields.get(field) else {
                // The client's generator makes foreign keys of its own where the server makes none.
                continue;
            };
            let list = told["isArray"].as_bool().expect("isArray");
            assert_eq!(
                ours.ty.list.is_some(),
                list,
                "{name}: {model}.{field} is a list"
            );
            assert!(
                same_type(&ours.ty.base, &told["type"]),
                "{name}: {model}.{field}"
            );
        }
    }
}

fn same_type(base: &Base, told: &Value) -> bool {
    match base {
        Base::Scalar(Scalar::Id) => told == "ID",
        Base::Scalar(scalar) => told == scalar.name(),
        Base::Enum(name) => told["enum"] == *name,
        Base::Object(name) => told["nonModel"] == *name,
        Base::Model(_) => told["model"].is_string(),
        Base::Abstract(_) => false,
    }
}

/// Schemas the original refuses and we serve, on purpose.
const SERVED_ANYWAY: [&str; 2] = [
    // The old forms are read as the new ones, with a warning.
    "v1_connection",
    "v1_versioned",
];

/// Schemas the original accepts and we refuse: each would go wrong later.
const REFUSED_ANYWAY: [&str; 6] = [
    // 1.5 is no Int.
    "default_int_float",
    // Names that begin so are GraphQL's own.
    "field_double_underscore",
    // A declared type would silently take the place of a generated one.
    "connection_name_collision",
    "input_name_collision",
    // The original writes an API that refers to inputs it does not make.
    "interface_field",
    "union_field",
];

#[test]
fn what_the_original_refuses_is_refused_and_what_it_accepts_is_served() {
    let Some(folder) = recordings("schemas-invalid") else {
        return;
    };
    let cases = read_json(&folder.join("cases.json"));
    let cases = cases["cases"].as_array().expect("cases");
    let mut wrong = Vec::new();
    for case in cases {
        let name = case["name"].as_str().expect("a name");
        let source = case["schema"].as_str().expect("a schema");
        let options = options(&case["auth"], false);
        for (unsynced, verdict) in [
            (false, &case["sync"]),
            (true, case.get("nosync").unwrap_or(&case["sync"])),
        ] {
            let accepted = verdict["accepted"] == true;
            let options = Options {
                unsynced,
                ..options.clone()
            };
            match load_with(source, &options) {
                Ok(_) if !accepted && !SERVED_ANYWAY.contains(&name) => {
                    wrong.push(format!("{name} is served: {source}"));
                }
                Err(problems) if accepted && !REFUSED_ANYWAY.contains(&name) => {
                    wrong.push(render(&problems, name, source));
                }
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{} edge schemas judged alike", cases.len());
}
