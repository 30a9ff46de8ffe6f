//! The default of an input's field, checked against the field's type.

use crate::api::scalars;

use super::diagnostic::Problems;
use super::document::{Document, FieldNode, Kind, Value};
use super::model::{Base, ElementsRequired, Field};

/// The default of a field as JSON, if it has one that it can have.
pub(crate) fn checked(
    document: &Document,
    field: &Field,
    node: &FieldNode,
    problems: &mut Problems,
) -> Option<serde_json::Value> {
    let given = node.default.as_ref()?;
    if fits(document, field, given) {
        return Some(given.to_json());
    }
    problems.error(
        "default-value",
        given.span,
        format!("The default of `{}` is not of its type.", field.name),
        format!(
            "Write a value of {}, or remove the default.",
            field.ty.base.name()
        ),
    );
    None
}

fn fits(document: &Document, field: &Field, value: &Value) -> bool {
    let lists: Vec<ElementsRequired> = field.ty.lists().collect();
    value_fits(document, &field.ty.base, field.ty.required, &lists, value)
}

fn value_fits(
    document: &Document,
    base: &Base,
    required: bool,
    lists: &[ElementsRequired],
    value: &Value,
) -> bool {
    if value.is_null() {
        return !required;
    }
    let [elements, inner @ ..] = lists else {
        return single(document, base, value);
    };
    let mut items = value.items().unwrap_or_default().iter();
    items.all(|item| value_fits(document, base, elements.0, inner, item))
}

fn single(document: &Document, base: &Base, value: &Value) -> bool {
    match (base, &value.kind) {
        (_, Kind::Null | Kind::List(_)) => false,
        (Base::Scalar(scalar), Kind::Text(_) | Kind::Number(_) | Kind::Boolean(_)) => {
            scalars::coerce(*scalar, &value.to_json()).is_ok()
        }
        (Base::Enum(name), Kind::Word(word)) => document
            .enums
            .get(name)
            .is_some_and(|declared| declared.values.contains(word)),
        (Base::Object(name), Kind::Object(fields)) => {
            document.inputs.get(name).is_some_and(|input| {
                fields
                    .iter()
                    .all(|field| input.field(&field.name).is_some())
            })
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::schema::load;
    use crate::schema::testing::codes;

    fn input(field: &str) -> String {
        format!(
            "enum E {{ LOW HIGH }} input Other {{ a: Int }} input Some {{ a: {field} }} type T {{ b: Int }}"
        )
    }

    #[test]
    fn defaults_are_values_of_their_fields() {
        for (field, json) in [
            ("Int! = 5", "5"),
            ("Float = 1.50", "1.50"),
            ("ID = \"x\"", "\"x\""),
            ("Boolean = true", "true"),
            ("E = HIGH", "\"HIGH\""),
            ("[E] = [LOW, null]", "[\"LOW\",null]"),
            ("[Int!] = 5", "5"),
            ("String = null", "null"),
            ("Other = {a: 1}", "{\"a\":1}"),
        ] {
            let loaded = load(&input(field)).expect("the default is one");
            let default = loaded.schema.inputs["Some"].fields["a"].default.as_ref();
            assert_eq!(
                default.map(ToString::to_string).as_deref(),
                Some(json),
                "{field}"
            );
        }
    }

    #[test]
    fn other_defaults_are_refused() {
        for field in [
            "Int = 1.5",
            "Int! = null",
            "String = LOW",
            "E = MIDDLE",
            "E = \"LOW\"",
            "[Int!] = [null]",
            "Int = [1]",
            "Other = {b: 1}",
        ] {
            assert_eq!(codes(&input(field)), ["default-value"], "{field}");
        }
    }
}
