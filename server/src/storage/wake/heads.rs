//! Looking at the logs without being told.

use std::sync::Arc;
use std::time::Duration;

use driftless_resolvers::storage::StorageError;
use tokio::time::Instant;

use super::Board;
use crate::storage::doubt::Doubt;
use crate::storage::engine::Engine;
use crate::storage::epoch::{self, Mark};
use crate::storage::lineage::Lineage;
use crate::storage::roll::{self, AGAIN, Reading, Roll};
use crate::storage::sql::SqlStore;

/// How often to look while word from other nodes does not arrive.
const DEAF: Duration = Duration::from_millis(250);
/// How often to look while it does.
const HEARING: Duration = Duration::from_secs(1);
/// How soon to look after word from another node: what it has written may be lost at any time, and whoever knows of it gives
/// none of its versions away again. However many words come, they cost one look in this time.
const TOLD: Duration = Duration::from_millis(100);
/// How often to look while nobody waits for anything.
const UNFOLLOWED: Duration = Duration::from_secs(2);

/// Looks at the heads of all logs, for ever; and whether they are still those that were seen before. Where there is doubt
/// about that, at once, and nothing is written before the other nodes have looked, too.
pub(super) async fn watch(board: Arc<Board>, store: Arc<SqlStore>, doubt: Arc<Doubt>, roll: Roll) {
    let mut watch = Watch {
        board,
        engine: Arc::clone(store.engine()),
        store,
        lineage: Lineage::new(),
        roll,
        jumped: None,
    };
    let mut sight = Sight::Clear;
    loop {
        match sight {
            // While there is no answer, writes may be waiting for one.
            Sight::None => tokio::time::sleep(DEAF).await,
            Sight::Partial => tokio::time::sleep(AGAIN).await,
            Sight::Clear => tokio::select! {
                () = tokio::time::sleep(pace(&watch.board)) => {}
                () = doubt.raised() => {}
                () = told(&watch.board) => {}
            },
        }
        let level = doubt.level();
        sight = match watch.look().await {
            Ok(Some(server)) => {
                doubt.settle(level, server);
                Sight::Clear
            }
            Ok(None) => Sight::Partial,
            Err(error) => {
                if !matches!(sight, Sight::None) {
                    tracing::warn!(%error, "the logs cannot be looked at; trying again");
                }
                Sight::None
            }
        };
    }
}

/// What came of a look.
enum Sight {
    /// There was no answer.
    None,
    /// This node has looked, but others that may know more have not.
    Partial,
    /// What is lost is dealt with.
    Clear,
}

struct Watch {
    board: Arc<Board>,
    engine: Arc<Engine>,
    store: Arc<SqlStore>,
    lineage: Lineage,
    roll: Roll,
    /// How far versions had jumped at the last look.
    jumped: Option<i64>,
}

impl Watch {
    /// Answers since when the server runs whose logs these are, if everybody who may know what they lack has looked before.
    async fn look(&mut self) -> Result<Option<i64>, StorageError> {
        // Asked first: if another server takes over from now on, this one's time is not that one's. And if everybody else
        // has looked by now, this look sees what they did about it.
        let reading = self.roll_call().await?;
        let server = reading.server;
        let all_have_looked = self.roll.call(&reading, Instant::now());
        // Taken before the logs are looked at: what is committed meanwhile is no loss.
        let marks = self.board.marks();
        self.lineage.check(&self.engine, &marks).await?;
        // Read before: if another node begins a new epoch in between, nothing is missing any more.
        let epoch = epoch::current(&self.engine).await?;
        if epoch::is_lost(&self.engine, &marks).await? {
            self.recover(epoch, &marks).await?;
        }
        let mut heads = epoch::heads(&self.engine).await?;
        let jumped = heads.iter().map(|head| head.offset).max().unwrap_or(0);
        let begun = self.jumped.is_some_and(|known| known != jumped);
        if begun {
            // What was put back may be from before a change of the schema, and number models in another way since.
            self.board.forget();
            self.store.prepare_again().await?;
            heads = epoch::heads(&self.engine).await?;
        }
        self.jumped = Some(jumped);
        for head in heads {
            self.board.looked(head);
        }
        if begun {
            self.board.look();
        }
        self.roll.sign(&self.engine, server).await?;
        Ok(all_have_looked.then_some(server))
    }

    /// The roll of the server. One that holds a backup of a former version has none yet.
    async fn roll_call(&self) -> Result<Reading, StorageError> {
        match roll::read(&self.engine).await {
            Err(StorageError::Corrupt(_)) => {
                self.engine.bring_up_to_date().await?;
                roll::read(&self.engine).await
            }
            answer => answer,
        }
    }

    /// Writes that this node knew of are gone. It goes on knowing of them until that is dealt with: what fails is tried
    /// again at the next look.
    async fn recover(&self, epoch: i64, marks: &[Mark]) -> Result<(), StorageError> {
        let begun = epoch::renew(&self.engine, epoch, marks, None).await?;
        self.board.forget();
        if begun {
            tracing::warn!(
                "writes are missing that were acknowledged before, as after a restore or a fail-over to a replica that \
                 lagged behind: a new epoch has begun, every client fetches everything at its next sync"
            );
        }
        Ok(())
    }
}

/// Waits until there was word from another node, and for what else it has to say.
async fn told(board: &Board) {
    board.news().await;
    tokio::time::sleep(TOLD).await;
}

fn pace(board: &Board) -> Duration {
    match (board.is_followed(), board.hears()) {
        (false, _) => UNFOLLOWED,
        (true, true) => HEARING,
        (true, false) => DEAF,
    }
}
