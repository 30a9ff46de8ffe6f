//! The directives of AppSync itself, written by hand: who may reach a type or field (`@aws_iam` …), what a subscription
//! listens to (`@aws_subscribe`), and `@deprecated`.

use super::{Directive, Parameter, Shape, Site};
use crate::identity::AuthMode;
use crate::schema::diagnostic::Problems;
use crate::schema::document::{Applied, Document, FieldNode};
use crate::schema::model::{Deprecation, Gate};

const ANYWHERE: &[Site] = &[
    Site::Model,
    Site::Type,
    Site::Root,
    Site::ModelField,
    Site::TypeField,
    Site::InterfaceField,
    Site::RootField,
];

const FIELDS: &[Site] = &[
    Site::ModelField,
    Site::TypeField,
    Site::InterfaceField,
    Site::RootField,
];

const fn gate(name: &'static str) -> Directive {
    Directive {
        name,
        sites: ANYWHERE,
        repeatable: false,
        parameters: &[],
    }
}

/// See the module.
pub(crate) const AWS_API_KEY: Directive = gate("aws_api_key");
/// See the module.
pub(crate) const AWS_IAM: Directive = gate("aws_iam");
/// See the module.
pub(crate) const AWS_OIDC: Directive = gate("aws_oidc");
/// See the module.
pub(crate) const AWS_LAMBDA: Directive = gate("aws_lambda");
/// See the module.
pub(crate) const AWS_COGNITO_USER_POOLS: Directive = Directive {
    name: "aws_cognito_user_pools",
    sites: ANYWHERE,
    repeatable: false,
    parameters: &[Parameter::optional("cognito_groups", Shape::Texts)],
};
/// See the module.
pub(crate) const AWS_AUTH: Directive = Directive {
    name: "aws_auth",
    sites: FIELDS,
    repeatable: false,
    parameters: &[Parameter::required("cognito_groups", Shape::Texts)],
};
/// See the module.
pub(crate) const AWS_SUBSCRIBE: Directive = Directive {
    name: "aws_subscribe",
    sites: FIELDS,
    repeatable: false,
    parameters: &[Parameter::required("mutations", Shape::Texts)],
};
/// See the module.
pub(crate) const DEPRECATED: Directive = Directive {
    name: "deprecated",
    sites: &[
        Site::ModelField,
        Site::TypeField,
        Site::InterfaceField,
        Site::RootField,
        Site::InputField,
    ],
    repeatable: false,
    parameters: &[Parameter::optional("reason", Shape::Text)],
};

/// Who may reach what these directives stand on, as far as they say.
pub(crate) fn gates(directives: &[Applied]) -> Vec<Gate> {
    let mode = |name: &str| {
        Some(match name {
            "aws_api_key" => AuthMode::ApiKey,
            "aws_iam" => AuthMode::Iam,
            "aws_oidc" => AuthMode::Oidc,
            "aws_lambda" => AuthMode::Lambda,
            "aws_cognito_user_pools" | "aws_auth" => AuthMode::UserPool,
            _ => return None,
        })
    };
    let gates = directives.iter().filter_map(|applied| {
        let groups = applied.texts("cognito_groups").unwrap_or_default();
        Some(Gate {
            mode: mode(&applied.name)?,
            groups: groups
                .into_iter()
                .map(|(name, _)| name.to_owned())
                .collect(),
            legacy: applied.name == AWS_AUTH.name,
        })
    });
    gates.collect()
}

/// Whether a field should not be used any more.
pub(crate) fn deprecated(field: &FieldNode) -> Option<Deprecation> {
    field.directive(DEPRECATED.name).map(|applied| Deprecation {
        reason: applied.text("reason").map(str::to_owned),
    })
}

/// The mutations a hand-written subscription listens to.
pub(crate) fn subscribes(field: &FieldNode) -> Vec<String> {
    let applied = field.directive(AWS_SUBSCRIBE.name);
    let names = applied.and_then(|applied| applied.texts("mutations"));
    let names = names.unwrap_or_default().into_iter();
    names.map(|(name, _)| name.to_owned()).collect()
}

/// Points out what can never happen: listening to mutations that do not exist, and listening outside of subscriptions.
pub(crate) fn check_subscriptions<'m>(
    document: &Document,
    mutations: impl Fn(&str) -> bool + 'm,
    problems: &mut Problems,
) {
    for node in document.types.values() {
        for field in &node.fields {
            let Some(applied) = field.directive(AWS_SUBSCRIBE.name) else {
                continue;
            };
            if node.name != "Subscription" {
                problems.warning(
                    "subscribe-misplaced",
                    applied.span,
                    format!("`{}.{}` is no subscription.", node.name, field.name),
                    "Remove `@aws_subscribe`, or move the field to `Subscription`.",
                );
                continue;
            }
            for (name, span) in applied.texts("mutations").unwrap_or_default() {
                if !mutations(name) {
                    problems.warning(
                        "subscribe-unknown",
                        span,
                        format!(
                            "There is no mutation `{name}`, so it never tells `{}` anything.",
                            field.name
                        ),
                        "Name a field of `Mutation`.",
                    );
                }
            }
        }
    }
}
