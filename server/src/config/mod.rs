//! What the server is told: defaults ← `driftless.toml` ← `DRIFTLESS_*` ← flags. Nothing else reads the environment.

mod address;
mod auth;
mod compat;
mod conflict;
mod document;
mod environment;
mod feed;
mod lifetime;
mod models;
mod rules;

pub use address::Database;
pub(crate) use address::bare_url;
pub use compat::Compat;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use driftless_resolvers::identity::AuthMode;
use driftless_resolvers::schema::Options;
use driftless_resolvers::schema::overrides::Overrides;

pub use conflict::{Choice, Conflicts, Function, Plugin, Secret, Strategy};

use crate::http::Limits;
use crate::http::rate::Rates;
use crate::migration::Consent;
use crate::realtime::Settings;
use crate::storage::NatsPlace;
use crate::storage::moment::Moments;
use crate::telemetry::Log;
use crate::tls;

/// The port of `driftless dev`.
pub const DEVELOPMENT_PORT: u16 = 20002;
/// The port of `driftless serve`.
const PRODUCTION_PORT: u16 = 8080;

/// What no honest client comes near, and no dishonest one gets beyond: requests per second, for ten seconds at once.
const PRODUCTION_RATES: Rates = Rates {
    principal: Some(100),
    address: Some(1_000),
};

/// Where a development folder keeps the key of its issuer.
pub const ISSUER_KEY: &str = "issuer-key";

/// A whole configuration, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the schema is.
    pub schema: SchemaSource,
    /// Where to listen.
    pub listen: Listen,
    /// Where records are kept.
    pub database: Database,
    /// The same database without the pooler that `database` leads through, for word of other nodes' writes.
    pub direct_database: Option<Database>,
    /// The NATS servers that carry word of writes between nodes, instead of the database's notifications.
    pub feed: Option<NatsPlace>,
    /// How long the log keeps what was written, in milliseconds; `None` is for ever.
    pub log_ttl: Option<i64>,
    /// How long to wait for a database server that is not there yet; `None` is for ever.
    pub database_patience: Option<Duration>,
    /// Who decides conflicts.
    pub conflict: Conflicts,
    /// Who may call.
    pub auth: crate::auth::Settings,
    /// What operators show at `/admin`; without it there is no such thing.
    pub admin: Option<Secret>,
    /// Whether owner rules that name no claim compare the user's name alone.
    pub username_claim: bool,
    /// Names of models that are not the transformer's.
    pub names: Overrides,
    /// Bounds of HTTP requests.
    pub limits: Limits,
    /// Switches and limits of the API.
    pub engine: driftless_resolvers::engine::Settings,
    /// Bounds and times of sockets.
    pub realtime: Settings,
    /// What is logged.
    pub log: Log,
    /// Over how much time sockets are closed at the end.
    pub drain: Duration,
    /// Whose consent there is to changes of the schema.
    pub consent: Consent,
    /// Who looks at writes; nothing that a configuration is read from can say.
    pub moments: Moments,
}

/// Where the schema is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaSource {
    /// In a file.
    File(PathBuf),
    /// Here.
    Text(String),
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Address and port; port 0 picks a free one.
    pub address: SocketAddr,
    /// Further names and addresses clients use.
    pub public_hosts: Vec<String>,
    /// What the certificate is.
    pub tls: TlsMode,
    /// Also take port 443 if the system lets us: Android and Flutter clients use no other (`client-native` R1).
    pub also_443: bool,
    /// Let another process of the same user take the same port, so that one can begin before the other ends.
    pub share_port: bool,
}

/// What the certificate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsMode {
    /// Plain HTTP only; something in front speaks TLS.
    Off,
    /// A leaf of a local authority kept in this folder.
    Local(PathBuf),
    /// The operator's own files, PEM.
    Files {
        /// The chain, leaf first.
        certificate: PathBuf,
        /// The private key.
        key: PathBuf,
    },
}

/// A configuration that makes no sense: what, and the way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// What the command line says; only what was given.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// The schema file.
    pub schema: Option<PathBuf>,
    /// Address and port.
    pub listen: Option<SocketAddr>,
    /// The database.
    pub database: Option<String>,
    /// The default strategy.
    pub conflict: Option<Strategy>,
    /// Further names of this machine.
    pub hosts: Vec<String>,
    /// The configuration file; `driftless.toml` if it exists.
    pub file: Option<PathBuf>,
}

impl Config {
    /// What a new project starts with, before file, environment and flags.
    #[must_use]
    pub fn development(folder: &Path) -> Config {
        Config {
            listen: Listen {
                address: loopback(DEVELOPMENT_PORT),
                public_hosts: Vec::new(),
                tls: TlsMode::Local(folder.join("tls")),
                also_443: true,
                share_port: false,
            },
            database: Database(format!("sqlite:{}", folder.join("data.db").display())),
            database_patience: Some(Duration::from_secs(15)),
            drain: Duration::from_millis(200),
            consent: Consent::Author,
            username_claim: false,
            limits: Limits::default(),
            engine: driftless_resolvers::engine::Settings::default(),
            auth: crate::auth::Settings {
                default: Some(AuthMode::ApiKey),
                development: Some(folder.join(ISSUER_KEY)),
                ..crate::auth::Settings::default()
            },
            ..Config::production()
        }
    }

    /// What `driftless serve` starts with: no keys, no certificates, no database of its own making.
    #[must_use]
    pub fn production() -> Config {
        Config {
            schema: SchemaSource::File("schema.graphql".into()),
            listen: Listen {
                address: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), PRODUCTION_PORT),
                public_hosts: Vec::new(),
                tls: TlsMode::Off,
                also_443: false,
                share_port: false,
            },
            database: Database("sqlite:.driftless/data.db".to_owned()),
            direct_database: None,
            feed: None,
            log_ttl: Some(driftless_resolvers::tombstone::DEFAULT_TTL),
            database_patience: None,
            conflict: Conflicts::default(),
            username_claim: false,
            names: Overrides::new(),
            auth: crate::auth::Settings::default(),
            admin: None,
            limits: Limits {
                rates: PRODUCTION_RATES,
                ..Limits::default()
            },
            engine: driftless_resolvers::engine::Settings {
                introspection: false,
                ..driftless_resolvers::engine::Settings::default()
            },
            realtime: Settings::default(),
            log: Log::default(),
            drain: Duration::from_secs(5),
            consent: Consent::Nobody,
            moments: Moments::default(),
        }
    }

    /// This configuration with file, environment and flags laid over it.
    pub fn load(self, flags: &Flags) -> Result<Config, ConfigError> {
        self.overlaid(flags, environment::variables())
    }

    /// Signatures name the host they are for: one of the names that clients know this server by.
    fn name_signed_hosts(&mut self) -> Result<(), ConfigError> {
        let Some(iam) = self.auth.iam.as_mut().filter(|iam| iam.hosts.is_empty()) else {
            return Ok(());
        };
        iam.hosts.clone_from(&self.listen.public_hosts);
        if self.auth.development.is_some() {
            iam.hosts.extend(tls::local_hosts(&[]));
        }
        if iam.hosts.is_empty() {
            return Err(ConfigError(
                "signatures are for a host: list the names of this server under listen.public_hosts"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// What a schema is read with: rules may name the configured modes and no others.
    #[must_use]
    pub fn schema_options(&self) -> Options {
        Options {
            modes: self.auth.modes(),
            username_claim: self.username_claim,
            iam_access: self.engine.authz.enable_iam_access,
            overrides: self.names.clone(),
            ..Options::default()
        }
    }

    fn overlaid(
        mut self,
        flags: &Flags,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Config, ConfigError> {
        let mut table = document::read(flags.file.as_deref())?;
        environment::overlay(&mut table, variables)?;
        document::apply(&mut self, table)?;
        if let Some(schema) = &flags.schema {
            self.schema = SchemaSource::File(schema.clone());
        }
        if let Some(address) = flags.listen {
            self.listen.address = address;
        }
        if let Some(url) = &flags.database {
            self.database = Database(url.clone());
        }
        if let Some(strategy) = flags.conflict {
            self.conflict.default = strategy.into();
        }
        self.listen.public_hosts.extend(flags.hosts.iter().cloned());
        self.name_signed_hosts()?;
        if let Some(feed) = &self.feed {
            feed::check(feed, &self.database)?;
        }
        Ok(self)
    }
}

impl Config {
    /// Where the store is.
    #[must_use]
    pub fn place(&self) -> crate::storage::Place {
        crate::storage::Place {
            moments: self.moments.clone(),
            log_ttl: self.log_ttl,
            page_bytes: self.engine.page_bytes,
            direct_url: self.direct_database.as_ref().map(|direct| direct.0.clone()),
            feed: self.feed.clone(),
            ..crate::storage::Place::at(&self.database.0)
        }
    }
}

/// The URL that `driftless health` asks, if the environment names one.
pub fn health_url() -> Option<String> {
    environment::variable("DRIFTLESS_HEALTH_URL")
}

/// What operators show to the server, if the environment holds it.
pub fn admin_secret() -> Option<String> {
    environment::variable("DRIFTLESS_ADMIN_SECRET")
}

/// The address the server of this environment listens on, if the environment names one.
pub fn listen_address() -> Option<String> {
    environment::variable("DRIFTLESS_LISTEN_ADDRESS")
}

/// The listening sockets that whoever started this process has handed over (`LISTEN_FDS`, as systemd does).
pub(crate) fn inherited_sockets() -> std::io::Result<Vec<std::net::TcpListener>> {
    let mut handed_over = listenfd::ListenFd::from_env();
    (0..handed_over.len())
        .filter_map(|number| handed_over.take_tcp_listener(number).transpose())
        .collect()
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

#[cfg(test)]
mod tests;
