//! Fields, nested types and enums.

use super::models::rules;
use super::{Change, Class, Kind};
use crate::schema::model::{Base, Field, FieldType, ObjectType, Scalar, Schema};

/// What stops a client's engine when a record holds it.
const BROKEN: &str = "records without a value are errors to whoever reads them";

pub(super) fn added(owner: &str, field: &Field) -> Change {
    let subject = subject(owner, field);
    if is_relation(field) {
        let message = "A new relation.";
        return Change::new(Kind::RelationAdded, subject, Class::Safe, message).resyncing();
    }
    if field.ty.required {
        let message =
            format!("A new required field; {BROKEN}, and installed apps do not send one.");
        return Change::new(Kind::FieldAdded, subject, Class::Confirm, message)
            .resyncing()
            .help("Make it nullable, or give every stored record a value first.");
    }
    let message = "A new field; stored records have no value for it.";
    Change::new(Kind::FieldAdded, subject, Class::Safe, message).resyncing()
}

pub(super) fn removed(owner: &str, field: &Field) -> Change {
    let subject = subject(owner, field);
    if is_relation(field) {
        let message = "The relation is gone; apps that ask for it get errors.";
        return Change::new(Kind::RelationRemoved, subject, Class::Confirm, message).resyncing();
    }
    let message = "The field is gone from the API. Its values stay in the stored records.";
    Change::new(Kind::FieldRemoved, subject, Class::Confirm, message)
        .resyncing()
        .help("Installed apps ask for it in every sync and get errors: remove it from the apps first.")
}

pub(super) fn changed(owner: &str, old: &Field, new: &Field, changes: &mut Vec<Change>) {
    if is_relation(old) || is_relation(new) {
        changes.extend(related(owner, old, new));
    } else if let Some((class, message)) = retyped(&old.ty, &new.ty) {
        let message = format!(
            "Its type changes from {} to {}: {message}.",
            shown(&old.ty),
            shown(&new.ty)
        );
        let change = Change::new(Kind::FieldChanged, subject(owner, new), class, message);
        changes.push(change.resyncing());
    }
    if old.default != new.default {
        let message = "Records that are created from now on get another default.";
        let change = Change::new(
            Kind::DefaultChanged,
            subject(owner, new),
            Class::Safe,
            message,
        );
        changes.push(change);
    }
    if old.validations != new.validations {
        let message = "Values that are written from now on are checked otherwise.";
        let subject = subject(owner, new);
        let change = Change::new(Kind::ValidationChanged, subject, Class::Safe, message);
        changes.push(change);
    }
    let auth = |field: &Field| field.auth.as_deref().map(rules);
    if auth(old) != auth(new) {
        let message = "Other callers may read or write it from now on.";
        let change = Change::new(
            Kind::RulesChanged,
            subject(owner, new),
            Class::Safe,
            message,
        );
        changes.push(change);
    }
}

fn related(owner: &str, old: &Field, new: &Field) -> Option<Change> {
    let limit = |field: &Field| {
        field
            .relation
            .as_ref()
            .map(|relation| relation.default_limit)
    };
    let way = |field: &Field| {
        let relation = field.relation.as_ref();
        relation.map(|it| (it.kind, it.target.clone(), it.via.clone()))
    };
    let (class, message) = if way(old) != way(new) || old.ty != new.ty {
        (
            Class::Confirm,
            "The relation finds its records in another way.",
        )
    } else if limit(old) != limit(new) {
        (
            Class::Safe,
            "Pages have another size where the caller names none.",
        )
    } else {
        return None;
    };
    let change = Change::new(Kind::RelationChanged, subject(owner, new), class, message);
    Some(change.resyncing())
}

/// Nested types are stored inside of records, so their fields change like a model's.
pub(super) fn types(old: &Schema, new: &Schema, changes: &mut Vec<Change>) {
    for ty in new.types.values() {
        match old.types.get(&ty.name) {
            Some(former) => nested(former, ty, changes),
            None => {
                let message = "A new type.";
                changes
                    .push(Change::new(Kind::TypeAdded, &ty.name, Class::Safe, message).resyncing());
            }
        }
    }
    for ty in old.types.values() {
        if !new.types.contains_key(&ty.name) {
            let message = "The type is gone.";
            changes
                .push(Change::new(Kind::TypeRemoved, &ty.name, Class::Safe, message).resyncing());
        }
    }
}

fn nested(old: &ObjectType, new: &ObjectType, changes: &mut Vec<Change>) {
    for field in new.fields.values() {
        match old.fields.get(&field.name) {
            Some(former) => changed(&new.name, former, field, changes),
            None => changes.push(added(&new.name, field)),
        }
    }
    let gone = old.fields.values();
    changes.extend(
        gone.filter(|field| !new.fields.contains_key(&field.name))
            .map(|field| removed(&new.name, field)),
    );
}

pub(super) fn enums(old: &Schema, new: &Schema, changes: &mut Vec<Change>) {
    for (name, new) in &new.enums {
        let Some(old) = old.enums.get(name) else {
            continue;
        };
        for value in new
            .values
            .iter()
            .filter(|value| !old.values.contains(value))
        {
            let message = "A new value; native apps that are installed do not know it.";
            let subject = format!("{name}.{value}");
            changes.push(Change::new(Kind::ValueAdded, subject, Class::Safe, message));
        }
        for value in old
            .values
            .iter()
            .filter(|value| !new.values.contains(value))
        {
            let message =
                "The value is gone; records that hold it are errors to whoever reads them.";
            let subject = format!("{name}.{value}");
            let change = Change::new(Kind::ValueRemoved, subject, Class::Confirm, message);
            changes.push(change.help("Change those records first."));
        }
    }
}

fn subject(owner: &str, field: &Field) -> String {
    format!("{owner}.{}", field.name)
}

fn is_relation(field: &Field) -> bool {
    field.relation.is_some() || matches!(field.ty.base, Base::Model(_))
}

/// What another type means for the values that are stored; `None` if it is the same.
fn retyped(old: &FieldType, new: &FieldType) -> Option<(Class, &'static str)> {
    if old == new {
        return None;
    }
    if old.lists().count() != new.lists().count() {
        let message = "stored values are errors to whoever reads them, one is no list";
        return Some((Class::Confirm, message));
    }
    if !reads_as(&old.base, &new.base) {
        let message =
            "stored values that the new type does not allow are errors to whoever reads them";
        return Some((Class::Confirm, message));
    }
    let stricter = |ty: &FieldType, other: &FieldType| {
        let mut levels = ty.lists().zip(other.lists());
        (ty.required && !other.required) || levels.any(|(own, other)| own.0 && !other.0)
    };
    if stricter(new, old) {
        return Some((
            Class::Confirm,
            "records without a value are errors to whoever reads them",
        ));
    }
    if stricter(old, new) {
        let message = "installed apps stop syncing at the first record without a value";
        return Some((Class::Confirm, message));
    }
    Some((
        Class::Safe,
        "every stored value is one of the new type, too",
    ))
}

/// Whether every value of a type is one of another type.
fn reads_as(old: &Base, new: &Base) -> bool {
    match (old, new) {
        (old, new) if old == new => true,
        (Base::Scalar(Scalar::Int | Scalar::AwsTimestamp), Base::Scalar(Scalar::Float)) => true,
        (Base::Enum(_), Base::Scalar(Scalar::String | Scalar::Id)) => true,
        (Base::Scalar(old), Base::Scalar(Scalar::String | Scalar::Id)) => {
            !old.is_number() && *old != Scalar::Boolean
        }
        _ => false,
    }
}

/// The type as it is written in a schema.
pub(super) fn shown(ty: &FieldType) -> String {
    ty.written(ty.base.name())
}
