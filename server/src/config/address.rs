//! Where the parts of a deployment are that stand outside of it, as the user writes them.

use url::Url;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_never_shows_its_password() {
        let database = Database("postgres://me:secret@db:5432/app?sslmode=require".to_owned());
        assert_eq!(format!("{database:?}"), "postgres://db:5432/app");
    }
}
