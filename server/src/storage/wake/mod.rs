//! Who learns of a write, and how soon.
//!
//! The log in the database is the truth; everything here only says *look now* (`sync-design.md` L1–L3). A commit of this
//! process is put on the [`Board`]; a carrier takes word of it to the other nodes; and because words get lost, the
//! database is asked for the heads of all logs every now and then.

mod board;
mod carrier;
mod heads;
mod notify;

use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;
use tokio::task::JoinSet;

pub(super) use board::Board;

use super::engine::Engine;
use notify::Notifier;

/// Starts to tell other nodes of writes and to hear of theirs; without an address to listen at only the logs are looked
/// at. Everything ends with the set.
pub(super) fn start(
    tasks: &mut JoinSet<()>,
    engine: &Arc<Engine>,
    board: &Arc<Board>,
    listening: Option<PgConnectOptions>,
) {
    let notifier = Arc::new(Notifier::new(Arc::clone(engine)));
    tasks.spawn(heads::watch(Arc::clone(board), Arc::clone(engine)));
    tasks.spawn(carrier::tell(
        Arc::clone(board),
        Arc::clone(&notifier) as Arc<dyn carrier::Carrier>,
    ));
    match listening {
        Some(options) => {
            tasks.spawn(notify::listen(Arc::clone(board), notifier, options));
        }
        None => tracing::info!(
            "notifications do not pass the pooler; the logs are looked at four times a second. Set `direct_url` in \
             [database] to an address without the pooler to learn of writes at once"
        ),
    }
}
