//! Several servers over one Postgres, however they reach it: what one writes, subscribers of the others see, in order,
//! each event once, and nothing is lost when a node, a connection or the line to the database breaks.

/// Runs cases over a route, in a module of this name.
macro_rules! on_route {
    ($name:ident $route:ident: $($case:ident),+) => {
        mod $name {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    let cluster = super::super::Cluster::start(super::super::Route::$route).await;
                    super::$case(cluster).await;
                }
            )+
        }
    };
}

/// Runs each case over every route.
macro_rules! on_every_route {
    ($($case:ident),+ $(,)?) => {
        on_route!(notifications Notifications: $($case),+);
        on_route!(behind_a_pooler Pooler: $($case),+);
        on_route!(past_a_pooler PastPooler: $($case),+);
        on_route!(by_nats Nats: $($case),+);
        on_route!(by_nats_behind_a_pooler PoolerAndNats: $($case),+);
    };
}

mod breaks;
mod carriers;
mod nats;
mod neighbours;

use std::collections::BTreeMap;
use std::time::Duration;

use driftless::auth::KeySetting;
use driftless::config::{self, SchemaSource, TlsMode};
use driftless::storage::NatsPlace;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::nats::Nats;
use crate::support::pgbouncer::{Pooler, Settings};
use crate::support::postgres::Database;
use crate::support::server::{PATIENCE, Server, Socket};

const SCHEMA: &str = include_str!("../schemas/players.graphql");
const KEY: &str = "da2-nodesnodesnodesnodesnodesn";
/// An application that subscribes without DataStore: it gets live events only, nothing is replayed to it.
const AGENT: &str = "aws-amplify/6.22.1 api/1 framework/0";
const ON_CREATE: &str = "subscription operation { onCreatePlayer { id note _version } }";
const ON_UPDATE: &str = "subscription operation { onUpdatePlayer { id note _version } }";

/// How nodes learn of each other's writes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Route {
    /// Notifications of the database.
    Notifications,
    /// They look: a pooler lets no notification through.
    Pooler,
    /// Records through a pooler, notifications past it.
    PastPooler,
    /// A stream of NATS.
    Nats,
    /// Records through a pooler, word by NATS.
    PoolerAndNats,
}

impl Route {
    fn has_pooler(self) -> bool {
        matches!(
            self,
            Route::Pooler | Route::PastPooler | Route::PoolerAndNats
        )
    }

    fn has_nats(self) -> bool {
        matches!(self, Route::Nats | Route::PoolerAndNats)
    }
}

struct Cluster {
    database: Database,
    pooler: Option<Pooler>,
    nats: Option<Nats>,
    route: Route,
}

impl Cluster {
    async fn start(route: Route) -> Cluster {
        let mut cluster = Cluster::without_nats(route).await;
        if let Some(nats) = &mut cluster.nats {
            nats.run().await;
        }
        cluster
    }

    /// With a NATS server that is not running yet, if there is to be one.
    async fn without_nats(route: Route) -> Cluster {
        let database = Database::create().await;
        let pooler = if route.has_pooler() {
            Some(Pooler::before(&database.url, Settings::Ignored).await)
        } else {
            None
        };
        Cluster {
            database,
            pooler,
            nats: route.has_nats().then(Nats::absent),
            route,
        }
    }

    fn url(&self) -> String {
        match &self.pooler {
            Some(pooler) => pooler.url.clone(),
            None => self.database.url.clone(),
        }
    }

    async fn node(&self) -> Server {
        self.node_at(self.url()).await
    }

    /// One that reaches the database at another address.
    async fn node_at(&self, url: String) -> Server {
        let feed = self.nats.as_ref().map(|nats| nats.feed.clone());
        self.node_by(url, feed).await
    }

    /// One that reaches the database and NATS in ways of its own.
    async fn node_by(&self, url: String, feed: Option<NatsPlace>) -> Server {
        let direct =
            (self.route == Route::PastPooler).then(|| config::Database(self.database.url.clone()));
        let mut server = Server::start_with(|config| {
            config.schema = SchemaSource::Text(SCHEMA.to_owned());
            config.listen.tls = TlsMode::Off;
            config.database = config::Database(url);
            config.direct_database = direct;
            config.feed = feed;
            config.drain = Duration::ZERO;
            let key = KeySetting::plain(KEY).expect("a good key");
            config.auth.add_key(key);
        })
        .await;
        KEY.clone_into(&mut server.key);
        server
    }

    async fn finish(self, nodes: Vec<Server>) {
        for node in nodes {
            node.app.stop().await;
        }
        drop(self.pooler);
        self.database.remove().await;
    }
}

async fn create(node: &Server, id: &str) {
    let query = "mutation operation($input: CreatePlayerInput!) { createPlayer(input: $input) { id _version } }";
    let input = json!({"id": id, "name": id});
    let answer = node.graphql(query, json!({ "input": input })).await;
    assert_eq!(answer["data"]["createPlayer"]["_version"], 1, "{answer}");
}

/// Updates a record, merging if somebody else was faster, and gives back the version it became.
async fn update(node: &Server, id: &str, version: u64, note: &str) -> u64 {
    let query = "mutation operation($input: UpdatePlayerInput!) { updatePlayer(input: $input) { id _version } }";
    let input = json!({"id": id, "note": note, "_version": version});
    let answer = node.graphql(query, json!({ "input": input })).await;
    let version = answer["data"]["updatePlayer"]["_version"].as_u64();
    version.unwrap_or_else(|| panic!("{answer}"))
}

/// Waits until word of other nodes' writes is known to arrive at a node.
async fn hears(node: &Server) {
    comes_to_hear(node, true).await;
}

/// Waits until a node knows that no word arrives.
async fn is_deaf(node: &Server) {
    comes_to_hear(node, false).await;
}

async fn comes_to_hear(node: &Server, expected: bool) {
    let waiting = async {
        while node.app.hears_other_nodes() != expected {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.unwrap_or_else(|_| panic!("whether word arrives never becomes {expected}"));
}

/// A socket that hears of creates and updates.
async fn subscriber(node: &Server) -> Socket {
    let mut socket = node.session().await;
    let authorization = node.authorization(AGENT);
    socket.subscribe("creates", ON_CREATE, &authorization).await;
    socket.subscribe("updates", ON_UPDATE, &authorization).await;
    socket
}

/// What a subscriber has seen: the versions of each record, in the order they came.
#[derive(Default)]
struct Seen(BTreeMap<String, Vec<u64>>);

impl Seen {
    /// Takes frames up to and with the create of the record `last`.
    async fn until(&mut self, socket: &mut Socket, last: &str) {
        loop {
            let frame = socket.frame().await;
            let (id, version) = told(&frame);
            let end = id == last;
            self.0.entry(id).or_default().push(version);
            if end {
                return;
            }
        }
    }

    /// Fails unless every record was seen in all its versions up to this one, in order, each once.
    fn are(&self, expected: &[(String, u64)]) {
        for (id, version) in expected {
            let versions = self.0.get(id).cloned().unwrap_or_default();
            assert_eq!(versions, (1..=*version).collect::<Vec<_>>(), "{id}");
        }
    }
}

fn told(frame: &Value) -> (String, u64) {
    assert_eq!(frame["type"], "data", "{frame}");
    let data = &frame["payload"]["data"];
    let record = data
        .as_object()
        .and_then(|data| data.values().next())
        .unwrap_or_else(|| panic!("{frame}"));
    (
        record["id"].as_str().expect("an id").to_owned(),
        record["_version"].as_u64().expect("a version"),
    )
}

/// Every node works on records of its own and on one that all of them change; answers what each has become.
async fn work(nodes: &[&Server], round: &str) -> Vec<(String, u64)> {
    const RECORDS: usize = 4;
    const UPDATES: u64 = 6;
    let shared = format!("{round}-shared");
    create(nodes[0], &shared).await;
    let own = nodes.iter().enumerate().flat_map(|(number, node)| {
        (0..RECORDS).map(move |record| async move {
            let id = format!("{round}-{number}-{record}");
            create(node, &id).await;
            for version in 1..=UPDATES {
                assert_eq!(update(node, &id, version, "n").await, version + 1);
            }
            (id, UPDATES + 1)
        })
    });
    let together = nodes.iter().enumerate().map(|(number, node)| {
        let shared = &shared;
        async move {
            let mut last = 1;
            for version in 1..=UPDATES {
                last = update(node, shared, version, &number.to_string()).await;
            }
            last
        }
    });
    let (mut became, last) = tokio::join!(join_all(own), join_all(together));
    became.push((shared, last.into_iter().max().expect("a node")));
    became
}
