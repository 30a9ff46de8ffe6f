//! What `@validate` asks of the values a client sends (`transformer` 6.5): in schema order, and the first failure ends
//! the request. Absent values and nulls are asked nothing.

use serde_json::Value;

use crate::Fields;
use crate::api::error::FieldError;
use crate::schema::model::{Check, Field, Model, Validation};

/// Checks the values of an input.
pub(super) fn check(model: &Model, input: &Fields) -> Result<(), FieldError> {
    for field in model.fields.values() {
        let Some(value) = input.get(&field.name).filter(|value| !value.is_null()) else {
            continue;
        };
        let failed = field.validations.iter().find(|it| !holds(&it.check, value));
        if let Some(validation) = failed {
            return Err(FieldError::untyped(message(model, field, validation)));
        }
    }
    Ok(())
}

fn holds(check: &Check, value: &Value) -> bool {
    let number = |compare: fn(&f64, &f64) -> bool, bound: &f64| {
        value.as_f64().is_some_and(|number| compare(&number, bound))
    };
    let text = |holds: &dyn Fn(&str) -> bool| value.as_str().is_some_and(holds);
    // Lengths are those of Java and JavaScript: UTF-16 units.
    let length = |text: &str| text.encode_utf16().count();
    match check {
        Check::GreaterThan(bound) => number(f64::gt, bound),
        Check::LessThan(bound) => number(f64::lt, bound),
        Check::AtLeast(bound) => number(f64::ge, bound),
        Check::AtMost(bound) => number(f64::le, bound),
        Check::MinLength(bound) => text(&|text| length(text) >= *bound),
        Check::MaxLength(bound) => text(&|text| length(text) <= *bound),
        Check::StartsWith(start) => text(&|text| text.starts_with(start.as_str())),
        Check::EndsWith(end) => text(&|text| text.ends_with(end.as_str())),
        Check::Matches(pattern) => text(&|text| pattern.matches(text)),
    }
}

fn message(model: &Model, field: &Field, validation: &Validation) -> String {
    if let Some(message) = &validation.message {
        return message.clone();
    }
    let must = match validation.check {
        Check::GreaterThan(_) => "be greater than",
        Check::LessThan(_) => "be less than",
        Check::AtLeast(_) => "be greater than or equal to",
        Check::AtMost(_) => "be less than or equal to",
        Check::MinLength(_) => "have a minimum length of",
        Check::MaxLength(_) => "have a maximum length of",
        Check::StartsWith(_) => "start with",
        Check::EndsWith(_) => "end with",
        Check::Matches(_) => "match",
    };
    format!(
        "Field {} of type {} must {must} {}",
        field.name, model.name, validation.operand
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::check;
    use crate::schema::testing::model;

    /// What a client hears that sends this value.
    fn answer(ty: &str, validations: &str, value: &serde_json::Value) -> String {
        let text = format!("type A @model {{ id: ID! f: {ty} {validations} }}");
        let input = json!({ "f": value })
            .as_object()
            .cloned()
            .unwrap_or_default();
        match check(&model(&text, "A"), &input) {
            Ok(()) => String::new(),
            Err(error) => error.message,
        }
    }

    #[test]
    fn values_are_compared_with_the_operand() {
        for (ty, kind, operand, good, bad, must) in [
            ("Int", "gt", "5", json!(6), json!(5), "be greater than 5"),
            (
                "Float",
                "lt",
                "1.5",
                json!(1.4),
                json!(1.5),
                "be less than 1.5",
            ),
            (
                "Int",
                "gte",
                "-1",
                json!(-1),
                json!(-2),
                "be greater than or equal to -1",
            ),
            (
                "Float!",
                "lte",
                "1e3",
                json!(1000),
                json!(1000.5),
                "be less than or equal to 1e3",
            ),
            (
                "String",
                "minLength",
                "2",
                json!("äö"),
                json!("ä"),
                "have a minimum length of 2",
            ),
            (
                "String",
                "maxLength",
                "2",
                json!("😀"),
                json!("😀a"),
                "have a maximum length of 2",
            ),
            (
                "String",
                "startsWith",
                "ab",
                json!("abc"),
                json!("bab"),
                "start with ab",
            ),
            (
                "String",
                "endsWith",
                "ab",
                json!("cab"),
                json!("aba"),
                "end with ab",
            ),
            (
                "String",
                "matches",
                "[a-z]+",
                json!("abc"),
                json!("abc1"),
                "match [a-z]+",
            ),
            (
                "String",
                "matches",
                "(?=.*[A-Z])(?=.*[0-9]).{8,}",
                json!("Passw0rd"),
                json!("password"),
                "match (?=.*[A-Z])(?=.*[0-9]).{8,}",
            ),
        ] {
            let validation = format!("@validate(type: {kind}, value: \"{operand}\")");
            assert_eq!(answer(ty, &validation, &good), "", "{kind}");
            assert_eq!(answer(ty, &validation, &json!(null)), "", "{kind}");
            let expected = format!("Field f of type A must {must}");
            assert_eq!(answer(ty, &validation, &bad), expected);
        }
    }

    #[test]
    fn the_first_failure_is_told_in_the_words_of_the_schema() {
        let both = r#"@validate(type: gt, value: "1") @validate(type: lt, value: "9", errorMessage: "too much")"#;
        assert_eq!(answer("Int", both, &json!(9)), "too much");
        assert_eq!(
            answer("Int", both, &json!(1)),
            "Field f of type A must be greater than 1"
        );
    }

    #[test]
    fn a_pattern_that_takes_for_ever_matches_nothing() {
        let slow = r#"@validate(type: matches, value: "(a+)+(?!c)b\\1")"#;
        assert_ne!(answer("String", slow, &json!("a".repeat(200))), "");
    }
}
