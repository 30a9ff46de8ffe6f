//! What an upgrade request says: credentials in one of three styles, and the subprotocols it offers
//! (`realtime.md` 1.1, `client-native` R4).

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use super::protocol::{ConnectionRefusal, SUBPROTOCOL};
use crate::auth::Credentials;

/// URL-safe base64, with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The credentials of a connection: from the subprotocol, else the query, else the headers.
pub fn credentials(headers: &HeaderMap, query: &str) -> Result<Credentials, ConnectionRefusal> {
    let from_headers = Credentials::from_headers(headers);
    let mut found = if let Some(text) = subprotocol_credential(headers) {
        decode(&text)?
    } else if let Some(text) = query_credential(query) {
        decode(&text)?
    } else {
        return Ok(from_headers);
    };
    found.agents = found.agents.or(&from_headers.agents);
    Ok(found)
}

/// Whether the client offers the protocol we speak.
#[must_use]
pub fn offers_our_protocol(headers: &HeaderMap) -> bool {
    offered(headers).any(|protocol| protocol == SUBPROTOCOL)
}

fn offered(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

fn subprotocol_credential(headers: &HeaderMap) -> Option<String> {
    offered(headers)
        .find_map(|protocol| protocol.strip_prefix("header-"))
        .map(str::to_owned)
}

/// The `header` of the query string. Old clients do not escape it, so that `+` may look like a space
/// (`client-js` 15).
fn query_credential(query: &str) -> Option<String> {
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, value)| name == "header" && !value.is_empty())
        .map(|(_, value)| value.replace(' ', "+"))
}

fn decode(text: &str) -> Result<Credentials, ConnectionRefusal> {
    let url_safe = text.replace('+', "-").replace('/', "_");
    let bytes = BASE64
        .decode(url_safe)
        .map_err(|_| ConnectionRefusal::Undecodable)?;
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(object)) => Ok(Credentials::from_json(&object)),
        _ => Err(ConnectionRefusal::Undecodable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

    // Encodes to text with `+` and `/` in the standard alphabet.
    const JSON: &str = r#"{"host":"h?>~","x-api-key":"da2-?>?>~~"}"#;

    fn headers(pairs: &[(&'static str, String)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().expect("a header value"));
        }
        headers
    }

    #[test]
    fn the_subprotocol_carries_credentials_of_javascript_clients() {
        let value = format!("graphql-ws,header-{}", BASE64_URL_SAFE_NO_PAD.encode(JSON));
        let headers = headers(&[("sec-websocket-protocol", value)]);
        let found = credentials(&headers, "").expect("credentials");
        assert_eq!(found.api_key.as_deref(), Some("da2-?>?>~~"));
        assert!(offers_our_protocol(&headers));
    }

    #[test]
    fn the_query_carries_credentials_of_older_clients_escaped_or_not() {
        let plain = BASE64_STANDARD.encode(JSON);
        assert!(plain.contains('+') || plain.contains('/'), "{plain}");
        let escaped: String = url::form_urlencoded::byte_serialize(plain.as_bytes()).collect();
        for header in [plain, escaped] {
            let query = format!("x=1&header={header}&payload=e30=");
            let found = credentials(&HeaderMap::new(), &query).expect("credentials");
            assert_eq!(found.api_key.as_deref(), Some("da2-?>?>~~"), "{query}");
        }
    }

    #[test]
    fn headers_carry_credentials_of_native_clients() {
        let headers = headers(&[
            ("x-api-key", "k".to_owned()),
            ("user-agent", "amplify-android:2.23".to_owned()),
        ]);
        let found = credentials(&headers, "a=b").expect("credentials");
        assert_eq!(found.api_key.as_deref(), Some("k"));
        assert!(found.agents.user_agent.is_some());
    }

    #[test]
    fn the_subprotocol_wins_over_query_and_headers() {
        let value = format!("graphql-ws, header-{}", BASE64_URL_SAFE_NO_PAD.encode(JSON));
        let headers = headers(&[
            ("sec-websocket-protocol", value),
            ("x-api-key", "k".to_owned()),
        ]);
        let query = format!("header={}", BASE64_STANDARD.encode(r#"{"x-api-key":"q"}"#));
        let found = credentials(&headers, &query).expect("credentials");
        assert_eq!(found.api_key.as_deref(), Some("da2-?>?>~~"));
    }

    #[test]
    fn credentials_that_cannot_be_read_are_told_from_wrong_ones() {
        for text in ["***", "e30x", &BASE64_URL_SAFE_NO_PAD.encode("[1]")] {
            let headers = headers(&[(
                "sec-websocket-protocol",
                format!("graphql-ws,header-{text}"),
            )]);
            let found = credentials(&headers, "");
            assert_eq!(found, Err(ConnectionRefusal::Undecodable), "{text}");
        }
    }
}
