//! GraphQL over HTTP as the clients speak it, with every way a request can end told apart.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::{Host, Url};

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
    /// Where connections go, whatever the host of the URLs is: to proxies in between.
    pub proxies: Option<IpAddr>,
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
            proxies: None,
        })
    }

    /// The same server reached through a proxy for each way. A server keeps its name, which its certificate is for.
    pub fn through(&self, http: SocketAddr, realtime: SocketAddr) -> anyhow::Result<Self> {
        let mut target = self.clone();
        target.proxies = Some(http.ip());
        for (url, proxy) in [
            (&mut target.graphql, http),
            (&mut target.realtime, realtime),
        ] {
            let mut refused = url.set_port(Some(proxy.port())).is_err();
            if !matches!(url.host(), Some(Host::Domain(_))) {
                refused |= url.set_ip_host(proxy.ip()).is_err();
            }
            ensure!(!refused, "{url} cannot lead to a proxy");
        }
        Ok(target)
    }

    /// Where sockets connect to.
    pub(crate) fn realtime_authority(&self) -> String {
        match self.proxies {
            Some(ip) => SocketAddr::new(ip, port(&self.realtime)).to_string(),
            None => authority(&self.realtime),
        }
    }

    /// `host:port` of the server.
    pub fn authority(&self) -> String {
        authority(&self.graphql)
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

fn authority(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or("localhost"), port(url))
}

fn port(url: &Url) -> u16 {
    url.port_or_known_default().unwrap_or(443)
}

impl Http {
    /// A client of its own connection pool.
    pub fn new(target: &Target, family: Family) -> anyhow::Result<Self> {
        let mut client = reqwest::Client::builder()
            .tls_backend_preconfigured(target.tls()?.as_ref().clone())
            .timeout(ANSWER_LIMIT)
            .no_proxy();
        if let (Some(ip), Some(Host::Domain(name))) = (target.proxies, target.graphql.host()) {
            // The URL's port counts.
            client = client.resolve(name, SocketAddr::new(ip, 0));
        }
        Ok(Self {
            client: client.build()?,
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
    fn a_proxy_takes_the_place_of_an_address_and_hides_behind_a_name() {
        let through = |endpoint: &str| {
            let target = Target::new(endpoint, "k", None).unwrap();
            let proxies = [4_001, 4_002].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
            let target = target.through(proxies[0], proxies[1]).unwrap();
            let sockets = target.realtime_authority();
            (
                target.graphql.to_string(),
                target.realtime.to_string(),
                sockets,
            )
        };
        for endpoint in ["http://[::1]:4000/graphql", "http://192.0.2.1/graphql"] {
            let (graphql, realtime, sockets) = through(endpoint);
            assert_eq!(graphql, "http://127.0.0.1:4001/graphql");
            assert_eq!(realtime, "ws://127.0.0.1:4002/graphql/realtime");
            assert_eq!(sockets, "127.0.0.1:4002");
        }
        let (graphql, realtime, sockets) = through("https://api.example.org/graphql");
        assert_eq!(graphql, "https://api.example.org:4001/graphql");
        assert_eq!(realtime, "wss://api.example.org:4002/graphql/realtime");
        assert_eq!(sockets, "127.0.0.1:4002");
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
