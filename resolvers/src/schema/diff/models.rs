//! Models: keys, indexes, operations, rules.

use std::collections::BTreeSet;

use super::{Change, Class, Kind, fields};
use crate::schema::model::{AuthRule, Base, Index, KeyFields, Model, Operations};

pub(super) fn added(model: &Model) -> Change {
    let message = "A new model; it starts without records.";
    Change::new(Kind::ModelAdded, &model.name, Class::Safe, message).resyncing()
}

pub(super) fn removed(model: &Model) -> Change {
    let message = "The model is gone from the API. Its records stay in the database.";
    Change::new(Kind::ModelRemoved, &model.name, Class::Confirm, message)
        .resyncing()
        .help(format!(
            "Installed apps that sync it get errors. If it has another name now, keep its records with `@mapsTo(name: \"{}\")`.",
            model.stored_name()
        ))
}

pub(super) fn changed(old: &Model, new: &Model, changes: &mut Vec<Change>) {
    if old.name != new.name {
        changes.push(renamed(old, new));
    }
    changes.extend(key(old, new));
    for field in new.fields.values() {
        match old.fields.get(&field.name) {
            Some(former) => fields::changed(&new.name, former, field, changes),
            None => changes.push(fields::added(&new.name, field)),
        }
    }
    let gone = old.fields.values();
    changes.extend(
        gone.filter(|field| !new.fields.contains_key(&field.name))
            .map(|field| fields::removed(&new.name, field)),
    );
    indexes(old, new, changes);
    if old.name == new.name {
        operations(old, new, changes);
    }
    if rules(&old.auth) != rules(&new.auth) {
        let message = "Other callers may do other things from now on.";
        changes.push(Change::new(
            Kind::RulesChanged,
            &new.name,
            Class::Safe,
            message,
        ));
    }
}

fn renamed(old: &Model, new: &Model) -> Change {
    let message = format!(
        "The model was called {}; its records stay with it, its operations have other names.",
        old.name
    );
    Change::new(Kind::ModelRenamed, &new.name, Class::Confirm, message)
        .resyncing()
        .help("Installed apps that sync it get errors.")
}

/// Records are found by the text of their key, so another key finds none of them.
fn key(old: &Model, new: &Model) -> Option<Change> {
    let same = old.key == new.key
        && old
            .key
            .fields()
            .all(|name| kind(old, name) == kind(new, name));
    if same {
        return None;
    }
    let message = format!(
        "The primary key changes from {} to {}; stored records could not be found by it.",
        shown(&old.key),
        shown(&new.key)
    );
    let change = Change::new(Kind::KeyChanged, &new.name, Class::Refused, message);
    Some(
        change.help(
            "Keep the key, or add a model with another name and copy the records over the API.",
        ),
    )
}

/// Whether values of a key field are numbers: they are written differently.
fn kind(model: &Model, field: &str) -> Option<bool> {
    let field = model.fields.get(field)?;
    Some(matches!(field.ty.base, Base::Scalar(scalar) if scalar.is_number()))
}

fn shown(key: &KeyFields) -> String {
    let fields: Vec<&str> = key.fields().collect();
    format!("({})", fields.join(", "))
}

fn indexes(old: &Model, new: &Model, changes: &mut Vec<Change>) {
    for index in &new.indexes {
        let subject = format!("{}.{}", new.name, index.name);
        match old.index(&index.name) {
            None => {
                let message = format!(
                    "A new index on {}; it is built from the stored records.",
                    shown(&index.key)
                );
                changes.push(Change::new(Kind::IndexAdded, subject, Class::Safe, message));
            }
            Some(former) if former.key == index.key && former.query_field == index.query_field => {}
            Some(former) => changes.push(index_changed(subject, former, index)),
        }
    }
    for index in &old.indexes {
        if new.index(&index.name).is_some() {
            continue;
        }
        let subject = format!("{}.{}", new.name, index.name);
        let (class, message) = match &index.query_field {
            Some(query) => (
                Class::Confirm,
                format!("The index is gone, and the query {query} with it. No record is."),
            ),
            None => (Class::Safe, "The index is gone. No record is.".to_owned()),
        };
        changes.push(Change::new(Kind::IndexRemoved, subject, class, message));
    }
}

fn index_changed(subject: String, old: &Index, new: &Index) -> Change {
    let (class, message) = match &old.query_field {
        Some(query) if new.query_field.as_ref() != Some(query) => (
            Class::Confirm,
            format!("The query {query} is gone; another one or none reads the index."),
        ),
        Some(query) if old.key != new.key => (
            Class::Confirm,
            format!(
                "The query {query} is keyed by {} and no longer by {}.",
                shown(&new.key),
                shown(&old.key)
            ),
        ),
        _ => (
            Class::Safe,
            format!(
                "It is built anew from the stored records, on {}.",
                shown(&new.key)
            ),
        ),
    };
    Change::new(Kind::IndexChanged, subject, class, message)
}

fn operations(old: &Model, new: &Model, changes: &mut Vec<Change>) {
    let (former, now) = (names(&old.operations), names(&new.operations));
    for name in now.difference(&former) {
        let subject = format!("{}.{name}", new.name);
        let message = "A new operation.";
        changes.push(Change::new(
            Kind::OperationAdded,
            subject,
            Class::Safe,
            message,
        ));
    }
    for name in former.difference(&now) {
        let subject = format!("{}.{name}", new.name);
        let message = "The operation is gone; apps that call it get errors.";
        changes.push(Change::new(
            Kind::OperationRemoved,
            subject,
            Class::Confirm,
            message,
        ));
    }
}

fn names(operations: &Operations) -> BTreeSet<&String> {
    let Operations {
        get,
        list,
        sync,
        create,
        update,
        delete,
        search,
        on_create,
        on_update,
        on_delete,
        open_subscriptions: _,
    } = operations;
    let single = [get, list, sync, create, update, delete, search];
    let several = [on_create, on_update, on_delete];
    single
        .into_iter()
        .flatten()
        .chain(several.into_iter().flatten())
        .collect()
}

/// Rules without the places where they stand.
pub(super) fn rules(rules: &[AuthRule]) -> Vec<AuthRule> {
    let placeless = rules.iter().map(|rule| AuthRule {
        span: Default::default(),
        ..rule.clone()
    });
    placeless.collect()
}
