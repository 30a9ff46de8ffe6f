//! Names a project gives its models beside the schema: clients that were generated with another plural ask for it
//! (`client-native` R30), and the transformer knows no argument for it.

use std::collections::BTreeMap;

use super::diagnostic::{Problems, Span};
use super::draft::Draft;
use super::plural::plural;
use super::source::is_name;
use super::suggestion::did_you_mean;

/// The names of one model that are not the transformer's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelNames {
    /// What several of it are called, as in `listPeople`, `syncPeople`, `peopleByAge` and the client's `pluralName`.
    pub plural: Option<String>,
    /// The sync query, the one operation that `@model` cannot name.
    pub sync: Option<String>,
}

/// The names of all models that have any, by model.
pub type Overrides = BTreeMap<String, ModelNames>;

/// What several of a model are called.
pub(crate) fn plural_of(overrides: &Overrides, model: &str) -> String {
    given(overrides, model).map_or_else(|| plural(model), str::to_owned)
}

/// The plural that is given for a model, if one is.
pub(crate) fn given<'o>(overrides: &'o Overrides, model: &str) -> Option<&'o str> {
    overrides.get(model)?.plural.as_deref()
}

/// Reports names for models there are none of, and names that cannot be any.
pub(crate) fn check(draft: &Draft<'_>, problems: &mut Problems) {
    for (name, names) in &draft.document.overrides {
        let Some(model) = draft.models.get(name) else {
            let models = draft.models.keys().map(String::as_str);
            problems.error(
                "names-unknown-model",
                Span { line: 1, column: 1 },
                format!(
                    "The configuration names things of a model `{name}`, which there is none of."
                ),
                did_you_mean(
                    name,
                    models,
                    "Remove `[models]` entries of models that are gone.",
                ),
            );
            continue;
        };
        for (word, given) in [("plural", &names.plural), ("sync", &names.sync)] {
            if let Some(given) = given
                && (!is_name(given) || given.starts_with("__"))
            {
                problems.error(
                    "operation-name",
                    model.span,
                    format!("The configuration says `{given}` for `{word}` of `{name}`, which cannot be a name."),
                    "Use letters, digits and `_`, not beginning with a digit or `__`.",
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::client_models;
    use crate::schema::{Options, Schema, load_with};

    const DATA: &str = "type Data @model @searchable { id: ID! at: Int @index tags: [Tag] @manyToMany(relationName: \"DataTag\") }
        type Tag @model { id: ID! data: [Data] @manyToMany(relationName: \"DataTag\") }";

    fn named(model: &str, plural: &str, sync: Option<&str>) -> Options {
        let names = ModelNames {
            plural: Some(plural.to_owned()),
            sync: sync.map(str::to_owned),
        };
        Options {
            overrides: Overrides::from([(model.to_owned(), names)]),
            ..Options::default()
        }
    }

    fn loaded(options: &Options) -> Schema {
        load_with(DATA, options).expect("it loads").schema
    }

    #[test]
    fn a_plural_is_in_every_name_that_has_one() {
        let options = named("Data", "datas", None);
        let schema = loaded(&options);
        let data = &schema.models["Data"];
        assert_eq!(data.operations.list.as_deref(), Some("listDatas"));
        assert_eq!(data.operations.sync.as_deref(), Some("syncDatas"));
        assert_eq!(data.operations.search.as_deref(), Some("searchDatas"));
        assert_eq!(data.operations.get.as_deref(), Some("getData"));
        assert_eq!(data.indexes[0].query_field.as_deref(), Some("datasByAt"));
        let models = client_models::client_models_with(DATA, &options.overrides);
        let models = models.expect("it can be read");
        assert_eq!(models["models"]["Data"]["pluralName"], "datas");
        assert_eq!(models["models"]["Tag"]["pluralName"], "Tags");
        let key = &models["models"]["Data"]["attributes"][2]["properties"];
        assert_eq!(key["name"], "datasByAt");
    }

    #[test]
    fn a_join_model_may_have_another_plural_too() {
        let join = &loaded(&named("DataTag", "DataTagses", None)).models["DataTag"];
        assert_eq!(join.operations.list.as_deref(), Some("listDataTagses"));
        let queries = join
            .indexes
            .iter()
            .map(|index| index.query_field.as_deref());
        let expected = ["dataTagsesByDataId", "dataTagsesByTagId"].map(Some);
        assert_eq!(queries.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_sync_query_alone_may_have_another_name() {
        let schema = loaded(&named("Tag", "Tags", Some("syncTheTags")));
        let tag = &schema.models["Tag"].operations;
        assert_eq!(tag.sync.as_deref(), Some("syncTheTags"));
        assert_eq!(tag.list.as_deref(), Some("listTags"));
    }

    #[test]
    fn names_that_cannot_be_are_refused() {
        let codes = |options: &Options| -> Vec<&'static str> {
            let problems = load_with(DATA, options).err().unwrap_or_default();
            let errors = problems
                .iter()
                .filter(|problem| problem.severity == crate::schema::Severity::Error);
            errors.map(|problem| problem.code).collect()
        };
        assert_eq!(codes(&named("Dater", "x", None)), ["names-unknown-model"]);
        assert_eq!(codes(&named("Tag", "a b", None)), ["operation-name"]);
        assert_eq!(
            codes(&named("Tag", "data", None)),
            ["duplicate-operation"; 2]
        );
        let clash = named("Tag", "Tags", Some("syncData"));
        assert_eq!(codes(&clash), ["duplicate-operation"]);
    }
}
