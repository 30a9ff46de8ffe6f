//! Writers whose server is killed while they write: everything that it acknowledged must be there in the end, exactly once,
//! whatever they had to send again.
//!
//! Each writer has records of its own, so that the version and the content of every record are known beforehand, and
//! sends each mutation, always the same request, until it is done.

use std::{collections::BTreeMap, process::ExitStatus, sync::Arc, time::Duration};

use anyhow::Context as _;
use futures_util::future::join_all;
use serde_json::Value;
use tokio::{process::Command, sync::watch};
use uuid::Uuid;

use crate::{
    document::Operation,
    engine::exchange::{self, Reply},
    family::Family,
    http::{Failure, Http, Target},
    outbox::Mutation,
    record::{Fields, Record, RecordId},
    report::Report,
    schema::{Kind, Model},
    sync::{self, SyncError, Synced},
    witness::Witness,
};

/// Pause before a mutation is sent again.
const PAUSE: Duration = Duration::from_millis(50);
/// Mutations of each record: a create, an update, a delete.
const STEPS: u64 = 3;

/// Who writes how much, and who kills the server meanwhile.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The nodes of the deployment, one of which may be its only one: each mutation goes to the next, and to another one if
    /// that is away.
    pub targets: Vec<Target>,
    /// A node that nobody kills: a subscriber there must be told of everything.
    pub witness: Option<Target>,
    /// A model with one key field and at least one required text or number.
    pub model: Model,
    /// How many writers there are.
    pub writers: usize,
    /// How many mutations they send together.
    pub writes: u64,
    /// A shell command that kills the server and has it started again; without one somebody does it by hand, or nobody.
    pub kill: Option<String>,
    /// How often the command runs, spread over the writes.
    pub kills: u64,
    /// How long a server may be away.
    pub patience: Duration,
}

/// Runs the plan and judges what is stored.
pub async fn run(plan: &Plan) -> anyhow::Result<Arc<Report>> {
    let report = Arc::new(Report::default());
    let before = patient_fetch(plan, None).await?.started_at;
    let witness = match &plan.witness {
        None => None,
        Some(target) => Some(Witness::subscribe(target, &plan.model).await?),
    };
    let (done, acknowledged) = watch::channel(0);
    let each = plan.writes / STEPS / plan.writers.max(1) as u64;
    let writers = (0..plan.writers)
        .map(|number| Writer::new(plan, number, Arc::clone(&report), done.clone()));
    let writers: Vec<_> = writers.collect::<anyhow::Result<_>>()?;
    // When the last writer is gone, nobody waits for writes any more.
    drop(done);
    let writing = join_all(writers.into_iter().map(|writer| writer.write(each)));
    let (ledgers, killed) = tokio::join!(writing, kill(plan, acknowledged));
    report.add("kills", killed?);
    let ledger = ledgers.into_iter().flatten().collect();
    judge(plan, &ledger, None, &report).await?;
    judge(plan, &ledger, Some(before), &report).await?;
    if let Some(witness) = witness {
        witness.judge(&ledger, plan.patience, &report).await;
    }
    Ok(report)
}

/// What was acknowledged last of each record.
type Ledger = BTreeMap<RecordId, Record>;

async fn kill(plan: &Plan, mut acknowledged: watch::Receiver<u64>) -> anyhow::Result<u64> {
    let Some(command) = &plan.kill else {
        return Ok(0);
    };
    for number in 1..=plan.kills {
        let moment = plan.writes * number / (plan.kills + 1);
        if acknowledged.wait_for(|done| *done >= moment).await.is_err() {
            anyhow::bail!("the writers ended before kill {number}");
        }
        let mut shell = Command::new("/bin/sh");
        let ended = shell.args(["-c", command]).status().await;
        let ended = ended.with_context(|| format!("run {command}"))?;
        anyhow::ensure!(
            ExitStatus::success(&ended),
            "`{command}` ended with {ended}"
        );
    }
    Ok(plan.kills)
}

struct Writer<'a> {
    plan: &'a Plan,
    nodes: Vec<Http>,
    /// Which one is asked next.
    next: usize,
    report: Arc<Report>,
    done: watch::Sender<u64>,
    ledger: Ledger,
}

impl<'a> Writer<'a> {
    fn new(
        plan: &'a Plan,
        number: usize,
        report: Arc<Report>,
        done: watch::Sender<u64>,
    ) -> anyhow::Result<Self> {
        let nodes = plan.targets.iter();
        Ok(Self {
            nodes: nodes
                .map(|target| Http::new(target, Family::Datastore))
                .collect::<anyhow::Result<_>>()?,
            next: number,
            plan,
            report,
            done,
            ledger: Ledger::new(),
        })
    }

    async fn write(mut self, records: u64) -> Ledger {
        for number in 0..records {
            let id = RecordId {
                model: self.plan.model.name.clone(),
                key: vec![Uuid::new_v4().to_string()],
            };
            for (operation, version) in [
                (Operation::Create, None),
                (Operation::Update, Some(1)),
                (Operation::Delete, Some(2)),
            ] {
                // Every other record lives.
                if operation == Operation::Delete && number % 2 == 0 {
                    continue;
                }
                let mutation = Mutation {
                    input: input(&self.plan.model, &id, operation, number),
                    id: id.clone(),
                    operation,
                    version,
                };
                if !self.persist(&mutation).await {
                    return self.ledger;
                }
            }
        }
        self.ledger
    }

    /// Sends a mutation until it is done; false if that is in vain.
    async fn persist(&mut self, mutation: &Mutation) -> bool {
        let plan = self.plan;
        match tokio::time::timeout(plan.patience, self.sent(mutation)).await {
            Ok(Some(record)) => {
                self.ledger.insert(mutation.id.clone(), record);
                self.done.send_modify(|done| *done += 1);
                self.report.count("acknowledged");
                true
            }
            Ok(None) => false,
            Err(_) => {
                let wait = plan.patience;
                self.report
                    .violation(format!("{}: not done within {wait:?}", mutation.id));
                false
            }
        }
    }

    /// The record that a mutation led to; none if it is refused.
    async fn sent(&mut self, mutation: &Mutation) -> Option<Record> {
        let model = &self.plan.model;
        loop {
            let (query, variables) = exchange::request(model, mutation);
            self.next += 1;
            let node = &self.nodes[self.next % self.nodes.len()];
            match node.execute(&query, variables).await {
                Ok(answer) => return self.read(mutation, exchange::reply(model, mutation, answer)),
                Err(Failure::Unavailable) => self.report.count("told to try again"),
                // The JavaScript client drops an edit after three of these in a row; a port that stays open knows none.
                Err(Failure::Lost(_)) => self.report.count("connections refused or broken"),
                Err(Failure::Unusable(why)) => self.report.violation(format!(
                    "{}: answered so that clients drop the edit: {why}",
                    mutation.id
                )),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn read(&self, mutation: &Mutation, reply: Reply) -> Option<Record> {
        let problem = match reply {
            Reply::Done(record) => {
                let expected = mutation.version.unwrap_or(0) + 1;
                if record.version == expected {
                    return Some(record);
                }
                format!("version {expected} became {}", record.version)
            }
            Reply::Refused(error) => format!("refused: {error:?}"),
            Reply::Wrong(problem) => problem,
        };
        self.report.violation(format!("{}: {problem}", mutation.id));
        None
    }
}

/// Required fields for a create, one changed field for an update, the key for a delete.
fn input(model: &Model, id: &RecordId, operation: Operation, number: u64) -> Fields {
    let mut input = id.key_fields(model);
    let required = model.editable().filter(|field| field.required);
    let values = required.filter_map(|field| {
        let value = match &field.kind {
            Kind::Text => Value::from(format!("{number}")),
            Kind::Int => Value::from(number),
            Kind::Enum(names) => Value::from(names.first()?.as_str()),
            Kind::List | Kind::Object(_) | Kind::Reference(_) => return None,
        };
        Some((field, value))
    });
    match operation {
        Operation::Create => input.extend(values.map(|(field, value)| (field.name.clone(), value))),
        Operation::Update => {
            let mut plain =
                values.filter(|(field, _)| matches!(field.kind, Kind::Text | Kind::Int));
            input.extend(plain.next().map(|(field, value)| {
                let changed = match value {
                    Value::String(text) => Value::from(format!("{text} changed")),
                    _ => Value::from(number + 1),
                };
                (field.name.clone(), changed)
            }));
        }
        Operation::Delete => {}
    }
    input
}

/// Everything acknowledged is stored as it was answered, and nothing was done twice.
async fn judge(
    plan: &Plan,
    ledger: &Ledger,
    since: Option<u64>,
    report: &Report,
) -> anyhow::Result<()> {
    let what = if since.is_some() {
        "a delta"
    } else {
        "the base"
    };
    let mut stored: BTreeMap<_, _> = patient_fetch(plan, since)
        .await?
        .items
        .into_iter()
        .collect();
    for (id, acknowledged) in ledger {
        let found = stored.remove(id);
        if found.as_ref() != Some(acknowledged) {
            report.violation(format!(
                "{id}: answered was {acknowledged:?}, {what} has {found:?}"
            ));
        }
    }
    if since.is_none() {
        report.add("records", ledger.len() as u64);
    }
    Ok(())
}

async fn patient_fetch(plan: &Plan, since: Option<u64>) -> anyhow::Result<Synced> {
    let nodes = plan.targets.iter();
    let nodes = nodes.map(|target| Http::new(target, Family::Datastore));
    let nodes = nodes.collect::<anyhow::Result<Vec<_>>>()?;
    let fetching = async {
        for node in nodes.iter().cycle() {
            match sync::fetch(node, &plan.model, since, 500).await {
                Ok(synced) => return Ok(synced),
                Err(SyncError::Wrong(why)) => anyhow::bail!(why),
                Err(SyncError::Lost(_)) => tokio::time::sleep(PAUSE).await,
            }
        }
        anyhow::bail!("there is no node")
    };
    let fetched = tokio::time::timeout(plan.patience, fetching).await;
    fetched.context("the server does not come back")?
}
