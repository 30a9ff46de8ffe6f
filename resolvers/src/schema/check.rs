//! What only shows when everything is named: names that clash, and types nobody could ever fill in.

mod interfaces;
mod stored;

use std::collections::{HashMap, HashSet};

use indexmap::IndexMap;

use super::diagnostic::{Problems, Span};
use super::draft::Draft;
use super::model::{Base, Field, Handler, Model, ObjectType};
use super::naming::{self, upper_first};

/// Reports everything that clashes.
pub(crate) fn check(draft: &Draft<'_>, problems: &mut Problems) {
    operation_names(draft, problems);
    let stored = stored::check(draft, problems);
    interfaces::check(draft, problems);
    type_names(draft, &stored, problems);
    let stored: IndexMap<&str, &ObjectType> = draft
        .types
        .iter()
        .filter(|(name, _)| stored.contains(name.as_str()))
        .map(|(name, ty)| (name.as_str(), ty))
        .collect();
    let inputs = draft.inputs.iter().map(|(name, ty)| (name.as_str(), ty));
    for types in [stored, inputs.collect()] {
        endless(&types, draft, problems);
    }
}

/// The names of all mutations.
pub(crate) fn mutations<'d>(draft: &'d Draft<'_>) -> HashSet<&'d str> {
    let by_hand = draft.operations.mutations.keys().map(String::as_str);
    let made = draft.models.values().flat_map(operations);
    let made = made.filter(|(root, _)| *root == "Mutation");
    by_hand.chain(made.map(|(_, name)| name)).collect()
}

/// Every root field has one meaning.
fn operation_names(draft: &Draft<'_>, problems: &mut Problems) {
    let mut taken: HashMap<(&str, &str), &str> = HashMap::new();
    for model in draft.models.values() {
        for (root, name) in operations(model) {
            match taken.get(&(root, name)) {
                Some(other) => {
                    let whose = if *other == model.name {
                        "another of its operations".to_owned()
                    } else {
                        format!("an operation of `{other}`")
                    };
                    problems.error(
                        "duplicate-operation",
                        model.span,
                        format!("`{}` would have the {} `{name}`, which is the name of {whose}.", model.name, root.to_lowercase()),
                        "Give one of them another name, with the arguments of `@model` or `queryField` of `@index`.",
                    );
                }
                None => {
                    taken.insert((root, name), &model.name);
                }
            }
        }
    }
    for (root, fields) in draft.operations.iter() {
        for field in fields.values() {
            if let Some(model) = taken.get(&(root, field.name.as_str())) {
                problems.error(
                    "duplicate-operation",
                    field.span,
                    format!("`{model}` has a {} `{}` already.", root.to_lowercase(), field.name),
                    "Give one of them another name, or switch the generated one off with the arguments of `@model`.",
                );
            }
        }
    }
}

/// The operations of a model, by root type and name.
fn operations(model: &Model) -> impl Iterator<Item = (&'static str, &str)> {
    let names = &model.operations;
    let queries = [&names.get, &names.list, &names.sync, &names.search]
        .into_iter()
        .flatten()
        .chain(
            model
                .indexes
                .iter()
                .filter_map(|index| index.query_field.as_ref()),
        );
    let mutations = [&names.create, &names.update, &names.delete]
        .into_iter()
        .flatten();
    let subscriptions = [&names.on_create, &names.on_update, &names.on_delete]
        .into_iter()
        .flatten();
    queries
        .map(|name| ("Query", name.as_str()))
        .chain(mutations.map(|name| ("Mutation", name.as_str())))
        .chain(subscriptions.map(|name| ("Subscription", name.as_str())))
}

/// Type names that every API has.
const BUILT_IN: [&str; 18] = [
    "AmplifyAIConversationTurnErrorInput",
    "ModelAttributeTypes",
    "ModelSizeInput",
    "ModelSortDirection",
    "ModelStringInput",
    "ModelIDInput",
    "ModelIntInput",
    "ModelFloatInput",
    "ModelBooleanInput",
    "ModelSubscriptionStringInput",
    "ModelSubscriptionIDInput",
    "ModelSubscriptionIntInput",
    "ModelSubscriptionFloatInput",
    "ModelSubscriptionBooleanInput",
    "ModelStringKeyConditionInput",
    "ModelIDKeyConditionInput",
    "ModelIntKeyConditionInput",
    "ModelFloatKeyConditionInput",
];

/// No declared type has the name of a generated one. (An input called like the input made for a nested type is meant:
/// it is used instead, `transformer` 2.)
fn type_names(draft: &Draft<'_>, stored: &HashSet<&str>, problems: &mut Problems) {
    let mut made: HashMap<String, String> = BUILT_IN
        .iter()
        .map(|name| ((*name).to_owned(), "every API".to_owned()))
        .collect();
    for model in draft.models.values() {
        for name in generated_types(model) {
            made.insert(name, format!("`{}`", model.name));
        }
    }
    for (owner, field) in fields_with_handlers(draft) {
        for kind in ["Params", "Query", "Body"] {
            let input = naming::http_input(owner, &field.name, kind);
            made.insert(input, format!("`{owner}.{}`", field.name));
        }
    }
    for name in draft.document.enums.keys() {
        for suffix in ["Input", "ListInput"] {
            made.insert(format!("Model{name}{suffix}"), format!("`{name}`"));
        }
    }
    let inputs = stored
        .iter()
        .map(|name| (format!("{}Input", upper_first(name)), *name));
    for (input, name) in inputs {
        if !draft.inputs.contains_key(&input) {
            made.insert(input, format!("`{name}`"));
        }
    }
    for (name, span) in declared(draft) {
        if let Some(owner) = made.get(name) {
            problems.error(
                "name-taken",
                span,
                format!("`{name}` is the name of a type that is made for {owner}."),
                "Give the type another name.",
            );
        }
    }
}

/// The fields that are answered over HTTP, with the names of their types.
fn fields_with_handlers<'d>(draft: &'d Draft<'_>) -> Vec<(&'d str, &'d Field)> {
    let mut found = Vec::new();
    let mut add = |owner: &'d str, fields: &'d IndexMap<String, Field>| {
        let over_http = fields.values().filter(|field| {
            let mut handlers = field.handlers.iter();
            handlers.any(|handler| matches!(handler, Handler::Http(_)))
        });
        found.extend(over_http.map(|field| (owner, field)));
    };
    for model in draft.models.values() {
        add(&model.name, &model.fields);
    }
    for ty in draft.types.values() {
        add(&ty.name, &ty.fields);
    }
    for (root, fields) in draft.operations.iter() {
        add(root, fields);
    }
    found
}

fn declared<'a>(draft: &Draft<'a>) -> impl Iterator<Item = (&'a str, Span)> {
    let document = draft.document;
    document
        .places
        .iter()
        .filter(|(name, _)| !document.refused.contains(name.as_str()))
        .map(|(name, span)| (name.as_str(), *span))
}

fn generated_types(model: &Model) -> Vec<String> {
    let (name, upper) = (&model.name, upper_first(&model.name));
    let mut types = vec![
        format!("Create{upper}Input"),
        format!("Update{upper}Input"),
        format!("Delete{upper}Input"),
    ];
    for spelled in [name.as_str(), upper.as_str()] {
        types.push(format!("Model{spelled}Connection"));
        types.push(format!("Model{spelled}FilterInput"));
        types.push(format!("Model{spelled}ConditionInput"));
        types.push(format!("ModelSubscription{spelled}FilterInput"));
        types.push(format!("Model{spelled}PrimaryCompositeKeyInput"));
        types.push(format!("Model{spelled}PrimaryCompositeKeyConditionInput"));
        if model.operations.search.is_some() {
            let kinds = [
                "Connection",
                "FilterInput",
                "SortInput",
                "SortableFields",
                "AggregateField",
                "AggregationInput",
            ];
            types.extend(kinds.map(|kind| format!("Searchable{spelled}{kind}")));
        }
    }
    types
}

/// Reports types that need a value of themselves to be made.
fn endless(types: &IndexMap<&str, &ObjectType>, draft: &Draft<'_>, problems: &mut Problems) {
    let finite = finite(types);
    for ty in types
        .values()
        .filter(|ty| !finite.contains(ty.name.as_str()))
    {
        let places = &draft.document.places;
        problems.error(
            "endless-type",
            places.get(&ty.name).copied().unwrap_or_default(),
            format!(
                "No value of `{}` can ever be made: what it requires never ends.",
                ty.name
            ),
            "Make one of the fields on the way nullable, or a list.",
        );
    }
}

/// The types that have values: those that need nothing, those that need only these, and so on.
fn finite<'t>(types: &IndexMap<&'t str, &'t ObjectType>) -> HashSet<&'t str> {
    let mut wanted_by: HashMap<&str, Vec<&str>> = HashMap::new();
    let mut missing: HashMap<&str, usize> = HashMap::new();
    let mut ready: Vec<&str> = Vec::new();
    for ty in types.values() {
        let needs: Vec<&str> = needs(ty).filter(|name| types.contains_key(*name)).collect();
        if needs.is_empty() {
            ready.push(&ty.name);
        }
        missing.insert(&ty.name, needs.len());
        for name in needs {
            wanted_by.entry(name).or_default().push(&ty.name);
        }
    }
    let mut finite = HashSet::new();
    while let Some(name) = ready.pop() {
        finite.insert(name);
        for waiting in wanted_by.remove(name).unwrap_or_default() {
            let left = missing.entry(waiting).or_default();
            *left = left.saturating_sub(1);
            if *left == 0 {
                ready.push(waiting);
            }
        }
    }
    finite
}

/// The nested types a value cannot do without.
fn needs(ty: &ObjectType) -> impl Iterator<Item = &str> {
    ty.fields.values().filter_map(|field| match &field.ty.base {
        Base::Object(name) if field.ty.required && field.ty.list.is_none() => Some(name.as_str()),
        _ => None,
    })
}
