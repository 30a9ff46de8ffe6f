//! A writer and reader of one model below the API.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use driftless_resolvers::feed::{Feed, Operation, Seq};
use driftless_resolvers::filter::Filter;
use driftless_resolvers::schema::model::{Model, Scalar};
use driftless_resolvers::storage::{
    Expected, Key, Put, Storage, SyncFrom, SyncPage, SyncQuery, Write,
};
use driftless_resolvers::{Record, Version};
use serde_json::json;

use super::models::{model, schema};
use super::rig::Rig;

/// One model of a store.
#[derive(Clone)]
pub(crate) struct Probe {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) feed: Arc<dyn Feed>,
    pub(crate) model: Arc<Model>,
}

/// A replica that takes what it is told without looking at versions, as JavaScript does.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Replica(pub(crate) BTreeMap<String, (u32, bool)>);

impl Replica {
    /// Takes a page, whose records must never be older than what was there (D4).
    pub(crate) fn take(&mut self, records: &[Record]) -> anyhow::Result<()> {
        for record in records {
            let now = (record.version.0, record.deleted);
            let before = self.0.insert(id(record), now);
            if before.is_some_and(|(version, _)| version > now.0) {
                bail!("{} goes back from {before:?} to {now:?}", id(record));
            }
        }
        Ok(())
    }
}

/// The id of a record.
pub(crate) fn id(record: &Record) -> String {
    record.fields["id"].as_str().expect("an id").to_owned()
}

/// The ids of a page.
pub(crate) fn ids(records: &[Record]) -> Vec<String> {
    records.iter().map(id).collect()
}

impl Probe {
    /// The model `Post` of the rig's store.
    pub(crate) async fn new(rig: &Rig) -> Probe {
        Probe::of(rig.storage(), rig.feed(), "Post").await
    }

    /// A model with an id and a title.
    pub(crate) async fn of(storage: Arc<dyn Storage>, feed: Arc<dyn Feed>, name: &str) -> Probe {
        let fields = [("id", Scalar::Id), ("title", Scalar::String)];
        let model = model(name, &fields, &["id"], &[]);
        let prepared = storage.prepare(&schema(&[&model])).await;
        prepared.expect("the store is made ready");
        Probe {
            storage,
            feed,
            model: Arc::new(model),
        }
    }

    /// A write over this version; 0 is none.
    pub(crate) fn write(&self, id: &str, version: u32, title: &str) -> Write {
        let fields = json!({"id": id, "title": title});
        let fields = fields.as_object().expect("an object").clone();
        Write {
            key: Key::of(&self.model, &fields).expect("it has its key"),
            expected: match version {
                0 => Expected::Absent,
                version => Expected::Version(Version(version)),
            },
            operation: match version {
                0 => Operation::Create,
                _ => Operation::Update,
            },
            fields,
            deleted: false,
            actor: None,
            request: None,
        }
    }

    pub(crate) async fn put(&self, write: Write) -> anyhow::Result<Put> {
        Ok(self.storage.put(&self.model, write).await?)
    }

    /// Writes over this version, which must be the stored one.
    pub(crate) async fn save(&self, id: &str, version: u32) -> anyhow::Result<Record> {
        let write = self.write(id, version, &format!("{id} {version}"));
        done(self.put(write).await?)
    }

    pub(crate) async fn delete(&self, id: &str, version: u32) -> anyhow::Result<Record> {
        let mut write = self.write(id, version, "gone");
        write.operation = Operation::Delete;
        write.deleted = true;
        done(self.put(write).await?)
    }

    pub(crate) async fn first(&self, last: Option<i64>, limit: usize) -> anyhow::Result<SyncPage> {
        self.filtered(last, limit, Filter::everything()).await
    }

    pub(crate) async fn filtered(
        &self,
        last_sync: Option<i64>,
        limit: usize,
        filter: Filter,
    ) -> anyhow::Result<SyncPage> {
        let query = SyncQuery {
            from: SyncFrom::First {
                last_sync,
                overlap: 0,
                window: None,
            },
            rows: Filter::everything(),
            filter,
            limit,
        };
        Ok(self.storage.sync(&self.model, &query).await?)
    }

    pub(crate) async fn next(&self, page: &SyncPage, limit: usize) -> anyhow::Result<SyncPage> {
        let next = page.next.clone().context("there is no further page")?;
        let query = SyncQuery {
            from: SyncFrom::Next(next),
            rows: Filter::everything(),
            filter: Filter::everything(),
            limit,
        };
        Ok(self.storage.sync(&self.model, &query).await?)
    }

    /// A whole sync into a replica; the answer is what the client keeps as its next `lastSync`.
    pub(crate) async fn sync(
        &self,
        replica: &mut Replica,
        last_sync: Option<i64>,
    ) -> anyhow::Result<i64> {
        let mut page = self.first(last_sync, 3).await?;
        replica.take(&page.records)?;
        while page.next.is_some() {
            page = self.next(&page, 3).await?;
            replica.take(&page.records)?;
        }
        Ok(page.started_at.0)
    }

    /// What a new device gets.
    pub(crate) async fn truth(&self) -> anyhow::Result<Replica> {
        let mut replica = Replica::default();
        self.sync(&mut replica, None).await?;
        Ok(replica)
    }

    /// The committed versions of each record in the order of the log, which must be 1, 2, 3 … (V2).
    pub(crate) async fn history(&self) -> anyhow::Result<BTreeMap<String, Vec<u32>>> {
        let mut history: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        let stretch = self.feed.since(&self.model, Seq(0), 100_000).await?;
        for event in &stretch.events {
            let versions = history.entry(id(&event.record)).or_default();
            versions.push(event.record.version.0);
        }
        for (id, versions) in &history {
            if !versions.iter().copied().eq(1..=versions.len() as u32) {
                bail!("the versions of {id} are {versions:?}");
            }
        }
        Ok(history)
    }
}

fn done(put: Put) -> anyhow::Result<Record> {
    match put {
        Put::Done(record) => Ok(record),
        Put::Stale(stored) => bail!("another version is stored: {stored:?}"),
    }
}
