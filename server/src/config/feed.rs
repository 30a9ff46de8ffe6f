//! `[feed]`: the NATS servers that carry word between nodes.

use std::path::PathBuf;

use serde::Deserialize;

use super::{ConfigError, Database};
use crate::storage::{Certificate, Credentials, NatsPlace};
use crate::tls;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Section {
    url: Option<String>,
    ca: Option<PathBuf>,
    credentials: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl Section {
    /// The servers, if there are to be any.
    pub(super) fn place(self) -> Result<Option<NatsPlace>, ConfigError> {
        let Section {
            url,
            ca,
            credentials,
            cert,
            key,
        } = self;
        let certificate = match (cert, key) {
            (None, None) => None,
            (Some(chain), Some(key)) => Some(Certificate { chain, key }),
            (Some(_), None) => {
                return wrong("feed.cert needs feed.key, the file of its private key");
            }
            (None, Some(_)) => {
                return wrong("feed.key needs feed.cert, the file of its certificate");
            }
        };
        let Some(url) = url else {
            let stray = [
                ("ca", ca.is_some()),
                ("credentials", credentials.is_some()),
                ("cert", certificate.is_some()),
            ];
            return match stray.iter().find(|(_, is_set)| *is_set) {
                None => Ok(None),
                Some((key, _)) => wrong(&format!(
                    "feed.{key} is for the NATS servers of feed.url, which is missing"
                )),
            };
        };
        Ok(Some(NatsPlace {
            url,
            ca,
            credentials,
            certificate,
        }))
    }
}

/// Whether servers can be reached as described, as far as this machine can tell: what its files hold is looked at.
pub(super) fn check(place: &NatsPlace, database: &Database) -> Result<(), ConfigError> {
    let all_nats = place
        .addresses()
        .all(|url| url.is_ok_and(|url| ["nats", "tls"].contains(&url.scheme()) && url.has_host()));
    if !all_nats {
        return wrong(
            "feed.url is nats://HOST:PORT or tls://HOST:PORT, several of one cluster with commas between",
        );
    }
    if !database.is_shared() {
        return wrong(
            "feed.url is for several nodes on one Postgres, and database.url is none: leave it out",
        );
    }
    let of = |key: &str| {
        let key = key.to_owned();
        move |error: anyhow::Error| ConfigError(format!("feed.{key}: {error:#}"))
    };
    if let Some(ca) = &place.ca {
        tls::authorities(ca).map_err(of("ca"))?;
    }
    if let Some(Certificate { chain, key }) = &place.certificate {
        tls::check_own(chain, key).map_err(of("cert"))?;
    }
    if let Some(file) = &place.credentials {
        if place.holds_login() {
            return wrong(
                "a login stands in feed.url and another in feed.credentials; keep one of them",
            );
        }
        Credentials::read(file).map_err(of("credentials"))?;
    }
    Ok(())
}

fn wrong<T>(text: &str) -> Result<T, ConfigError> {
    Err(ConfigError(text.to_owned()))
}
