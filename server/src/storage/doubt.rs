//! Whether the database may be another one than that whose log was looked at.
//!
//! A restore and a take-over end every connection, so whatever a new one leads to may lack writes that clients have seen.
//! Until the logs are looked at again, nothing is written there: a version that was lost would be given to other content
//! (`sync-design.md` F2). Behind a pooler nobody sees connections end; but the server that they lead to is another process
//! then, or one that was started anew, and it says since when it runs.

use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::watch;

/// How often something gave reason to look, and up to which of these times somebody has.
#[derive(Debug)]
pub(super) struct Doubt {
    raised: watch::Sender<u64>,
    settled: watch::Sender<u64>,
    /// Since when the server runs whose logs were looked at.
    server: AtomicI64,
}

impl Default for Doubt {
    fn default() -> Self {
        Doubt {
            raised: watch::Sender::new(0),
            settled: watch::Sender::new(0),
            server: AtomicI64::new(0),
        }
    }
}

impl Doubt {
    /// There is reason to look.
    pub(super) fn raise(&self) {
        self.raised.send_modify(|raised| *raised += 1);
    }

    /// How often there was reason to look.
    pub(super) fn level(&self) -> u64 {
        *self.raised.borrow()
    }

    /// Since when the server runs whose logs were looked at, in microseconds.
    pub(super) fn server(&self) -> i64 {
        self.server.load(Ordering::SeqCst)
    }

    /// The logs were looked at, of a server that runs since then, after there was reason to for so many times, and what was
    /// lost is dealt with.
    pub(super) fn settle(&self, level: u64, server: i64) {
        self.server.store(server, Ordering::SeqCst);
        self.settled
            .send_modify(|settled| *settled = level.max(*settled));
    }

    pub(super) fn is_settled(&self) -> bool {
        self.is_settled_by(*self.settled.borrow())
    }

    fn is_settled_by(&self, settled: u64) -> bool {
        settled >= self.level()
    }

    /// Waits until there is reason to look.
    pub(super) async fn raised(&self) {
        let is_news = |raised: &u64| *raised > *self.settled.borrow();
        // The sender lives as long as this.
        let _ = self.raised.subscribe().wait_for(is_news).await;
    }

    /// Waits until there is none any more.
    pub(super) async fn settled(&self) {
        let is_enough = |settled: &u64| self.is_settled_by(*settled);
        let _ = self.settled.subscribe().wait_for(is_enough).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn what_gives_reason_to_look_while_somebody_looks_is_settled_by_the_next_look_only() {
        let doubt = Doubt::default();
        assert!(doubt.is_settled() && doubt.raised().now_or_never().is_none());
        doubt.raise();
        assert!(doubt.settled().now_or_never().is_none());
        assert!(doubt.raised().now_or_never().is_some());
        let looking_at = doubt.level();
        doubt.raise();
        doubt.settle(looking_at, 1);
        assert!(!doubt.is_settled());
        doubt.settle(doubt.level(), 2);
        doubt.settle(looking_at, 2);
        assert!(doubt.is_settled() && doubt.settled().now_or_never().is_some());
    }
}
