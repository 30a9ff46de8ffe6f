//! A subscriber at a node that nobody kills: it must be told of every acknowledged write, in order and once.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    family::Family,
    frames::FrameLog,
    http::Target,
    realtime::{Notice, Socket, Topic},
    record::{self, Record, RecordId},
    report::Report,
    schema::{Model, Schema},
};

/// A live subscription and what it was told.
pub struct Witness {
    socket: Socket,
    model: Model,
    order: FrameLog,
    told: BTreeMap<RecordId, Vec<u64>>,
}

impl Witness {
    /// Subscribes to all events of a model, as a client to which nothing is replayed.
    pub async fn subscribe(target: &Target, model: &Model) -> anyhow::Result<Self> {
        let schema = Schema {
            models: vec![model.clone()],
        };
        Ok(Self {
            socket: Socket::open(target, Family::Js, &schema).await?,
            model: model.clone(),
            order: FrameLog::new(false),
            told: BTreeMap::new(),
        })
    }

    /// Reports what is told wrongly or not at all of records whose last state is known; waits so long for each event.
    pub async fn judge(
        mut self,
        ledger: &BTreeMap<RecordId, Record>,
        patience: Duration,
        report: &Report,
    ) {
        let mut waiting = ledger.len();
        while waiting > 0 {
            match tokio::time::timeout(patience, self.socket.next()).await {
                Ok(Notice::Event { topic, item }) => {
                    waiting -= usize::from(self.take(&topic, &item, ledger, report));
                }
                Ok(Notice::Violation(problem)) => report.violation(format!("witness: {problem}")),
                Ok(Notice::Closed(why)) => {
                    report.violation(format!("the witness lost its socket: {why}"));
                    break;
                }
                Err(_) => break,
            }
        }
        // What came twice is here by now.
        while let Some(Notice::Event { topic, item }) = self.socket.try_next() {
            self.take(&topic, &item, ledger, report);
        }
        for (id, record) in ledger {
            let told = self.told.remove(id).unwrap_or_default();
            if !told.iter().copied().eq(1..=record.version) {
                let versions = record.version;
                report.violation(format!(
                    "{id}: {versions} versions were acknowledged, the witness was told of {told:?}"
                ));
            }
        }
        self.socket.close().await;
    }

    /// Notes an event; true if it is the last one of a record.
    fn take(
        &mut self,
        topic: &Topic,
        item: &serde_json::Value,
        ledger: &BTreeMap<RecordId, Record>,
        report: &Report,
    ) -> bool {
        let (id, record) = match record::read(&self.model, item) {
            Ok(read) => read,
            Err(problem) => {
                report.violation(format!("witness: {problem}"));
                return false;
            }
        };
        // Others may write, too.
        let Some(last) = ledger.get(&id) else {
            return false;
        };
        report.count("events at the witness");
        if let Err(problem) = self.order.note(topic, &id, &record) {
            report.violation(format!("witness: {problem}"));
        }
        self.told.entry(id).or_default().push(record.version);
        record.version == last.version
    }
}
