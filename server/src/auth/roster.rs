//! Who is connected: so that a principal that is let in no more does not go on listening (`errata.md` 2.8).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use driftless_resolvers::identity::Identity;
use tokio_util::sync::CancellationToken;

/// The principals of all sockets.
#[derive(Debug, Default)]
pub struct Roster {
    seats: Mutex<Seats>,
}

#[derive(Debug, Default)]
struct Seats {
    next: u64,
    taken: HashMap<u64, (Identity, CancellationToken)>,
}

/// A principal's place on the roster; given back when dropped.
#[derive(Debug)]
pub struct Seat {
    roster: Arc<Roster>,
    number: u64,
}

impl Roster {
    /// Takes a place for a principal whose connection ends when the token is cancelled.
    pub(super) fn take(self: &Arc<Self>, identity: Identity, end: CancellationToken) -> Seat {
        let mut seats = self.lock();
        let number = seats.next;
        seats.next += 1;
        seats.taken.insert(number, (identity, end));
        Seat {
            roster: Arc::clone(self),
            number,
        }
    }

    /// Ends the connections of the principals that are meant; how many.
    pub(super) fn end(&self, meant: impl Fn(&Identity) -> bool) -> usize {
        let seats = self.lock();
        let ended = seats.taken.values().filter(|(identity, _)| meant(identity));
        ended
            .map(|(_, end)| end.cancel())
            .fold(0, |count, ()| count + 1)
    }

    /// How often each principal is connected.
    pub(super) fn principals(&self) -> BTreeMap<String, usize> {
        let mut principals = BTreeMap::new();
        for (identity, _) in self.lock().taken.values() {
            *principals.entry(identity.principal()).or_default() += 1;
        }
        principals
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.roster.lock().taken.remove(&self.number);
    }
}
