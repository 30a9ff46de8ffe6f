//! Mutations whose answers did not reach their clients: the client gave up or was told to come back while the work went
//! on. Its next attempt must not do the work twice.
//!
//! A client that was turned away sends the same mutation again as it was. With an API key nobody can tell its second
//! attempt from the first one of another device with an equal edit, and nobody has to: each mutation that was carried
//! out without its client hearing of it is credited to the next equal request of the same principal, so that in the end
//! every client is answered once and every edit has counted once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use driftless_resolvers::api::{Reply, Request as Operation};
use driftless_resolvers::identity::Caller;
use ring::digest::{SHA256, digest};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A client that stays away longer has been told by a sync what became of its edit, or sends it to another node.
const KEPT: Duration = Duration::from_secs(600);

/// The oldest are forgotten beyond this many.
const MOST: usize = 10_000;

/// Equal for equal mutations of one principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Ticket([u8; 32]);

impl Ticket {
    /// Of a mutation.
    pub(super) fn of(caller: &Caller, operation: &Operation) -> Ticket {
        let Operation {
            query,
            operation_name,
            variables,
        } = operation;
        let principal = caller.identity.actor();
        // Texts and a map of JSON values are always JSON.
        let asked = serde_json::to_vec(&(principal, query, operation_name, variables));
        let mut ticket = [0; 32];
        ticket.copy_from_slice(digest(&SHA256, &asked.unwrap_or_default()).as_ref());
        Ticket(ticket)
    }
}

/// How far a mutation has come.
enum Progress {
    /// Somebody still works on it.
    Running(JoinHandle<Reply>),
    /// It is carried out.
    Done,
}

/// The mutations of one process that nobody was told of.
#[derive(Clone, Default)]
pub struct Unanswered(Arc<Mutex<Credits>>);

#[derive(Default)]
struct Credits {
    by_ticket: HashMap<Ticket, VecDeque<(Instant, Progress)>>,
    /// In the order in which they came; some may have been claimed since.
    order: VecDeque<(Instant, Ticket)>,
}

impl Unanswered {
    /// Takes over the oldest equal mutation that nobody was told of, if there is one.
    pub(super) fn claim(&self, ticket: Ticket) -> Option<Delivery> {
        let mut credits = self.lock();
        credits.forget(Instant::now());
        let waiting = credits.by_ticket.get_mut(&ticket)?;
        let (_, progress) = waiting.pop_front()?;
        if waiting.is_empty() {
            credits.by_ticket.remove(&ticket);
        }
        drop(credits);
        Some(Delivery::new(self, ticket, progress))
    }

    /// A mutation that has begun.
    pub(super) fn begun(&self, ticket: Ticket, running: JoinHandle<Reply>) -> Delivery {
        Delivery::new(self, ticket, Progress::Running(running))
    }

    fn credit(&self, ticket: Ticket, progress: Progress) {
        let mut credits = self.lock();
        let now = Instant::now();
        credits.forget(now);
        credits.order.push_back((now, ticket));
        let waiting = credits.by_ticket.entry(ticket).or_default();
        waiting.push_back((now, progress));
    }

    fn lock(&self) -> MutexGuard<'_, Credits> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Credits {
    fn forget(&mut self, now: Instant) {
        while let Some((since, ticket)) = self.order.front()
            && (self.order.len() >= MOST || now.duration_since(*since) > KEPT)
        {
            if let Some(waiting) = self.by_ticket.get_mut(ticket) {
                waiting.retain(|(credited, _)| credited > since);
                if waiting.is_empty() {
                    self.by_ticket.remove(ticket);
                }
            }
            self.order.pop_front();
        }
    }
}

/// A mutation on its way to an answer. Dropped before [`Delivery::arrived`], it is credited to the next equal one.
pub(super) struct Delivery {
    unanswered: Unanswered,
    ticket: Ticket,
    progress: Option<Progress>,
}

impl Delivery {
    fn new(unanswered: &Unanswered, ticket: Ticket, progress: Progress) -> Delivery {
        Delivery {
            unanswered: unanswered.clone(),
            ticket,
            progress: Some(progress),
        }
    }

    /// Waits for the end; `None` if it ended in a panic or has been waited for before. May be dropped while it waits.
    pub(super) async fn ended(&mut self) -> Option<Reply> {
        let Some(Progress::Running(running)) = &mut self.progress else {
            return None;
        };
        let reply = running.await.ok();
        self.progress = reply
            .as_ref()
            .filter(|reply| succeeded(reply))
            .map(|_| Progress::Done);
        reply
    }

    /// Whether it is carried out.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.progress, Some(Progress::Done))
    }

    /// The client gets its answer: there is nothing to be made good.
    pub(super) fn arrived(mut self) {
        self.progress = None;
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(progress) = self.progress.take() {
            self.unanswered.credit(self.ticket, progress);
        }
    }
}

/// Whether a mutation did what it was asked for. One that was refused may be asked for anew.
fn succeeded(reply: &Reply) -> bool {
    #[derive(serde::Deserialize)]
    struct Body {
        errors: Option<serde::de::IgnoredAny>,
    }
    let Reply::Answer(body) = reply else {
        return false;
    };
    serde_json::from_slice::<Body>(body).is_ok_and(|body| body.errors.is_none())
}
