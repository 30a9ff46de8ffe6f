//! Writers whose server is killed while they write: everything that it acknowledged must be there in the end, exactly once,
//! whatever they had to send again.
//!
//! Each writer has records of its own, so that the version and the content of every record are known beforehand, and
//! sends each mutation, always the same request, until it is done.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::sync::watch;

use crate::{
    deployment::{self, Deployment},
    document::Operation,
    engine::exchange::Reply,
    family::Family,
    http::Target,
    outbox::Mutation,
    record::{Record, RecordId},
    report::Report,
    schema::Model,
    witness::Witness,
    writes,
};

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

impl Plan {
    fn deployment(&self, report: &Arc<Report>) -> anyhow::Result<Deployment> {
        Deployment::new(&self.targets, Family::Datastore, self.patience, report)
    }
}

/// Runs the plan and judges what is stored.
pub async fn run(plan: &Plan) -> anyhow::Result<Arc<Report>> {
    let report = Arc::new(Report::default());
    let deployment = plan.deployment(&report)?;
    let before = deployment.fetch(&plan.model, None).await?.started_at;
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
    judge(plan, &deployment, &ledger, None).await?;
    judge(plan, &deployment, &ledger, Some(before)).await?;
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
        deployment::run(command).await?;
    }
    Ok(plan.kills)
}

struct Writer<'a> {
    plan: &'a Plan,
    deployment: Deployment,
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
        Ok(Self {
            deployment: plan.deployment(&report)?.from_node(number),
            plan,
            report,
            done,
            ledger: Ledger::new(),
        })
    }

    async fn write(mut self, records: u64) -> Ledger {
        for number in 0..records {
            let id = writes::fresh(&self.plan.model);
            for (operation, version) in [
                (Operation::Create, None),
                (Operation::Update, Some(1)),
                (Operation::Delete, Some(2)),
            ] {
                // Every other record lives.
                if operation == Operation::Delete && number % 2 == 0 {
                    continue;
                }
                let mutation = writes::mutation(&self.plan.model, &id, operation, version, number);
                if !self.persist(&mutation).await {
                    return self.ledger;
                }
            }
        }
        self.ledger
    }

    /// Sends a mutation until it is done; false if that is in vain.
    async fn persist(&mut self, mutation: &Mutation) -> bool {
        let Some(reply) = self.deployment.send(&self.plan.model, mutation).await else {
            return false;
        };
        let expected = mutation.version.unwrap_or(0) + 1;
        let problem = match reply {
            Reply::Done(record) if record.version == expected => {
                self.ledger.insert(mutation.id.clone(), record);
                self.done.send_modify(|done| *done += 1);
                self.report.count("acknowledged");
                return true;
            }
            Reply::Done(record) => format!("version {expected} became {}", record.version),
            Reply::Refused(error) => format!("refused: {error:?}"),
            Reply::Wrong(problem) => problem,
        };
        self.report.violation(format!("{}: {problem}", mutation.id));
        false
    }
}

/// Everything acknowledged is stored as it was answered, and nothing was done twice.
async fn judge(
    plan: &Plan,
    deployment: &Deployment,
    ledger: &Ledger,
    since: Option<u64>,
) -> anyhow::Result<()> {
    let report = deployment.report();
    let what = if since.is_some() {
        "a delta"
    } else {
        "the base"
    };
    let synced = deployment.fetch(&plan.model, since).await?;
    let mut stored: BTreeMap<_, _> = synced.items.into_iter().collect();
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
