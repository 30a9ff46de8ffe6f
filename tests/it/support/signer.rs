//! A signer of requests (Signature Version 4), written from its description and sharing nothing with the server.

use ring::{digest, hmac};
use serde_json::{Map, Value};

/// What is signed, and by whom.
#[derive(Debug, Clone)]
pub(crate) struct Signer {
    pub(crate) access_key: String,
    pub(crate) secret: String,
    pub(crate) region: String,
    pub(crate) service: String,
    /// `YYYYMMDDTHHMMSSZ`.
    pub(crate) date: String,
}

impl Signer {
    /// The `Authorization` header for a request with these headers, all of which are signed.
    pub(crate) fn authorization(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> String {
        let mut headers: Vec<(String, &str)> = headers
            .iter()
            .map(|(name, value)| (name.to_lowercase(), *value))
            .collect();
        headers.sort();
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(";");
        let lines: String = headers
            .iter()
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect();
        let request = format!(
            "{method}\n{path}\n\n{lines}\n{names}\n{}",
            sha256(body.as_bytes())
        );
        let day = &self.date[..8];
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let text = format!(
            "AWS4-HMAC-SHA256\n{}\n{scope}\n{}",
            self.date,
            sha256(request.as_bytes())
        );
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for part in [day, &self.region, &self.service, "aws4_request"] {
            key = keyed(&key, part);
        }
        let signature = hexadecimal(&keyed(&key, &text));
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            self.access_key
        )
    }
}

impl Signer {
    /// What a client sends on a socket instead of headers: everything it signed, and the signature.
    pub(crate) fn credential(&self, host: &str, path: &str, body: &str) -> Value {
        let headers = [
            ("accept", "application/json, text/javascript"),
            ("content-encoding", "amz-1.0"),
            ("content-type", "application/json; charset=UTF-8"),
            ("host", host),
            ("x-amz-date", self.date.as_str()),
        ];
        let mut object: Map<String, Value> = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).into()))
            .collect();
        let authorization = self.authorization("POST", path, &headers, body);
        object.insert("Authorization".to_owned(), authorization.into());
        Value::Object(object)
    }
}

/// The SHA-256 digest of a text in hexadecimal.
pub(crate) fn sha256(text: &[u8]) -> String {
    hexadecimal(digest::digest(&digest::SHA256, text).as_ref())
}

fn keyed(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
