//! `[models.NAME]` in the file: what the schema cannot say of a model.

use std::collections::BTreeMap;

use driftless_resolvers::schema::overrides::ModelNames;
use serde::Deserialize;

use super::Config;

/// The section of each model.
pub(super) type Models = BTreeMap<String, Model>;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Model {
    plural: Option<String>,
    sync: Option<String>,
}

/// Lays the sections over the configuration.
pub(super) fn apply(config: &mut Config, models: Models) {
    for (name, Model { plural, sync }) in models {
        config.names.insert(name, ModelNames { plural, sync });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_may_have_other_names_than_the_transformers() {
        let text = "[Data]\nplural = \"Datas\"\n[Todo]\nsync = \"syncAllTodos\"";
        let mut config = Config::production();
        apply(&mut config, toml::from_str(text).expect("sections"));
        let names = config.schema_options().overrides;
        assert_eq!(names["Data"].plural.as_deref(), Some("Datas"));
        assert_eq!(names["Todo"].sync.as_deref(), Some("syncAllTodos"));
        let unknown = toml::from_str::<Models>("[Data]\nplurals = \"x\"");
        let error = unknown.expect_err("there is no such key").to_string();
        assert!(error.contains("plurals"), "{error}");
    }
}
