//! The API and its subscriptions over any store, in this process and without a network.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use driftless::config::{Config, SchemaSource};
use driftless::realtime::hub::{Delivery, Hub, Outbox, Subscriber};
use driftless::realtime::room::Registration;
use driftless_resolvers::api::{Api, Reply, Request};
use driftless_resolvers::clock::Clock;
use driftless_resolvers::feed::Feed;
use driftless_resolvers::identity::{Caller, Family, Identity};
use driftless_resolvers::schema::Schema;
use driftless_resolvers::storage::Storage;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::rig::Rig;

/// How long an event that is committed may take to arrive.
const PATIENCE: Duration = Duration::from_secs(5);

/// A served schema.
pub(crate) struct Backend {
    pub(crate) api: Arc<Api>,
    pub(crate) hub: Hub,
}

/// A caller of DataStore with the one API key.
pub(crate) fn datastore(family: Family) -> Caller {
    Caller {
        datastore: true,
        ..caller(family)
    }
}

/// A caller without DataStore.
pub(crate) fn caller(family: Family) -> Caller {
    Caller {
        identity: Identity::ApiKey { id: "k".to_owned() },
        family,
        datastore: false,
        repeats: false,
    }
}

impl Backend {
    /// The schema over a rig's store and clock.
    pub(crate) async fn over(rig: &Rig, sdl: &str, configure: fn(&mut Config)) -> Backend {
        let clock = Arc::clone(&rig.stand.clock) as Arc<dyn Clock>;
        Backend::new(rig.storage(), rig.feed(), clock, sdl, configure).await
    }

    /// The schema over a store.
    pub(crate) async fn new(
        storage: Arc<dyn Storage>,
        feed: Arc<dyn Feed>,
        clock: Arc<dyn Clock>,
        sdl: &str,
        configure: fn(&mut Config),
    ) -> Backend {
        let mut config = Config::development(Path::new("unused"));
        configure(&mut config);
        let source = SchemaSource::Text(sdl.to_owned());
        let loaded = driftless::schema::load(&source, &config.schema_options());
        let schema = loaded.expect("the schema loads").schema;
        Backend {
            api: Backend::api(storage, Arc::clone(&clock), schema, &config).await,
            hub: Hub::new(feed, clock, config.realtime.repairs),
        }
    }

    /// The API of a schema over a store.
    pub(crate) async fn api(
        storage: Arc<dyn Storage>,
        clock: Arc<dyn Clock>,
        schema: Arc<Schema>,
        config: &Config,
    ) -> Arc<Api> {
        storage.prepare(&schema).await.expect("the store follows");
        let strategies = driftless::conflict::strategies(&config.conflict).await;
        let strategies = strategies.expect("built-in strategies");
        let engine = driftless::app::engine(config, &strategies, schema, storage).await;
        let mut engine = engine.expect("the store answers");
        engine.clock = clock;
        Arc::new(Api::new(engine))
    }

    /// Runs a document; an error is what keeps the client's edit: 503.
    pub(crate) async fn ask(
        &self,
        caller: &Caller,
        query: &str,
        variables: Value,
    ) -> anyhow::Result<Value> {
        match self.api.execute(&request(query, variables), caller).await {
            Reply::Answer(body) => Ok(serde_json::from_slice(&body)?),
            Reply::Unavailable(reason) => bail!("unavailable: {reason}"),
            Reply::Malformed { message, .. } => panic!("{query}: {message}"),
        }
    }

    /// Sends `createX`, `updateX` or `deleteX`.
    pub(crate) async fn mutate(
        &self,
        caller: &Caller,
        mutation: &str,
        input: Value,
    ) -> anyhow::Result<Answer> {
        let end = mutation.find(char::is_uppercase).expect("a model's name");
        let kind = format!("{}{}", mutation[..1].to_uppercase(), &mutation[1..]);
        debug_assert!(end < mutation.len());
        let query = format!(
            "mutation operation($input: {kind}Input!) {{ {mutation}(input: $input) {{ {FIELDS} }} }}"
        );
        let body = self.ask(caller, &query, json!({ "input": input })).await?;
        let value = body["data"][mutation].clone();
        let error = body["errors"][0].clone();
        Ok(Answer { value, error })
    }

    /// Subscribes to everything that happens to players.
    pub(crate) async fn listen(&self, caller: &Caller) -> anyhow::Result<Listener> {
        let (outbox, queue, _) = Outbox::new(10_000);
        let mut registrations = Vec::new();
        for name in ["onCreatePlayer", "onUpdatePlayer", "onDeletePlayer"] {
            let query = format!("subscription operation {{ {name} {{ {FIELDS} }} }}");
            let request = request(&query, json!({}));
            let subscription = self.api.subscribe(&request, caller);
            let subscription = subscription.ok().context("the subscription is refused")?;
            let subscriber = Subscriber {
                id: name.into(),
                outbox: outbox.clone(),
            };
            let schema = &self.api.engine.schema;
            let registration = self
                .hub
                .register(schema, &request, subscription, subscriber, None)
                .await?;
            registrations.push(registration);
        }
        Ok(Listener {
            queue,
            _registrations: registrations,
        })
    }
}

const FIELDS: &str = "id name note jersey points _version _deleted _lastChangedAt";

/// One mutation's answer: null and an error, or a value and null.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) value: Value,
    pub(crate) error: Value,
}

impl Answer {
    /// The version it tells.
    pub(crate) fn version(&self) -> anyhow::Result<i64> {
        let version = self.value["_version"].as_i64();
        version.with_context(|| format!("refused: {self:?}"))
    }
}

fn request(query: &str, variables: Value) -> Request {
    let variables: Map<String, Value> = match variables {
        Value::Object(variables) => variables,
        other => panic!("{other} are no variables"),
    };
    Request {
        query: query.to_owned(),
        operation_name: None,
        variables,
    }
}

/// Everything that is told to one subscriber.
pub(crate) struct Listener {
    queue: mpsc::Receiver<Delivery>,
    _registrations: Vec<Registration>,
}

impl Listener {
    /// The next event: id of the record and its version.
    pub(crate) async fn event(&mut self) -> anyhow::Result<(String, i64)> {
        let told = tokio::time::timeout(PATIENCE, self.queue.recv()).await;
        let told = told
            .context("no event arrives")?
            .context("the hub is gone")?;
        Ok(read(&told))
    }

    /// Everything that has been told by now.
    pub(crate) fn told(&mut self) -> Vec<(String, i64)> {
        std::iter::from_fn(|| self.queue.try_recv().ok())
            .map(|delivery| read(&delivery))
            .collect()
    }
}

fn read(delivery: &Delivery) -> (String, i64) {
    let payload: Value = serde_json::from_str(&delivery.payload).expect("JSON");
    let record = &payload["data"][&*delivery.id];
    let id = record["id"].as_str().expect("an id").to_owned();
    (id, record["_version"].as_i64().expect("a version"))
}
