//! An authorizer function: any text is a credential if the function says so (`auth` 1.5).

mod decision;
mod http;
pub mod wasm;
mod world;

use std::sync::Arc;
use std::time::Duration;

use driftless_conflict_handlers::Timestamp;
use driftless_resolvers::clock::Clock;
use driftless_resolvers::identity::{Identity, LambdaIdentity};
use futures_util::future::BoxFuture;
use regex::Regex;
use serde_json::Value;

use super::Rejection;
use super::credentials::Presented;
use super::recall::{Fingerprint, Recall, fingerprint};
use decision::Decision;
pub use http::HttpAuthorizer;

/// Longer texts are no credentials (`auth` 1).
const LONGEST_TOKEN: usize = 2_048;

/// Asks the function. Events and answers are AppSync's; how they travel is the implementation's affair.
pub trait Authorizer: Send + Sync {
    /// The answer to an event, or why there is none.
    fn ask<'a>(&'a self, event: &'a Value) -> BoxFuture<'a, Result<Value, String>>;
}

/// What an authorizer function is.
#[derive(Clone)]
pub enum Target {
    /// An HTTP service.
    Http {
        /// Where it is.
        url: String,
        /// What it knows this server by: the `Authorization` header of the calls.
        secret: Option<String>,
    },
    /// A WebAssembly component.
    Wasm(wasm::Component),
}

impl Target {
    /// Whoever is asked.
    pub fn open(&self, patience: Duration) -> anyhow::Result<Box<dyn Authorizer>> {
        Ok(match self {
            Target::Http { url, secret } => {
                Box::new(HttpAuthorizer::new(url, secret.as_deref(), patience)?)
            }
            Target::Wasm(component) => Box::new(wasm::WasmAuthorizer::open(component)?),
        })
    }
}

impl std::fmt::Debug for Target {
    /// Never shows the secret, nor what a component is told, which may be one.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Http { url, .. } => write!(formatter, "{url}"),
            Target::Wasm(component) => write!(formatter, "{}", component.path.display()),
        }
    }
}

/// A configured authorizer.
#[derive(Clone)]
pub struct LambdaSettings {
    /// What the function is.
    pub target: Target,
    /// What a text must match to be shown to the function.
    pub token: Option<Regex>,
    /// How many seconds a decision holds that says nothing else.
    pub ttl: u64,
    /// How long to wait for an answer.
    pub patience: Duration,
    /// The member of the context that names the caller; a digest of the credential if there is none.
    pub principal: Option<String>,
}

impl std::fmt::Debug for LambdaSettings {
    /// Never shows the secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("LambdaSettings")
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

/// Lets in whom the function lets in, and remembers it for a while.
pub struct Lambda {
    settings: LambdaSettings,
    authorizer: Box<dyn Authorizer>,
    clock: Arc<dyn Clock>,
    decided: Recall<Decided>,
}

/// A decision, and until when it holds.
#[derive(Clone)]
struct Decided {
    /// Nobody, if the function said no.
    caller: Option<Arc<LambdaIdentity>>,
    until: Timestamp,
}

impl Lambda {
    /// Asks this authorizer.
    #[must_use]
    pub fn new(
        settings: LambdaSettings,
        authorizer: Box<dyn Authorizer>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Lambda {
            settings,
            authorizer,
            clock,
            decided: Recall::new(),
        }
    }

    /// Whether a text may be a credential of this kind.
    #[must_use]
    pub fn takes(&self, token: &str) -> bool {
        let pattern = self.settings.token.as_ref();
        token.len() <= LONGEST_TOKEN && pattern.is_none_or(|pattern| pattern.is_match(token))
    }

    /// Who shows this token.
    pub async fn verify(
        &self,
        token: &str,
        presented: &Presented<'_>,
    ) -> Result<Identity, Rejection> {
        let of = fingerprint(token);
        let now = self.clock.now();
        if let Some(decided) = self.decided.get(&of).filter(|decided| now < decided.until) {
            return decided.identity();
        }
        let event = decision::event(token, presented);
        let answer = self.authorizer.ask(&event).await;
        let decision = answer.and_then(|answer| Decision::read(&answer));
        match decision {
            Ok(decision) => self.decide(of, decision, now).identity(),
            Err(reason) => {
                // It may be back in a moment; a refusal would cost clients their edits.
                tracing::warn!(reason, "the authorizer gives no answer");
                Err(Rejection::Unavailable)
            }
        }
    }

    fn decide(&self, of: Fingerprint, decision: Decision, now: Timestamp) -> Decided {
        let ttl = decision.ttl.unwrap_or(self.settings.ttl);
        let ttl = i64::try_from(ttl).unwrap_or(i64::MAX).saturating_mul(1_000);
        let name = self.name(of, &decision);
        let decided = Decided {
            caller: decision.allowed.then(|| {
                Arc::new(LambdaIdentity {
                    name,
                    resolver_context: decision.context,
                    denied_fields: decision.denied_fields,
                })
            }),
            until: Timestamp(now.0.saturating_add(ttl)),
        };
        if ttl > 0 {
            self.decided.put(of, decided.clone());
        }
        decided
    }

    fn name(&self, of: Fingerprint, decision: &Decision) -> String {
        let named = self.settings.principal.as_ref();
        match named.and_then(|name| decision.context.get(name)) {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => of
                .iter()
                .take(12)
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        }
    }
}

impl Decided {
    fn identity(self) -> Result<Identity, Rejection> {
        self.caller.map(Identity::Lambda).ok_or(Rejection::Refused)
    }
}
