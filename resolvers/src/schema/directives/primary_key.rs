//! `@primaryKey(sortKeyFields: […])`: a key other than `id`.

use super::{Directive, Parameter, Shape, Site};
use crate::schema::diagnostic::{Problems, Span};
use crate::schema::document::TypeNode;
use crate::schema::keys;
use crate::schema::model::{Field, FieldType, KeyFields, Model, Origin, Scalar};

/// See the module.
pub(crate) const PRIMARY_KEY: Directive = Directive {
    name: "primaryKey",
    sites: &[Site::ModelField],
    repeatable: false,
    parameters: &[Parameter::optional("sortKeyFields", Shape::Texts)],
};

/// Gives the model its key: the one `@primaryKey` names, or `id`, which is added if it is not there.
pub(crate) fn apply(node: &TypeNode, model: &mut Model, problems: &mut Problems) {
    let mut marked = node
        .fields
        .iter()
        .filter_map(|field| Some((field, field.directive("primaryKey")?)));
    let Some((field, applied)) = marked.next() else {
        default_key(node, model, problems);
        return;
    };
    for (second, applied) in marked {
        problems.error(
            "primary-key-repeated",
            applied.span,
            format!(
                "`{}` has a primary key already: `{}`.",
                model.name, field.name
            ),
            format!("Name `{}` in `sortKeyFields` of that one.", second.name),
        );
    }
    model.custom_key = true;
    let sort = applied.texts("sortKeyFields").unwrap_or_default();
    if let Some(key) = keys::checked(
        model,
        (&field.name, field.span),
        &sort,
        "The primary key",
        problems,
    ) {
        all_required(model, &key, applied.span, problems);
        model.key = key;
    }
}

fn all_required(model: &Model, key: &KeyFields, span: Span, problems: &mut Problems) {
    for name in key.fields() {
        if model
            .fields
            .get(name)
            .is_some_and(|field| !field.ty.required)
        {
            problems.error(
                "key-nullable",
                span,
                format!("The primary key: `{}.{name}` may be null.", model.name),
                format!("Write `!` behind the type of `{name}`."),
            );
        }
    }
}

fn default_key(node: &TypeNode, model: &mut Model, problems: &mut Problems) {
    match node.field("id") {
        Some(field) => {
            keys::checked(
                model,
                ("id", field.ty.span),
                &[],
                "The primary key",
                problems,
            );
        }
        None => {
            let id = Field::new(
                "id",
                FieldType::required(Scalar::Id),
                Origin::GeneratedId,
                model.span,
            );
            model.fields.shift_insert(0, "id".to_owned(), id);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::schema::testing::{codes, model};

    #[test]
    fn a_model_without_a_key_gets_an_id_in_front() {
        let todo = model("type Todo @model { name: String }", "Todo");
        assert_eq!(todo.fields.keys().next().map(String::as_str), Some("id"));
        assert_eq!(todo.key.fields().collect::<Vec<_>>(), ["id"]);
        assert!(!todo.custom_key);
    }

    #[test]
    fn a_named_key_has_its_sort_fields_and_adds_no_id() {
        let stock = model(
            "type Stock @model { sku: ID! @primaryKey(sortKeyFields: [\"place\"]) place: String! }",
            "Stock",
        );
        assert_eq!(stock.key.fields().collect::<Vec<_>>(), ["sku", "place"]);
        assert!(stock.custom_key);
        assert!(!stock.fields.contains_key("id"));
    }

    #[test]
    fn keys_are_required_scalars_that_exist() {
        for (fields, code) in [
            ("a: ID @primaryKey", "key-nullable"),
            ("a: [ID!]! @primaryKey", "key-not-scalar"),
            (
                "a: ID! @primaryKey(sortKeyFields: [\"b\"])",
                "key-unknown-field",
            ),
            (
                "a: ID! @primaryKey(sortKeyFields: [\"a\"])",
                "key-repeated-field",
            ),
            (
                "a: ID! @primaryKey(sortKeyFields: [\"b\"]) b: Boolean!",
                "key-boolean",
            ),
            (
                "a: ID! @primaryKey b: ID! @primaryKey",
                "primary-key-repeated",
            ),
            ("id: [ID!]!", "key-not-scalar"),
        ] {
            assert_eq!(
                codes(&format!("type A @model {{ {fields} }}")),
                [code],
                "{fields}"
            );
        }
    }
}
