//! Many clients with seeded random edits, outages and conflicts against a server: every replica agrees with the server
//! in the end, and one order of the writes explains every version that was ever published.

mod crash;

use driftless::auth::KeySetting;
use driftless::config;
use driftless_client_test_harness::family::Family;
use driftless_client_test_harness::http::Target;
use driftless_client_test_harness::oracle::Strategy;
use driftless_client_test_harness::scenario::mix::{Mix, Size, draw};
use driftless_client_test_harness::scenario::purpose::Purpose;
use driftless_client_test_harness::scenario::{Ending, Stage, play};
use driftless_client_test_harness::schema::Schema;

use crate::support::nats::Nats;
use crate::support::postgres::Database;
use crate::support::server::Server;

const SIZE: Size = Size {
    clients: 4,
    steps: 40,
};

const MIXES: [Mix; 5] = [Mix::Mixed, Mix::Hot, Mix::Offline, Mix::Lossy, Mix::Churn];

fn target(server: &Server) -> Target {
    let endpoint = server.app.endpoint();
    Target::new(&endpoint, &server.key, server.app.ca()).expect("a URL")
}

/// Plays one seed per mix; the numbers say which to play again when one fails.
async fn agrees(stage: &Stage, first_seed: u64, families: &[Family]) {
    for (seed, mix) in (first_seed..).zip(MIXES) {
        let trace = draw(seed, mix, SIZE, &stage.schema, families);
        let report = play(stage, &trace).await.expect("the server is reachable");
        let found = report.violations();
        assert!(found.is_empty(), "seed {seed}, {mix:?}: {found:#?}");
        let counts = report.counts();
        assert!(
            counts["acknowledged"] > 20,
            "seed {seed} wrote too little: {counts:?}"
        );
    }
}

fn optimistic(config: &mut config::Config) {
    config.conflict.default = config::Strategy::Optimistic.into();
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_agree_under_automerge() {
    let server = Server::start().await;
    let stage = Stage::new(target(&server), Schema::whitepaper(), Strategy::Automerge);
    agrees(&stage, 1, &Family::ALL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_agree_under_optimistic_concurrency() {
    let server = Server::start_with(optimistic).await;
    let stage = Stage::new(target(&server), Schema::whitepaper(), Strategy::Optimistic);
    agrees(&stage, 11, &Family::ALL).await;
}

/// As a user's deployment is somewhere else than the proxies that stand between it and the clients.
#[tokio::test(flavor = "multi_thread")]
async fn replicas_agree_about_a_server_at_another_address_than_theirs() {
    let elsewhere = [127, 0, 0, 2].into();
    let server = Server::start_with(|config| config.listen.address.set_ip(elsewhere)).await;
    let endpoint = format!("http://{}/graphql", server.app.address());
    let target = Target::new(&endpoint, &server.key, None).expect("a URL");
    let stage = Stage::new(target, Schema::whitepaper(), Strategy::Automerge);
    agrees(&stage, 81, &Family::ALL).await;
}

/// Two nodes on one Postgres, which tell each other of writes by NATS if there is one.
async fn two_nodes_agree(nats: Option<Nats>, first_seed: u64) {
    let database = Database::create().await;
    let shared = |config: &mut config::Config| {
        config.database = config::Database(database.url.clone());
        config.feed = nats.as_ref().map(|nats| nats.feed.clone());
    };
    let one = Server::start_with(shared).await;
    let other = Server::start_with(|config| {
        shared(config);
        config
            .auth
            .add_key(KeySetting::plain(&one.key).expect("a good key"));
    })
    .await;
    let schema = Schema::whitepaper();
    let mut stage = Stage::new(target(&one), schema, Strategy::Automerge);
    // Both nodes listen in clear too, and a target has one authority for all its nodes.
    stage.others = vec![Target::new(&other.app.http_endpoint(), &one.key, None).expect("a URL")];
    agrees(&stage, first_seed, &Family::ALL).await;
    drop((one, other));
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_of_two_nodes_on_one_postgres_agree() {
    two_nodes_agree(None, 21).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_of_two_nodes_that_speak_by_nats_agree() {
    two_nodes_agree(Some(Nats::start().await), 71).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_agree_under_optimistic_concurrency_on_postgres() {
    let database = Database::create().await;
    let server = Server::start_with(|config| {
        config.database = config::Database(database.url.clone());
        optimistic(config);
    })
    .await;
    let stage = Stage::new(target(&server), Schema::whitepaper(), Strategy::Optimistic);
    agrees(&stage, 31, &Family::ALL).await;
    drop(server);
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn datastore_clients_need_no_sync_to_agree_after_simultaneous_edits() {
    let server = Server::start().await;
    let schema = Schema::whitepaper();
    let mut stage = Stage::new(target(&server), schema, Strategy::Automerge);
    stage.ending = Ending::Live;
    for seed in 41..44 {
        let trace = draw(seed, Mix::Hot, SIZE, &stage.schema, &[Family::Datastore]);
        let report = play(&stage, &trace).await.expect("the server is reachable");
        let found = report.violations();
        assert!(found.is_empty(), "seed {seed}: {found:#?}");
    }
}

/// Plays two seeds of a situation.
async fn serves(stage: &mut Stage, purpose: Purpose) {
    purpose.prepare(stage).expect("a stage that serves");
    for seed in 61..63 {
        let trace = purpose.draw(seed, SIZE, &stage.schema);
        let report = play(stage, &trace).await.expect("the server is reachable");
        let found = report.violations();
        assert!(found.is_empty(), "{purpose:?}, seed {seed}: {found:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_with_wrong_clocks_and_long_absences_agree() {
    let server = Server::start().await;
    for purpose in [
        Purpose::DeviceClock,
        Purpose::AwayForAYear,
        Purpose::Contention,
    ] {
        let mut stage = Stage::new(target(&server), Schema::whitepaper(), Strategy::Automerge);
        serves(&mut stage, purpose).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_situation_says_what_its_stage_lacks() {
    let server = Server::start().await;
    let mut stage = Stage::new(target(&server), Schema::whitepaper(), Strategy::Automerge);
    let error = Purpose::TwoNodes.prepare(&mut stage).expect_err("one node");
    assert!(error.to_string().contains("--endpoint twice"), "{error}");
}
