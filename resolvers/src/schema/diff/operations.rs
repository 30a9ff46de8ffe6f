//! Operations that a schema writes by hand.

use super::{Change, Class, Kind, fields};
use crate::schema::model::{Field, RootFields};

pub(super) fn changed(old: &RootFields, new: &RootFields, changes: &mut Vec<Change>) {
    for ((root, old), (_, new)) in old.iter().zip(new.iter()) {
        for (name, field) in new {
            let subject = format!("{root}.{name}");
            match old.get(name) {
                None => {
                    let message = "A new operation.";
                    changes.push(Change::new(
                        Kind::OperationAdded,
                        subject,
                        Class::Safe,
                        message,
                    ));
                }
                Some(former) if call(former) != call(field) => {
                    let message = format!(
                        "Apps that call it as {} get errors, or another answer, from {}.",
                        call(former),
                        call(field)
                    );
                    let change =
                        Change::new(Kind::OperationChanged, subject, Class::Confirm, message);
                    changes.push(change);
                }
                Some(_) => {}
            }
        }
        for name in old.keys().filter(|name| !new.contains_key(*name)) {
            let message = "The operation is gone; apps that call it get errors.";
            let subject = format!("{root}.{name}");
            changes.push(Change::new(
                Kind::OperationRemoved,
                subject,
                Class::Confirm,
                message,
            ));
        }
    }
}

/// How it is called and what it answers.
fn call(field: &Field) -> String {
    let arguments = field.arguments.iter();
    let arguments: Vec<String> = arguments
        .map(|(name, argument)| format!("{name}: {}", fields::shown(&argument.ty)))
        .collect();
    format!("({}): {}", arguments.join(", "), fields::shown(&field.ty))
}
