//! Who learns of a write, and how soon.
//!
//! The log in the database is the truth; everything here only says *look now* (`sync-design.md` L1–L3). A commit of this
//! process is put on the [`Board`]; a [`carrier::Carrier`] takes word of it to the other nodes: `notify` by notifications
//! of the database, `nats` by a stream of NATS. And because words get lost, the database is asked for the heads of all logs
//! every now and then (`heads`).

mod board;
mod carrier;
mod heads;
mod nats;
mod notify;

use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;
use tokio::task::JoinSet;

pub(super) use board::Board;
pub(super) use nats::Nats;
pub use nats::{Certificate, Credentials, NatsPlace};

use super::doubt::Doubt;
use super::roll::Roll;
use super::sql::SqlStore;
use carrier::Carrier;
use notify::Notifier;

/// How word of writes travels between the nodes of a database.
pub(super) enum Way {
    /// By its notifications, which are heard at this address; without one the logs are only looked at.
    Notifications(Option<PgConnectOptions>),
    /// By NATS.
    Nats(Nats),
}

impl Way {
    /// Whether the events themselves travel, too.
    pub(super) fn carries_events(&self) -> bool {
        matches!(self, Way::Nats(_))
    }
}

/// Starts to tell other nodes of writes and to hear of theirs. Everything ends with the set.
pub(super) fn start(
    tasks: &mut JoinSet<()>,
    store: &Arc<SqlStore>,
    board: &Arc<Board>,
    way: Way,
    doubt: Arc<Doubt>,
    roll: Roll,
) {
    let carrier: Arc<dyn Carrier> = match way {
        Way::Nats(nats) => Arc::new(nats),
        Way::Notifications(listening) => {
            if listening.is_none() {
                tracing::info!(
                    "notifications do not pass the pooler; the logs are looked at four times a second. Set \
                     `direct_url` in [database] to an address without the pooler to learn of writes at once, or `url` \
                     in [feed] to that of a NATS server"
                );
            }
            Arc::new(Notifier::new(Arc::clone(store.engine()), listening))
        }
    };
    let looking = heads::watch(Arc::clone(board), Arc::clone(store), doubt, roll);
    tasks.spawn(looking);
    tasks.spawn(carrier::tell(Arc::clone(board), Arc::clone(&carrier)));
    tasks.spawn(carrier::hear(Arc::clone(board), carrier));
}
