//! From what a client sends to who it is: the ordered list of authorization modes (`auth.md` 1.2).

pub mod api_key;
pub mod family;

use driftless_resolvers::identity::{Caller, Identity};

pub use api_key::ApiKeys;
pub use family::UserAgents;

/// The credentials and user agents of one operation, whether they came as HTTP headers or in a socket's JSON.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// `x-api-key`.
    pub api_key: Option<String>,
    /// `authorization`.
    pub authorization: Option<String>,
    /// What the client says it is.
    pub agents: UserAgents,
}

impl std::fmt::Debug for Credentials {
    /// Never shows a secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("api_key", &self.api_key.as_ref().map(|_| "…"))
            .field("authorization", &self.authorization.as_ref().map(|_| "…"))
            .field("agents", &self.agents)
            .finish()
    }
}

impl Credentials {
    /// Reads one named value; names are compared without case (`realtime.md` 1.1), others are ignored.
    pub fn read(&mut self, name: &str, value: &str) {
        let value = || Some(value.trim().to_owned());
        match name.to_ascii_lowercase().as_str() {
            "x-api-key" => self.api_key = value(),
            "authorization" => self.authorization = value(),
            "user-agent" => self.agents.user_agent = value(),
            "x-amz-user-agent" => self.agents.amz_user_agent = value(),
            _ => {}
        }
    }

    /// The credentials in HTTP headers.
    #[must_use]
    pub fn from_headers(headers: &axum::http::HeaderMap) -> Self {
        let mut credentials = Credentials::default();
        for (name, value) in headers {
            if let Ok(value) = value.to_str() {
                credentials.read(name.as_str(), value);
            }
        }
        credentials
    }

    /// The credentials in a JSON object of a socket; values that are no strings are ignored.
    #[must_use]
    pub fn from_json(object: &serde_json::Map<String, serde_json::Value>) -> Self {
        let mut credentials = Credentials::default();
        for (name, value) in object {
            if let Some(value) = value.as_str() {
                credentials.read(name, value);
            }
        }
        credentials
    }

    /// Whether there is anything to authenticate.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.api_key.is_none() && self.authorization.is_none()
    }
}

/// Why nobody is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// No credential in a form this API knows.
    Missing,
    /// A signature, but signatures are no mode of this API.
    Signature,
    /// A credential that is not good.
    Refused,
}

/// The configured modes.
#[derive(Debug, Default)]
pub struct Authenticator {
    keys: ApiKeys,
}

impl Authenticator {
    /// An API with these keys.
    #[must_use]
    pub fn new(keys: ApiKeys) -> Self {
        Authenticator { keys }
    }

    /// Who calls. A credential that was classified and refused is never tried as another mode.
    pub fn authenticate(&self, credentials: &Credentials) -> Result<Identity, Rejection> {
        if let Some(text) = &credentials.authorization
            && text.starts_with("AWS4-HMAC-SHA256")
        {
            return Err(Rejection::Signature);
        }
        let Some(key) = &credentials.api_key else {
            return Err(Rejection::Missing);
        };
        let id = self.keys.find(key).ok_or(Rejection::Refused)?;
        Ok(Identity::ApiKey { id: id.to_owned() })
    }

    /// Who calls, with what.
    pub fn caller(&self, credentials: &Credentials) -> Result<Caller, Rejection> {
        Ok(Caller {
            identity: self.authenticate(credentials)?,
            family: credentials.agents.family(),
            datastore: credentials.agents.datastore(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "da2-abcdefghijklmnopqrstuvwxyz";

    fn authenticator() -> Authenticator {
        Authenticator::new(ApiKeys::new([KEY.to_owned()]).expect("a good key"))
    }

    fn with(pairs: &[(&str, &str)]) -> Credentials {
        let mut credentials = Credentials::default();
        for (name, value) in pairs {
            credentials.read(name, value);
        }
        credentials
    }

    #[test]
    fn a_configured_key_is_recognised_whatever_the_case_of_the_header() {
        let found = authenticator().authenticate(&with(&[("X-Api-Key", KEY)]));
        assert!(matches!(found, Ok(Identity::ApiKey { .. })));
    }

    #[test]
    fn an_unknown_key_is_refused_and_not_tried_as_something_else() {
        let found = authenticator().authenticate(&with(&[
            ("x-api-key", "da2-00000000000000000000000000"),
            ("authorization", "ey.ey.ey"),
        ]));
        assert_eq!(found, Err(Rejection::Refused));
    }

    #[test]
    fn a_token_alone_is_no_credential_of_an_api_with_keys_only() {
        let found = authenticator().authenticate(&with(&[("authorization", "ey.ey.ey")]));
        assert_eq!(found, Err(Rejection::Missing));
    }

    #[test]
    fn a_signature_wins_over_a_key_and_is_refused_where_signatures_are_no_mode() {
        let found = authenticator().authenticate(&with(&[
            ("authorization", "AWS4-HMAC-SHA256 Credential=…"),
            ("x-api-key", KEY),
        ]));
        assert_eq!(found, Err(Rejection::Signature));
    }

    #[test]
    fn credentials_never_print_their_secrets() {
        let text = format!(
            "{:?}",
            with(&[("x-api-key", KEY), ("authorization", "secret")])
        );
        assert!(!text.contains(KEY) && !text.contains("secret"), "{text}");
    }
}
