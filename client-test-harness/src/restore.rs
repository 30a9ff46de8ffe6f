//! A deployment that falls back to an older state, because a backup is put back or a replica that lagged behind takes over.
//!
//! Devices then hold what the server never heard of. What was written before the backup must still be there; what was
//! written after it may be lost, but no version may ever stand for two contents, and in the end every device must hold what
//! the server holds. Only records whose create was lost stay where they are (`sync-design` 10).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    deployment::Deployment,
    document::Operation,
    engine::exchange::Reply,
    family::Family,
    http::Target,
    local_store::LocalStore,
    realtime::{Notice, Socket},
    record::{self, Fields, Record, RecordId},
    report::Report,
    schema::{Model, Schema},
    sync::now_ms,
    writes,
};

/// Who holds a replica: one client of each way to merge and to remember a sync.
const FAMILIES: [Family; 3] = [Family::Datastore, Family::Swift, Family::Android];
/// How far ahead of the clock, in milliseconds, `startedAt` may be after the server lost writes.
const LEAD: u64 = 61_000;
/// Pause before devices sync again.
const PAUSE: Duration = Duration::from_millis(100);

/// What is written, and where.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The nodes of the deployment.
    pub targets: Vec<Target>,
    /// A model with one key field and at least one required text or number.
    pub model: Model,
    /// How many records are made before the backup; a third of that afterwards.
    pub records: u64,
    /// How long the server may be away, and devices may take to agree with it.
    pub patience: Duration,
}

/// Writes, takes a backup, goes on writing, puts the backup back, goes on again, and judges what is stored and what devices
/// hold.
pub async fn run(
    plan: &Plan,
    backup: impl AsyncFnOnce() -> anyhow::Result<()>,
    restore: impl AsyncFnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<Arc<Report>> {
    let report = Arc::new(Report::default());
    let mut play = Play::new(plan, &report)?;
    play.write_what_is_kept().await;
    play.sync().await?;
    backup().await?;
    play.stories.values_mut().for_each(Story::note_backup);
    let socket = play.listen().await?;
    play.write_what_may_be_lost().await;
    play.sync().await?;
    restore().await?;
    play.edit_what_is_held().await;
    play.agree().await?;
    play.hear_out(socket).await;
    Ok(report)
}

/// A record as a user sees it.
type Content = (Fields, bool);

fn content(record: &Record) -> Content {
    (record.fields.clone(), record.deleted)
}

/// What became of a record.
#[derive(Debug, Default)]
struct Story {
    /// What was acknowledged, in order.
    states: Vec<Record>,
    /// Which of them the backup holds, if any.
    kept: Option<usize>,
    /// What was acknowledged after the backup was put back.
    edited: Option<Record>,
}

impl Story {
    fn note_backup(&mut self) {
        self.kept = self.states.len().checked_sub(1);
    }

    /// Why it must not look like this on the server, if it must not.
    fn objection(&self, found: Option<&Record>) -> Option<String> {
        match (&self.edited, found) {
            (Some(edited), Some(found)) if content(edited) == content(found) => None,
            (Some(edited), found) => Some(format!("answered was {edited:?}, stored is {found:?}")),
            (None, None) => {
                let kept = &self.states[self.kept?];
                Some(format!("{kept:?} was in the backup and is gone"))
            }
            (None, Some(found)) => {
                let mut since = self.states.iter().skip(self.kept.unwrap_or(0));
                let was = since.any(|state| content(state) == content(found));
                (!was).then(|| format!("it was never {found:?} since the backup"))
            }
        }
    }

    /// Whether the last acknowledged write before the restore is not in what is stored now.
    fn went_back(&self, found: Option<&Record>) -> bool {
        let last = self.states.last().map(content);
        self.edited.is_none() && last != found.map(content)
    }
}

/// What each version of each record was seen to stand for: one content, for ever.
#[derive(Default)]
struct Book(BTreeMap<(RecordId, u64), Content>);

impl Book {
    fn note(&mut self, id: &RecordId, record: &Record, report: &Report) {
        let seen = content(record);
        let known = self
            .0
            .entry((id.clone(), record.version))
            .or_insert_with(|| seen.clone());
        if *known != seen {
            report.violation(format!(
                "{id}: version {} stood for {known:?} and stands for {seen:?}",
                record.version
            ));
        }
    }
}

/// A replica and how it is kept.
struct Device {
    family: Family,
    deployment: Deployment,
    store: LocalStore,
    last_sync: Option<u64>,
}

struct Play<'a> {
    plan: &'a Plan,
    report: Arc<Report>,
    deployment: Deployment,
    devices: Vec<Device>,
    stories: BTreeMap<RecordId, Story>,
    book: Book,
}

impl<'a> Play<'a> {
    fn new(plan: &'a Plan, report: &Arc<Report>) -> anyhow::Result<Self> {
        let deployment = |family| {
            let deployment = Deployment::new(&plan.targets, family, plan.patience, report);
            deployment.map(|deployment| deployment.ahead(LEAD))
        };
        let device = |family: Family| {
            Ok(Device {
                family,
                deployment: deployment(family)?,
                store: LocalStore::new(family.merge_rule()),
                last_sync: None,
            })
        };
        Ok(Self {
            plan,
            report: Arc::clone(report),
            deployment: deployment(Family::Datastore)?,
            devices: FAMILIES
                .into_iter()
                .map(device)
                .collect::<anyhow::Result<_>>()?,
            stories: BTreeMap::new(),
            book: Book::default(),
        })
    }

    /// Makes records, half of which are changed, and some of these deleted.
    async fn write_what_is_kept(&mut self) {
        for number in 0..self.plan.records {
            let id = writes::fresh(&self.plan.model);
            self.write(&id, Operation::Create, number).await;
            if number % 2 == 0 {
                self.write(&id, Operation::Update, number).await;
            }
            if number % 8 == 0 {
                self.write(&id, Operation::Delete, number).await;
            }
        }
        self.report.add("records", self.plan.records);
    }

    /// Changes a third of the records once and a third twice, deletes some of them, and makes new ones.
    async fn write_what_may_be_lost(&mut self) {
        let alive: Vec<RecordId> = self.alive().cloned().collect();
        for (id, number) in alive.iter().zip(self.plan.records..) {
            for change in 0..number % 3 {
                self.write(id, Operation::Update, 10 * number + change)
                    .await;
            }
            if number % 7 == 0 {
                self.write(id, Operation::Delete, number).await;
            }
        }
        for number in 0..self.plan.records.div_ceil(3) {
            let id = writes::fresh(&self.plan.model);
            self.write(&id, Operation::Create, number).await;
        }
    }

    fn alive(&self) -> impl Iterator<Item = &RecordId> {
        let last = |story: &Story| story.states.last().is_some_and(|state| !state.deleted);
        let stories = self.stories.iter();
        stories.filter_map(move |(id, story)| last(story).then_some(id))
    }

    /// Writes a record as whoever knows it best; that must be done.
    async fn write(&mut self, id: &RecordId, operation: Operation, number: u64) {
        let model = &self.plan.model;
        let story = self.stories.entry(id.clone()).or_default();
        let version = story.states.last().map(|state| state.version);
        let mutation = writes::mutation(model, id, operation, version, number);
        let expected = version.unwrap_or(0) + 1;
        let problem = match self.deployment.send(model, &mutation).await {
            Some(Reply::Done(record)) if record.version == expected => {
                self.book.note(id, &record, &self.report);
                story.states.push(record);
                return;
            }
            Some(Reply::Done(record)) => format!("version {expected} became {}", record.version),
            Some(Reply::Refused(error)) => format!("refused: {error:?}"),
            Some(Reply::Wrong(problem)) => problem,
            None => return,
        };
        self.report.violation(format!("{id}: {problem}"));
    }

    /// Each device changes every fourth record that it holds, as it knows it.
    async fn edit_what_is_held(&mut self) {
        let model = &self.plan.model;
        for (turn, device) in self.devices.iter_mut().enumerate() {
            let held: Vec<(RecordId, Option<u64>)> = device
                .store
                .rows()
                .filter(|(id, _)| self.stories.contains_key(id))
                .map(|(id, _)| (id.clone(), device.store.version(id)))
                .collect();
            for ((id, version), number) in held.into_iter().skip(turn).step_by(4).zip(0..) {
                let number = 1_000_000 * (turn as u64 + 1) + number;
                let mutation = writes::mutation(model, &id, Operation::Update, version, number);
                match device.deployment.send(model, &mutation).await {
                    Some(Reply::Done(record)) => {
                        self.report.count("edits of what was held taken");
                        self.book.note(&id, &record, &self.report);
                        device.store.put(&id, &record);
                        self.stories.entry(id).or_default().edited = Some(record);
                    }
                    Some(Reply::Refused(error)) => {
                        self.report.count("edits of what was held refused");
                        if let Ok((id, record)) = record::read(model, &error.data) {
                            self.book.note(&id, &record, &self.report);
                        }
                    }
                    Some(Reply::Wrong(problem)) => {
                        self.report.violation(format!("{id}: {problem}"));
                    }
                    None => {}
                }
            }
        }
    }

    async fn sync(&mut self) -> anyhow::Result<()> {
        for device in &mut self.devices {
            let since = match device.last_sync {
                None if device.family.sends_zero_last_sync() => Some(0),
                since => since,
            };
            let synced = device.deployment.fetch(&self.plan.model, since).await?;
            for (id, record) in &synced.items {
                self.book.note(id, record, &self.report);
                device.store.merge(id, record);
            }
            device.last_sync = Some(if device.family.remembers_own_clock() {
                now_ms()
            } else {
                synced.started_at
            });
        }
        Ok(())
    }

    /// Lets devices sync until they hold what the server holds, and judges that.
    async fn agree(&mut self) -> anyhow::Result<()> {
        let end = Instant::now() + self.plan.patience;
        let stored = loop {
            self.sync().await?;
            let synced = self.deployment.fetch(&self.plan.model, None).await?;
            let stored: BTreeMap<RecordId, Record> = synced.items.into_iter().collect();
            for (id, record) in &stored {
                self.book.note(id, record, &self.report);
            }
            let differences = self.differences(&stored);
            if differences.is_empty() {
                break stored;
            }
            if Instant::now() >= end {
                for difference in differences {
                    self.report.violation(difference);
                }
                break stored;
            }
            tokio::time::sleep(PAUSE).await;
        };
        for (id, story) in &self.stories {
            let found = stored.get(id);
            if let Some(objection) = story.objection(found) {
                self.report.violation(format!("{id}: {objection}"));
            }
            self.report
                .add("records that went back", story.went_back(found).into());
        }
        Ok(())
    }

    /// Where a device holds something else than the server.
    fn differences(&self, stored: &BTreeMap<RecordId, Record>) -> Vec<String> {
        let mut found = Vec::new();
        for device in &self.devices {
            for (id, story) in &self.stories {
                let server = stored.get(id).filter(|record| !record.deleted);
                let held = device.store.row(id);
                let may_stay = story.kept.is_none() && !stored.contains_key(id);
                let same_fields = held == server.map(|record| &record.fields);
                let same_version =
                    server.is_none_or(|record| device.store.version(id) == Some(record.version));
                if !(may_stay || same_fields && same_version) {
                    found.push(format!(
                        "{id}: {:?} holds {held:?} at {:?}, the server {server:?}",
                        device.family,
                        device.store.version(id)
                    ));
                }
            }
        }
        found
    }

    /// A subscriber to which nothing is replayed. To take the backup the database may have been away for a moment.
    async fn listen(&self) -> anyhow::Result<Socket> {
        let schema = Schema {
            models: vec![self.plan.model.clone()],
        };
        let end = Instant::now() + self.plan.patience;
        loop {
            let opened = Socket::open(&self.plan.targets[0], Family::Js, &schema).await;
            if opened.is_ok() || Instant::now() >= end {
                return opened;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// A socket that was open when the server fell back is closed, or told of everything that was written since.
    async fn hear_out(&mut self, mut socket: Socket) {
        let edits = self.stories.iter();
        let mut untold: BTreeSet<(RecordId, u64)> = edits
            .filter_map(|(id, story)| Some((id.clone(), story.edited.as_ref()?.version)))
            .collect();
        while !untold.is_empty() {
            match tokio::time::timeout(self.plan.patience, socket.next()).await {
                Ok(Notice::Event { item, .. }) => match record::read(&self.plan.model, &item) {
                    Ok((id, record)) => {
                        self.book.note(&id, &record, &self.report);
                        untold.remove(&(id, record.version));
                    }
                    Err(problem) => self.report.violation(problem),
                },
                Ok(Notice::Violation(problem)) => self.report.violation(problem),
                Ok(Notice::Closed(_)) => return self.report.count("sockets closed"),
                Err(_) => {
                    self.report.violation(format!(
                        "a socket stayed open and was not told of {untold:?}"
                    ));
                    return;
                }
            }
        }
        socket.close().await;
    }
}
