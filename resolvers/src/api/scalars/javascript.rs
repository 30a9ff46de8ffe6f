//! What DataStore for JavaScript takes. It checks every value that it syncs by patterns of its own, stricter here and
//! there than AppSync's grammar, and one value that fails stops it for good (`client-js` 9.4, `errata.md` row 58).

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::Value;
use url::Url;

use crate::schema::model::Scalar;

/// Whether the client takes a value that is of the JSON type of its scalar.
pub(crate) fn takes(scalar: Scalar, value: &Value) -> bool {
    match (scalar, value) {
        (Scalar::AwsTimestamp, value) => value.as_i64().is_none_or(|time| time >= 0),
        (_, Value::String(text)) => takes_text(scalar, text),
        _ => true,
    }
}

fn takes_text(scalar: Scalar, text: &str) -> bool {
    let bytes = text.as_bytes();
    match scalar {
        Scalar::AwsDate => date(bytes).is_some_and(is_zone),
        Scalar::AwsTime => time(bytes).is_some_and(is_zone),
        Scalar::AwsDateTime => date(bytes)
            .and_then(|rest| time(rest.strip_prefix(b"T")?))
            .is_some_and(is_zone),
        Scalar::AwsEmail => is_email(text),
        Scalar::AwsUrl => Url::parse(text).is_ok(),
        Scalar::AwsPhone => is_phone(bytes),
        Scalar::AwsIpAddress => is_ip_address(text),
        Scalar::AwsJson => super::is_json_document(text),
        _ => true,
    }
}

/// `0000-00-00`; the rest.
fn date(text: &[u8]) -> Option<&[u8]> {
    let (date, rest) = text.split_at_checked(10)?;
    is_like(date, b"0000-00-00").then_some(rest)
}

/// `00:00`, with or without seconds and a fraction; the rest.
fn time(text: &[u8]) -> Option<&[u8]> {
    let (minutes, rest) = text.split_at_checked(5)?;
    if !is_like(minutes, b"00:00") {
        return None;
    }
    let rest = match rest.split_at_checked(3) {
        Some((seconds, rest)) if is_like(seconds, b":00") => rest,
        _ => return Some(rest),
    };
    let fraction = rest.strip_prefix(b".").unwrap_or_default();
    let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit());
    match digits.count() {
        0 => Some(rest),
        digits => Some(&fraction[digits..]),
    }
}

fn is_zone(text: &[u8]) -> bool {
    let is_offset = || {
        let offset = text.strip_prefix(b"+").or_else(|| text.strip_prefix(b"-"));
        offset.is_some_and(|text| is_like(text, b"00:00") || is_like(text, b"00:00:00"))
    };
    text.is_empty() || text == b"Z" || is_offset()
}

/// Whether a text has digits where the pattern has zeros, and equals it elsewhere.
fn is_like(text: &[u8], pattern: &[u8]) -> bool {
    let fits = |(byte, wanted): (&u8, &u8)| match wanted {
        b'0' => byte.is_ascii_digit(),
        wanted => byte == wanted,
    };
    text.len() == pattern.len() && text.iter().zip(pattern).all(fits)
}

fn is_email(text: &str) -> bool {
    let is_local =
        |byte: u8| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte);
    let is_label = |label: &str| {
        let edges = [label.bytes().next(), label.bytes().last()];
        let alphanumeric =
            |byte: &Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
        edges.iter().all(alphanumeric)
            && label.len() <= 63
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && local.bytes().all(is_local) && domain.split('.').all(is_label)
    })
}

fn is_phone(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    let is_part = |byte: &u8| byte.is_ascii_digit() || *byte == b'-' || byte.is_ascii_whitespace();
    digits.len() > 1 && digits[0].is_ascii_digit() && digits.iter().all(is_part)
}

/// Without the prefix length that AppSync allows.
fn is_ip_address(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok() || text.parse::<Ipv6Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(scalar: Scalar, taken: &[&str], refused: &[&str]) {
        for text in taken {
            assert!(takes(scalar, &json!(text)), "{text} is taken");
        }
        for text in refused {
            assert!(!takes(scalar, &json!(text)), "{text} is refused");
        }
    }

    #[test]
    fn dates_and_times_have_their_patterns() {
        check(
            Scalar::AwsDate,
            &[
                "2024-02-29",
                "2024-02-29Z",
                "2024-02-29+05:30",
                "2024-02-29-07:00:00",
            ],
            &[
                "-2024-02-29",
                "12024-02-29",
                "2024-2-29",
                "2024-02-29T",
                "2024-02-29+5",
                "",
            ],
        );
        check(
            Scalar::AwsTime,
            &[
                "12:30",
                "12:30Z",
                "12:30:45",
                "12:30:45.1",
                "12:30:45.123456Z",
                "12:30+05:30",
                "12:30:45-07:00:00",
            ],
            &["12", "1:30", "12:30:", "12:30:45.", "12:30:45.Z", "12:30 Z"],
        );
        check(
            Scalar::AwsDateTime,
            &[
                "2024-02-29T12:30Z",
                "2024-02-29T12:30:45.123Z",
                "2024-02-29T12:30:45+05:30",
                "2024-02-29T12:30",
            ],
            &[
                "-2024-02-29T12:30Z",
                "2024-02-29 12:30Z",
                "2024-02-29",
                "2024-02-29T",
            ],
        );
    }

    #[test]
    fn a_time_is_not_before_1970() {
        for (time, taken) in [
            ("0", true),
            ("-0", true),
            ("1700000000000", true),
            ("-1", false),
        ] {
            let value = serde_json::from_str(time).unwrap();
            assert_eq!(takes(Scalar::AwsTimestamp, &value), taken, "{time}");
        }
    }

    #[test]
    fn addresses_and_numbers_have_their_patterns() {
        check(
            Scalar::AwsEmail,
            &[
                "a@b.co",
                "first.last+tag@example.com",
                "a@localhost",
                "o'hara@b-c.org",
            ],
            &[
                "ü@b.co",
                "a@münchen.de",
                "\"a b\"@c.de",
                "a@b..co",
                "a@-b.co",
                "a@b@c",
                "@b.co",
                "a",
            ],
        );
        check(
            Scalar::AwsPhone,
            &["+12065550100", "206-555-0100", "1 206 555 0100"],
            &["+", "1", "(206) 555-0100", "+1x", "-12"],
        );
        check(
            Scalar::AwsIpAddress,
            &[
                "123.45.67.89",
                "::1",
                "1a2b:3c4b::1234:4567",
                "::ffff:1.2.3.4",
            ],
            &["123.45.67.89/16", "::1/64", "1.2.3", "x"],
        );
        check(Scalar::AwsUrl, &["https://a.example/b"], &["a.example"]);
        check(
            Scalar::AwsJson,
            &["{}", "[1]", "null"],
            &["5", "\"a\"", "{a}"],
        );
    }
}
