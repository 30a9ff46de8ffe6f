//! Who calls.

use std::sync::Arc;

use serde_json::{Map, Value};

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

impl Family {
    /// Whether it is one of the native clients, for which answers differ from those for JavaScript.
    #[must_use]
    pub fn is_native(self) -> bool {
        matches!(self, Family::Android | Family::Swift | Family::Flutter)
    }
}

/// A way to prove who one is; `provider` in a rule, a mode in the configuration (`auth` 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AuthMode {
    /// API keys.
    ApiKey,
    /// Tokens of a Cognito user pool.
    UserPool,
    /// Tokens of any other OpenID Connect issuer.
    Oidc,
    /// Signatures (SigV4) of configured principals.
    Iam,
    /// Whatever an authorizer function accepts.
    Lambda,
}

impl AuthMode {
    /// Every mode.
    pub const ALL: [AuthMode; 5] = [
        AuthMode::ApiKey,
        AuthMode::UserPool,
        AuthMode::Oidc,
        AuthMode::Iam,
        AuthMode::Lambda,
    ];

    /// Its name in configuration and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            AuthMode::ApiKey => "api_key",
            AuthMode::UserPool => "user_pool",
            AuthMode::Oidc => "oidc",
            AuthMode::Iam => "iam",
            AuthMode::Lambda => "lambda",
        }
    }

    /// The mode of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<AuthMode> {
        AuthMode::ALL.into_iter().find(|mode| mode.name() == name)
    }
}

/// An authenticated principal (`auth` 1.4).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The holder of an API key, by the key's id (never the key itself).
    ApiKey {
        /// The id of the key.
        id: String,
    },
    /// The bearer of a user pool's token.
    UserPool(Arc<TokenIdentity>),
    /// The bearer of another issuer's token.
    Oidc(Arc<TokenIdentity>),
    /// The signer of a request.
    Iam(Arc<IamIdentity>),
    /// Whoever the authorizer function let in.
    Lambda(Arc<LambdaIdentity>),
}

/// What a verified token says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TokenIdentity {
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// All claims, as they stand in the token.
    pub claims: Map<String, Value>,
}

impl TokenIdentity {
    /// The user's name: the claim `username`, else `cognito:username` (`auth` 3.1).
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        let names = ["username", "cognito:username"];
        names
            .into_iter()
            .find_map(|name| self.claims.get(name)?.as_str())
    }
}

/// What is known of the principal that signed a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct IamIdentity {
    /// The id of the access key.
    pub access_key: String,
    /// `accountId`.
    pub account_id: String,
    /// `userArn`, e.g. `arn:aws:sts::000000000000:assumed-role/authRole/CognitoIdentityCredentials`.
    pub user_arn: String,
    /// `username`.
    pub username: String,
    /// `cognitoIdentityId`, for principals of an identity pool.
    pub identity_id: Option<String>,
    /// `cognitoIdentityPoolId`.
    pub identity_pool_id: Option<String>,
    /// Whether an identity pool says that its user is signed in (`cognitoIdentityAuthType`), if one speaks for it.
    pub authenticated: Option<bool>,
    /// The fields of `Query`, `Mutation` and `Subscription` it may ask for, as (type, field or `*`); `None` is all.
    pub allowed_fields: Option<Vec<(String, String)>>,
}

impl IamIdentity {
    /// Whether it may ask for a field at the root of an operation.
    #[must_use]
    pub fn may_ask(&self, root: &str, field: &str) -> bool {
        self.allowed_fields.as_ref().is_none_or(|allowed| {
            let mut allowed = allowed.iter();
            allowed.any(|(ty, name)| ty == root && (name == "*" || name == field))
        })
    }
}

/// What the authorizer function said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct LambdaIdentity {
    /// A stable name for the caller: a configured key of the context, else a digest of the token.
    pub name: String,
    /// `resolverContext`: scalars by name.
    pub resolver_context: Map<String, Value>,
    /// `deniedFields` as (type, field).
    pub denied_fields: Vec<(String, String)>,
}

impl Identity {
    /// The mode that recognised it.
    #[must_use]
    pub fn mode(&self) -> AuthMode {
        match self {
            Identity::ApiKey { .. } => AuthMode::ApiKey,
            Identity::UserPool(_) => AuthMode::UserPool,
            Identity::Oidc(_) => AuthMode::Oidc,
            Identity::Iam(_) => AuthMode::Iam,
            Identity::Lambda(_) => AuthMode::Lambda,
        }
    }

    /// The principal as a stable text: what a page token is bound to and what the log calls the actor
    /// (`errata` 2.6).
    #[must_use]
    pub fn principal(&self) -> String {
        match self {
            Identity::ApiKey { id } => format!("api_key:{id}"),
            Identity::UserPool(token) => format!("user_pool:{}#{}", token.issuer, token.subject),
            Identity::Oidc(token) => format!("oidc:{}#{}", token.issuer, token.subject),
            Identity::Iam(signer) => match &signer.identity_id {
                Some(identity) => format!("iam:{}#{identity}", signer.user_arn),
                None => format!("iam:{}", signer.user_arn),
            },
            Identity::Lambda(caller) => format!("lambda:{}", caller.name),
        }
    }
}

/// Stands between a principal and the session in the log's actor.
const SESSION: &str = " session:";

impl Identity {
    /// The sign-in this token descends from, if it says so (`origin_jti`): one device, as far as can be told.
    fn session(&self) -> Option<&str> {
        match self {
            Identity::UserPool(token) | Identity::Oidc(token) => {
                token.claims.get("origin_jti")?.as_str()
            }
            Identity::ApiKey { .. } | Identity::Iam(_) | Identity::Lambda(_) => None,
        }
    }

    /// What the log calls the actor: the principal, and the session where there is one.
    #[must_use]
    pub fn actor(&self) -> String {
        let principal = self.principal();
        match self.session() {
            Some(session) => format!("{principal}{SESSION}{session}"),
            None => principal,
        }
    }

    /// The actor, if no other device can have the same one.
    #[must_use]
    pub fn device(&self) -> Option<String> {
        self.session().map(|_| self.actor())
    }

    /// The actor, if two writes of the same one count as one writer's: never for API keys, which everybody has
    /// (`errata` 2.6).
    #[must_use]
    pub fn writer(&self) -> Option<String> {
        (self.mode() != AuthMode::ApiKey).then(|| self.actor())
    }

    /// Whether the log's actor is this principal, in whatever session.
    #[must_use]
    pub fn is_actor(&self, actor: &str) -> bool {
        actor.split(SESSION).next() == Some(self.principal().as_str())
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
    /// Whether the server has carried out this very operation before and could not say so: its effect stands, only the
    /// answer is wanted.
    pub repeats: bool,
}
