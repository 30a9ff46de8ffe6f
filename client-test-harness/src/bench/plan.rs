//! What is measured, in which order: every figure in rounds that alternate between the limit program and the server.

use std::{path::PathBuf, time::Duration};

use anyhow::Context as _;
use serde_json::Value;

use super::{
    fanout::Audience,
    load::{Connection, creates, fill, hydrate, sync_body},
    process::{Program, Running, Store},
    table::{Row, markdown},
};

/// Arguments of `bench`.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The server's release binary.
    #[arg(long)]
    pub server_bin: PathBuf,
    /// The schema it serves; must have the whitepaper's `Post`.
    #[arg(long, default_value = "examples/whitepaper/schema.graphql")]
    pub schema: PathBuf,
    /// Two empty Postgres databases for the server and the limit program; SQLite alone is measured when left out.
    #[arg(long, num_args = 2, value_names = ["SERVER_URL", "LIMIT_URL"])]
    pub postgres: Option<Vec<String>>,
    /// Alternated rounds per figure.
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// Seconds per measurement.
    #[arg(long, default_value_t = 3)]
    pub seconds: u64,
    /// Records for the base sync.
    #[arg(long, default_value_t = 100_000)]
    pub records: u64,
    /// Sockets for the fan-out.
    #[arg(long, default_value_t = 1_000)]
    pub sockets: u64,
}

/// One store on which both programs run, each with its own database.
struct Pair {
    limit: (Program, Store),
    server: (Program, Store),
    label: &'static str,
}

/// Measures everything and returns the table.
pub async fn run(arguments: &Arguments) -> anyhow::Result<String> {
    let folder = tempfile::tempdir()?;
    let mut rows = Vec::new();
    for pair in pairs(arguments, folder.path())? {
        let limit = pair
            .limit
            .0
            .start(&pair.limit.1)
            .await
            .context("limit program")?;
        let server = pair
            .server
            .0
            .start(&pair.server.1)
            .await
            .context("server")?;
        let label = pair.label;
        rows.extend(measure_creates(arguments, label, &limit, &server).await?);
        rows.push(measure_hydrate(arguments, label, &limit, &server).await?);
        rows.extend(measure_fanout(arguments, label, &limit, &server).await?);
        limit.stop().await?;
        server.stop().await?;
        rows.extend(measure_start(arguments, &pair).await?);
    }
    Ok(markdown(&rows))
}

fn pairs(arguments: &Arguments, folder: &std::path::Path) -> anyhow::Result<Vec<Pair>> {
    let server = Program::Server {
        binary: arguments
            .server_bin
            .canonicalize()
            .context("--server-bin")?,
        schema: arguments.schema.canonicalize().context("--schema")?,
    };
    let pair = |single: bool, limit: Store, store: Store| Pair {
        label: store.label(),
        limit: (Program::Limit { single }, limit),
        server: (server.clone(), store),
    };
    let sqlite = |name: &str| Store::Sqlite(folder.join(name));
    let mut pairs = vec![pair(false, sqlite("limit.db"), sqlite("server.db"))];
    if let Some([server_url, limit_url]) = arguments.postgres.as_deref() {
        let store = |url: &String| Store::Postgres(url.clone());
        pairs.push(pair(true, store(limit_url), store(server_url)));
    }
    Ok(pairs)
}

async fn measure_creates(
    arguments: &Arguments,
    store: &'static str,
    limit: &Running,
    server: &Running,
) -> anyhow::Result<Vec<Row>> {
    let time = Duration::from_secs(arguments.seconds);
    let mut rows = Vec::new();
    for connections in [1, 16, 64] {
        let mut rates = Vec::new();
        let mut medians = Vec::new();
        for _ in 0..arguments.rounds {
            let (limit_rate, limit_times) = creates(limit, connections, time).await?;
            let (rate, times) = creates(server, connections, time).await?;
            rates.push((limit_rate, rate));
            medians.push((
                millis(limit_times.value_at_quantile(0.99)),
                millis(times.value_at_quantile(0.99)),
            ));
        }
        rows.push(Row {
            what: format!("creates, {connections} connections"),
            store,
            unit: "1/s",
            rounds: rates,
        });
        rows.push(Row {
            what: format!("create p99, {connections} connections"),
            store,
            unit: "ms",
            rounds: medians,
        });
    }
    Ok(rows)
}

fn millis(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64() * 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
async fn measure_hydrate(
    arguments: &Arguments,
    store: &'static str,
    limit: &Running,
    server: &Running,
) -> anyhow::Result<Row> {
    let mut rounds = Vec::new();
    for program in [limit, server] {
        let (present, _) = hydrate(program).await?;
        fill(program, arguments.records.saturating_sub(present)).await?;
    }
    for _ in 0..arguments.rounds {
        let mut rates = Vec::new();
        for program in [limit, server] {
            let started = std::time::Instant::now();
            let (records, _) = hydrate(program).await?;
            rates.push(records as f64 / started.elapsed().as_secs_f64());
        }
        rounds.push((rates[0], rates[1]));
    }
    Ok(Row {
        what: format!(
            "base sync of at least {} records, pages of 1000",
            arguments.records
        ),
        store,
        unit: "records/s",
        rounds,
    })
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
async fn measure_fanout(
    arguments: &Arguments,
    store: &'static str,
    limit: &Running,
    server: &Running,
) -> anyhow::Result<Vec<Row>> {
    let sockets = arguments.sockets;
    let (mut memory, mut rates, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..arguments.rounds {
        let (mut kb, mut rate, mut time) = (Vec::new(), Vec::new(), Vec::new());
        for program in [limit, server] {
            let before = program.resident_kb()?;
            let audience = Audience::gather(program, sockets).await?;
            kb.push(program.resident_kb()?.saturating_sub(before) as f64 / sockets as f64);
            time.push(audience.latency(program, 50).await?.as_secs_f64() * 1000.0);
            rate.push(
                audience
                    .throughput(program, Duration::from_secs(arguments.seconds))
                    .await?,
            );
        }
        // Later rounds reuse the first one's memory and say nothing about it.
        if round == 0 {
            memory.push((kb[0], kb[1]));
        }
        rates.push((rate[0], rate[1]));
        times.push((time[0], time[1]));
    }
    let row = |what: String, unit, rounds| Row {
        what,
        store,
        unit,
        rounds,
    };
    Ok(vec![
        row(format!("deliveries to {sockets} sockets"), "1/s", rates),
        row(
            format!("last delivery to {sockets} sockets, p50"),
            "ms",
            times,
        ),
        row("memory per idle socket".to_owned(), "KB", memory),
    ])
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
async fn measure_start(arguments: &Arguments, pair: &Pair) -> anyhow::Result<Vec<Row>> {
    let (mut times, mut memory) = (Vec::new(), Vec::new());
    for _ in 0..arguments.rounds {
        let (mut time, mut kb) = (Vec::new(), Vec::new());
        for (program, store) in [&pair.limit, &pair.server] {
            let running = program.start(store).await?;
            let mut connection = Connection::open(&running).await?;
            connection.post(&sync_body(&Value::Null)).await?;
            time.push(running.started.elapsed().as_secs_f64() * 1000.0);
            kb.push(running.resident_kb()? as f64 / 1024.0);
            running.stop().await?;
        }
        times.push((time[0], time[1]));
        memory.push((kb[0], kb[1]));
    }
    let row = |what: &str, unit, rounds| Row {
        what: what.to_owned(),
        store: pair.label,
        unit,
        rounds,
    };
    Ok(vec![
        row("start to first page of a full store", "ms", times),
        row("memory after it", "MB", memory),
    ])
}
