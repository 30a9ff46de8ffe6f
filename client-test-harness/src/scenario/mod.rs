//! Playing a trace against a server: observers, clients, steps, and the final judgement.

pub mod mix;
pub mod purpose;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use tokio::sync::watch;

use crate::{
    converge::{self, Observer},
    engine::{Client, Goal, Link, Shared},
    http::Target,
    ledger::Ledger,
    oracle::Strategy,
    report::Report,
    schema::Schema,
    trace::{Action, Fault, Names, Step, Trace, overgrown},
};

/// A step that takes longer than this hangs.
const STEP_LIMIT: Duration = Duration::from_secs(60);

/// What a run is played against.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The server, or the node of it that observers and judges use.
    pub target: Target,
    /// Further nodes of the same server; clients are spread over all of them.
    pub others: Vec<Target>,
    /// Its models.
    pub schema: Arc<Schema>,
    /// Its conflict strategy.
    pub strategy: Strategy,
    /// How long replicas and observers may take to see what is already committed.
    pub patience: Duration,
    /// Whether replicas may sync once more at the end, or must be up to date by events alone.
    pub ending: Ending,
    /// Somebody kills the server meanwhile: no socket sees everything then, and writes and replicas are judged without
    /// the history.
    pub crashes: Option<Crashes>,
}

/// What the run and whoever kills its server tell each other.
#[derive(Clone, Debug)]
pub struct Crashes {
    /// Set when everybody is connected.
    pub may_begin: watch::Sender<bool>,
    /// Set when the server stays.
    pub over: watch::Receiver<bool>,
}

impl Stage {
    /// One node that is left in peace, judged after a last sync.
    pub fn new(target: Target, schema: Schema, strategy: Strategy) -> Self {
        Self {
            target,
            others: Vec::new(),
            schema: Arc::new(schema),
            strategy,
            patience: Duration::from_secs(10),
            ending: Ending::Sync,
            crashes: None,
        }
    }
}

/// How a run ends before it is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With a delta sync of every replica.
    Sync,
    /// With nothing: live, replayed and settling frames must have brought everything (`client-js` 13.2).
    Live,
}

/// Plays a trace and judges what came of it.
pub async fn play(stage: &Stage, trace: &Trace) -> anyhow::Result<Arc<Report>> {
    let report = Arc::new(Report::default());
    let shared = Shared {
        schema: Arc::clone(&stage.schema),
        ledger: Arc::new(Ledger::default()),
        report: Arc::clone(&report),
        strategy: stage.strategy,
    };
    let observer = Observer::open(stage, Arc::clone(&report)).await?;
    let mut clients = Vec::new();
    let nodes: Vec<&Target> = stage.others.iter().chain([&stage.target]).collect();
    for (number, traits) in trace.clients.iter().enumerate() {
        let link = Link::new(nodes[number % nodes.len()]).await?;
        clients.push(Client::new(traits.clone(), shared.clone(), link)?);
    }
    if let Some(crashes) = &stage.crashes {
        crashes.may_begin.send_replace(true);
    }
    let cast = Cast {
        names: Names::fresh(),
        schema: Arc::clone(&stage.schema),
        report: Arc::clone(&report),
    };
    for segment in trace.steps.split(|step| *step == Step::Barrier) {
        cast.play_segment(&mut clients, segment).await;
    }
    if let Some(crashes) = &stage.crashes {
        crashes.over.clone().wait_for(|over| *over).await?;
    }
    converge::judge(stage, &shared, clients, observer).await?;
    Ok(report)
}

struct Cast {
    names: Names,
    schema: Arc<Schema>,
    report: Arc<Report>,
}

impl Cast {
    /// Every client plays its own steps in order, all clients at the same time; who is done keeps listening.
    async fn play_segment(&self, clients: &mut [Client], steps: &[Step]) {
        let playing = AtomicUsize::new(clients.len());
        let (over, is_over) = watch::channel(false);
        let (playing, over) = (&playing, &over);
        let parts = clients.iter_mut().enumerate().map(|(number, client)| {
            let own = steps.iter().filter_map(move |step| match step {
                Step::Act(actor, action) if *actor == number => Some(action),
                Step::Act(..) | Step::Barrier => None,
            });
            let is_over = is_over.clone();
            async move {
                self.play_part(client, own).await;
                if playing.fetch_sub(1, Ordering::Relaxed) == 1 {
                    over.send_replace(true);
                }
                client.idle(is_over).await;
            }
        });
        join_all(parts).await;
    }

    async fn play_part<'a>(&self, client: &mut Client, actions: impl Iterator<Item = &'a Action>) {
        for action in actions {
            let acted = tokio::time::timeout(STEP_LIMIT, self.act(client, action)).await;
            if acted.is_err() {
                let name = &client.traits().name;
                self.report.violation(format!("{name}: {action:?} hangs"));
            }
        }
    }

    async fn act(&self, client: &mut Client, action: &Action) {
        match action {
            Action::Create(slot, edits) => {
                if let Some(model) = self.schema.model(&slot.model) {
                    let mut fields = self.names.id(model, slot).key_fields(model);
                    fields.extend(self.names.apply(&self.schema, edits, None));
                    client.create(model, fields);
                }
            }
            Action::Update(slot, edits) => self.update(client, slot, edits),
            Action::Delete(slot) => {
                if let Some(model) = self.schema.model(&slot.model) {
                    client.delete(model, &self.names.id(model, slot));
                }
            }
            Action::Offline(goodbye) => client.offline(*goodbye).await,
            Action::Online => client.online(),
            Action::Sync => client.sync_now().await,
            Action::AwaitAnswer => return client.run(Goal::Answered).await,
            Action::AwaitDrained => return client.run(Goal::Drained).await,
            Action::Break(fault) => break_link(client.link(), *fault),
        }
        client.run(Goal::Now).await;
        // One thread may run all clients; every step gives the others a chance.
        tokio::task::yield_now().await;
    }

    fn update(&self, client: &mut Client, slot: &crate::trace::Slot, edits: &[crate::trace::Edit]) {
        let Some(model) = self.schema.model(&slot.model) else {
            return;
        };
        let id = self.names.id(model, slot);
        let Some(row) = client.store().row(&id) else {
            return self.report.count("updates of unknown records");
        };
        let mut changes = self.names.apply(&self.schema, edits, Some(row));
        for name in overgrown(model, row) {
            changes.entry(name).or_insert(serde_json::Value::Null);
        }
        client.update(model, &id, &changes);
    }
}

fn break_link(link: &Link, fault: Fault) {
    match fault {
        Fault::LoseAnswer => link.http.lose_answer(),
        Fault::CutAfterRequest => link.http.cut_after_request(),
        Fault::CutHttp => link.http.cut(),
        Fault::CutSocket => link.socket.cut(),
        Fault::HalfCloseSocket => link.socket.half_close(),
        Fault::LoseFrame => link.socket.lose_answer(),
        Fault::SlowHttp(millis) => link.http.delay(Duration::from_millis(millis.into())),
        Fault::SlowSocket(millis) => link.socket.delay(Duration::from_millis(millis.into())),
    }
}
