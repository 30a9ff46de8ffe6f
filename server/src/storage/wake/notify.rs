//! Word by Postgres' `NOTIFY`: sent by itself after the commit, never inside a write, where it would make all commits of
//! the database wait for each other.
//!
//! It is a hint and gets lost like one: a connection that listens may die silently, and behind a pooler that hands
//! connections around nobody listens at all. So it is tried out at the start and now and then, and while the trial fails
//! the store looks at the logs more often.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use driftless_resolvers::feed::Seq;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::time::{Instant, timeout, timeout_at};
use uuid::Uuid;

use super::Board;
use super::carrier::{Carrier, News};
use crate::storage::database::{Arg, Statement};
use crate::storage::engine::Engine;

/// The channel of a database that every node listens on.
const CHANNEL: &str = "driftless";
/// How long word may take.
const PROMPT: Duration = Duration::from_secs(2);
/// How often a connection that listens is tried out.
const TRIAL: Duration = Duration::from_secs(15);
/// How long a connection to listen on may take to come.
const PATIENCE: Duration = Duration::from_secs(5);
/// Postgres refuses longer payloads.
const LONGEST: usize = 7_000;

/// Sends notifications, and listens where they arrive.
pub(super) struct Notifier {
    engine: Arc<Engine>,
    /// How to connect to where they arrive; behind a pooler of transactions nobody can listen.
    listening: Option<PgConnectOptions>,
    /// Which node speaks: its own word is no news to it.
    node: Uuid,
}

impl Notifier {
    pub(super) fn new(engine: Arc<Engine>, listening: Option<PgConnectOptions>) -> Self {
        Notifier {
            engine,
            listening,
            node: Uuid::new_v4(),
        }
    }

    async fn send(&self, payload: String) -> anyhow::Result<()> {
        let args = vec![Arg::Text(CHANNEL.to_owned()), Arg::Text(payload)];
        // A void result has no binary form that is worth reading.
        let statement = Statement::new("select pg_notify($1, $2)::text", args);
        Ok(self.engine.rows(statement).await.map(drop)?)
    }
}

impl Carrier for Notifier {
    fn tell<'a>(&'a self, news: &'a [News]) -> BoxFuture<'a, anyhow::Result<()>> {
        async move {
            for payload in payloads(self.node, news) {
                self.send(payload).await?;
            }
            Ok(())
        }
        .boxed()
    }

    fn hear<'a>(&'a self, board: &'a Board) -> BoxFuture<'a, anyhow::Result<()>> {
        match &self.listening {
            Some(options) => listen(board, self, options).boxed(),
            None => std::future::pending().boxed(),
        }
    }
}

/// `NODE shard=seq shard=seq …`, in as many pieces as the length asks for.
fn payloads(node: Uuid, news: &[News]) -> Vec<String> {
    let mut payloads: Vec<String> = Vec::new();
    for News { shard, newest, .. } in news {
        let word = format!(" {shard}={}", newest.0);
        match payloads.last_mut() {
            Some(payload) if payload.len() + word.len() <= LONGEST => payload.push_str(&word),
            Some(_) | None => payloads.push(format!("{node}{word}")),
        }
    }
    payloads
}

/// The news in a payload of another node. Anybody may notify; what makes no sense is skipped.
fn news(payload: &str, own: Uuid) -> Vec<News> {
    let mut words = payload.split(' ');
    if words.next() == Some(own.to_string().as_str()) {
        return Vec::new();
    }
    words
        .filter_map(|word| {
            let (shard, seq) = word.split_once('=')?;
            Some(News {
                newest: Seq(seq.parse().ok()?),
                ..News::of(shard.parse().ok()?)
            })
        })
        .collect()
}

/// Listens until it turns out that nothing arrives any more.
async fn listen(
    board: &Board,
    notifier: &Notifier,
    options: &PgConnectOptions,
) -> anyhow::Result<()> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options.clone());
    let mut listener = timeout(PATIENCE, PgListener::connect_with(&pool))
        .await
        .context("no connection to listen on")??;
    listener.listen(CHANNEL).await?;
    loop {
        try_out(board, notifier, &mut listener).await?;
        if !board.hears() {
            tracing::debug!("word of other nodes' writes arrives");
        }
        board.set_hears(true);
        let next_trial = Instant::now() + TRIAL;
        while let Ok(heard) = timeout_at(next_trial, listener.recv()).await {
            take(board, notifier, heard?.payload());
        }
    }
}

/// Sends a word and waits for it.
async fn try_out(
    board: &Board,
    notifier: &Notifier,
    listener: &mut PgListener,
) -> anyhow::Result<()> {
    let trial = format!("trial:{}", Uuid::new_v4());
    notifier.send(trial.clone()).await?;
    let heard = timeout(PROMPT, async {
        loop {
            let heard = listener.recv().await?;
            if heard.payload() == trial {
                return anyhow::Ok(());
            }
            take(board, notifier, heard.payload());
        }
    });
    match heard.await {
        Ok(heard) => heard,
        Err(_) => bail!("a notification did not come back; is there a pooler between?"),
    }
}

fn take(board: &Board, notifier: &Notifier, payload: &str) {
    for news in news(payload, notifier.node) {
        board.heard(news);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(shard: i64, newest: i64) -> News {
        News {
            newest: Seq(newest),
            ..News::of(shard)
        }
    }

    #[test]
    fn news_reads_back_at_other_nodes_only() {
        let (here, there) = (Uuid::new_v4(), Uuid::new_v4());
        let told = [some(1, 5), some(12, 9_007_199_254_740_993)];
        let sent = payloads(here, &told);
        assert_eq!(sent.len(), 1);
        assert_eq!(news(&sent[0], there), told);
        assert_eq!(news(&sent[0], here), []);
    }

    #[test]
    fn many_models_make_several_payloads_of_a_length_that_postgres_takes() {
        let told: Vec<News> = (1..=2_000).map(|shard| some(shard, i64::MAX)).collect();
        let sent = payloads(Uuid::new_v4(), &told);
        assert!(sent.iter().all(|payload| payload.len() < 8_000));
        let read: Vec<News> = sent
            .iter()
            .flat_map(|payload| news(payload, Uuid::new_v4()))
            .collect();
        assert_eq!(read, told);
    }

    #[test]
    fn foreign_payloads_are_skipped() {
        for payload in ["", "hello", "a b=c 1= =2 3=4x", "trial:x"] {
            assert_eq!(news(payload, Uuid::new_v4()), [], "{payload}");
        }
    }
}
