//! The scalars: which values AppSync takes, and which stored values are fit to be sent.
//!
//! A value that is taken is kept as it came, never formatted anew: clients compare the echo with what they sent
//! (`sync-semantics` MUT-11). The one exception is an integer given for an `ID`, which becomes a string.

pub(crate) mod javascript;
mod network;
mod temporal;

use serde::de::IgnoredAny;
use serde_json::Value;

use crate::schema::model::Scalar;

/// The value of an argument or input field of this scalar, or why it is none. Null is the caller's business.
///
/// Beyond AppSync's grammar, `AWSJSON` must hold an object, an array or null, because a bare value stops DataStore for
/// JavaScript (`errata` 58).
pub fn coerce(scalar: Scalar, value: &Value) -> Result<Value, String> {
    if scalar == Scalar::Id
        && let Value::Number(number) = value
        && is_integer(number.as_str())
    {
        return Ok(Value::String(number.to_string()));
    }
    if is_taken(scalar, value) {
        return Ok(value.clone());
    }
    Err(refusal(scalar, value))
}

/// Whether a stored value is of the JSON type this scalar is sent as.
#[must_use]
pub fn accepts_output(scalar: Scalar, value: &Value) -> bool {
    match (scalar, value) {
        (Scalar::Boolean, Value::Bool(_)) => true,
        (Scalar::Float, Value::Number(_)) => true,
        (Scalar::Int | Scalar::AwsTimestamp, Value::Number(number)) => is_integer(number.as_str()),
        (scalar, Value::String(_)) => !scalar.is_number() && scalar != Scalar::Boolean,
        _ => false,
    }
}

fn is_taken(scalar: Scalar, value: &Value) -> bool {
    match (scalar, value) {
        (Scalar::Boolean, Value::Bool(_)) => true,
        (Scalar::Int, Value::Number(number)) => is_int(number.as_str()),
        (Scalar::Float, Value::Number(number)) => is_finite(number.as_str()),
        (Scalar::AwsTimestamp, Value::Number(number)) => is_timestamp(number.as_str()),
        (scalar, Value::String(text)) => {
            !scalar.is_number()
                && scalar != Scalar::Boolean
                && !text.contains('\0')
                && is_text_taken(scalar, text)
        }
        _ => false,
    }
}

fn is_text_taken(scalar: Scalar, text: &str) -> bool {
    match scalar {
        Scalar::Id | Scalar::String => true,
        Scalar::AwsDate => temporal::is_date(text),
        Scalar::AwsTime => temporal::is_time(text),
        Scalar::AwsDateTime => temporal::is_date_time(text),
        Scalar::AwsJson => is_json_document(text),
        Scalar::AwsEmail => network::is_email(text),
        Scalar::AwsUrl => network::is_url(text),
        Scalar::AwsPhone => network::is_phone(text),
        Scalar::AwsIpAddress => network::is_ip_address(text),
        Scalar::Int | Scalar::Float | Scalar::Boolean | Scalar::AwsTimestamp => false,
    }
}

/// Digits with an optional minus; JSON has refused leading zeros and a plus already.
fn is_integer(literal: &str) -> bool {
    let digits = literal.strip_prefix('-').unwrap_or(literal);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_int(literal: &str) -> bool {
    is_integer(literal) && literal.parse::<i32>().is_ok()
}

/// Seconds or milliseconds, before or after 1970, as far as a JavaScript number counts exactly.
fn is_timestamp(literal: &str) -> bool {
    const EXACT: i64 = 1 << 53;
    is_integer(literal)
        && literal
            .parse::<i64>()
            .is_ok_and(|value| (-EXACT..=EXACT).contains(&value))
}

fn is_finite(literal: &str) -> bool {
    literal.parse::<f64>().is_ok_and(f64::is_finite)
}

fn is_json_document(text: &str) -> bool {
    let first = text.trim_start_matches([' ', '\t', '\r', '\n']).as_bytes();
    if !matches!(first.first(), Some(b'{' | b'[' | b'n')) {
        return false;
    }
    if text.contains("\\u") {
        // Only a full parse tells escapes that make no character, such as half a surrogate pair.
        return serde_json::from_str::<Value>(text).is_ok();
    }
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

fn refusal(scalar: Scalar, value: &Value) -> String {
    let name = scalar.name();
    let expected = match scalar {
        Scalar::Id => "a string or an integer",
        Scalar::String => "a string of whole characters, without U+0000",
        Scalar::Int => "an integer of 32 bits",
        Scalar::Float => "a finite number",
        Scalar::Boolean => "true or false",
        Scalar::AwsDate => "a date such as 2024-02-29, with an optional offset (Z, +05:30)",
        Scalar::AwsTime => "a time such as 12:30:45.123, with an optional offset (Z, +05:30)",
        Scalar::AwsDateTime => "a date and time with an offset, such as 2024-02-29T12:30:45.123Z",
        Scalar::AwsTimestamp => "an integer, seconds since 1970",
        Scalar::AwsJson => "a string that holds a JSON object, array or null",
        Scalar::AwsEmail => "an email address",
        Scalar::AwsUrl => "a URL with its scheme",
        Scalar::AwsPhone => "a phone number such as +1 206-555-0100",
        Scalar::AwsIpAddress => "an IPv4 or IPv6 address, with an optional prefix length",
    };
    format!(
        "{} is not a valid {name}: expected {expected}.",
        shown(value)
    )
}

/// A value for a message: short values in full, long ones by their beginning.
fn shown(value: &Value) -> String {
    const LONGEST: usize = 80;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    /// Literal JSON, so that numbers keep their text.
    #[track_caller]
    fn check(scalar: Scalar, taken: &[&str], refused: &[&str]) {
        for text in taken {
            let value = parse(text);
            assert_eq!(
                coerce(scalar, &value),
                Ok(value),
                "{} takes {text}",
                scalar.name()
            );
        }
        for text in refused {
            let message = coerce(scalar, &parse(text)).expect_err(text);
            assert!(message.contains(scalar.name()), "{message}");
        }
    }

    #[test]
    fn numbers_keep_their_text() {
        check(
            Scalar::Int,
            &["0", "-0", "2147483647", "-2147483648"],
            &[
                "2147483648",
                "-2147483649",
                "1.5",
                "1.0",
                "1e3",
                r#""1""#,
                "true",
                "[1]",
                "null",
            ],
        );
        check(
            Scalar::Float,
            &[
                "0",
                "1.50",
                "1e3",
                "-0.0",
                "12345678901234567890.123",
                "1E-2",
            ],
            &["1e999", "-1e999", r#""1.5""#, "false", "{}"],
        );
        check(
            Scalar::AwsTimestamp,
            &["0", "-1", "1700000000000", "9007199254740992"],
            &[
                "9007199254740993",
                "99999999999999999999",
                "1.5",
                "1e3",
                r#""1""#,
            ],
        );
    }

    #[test]
    fn booleans_are_true_and_false_only() {
        check(
            Scalar::Boolean,
            &["true", "false"],
            &["0", "1", r#""true""#, "null"],
        );
    }

    #[test]
    fn an_integer_given_for_an_id_becomes_a_string() {
        check(
            Scalar::Id,
            &[r#""a""#, r#""""#],
            &["1.5", "1e3", "true", "[]", r#""a\u0000""#],
        );
        assert_eq!(coerce(Scalar::Id, &json!(12)), Ok(json!("12")));
        let long = parse("123456789012345678901234567890");
        assert_eq!(
            coerce(Scalar::Id, &long),
            Ok(json!("123456789012345678901234567890"))
        );
    }

    #[test]
    fn strings_are_any_text_without_nul() {
        check(
            Scalar::String,
            &[r#""""#, r#""é\n\u0001😀""#],
            &["1", "true", "{}", r#""a\u0000b""#],
        );
    }

    #[test]
    fn json_text_must_hold_an_object_an_array_or_null() {
        check(
            Scalar::AwsJson,
            &[
                r#""{}""#,
                r#"" [1, {\"a\": 1.50}] ""#,
                r#""null""#,
                r#""{\"a\":\"\\ud83d\\ude00\"}""#,
            ],
            &[
                r#""""#,
                r#""5""#,
                r#""true""#,
                r#""\"abc\"""#,
                r#""{a:1}""#,
                r#""{} x""#,
                r#""nul""#,
                r#""[1,]""#,
                r#""{\"a\":\"\\ud83d\"}""#,
                "{}",
                "[]",
                "5",
            ],
        );
    }

    #[test]
    fn a_refusal_quotes_long_values_by_their_beginning() {
        let message = coerce(Scalar::AwsUrl, &json!("é".repeat(500))).unwrap_err();
        assert!(
            message.starts_with("\"éé") && message.contains("…"),
            "{message}"
        );
        assert!(message.len() < 300);
    }

    #[test]
    fn a_stored_value_is_sent_if_its_json_type_fits() {
        let fits = |scalar, text: &str| accepts_output(scalar, &parse(text));
        for scalar in Scalar::ALL {
            assert!(!fits(scalar, "null") && !fits(scalar, "{}") && !fits(scalar, "[]"));
            assert_eq!(fits(scalar, "true"), scalar == Scalar::Boolean);
            assert_eq!(fits(scalar, "1"), scalar.is_number(), "{}", scalar.name());
            assert_eq!(fits(scalar, "1.5"), scalar == Scalar::Float);
            assert_eq!(
                fits(scalar, r#""x""#),
                !scalar.is_number() && scalar != Scalar::Boolean
            );
        }
        assert!(fits(Scalar::Int, "4294967296"));
    }
}
