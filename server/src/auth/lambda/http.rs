//! An authorizer behind a URL: the event is posted as JSON, the answer is the body.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde_json::Value;

use super::Authorizer;
use crate::auth::documents::{client, limited, reason};

/// AppSync's bound of `resolverContext`, and a little more for the rest.
const LARGEST: usize = 6 << 20;

/// An authorizer that is an HTTP service.
pub struct HttpAuthorizer {
    client: reqwest::Client,
    url: String,
    authorization: Option<HeaderValue>,
}

impl HttpAuthorizer {
    /// The service at this URL. The secret, if any, is its `Authorization` header: it tells the service who asks.
    pub fn new(url: &str, secret: Option<&str>, patience: Duration) -> anyhow::Result<Self> {
        let mut authorization = secret.map(HeaderValue::from_str).transpose()?;
        if let Some(value) = &mut authorization {
            value.set_sensitive(true);
        }
        Ok(HttpAuthorizer {
            client: client(patience)?,
            url: url.to_owned(),
            authorization,
        })
    }
}

impl Authorizer for HttpAuthorizer {
    fn ask<'a>(&'a self, event: &'a Value) -> BoxFuture<'a, Result<Value, String>> {
        async move {
            let mut request = self.client.post(&self.url).json(event);
            if let Some(value) = &self.authorization {
                request = request.header(AUTHORIZATION, value.clone());
            }
            let response = request.send().await.map_err(|error| reason(&error))?;
            if !response.status().is_success() {
                return Err(format!("it answers {}", response.status()));
            }
            let body = limited(response, LARGEST).await?;
            serde_json::from_slice(&body).map_err(|error| format!("its answer is no JSON: {error}"))
        }
        .boxed()
    }
}
