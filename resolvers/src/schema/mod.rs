//! An Amplify schema: text in, checked model IR out, or every problem of it at once.
//!
//! [`load`] is the whole way, stage by stage. Whatever a schema may say is a directive, and each directive is a file in
//! `directives`; the stages only bring them into order.

mod check;
pub mod diagnostic;
pub mod diff;
mod directives;
pub(crate) mod document;
mod draft;
mod input_default;
mod keys;
pub mod model;
pub(crate) mod naming;
pub mod overrides;
pub(crate) mod parse;
pub(crate) mod plural;
mod relations;
pub mod roles;
mod source;
pub mod suggestion;
mod syntax;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use diagnostic::{Diagnostic, Severity, Span};
pub use model::Schema;

use crate::identity::AuthMode;
use diagnostic::Problems;
use directives::{
    appsync, auth, default_value, function, index, many_to_many, maps_to, model as operations,
    primary_key, searchable, validate,
};
use draft::Draft;
use overrides::Overrides;

/// A schema that can be served.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What it means.
    pub schema: Schema,
    /// What is probably not meant, in source order.
    pub warnings: Vec<Diagnostic>,
}

/// What a schema does not say itself.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The configured ways to authenticate, the default one first; if there are none, those the rules name.
    pub modes: Vec<AuthMode>,
    /// Whether models without rules are open to API keys, as with the global rule in the schema.
    pub sandbox: bool,
    /// Whether owner rules that name no claim compare the user's name alone, as projects do that were made before
    /// subjects were taken into account (`transformer` 1: `useSubUsernameForDefaultIdentityClaim: false`).
    pub username_claim: bool,
    /// Whether signed requests that do not come from an identity pool pass every rule (`transformer` 8.8).
    pub iam_access: bool,
    /// Names of models that are not the transformer's.
    pub overrides: Overrides,
    /// Whether to leave out everything that belongs to sync, as in an API without conflict detection.
    pub unsynced: bool,
}

/// Reads and checks a schema as it stands. The error is every problem it has, in source order, warnings included.
pub fn load(source: &str) -> Result<Loaded, Vec<Diagnostic>> {
    load_with(source, &Options::default())
}

/// Reads and checks a schema for an API that is configured like this.
pub fn load_with(source: &str, options: &Options) -> Result<Loaded, Vec<Diagnostic>> {
    let mut problems = Problems::default();
    let schema = read(source, options, &mut problems);
    let warnings = problems.finish()?;
    let schema = Schema {
        source: source.into(),
        ..schema.unwrap_or_default()
    };
    Ok(Loaded { schema, warnings })
}

/// The stages. Each goes on with what the one before could make out, so that all problems show at once.
fn read(source: &str, options: &Options, problems: &mut Problems) -> Option<Schema> {
    let mut document = parse::document(source, problems)?;
    auth::take_sandbox(&mut document, problems);
    document.sandbox |= options.sandbox;
    document.unsynced = options.unsynced;
    document.overrides.clone_from(&options.overrides);
    directives::check(&document, problems);
    function::check(&document, problems);

    let rules = auth::Rules {
        options,
        sandbox: document.sandbox,
    };
    let mut draft = Draft::new(&document, problems);
    each_model(&mut draft, problems, |node, model, problems| {
        primary_key::apply(node, model, problems);
        index::apply(node, &document.overrides, model, problems);
        auth::apply(node, &rules, model, problems);
        default_value::apply(node, &document, model, problems);
        validate::apply(node, model, problems);
        maps_to::apply(node, &document, model, problems);
    });
    auth::apply_elsewhere(&mut draft, &rules, problems);
    many_to_many::apply(&mut draft, problems);
    relations::connect(&mut draft, problems);
    overrides::check(&draft, problems);
    each_model(&mut draft, problems, |node, model, problems| {
        operations::add_timestamps(node, model, problems);
        operations::name_operations(node, &document.overrides, model, problems);
        searchable::apply(node, &document.overrides, model, problems);
        auth::add_owner_fields(model, problems);
        auth::check_required_fields(node, model, problems);
    });
    let mutations = check::mutations(&draft);
    appsync::check_subscriptions(&document, |name| mutations.contains(name), problems);
    check::check(&draft, problems);
    Some(finished(draft, options))
}

/// Runs a step for every model.
fn each_model(
    draft: &mut Draft<'_>,
    problems: &mut Problems,
    step: impl Fn(&document::TypeNode, &mut model::Model, &mut Problems),
) {
    let document = draft.document;
    for model in draft.models.values_mut() {
        let join_model;
        let node = match document.types.get(&model.name) {
            Some(node) => node,
            None => {
                join_model = document::TypeNode::undeclared(&model.name, model.span);
                &join_model
            }
        };
        step(node, model, problems);
    }
}

fn finished(draft: Draft<'_>, options: &Options) -> Schema {
    let modes = match options.modes.as_slice() {
        [] => auth::named_modes(&draft, draft.document.sandbox),
        modes => modes.to_vec(),
    };
    Schema {
        source: Arc::default(),
        modes,
        sandbox: draft.document.sandbox,
        iam_access: options.iam_access,
        unsynced: options.unsynced,
        enums: draft.document.enums.clone(),
        models: draft
            .models
            .into_iter()
            .map(|(name, model)| (name, Arc::new(model)))
            .collect(),
        types: draft.types,
        inputs: draft.inputs,
        interfaces: draft.interfaces,
        unions: draft.unions,
        operations: draft.operations,
    }
}
