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

/// Leaves word, at the time of the store's clock: that of one node's own would let another's words go at once.
pub(super) async fn leave(
    engine: &Engine,
    node: &str,
    principal: &str,
) -> Result<(), StorageError> {
    let now = engine.now();
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
    /// The number and time of each word near the last one. `None` before the first look: what was said before is not meant
    /// any more.
    seen: Option<HashSet<(i64, i64)>>,
    last: i64,
}

impl Heard {
    async fn look(&mut self, engine: &Engine, node: &str) -> Result<Vec<String>, StorageError> {
        // Numbers fall back where a backup is put back. Who waited for greater ones would be deaf until they come.
        let sql = "select number, at_ms, node, principal from dismissals \
                   where number > least($1, (select max(number) from dismissals)) - $2 order by number";
        let args = vec![Arg::Int(self.last), Arg::Int(OVERTAKEN)];
        let rows = engine.rows(Statement::new(sql, args)).await?;
        let (mut near, mut principals) = (HashSet::new(), Vec::new());
        self.last = 0;
        for row in rows {
            let word = (row.int(0)?, row.int(1)?);
            self.last = word.0;
            near.insert(word);
            let is_news = self.seen.as_ref().is_some_and(|seen| !seen.contains(&word));
            if is_news && row.text(2)? != node {
                principals.push(row.text(3)?);
            }
        }
        self.seen = Some(near);
        Ok(principals)
    }
}
