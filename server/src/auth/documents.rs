//! JSON documents of other services: the keys of issuers. A port, so that time and failure can be tested.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;

/// Clients get their answer or a word within 4 s (`errata.md` row 9), so nobody else may need longer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Larger documents are not read.
const LARGEST: usize = 1 << 20;

/// Reads documents.
pub trait Documents: Send + Sync {
    /// The document at a URL, or why there is none.
    fn get<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<Value, String>>;
}

/// Documents on the network, without redirects: a key set that moves is a key set somebody should look at.
#[derive(Debug, Clone)]
pub struct Web {
    client: reqwest::Client,
}

impl Web {
    /// A client that gives up after a few seconds.
    pub fn new() -> Result<Self, reqwest::Error> {
        Ok(Web {
            client: client(PATIENCE)?,
        })
    }
}

impl Web {
    /// Asks a running server for something only its operator may have.
    pub async fn admin(
        &self,
        server: &url::Url,
        what: &str,
        secret: &str,
        body: Option<&Value>,
    ) -> Result<Value, String> {
        let url = server
            .join(&format!("/admin/v1/{what}"))
            .map_err(|error| error.to_string())?;
        let request = match body {
            Some(body) => self.client.post(url).json(body),
            None => self.client.get(url),
        };
        let response = request.bearer_auth(secret).send().await;
        let response = response.map_err(|error| reason(&error))?;
        match response.status().as_u16() {
            200 => {}
            400 => {
                let body = limited(response, LARGEST).await?;
                let body: Value = serde_json::from_slice(&body).unwrap_or_default();
                let message = body["message"].as_str();
                return Err(message.unwrap_or("the server answers 400").to_owned());
            }
            401 => return Err("the server does not take this admin secret".to_owned()),
            404 => {
                return Err("the server has no admin secret, so there is no admin API".to_owned());
            }
            status => return Err(format!("the server answers {status}")),
        }
        let body = limited(response, LARGEST).await?;
        serde_json::from_slice(&body).map_err(|error| format!("the answer is no JSON: {error}"))
    }
}

/// An HTTP client as this server uses it towards other services.
pub(crate) fn client(patience: Duration) -> Result<reqwest::Client, reqwest::Error> {
    // Fails only if it is there already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(patience)
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

impl Documents for Web {
    fn get<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<Value, String>> {
        async move {
            let response = self.client.get(url).send().await;
            let response = response.map_err(|error| reason(&error))?;
            if !response.status().is_success() {
                return Err(format!("{url} answers {}", response.status()));
            }
            let body = limited(response, LARGEST).await?;
            serde_json::from_slice(&body).map_err(|error| format!("{url} holds no JSON: {error}"))
        }
        .boxed()
    }
}

/// A body, unless it is too large.
pub(crate) async fn limited(
    mut response: reqwest::Response,
    largest: usize,
) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|error| reason(&error))? {
        if body.len() + part.len() > largest {
            return Err(format!("the answer is larger than {largest} bytes"));
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}

/// The whole chain of causes: the outermost one says only that it failed.
pub(crate) fn reason(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
