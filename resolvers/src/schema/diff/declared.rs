//! Interfaces, unions and inputs: what hand-written operations answer with and take. No record is made of them.

use std::collections::BTreeSet;

use super::{Change, Class, Kind, fields};
use crate::schema::model::{Field, ObjectType, Schema, UnionType};

pub(super) fn changed(old: &Schema, new: &Schema, changes: &mut Vec<Change>) {
    for ty in new.interfaces.values() {
        match old.interfaces.get(&ty.name) {
            Some(former) => answers(former, ty, changes),
            None => changes.push(added(Kind::TypeAdded, &ty.name, "A new interface.")),
        }
    }
    for ty in new.unions.values() {
        match old.unions.get(&ty.name) {
            Some(former) => changes.extend(members(former, ty)),
            None => changes.push(added(Kind::TypeAdded, &ty.name, "A new union.")),
        }
    }
    let gone = old
        .interfaces
        .keys()
        .filter(|it| !new.interfaces.contains_key(*it));
    let gone = gone.chain(old.unions.keys().filter(|it| !new.unions.contains_key(*it)));
    changes.extend(gone.map(|name| {
        let message = "The type is gone; apps that ask for it get errors.";
        Change::new(Kind::TypeRemoved, name, Class::Confirm, message)
    }));
    for ty in new.inputs.values() {
        match old.inputs.get(&ty.name) {
            Some(former) => taken(former, ty, changes),
            None => changes.push(added(Kind::InputAdded, &ty.name, "A new input.")),
        }
    }
    for name in old.inputs.keys().filter(|it| !new.inputs.contains_key(*it)) {
        let message = "The input is gone; apps that declare variables of it get errors.";
        changes.push(Change::new(
            Kind::InputRemoved,
            name,
            Class::Confirm,
            message,
        ));
    }
    implemented(old, new, changes);
}

fn added(kind: Kind, name: &str, message: &str) -> Change {
    Change::new(kind, name, Class::Safe, message)
}

/// The fields of an interface, which apps ask for.
fn answers(old: &ObjectType, new: &ObjectType, changes: &mut Vec<Change>) {
    for field in new.fields.values() {
        let subject = format!("{}.{}", new.name, field.name);
        match old.fields.get(&field.name) {
            None => changes.push(added(Kind::FieldAdded, &subject, "A new field.")),
            Some(former) if former.ty != field.ty => {
                let message = format!(
                    "Its type changes from {} to {}; apps that ask for it get another answer.",
                    fields::shown(&former.ty),
                    fields::shown(&field.ty)
                );
                changes.push(Change::new(
                    Kind::FieldChanged,
                    subject,
                    Class::Confirm,
                    message,
                ));
            }
            Some(_) => {}
        }
    }
    for name in old.fields.keys().filter(|it| !new.fields.contains_key(*it)) {
        let message = "The field is gone; apps that ask for it get errors.";
        let subject = format!("{}.{name}", new.name);
        changes.push(Change::new(
            Kind::FieldRemoved,
            subject,
            Class::Confirm,
            message,
        ));
    }
}

/// The fields of an input, which apps send.
fn taken(old: &ObjectType, new: &ObjectType, changes: &mut Vec<Change>) {
    let demanded = |field: &Field| field.ty.required && field.default.is_none();
    for field in new.fields.values() {
        let subject = format!("{}.{}", new.name, field.name);
        let change = match old.fields.get(&field.name) {
            None if demanded(field) => Change::new(
                Kind::InputFieldAdded,
                subject,
                Class::Confirm,
                "A new required field; installed apps do not send it and get errors.",
            )
            .help("Make it nullable, or give it a default."),
            None => added(Kind::InputFieldAdded, &subject, "A new field."),
            Some(former) if former.ty != field.ty => {
                let message = format!(
                    "Its type changes from {} to {}; apps that send it as before may get errors.",
                    fields::shown(&former.ty),
                    fields::shown(&field.ty)
                );
                Change::new(Kind::InputFieldChanged, subject, Class::Confirm, message)
            }
            Some(former) if former.default != field.default => added(
                Kind::DefaultChanged,
                &subject,
                "Where apps send nothing it has another value.",
            ),
            Some(_) => continue,
        };
        changes.push(change);
    }
    for name in old.fields.keys().filter(|it| !new.fields.contains_key(*it)) {
        let message = "The field is gone; apps that send it get errors.";
        let subject = format!("{}.{name}", new.name);
        changes.push(Change::new(
            Kind::InputFieldRemoved,
            subject,
            Class::Confirm,
            message,
        ));
    }
}

/// A member more is an answer that installed apps do not know; a member less is a question that is refused.
fn members(old: &UnionType, new: &UnionType) -> Option<Change> {
    let set = |union: &UnionType| union.members.iter().cloned().collect::<BTreeSet<_>>();
    let (old, now) = (set(old), set(new));
    let gone: Vec<&str> = old.difference(&now).map(String::as_str).collect();
    let come: Vec<&str> = now.difference(&old).map(String::as_str).collect();
    if !gone.is_empty() {
        let message = format!(
            "It is no {} any more; apps that ask for these get errors.",
            gone.join(" or ")
        );
        return Some(Change::new(
            Kind::UnionChanged,
            &new.name,
            Class::Confirm,
            message,
        ));
    }
    (!come.is_empty()).then(|| {
        let message = format!(
            "It may be {}, too; installed apps do not know that.",
            come.join(" or ")
        );
        added(Kind::UnionChanged, &new.name, &message)
    })
}

/// Which interfaces the types implement, models too.
fn implemented(old: &Schema, new: &Schema, changes: &mut Vec<Change>) {
    let implements = |schema: &Schema, name: &str| -> Option<BTreeSet<String>> {
        let of_model = schema.models.get(name).map(|model| &model.interfaces);
        let of_type = schema.types.get(name).map(|ty| &ty.interfaces);
        let all = of_model.or(of_type)?;
        Some(all.iter().cloned().collect())
    };
    for name in new.models.keys().chain(new.types.keys()) {
        let (Some(former), Some(now)) = (implements(old, name), implements(new, name)) else {
            continue;
        };
        let gone: Vec<&String> = former.difference(&now).collect();
        if let Some(interface) = gone.first() {
            let message = format!(
                "It does not implement {interface} any more; apps that ask for it there get errors."
            );
            changes.push(Change::new(
                Kind::InterfacesChanged,
                name,
                Class::Confirm,
                message,
            ));
        } else if former != now {
            let message = "It implements another interface; installed apps may meet it there.";
            changes.push(added(Kind::InterfacesChanged, name, message));
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use crate::schema::diff::diff;
    use crate::schema::load;

    const BASE: &str = "interface Pet { name: String } type Dog implements Pet { name: String }
        type Cat { name: String } union Any = Dog | Cat input Where { name: String limit: Int = 5 }
        type Query { pets(where: Where): [Pet] any: Any }";

    fn rows(from: &str, to: &str) -> Vec<String> {
        assert!(BASE.contains(from), "{from}");
        let schema = |text: &str| load(text).expect("it loads").schema;
        let changes = diff(&schema(BASE), &schema(&BASE.replacen(from, to, 1)), true);
        let row = |change: &super::Change| {
            format!(
                "{} {} {}",
                change.class.name(),
                change.kind.code(),
                change.subject
            )
        };
        changes.iter().map(row).collect()
    }

    #[test]
    fn interfaces_unions_and_inputs_have_rows() {
        for (from, to, expected) in [
            ("= Dog | Cat", "= Dog", "confirm union-changed Any"),
            (
                "union Any",
                "type Cow { id: ID } extend union Any = Cow union Any",
                "safe union-changed Any",
            ),
            (
                "type Cat {",
                "type Cat implements Pet {",
                "safe interfaces-changed Cat",
            ),
            (
                "type Dog implements Pet {",
                "type Dog {",
                "confirm interfaces-changed Dog",
            ),
            (
                "limit: Int = 5",
                "limit: Int = 6",
                "safe default-changed Where.limit",
            ),
            (
                "limit: Int = 5",
                "limit: String",
                "confirm input-field-changed Where.limit",
            ),
            (
                "limit: Int = 5",
                "",
                "confirm input-field-removed Where.limit",
            ),
            (
                "limit: Int = 5",
                "limit: Int = 5 of: Int",
                "safe input-field-added Where.of",
            ),
            (
                "limit: Int = 5",
                "limit: Int = 5 of: Int!",
                "confirm input-field-added Where.of",
            ),
            (
                "limit: Int = 5",
                "limit: Int = 5 of: Int! = 1",
                "safe input-field-added Where.of",
            ),
            (
                "input Where",
                "input More { a: Int } input Where",
                "safe input-added More",
            ),
            (
                "interface Pet",
                "interface Thing { id: ID } interface Pet",
                "safe type-added Thing",
            ),
            (
                "interface Pet {",
                "interface Pet { age: Int ",
                "safe field-added Pet.age",
            ),
        ] {
            // What implements the interface has its fields.
            let to = if to.contains("age") {
                BASE.replace(from, to)
                    .replace("implements Pet {", "implements Pet { age: Int ")
            } else {
                BASE.replacen(from, to, 1)
            };
            let rows = rows(BASE, &to);
            assert!(rows.iter().any(|row| row == expected), "{to}: {rows:#?}");
        }
        let without = "type Dog { name: String } type Cat { name: String } type Query { any: Dog }";
        let mut gone = rows(BASE, without);
        gone.retain(|row| !row.contains("operation"));
        let expected = [
            "confirm type-removed Pet",
            "confirm type-removed Any",
            "confirm input-removed Where",
            "confirm interfaces-changed Dog",
        ];
        assert_eq!(gone, expected);
    }
}
