//! How word of a write travels from node to node.

use std::sync::Arc;
use std::time::Duration;

use driftless_resolvers::feed::{Event, Seq};
use futures_util::future::BoxFuture;

use super::Board;

/// At least so much time lies between two words of one node, so that a busy node does not flood the others.
const PAUSE: Duration = Duration::from_millis(5);
/// How long to wait before another attempt to hear.
const AGAIN: Duration = Duration::from_secs(5);

/// What is new in one model's log.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct News {
    /// Which model.
    pub(super) shard: i64,
    /// The newest position.
    pub(super) newest: Seq,
    /// Events up to it, in order, as far as they are at hand.
    pub(super) events: Vec<Event>,
}

impl News {
    pub(super) fn of(shard: i64) -> Self {
        News {
            shard,
            newest: Seq(0),
            events: Vec::new(),
        }
    }
}

/// Takes news to the other nodes and brings theirs. Both may fail at any time: the log is the truth, and nodes look at it
/// by themselves.
pub(super) trait Carrier: Send + Sync + 'static {
    /// Sends news, outside of any write. An error means that some of it may not arrive: the others find out by looking.
    fn tell<'a>(&'a self, news: &'a [News]) -> BoxFuture<'a, anyhow::Result<()>>;

    /// Puts what it hears on the board, and says there that it hears once that is tried out. Ends with the reason when
    /// nothing arrives any more.
    fn hear<'a>(&'a self, board: &'a Board) -> BoxFuture<'a, anyhow::Result<()>>;
}

/// Tells the other nodes what this one commits, for ever.
pub(super) async fn tell(board: Arc<Board>, carrier: Arc<dyn Carrier>) {
    let mut failing = false;
    loop {
        let news = board.outgoing().await;
        let told = carrier.tell(&news).await;
        if let Err(error) = &told
            && !failing
        {
            tracing::warn!(
                error = format!("{error:#}"),
                "other nodes cannot be told of writes; they look for them now and then"
            );
        }
        failing = told.is_err();
        tokio::time::sleep(PAUSE).await;
    }
}

/// Hears of other nodes' writes, for ever. A reason why nothing arrives is told once, until word arrives again or the
/// reason is another one.
pub(super) async fn hear(board: Arc<Board>, carrier: Arc<dyn Carrier>) {
    let mut told = None;
    loop {
        let ended = carrier.hear(&board).await;
        if board.hears() {
            told = None;
        }
        board.set_hears(false);
        if let Err(error) = ended {
            let reason = format!("{error:#}");
            if told.as_ref() != Some(&reason) {
                tracing::warn!(
                    error = reason,
                    "word of other nodes' writes does not arrive; the logs are looked at four times a second instead"
                );
                told = Some(reason);
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}
