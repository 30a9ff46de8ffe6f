//! The generated API and client models are those of the real Amplify transformer.
//!
//! `goldens` holds schemas with what the published tools make of them. Where the large collection of such goldens lies
//! beside the checkout, every schema of it that is served is compared too.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "everything here is part of a test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use driftless_resolvers::api::client_models::{client_models, model_introspection};
use driftless_resolvers::api::generate::generate;
use driftless_resolvers::api::introspection::Introspection;
use driftless_resolvers::api::sdl::{sdl, sdl_with_directives};
use driftless_resolvers::identity::AuthMode;
use driftless_resolvers::schema::model::Operations;
use driftless_resolvers::schema::overrides::Overrides;
use driftless_resolvers::schema::{Options, Schema, load_with};
use serde_json::{Map, Value};

fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens")
}

/// The collection beside the checkout, if it is there.
fn collection() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures/schemas");
    if path.is_dir() {
        return Some(path);
    }
    println!("NOT COMPARED: there is no {}", path.display());
    None
}

/// A schema of a folder of goldens.
struct Golden {
    name: String,
    path: PathBuf,
    source: String,
    schema: Schema,
}

impl Golden {
    fn read(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.path.join(file)).ok()
    }
}

/// The schemas of a folder that are served; the others are named with the reason.
fn served(folder: &Path) -> Vec<Golden> {
    loaded(folder, false)
}

fn loaded(folder: &Path, unsynced: bool) -> Vec<Golden> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("schema.graphql").is_file())
        .collect();
    paths.sort();
    let mut served = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let source = fs::read_to_string(path.join("schema.graphql")).unwrap();
        let options = Options {
            unsynced,
            ..options(&path)
        };
        match load_with(&source, &options) {
            Ok(loaded) => served.push(Golden {
                name,
                path,
                source,
                schema: loaded.schema,
            }),
            Err(problems) => {
                let mut codes: Vec<&str> = problems.iter().map(|problem| problem.code).collect();
                codes.sort_unstable();
                codes.dedup();
                println!("not served: {name} ({})", codes.join(", "));
            }
        }
    }
    println!("{} schemas are served", served.len());
    served
}

/// How a golden's API is configured: its `meta.json`, as the collection has it.
fn options(path: &Path) -> Options {
    let Ok(text) = fs::read_to_string(path.join("meta.json")) else {
        return Options::default();
    };
    let meta: Value = serde_json::from_str(&text).unwrap();
    let modes = meta["auth"].as_array().unwrap().iter();
    let modes = modes.map(|mode| match mode.as_str().unwrap() {
        "API_KEY" => AuthMode::ApiKey,
        "AMAZON_COGNITO_USER_POOLS" => AuthMode::UserPool,
        "OPENID_CONNECT" => AuthMode::Oidc,
        "AWS_IAM" => AuthMode::Iam,
        "AWS_LAMBDA" => AuthMode::Lambda,
        other => panic!("{other} is no mode"),
    });
    Options {
        modes: modes.collect(),
        sandbox: meta["sandbox"] == true,
        ..Options::default()
    }
}

/// A document's definitions: head line to body lines.
fn definitions(document: &str) -> BTreeMap<&str, Vec<&str>> {
    document
        .split("\n\n")
        .filter_map(|block| {
            let mut lines = block.trim_end().lines();
            Some((lines.next()?, lines.collect()))
        })
        .collect()
}

/// What differs, one line per type and field.
fn differences(name: &str, expected: &str, generated: &str) -> String {
    let (expected, generated) = (definitions(expected), definitions(generated));
    let mut table = String::new();
    let heads = expected.keys().chain(generated.keys());
    let heads: BTreeSet<&&str> = heads.collect();
    for head in heads {
        match (expected.get(*head), generated.get(*head)) {
            (Some(theirs), Some(ours)) => {
                for line in theirs.iter().filter(|line| !ours.contains(line)) {
                    writeln!(table, "{name}: {head} lacks    {}", line.trim()).unwrap();
                }
                for line in ours.iter().filter(|line| !theirs.contains(line)) {
                    writeln!(table, "{name}: {head} has only {}", line.trim()).unwrap();
                }
            }
            (Some(_), None) => writeln!(table, "{name}: missing: {head}").unwrap(),
            (None, _) => writeln!(table, "{name}: surplus: {head}").unwrap(),
        }
    }
    table
}

/// Which SDL of a schema is compared.
#[derive(Clone, Copy)]
enum Sdl {
    /// As clients see it, with sync.
    Plain,
    /// With the directives.
    Directives,
    /// As clients see it, without sync.
    Unsynced,
}

impl Sdl {
    fn file(self) -> &'static str {
        match self {
            Sdl::Plain => "expected.graphql",
            Sdl::Directives => "expected.aws.graphql",
            Sdl::Unsynced => "expected.nosync.graphql",
        }
    }

    fn generated(self, schema: &Schema) -> String {
        let types = generate(schema);
        match self {
            Sdl::Plain | Sdl::Unsynced => sdl(&types),
            Sdl::Directives => sdl_with_directives(&types),
        }
    }
}

#[track_caller]
fn assert_same_api(goldens: &[Golden], kind: Sdl) {
    let mut table = String::new();
    for golden in goldens {
        let Some(expected) = golden.read(kind.file()) else {
            writeln!(
                table,
                "{}: the original refuses it, it should not be served",
                golden.name
            )
            .unwrap();
            continue;
        };
        let generated = kind.generated(&golden.schema);
        let differences = differences(&golden.name, &expected, &generated);
        if differences.is_empty() && expected.trim_end() != generated.trim_end() {
            writeln!(
                table,
                "{}: same content, other order or layout",
                golden.name
            )
            .unwrap();
        }
        table.push_str(&differences);
    }
    assert!(table.is_empty(), "the API differs:\n{table}");
}

/// Paths and values that differ between two JSON values.
fn json_differences(path: &str, expected: &Value, generated: &Value, table: &mut String) {
    match (expected, generated) {
        (Value::Object(theirs), Value::Object(ours)) => {
            for (key, value) in theirs {
                let inner = format!("{path}.{key}");
                json_differences(&inner, value, ours.get(key).unwrap_or(&Value::Null), table);
            }
            for key in ours.keys().filter(|key| !theirs.contains_key(*key)) {
                writeln!(table, "{path}: surplus {key}").unwrap();
            }
            let order = |map: &Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
            if path.ends_with(".fields") && order(theirs) != order(ours) {
                writeln!(
                    table,
                    "{path}: order {:?} became {:?}",
                    order(theirs),
                    order(ours)
                )
                .unwrap();
            }
        }
        (Value::Array(theirs), Value::Array(ours)) if theirs.len() == ours.len() => {
            for (position, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
                json_differences(&format!("{path}[{position}]"), theirs, ours, table);
            }
        }
        _ if expected == generated => {}
        _ => writeln!(table, "{path}: {expected} became {generated}").unwrap(),
    }
}

#[track_caller]
fn assert_same_client_models(goldens: &[Golden], file: &str) {
    let mut table = String::new();
    for golden in goldens {
        let Some(expected) = golden.read(file) else {
            continue;
        };
        let mut expected: Value = serde_json::from_str(&expected).unwrap();
        let mut generated = client_models(&golden.source).unwrap();
        for models in [&mut expected, &mut generated] {
            let models = models.as_object_mut().unwrap();
            assert!(models.shift_remove("codegenVersion").is_some());
        }
        json_differences(&golden.name, &expected, &generated, &mut table);
    }
    assert!(table.is_empty(), "the client models differ:\n{table}");
}

#[track_caller]
fn assert_same_introspection(goldens: &[Golden], file: &str) {
    let mut table = String::new();
    for golden in goldens {
        let Some(expected) = golden.read(file) else {
            continue;
        };
        let expected: Value = serde_json::from_str(&expected).unwrap();
        let generated = model_introspection(&golden.source, &Overrides::new()).unwrap();
        json_differences(&golden.name, &expected, &generated, &mut table);
    }
    assert!(
        table.is_empty(),
        "the introspection of models differs:\n{table}"
    );
}

#[track_caller]
fn assert_introspectable(goldens: &[Golden]) {
    for golden in goldens {
        let types = generate(&golden.schema);
        let answer = Introspection::default()
            .answer(&types, "{ __schema { types { name } } }", None, &Map::new())
            .unwrap_or_else(|message| panic!("{}: {message}", golden.name));
        let shown = answer["__schema"]["types"].as_array().unwrap();
        // A model without operations is in the API only if another type leads to it.
        let served = golden.schema.models.values();
        for model in served.filter(|model| model.operations != Operations::default()) {
            assert!(
                shown.iter().any(|ty| ty["name"] == model.name),
                "{}: {}",
                golden.name,
                model.name
            );
        }
    }
}

#[test]
fn the_api_is_the_transformers() {
    let goldens = all_of(&goldens(), false);
    assert_same_api(&goldens, Sdl::Plain);
    assert_introspectable(&goldens);
}

#[test]
fn the_directives_are_the_transformers() {
    assert_same_api(&all_of(&goldens(), false), Sdl::Directives);
}

#[test]
fn the_api_without_sync_is_the_transformers() {
    assert_same_api(&all_of(&goldens(), true), Sdl::Unsynced);
}

#[test]
fn the_client_models_are_the_generators() {
    assert_same_client_models(&served(&goldens()), "models.json");
}

#[test]
fn the_introspection_of_models_is_the_generators() {
    assert_same_introspection(&served(&goldens()), "introspection.json");
}

/// What a version covers decides when apps clear their stores: the text of a schema does not.
#[test]
fn the_version_of_client_models_changes_with_fields_and_types_only() {
    let version = |source: &str| client_models(source).unwrap()["version"].clone();
    let model = "type A @model { id: ID! name: String e: E n: N } enum E { X } type N { a: Int }";
    let same = [
        "# a word\ntype A @model { id: ID!, name: String, e: E, n: N } enum E { X } type N { a: Int }",
        "type A @model @auth(rules: [{allow: public}]) { id: ID! name: String e: E n: N } enum E { X Y } type N { a: Int }",
        "type A @model { n: N id: ID! name: String @index(name: \"i\") e: E } enum E { X } type N { a: Int }",
    ];
    for source in same {
        assert_eq!(version(model), version(source), "{source}");
    }
    let different = [
        model.replace("name: String", "name: String!"),
        model.replace("name: String", "name: ID"),
        model.replace("name: String", "name: String m: Int"),
        model.replace("a: Int", "a: Int b: Int"),
        format!("{model} type B @model {{ id: ID! }}"),
    ];
    for source in different {
        assert_ne!(version(model), version(&source), "{source}");
    }
}

/// Every schema of the collection, but for those the original refuses.
fn all_of(folder: &Path, unsynced: bool) -> Vec<Golden> {
    let goldens = loaded(folder, unsynced);
    let count = fs::read_dir(folder).unwrap().filter(|entry| {
        let path = entry.as_ref().unwrap().path();
        let file = if unsynced {
            "expected.nosync.graphql"
        } else {
            "expected.graphql"
        };
        path.join(file).is_file()
    });
    assert_eq!(goldens.len(), count.count(), "not every schema is served");
    goldens
}

#[test]
fn the_api_of_every_schema_of_the_collection_is_the_transformers() {
    let Some(folder) = collection() else {
        return;
    };
    let goldens = all_of(&folder, false);
    assert_same_api(&goldens, Sdl::Plain);
    assert_introspectable(&goldens);
}

#[test]
fn the_directives_of_every_schema_of_the_collection_are_the_transformers() {
    let Some(folder) = collection() else {
        return;
    };
    assert_same_api(&all_of(&folder, false), Sdl::Directives);
}

#[test]
fn the_api_without_sync_of_every_schema_of_the_collection_is_the_transformers() {
    let Some(folder) = collection() else {
        return;
    };
    assert_same_api(&all_of(&folder, true), Sdl::Unsynced);
}

#[test]
fn the_client_models_of_every_served_schema_of_the_collection_are_the_generators() {
    let Some(folder) = collection() else {
        return;
    };
    assert_same_client_models(&served(&folder), "models.schema.json");
}

#[test]
fn the_introspection_of_models_of_every_served_schema_of_the_collection_is_the_generators() {
    let Some(folder) = collection() else {
        return;
    };
    assert_same_introspection(&served(&folder), "model_introspection.json");
}
