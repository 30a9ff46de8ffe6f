//! What a client shows, and what it shows it for.

use std::net::IpAddr;

use driftless_resolvers::api::Request as Operation;

use super::UserAgents;

/// Names of which a second, different value makes the whole request ambiguous.
const UNIQUE: [&str; 5] = [
    "authorization",
    "x-api-key",
    "x-amz-date",
    "x-amz-security-token",
    "host",
];

/// The credentials and user agents of one operation, whether they came as HTTP headers or in a socket's JSON.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// `x-api-key`.
    pub api_key: Option<String>,
    /// `authorization`.
    pub authorization: Option<String>,
    /// What the client says it is.
    pub agents: UserAgents,
    /// Everything that was sent, names in lower case: what a signature covers and an authorizer is shown.
    headers: Vec<(String, String)>,
    /// Whether a name that must be unique came twice with different values.
    ambiguous: bool,
}

impl std::fmt::Debug for Credentials {
    /// Never shows a secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("api_key", &self.api_key.as_ref().map(|_| "…"))
            .field("authorization", &self.authorization.as_ref().map(|_| "…"))
            .field("agents", &self.agents)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// Reads one named value; names are compared without case (`realtime.md` 1.1).
    pub fn read(&mut self, name: &str, value: &str) {
        let name = name.to_ascii_lowercase();
        let value = value.trim();
        if UNIQUE.contains(&name.as_str()) {
            self.ambiguous |= self.header(&name).is_some_and(|other| other != value);
        }
        let own = || Some(value.to_owned());
        match name.as_str() {
            "x-api-key" => self.api_key = own(),
            "authorization" => self.authorization = own(),
            "user-agent" => self.agents.user_agent = own(),
            "x-amz-user-agent" => self.agents.amz_user_agent = own(),
            _ => {}
        }
        self.headers.push((name, value.to_owned()));
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

    /// Whether there is anything to authenticate. An empty text counts as nothing: Swift sends it while signed out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let none = |text: &Option<String>| text.as_deref().is_none_or(str::is_empty);
        none(&self.api_key) && none(&self.authorization)
    }

    /// Whether they contradict themselves.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        self.ambiguous
    }

    /// The first value of a name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut of_name = self.headers.iter().filter(|(other, _)| other == name);
        of_name.next().map(|(_, value)| value.as_str())
    }

    /// Every value of a name in lower case.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let of_name = self.headers.iter().filter(move |(other, _)| other == name);
        of_name.map(|(_, value)| value.as_str())
    }

    /// Names in lower case and values, in the order they came.
    #[must_use]
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }
}

/// Credentials together with what they are shown for.
#[derive(Debug, Clone, Copy)]
pub struct Presented<'a> {
    /// The credentials.
    pub credentials: &'a Credentials,
    /// What a signature covers besides headers.
    pub signed: Signed<'a>,
    /// What an authorizer is told about; connections have none yet.
    pub operation: Option<&'a Operation>,
    /// The id of the request in the log.
    pub request_id: &'a str,
    /// Where the request comes from.
    pub source: Option<IpAddr>,
}

/// A request as a signature sees it (`auth` 1.6).
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// The paths that may have been signed; clients differ (`errata.md` row 56).
    pub paths: &'a [&'a str],
    /// The query string as it was sent.
    pub query: &'a str,
    /// The body, byte for byte.
    pub body: &'a [u8],
}

impl Signed<'_> {
    /// Paths that clients sign when they open a socket.
    pub const CONNECT: Signed<'static> = Signed {
        method: "POST",
        paths: &[
            "/graphql/connect",
            "/graphql/realtime/connect",
            "/realtime/connect",
        ],
        query: "",
        body: b"{}",
    };

    /// What clients sign when they start a subscription with this text as `payload.data`.
    #[must_use]
    pub fn start(data: &str) -> Signed<'_> {
        Signed {
            method: "POST",
            paths: &["/graphql"],
            query: "",
            body: data.as_bytes(),
        }
    }
}
