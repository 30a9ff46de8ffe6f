//! What the server is told: defaults ← `driftless.toml` ← `DRIFTLESS_*` ← flags. Nothing else reads the environment.

mod address;
mod auth;
mod compat;
mod conflict;
mod document;
mod environment;
mod lifetime;
mod models;
mod rules;

pub(crate) use address::bare_url;
pub use address::{Database, Feed};
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
    pub feed: Option<Feed>,
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
            feed.check(&self.database)?;
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
            direct_url: self.direct_database.as_ref().map(|direct| direct.0.clone()),
            feed: self.feed.as_ref().map(|feed| feed.0.clone()),
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
mod tests {
    use super::*;

    pub(super) fn load(file: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("driftless.toml");
        std::fs::write(&path, file).expect("a file");
        let flags = Flags {
            file: Some(path),
            ..Flags::default()
        };
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::production().overlaid(&flags, variables)
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let file = "schema = \"a.graphql\"\n[database]\nurl = \"sqlite:a.db\"\n";
        let config =
            load(file, &[("DRIFTLESS_DATABASE_URL", "sqlite:b.db")]).expect("a configuration");
        assert_eq!(config.schema, SchemaSource::File("a.graphql".into()));
        assert_eq!(config.database, Database("sqlite:b.db".to_owned()));
    }

    #[test]
    fn flags_win_over_everything() {
        let flags = Flags {
            database: Some("sqlite:c.db".to_owned()),
            ..Flags::default()
        };
        let variables = [(
            "DRIFTLESS_DATABASE_URL".to_owned(),
            "sqlite:b.db".to_owned(),
        )];
        let config = Config::production()
            .overlaid(&flags, variables)
            .expect("a configuration");
        assert_eq!(config.database, Database("sqlite:c.db".to_owned()));
    }

    #[test]
    fn an_unknown_variable_names_the_nearest_known_one() {
        let error = load("", &[("DRIFTLESS_DATABSE_URL", "x")]).expect_err("a typing error");
        assert!(error.0.contains("DRIFTLESS_DATABASE_URL"), "{error}");
    }

    #[test]
    fn a_feed_is_a_list_of_nats_servers_beside_a_postgres() {
        let postgres = ("DRIFTLESS_DATABASE_URL", "postgres://h/d");
        let two = "nats://u:secret@a:4222, tls://b";
        let config = load("", &[postgres, ("DRIFTLESS_FEED_URL", two)]).expect("a configuration");
        assert_eq!(config.feed, Some(Feed(two.to_owned())));
        assert_eq!(format!("{:?}", config.feed), "Some(nats://a:4222,tls://b)");
        let error = load("[feed]\nurl = \"redis://a\"\n", &[postgres]).expect_err("no NATS");
        assert!(error.0.contains("feed.url"), "{error}");
        let error = load("[feed]\nurl = \"nats://a\"\n", &[]).expect_err("no Postgres");
        assert!(error.0.contains("Postgres"), "{error}");
    }

    #[test]
    fn variables_that_kubernetes_sets_for_a_service_of_our_name_are_not_ours() {
        let variables = [
            ("DRIFTLESS_SERVICE_HOST", "10.0.0.1"),
            ("DRIFTLESS_PORT_8080_TCP", "tcp://"),
        ];
        assert!(load("", &variables).is_ok());
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_the_place() {
        let error = load("[listen]\nadress = \"x\"\n", &[]).expect_err("a typing error");
        assert!(
            error.0.contains("adress") && error.0.contains("address"),
            "{error}"
        );
    }

    #[test]
    fn secrets_may_lie_in_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("url");
        std::fs::write(&path, "postgres://u:p@h/d\n").expect("a file");
        let path = path.to_string_lossy();
        let config = load("", &[("DRIFTLESS_DATABASE_URL_FILE", &path)]).expect("a configuration");
        assert_eq!(config.database, Database("postgres://u:p@h/d".to_owned()));
    }

    #[test]
    fn keys_conflicts_and_certificates_are_read() {
        let file = r#"
            [listen]
            address = "127.0.0.1:9000"
            public_hosts = ["sync.example.org"]
            tls = { cert = "c.pem", key = "k.pem" }
            [conflict]
            default = "optimistic"
            [conflict.models]
            Post = "automerge"
            [auth.providers.keys]
            type = "api_key"
            keys = ["da2-abcdefghijklmnopqrstuvwxyz"]
        "#;
        let config = load(file, &[]).expect("a configuration");
        assert_eq!(config.listen.address.port(), 9000);
        assert_eq!(config.conflict.models["Post"], Strategy::Automerge.into());
        assert_eq!(config.conflict.default, Strategy::Optimistic.into());
        assert_eq!(config.auth.api_keys.map(|keys| keys.len()), Some(1));
        assert!(matches!(config.listen.tls, TlsMode::Files { .. }));
    }

    /// `errata.md` rows 30 and 32.
    #[test]
    fn tombstones_last_thirty_days_and_deltas_for_ever_unless_told_otherwise() {
        let ttls = |file: &str, variables: &[(&str, &str)]| {
            let engine = load(file, variables).expect("a configuration").engine;
            (engine.delta_window, engine.tombstone_ttl)
        };
        assert_eq!(ttls("", &[]), (None, Some(30 * 24 * 3_600_000)));
        let file = "[sync]\ndelta_ttl = 30\ntombstone_ttl = 0\n";
        assert_eq!(ttls(file, &[]), (Some(1_800_000), Some(0)));
        let variables = [
            ("DRIFTLESS_SYNC_DELTA_TTL", "60"),
            ("DRIFTLESS_SYNC_TOMBSTONE_TTL", "never"),
        ];
        assert_eq!(ttls(file, &variables), (Some(3_600_000), None));
        let never = "[sync]\ntombstone_ttl = \"never\"\n";
        assert_eq!(ttls(never, &[]), (None, None));
    }

    #[test]
    fn a_time_that_makes_no_sense_is_named_with_its_place() {
        for (line, key) in [
            ("delta_ttl = -1", "delta_ttl"),
            ("delta_ttl = \"never\"", "delta_ttl"),
            ("tombstone_ttl = \"soon\"", "tombstone_ttl"),
            ("tombstone_ttl = 1.5", "tombstone_ttl"),
            ("tombstone_ttl = -1", "tombstone_ttl"),
        ] {
            let error = load(&format!("[sync]\n{line}\n"), &[]).expect_err(line);
            let told = error.0.contains("driftless.toml") && error.0.contains(key);
            assert!(told, "{error}");
        }
        for name in ["DRIFTLESS_SYNC_DELTA_TTL", "DRIFTLESS_SYNC_TOMBSTONE_TTL"] {
            let error = load("", &[(name, "-1")]).expect_err(name);
            assert!(error.0.contains(name), "{error}");
        }
    }

    #[test]
    fn the_switches_of_syncs_are_off_unless_told_otherwise() {
        let switches = |file: &str, variables: &[(&str, &str)]| {
            let engine = load(file, variables).expect("a configuration").engine;
            (engine.revive, engine.create_replay, engine.hide_tombstones)
        };
        assert_eq!(switches("", &[]), (false, true, false));
        let file = "[sync]\ncreate_on_tombstone = \"revive\"\ncreate_replay = false\nhide_tombstones = true\n";
        assert_eq!(switches(file, &[]), (true, false, true));
        let variables = [
            ("DRIFTLESS_SYNC_CREATE_ON_TOMBSTONE", "error"),
            ("DRIFTLESS_SYNC_CREATE_REPLAY", "true"),
            ("DRIFTLESS_SYNC_HIDE_TOMBSTONES", "false"),
        ];
        assert_eq!(switches(file, &variables), (false, true, false));
        let error = load("[sync]\ncreate_on_tombstone = \"undelete\"\n", &[]).expect_err("a word");
        assert!(
            error.0.contains("undelete") && error.0.contains("revive"),
            "{error}"
        );
    }

    #[test]
    fn the_profile_of_appsync_gives_way_to_what_is_said_beside_it() {
        let plain = load("compat = \"appsync\"\n", &[]).expect("a configuration");
        assert_eq!(plain.engine.delta_window, Some(1_800_000));
        assert!(!plain.engine.create_replay && !plain.realtime.repairs && !plain.engine.slow_loops);
        assert_eq!(plain.realtime.subscriptions, 100);
        let file = "compat = \"appsync\"\n[sync]\ndelta_ttl = 60\n[realtime]\nrepairs = true\n";
        let own = load(file, &[]).expect("a configuration");
        assert_eq!(own.engine.delta_window, Some(3_600_000));
        assert!(own.realtime.repairs && !own.engine.create_replay);
        let variable = load("", &[("DRIFTLESS_COMPAT", "appsync")]).expect("a configuration");
        assert!(!variable.engine.create_replay);
    }
}
