//! A server that is killed and started again while its clients work: nothing it acknowledged may be gone.

use std::path::Path;
use std::process::Stdio;

use driftless_client_test_harness::bench::load::{Connection, create_body};
use driftless_client_test_harness::bench::process::Running;
use driftless_client_test_harness::family::Family;
use driftless_client_test_harness::http::Target;
use driftless_client_test_harness::oracle::Strategy;
use driftless_client_test_harness::scenario::mix::{Mix, draw};
use driftless_client_test_harness::scenario::{Crashes, Stage, play};
use driftless_client_test_harness::schema::Schema;
use tokio::process::Command;
use tokio::sync::watch;

use super::SIZE;
use crate::cli::program;
use crate::support::postgres::Database;

/// How often the server dies in one run.
const DEATHS: usize = 4;
/// How many writes of its own the killer sees acknowledged before it strikes; they are its clock.
const WRITES: u64 = 60;

async fn start(folder: &Path, database: &str, port: u16) -> Running {
    let schema = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/whitepaper/schema.graphql"
    );
    let mut command = Command::new(program());
    command
        .args([
            "dev",
            schema,
            "--json",
            "--no-watch",
            "--database",
            database,
        ])
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .current_dir(folder);
    Running::start(command.stderr(Stdio::null()))
        .await
        .expect("the server starts")
}

/// Kills and restarts the server again and again.
async fn keep_killing(folder: &Path, database: &str, mut server: Running) -> Running {
    let mut acknowledged = 0;
    for _ in 0..DEATHS {
        let mut connection = Connection::open(&server).await.expect("a connection");
        for _ in 0..WRITES {
            acknowledged += 1;
            let answer = connection.post(&create_body(acknowledged)).await;
            answer.expect("an answer");
        }
        let port = server.address.port();
        server.stop().await.expect("it can be killed");
        server = start(folder, database, port).await;
    }
    server
}

async fn survives(database: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let server = start(folder.path(), database, 0).await;
    let endpoint = format!("http://{}{}", server.address, server.path);
    let target = Target::new(&endpoint, &server.api_key, None).expect("a URL");
    let mut stage = Stage::new(target, Schema::whitepaper(), Strategy::Automerge);
    let (may_begin, mut begun) = watch::channel(false);
    let (over, is_over) = watch::channel(false);
    stage.crashes = Some(Crashes {
        may_begin,
        over: is_over,
    });
    let trace = draw(51, Mix::Lossy, SIZE, &stage.schema, &Family::ALL);
    let killer = async {
        begun.wait_for(|begun| *begun).await.expect("a run");
        let server = keep_killing(folder.path(), database, server).await;
        over.send_replace(true);
        server
    };
    let (report, _server) = tokio::join!(play(&stage, &trace), killer);
    let found = report.expect("the server comes back").violations();
    assert!(found.is_empty(), "{found:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed_on_sqlite() {
    survives("sqlite:records.db").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed_on_postgres() {
    let database = Database::create().await;
    survives(&database.url).await;
    database.remove().await;
}
