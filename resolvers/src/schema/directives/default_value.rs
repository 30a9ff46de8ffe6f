//! `@default(value: "…")`: what a new record has where the client sends nothing (`transformer` 6.4).

use serde_json::Value;

use super::{Directive, Parameter, Shape, Site};
use crate::api::scalars;
use crate::schema::diagnostic::Problems;
use crate::schema::document::{Document, TypeNode};
use crate::schema::model::{Base, EnumType, Model, Scalar};
use crate::schema::suggestion::did_you_mean;

/// See the module.
pub(crate) const DEFAULT: Directive = Directive {
    name: "default",
    sites: &[Site::ModelField],
    repeatable: false,
    parameters: &[Parameter::required("value", Shape::Text)],
};

/// Gives the model's fields their defaults.
pub(crate) fn apply(
    node: &TypeNode,
    document: &Document,
    model: &mut Model,
    problems: &mut Problems,
) {
    for declared in &node.fields {
        let (Some(applied), Some(field)) = (
            declared.directive(DEFAULT.name),
            model.fields.get_mut(&declared.name),
        ) else {
            continue;
        };
        let single = field.ty.list.is_none();
        let value = applied.argument("value");
        let span = value.map_or(applied.span, |value| value.span);
        let Some(text) = value.and_then(|value| value.text()) else {
            continue;
        };
        let typed = match &field.ty.base {
            Base::Scalar(scalar) if single => of_scalar(*scalar, text).ok_or_else(|| {
                let help = example(*scalar);
                (
                    format!("\"{text}\" is no {}.", scalar.name()),
                    help.to_owned(),
                )
            }),
            Base::Enum(name) if single => of_enum(document.enums.get(name), text),
            _ => {
                problems.error(
                    "default-not-scalar",
                    applied.span,
                    format!("`{}.{}` cannot have a default.", node.name, field.name),
                    "Only fields with a single scalar or enum value can; remove it.",
                );
                continue;
            }
        };
        match typed {
            Ok(typed) => field.default = Some(typed),
            Err((message, help)) => problems.error("default-value", span, message, help),
        }
    }
}

fn of_enum(declared: Option<&EnumType>, text: &str) -> Result<Value, (String, String)> {
    let values = declared.map_or(&[][..], |declared| &declared.values);
    if values.iter().any(|value| value == text) {
        return Ok(Value::String(text.to_owned()));
    }
    let name = declared.map_or("", |declared| &declared.name);
    let help = format!("Use one of {}.", values.join(", "));
    Err((
        format!("\"{text}\" is no value of `{name}`."),
        did_you_mean(text, values.iter().map(String::as_str), &help),
    ))
}

/// The value a text stands for, by the grammar the API has for it. Numbers keep their literal.
fn of_scalar(scalar: Scalar, text: &str) -> Option<Value> {
    let value = match scalar {
        Scalar::Boolean => Value::Bool(text.parse().ok()?),
        _ if scalar.is_number() => Value::Number(serde_json::from_str(text).ok()?),
        _ => Value::String(text.to_owned()),
    };
    scalars::coerce(scalar, &value)
        .ok()
        .filter(|_| in_full(scalar, text))
}

/// Whether nothing is left out that may be left out of a client's value: the original knows only the long forms.
fn in_full(scalar: Scalar, text: &str) -> bool {
    match scalar {
        Scalar::AwsDate => text.len() == "2024-01-31".len() && !text.starts_with('-'),
        Scalar::AwsTime => is_full_time(text),
        Scalar::AwsDateTime => text
            .split_once('T')
            .is_some_and(|(date, time)| in_full(Scalar::AwsDate, date) && is_full_time(time)),
        Scalar::AwsPhone => text.starts_with('+'),
        Scalar::AwsIpAddress => !text.contains('/'),
        _ => true,
    }
}

/// Whether a time has seconds, and an offset of hours and minutes.
fn is_full_time(time: &str) -> bool {
    let (clock, offset) = match time.find(['Z', '+', '-']) {
        Some(at) => time.split_at(at),
        None => (time, ""),
    };
    clock.split(':').count() == 3 && (offset == "Z" || offset.split(':').count() == 2)
}

fn example(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::Id | Scalar::String => "Write a text without the character NUL.",
        Scalar::Int => "Write a whole number of 32 bits, such as \"5\".",
        Scalar::Float => "Write a number, such as \"1.5\".",
        Scalar::Boolean => "Write \"true\" or \"false\".",
        Scalar::AwsDate => "Write a date without an offset, such as \"2024-01-31\".",
        Scalar::AwsTime => "Write a time, such as \"12:30:00.000Z\".",
        Scalar::AwsDateTime => {
            "Write a time with its offset, such as \"2024-01-31T12:30:00.000Z\"."
        }
        Scalar::AwsTimestamp => "Write seconds since 1970, such as \"1700000000\".",
        Scalar::AwsJson => "Write a JSON object, array or null, such as \"{\\\"a\\\": 1}\".",
        Scalar::AwsEmail => "Write an address, such as \"ann@example.com\".",
        Scalar::AwsUrl => "Write an address, such as \"https://example.com\".",
        Scalar::AwsPhone => "Write a number, such as \"+12025550123\".",
        Scalar::AwsIpAddress => "Write an address, such as \"192.0.2.1\".",
    }
}

#[cfg(test)]
mod tests {
    use crate::schema::testing::{codes, model};

    fn default(ty: &str, value: &str) -> Option<String> {
        let text = format!(
            "enum E {{ LOW HIGH }} type A @model {{ a: {ty} @default(value: \"{value}\") }}"
        );
        model(&text, "A").fields["a"]
            .default
            .as_ref()
            .map(ToString::to_string)
    }

    #[test]
    fn values_have_the_type_of_their_field() {
        for (ty, value, typed) in [
            ("String", "5", "\"5\""),
            ("Int!", "-5", "-5"),
            ("Float", "1.50", "1.50"),
            ("Boolean", "true", "true"),
            ("E!", "HIGH", "\"HIGH\""),
            ("AWSTimestamp", "1700000000", "1700000000"),
            ("AWSJSON", "{\\\"a\\\":1}", "\"{\\\"a\\\":1}\""),
            ("AWSDate", "2024-02-29", "\"2024-02-29\""),
            ("AWSTime", "12:30:00.5Z", "\"12:30:00.5Z\""),
            ("AWSTime", "12:30:00+01:30", "\"12:30:00+01:30\""),
            (
                "AWSDateTime",
                "2024-01-31T12:30:00.000Z",
                "\"2024-01-31T12:30:00.000Z\"",
            ),
            (
                "AWSDateTime",
                "2024-01-31T12:30:00-05:00",
                "\"2024-01-31T12:30:00-05:00\"",
            ),
            ("AWSIPAddress", "10.0.0.8", "\"10.0.0.8\""),
            ("AWSIPAddress", "2001:db8::1", "\"2001:db8::1\""),
            ("AWSPhone", "+1 202-555-0123", "\"+1 202-555-0123\""),
        ] {
            assert_eq!(default(ty, value).as_deref(), Some(typed), "{ty} {value}");
        }
    }

    #[test]
    fn values_of_another_type_are_refused() {
        for (ty, value) in [
            ("Int", "x"),
            ("Int", "1.5"),
            ("Int", "3000000000"),
            ("Float", "1e999"),
            ("Float", "NaN"),
            ("Boolean", "yes"),
            ("E", "high"),
            ("AWSDate", "2023-02-29"),
            ("AWSTime", "25:00"),
            ("AWSDateTime", "2024-01-31"),
            ("AWSDateTime", "2024-01-31T12:30:00"),
            ("AWSEmail", "nobody"),
            ("AWSJSON", "{a:1}"),
            ("AWSJSON", "5"),
            ("AWSPhone", "abc"),
            ("AWSIPAddress", "1.2.3"),
            ("AWSIPAddress", "1.2.3.4/33"),
            ("AWSURL", "here"),
            ("AWSTimestamp", "soon"),
            ("AWSDate", "€€€€"),
            ("AWSDate", "2024-01-31Z"),
            ("AWSDate", "-2024-01-31"),
            ("AWSTime", "12:30:00"),
            ("AWSTime", "12:30Z"),
            ("AWSDateTime", "2024-01-31T12:30Z"),
            ("AWSDateTime", "2024-01-31T12:30:00+01:02:03"),
            ("AWSPhone", "202-555-0123"),
            ("AWSIPAddress", "10.0.0.0/8"),
        ] {
            let text = format!(
                "enum E {{ LOW HIGH }} type A @model {{ a: {ty} @default(value: \"{value}\") }}"
            );
            assert_eq!(codes(&text), ["default-value"], "{ty} {value}");
        }
    }

    #[test]
    fn only_single_scalars_and_enums_have_defaults() {
        let in_model =
            |field: &str| codes(&format!("type T {{ t: Int }} type A @model {{ {field} }}"));
        assert_eq!(
            in_model("a: T @default(value: \"x\")"),
            ["default-not-scalar"]
        );
        assert_eq!(
            in_model("a: [Int] @default(value: \"1\")"),
            ["default-not-scalar"]
        );
        assert_eq!(in_model("a: Int @default(value: 5)"), ["wrong-argument"]);
        assert_eq!(in_model("a: Int @default"), ["missing-argument"]);
        assert_eq!(
            codes("type A { a: Int @default(value: \"5\") }"),
            ["directive-misplaced"]
        );
    }
}
