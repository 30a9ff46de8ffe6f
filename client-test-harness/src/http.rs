//! GraphQL over HTTP as the clients speak it, with every way a request can end told apart.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use crate::family::Family;

/// Longer than any answer may take; a client that waits this long reports a hung server.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// The one body that every client family keeps an edit on (errata row 1).
const UNAVAILABLE_BODY: &str = r#"{"message":"Network Error","errors":"unavailable"}"#;

/// Where the server is and how to be let in.
#[derive(Clone, Debug)]
pub struct Target {
    /// The GraphQL URL, `http` or `https`.
    pub graphql: Url,
    /// The realtime URL, `ws` or `wss`.
    pub realtime: Url,
    /// The API key.
    pub api_key: String,
    /// PEM file of the authority that signed the server's certificate.
    pub ca: Option<PathBuf>,
}

/// A GraphQL answer with status 200.
#[derive(Debug, Deserialize)]
pub struct Answer {
    /// `data`, null when absent.
    #[serde(default)]
    pub data: Value,
    /// `errors`, empty when absent.
    #[serde(default)]
    pub errors: Vec<GraphqlError>,
}

/// One entry of `errors` with AppSync's top-level extras.
#[derive(Clone, Debug, Deserialize)]
pub struct GraphqlError {
    /// Human text.
    pub message: String,
    /// `errorType`, empty when absent.
    #[serde(rename = "errorType", default)]
    pub error_type: Option<String>,
    /// The stored record, in rejections.
    #[serde(default)]
    pub data: Value,
}

/// How a request can fail to bring an answer.
#[derive(Debug)]
pub enum Failure {
    /// The transient refusal of errata row 1: try again.
    Unavailable,
    /// The connection broke; whether the server acted is unknown.
    Lost(String),
    /// An answer no client can use.
    Unusable(String),
}

/// A client's HTTP side.
#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
    url: Url,
    api_key: String,
    family: Family,
}

impl Target {
    /// Derives the realtime URL as the clients do: GraphQL URL plus `/realtime` (`client-js` 1.1).
    pub fn new(graphql: &str, api_key: &str, ca: Option<PathBuf>) -> anyhow::Result<Self> {
        let graphql = Url::parse(graphql).with_context(|| format!("endpoint {graphql}"))?;
        let scheme = if graphql.scheme() == "https" {
            "wss"
        } else {
            "ws"
        };
        let text = format!("{graphql}/realtime").replacen(graphql.scheme(), scheme, 1);
        let realtime = Url::parse(&text).with_context(|| format!("realtime endpoint {text}"))?;
        Ok(Self {
            graphql,
            realtime,
            api_key: api_key.to_owned(),
            ca,
        })
    }

    /// The same server reached through other ports (a proxy in between).
    pub fn through(&self, http_port: u16, realtime_port: u16) -> anyhow::Result<Self> {
        let mut target = self.clone();
        let refused = |()| anyhow::anyhow!("the endpoint cannot carry a port");
        target.graphql.set_port(Some(http_port)).map_err(refused)?;
        target
            .realtime
            .set_port(Some(realtime_port))
            .map_err(refused)?;
        Ok(target)
    }

    /// `host:port` of the server.
    pub fn authority(&self) -> String {
        let host = self.graphql.host_str().unwrap_or("localhost");
        format!(
            "{host}:{}",
            self.graphql.port_or_known_default().unwrap_or(443)
        )
    }

    /// TLS settings that trust exactly the given authority.
    pub fn tls(&self) -> anyhow::Result<Arc<rustls::ClientConfig>> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        if let Some(path) = &self.ca {
            for cert in CertificateDer::pem_file_iter(path)
                .with_context(|| format!("read {}", path.display()))?
            {
                roots.add(cert.with_context(|| format!("certificate in {}", path.display()))?)?;
            }
        }
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}

impl Http {
    /// A client of its own connection pool.
    pub fn new(target: &Target, family: Family) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(target.tls()?.as_ref().clone())
            .timeout(ANSWER_LIMIT)
            .no_proxy()
            .build()?;
        Ok(Self {
            client,
            url: target.graphql.clone(),
            api_key: target.api_key.clone(),
            family,
        })
    }

    /// Sends one operation and waits for its answer.
    pub async fn execute(
        &self,
        query: &str,
        variables: Map<String, Value>,
    ) -> Result<Answer, Failure> {
        let (agent, value) = self.family.agent_header();
        let body = json!({"query": query, "variables": variables}).to_string();
        let sent = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json; charset=UTF-8")
            .header("x-api-key", &self.api_key)
            .header(agent, value)
            .body(body)
            .send()
            .await;
        match sent {
            Ok(response) => read(response).await,
            Err(error) if error.is_timeout() => Err(Failure::Unusable(format!(
                "no answer within {ANSWER_LIMIT:?}"
            ))),
            Err(error) => Err(Failure::Lost(format!("{error:?}"))),
        }
    }
}

async fn read(response: reqwest::Response) -> Result<Answer, Failure> {
    let status = response.status().as_u16();
    let json = response
        .headers()
        .get("content-type")
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let body = response
        .text()
        .await
        .map_err(|error| Failure::Lost(error.to_string()))?;
    classify(status, json, &body)
}

fn classify(status: u16, json: bool, body: &str) -> Result<Answer, Failure> {
    match status {
        200 => serde_json::from_str(body)
            .map_err(|error| Failure::Unusable(format!("answer is not GraphQL ({error}): {body}"))),
        503 if json && body == UNAVAILABLE_BODY => Err(Failure::Unavailable),
        _ => Err(Failure::Unusable(format!("status {status}: {body}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_refusal_body_means_try_again() {
        assert!(matches!(
            classify(503, true, UNAVAILABLE_BODY),
            Err(Failure::Unavailable)
        ));
        for (status, json, body) in [
            (503, false, UNAVAILABLE_BODY),
            (503, true, ""),
            (503, true, r#"{"message":"Network Error"}"#),
            (502, true, UNAVAILABLE_BODY),
        ] {
            let failure = classify(status, json, body);
            assert!(
                matches!(failure, Err(Failure::Unusable(_))),
                "{status} {body}"
            );
        }
    }

    #[test]
    fn the_realtime_url_is_the_endpoint_plus_realtime() {
        let target = Target::new("https://127.0.0.1:4000/graphql", "k", None).unwrap();
        assert_eq!(
            target.realtime.as_str(),
            "wss://127.0.0.1:4000/graphql/realtime"
        );
        assert_eq!(target.authority(), "127.0.0.1:4000");
    }
}
