//! The schema's file: where it is looked for, and what it says.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use driftless_resolvers::api::client_models::client_models;
use driftless_resolvers::schema::diff::{self, Change};
use driftless_resolvers::schema::{Diagnostic, Options, Schema, load_with};

use crate::config::SchemaSource;

/// A schema that can be served.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What it means.
    pub schema: Arc<Schema>,
    /// What is probably not meant.
    pub warnings: Vec<Diagnostic>,
    /// What it was read from.
    pub source: Source,
}

/// The text of a schema and its name for people.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The file's path, as it was given.
    pub name: String,
    /// The text.
    pub text: String,
}

/// Why there is no schema.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SchemaError {
    /// The file cannot be read.
    #[error("cannot read the schema {name}: {reason}")]
    Unreadable {
        /// The file.
        name: String,
        /// Why.
        reason: String,
    },
    /// The text is wrong, in these places.
    #[error("the schema {name} cannot be served", name = file.name)]
    Wrong {
        /// Every problem.
        diagnostics: Vec<Diagnostic>,
        /// The text they point into.
        file: Box<Source>,
    },
}

/// Reads and checks a schema for an API that is configured like this.
pub fn load(source: &SchemaSource, options: &Options) -> Result<Loaded, SchemaError> {
    let source = read(source)?;
    match load_with(&source.text, options) {
        Ok(loaded) => Ok(Loaded {
            schema: Arc::new(loaded.schema),
            warnings: loaded.warnings,
            source,
        }),
        Err(diagnostics) => Err(SchemaError::Wrong {
            diagnostics,
            file: Box::new(source),
        }),
    }
}

/// What changes from one schema to another.
#[must_use]
pub fn changes(old: &Schema, new: &Schema) -> Vec<Change> {
    let version = |schema: &Schema| {
        let models = client_models(&schema.source);
        models.map(|models| models["version"].clone())
    };
    diff::diff(old, new, version(old) == version(new))
}

/// Reads a schema: a file, or a folder whose `.graphql` files are one schema together.
pub fn read(source: &SchemaSource) -> Result<Source, SchemaError> {
    let path = match source {
        SchemaSource::Text(text) => {
            return Ok(Source {
                name: "schema".to_owned(),
                text: text.clone(),
            });
        }
        SchemaSource::File(path) => path,
    };
    let name = path.display().to_string();
    let text = text_of(path).map_err(|error| SchemaError::Unreadable {
        name: name.clone(),
        reason: error.to_string(),
    })?;
    Ok(Source { name, text })
}

fn text_of(path: &Path) -> std::io::Result<String> {
    if !path.is_dir() {
        return std::fs::read_to_string(path);
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(path)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "graphql")
        })
        .collect();
    files.sort();
    let texts = files
        .iter()
        .map(std::fs::read_to_string)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(texts.join("\n"))
}

/// Where a project keeps its schema: here, or where the Amplify CLI put it.
#[must_use]
pub fn find(project: &Path) -> Option<PathBuf> {
    let here = project.join("schema.graphql");
    if here.is_file() {
        return Some(here);
    }
    let apis = std::fs::read_dir(project.join("amplify/backend/api")).ok()?;
    let mut found: Vec<PathBuf> = apis
        .filter_map(|entry| Some(entry.ok()?.path()))
        .flat_map(|api| [api.join("schema.graphql"), api.join("schema")])
        .filter(|path| path.exists())
        .collect();
    found.sort();
    found.into_iter().next()
}

/// What a project without a schema starts with.
pub const EXAMPLE: &str = r#"# Every type with @model gets a table, queries, mutations and subscriptions, and syncs to your apps.
# `allow: public` means: whoever holds the API key. Save this file and the running server takes the change.
type Todo @model @auth(rules: [{ allow: public }]) {
  id: ID!
  title: String!
  done: Boolean
  # Another field, a list, a nested type, a relation: just add it.
  tags: [String]
}
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_of_the_amplify_cli_is_recognised() {
        let project = tempfile::tempdir().expect("a folder");
        assert_eq!(find(project.path()), None);
        let api = project.path().join("amplify/backend/api/blog");
        std::fs::create_dir_all(&api).expect("a folder");
        std::fs::write(api.join("schema.graphql"), EXAMPLE).expect("a file");
        assert_eq!(find(project.path()), Some(api.join("schema.graphql")));
        std::fs::write(project.path().join("schema.graphql"), EXAMPLE).expect("a file");
        assert_eq!(
            find(project.path()),
            Some(project.path().join("schema.graphql"))
        );
    }

    #[test]
    fn a_folder_of_files_is_one_schema() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in [
            ("b.graphql", "type B"),
            ("a.graphql", "type A"),
            ("c.txt", "no"),
        ] {
            std::fs::write(folder.path().join(name), text).expect("a file");
        }
        let source = read(&SchemaSource::File(folder.path().to_owned())).expect("a schema");
        assert_eq!(source.text, "type A\ntype B");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read(&SchemaSource::File("nowhere.graphql".into())).expect_err("no file");
        assert!(error.to_string().contains("nowhere.graphql"));
    }
}
