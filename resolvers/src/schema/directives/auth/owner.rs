//! The fields that name the owner of a record.

use crate::schema::diagnostic::{Problems, Span};
use crate::schema::model::{Allow, AuthRule, Base, Field, FieldType, Model, Origin, Scalar};
use crate::schema::source::is_name;

/// An owner named by several claims is not known when the sort key is computed, so it cannot be a part of it.
pub(super) fn check_sort_key(model: &Model, problems: &mut Problems) {
    let owned = model.auth.iter().find_map(|rule| match &rule.allow {
        Allow::Owner { field, claim } if claim.contains("::") && model.key.sort.contains(field) => {
            Some((field, rule.span))
        }
        _ => None,
    });
    if let Some((field, span)) = owned {
        problems.error(
            "auth-owner-sort-key",
            span,
            format!(
                "`{}.{field}` is a sort field of the primary key, so it cannot name the owner.",
                model.name
            ),
            "Use another field for the owner, or for the sort key.",
        );
    }
}

/// Adds the owner fields that rules speak of and nobody declared.
pub(crate) fn add_owner_fields(model: &mut Model, problems: &mut Problems) {
    let own = model
        .fields
        .values()
        .filter_map(|field| field.auth.as_ref());
    let all: Vec<AuthRule> = own.flatten().chain(&model.auth).cloned().collect();
    for rule in &all {
        match &rule.allow {
            Allow::Owner { field, .. } if !model.fields.contains_key(field) => {
                add_owner_field(model, field, rule.span, problems);
            }
            Allow::GroupsField { field, .. } if !model.fields.contains_key(field) => {
                problems.warning(
                    "auth-groups-field-missing",
                    rule.span,
                    format!(
                        "`{}` has no field `{field}`, so this rule lets nobody in.",
                        model.name
                    ),
                    format!("Declare it: `{field}: [String]`."),
                );
            }
            _ => {}
        }
    }
}

fn add_owner_field(model: &mut Model, name: &str, span: Span, problems: &mut Problems) {
    if !is_name(name) || name.starts_with("__") {
        problems.error(
            "auth-owner-field",
            span,
            format!("`{name}` cannot be the name of a field."),
            "Name a field of the model with `ownerField`.",
        );
        return;
    }
    let alike = model
        .fields
        .keys()
        .find(|known| known.eq_ignore_ascii_case(name));
    if let Some(alike) = alike {
        problems.warning(
            "auth-owner-field-case",
            span,
            format!(
                "`{}` gets a field `{name}` for its owner beside `{alike}`.",
                model.name
            ),
            format!("Write `ownerField: \"{alike}\"` if that is what you mean."),
        );
    }
    let ty = FieldType::single(Base::Scalar(Scalar::String), false);
    let field = Field::new(name, ty, Origin::Owner, model.span);
    model.fields.insert(name.to_owned(), field);
}

#[cfg(test)]
mod tests {
    use crate::schema::model::{Model, Origin};
    use crate::schema::testing::{codes, model};

    #[test]
    fn an_owner_field_nobody_declared_is_added() {
        let text = "type A @model @auth(rules: [{allow: owner}, {allow: owner, ownerField: \"by\"}]) { by: ID secret: Int @auth(rules: [{allow: owner, ownerField: \"keeper\"}]) }";
        let model: Model = model(text, "A");
        let added: Vec<&str> = model
            .fields
            .values()
            .filter(|field| field.origin == Origin::Owner)
            .map(|field| field.name.as_str())
            .collect();
        assert_eq!(added, ["keeper", "owner"]);
    }

    #[test]
    fn an_owner_of_several_claims_is_no_part_of_the_key() {
        assert_eq!(
            codes(
                "type A @model @auth(rules: [{allow: owner}]) { a: ID! @primaryKey(sortKeyFields: [\"owner\"]) owner: String! }"
            ),
            ["auth-owner-sort-key"]
        );
        assert_eq!(
            codes(
                "type A @model @auth(rules: [{allow: owner, identityClaim: \"sub\"}]) { a: ID! @primaryKey(sortKeyFields: [\"owner\"]) owner: String! }"
            ),
            [""; 0]
        );
    }
}
