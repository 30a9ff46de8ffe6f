//! A recorded document, the schema it is for, and what its answer looks like.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// One recorded document.
pub(super) struct Case {
    /// `client/name`.
    pub(super) name: String,
    /// Its models are open where it has no rules for them.
    pub(super) schema: String,
    /// `create`, `update`, `delete`, `get`, `list`, `sync` or `subscription`.
    pub(super) operation: String,
    pub(super) document: String,
    pub(super) variables: Map<String, Value>,
    /// The data of the answer, with types in place of values.
    pub(super) shape: Value,
    /// Plurals in the document that no generator makes.
    pub(super) plurals: Vec<String>,
}

/// The recorded documents; none if they are not there.
#[expect(
    clippy::print_stdout,
    reason = "whoever runs the tests is told what was not run"
)]
pub(super) fn recorded() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures/native-clients");
    let Ok(clients) = folder.read_dir() else {
        println!("NOT RUN: there is no {}", folder.display());
        return Vec::new();
    };
    let clients = clients.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = clients
        .filter_map(|client| client.read_dir().ok())
        .flatten()
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    let cases = files.iter().filter_map(|file| {
        let text = std::fs::read_to_string(file).expect("a file");
        read(file, &serde_json::from_str(&text).expect("JSON"))
    });
    cases.collect()
}

fn read(file: &Path, recorded: &Value) -> Option<Case> {
    let client = file.parent()?.file_name()?.to_str()?;
    let name = file.file_stem()?.to_str()?;
    let variables = recorded["variables"].as_object();
    let plurals = recorded["plural_overrides"].as_object();
    Some(Case {
        schema: opened(recorded["model_schema_sdl"].as_str()?),
        name: format!("{client}/{name}"),
        operation: recorded["operation"].as_str()?.to_owned(),
        document: recorded["document"].as_str()?.to_owned(),
        variables: variables.cloned().unwrap_or_default(),
        shape: recorded["expected_response_shape"]["data"].clone(),
        plurals: plurals
            .into_iter()
            .flat_map(Map::values)
            .filter_map(|plural| plural.as_str().map(str::to_owned))
            .collect(),
    })
}

/// The schema with its models open, where it has no rules for them.
fn opened(schema: &str) -> String {
    let lines = schema.lines().map(|line| {
        if line.contains("@model") && !line.contains("@auth") {
            line.replacen(
                "@model",
                "@model @auth(rules: [{ allow: public }, { allow: private }])",
                1,
            )
        } else {
            line.to_owned()
        }
    });
    let schema = lines.collect::<Vec<_>>().join("\n");
    // One reconstruction lacks the other side of its relation; the transformer refuses it too.
    schema.replace(
        "owner: BlogOwnerWithCustomPK! @belongsTo(",
        "owner: BlogOwnerWithCustomPK! @hasOne(",
    )
}

impl Case {
    /// The root field.
    pub(super) fn field(&self) -> &str {
        let (_, selection) = self.document.split_once('{').expect("a selection");
        let selection = selection.trim_start();
        let end = selection
            .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
            .expect("a field");
        &selection[..end]
    }

    /// How its client calls itself over HTTP and on sockets.
    pub(super) fn agent(&self) -> &'static str {
        match self.name.split_once('/') {
            Some(("android", _)) => "amplify-android/2.40.0 (Android 14; Pixel; en_US)",
            Some(("swift", _)) => "amplify-swift/2.60.1",
            Some(("flutter", _)) => "amplify-flutter/2.0.0",
            _ => "Apollo",
        }
    }

    /// The name of whoever asks: an owner's, if the document names one.
    pub(super) fn user(&self) -> &str {
        let mut texts = self.variables.values().filter_map(Value::as_str);
        match self.operation.as_str() {
            "subscription" => texts.next().unwrap_or("user1"),
            _ => "user1",
        }
    }

    /// The groups of whoever asks: those of the rules, where nobody is named.
    pub(super) fn groups(&self) -> Vec<String> {
        let named = self.operation == "subscription" && !self.variables.is_empty();
        let listed = self.schema.split("groups: [").skip(1);
        let listed = listed.filter_map(|rest| rest.split(']').next());
        let groups = listed.flat_map(|list| list.split(','));
        let groups = groups.map(|group| group.trim().trim_matches('"').to_owned());
        if named { Vec::new() } else { groups.collect() }
    }
}
