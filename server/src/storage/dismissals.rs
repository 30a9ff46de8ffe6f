//! Word to the other nodes that a principal's sockets are to be closed. It is looked for once a second: it travels the same
//! way whatever carries events, and a node that hears of nothing else hears of this.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use driftless_resolvers::storage::StorageError;

use super::database::{Arg, Statement};
use super::engine::Engine;

/// How often it is looked for word.
const PERIOD: Duration = Duration::from_secs(1);
/// How many numbers may be taken by words that are written down later than younger ones.
const OVERTAKEN: i64 = 64;
/// How long a word is kept, in milliseconds: for every node to look.
const KEPT: i64 = 3_600_000;

/// Leaves word.
pub(super) async fn leave(
    engine: &Engine,
    node: &str,
    principal: &str,
    now: i64,
) -> Result<(), StorageError> {
    let insert = "insert into dismissals (node, principal, at_ms) values ($1, $2, $3)";
    let args = vec![
        Arg::Text(node.to_owned()),
        Arg::Text(principal.to_owned()),
        Arg::Int(now),
    ];
    engine.execute(Statement::new(insert, args)).await?;
    let old = "delete from dismissals where at_ms < $1";
    let args = vec![Arg::Int(now - KEPT)];
    engine.execute(Statement::new(old, args)).await
}

/// Hears what other nodes leave from now on, for ever.
pub(super) async fn hear(engine: Arc<Engine>, node: Arc<str>, act: impl Fn(&str) + Send) {
    let mut heard = Heard {
        seen: None,
        last: 0,
    };
    loop {
        match heard.look(&engine, &node).await {
            Ok(principals) => principals.iter().for_each(|principal| act(principal)),
            Err(error) => tracing::debug!(%error, "words of other nodes cannot be looked for"),
        }
        tokio::time::sleep(PERIOD).await;
    }
}

/// What was heard already.
struct Heard {
    /// `None` before the first look: what was said before is not meant any more.
    seen: Option<HashSet<i64>>,
    last: i64,
}

impl Heard {
    async fn look(&mut self, engine: &Engine, node: &str) -> Result<Vec<String>, StorageError> {
        let sql =
            "select number, node, principal from dismissals where number > $1 order by number";
        let args = vec![Arg::Int(self.last - OVERTAKEN)];
        let rows = engine.rows(Statement::new(sql, args)).await?;
        let is_first = self.seen.is_none();
        let seen = self.seen.get_or_insert_default();
        let mut principals = Vec::new();
        for row in rows {
            let number = row.int(0)?;
            self.last = self.last.max(number);
            if seen.insert(number) && !is_first && row.text(1)? != node {
                principals.push(row.text(2)?);
            }
        }
        let last = self.last;
        seen.retain(|number| *number > last - OVERTAKEN);
        Ok(principals)
    }
}
