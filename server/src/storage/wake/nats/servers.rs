//! Which NATS servers there are, how a node knows them, and what it shows them.

use std::error::Error as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, ServerAddr};
use url::Url;

/// The servers of one cluster.
pub(super) struct Servers {
    addresses: Vec<ServerAddr>,
    login: Option<Login>,
    /// Who signs their certificates; read at every connection, so that it may be exchanged.
    authorities: Option<PathBuf>,
}

/// What a server is shown.
enum Login {
    Token(String),
    User(String, String),
}

impl Servers {
    /// Those of an address, which holds the login, too.
    pub(super) fn new(address: &str, authorities: Option<&Path>) -> anyhow::Result<Self> {
        let unreadable = "the address of [feed] cannot be read; write nats://HOST:PORT";
        let mut addresses = Vec::new();
        let mut login = None;
        for server in address.split(',') {
            let mut url: Url = server.trim().parse().context(unreadable)?;
            login = login.or_else(|| Login::of(&url));
            // The library does not look at it, and nobody else is to see it.
            let stripped = url.set_username("").and_then(|()| url.set_password(None));
            stripped.map_err(|()| anyhow!(unreadable))?;
            addresses.push(ServerAddr::from_url(url).context(unreadable)?);
        }
        Ok(Servers {
            addresses,
            login,
            authorities: authorities.map(Path::to_owned),
        })
    }

    /// Whether nothing may travel in clear. A server tells of the other ones of its cluster, without a word about
    /// encryption, before it is known: the login must not go to any of them in clear either.
    fn are_private(&self) -> bool {
        self.authorities.is_some() || self.addresses.iter().any(ServerAddr::tls_required)
    }

    /// How to connect to them.
    pub(super) fn options(&self) -> ConnectOptions {
        let options = match &self.login {
            None => ConnectOptions::new(),
            Some(Login::Token(token)) => ConnectOptions::with_token(token.clone()),
            Some(Login::User(name, password)) => {
                ConnectOptions::with_user_and_password(name.clone(), password.clone())
            }
        };
        let options = options.require_tls(self.are_private());
        match &self.authorities {
            None => options,
            Some(path) => options.add_root_certificates(path.clone()),
        }
    }

    /// Connects to one of them.
    pub(super) async fn connect(&self, options: ConnectOptions) -> anyhow::Result<Client> {
        let connected = options.connect(self.addresses.clone()).await;
        connected.map_err(|error| match advice(&error) {
            None => error.into(),
            Some(advice) => anyhow::Error::new(error).context(advice),
        })
    }
}

/// What to do about a connection that does not come about.
fn advice(error: &ConnectError) -> Option<&'static str> {
    if error.kind() == ConnectErrorKind::AuthorizationViolation {
        return Some(
            "it does not let this node in: look at the user, password or token in feed.url",
        );
    }
    let cause = error.source()?.downcast_ref::<std::io::Error>()?;
    match cause.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(_) => {
            Some("its certificate is not trusted: name the file of its authority in feed.ca")
        }
        _ => Some("it does not speak TLS as feed.url and feed.ca ask for"),
    }
}

impl Login {
    /// The login in an address: a user and a password, or a token alone.
    fn of(url: &Url) -> Option<Login> {
        let name = decoded(url.username());
        let password = url.password().map(decoded);
        match (name.is_empty(), password) {
            (true, _) => None,
            (false, None) => Some(Login::Token(name)),
            (false, Some(password)) => Some(Login::User(name, password)),
        }
    }
}

/// The text of a part of an address. Forms are decoded alike but for their plus signs.
fn decoded(part: &str) -> String {
    let form = part
        .replace('+', "%2B")
        .replace('&', "%26")
        .replace('=', "%3D");
    url::form_urlencoded::parse(form.as_bytes())
        .map(|(text, _)| text.into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(address: &str, authorities: Option<&str>) -> Servers {
        Servers::new(address, authorities.map(Path::new)).unwrap()
    }

    #[test]
    fn the_login_in_an_address_is_decoded_and_kept_apart() {
        let user = servers("nats://me:p%40ss+=%2F&@one:4222", None);
        let login = user.login.as_ref();
        assert!(
            matches!(login, Some(Login::User(name, word)) if name == "me" && word == "p@ss+=/&")
        );
        assert_eq!(user.addresses[0].as_url_str(), "nats://one:4222");
        let token = servers("tls://token@one,tls://two", None);
        assert!(matches!(&token.login, Some(Login::Token(token)) if token == "token"));
        assert!(servers("nats://one", None).login.is_none());
    }

    #[test]
    fn one_server_that_is_to_be_spoken_to_in_private_makes_all_private() {
        assert!(!servers("nats://one,nats://two", None).are_private());
        assert!(servers("nats://one,tls://two", None).are_private());
        assert!(servers("nats://one", Some("ca.pem")).are_private());
    }
}
