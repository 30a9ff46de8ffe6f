//! A running server: made from a configuration, drained and stopped.

mod opening;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use driftless_resolvers::api::Api;
use driftless_resolvers::clock::System;
use driftless_resolvers::engine::Strategies;
use driftless_resolvers::schema::diff::Change;
use driftless_resolvers::storage::StorageError;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::documents::Web;
use crate::auth::token::issuer::DevelopmentIssuer;
use crate::auth::{self, Authenticator};
use crate::config::{Config, ConfigError, TlsMode};
use crate::conflict;
use crate::http::listener::{Listener, Peer};
use crate::http::ports::Ports;
use crate::http::rate::Limiter;
use crate::http::unanswered::Unanswered;
use crate::http::{self, State};
use crate::metrics::Metrics;
use crate::migration::refusal;
use crate::schema::{self, Loaded, SchemaError};
use crate::storage::Store;
use crate::tls;

pub use opening::engine;
use opening::{NotReady, Opening, notebook, prepare};

/// How long running requests may take to finish at the end.
const LAST_REQUESTS: Duration = Duration::from_secs(10);
/// How long clients may take to read the last answers.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no schema, or it is wrong.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why, and what to do.
        reason: String,
    },
    /// A key, a certificate or another setting makes no sense.
    #[error("{0}")]
    Setting(String),
    /// The store cannot be opened.
    #[error("cannot open the database {database}: {reason}")]
    Store {
        /// Which one, without credentials.
        database: String,
        /// Why.
        reason: String,
    },
    /// The schema changes something that somebody has to agree to, or that cannot be done.
    #[error("{}", refusal(.0))]
    Changes(Vec<Change>),
}

impl From<ConfigError> for StartError {
    fn from(error: ConfigError) -> Self {
        StartError::Setting(error.0)
    }
}

/// A running server.
pub struct App {
    address: SocketAddr,
    config: Config,
    strategies: Strategies,
    loaded: Loaded,
    took_443: Option<Result<(), String>>,
    state: Arc<State>,
    api: watch::Sender<Option<Arc<Api>>>,
    serving: JoinHandle<std::io::Result<()>>,
    /// Cancelled last of all: the port is closed, connections end after their answer.
    finish: CancellationToken,
    opening: Option<JoinHandle<Result<Store, NotReady>>>,
    store: Option<Store>,
}

impl App {
    /// Starts listening. The store is opened meanwhile; until it is ready clients are told to try again
    /// (`errata.md` 2.16). [`App::ready`] waits for it.
    pub async fn start(config: Config) -> Result<App, StartError> {
        let loaded = schema::load(&config.schema, &config.schema_options())?;
        conflict::check(&config.conflict, &loaded.schema)?;
        let metrics = Arc::new(Metrics::default());
        let strategies = conflict::strategies(&config.conflict).await?;
        let strategies = conflict::measured(strategies, &metrics);
        let authenticator = Arc::new(authenticator(&config)?);
        let tls = certificate(&config)?;
        let mut sockets = Ports::take(&config.listen).await?;
        let took_443 = sockets.took_443.take();
        let (listener, address) = sockets.listen(tls)?;

        let (api, api_now) = watch::channel(None);
        let (parts, parts_now) = watch::channel(None);
        let state = Arc::new(State {
            limits: config.limits.clone(),
            authenticator: Arc::clone(&authenticator),
            limiter: Limiter::new(config.limits.rates),
            clock: Arc::new(System),
            admin: config.admin.clone(),
            development_keys: development_keys(&config)?,
            api: api_now,
            parts: parts_now,
            drain: CancellationToken::new(),
            closed: CancellationToken::new(),
            work: TaskTracker::new(),
            unanswered: Unanswered::default(),
            sockets: AtomicUsize::new(0),
            metrics,
        });
        let finish = CancellationToken::new();
        let serving = serve(listener, &state, finish.clone());
        let opening = Opening {
            config: config.clone(),
            strategies: strategies.clone(),
            schema: Arc::clone(&loaded.schema),
            authenticator,
            state: Arc::clone(&state),
            api: api.clone(),
            parts,
        };
        Ok(App {
            address,
            config,
            strategies,
            loaded,
            took_443,
            state,
            api,
            serving,
            finish,
            opening: Some(tokio::spawn(opening.run())),
            store: None,
        })
    }

    /// Waits until requests are answered. It may be given up and asked again.
    pub async fn ready(&mut self) -> Result<(), StartError> {
        let Some(opening) = &mut self.opening else {
            return Ok(());
        };
        let opened = opening.await;
        self.opening = None;
        let reason = match opened {
            Ok(Ok(store)) => {
                self.store = Some(store);
                return Ok(());
            }
            Ok(Err(error)) => return Err(self.unready(error)),
            Err(error) => error.to_string(),
        };
        Err(self.unready(NotReady::Store(StorageError::Unavailable(reason))))
    }

    fn unready(&self, error: NotReady) -> StartError {
        match error {
            NotReady::Changes(refused) => StartError::Changes(refused),
            NotReady::Store(error) => StartError::Store {
                database: self.config.database.describe(),
                reason: error.to_string(),
            },
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it was made from.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The schema it started with.
    #[must_use]
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// Whether port 443 was taken too, if it was wanted; or why not.
    #[must_use]
    pub fn took_443(&self) -> Option<&Result<(), String>> {
        self.took_443.as_ref()
    }

    /// Whether word of other nodes' writes arrives at once. Where it does not, they are looked for four times a second.
    #[must_use]
    pub fn hears_other_nodes(&self) -> bool {
        self.store.as_ref().is_some_and(Store::hears)
    }

    /// The certificate of the local authority, if there is one.
    #[must_use]
    pub fn ca(&self) -> Option<PathBuf> {
        match &self.config.listen.tls {
            TlsMode::Local(folder) => Some(tls::Authority::at(folder).certificate()),
            TlsMode::Off | TlsMode::Files { .. } => None,
        }
    }

    /// The URL of the API in clear.
    #[must_use]
    pub fn http_endpoint(&self) -> String {
        format!("http://{}/graphql", self.host())
    }

    /// The URL of the API, encrypted if the server can.
    #[must_use]
    pub fn endpoint(&self) -> String {
        match self.config.listen.tls {
            TlsMode::Off => self.http_endpoint(),
            TlsMode::Local(_) | TlsMode::Files { .. } => format!("https://{}/graphql", self.host()),
        }
    }

    /// The URL of subscriptions.
    #[must_use]
    pub fn realtime_endpoint(&self) -> String {
        let scheme = match self.config.listen.tls {
            TlsMode::Off => "ws",
            TlsMode::Local(_) | TlsMode::Files { .. } => "wss",
        };
        format!("{scheme}://{}/graphql/realtime", self.host())
    }

    fn host(&self) -> String {
        let ip = self.address.ip();
        if ip.is_loopback() || ip.is_unspecified() {
            format!("localhost:{}", self.address.port())
        } else {
            self.address.to_string()
        }
    }

    /// Serves another schema from now on; answers what changed. Subscriptions keep the plan they were admitted with
    /// (`errata.md` 2.7).
    pub async fn reload(&mut self, loaded: Loaded) -> Result<Vec<Change>, StartError> {
        conflict::check(&self.config.conflict, &loaded.schema)?;
        let changes = self.take(&loaded).await;
        let changes = changes.map_err(|error| self.unready(error))?;
        self.loaded = loaded;
        Ok(changes)
    }

    async fn take(&self, loaded: &Loaded) -> Result<Vec<Change>, NotReady> {
        let Some(store) = &self.store else {
            let reason = "the store is not open yet".to_owned();
            return Err(StorageError::Unavailable(reason).into());
        };
        let changes = prepare(&self.config, store, &loaded.schema).await?;
        let storage = Arc::clone(&store.storage);
        let schema = Arc::clone(&loaded.schema);
        let mut engine = engine(&self.config, &self.strategies, schema, storage).await?;
        engine.clock = store.clock();
        engine.journal = notebook(&self.config, store, &self.state);
        if let Some(parts) = &*self.state.parts.borrow() {
            engine.bulletin = parts.realtime.hub.bulletin();
        }
        self.api.send_replace(Some(Arc::new(Api::new(engine))));
        Ok(changes)
    }

    /// Takes other settings of who may call, while sockets that stay valid go on. If they name other modes the schema is
    /// read anew with them; when that fails nothing changes.
    pub async fn reload_auth(&mut self, auth: auth::Settings) -> Result<(), StartError> {
        let mut config = self.config.clone();
        config.auth = auth;
        if config.auth.modes() != self.config.auth.modes() {
            let loaded = schema::load(&config.schema, &config.schema_options())?;
            self.reload(loaded).await?;
        }
        let replaced = self.state.authenticator.replace(&config.auth);
        replaced.map_err(|error| StartError::Setting(format!("{error:#}")))?;
        self.config = config;
        Ok(())
    }

    /// Ends in order: readiness fails, sockets are closed over the drain time in the way clients come back from,
    /// running requests finish, new ones are told to try again, and the port is closed last of all.
    pub async fn stop(self) {
        self.state.drain.cancel();
        if let Some(opening) = &self.opening {
            opening.abort();
        }
        tokio::time::sleep(self.config.drain).await;
        self.state.closed.cancel();
        self.state.work.close();
        if tokio::time::timeout(LAST_REQUESTS, self.state.work.wait())
            .await
            .is_err()
        {
            tracing::warn!("some requests did not finish in time and are given up");
        }
        if let Some(store) = &self.store {
            store.close().await;
        }
        // Answers that are being written are written to their end.
        self.finish.cancel();
        let _ = tokio::time::timeout(LAST_ANSWERS, self.serving).await;
    }
}

fn serve(
    listener: Listener,
    state: &Arc<State>,
    finish: CancellationToken,
) -> JoinHandle<std::io::Result<()>> {
    let router = http::router(state);
    let router = router.into_make_service_with_connect_info::<Peer>();
    let serving = axum::serve(listener, router).with_graceful_shutdown(finish.cancelled_owned());
    tokio::spawn(serving.into_future())
}

fn authenticator(config: &Config) -> Result<Authenticator, StartError> {
    let failed = |error: anyhow::Error| StartError::Setting(format!("{error:#}"));
    let web = Web::new().map_err(|error| failed(error.into()))?;
    let world = auth::World {
        clock: Arc::new(System),
        documents: Arc::new(web),
    };
    let authenticator = Authenticator::new(&config.auth, world).map_err(failed)?;
    for keys in authenticator.key_sets() {
        tokio::spawn(async move { keys.warm().await });
    }
    Ok(authenticator)
}

fn development_keys(config: &Config) -> Result<Option<serde_json::Value>, StartError> {
    let issuer = config
        .auth
        .development
        .as_deref()
        .map(DevelopmentIssuer::open);
    let issuer = issuer
        .transpose()
        .map_err(|error| StartError::Setting(format!("{error:#}")))?;
    Ok(issuer.map(|issuer| issuer.key_set()))
}

fn certificate(config: &Config) -> Result<Option<Arc<rustls::ServerConfig>>, StartError> {
    let made = match &config.listen.tls {
        TlsMode::Off => return Ok(None),
        TlsMode::Local(folder) => {
            let hosts = tls::local_hosts(&config.listen.public_hosts);
            tls::Authority::at(folder).server_config(&hosts)
        }
        TlsMode::Files { certificate, key } => tls::from_files(certificate, key),
    };
    made.map(Some)
        .map_err(|error| StartError::Setting(format!("{error:#}")))
}
