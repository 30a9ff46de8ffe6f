//! The judgement of a run: do all replicas and the server agree, and does one order of the writes explain it all?

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures_util::future::join_all;

use crate::{
    engine::{Client, Goal, Shared},
    family::Family,
    frames::FrameLog,
    history::{self, Versions},
    http::Http,
    ledger::Outcome,
    local_store::{LocalStore, Metadata},
    realtime::{Notice, Socket},
    record::{self, Record, RecordId},
    report::Report,
    scenario::{Ending, Stage},
    schema::{Model, Schema},
    sync::{self, SyncError, Synced},
};

/// How long all clients together may take to send what they have.
const DRAIN: Duration = Duration::from_secs(120);

/// The newest version of every record.
pub type State = BTreeMap<RecordId, Record>;

/// Subscribed to everything from the start, on an unbroken connection and with a plain user agent: it must see every
/// committed version exactly once and in order.
pub struct Observer {
    socket: Socket,
    frames: FrameLog,
    schema: Arc<Schema>,
    report: Arc<Report>,
    patience: Duration,
    histories: BTreeMap<RecordId, Versions>,
    started_at: BTreeMap<String, u64>,
}

impl Observer {
    /// Subscribes and notes where the server's clock stands for each model.
    pub async fn open(stage: &Stage, report: Arc<Report>) -> anyhow::Result<Self> {
        let socket = Socket::open(&stage.target, Family::Js, &stage.schema).await?;
        let http = Http::new(&stage.target, Family::Js)?;
        let mut started_at = BTreeMap::new();
        for model in &stage.schema.models {
            let synced = sync::fetch(&http, model, Some(sync::now_ms()), 1000).await;
            let synced = synced.map_err(|error| anyhow::anyhow!("{error:?}"))?;
            started_at.insert(model.name.clone(), synced.started_at);
        }
        Ok(Self {
            socket,
            frames: FrameLog::new(false),
            schema: Arc::clone(&stage.schema),
            report,
            patience: stage.patience,
            histories: BTreeMap::new(),
            started_at,
        })
    }

    /// Waits until every given record's final version has arrived.
    async fn catch_up(&mut self, finals: &State) {
        let patience = self.patience;
        let wait = async {
            while finals
                .iter()
                .any(|(id, record)| self.newest(id) < record.version)
            {
                let notice = self.socket.next().await;
                if !self.take(notice) {
                    return;
                }
            }
        };
        if tokio::time::timeout(patience, wait).await.is_err() {
            self.complain_about_missing(finals);
        }
        while let Some(notice) = self.socket.try_next() {
            self.take(notice);
        }
    }

    fn newest(&self, id: &RecordId) -> u64 {
        let versions = self.histories.get(id);
        let last = versions.and_then(|versions| versions.last_key_value());
        last.map_or(0, |(version, _)| *version)
    }

    fn complain_about_missing(&self, finals: &State) {
        for (id, record) in finals {
            if self.newest(id) < record.version {
                self.report.violation(format!(
                    "observer: {id} is at version {} but the last frame was version {}",
                    record.version,
                    self.newest(id)
                ));
            }
        }
    }

    fn take(&mut self, notice: Notice) -> bool {
        match notice {
            Notice::Event { topic, item } => {
                let model = self.schema.model(&topic.model);
                let read = model.map(|model| record::read(model, &item));
                match read {
                    Some(Ok((id, record))) => {
                        if let Err(problem) = self.frames.note(&topic, &id, &record) {
                            self.report.violation(format!("observer: {problem}"));
                        }
                        let versions = self.histories.entry(id).or_default();
                        versions.insert(record.version, record);
                    }
                    Some(Err(problem)) => self.report.violation(format!("observer: {problem}")),
                    None => {}
                }
                true
            }
            Notice::Violation(problem) => {
                self.report.violation(format!("observer: {problem}"));
                true
            }
            Notice::Closed(why) => {
                self.report
                    .violation(format!("observer: socket closed: {why}"));
                false
            }
        }
    }
}

/// Brings everybody online, drains, syncs once more and compares everything with everything.
pub async fn judge(
    stage: &Stage,
    shared: &Shared,
    mut clients: Vec<Client>,
    mut observer: Observer,
) -> anyhow::Result<()> {
    let report = &shared.report;
    let drained = join_all(clients.iter_mut().map(drain));
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        report.violation("clients did not drain their outboxes");
    }
    for client in &clients {
        if !client.is_drained() {
            report.violation(format!("{}: outbox not empty", client.traits().name));
        }
    }
    if stage.ending == Ending::Sync {
        join_all(clients.iter_mut().map(Client::sync_now)).await;
    }
    let server = server_state(stage, None).await?;
    report.add("records", server.len() as u64);
    let compared = clients
        .iter_mut()
        .map(|client| agree(client, &server, report, stage.patience));
    join_all(compared).await;
    let written = written(shared, &server);
    check_acknowledged(&written, shared);
    if stage.crashes.is_none() {
        observer.catch_up(&written).await;
        check_history(&observer, &written, shared);
    }
    check_delta(stage, &observer, &written, report).await;
    Ok(())
}

async fn drain(client: &mut Client) {
    client.link().http.heal();
    client.link().socket.heal();
    client.online();
    client.run(Goal::Drained).await;
}

/// The server's base state, or what changed since the given times.
async fn server_state(
    stage: &Stage,
    since: Option<&BTreeMap<String, u64>>,
) -> anyhow::Result<State> {
    let http = Http::new(&stage.target, Family::Js)?;
    let mut state = State::new();
    for model in &stage.schema.models {
        let last_sync = since.and_then(|since| since.get(&model.name).copied());
        let synced = patient_fetch(&http, model, last_sync, stage.patience).await?;
        state.extend(synced.items);
    }
    Ok(state)
}

/// A sync that outlasts broken connections; whoever judges a crashing server may meet it while it is down.
async fn patient_fetch(
    http: &Http,
    model: &Model,
    last_sync: Option<u64>,
    patience: Duration,
) -> anyhow::Result<Synced> {
    let fetch = async {
        loop {
            match sync::fetch(http, model, last_sync, 500).await {
                Ok(synced) => return Ok(synced),
                Err(SyncError::Wrong(why)) => anyhow::bail!(why),
                Err(SyncError::Lost(_)) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    tokio::time::timeout(patience, fetch).await?
}

/// Waits until the replica equals the server, or reports how they differ.
async fn agree(client: &mut Client, server: &State, report: &Report, patience: Duration) {
    let wait = async {
        while !differences(client.store(), server).is_empty() {
            client.wait_for_notice().await;
        }
    };
    let agreed = tokio::time::timeout(patience, wait).await.is_ok();
    client.run(Goal::Now).await;
    if !agreed || !differences(client.store(), server).is_empty() {
        let name = &client.traits().name;
        for difference in differences(client.store(), server).into_iter().take(3) {
            report.violation(format!(
                "{name} does not agree with the server: {difference}"
            ));
        }
    }
}

/// How a replica differs from the server, in words.
pub fn differences(store: &LocalStore, server: &State) -> Vec<String> {
    disagreements(store, server).into_values().collect()
}

/// Record by record, how a replica differs from the server; a tombstone equals an absent record.
pub fn disagreements(store: &LocalStore, server: &State) -> BTreeMap<RecordId, String> {
    let live: BTreeMap<&RecordId, &Record> = server
        .iter()
        .filter(|(_, record)| !record.deleted)
        .collect();
    let mut found = BTreeMap::new();
    for (id, fields) in store.rows() {
        let metadata = store.metadata(id);
        let difference = match live.get(id) {
            None => format!(
                "{id} is live here ({metadata:?}), there it is {:?}",
                server.get(id)
            ),
            Some(record) => {
                let expected = Metadata {
                    version: record.version,
                    last_changed: record.last_changed,
                };
                if metadata == Some(expected) && *fields == record.fields {
                    continue;
                }
                format!("{id} is {metadata:?} {fields:?} here, there {record:?}")
            }
        };
        found.insert(id.clone(), difference);
    }
    for id in live.keys().filter(|id| store.row(id).is_none()) {
        let difference = format!("{id} is missing here, there it is {:?}", live[*id]);
        found.insert((*id).clone(), difference);
    }
    found
}

/// The part of the server's state that this run wrote.
fn written(shared: &Shared, server: &State) -> State {
    let mut written = State::new();
    for entry in shared.ledger.entries() {
        if let Some((id, record)) = server.get_key_value(&entry.mutation.id) {
            written.insert(id.clone(), record.clone());
        }
    }
    written
}

/// What was acknowledged is stored, in that version or a later one.
fn check_acknowledged(written: &State, shared: &Shared) {
    for entry in shared.ledger.entries() {
        let Outcome::Acknowledged(answered) = &entry.outcome else {
            continue;
        };
        let stored = written.get(&entry.mutation.id);
        let kept =
            stored.is_some_and(|stored| stored.version > answered.version || stored == answered);
        if !kept {
            shared.report.violation(format!(
                "{}: {} was answered {answered:?}, stored is {stored:?}",
                entry.mutation.id, entry.client
            ));
        }
    }
}

/// The observer's history must be gapless, end where the server is, and be explained by the ledger.
fn check_history(observer: &Observer, written: &State, shared: &Shared) {
    let mut histories = BTreeMap::new();
    for (id, record) in written {
        let versions = observer.histories.get(id).cloned().unwrap_or_default();
        let seen: BTreeSet<u64> = versions.keys().copied().collect();
        if seen != (1..=record.version).collect() {
            shared.report.violation(format!(
                "observer: {id} ends at version {} but frames brought {seen:?}",
                record.version
            ));
        } else if versions.get(&record.version) != Some(record) {
            shared.report.violation(format!(
                "observer: {id} was published as {:?} but is stored as {record:?}",
                versions.get(&record.version)
            ));
        }
        if let Some(problem) = clock_goes_back(&versions) {
            shared
                .report
                .violation(format!("observer: {id}: {problem}"));
        }
        shared.report.add("versions", versions.len() as u64);
        histories.insert(id.clone(), versions);
    }
    let entries = shared.ledger.entries();
    for problem in history::check(&histories, &entries, &shared.schema, shared.strategy) {
        shared.report.violation(problem);
    }
}

fn clock_goes_back(versions: &Versions) -> Option<String> {
    let times: Vec<u64> = versions
        .values()
        .map(|record| record.last_changed)
        .collect();
    let sorted = times.is_sorted();
    (!sorted).then(|| format!("_lastChangedAt goes back: {times:?}"))
}

/// A delta since before the run must hold the newest version of everything the run wrote.
async fn check_delta(stage: &Stage, observer: &Observer, written: &State, report: &Report) {
    match server_state(stage, Some(&observer.started_at)).await {
        Err(problem) => report.violation(format!("delta: {problem}")),
        Ok(delta) => {
            for (id, record) in written {
                if delta.get(id) != Some(record) {
                    report.violation(format!(
                        "delta since before the run has {id} as {:?}, base as {record:?}",
                        delta.get(id)
                    ));
                }
            }
        }
    }
}
