//! Signature Version 4 as pure functions: the text that is signed, and its signature.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use url::form_urlencoded;

use super::authorization::Authorization;
use crate::auth::credentials::{Credentials, Signed};

/// The signature a signer with this secret makes of this request, in hexadecimal.
pub(super) fn signature(
    secret: &str,
    authorization: &Authorization<'_>,
    date: &str,
    request: &str,
) -> String {
    let scope = format!(
        "{}/{}/{}/aws4_request",
        authorization.date, authorization.region, authorization.service
    );
    let text = format!(
        "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
        hexadecimal(&Sha256::digest(request.as_bytes()))
    );
    let day = keyed(format!("AWS4{secret}").as_bytes(), authorization.date);
    let region = keyed(&day, authorization.region);
    let service = keyed(&region, authorization.service);
    let key = keyed(&service, "aws4_request");
    hexadecimal(&keyed(&key, &text))
}

/// The canonical request; `None` if a header that is said to be signed was not sent.
pub(super) fn request(
    signed: &Signed<'_>,
    path: &str,
    names: &str,
    credentials: &Credentials,
) -> Option<String> {
    let mut headers = String::new();
    for name in names.split(';') {
        let values: Vec<String> = credentials.values(name).map(squeezed).collect();
        if values.is_empty() {
            return None;
        }
        headers.push_str(&format!("{name}:{}\n", values.join(",")));
    }
    Some(format!(
        "{}\n{path}\n{}\n{headers}\n{names}\n{}",
        signed.method,
        query(signed.query),
        digest(signed.body)
    ))
}

/// The SHA-256 digest of a body in hexadecimal.
pub(super) fn digest(body: &[u8]) -> String {
    hexadecimal(&Sha256::digest(body))
}

/// The parameters, each percent-encoded in the one way there is, sorted.
fn query(text: &str) -> String {
    let mut pairs: Vec<(String, String)> = form_urlencoded::parse(text.as_bytes())
        .map(|(name, value)| (encoded(&name), encoded(&value)))
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// A value without outer spaces and with single inner ones.
fn squeezed(value: &str) -> String {
    let words: Vec<&str> = value.split(' ').filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

fn keyed(key: &[u8], text: &str) -> [u8; 32] {
    // A key of any length will do; the error cannot happen.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return [0; 32];
    };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `get-vanilla-query-order-key-case` of Amazon's published test suite.
    #[test]
    fn the_signature_of_the_published_example_is_ours() {
        let mut credentials = Credentials::default();
        credentials.read("Host", "example.amazonaws.com");
        credentials.read("X-Amz-Date", "20150830T123600Z");
        let signed = Signed {
            method: "GET",
            paths: &["/"],
            query: "Param2=value2&Param1=value1",
            body: b"",
        };
        let text = request(&signed, "/", "host;x-amz-date", &credentials).expect("all headers");
        let authorization = Authorization {
            access_key: "AKIDEXAMPLE",
            date: "20150830",
            region: "us-east-1",
            service: "service",
            signed_headers: "host;x-amz-date",
            signature: "",
        };
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        assert_eq!(
            signature(secret, &authorization, "20150830T123600Z", &text),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"
        );
    }

    #[test]
    fn queries_are_sorted_and_encoded_in_one_way() {
        assert_eq!(query("b=2&a=x y&a=%7E"), "a=x%20y&a=~&b=2");
        assert_eq!(query(""), "");
        assert_eq!(query("a"), "a=");
    }

    #[test]
    fn a_header_that_is_signed_but_not_sent_makes_no_request() {
        let credentials = Credentials::default();
        assert_eq!(request(&Signed::CONNECT, "/", "host", &credentials), None);
    }
}
