//! What a server does behind its open port until it can answer: the store is opened and brought to the schema.

use std::sync::Arc;
use std::time::{Duration, Instant};

use driftless_resolvers::api::Api;
use driftless_resolvers::authz::Rules;
use driftless_resolvers::clock::System;
use driftless_resolvers::engine::{Engine, Strategies};
use driftless_resolvers::journal::Notebook;
use driftless_resolvers::notice::Nobody;
use driftless_resolvers::pacing::Pacing;
use driftless_resolvers::page::Sealer;
use driftless_resolvers::schema::Schema;
use driftless_resolvers::schema::diff::Change;
use driftless_resolvers::storage::{Storage, StorageError};
use tokio::sync::watch;

use crate::auth::Authenticator;
use crate::config::Config;
use crate::http::{Parts, State};
use crate::migration::Plan;
use crate::realtime::hub::Hub;
use crate::realtime::socket::Realtime;
use crate::storage::{self, Store};

/// Between two attempts to open a store that is not there yet.
const STORE_RETRY: Duration = Duration::from_millis(500);

/// Why a store is not ready for a schema.
pub(super) enum NotReady {
    Store(StorageError),
    Changes(Vec<Change>),
}

impl From<StorageError> for NotReady {
    fn from(error: StorageError) -> Self {
        NotReady::Store(error)
    }
}

/// Opens the store and makes the API, while the port is open already.
pub(super) struct Opening {
    pub(super) config: Config,
    pub(super) strategies: Strategies,
    pub(super) schema: Arc<Schema>,
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) state: Arc<State>,
    pub(super) api: watch::Sender<Option<Arc<Api>>>,
    pub(super) parts: watch::Sender<Option<Parts>>,
}

impl Opening {
    pub(super) async fn run(self) -> Result<Store, NotReady> {
        let begun = Instant::now();
        loop {
            match self.attempt().await {
                Ok((store, engine)) => {
                    self.publish(&store, engine);
                    return Ok(store);
                }
                Err(NotReady::Store(StorageError::Unavailable(reason))) if self.may_wait(begun) => {
                    tracing::warn!(reason, "the database is not there yet; trying again");
                    tokio::time::sleep(STORE_RETRY).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// A database server may start later than this one, and whoever shares its port with us may still hold the file.
    fn may_wait(&self, begun: Instant) -> bool {
        let patience = self.config.database_patience;
        (self.config.database.is_shared() || self.config.listen.share_port)
            && patience.is_none_or(|patience| begun.elapsed() < patience)
    }

    async fn attempt(&self) -> Result<(Store, Engine), NotReady> {
        let store = storage::open_at(&self.config.place())
            .await
            .map_err(|error| StorageError::Unavailable(format!("{error:#}")))?;
        match self.over(&store).await {
            Ok(engine) => Ok((store, engine)),
            Err(error) => {
                store.close().await;
                Err(error)
            }
        }
    }

    async fn over(&self, store: &Store) -> Result<Engine, NotReady> {
        for change in prepare(&self.config, store, &self.schema).await? {
            let (kind, class) = (change.kind.code(), change.class.name());
            tracing::info!(kind, class, subject = change.subject, "{}", change.message);
        }
        let storage = Arc::clone(&store.storage);
        let schema = Arc::clone(&self.schema);
        let mut engine = engine(&self.config, &self.strategies, schema, storage).await?;
        engine.clock = store.clock();
        engine.journal = notebook(&self.config, store, &self.state);
        Ok(engine)
    }

    fn publish(self, store: &Store, mut engine: Engine) {
        store.watch_clock();
        let authenticator = Arc::clone(&self.authenticator);
        store.on_dismissal(move |principal| {
            let closed = authenticator.disconnect(principal);
            tracing::info!(
                principal,
                closed,
                "an operator disconnects a principal at another node"
            );
        });
        let settings = self.config.realtime.clone();
        let hub = Hub::new(Arc::clone(&store.feed), store.clock(), settings.repairs);
        engine.bulletin = hub.bulletin();
        let realtime = Realtime {
            settings,
            authenticator: self.authenticator,
            api: self.api.subscribe(),
            hub: Arc::new(hub),
            drain: self.state.drain.clone(),
            drain_spread: self.config.drain,
            metrics: Arc::clone(&self.state.metrics),
        };
        self.api.send_replace(Some(Arc::new(Api::new(engine))));
        self.parts.send_replace(Some(Parts {
            store: store.clone(),
            realtime: Arc::new(realtime),
            journal: store.journal(),
        }));
    }
}

/// Brings a store to a schema, if what changes is agreed to; answers the changes.
pub(super) async fn prepare(
    config: &Config,
    store: &Store,
    schema: &Schema,
) -> Result<Vec<Change>, NotReady> {
    let plan = Plan::of(store, schema, &config.schema_options()).await?;
    let refused = plan.refused(config.consent);
    if !refused.is_empty() {
        return Err(NotReady::Changes(refused));
    }
    store.storage.prepare(schema).await?;
    Ok(plan.changes)
}

/// Where mutations leave their conflicts and are counted.
pub(super) fn notebook(config: &Config, store: &Store, state: &State) -> Notebook {
    let tally = Arc::clone(&state.metrics);
    store.notebook(config.conflict.journal).counted_by(tally)
}

/// What resolvers work with, for a schema over a store that is prepared for it.
pub async fn engine(
    config: &Config,
    strategies: &Strategies,
    schema: Arc<Schema>,
    storage: Arc<dyn Storage>,
) -> Result<Engine, StorageError> {
    let sealer = Sealer::new(storage.secret("page-tokens").await?);
    Ok(Engine {
        rules: Rules::of(&schema, &config.engine.authz),
        schema,
        storage,
        clock: Arc::new(System),
        ids: Arc::new(System),
        sealer,
        strategies: strategies.clone(),
        journal: Notebook::default(),
        bulletin: Arc::new(Nobody),
        pacing: Pacing::default(),
        settings: config.engine.clone(),
    })
}
