//! Which NATS servers there are, how a node knows them, and what it shows them.

use std::error::Error as _;
use std::path::PathBuf;
use std::{fmt, io};

use anyhow::Context as _;
use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, ServerAddr};
use url::Url;

use super::credentials::Credentials;

/// Where the NATS servers are that carry word between nodes, and what goes with that. Files are read anew at each
/// connection, so that they may be exchanged.
#[derive(Clone, PartialEq, Eq)]
pub struct NatsPlace {
    /// `nats://HOST:PORT` or `tls://HOST:PORT`, several of one cluster with commas between; may hold a login.
    pub url: String,
    /// PEM file of the authorities that sign their certificates, if the system does not trust these.
    pub ca: Option<PathBuf>,
    /// A file with the login, if the address holds none: `.creds`, or the seed of an nkey.
    pub credentials: Option<PathBuf>,
    /// What a node shows servers that ask for a certificate.
    pub certificate: Option<Certificate>,
}

/// A certificate and what proves that it is one's own, both PEM files.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The chain, leaf first.
    pub chain: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl NatsPlace {
    /// Servers of which the certificates, if any, are signed by authorities that the system trusts.
    #[must_use]
    pub fn at(url: &str) -> Self {
        NatsPlace {
            url: url.to_owned(),
            ca: None,
            credentials: None,
            certificate: None,
        }
    }

    /// The address of each server.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = Result<Url, url::ParseError>> {
        self.url.split(',').map(|server| server.trim().parse())
    }

    /// Whether a login stands in the address.
    pub(crate) fn holds_login(&self) -> bool {
        self.addresses()
            .flatten()
            .any(|url| Login::of(&url).is_some())
    }
}

impl fmt::Debug for NatsPlace {
    /// Never shows a login.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.addresses().map(|address| {
            let bare = address.ok().and_then(bare);
            bare.map_or("?".to_owned(), String::from)
        });
        formatter.write_str(&shown.collect::<Vec<_>>().join(","))?;
        let files = [
            ("authorities", self.ca.as_ref()),
            ("login", self.credentials.as_ref()),
            (
                "certificate",
                self.certificate.as_ref().map(|own| &own.chain),
            ),
        ];
        for (what, file) in files {
            if let Some(file) = file {
                write!(formatter, " ({what} in {})", file.display())?;
            }
        }
        Ok(())
    }
}

/// The servers of one cluster.
pub(super) struct Servers {
    addresses: Vec<ServerAddr>,
    login: Option<Login>,
    place: NatsPlace,
}

/// What a server is shown.
enum Login {
    Token(String),
    User(String, String),
}

impl Servers {
    /// Those of a place.
    pub(super) fn new(place: &NatsPlace) -> anyhow::Result<Self> {
        let unreadable = "the address of [feed] cannot be read; write nats://HOST:PORT";
        let mut addresses = Vec::new();
        let mut login = None;
        for url in place.addresses() {
            let url = url.context(unreadable)?;
            login = login.or_else(|| Login::of(&url));
            // The library does not look at the login, and nobody else is to see it.
            let url = bare(url).context(unreadable)?;
            addresses.push(ServerAddr::from_url(url).context(unreadable)?);
        }
        Ok(Servers {
            addresses,
            login,
            place: place.clone(),
        })
    }

    /// Whether nothing may travel in clear. A server tells of the other ones of its cluster, without a word about
    /// encryption, before it is known: the login must not go to any of them in clear either.
    fn are_private(&self) -> bool {
        self.place.ca.is_some()
            || self.place.certificate.is_some()
            || self.addresses.iter().any(ServerAddr::tls_required)
    }

    /// How to connect to them.
    pub(super) fn options(&self) -> anyhow::Result<ConnectOptions> {
        let mut options = match (&self.place.credentials, &self.login) {
            (Some(path), _) => {
                let credentials = Credentials::read(path).context("feed.credentials")?;
                ConnectOptions::with_auth_callback(move |nonce| {
                    std::future::ready(credentials.answer(&nonce))
                })
            }
            (None, Some(Login::Token(token))) => ConnectOptions::with_token(token.clone()),
            (None, Some(Login::User(name, password))) => {
                ConnectOptions::with_user_and_password(name.clone(), password.clone())
            }
            (None, None) => ConnectOptions::new(),
        };
        options = options.require_tls(self.are_private());
        if let Some(path) = &self.place.ca {
            options = options.add_root_certificates(path.clone());
        }
        if let Some(Certificate { chain, key }) = &self.place.certificate {
            options = options.add_client_certificate(chain.clone(), key.clone());
        }
        Ok(options)
    }

    /// Connects to one of them.
    pub(super) async fn connect(&self, options: ConnectOptions) -> anyhow::Result<Client> {
        let connected = options.connect(self.addresses.clone()).await;
        connected.map_err(|error| match self.advice(&error) {
            None => error.into(),
            Some(advice) => anyhow::Error::new(error).context(advice),
        })
    }

    /// What to do about a connection that does not come about.
    fn advice(&self, error: &ConnectError) -> Option<&'static str> {
        match error.kind() {
            ConnectErrorKind::AuthorizationViolation => Some(self.stranger()),
            ConnectErrorKind::Io => match error.source()?.downcast_ref::<io::Error>() {
                Some(cause) => match cause.get_ref().and_then(|inner| inner.downcast_ref()) {
                    Some(error) => Some(self.distrust(error)),
                    None if is_breach(cause.kind()) => self.breach(),
                    None => None,
                },
                // The library's own word for it.
                None => self.breach(),
            },
            _ => None,
        }
    }

    /// A server does not let this node in.
    fn stranger(&self) -> &'static str {
        match (&self.place.credentials, &self.login) {
            (Some(_), _) => {
                "it does not let this node in: look whether it knows the user of the file in feed.credentials, and whether \
                 that is still valid"
            }
            (None, Some(_)) => {
                "it does not let this node in: look at the user, password or token in feed.url"
            }
            (None, None) => {
                "it does not let this node in: put a login into feed.url, or name a file that holds one in feed.credentials"
            }
        }
    }

    /// A server and this node do not come to speak in private.
    fn distrust(&self, error: &rustls::Error) -> &'static str {
        match error {
            rustls::Error::InvalidCertificate(_) => {
                "its certificate is not trusted: name the file of its authority in feed.ca"
            }
            rustls::Error::AlertReceived(_) => self.rejection(),
            _ => "it does not speak TLS as feed.url and feed.ca ask for",
        }
    }

    /// A server breaks off, as those do that are not shown the certificate that they ask for: whether they say why before
    /// the line is closed is a matter of luck.
    fn breach(&self) -> Option<&'static str> {
        self.are_private().then(|| self.rejection())
    }

    fn rejection(&self) -> &'static str {
        match self.place.certificate {
            None => {
                "it breaks off: if it asks for a certificate of this node, name its files in feed.cert and feed.key"
            }
            Some(_) => {
                "it breaks off: it may not take the certificate of this node, look at the files in feed.cert and feed.key"
            }
        }
    }
}

/// Whether a connection was there and ended.
fn is_breach(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(
        kind,
        BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof
    )
}

/// An address without the login in it.
fn bare(mut url: Url) -> Option<Url> {
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    Some(url)
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

    fn place(address: &str) -> NatsPlace {
        NatsPlace::at(address)
    }

    fn servers(place: &NatsPlace) -> Servers {
        Servers::new(place).unwrap()
    }

    #[test]
    fn the_login_in_an_address_is_decoded_and_kept_apart() {
        let user = servers(&place("nats://me:p%40ss+=%2F&@one:4222"));
        let login = user.login.as_ref();
        assert!(
            matches!(login, Some(Login::User(name, word)) if name == "me" && word == "p@ss+=/&")
        );
        assert_eq!(user.addresses[0].as_url_str(), "nats://one:4222");
        let token = servers(&place("tls://token@one,tls://two"));
        assert!(matches!(&token.login, Some(Login::Token(token)) if token == "token"));
        assert!(servers(&place("nats://one")).login.is_none());
    }

    #[test]
    fn whatever_speaks_of_certificates_makes_all_private() {
        let one = place("nats://one");
        let certificate = Some(Certificate {
            chain: "leaf.pem".into(),
            key: "leaf.key".into(),
        });
        for (expected, place) in [
            (false, place("nats://one,nats://two")),
            (true, place("nats://one,tls://two")),
            (
                true,
                NatsPlace {
                    ca: Some("ca.pem".into()),
                    ..one.clone()
                },
            ),
            (true, NatsPlace { certificate, ..one }),
        ] {
            assert_eq!(servers(&place).are_private(), expected, "{place:?}");
        }
    }
}
