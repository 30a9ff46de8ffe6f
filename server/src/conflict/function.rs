//! Conflict handlers behind HTTP: AppSync's Lambda event is posted, and what a Lambda handler returns is the answer
//! (`sync-semantics` 7.1, 7.2).
//!
//! The wire is that of Lambda's invoke call, so an existing handler works behind any HTTP front and behind the runtime
//! interface emulator. Requests are signed as Standard Webhooks are: `webhook-id`, `webhook-timestamp`,
//! `webhook-signature`.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use driftless_conflict_handlers::answer::{Answer, Form};
use driftless_conflict_handlers::payload::Payload;
use driftless_conflict_handlers::{Conflict, External, Fault, Resolution};
use driftless_resolvers::clock::{Clock, Deadline, IdSource, System};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::{Response, StatusCode};
use ring::hmac;
use serde_json::Value;

use crate::auth::documents::{client, limited, reason};
use crate::config::{Function, Secret, bare_url};

/// What a function may answer at most, as a plugin (`errata.md` row 49).
const OUTPUT: usize = 400 * 1024;

/// How long the first repetition waits; every further one twice as long.
const PAUSE: Duration = Duration::from_millis(50);

/// Lambda says so when the function threw.
const FUNCTION_ERROR: &str = "x-amz-function-error";

/// A function that decides conflicts.
pub struct HttpHandler {
    name: String,
    function: Function,
    client: reqwest::Client,
    keys: Vec<hmac::Key>,
}

/// Why a call gave no answer.
enum Failed {
    /// It did not arrive, or is asked to come back: it may be made again.
    Passing(Fault),
    /// Making it again would change nothing, or do twice what was done.
    Lasting(Fault),
}

impl HttpHandler {
    /// The function of a configuration. Nothing is sent yet.
    pub fn new(function: &Function) -> Result<Self, String> {
        Ok(HttpHandler {
            // Without credentials and query, which may hold some.
            name: format!("http:{}", bare_url(&function.url)),
            client: client(function.timeout).map_err(|error| reason(&error))?,
            keys: function.secrets.iter().map(key).collect(),
            function: function.clone(),
        })
    }

    async fn ask(&self, body: &str, patience: Duration) -> Result<Value, Fault> {
        let deadline = Deadline::after(patience);
        let id = format!("msg_{}", System.fresh_id());
        let mut pause = PAUSE;
        for _ in 0..self.function.retries {
            match self.call(&id, body, deadline.left()).await {
                Ok(answer) => return Ok(answer),
                Err(Failed::Lasting(fault)) => return Err(fault),
                Err(Failed::Passing(fault)) if deadline.left() <= pause => return Err(fault),
                Err(Failed::Passing(_)) => tokio::time::sleep(pause).await,
            }
            pause *= 2;
        }
        match self.call(&id, body, deadline.left()).await {
            Ok(answer) => Ok(answer),
            Err(Failed::Lasting(fault) | Failed::Passing(fault)) => Err(fault),
        }
    }

    async fn call(&self, id: &str, body: &str, left: Duration) -> Result<Value, Failed> {
        let timestamp = System.now().0 / 1_000;
        let mut request = self
            .client
            .post(self.function.url.clone())
            .timeout(left)
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .body(body.to_owned());
        if !self.keys.is_empty() {
            request = request.header("webhook-signature", self.signatures(id, timestamp, body));
        }
        match request.send().await {
            Ok(response) => self.read(response).await,
            Err(error) if error.is_timeout() => {
                Err(Failed::Lasting(Fault::TooSlow(self.function.timeout)))
            }
            Err(error) if error.is_connect() => {
                Err(Failed::Passing(Fault::Unreachable(reason(&error))))
            }
            Err(error) => Err(Failed::Lasting(Fault::Unreachable(reason(&error)))),
        }
    }

    async fn read(&self, response: Response) -> Result<Value, Failed> {
        let status = response.status();
        let threw = response.headers().contains_key(FUNCTION_ERROR);
        let body = limited(response, OUTPUT).await;
        let body = body.map_err(|_| Failed::Lasting(Fault::TooMuchOutput(OUTPUT)))?;
        let value: Option<Value> = serde_json::from_slice(&body).ok();
        if threw {
            let error = value.unwrap_or_default();
            let message = error["errorMessage"]
                .as_str()
                .unwrap_or("it threw an error");
            return Err(Failed::Lasting(Fault::Broken(message.to_owned())));
        }
        match (status, value) {
            (StatusCode::OK, Some(value)) => Ok(value),
            (StatusCode::OK, None) => Err(Failed::Lasting(Fault::Malformed(
                "it is no JSON".to_owned(),
            ))),
            (
                StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT,
                _,
            ) => Err(Failed::Passing(Fault::Unreachable(format!(
                "it answers {status}"
            )))),
            _ => Err(Failed::Lasting(Fault::Broken(format!(
                "it answers {status}"
            )))),
        }
    }

    /// One signature for each secret, so that either holder recognises the request while one replaces the other.
    fn signatures(&self, id: &str, timestamp: i64, body: &str) -> String {
        let signed = format!("{id}.{timestamp}.{body}");
        let signatures = self.keys.iter().map(|key| {
            let tag = hmac::sign(key, signed.as_bytes());
            format!("v1,{}", STANDARD.encode(tag))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

/// Standard Webhooks writes keys as `whsec_` and base 64; any other text is the key itself.
fn key(secret: &Secret) -> hmac::Key {
    let decoded = secret
        .0
        .strip_prefix("whsec_")
        .and_then(|encoded| STANDARD.decode(encoded).ok());
    let bytes = decoded.unwrap_or_else(|| secret.0.clone().into_bytes());
    hmac::Key::new(hmac::HMAC_SHA256, &bytes)
}

impl External for HttpHandler {
    fn name(&self) -> &str {
        &self.name
    }

    fn resolve<'a>(
        &'a self,
        conflict: &'a Conflict<'a>,
        patience: Duration,
    ) -> BoxFuture<'a, Result<Resolution, Fault>> {
        async move {
            let patience = patience.min(self.function.timeout);
            let milliseconds = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
            let event = Payload::of(conflict)?.event(conflict, milliseconds);
            let answer = self.ask(&event.to_string(), patience).await?;
            let answer: Answer = serde_json::from_value(answer)
                .map_err(|error| Fault::Malformed(error.to_string()))?;
            answer.resolution(conflict, Form::Lambda)
        }
        .boxed()
    }
}
