//! The nodes of a deployment, as clients use them that do not give up: each request goes to the next node, again and again,
//! until it is answered.

use std::{
    process::ExitStatus,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use tokio::process::Command;

use crate::{
    engine::exchange::{self, Reply},
    family::Family,
    http::{Failure, Http, Target},
    outbox::Mutation,
    report::Report,
    schema::Model,
    sync::{self, SyncError, Synced},
};

/// Pause before a request is sent again.
const PAUSE: Duration = Duration::from_millis(50);
/// Records on a page.
const PAGE: u32 = 500;

/// Nodes, and how long all of them may be away.
pub struct Deployment {
    nodes: Vec<Http>,
    family: Family,
    next: AtomicUsize,
    patience: Duration,
    lead: u64,
    report: Arc<Report>,
}

impl Deployment {
    /// These nodes, for a client of a family.
    pub fn new(
        targets: &[Target],
        family: Family,
        patience: Duration,
        report: &Arc<Report>,
    ) -> anyhow::Result<Self> {
        let nodes = targets.iter().map(|target| Http::new(target, family));
        Ok(Self {
            nodes: nodes.collect::<anyhow::Result<_>>()?,
            family,
            next: AtomicUsize::new(0),
            patience,
            lead: sync::MOST_LEAD_MS,
            report: Arc::clone(report),
        })
    }

    /// Whose `startedAt` may be so many milliseconds ahead of the clock.
    #[must_use]
    pub fn ahead(self, lead: u64) -> Self {
        Self { lead, ..self }
    }

    /// Begins with the node of this number.
    #[must_use]
    pub fn from_node(self, number: usize) -> Self {
        self.next.store(number, Ordering::Relaxed);
        self
    }

    /// Where what clients must not see is noted.
    pub fn report(&self) -> &Report {
        &self.report
    }

    fn node(&self) -> &Http {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        &self.nodes[next % self.nodes.len()]
    }

    /// Sends a mutation, always the same request, until it is answered; nothing if nobody answers, which is noted.
    pub async fn send(&self, model: &Model, mutation: &Mutation) -> Option<Reply> {
        let answered = tokio::time::timeout(self.patience, self.sent(model, mutation)).await;
        if answered.is_err() {
            let wait = self.patience;
            self.report
                .violation(format!("{}: not answered within {wait:?}", mutation.id));
        }
        answered.ok()
    }

    async fn sent(&self, model: &Model, mutation: &Mutation) -> Reply {
        loop {
            let (query, variables) = exchange::request(model, mutation, self.family);
            match self.node().execute(&query, variables).await {
                Ok(answer) => return exchange::reply(model, mutation, answer),
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

    /// Everything of a model that changed since a sync, or all of it.
    pub async fn fetch(&self, model: &Model, since: Option<u64>) -> anyhow::Result<Synced> {
        let fetching = async {
            loop {
                match sync::fetch_ahead(self.node(), model, since, PAGE, self.lead).await {
                    Ok(synced) => return Ok(synced),
                    Err(SyncError::Wrong(why)) => anyhow::bail!(why),
                    Err(SyncError::Lost(_)) => tokio::time::sleep(PAUSE).await,
                }
            }
        };
        let fetched = tokio::time::timeout(self.patience, fetching).await;
        fetched.context("the server does not come back")?
    }
}

/// Runs a shell command that does something to a deployment.
pub async fn run(command: &str) -> anyhow::Result<()> {
    let mut shell = Command::new("/bin/sh");
    let ended = shell.args(["-c", command]).status().await;
    let ended = ended.with_context(|| format!("run {command}"))?;
    anyhow::ensure!(
        ExitStatus::success(&ended),
        "`{command}` ended with {ended}"
    );
    Ok(())
}
