//! Where the parts of a deployment are that stand outside of it, as the user writes them.

use std::path::PathBuf;

use url::Url;

use super::ConfigError;
use crate::tls;

/// An address for people: without user, password and options.
fn without_credentials(address: &str) -> String {
    match Url::parse(address) {
        Ok(url) if url.has_host() => bare_url(&url),
        _ => address.split('?').next().unwrap_or_default().to_owned(),
    }
}

/// The part of a URL that may be shown: scheme, host, port and path.
pub(crate) fn bare_url(url: &Url) -> String {
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let host = url.host_str().unwrap_or_default();
    format!("{}://{host}{port}{}", url.scheme(), url.path())
}

/// Where records are kept: `sqlite:PATH`, `sqlite::memory:` or `postgres://…`.
#[derive(Clone, PartialEq, Eq)]
pub struct Database(pub String);

impl std::fmt::Debug for Database {
    /// Never shows a password.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.describe())
    }
}

impl Database {
    /// Nowhere: gone when the server stops.
    #[must_use]
    pub fn memory() -> Self {
        Database("sqlite::memory:".to_owned())
    }

    /// Whether nothing of it outlives the server.
    #[must_use]
    pub fn is_ephemeral(&self) -> bool {
        *self == Database::memory()
    }

    /// For people, without credentials.
    #[must_use]
    pub fn describe(&self) -> String {
        without_credentials(&self.0)
    }

    /// Whether other processes may write to the same store.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.0.starts_with("postgres")
    }
}

/// The NATS servers that carry word between nodes.
#[derive(Clone, PartialEq, Eq)]
pub struct Feed {
    /// `nats://HOST:PORT` or `tls://HOST:PORT`, several of one cluster with commas between; may hold a login.
    pub url: String,
    /// PEM file of the authorities that sign their certificates, if the system does not trust these.
    pub ca: Option<PathBuf>,
}

impl std::fmt::Debug for Feed {
    /// Never shows a password.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let servers = self.url.split(',');
        let shown: Vec<_> = servers
            .map(|server| without_credentials(server.trim()))
            .collect();
        formatter.write_str(&shown.join(","))?;
        match &self.ca {
            None => Ok(()),
            Some(ca) => write!(formatter, " (authorities in {})", ca.display()),
        }
    }
}

impl Feed {
    /// Servers of which the certificates, if any, are signed by authorities that the system trusts.
    #[must_use]
    pub fn at(url: &str) -> Self {
        Feed {
            url: url.to_owned(),
            ca: None,
        }
    }

    pub(super) fn check(&self, database: &Database) -> Result<(), ConfigError> {
        let is_server = |server: &str| {
            Url::parse(server.trim())
                .is_ok_and(|url| ["nats", "tls"].contains(&url.scheme()) && url.has_host())
        };
        if !self.url.split(',').all(is_server) {
            return Err(ConfigError(
                "feed.url is nats://HOST:PORT or tls://HOST:PORT, several of one cluster with commas between"
                    .to_owned(),
            ));
        }
        if !database.is_shared() {
            return Err(ConfigError(
                "feed.url is for several nodes on one Postgres, and database.url is none: leave it out"
                    .to_owned(),
            ));
        }
        if let Some(ca) = &self.ca {
            tls::authorities(ca).map_err(|error| ConfigError(format!("feed.ca: {error:#}")))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_never_shows_its_password() {
        let database = Database("postgres://me:secret@db:5432/app?sslmode=require".to_owned());
        assert_eq!(format!("{database:?}"), "postgres://db:5432/app");
    }
}
