//! Who calls.

/// Which client library is talking, told by its headers (`errata.md`, "Family"). Unknown counts as JavaScript.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Family {
    /// `x-amz-user-agent` begins with `aws-amplify/`, or nothing is known.
    #[default]
    JavaScript,
    /// `User-Agent` contains `amplify-android`.
    Android,
    /// `User-Agent` contains `amplify-swift`.
    Swift,
    /// `User-Agent` contains `amplify-flutter`.
    Flutter,
    /// None of the known libraries named itself.
    Unknown,
}

/// An authenticated principal.
///
/// The other modes (user pool, OIDC, IAM, Lambda) become variants here and providers in `server::auth`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The holder of an API key, by the key's id (never the key itself).
    ApiKey {
        /// The id of the key.
        id: String,
    },
}

impl Identity {
    /// The principal as a stable text: what a page token is bound to and what the log calls the actor.
    #[must_use]
    pub fn principal(&self) -> String {
        match self {
            Identity::ApiKey { id } => format!("api_key:{id}"),
        }
    }
}

/// Everything a resolver may know about the caller of one operation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caller {
    /// The authenticated principal.
    pub identity: Identity,
    /// The client library.
    pub family: Family,
    /// Whether the user agent names DataStore (`datastore/`), not the plain API client.
    pub datastore: bool,
}
