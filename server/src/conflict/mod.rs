//! Who decides conflicts, made from the configuration: our rules, the user's plugins and functions.
//!
//! * [`wasm`] – plugins: WebAssembly components in a sandbox;
//! * [`function`] – functions behind HTTP that speak AppSync's Lambda format;
//! * [`replay`] – a recorded conflict decided again.

pub mod function;
mod measured;
pub mod replay;
pub mod wasm;

pub use measured::measured;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use driftless_conflict_handlers::Handler;
use driftless_conflict_handlers::automerge::Automerge;
use driftless_conflict_handlers::last_writer::LastWriterWins;
use driftless_conflict_handlers::optimistic::OptimisticConcurrency;
use driftless_conflict_handlers::policies::{Policies, Policy};
use driftless_conflict_handlers::three_way::ThreeWay;
use driftless_resolvers::engine::Strategies;
use driftless_resolvers::schema::Schema;
use driftless_resolvers::schema::model::{Base, Field, Model, Scalar};
use driftless_resolvers::schema::suggestion::did_you_mean;
use futures_util::future::try_join_all;

use crate::config::{Choice, ConfigError, Conflicts, Strategy};
use function::HttpHandler;
use wasm::WasmHandler;
use wasm::sandbox::Sandbox;

/// Makes what the configuration names, once for the life of the server.
pub async fn strategies(conflicts: &Conflicts) -> Result<Strategies, ConfigError> {
    // Compiling a large plugin takes seconds: all at once.
    let maker = Maker::default();
    let models = conflicts.models.iter().map(async |(model, choice)| {
        let handler = maker.handler(choice).await?;
        Ok::<_, ConfigError>((model.clone(), handler))
    });
    let default = maker.handler(&conflicts.default);
    let (default, models) = tokio::try_join!(default, try_join_all(models))?;
    Ok(Strategies {
        default,
        models: models.into_iter().collect(),
    })
}

/// Makes handlers; all plugins share one sandbox, and nothing is started where there are none.
#[derive(Default)]
pub struct Maker {
    sandbox: OnceLock<Sandbox>,
}

impl Maker {
    /// What decides by a choice.
    pub async fn handler(&self, choice: &Choice) -> Result<Handler, ConfigError> {
        match choice {
            Choice::Builtin { strategy, fields } => Ok(builtin(*strategy, fields)),
            Choice::Plugin(plugin) => {
                let handler = WasmHandler::open(self.sandbox()?, plugin).await;
                handler.map(Handler::external).map_err(|reason| {
                    ConfigError(format!("the plugin {}: {reason}", plugin.path.display()))
                })
            }
            Choice::Http(function) => HttpHandler::new(function)
                .map(Handler::external)
                .map_err(|reason| ConfigError(format!("{}: {reason}", choice.name()))),
        }
    }

    fn sandbox(&self) -> Result<&Sandbox, ConfigError> {
        if let Some(sandbox) = self.sandbox.get() {
            return Ok(sandbox);
        }
        let sandbox = Sandbox::new().map_err(ConfigError)?;
        Ok(self.sandbox.get_or_init(|| sandbox))
    }
}

fn builtin(strategy: Strategy, fields: &BTreeMap<String, Policy>) -> Handler {
    let rest: Arc<dyn driftless_conflict_handlers::Strategy> = match strategy {
        Strategy::Automerge => Arc::new(Automerge),
        Strategy::Optimistic => Arc::new(OptimisticConcurrency),
        Strategy::ThreeWay => Arc::new(ThreeWay),
        Strategy::LastWriterWins => Arc::new(LastWriterWins),
    };
    if fields.is_empty() {
        Handler::Builtin(rest)
    } else {
        Handler::builtin(Policies::new(fields.clone(), rest))
    }
}

/// Checks that the configuration speaks of models and fields of this schema, and of values that suit its policies.
pub fn check(conflicts: &Conflicts, schema: &Schema) -> Result<(), ConfigError> {
    for (name, choice) in &conflicts.models {
        let Some(model) = schema.models.get(name) else {
            let models = schema.models.keys().map(String::as_str);
            let hint = did_you_mean(name, models, "The schema has no such model.");
            return Err(ConfigError(format!("conflict.models.{name}: {hint}")));
        };
        if let Choice::Builtin { fields, .. } = choice {
            check_fields(&format!("conflict.models.{name}.fields"), fields, model)?;
        }
    }
    if let Choice::Builtin { fields, .. } = &conflicts.default {
        // Every model without an entry has to bear them, where it has such fields at all.
        for (name, model) in &schema.models {
            if !conflicts.models.contains_key(name) {
                let known = fields
                    .iter()
                    .filter(|(field, _)| model.fields.contains_key(*field));
                let known = known.map(|(field, policy)| (field.clone(), *policy));
                check_fields("conflict.default.fields", &known.collect(), model)?;
            }
        }
    }
    Ok(())
}

fn check_fields(
    place: &str,
    fields: &BTreeMap<String, Policy>,
    model: &Model,
) -> Result<(), ConfigError> {
    for (name, policy) in fields {
        let Some(field) = model.stored_fields().find(|field| field.name == *name) else {
            let names = model.stored_fields().map(|field| field.name.as_str());
            let hint = did_you_mean(name, names, "The model stores no such field.");
            let model = &model.name;
            return Err(ConfigError(format!(
                "{place}: {model} has no field `{name}`. {hint}"
            )));
        };
        if model.key.fields().any(|key| key == name) {
            return Err(ConfigError(format!(
                "{place}: `{name}` is part of the key of {}, which never changes",
                model.name
            )));
        }
        if let Some(wanted) = misfit(*policy, field) {
            return Err(ConfigError(format!(
                "{place}: the policy of `{name}` is for {wanted}, which {}.{name} is not",
                model.name
            )));
        }
    }
    Ok(())
}

/// What a policy wants of a field that it does not suit.
fn misfit(policy: Policy, field: &Field) -> Option<&'static str> {
    let list = field.ty.list.is_some();
    let number = matches!(
        field.ty.base,
        Base::Scalar(Scalar::Int | Scalar::Float | Scalar::AwsTimestamp)
    );
    let json = matches!(field.ty.base, Base::Scalar(Scalar::AwsJson));
    let scalar = matches!(field.ty.base, Base::Scalar(_) | Base::Enum(_)) && !json;
    match policy {
        Policy::Counter if list || !number => Some("numbers"),
        Policy::Max | Policy::Min if list || !scalar => Some("numbers, texts and dates"),
        Policy::SetUnion | Policy::Append if !list => Some("lists"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use driftless_resolvers::schema;

    use super::*;

    fn told(fields: &[(&str, Policy)], model: &str) -> Result<(), String> {
        let schema = schema::load(
            "type Stock @model @auth(rules: [{allow: public}]) { id: ID! count: Int tags: [String] note: AWSJSON }",
        )
        .expect("a schema")
        .schema;
        let fields = fields
            .iter()
            .map(|(name, policy)| ((*name).to_owned(), *policy))
            .collect();
        let choice = Choice::Builtin {
            strategy: Strategy::Automerge,
            fields,
        };
        let conflicts = Conflicts {
            models: BTreeMap::from([(model.to_owned(), choice)]),
            ..Conflicts::default()
        };
        check(&conflicts, &schema).map_err(|error| error.0)
    }

    #[test]
    fn policies_suit_the_fields_they_are_for() {
        assert_eq!(
            told(
                &[("count", Policy::Counter), ("tags", Policy::SetUnion)],
                "Stock"
            ),
            Ok(())
        );
        for (fields, model, expected) in [
            (vec![], "Stok", "Did you mean `Stock`?"),
            (
                vec![("cuont", Policy::Counter)],
                "Stock",
                "Did you mean `count`?",
            ),
            (vec![("tags", Policy::Counter)], "Stock", "numbers"),
            (vec![("count", Policy::SetUnion)], "Stock", "lists"),
            (vec![("note", Policy::Max)], "Stock", "texts and dates"),
            (vec![("id", Policy::Keep)], "Stock", "part of the key"),
        ] {
            let error = told(&fields, model).expect_err(expected);
            assert!(error.contains(expected), "{error}");
        }
    }
}
