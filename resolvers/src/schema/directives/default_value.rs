//! `@default(value: "…")`: what a new record has where the client sends nothing (`transformer` 6.4).

use serde_json::{Number, Value};

use super::{Directive, Parameter, Shape, Site};
use crate::schema::diagnostic::Problems;
use crate::schema::model::{Base, EnumType, Model, Scalar};
use crate::schema::parse::{Document, TypeNode};
use crate::schema::suggestion::did_you_mean;

/// See the module.
pub(crate) const DEFAULT: Directive = Directive {
    name: "default",
    site: Site::ModelField,
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

/// The value a text stands for. Numbers keep their literal.
fn of_scalar(scalar: Scalar, text: &str) -> Option<Value> {
    let valid = match scalar {
        Scalar::Id | Scalar::String => !text.contains('\0'),
        Scalar::Int => return whole(text, i64::from(i32::MIN), i64::from(i32::MAX)),
        Scalar::AwsTimestamp => return whole(text, i64::MIN, i64::MAX),
        Scalar::Float => return number(text),
        Scalar::Boolean => {
            return match text {
                "true" => Some(Value::Bool(true)),
                "false" => Some(Value::Bool(false)),
                _ => None,
            };
        }
        Scalar::AwsDate => text.get(..10).is_some_and(is_date) && offset(&text[10..], true),
        Scalar::AwsTime => is_time(text),
        Scalar::AwsDateTime => text
            .split_once('T')
            .is_some_and(|(date, time)| is_date(date) && has_offset(time) && is_time(time)),
        // Text of JSON other than an object, an array or null stops JavaScript clients (`errata` row 58).
        Scalar::AwsJson => serde_json::from_str(text)
            .is_ok_and(|value: Value| value.is_object() || value.is_array() || value.is_null()),
        Scalar::AwsEmail => email_address::EmailAddress::is_valid(text),
        Scalar::AwsUrl => url::Url::parse(text).is_ok(),
        Scalar::AwsPhone => is_phone(text),
        Scalar::AwsIpAddress => is_address(text),
    };
    valid.then(|| Value::String(text.to_owned()))
}

fn whole(text: &str, least: i64, most: i64) -> Option<Value> {
    let value: i64 = text.parse().ok()?;
    let plain = !text.starts_with('+');
    (plain && (least..=most).contains(&value)).then(|| Value::Number(value.into()))
}

fn number(text: &str) -> Option<Value> {
    let number: Number = serde_json::from_str(text.trim()).ok()?;
    let finite = number.as_f64().is_some_and(f64::is_finite);
    finite.then_some(Value::Number(number))
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
}

/// `hh:mm`, `hh:mm:ss` or `hh:mm:ss.sss`, then an optional offset.
fn is_time(text: &str) -> bool {
    let end = text.find(['Z', '+', '-']).unwrap_or(text.len());
    let (time, rest) = text.split_at(end);
    let parts: Vec<&str> = time.splitn(3, ':').collect();
    let two_digits = |part: &str, most: u32| {
        part.len() == 2
            && part.bytes().all(|b| b.is_ascii_digit())
            && part.parse().is_ok_and(|n: u32| n <= most)
    };
    let seconds = parts.get(2).is_none_or(|part| {
        let (whole, fraction) = part.split_once('.').unwrap_or((part, "0"));
        let digits =
            (1..=9).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
        two_digits(whole, 59) && digits
    });
    parts.len() >= 2
        && two_digits(parts[0], 23)
        && two_digits(parts[1], 59)
        && seconds
        && offset(rest, true)
}

fn has_offset(time: &str) -> bool {
    time.contains(['Z', '+', '-'])
}

/// `Z` or `±hh:mm[:ss]`.
fn offset(text: &str, may_be_absent: bool) -> bool {
    let Some(digits) = text.strip_prefix(['+', '-']) else {
        return text == "Z" || (may_be_absent && text.is_empty());
    };
    let parts: Vec<&str> = digits.split(':').collect();
    let well_formed = parts
        .iter()
        .all(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()) && *part < "60");
    (2..=3).contains(&parts.len()) && well_formed && parts[0] <= "18"
}

fn is_phone(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let shape = text
        .strip_prefix('+')
        .unwrap_or(text)
        .chars()
        .all(|c| c.is_ascii_digit() || matches!(c, ' ' | '-'));
    shape && (5..=15).contains(&digits)
}

/// An IPv4 or IPv6 address, with an optional prefix length.
fn is_address(text: &str) -> bool {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, prefix.parse::<u8>().ok()),
        None => (text, Some(0)),
    };
    match (address.parse(), prefix) {
        (Ok(std::net::IpAddr::V4(_)), Some(prefix)) => prefix <= 32,
        (Ok(std::net::IpAddr::V6(_)), Some(prefix)) => prefix <= 128,
        _ => false,
    }
}

fn example(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::Id | Scalar::String => "Write a text without the character NUL.",
        Scalar::Int => "Write a whole number of 32 bits, such as \"5\".",
        Scalar::Float => "Write a number, such as \"1.5\".",
        Scalar::Boolean => "Write \"true\" or \"false\".",
        Scalar::AwsDate => "Write a date, such as \"2024-01-31\".",
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
            ("AWSTime", "12:30", "\"12:30\""),
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
            ("AWSIPAddress", "10.0.0.0/8", "\"10.0.0.0/8\""),
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
