//! Fields that not every reader may read.

use crate::schema::diagnostic::Problems;
use crate::schema::directives::model::subscription_level;
use crate::schema::document::TypeNode;
use crate::schema::model::{Field, Model};
use crate::schema::roles;

/// A required field that some reader of the model may not read would break every answer of a mutation
/// (`transformer` 8.6).
pub(crate) fn check_required_fields(node: &TypeNode, model: &Model, problems: &mut Problems) {
    let quiet = matches!(subscription_level(node), Some("off" | "public"));
    if quiet || model.fields.values().all(|field| field.auth.is_none()) {
        return;
    }
    let matrix = roles::Matrix::of(model);
    let hidden: Vec<&Field> = model
        .fields
        .values()
        .filter(|field| field.ty.required && matrix.is_hidden_from_some_reader(&field.name))
        .collect();
    for field in hidden {
        problems.error(
            "auth-required-field",
            field.span,
            format!(
                "`{}.{}` is required, but not everyone who may read the model may read it.",
                model.name, field.name
            ),
            "Remove the `!`, or give the field rules with `read` for all who may read any field.",
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::schema::testing::codes;

    #[test]
    fn a_required_field_that_a_reader_may_not_read_is_refused() {
        let text = |arguments: &str, field: &str| {
            format!(
                "type A @model{arguments} @auth(rules: [{{allow: public}}]) {{ id: ID! name: String! {field} }}"
            )
        };
        let secret = "s: String @auth(rules: [{allow: owner}])";
        assert_eq!(codes(&text("", secret)), ["auth-required-field"; 2]);
        assert_eq!(
            codes(&text("(subscriptions: {level: off})", secret)),
            [""; 0]
        );
        assert_eq!(
            codes(&text("", "s: String @auth(rules: [{allow: public}])")),
            [""; 0]
        );
        assert_eq!(
            codes("type A @model { id: ID! name: String! @auth(rules: [{allow: owner}]) }"),
            ["auth-required-field"]
        );
    }
}
