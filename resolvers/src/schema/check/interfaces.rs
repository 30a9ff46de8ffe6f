//! Types that implement interfaces have what these ask for.

use indexmap::IndexMap;

use crate::schema::diagnostic::Problems;
use crate::schema::document::TypeNode;
use crate::schema::draft::Draft;
use crate::schema::model::{Base, Field, FieldType};

/// Reports interfaces that do not exist, and fields of them that are missing or of another type.
pub(super) fn check(draft: &Draft<'_>, problems: &mut Problems) {
    for node in draft.document.types.values() {
        let fields = match draft.models.get(&node.name) {
            Some(model) => &model.fields,
            None => match draft.types.get(&node.name) {
                Some(ty) => &ty.fields,
                None => continue,
            },
        };
        implemented(draft, node, fields, problems);
    }
    for node in draft.document.interfaces.values() {
        implemented(draft, node, &draft.interfaces[&node.name].fields, problems);
    }
}

fn implemented(
    draft: &Draft<'_>,
    node: &TypeNode,
    fields: &IndexMap<String, Field>,
    problems: &mut Problems,
) {
    for (name, span) in &node.implements {
        let Some(interface) = draft.interfaces.get(name) else {
            if !draft.document.refused.contains(name) {
                problems.error(
                    "unknown-interface",
                    *span,
                    format!("There is no interface `{name}`."),
                    format!("Declare it, or remove `implements {name}`."),
                );
            }
            continue;
        };
        for asked in interface.fields.values() {
            let fits = fields
                .get(&asked.name)
                .is_some_and(|field| may_stand_for(draft, &field.ty, &asked.ty));
            if !fits {
                problems.error(
                    "interface-field",
                    *span,
                    format!(
                        "`{}` implements `{name}`, but has no field `{}` of its type.",
                        node.name, asked.name
                    ),
                    format!(
                        "Declare `{}` as the interface does, or remove `implements {name}`.",
                        asked.name
                    ),
                );
            }
        }
    }
}

/// Whether a field of a type may be where an interface's field is: the same type, a narrower one, or a required one.
fn may_stand_for(draft: &Draft<'_>, field: &FieldType, asked: &FieldType) -> bool {
    let elements = match (field.list, asked.list) {
        (None, None) => true,
        (Some(ours), Some(theirs)) => ours.0 || !theirs.0,
        _ => false,
    };
    let inner = field.inner.len() == asked.inner.len();
    elements && inner && (field.required || !asked.required) && {
        field.base == asked.base || is_one_of(draft, &field.base, &asked.base)
    }
}

fn is_one_of(draft: &Draft<'_>, one: &Base, several: &Base) -> bool {
    let (Base::Object(name) | Base::Model(name) | Base::Abstract(name), Base::Abstract(several)) =
        (one, several)
    else {
        return false;
    };
    let document = draft.document;
    let node = document.types.get(name).or(document.interfaces.get(name));
    let implements = node.is_some_and(|node| node.implements.iter().any(|(it, _)| it == several));
    let member = document
        .unions
        .get(several)
        .is_some_and(|union| union.members.iter().any(|(it, _)| it == name));
    implements || member
}
