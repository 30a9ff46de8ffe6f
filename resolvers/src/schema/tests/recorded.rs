//! What the original transformer makes of schemas, and what the original library makes of words.
//!
//! The recordings are not part of the checkout. Where they lie beside it (`../shared/fixtures`) all of them are compared;
//! where they do not, the tests say so, and the golden schemas of this module stand for them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::schema::diagnostic::render;
use crate::schema::model::{
    Base, Field, KeyFields, Model, Relation, RelationKind, Scalar, Schema, Via,
};
use crate::schema::plural::plural;
use crate::schema::{Severity, load};

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

/// What keeps a recorded schema from being served, for now.
const NOT_SERVED: [&str; 10] = [
    "directive-misplaced",
    "field-arguments",
    "first-generation",
    "model-in-type",
    "nested-list",
    "unsupported-directive",
    "unsupported-interface",
    "unsupported-operations",
    "unsupported-union",
    "relation-mutual",
];

#[test]
fn every_recorded_schema_has_the_recorded_keys_or_is_refused_for_what_is_not_served() {
    let Some(folder) = recordings("schemas") else {
        return;
    };
    let (mut served, mut refused, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    for name in folders(&folder) {
        let source = read(&folder.join(&name).join("schema.graphql"));
        match load(&source) {
            Ok(loaded) => {
                let expected = read_json(&folder.join(&name).join("expected.keys.json"));
                pretty_assertions::assert_eq!(keys(&loaded.schema), sorted(&expected), "{name}");
                compare_models(&loaded.schema, &folder.join(&name), &name);
                served.push(name);
            }
            Err(problems) => {
                let not_served = problems
                    .iter()
                    .filter(|problem| problem.severity == Severity::Error)
                    .all(|problem| NOT_SERVED.contains(&problem.code));
                if !not_served {
                    wrong.push(render(&problems, &name, &source));
                }
                refused.push(name);
            }
        }
    }
    println!(
        "{} recorded schemas served: {}",
        served.len(),
        served.join(" ")
    );
    println!("{} refused for now: {}", refused.len(), refused.join(" "));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(served.len() >= 40, "only {} are served", served.len());
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
fn compare_models(schema: &Schema, folder: &Path, name: &str) {
    let recorded = read_json(&folder.join("models.schema.json"));
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
    }
}

/// Schemas the original refuses and we serve, on purpose.
const SERVED_ANYWAY: [&str; 0] = [];

/// Schemas the original accepts and we refuse although we serve all they use: each would go wrong later.
const REFUSED_ANYWAY: [&str; 4] = [
    // 1.5 is no Int.
    "default_int_float",
    // Names that begin so are GraphQL's own.
    "field_double_underscore",
    // A declared type would silently take the place of a generated one.
    "connection_name_collision",
    "input_name_collision",
];

#[test]
fn what_the_original_refuses_is_refused() {
    let Some(folder) = recordings("schemas-invalid") else {
        return;
    };
    let cases = read_json(&folder.join("cases.json"));
    let (mut counts, mut wrong) = ((0, 0), Vec::new());
    for case in cases["cases"].as_array().expect("cases") {
        let name = case["name"].as_str().expect("a name");
        let source = case["schema"].as_str().expect("a schema");
        let accepted = case["sync"]["accepted"] == true;
        let unconfigured = name.ends_with("_configured");
        match load(source) {
            Ok(_) => {
                let meant = accepted || unconfigured || SERVED_ANYWAY.contains(&name);
                if !meant {
                    wrong.push(format!("{name} is served: {source}"));
                }
                counts.0 += 1;
            }
            Err(problems) => {
                let not_served = problems
                    .iter()
                    .any(|problem| NOT_SERVED.contains(&problem.code));
                let meant = !accepted || not_served || REFUSED_ANYWAY.contains(&name);
                if !meant {
                    wrong.push(render(&problems, name, source));
                }
                counts.1 += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{} edge schemas served, {} refused", counts.0, counts.1);
}
