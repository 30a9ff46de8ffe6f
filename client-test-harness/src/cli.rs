//! The command line: run seeds, print what was exercised, and a shrunk trace when a seed fails.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use crate::{
    bench::{limit, plan},
    crash::{self, Plan},
    deployment,
    family::Family,
    http::Target,
    oracle::Strategy,
    report::Report,
    restore,
    scenario::{
        Ending, Stage,
        mix::{self, Mix, Size},
        play,
        purpose::Purpose,
    },
    schema::{Model, Schema},
    shrink::shrink,
    trace::Trace,
};

/// Sync clients that prove a server right or wrong.
#[derive(Debug, Parser)]
#[command(name = "driftless-client-test-harness")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The harness's commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Random clients edit, disconnect and conflict; then all replicas must agree with the server and its history.
    Converge(Converge),
    /// Writers send every mutation until it is done while somebody kills the server; then everything acknowledged must be
    /// stored, once.
    Ledger(Ledger),
    /// Devices go on with what they hold after a backup was put back, or a replica that lagged behind took over; then
    /// nothing from before the backup may be missing, and every device must agree with the server.
    Restore(Restore),
    /// Measures a release build against the least program that could do the same work.
    Bench(plan::Arguments),
    /// That least program.
    #[command(hide = true)]
    Limit(limit::Arguments),
}

/// Arguments of `converge`.
#[derive(Clone, Debug, Args)]
pub struct Converge {
    /// GraphQL endpoint, e.g. `https://127.0.0.1:4000/graphql`; repeat it for further nodes of the same server.
    #[arg(long, required = true)]
    pub endpoint: Vec<String>,
    /// API key.
    #[arg(long)]
    pub api_key: String,
    /// PEM file of the authority that signed the server's certificate.
    #[arg(long)]
    pub ca: Option<PathBuf>,
    /// The server's conflict strategy.
    #[arg(long, value_enum, default_value = "automerge")]
    pub conflict: Strategy,
    /// Number of clients.
    #[arg(long, default_value_t = 4)]
    pub clients: usize,
    /// Steps per client.
    #[arg(long, default_value_t = 60)]
    pub steps: usize,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How many seeds to run.
    #[arg(long, default_value_t = 1)]
    pub seeds: u64,
    /// Keep going with further seeds for this long instead.
    #[arg(long)]
    pub minutes: Option<u64>,
    /// How often clients do what; all mixes in turn when left out.
    #[arg(long, value_enum)]
    pub mix: Option<Mix>,
    /// One situation on its own, which decides about mix, families and end.
    #[arg(long, value_enum, conflicts_with_all = ["mix", "families", "live"])]
    pub scenario: Option<Purpose>,
    /// The client families to draw from.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Family::ALL)]
    pub families: Vec<Family>,
    /// JSON description of the models; the whitepaper example's when left out.
    #[arg(long)]
    pub models: Option<PathBuf>,
    /// Seconds that replicas may take to see what is already committed.
    #[arg(long, default_value_t = 10)]
    pub patience: u64,
    /// No sync at the end: events alone must bring every replica up to date (promised to `datastore` clients).
    #[arg(long)]
    pub live: bool,
    /// How many runs a failing trace may be shrunk with.
    #[arg(long, default_value_t = 60)]
    pub shrink: usize,
}

/// The deployment that a command writes to, and what it writes.
#[derive(Clone, Debug, Args)]
pub struct Deployed {
    /// GraphQL endpoint, e.g. `https://127.0.0.1:4000/graphql`; given several times, requests go to one node after the
    /// other.
    #[arg(long, required = true)]
    pub endpoint: Vec<String>,
    /// API key.
    #[arg(long)]
    pub api_key: String,
    /// PEM file of the authority that signed the server's certificate.
    #[arg(long)]
    pub ca: Option<PathBuf>,
    /// JSON description of the models; the whitepaper example's when left out.
    #[arg(long)]
    pub models: Option<PathBuf>,
    /// The model to write: with one key field and a required text or number.
    #[arg(long, default_value = "Post")]
    pub model: String,
    /// Seconds that the server may be away.
    #[arg(long, default_value_t = 60)]
    pub patience: u64,
}

/// Arguments of `ledger`.
#[derive(Clone, Debug, Args)]
pub struct Ledger {
    /// Where to write.
    #[command(flatten)]
    pub at: Deployed,
    /// A node that is not killed, for a subscriber that must be told of everything in order and once.
    #[arg(long)]
    pub witness: Option<String>,
    /// Number of writers.
    #[arg(long, default_value_t = 4)]
    pub writers: usize,
    /// Number of mutations, all writers together.
    #[arg(long, default_value_t = 3000)]
    pub writes: u64,
    /// A shell command that kills the server, and starts it again unless somebody else does, or lets a replica take over
    /// that commits wait for; without one, do it by hand.
    #[arg(long)]
    pub kill: Option<String>,
    /// How often that command runs.
    #[arg(long, default_value_t = 3)]
    pub kills: u64,
}

/// Arguments of `restore`.
#[derive(Clone, Debug, Args)]
pub struct Restore {
    /// Where to write.
    #[command(flatten)]
    pub at: Deployed,
    /// How many records to make before the backup.
    #[arg(long, default_value_t = 100)]
    pub records: u64,
    /// A shell command that takes the backup, or stops a replica from following.
    #[arg(long)]
    pub backup: String,
    /// A shell command that puts the backup back, or lets the replica take over, with everything that belongs to it; the
    /// server must run again afterwards.
    #[arg(long)]
    pub restore: String,
}

impl Deployed {
    fn node(&self, endpoint: &str) -> anyhow::Result<Target> {
        Target::new(endpoint, &self.api_key, self.ca.clone())
    }

    fn nodes(&self) -> anyhow::Result<Vec<Target>> {
        let endpoints = self.endpoint.iter();
        endpoints.map(|endpoint| self.node(endpoint)).collect()
    }

    fn model(&self) -> anyhow::Result<Model> {
        let schema = schema(self.models.as_ref())?;
        let model = schema.model(&self.model).context("--model")?.clone();
        anyhow::ensure!(
            model.key.len() == 1,
            "{} has no single key field",
            model.name
        );
        Ok(model)
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(self.patience)
    }
}

/// Runs the command; false means that the server was found wrong.
pub async fn run(cli: Cli) -> anyhow::Result<bool> {
    match cli.command {
        Command::Converge(arguments) => converge(&arguments).await,
        Command::Ledger(arguments) => ledger(&arguments).await,
        Command::Restore(arguments) => restore(&arguments).await,
        Command::Bench(arguments) => {
            say(&plan::run(&arguments).await?)?;
            Ok(true)
        }
        Command::Limit(arguments) => limit::serve(&arguments).await.map(|()| true),
    }
}

async fn converge(arguments: &Converge) -> anyhow::Result<bool> {
    let stage = stage(arguments)?;
    let started = Instant::now();
    let mut totals = BTreeMap::new();
    let mut seed = arguments.seed;
    loop {
        let trace = drawn(arguments, &stage, seed);
        let report = play(&stage, &trace).await?;
        for (what, number) in report.counts() {
            *totals.entry(what).or_insert(0) += number;
        }
        let violations = report.violations();
        if !violations.is_empty() {
            say(&failure(&stage, arguments, trace, &violations).await)?;
            return Ok(false);
        }
        seed += 1;
        let ran = seed - arguments.seed;
        let done = match arguments.minutes {
            Some(minutes) => started.elapsed() >= Duration::from_secs(60 * minutes),
            None => ran >= arguments.seeds,
        };
        if done {
            let counts: Vec<_> = totals
                .iter()
                .map(|(what, number)| format!("{number} {what}"))
                .collect();
            let seconds = started.elapsed().as_secs_f64();
            say(&format!(
                "{ran} seeds from {} agree after {seconds:.1} s: {}\n",
                arguments.seed,
                counts.join(", ")
            ))?;
            return Ok(true);
        }
    }
}

async fn ledger(arguments: &Ledger) -> anyhow::Result<bool> {
    let at = &arguments.at;
    let witness = arguments.witness.as_ref();
    let plan = Plan {
        targets: at.nodes()?,
        witness: witness.map(|endpoint| at.node(endpoint)).transpose()?,
        model: at.model()?,
        writers: arguments.writers.max(1),
        writes: arguments.writes,
        kill: arguments.kill.clone(),
        kills: arguments.kills,
        patience: at.patience(),
    };
    let started = Instant::now();
    let report = crash::run(&plan).await?;
    verdict(&report, started, "everything acknowledged is stored once")
}

async fn restore(arguments: &Restore) -> anyhow::Result<bool> {
    let plan = restore::Plan {
        targets: arguments.at.nodes()?,
        model: arguments.at.model()?,
        records: arguments.records,
        patience: arguments.at.patience(),
    };
    let started = Instant::now();
    let backup = async || deployment::run(&arguments.backup).await;
    let restore = async || deployment::run(&arguments.restore).await;
    let report = restore::run(&plan, backup, restore).await?;
    let fine = "what the backup held is there and every device agrees with the server";
    verdict(&report, started, fine)
}

/// Says what a run has found.
fn verdict(report: &Report, started: Instant, fine: &str) -> anyhow::Result<bool> {
    let counts: Vec<_> = report
        .counts()
        .into_iter()
        .map(|(what, number)| format!("{number} {what}"))
        .collect();
    let (seconds, counts) = (started.elapsed().as_secs_f64(), counts.join(", "));
    let violations = report.violations();
    if violations.is_empty() {
        say(&format!("{fine}, after {seconds:.1} s: {counts}\n"))?;
    } else {
        say(&format!(
            "FAILED after {seconds:.1} s ({counts}):\n  {}\n",
            violations.join("\n  ")
        ))?;
    }
    Ok(violations.is_empty())
}

fn schema(models: Option<&PathBuf>) -> anyhow::Result<Schema> {
    let Some(path) = models else {
        return Ok(Schema::whitepaper());
    };
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Schema::from_json(&text).with_context(|| path.display().to_string())
}

fn stage(arguments: &Converge) -> anyhow::Result<Stage> {
    let schema = schema(arguments.models.as_ref())?;
    let node = |endpoint: &String| Target::new(endpoint, &arguments.api_key, arguments.ca.clone());
    let mut nodes = arguments.endpoint.iter().map(node);
    let first = nodes.next().context("--endpoint")??;
    let mut stage = Stage::new(first, schema, arguments.conflict);
    stage.others = nodes.collect::<Result<_, _>>()?;
    stage.patience = Duration::from_secs(arguments.patience);
    if arguments.live {
        stage.ending = Ending::Live;
    }
    if let Some(purpose) = arguments.scenario {
        purpose.prepare(&mut stage)?;
    }
    Ok(stage)
}

fn drawn(arguments: &Converge, stage: &Stage, seed: u64) -> Trace {
    const ALL: [Mix; 5] = [Mix::Mixed, Mix::Hot, Mix::Offline, Mix::Lossy, Mix::Churn];
    let turn = usize::try_from(seed % ALL.len() as u64).unwrap_or(0);
    let mix = arguments.mix.unwrap_or(ALL[turn]);
    let size = Size {
        clients: arguments.clients.max(1),
        steps: arguments.steps,
    };
    match arguments.scenario {
        Some(purpose) => purpose.draw(seed, size, &stage.schema),
        None => mix::draw(seed, mix, size, &stage.schema, &arguments.families),
    }
}

/// Shrinks a failing trace and describes it.
async fn failure(
    stage: &Stage,
    arguments: &Converge,
    trace: Trace,
    violations: &[String],
) -> String {
    let (seed, clients) = (trace.seed, trace.clients.clone());
    let mut last = violations.to_vec();
    let steps = shrink(trace.steps, arguments.shrink, async |steps| {
        let candidate = Trace {
            seed,
            clients: clients.clone(),
            steps: steps.to_vec(),
        };
        // Timing is not part of the seed, so a step counts as irrelevant only after a second try.
        for _ in 0..2 {
            if let Ok(report) = play(stage, &candidate).await
                && !report.violations().is_empty()
            {
                last = report.violations();
                return true;
            }
        }
        false
    })
    .await;
    let shrunk = Trace {
        seed,
        clients,
        steps,
    };
    format!(
        "seed {seed} FAILED:\n  {}\nshrunk to {} steps, which fail with:\n  {}\n{shrunk}",
        violations.join("\n  "),
        shrunk.steps.len(),
        last.join("\n  ")
    )
}

fn say(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
