//! Looking at the logs without being told.

use std::sync::Arc;
use std::time::Duration;

use driftless_resolvers::feed::Seq;

use super::Board;
use super::carrier::News;
use crate::storage::engine::Engine;
use crate::storage::statements;

/// How often to look while word from other nodes does not arrive.
const DEAF: Duration = Duration::from_millis(250);
/// How often to look while it does.
const HEARING: Duration = Duration::from_secs(1);
/// How often to look while nobody waits for anything.
const UNFOLLOWED: Duration = Duration::from_secs(2);

/// Looks at the heads of all logs, for ever.
pub(super) async fn watch(board: Arc<Board>, engine: Arc<Engine>) {
    let mut failing = false;
    loop {
        tokio::time::sleep(pace(&board)).await;
        match engine.rows(statements::heads()).await {
            Ok(rows) => {
                failing = false;
                for row in rows {
                    let (Ok(shard), Ok(seq)) = (row.int(0), row.int(1)) else {
                        continue;
                    };
                    board.heard(News {
                        newest: Seq(seq),
                        ..News::of(shard)
                    });
                }
            }
            Err(error) => {
                if !failing {
                    tracing::warn!(%error, "the logs cannot be looked at; trying again");
                }
                failing = true;
            }
        }
    }
}

fn pace(board: &Board) -> Duration {
    match (board.is_followed(), board.hears()) {
        (false, _) => UNFOLLOWED,
        (true, true) => HEARING,
        (true, false) => DEAF,
    }
}
