//! `AWSEmail`, `AWSURL`, `AWSPhone`, `AWSIPAddress`.

use std::net::{Ipv4Addr, Ipv6Addr};

use email_address::{EmailAddress, Options};
use url::Url;

/// `local@domain`, without a display name.
pub(super) fn is_email(text: &str) -> bool {
    let options = Options::default().without_display_text();
    EmailAddress::parse_with_options(text, options).is_ok()
}

/// A URL with its scheme and, where the scheme has an authority, `//` before it and none in the path.
pub(super) fn is_url(text: &str) -> bool {
    if text.contains(|letter: char| letter.is_ascii_control() || letter == ' ') {
        return false;
    }
    let Ok(url) = Url::parse(text) else {
        return false;
    };
    let after_scheme = &text[url.scheme().len()..];
    (!is_special(url.scheme()) || after_scheme.starts_with("://")) && !url.path().contains("//")
}

/// The schemes whose missing slashes URL parsers of browsers put in.
fn is_special(scheme: &str) -> bool {
    matches!(scheme, "http" | "https" | "ws" | "wss" | "ftp" | "file")
}

/// Digit groups, separated by spaces or hyphens; without a country code it is a North American number.
pub(super) fn is_phone(text: &str) -> bool {
    let national = text.strip_prefix('+').unwrap_or(text);
    if !is_digit_groups(national) {
        return false;
    }
    if text.starts_with('+') {
        return phonelib::is_valid_phone_number(text);
    }
    let digits = national.bytes().filter(u8::is_ascii_digit).count();
    let code = if digits == 10 { "+1" } else { "+" };
    phonelib::extract_country(&format!("{code}{national}"))
        .is_some_and(|country| country.prefix == 1)
}

/// Digits first and last, at most one separator between two of them.
fn is_digit_groups(text: &str) -> bool {
    !text.is_empty()
        && text
            .split([' ', '-'])
            .all(|group| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit()))
}

/// An IPv4 or IPv6 address, with an optional prefix length (`/16`).
pub(super) fn is_ip_address(text: &str) -> bool {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let longest = if address.parse::<Ipv4Addr>().is_ok() {
        32
    } else if address.parse::<Ipv6Addr>().is_ok() {
        128
    } else {
        return false;
    };
    prefix.is_none_or(|prefix| is_prefix_length(prefix, longest))
}

fn is_prefix_length(text: &str, longest: u8) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
        && text.parse::<u8>().is_ok_and(|length| length <= longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(takes: fn(&str) -> bool, taken: &[&str], refused: &[&str]) {
        for text in taken {
            assert!(takes(text), "{text} is taken");
        }
        for text in refused {
            assert!(!takes(text), "{text} is refused");
        }
    }

    #[test]
    fn an_email_is_an_address_without_a_name() {
        check(
            is_email,
            &[
                "a@b.co",
                "first.last+tag@example.com",
                "o'hara@example.org",
                "a@localhost",
            ],
            &[
                "",
                "a",
                "@b.co",
                "a@",
                "a b@c.de",
                "A <a@b.co>",
                "a@b..co",
                "a@@b.co",
            ],
        );
    }

    #[test]
    fn a_url_has_a_scheme() {
        check(
            is_url,
            &[
                "https://www.example.com/dp/B000?x=1#y",
                "http://localhost:3000",
                "mailto:a@b.co",
                "ftp://example.com/f",
                "https://example.com/?next=https://other.example",
                "https://münchen.example/ä",
            ],
            &[
                "",
                "example.com",
                "//example.com/a",
                "/a/b",
                "http:example.com",
                "https://",
                "https://exa mple.com",
                "https://example.com/a//b",
                " https://example.com",
                "https://example.com\n",
            ],
        );
    }

    #[test]
    fn a_phone_number_is_groups_of_digits_of_a_known_plan() {
        check(
            is_phone,
            &[
                "+12065550100",
                "+1 206-555-0100",
                "206-555-0100",
                "206 555 0100",
                "1-206-555-0100",
                "+49 30 901820",
                "+44 20 7946 0958",
            ],
            &[
                "",
                "+",
                "abc",
                "555-0100",
                "+999 12345678",
                "+1 206",
                "(206) 555-0100",
                "206--555-0100",
                "+1 206-555-0100 x5",
                "+1 206 555 0100 ",
            ],
        );
    }

    #[test]
    fn an_ip_address_may_have_a_prefix_length() {
        check(
            is_ip_address,
            &[
                "123.45.67.89",
                "123.45.67.89/16",
                "0.0.0.0/0",
                "::1",
                "1a2b:3c4b::1234:4567",
                "1a2b:3c4b::1234:4567/128",
                "::ffff:1.2.3.4",
            ],
            &[
                "",
                "1.2.3",
                "256.1.1.1",
                "01.2.3.4",
                "1.2.3.4/33",
                "1.2.3.4/",
                "1.2.3.4/+1",
                "[::1]",
                "::1/129",
                "fe80::1%eth0",
                "1.2.3.4/1/2",
            ],
        );
    }
}
