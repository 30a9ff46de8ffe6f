//! Word by NATS: a short stream of JetStream that every node of a database writes to and follows, events included.
//!
//! What it brings is put on the board like any other word and is no more than that: an event counts where it continues
//! what is known of the log, and whatever NATS loses is found in the log. So the stream lives in memory, is short and may
//! vanish. It is sealed with a secret of the database, so that NATS learns nothing of records and nobody else can make up
//! events.

mod credentials;
mod servers;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use async_nats::Event as Occurrence;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::pull::{Ordered, OrderedConfig};
use async_nats::jetstream::context::ContextBuilder;
use async_nats::jetstream::stream::{Config, DiscardPolicy, StorageType};
use async_nats::jetstream::{Context, Message};
use driftless_resolvers::Record;
use driftless_resolvers::asked::Selected;
use driftless_resolvers::feed::{Event, Seq};
use driftless_resolvers::page::Sealer;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use uuid::Uuid;

pub use self::credentials::Credentials;
use self::servers::Servers;
pub use self::servers::{Certificate, NatsPlace};
use super::Board;
use super::carrier::{Carrier, News};
use crate::storage::statements::{letter, operation};

/// How long NATS may take for anything.
const PROMPT: Duration = Duration::from_secs(2);
/// How often it is tried out whether word arrives.
const TRIAL: Duration = Duration::from_secs(15);
/// How long the stream keeps word for nodes that are away for a moment, and how much, in bytes.
const KEPT: Duration = Duration::from_secs(120);
const LARGEST_STREAM: i64 = 64 << 20;
/// How much text goes into one message, in bytes: sealed, it stays well below the megabyte that NATS takes. An event beyond
/// that is left to the log.
const LARGEST: usize = 512 << 10;

/// The nodes of one database on a NATS server.
pub(in crate::storage) struct Nats {
    servers: Servers,
    /// The stream of this database, and its only subject.
    name: String,
    seal: Sealer,
    /// Which node speaks: its own word is no news to it.
    node: String,
    /// The connection, while there is one.
    context: Mutex<Option<Context>>,
    /// The place in the stream up to which this node has heard; 0 before the first word.
    heard: AtomicU64,
}

/// What one message says.
#[derive(Debug, Serialize, Deserialize)]
enum Word {
    /// Nothing: a node tries out whether it hears itself.
    Trial(String),
    /// What is new in a model's log.
    News {
        from: String,
        shard: i64,
        newest: i64,
        events: Vec<Told>,
    },
}

/// An event on its way.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    seq: i64,
    op: String,
    record: Record,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    selected: Option<Selected>,
}

impl Nats {
    /// The name of the secret that nodes of a database share.
    pub(in crate::storage) const SECRET: &'static str = "feed";

    /// For a database with this secret.
    pub(in crate::storage) fn new(place: &NatsPlace, secret: [u8; 32]) -> anyhow::Result<Self> {
        let digest = Sha256::digest([b"driftless feed ".as_slice(), &secret].concat());
        let id: String = digest
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(Nats {
            servers: Servers::new(place)?,
            name: format!("driftless-{id}"),
            seal: Sealer::new(secret),
            node: Uuid::new_v4().to_string(),
            context: Mutex::default(),
            heard: AtomicU64::new(0),
        })
    }

    fn set_context(&self, context: Option<Context>) {
        *self.context.lock().unwrap_or_else(PoisonError::into_inner) = context;
    }

    fn context(&self) -> anyhow::Result<Context> {
        let context = self.context.lock().unwrap_or_else(PoisonError::into_inner);
        context.clone().context("NATS is away")
    }

    fn sealed(&self, word: &Word) -> anyhow::Result<String> {
        Ok(self.seal.seal(&self.name, &serde_json::to_value(word)?))
    }

    /// What a message says; nothing if it is not of a node of this database.
    fn opened(&self, payload: &[u8]) -> Option<Word> {
        let content = self
            .seal
            .open(&self.name, std::str::from_utf8(payload).ok()?)?;
        serde_json::from_value(content).ok()
    }

    async fn publish(&self, words: Vec<Word>) -> anyhow::Result<()> {
        let context = self.context()?;
        let mut sent = Vec::with_capacity(words.len());
        for word in &words {
            let payload = self.sealed(word)?;
            sent.push(context.publish(self.name.clone(), payload.into()).await?);
        }
        for acknowledgement in sent {
            acknowledgement.await?;
        }
        Ok(())
    }

    /// Connects; tells when the connection is lost.
    async fn connect(&self) -> anyhow::Result<(Context, watch::Receiver<bool>)> {
        let (lost, is_lost) = watch::channel(false);
        let options = self
            .servers
            .options()?
            .name("driftless")
            .connection_timeout(PROMPT)
            .ping_interval(PROMPT)
            .event_callback(move |event| {
                if matches!(event, Occurrence::Disconnected | Occurrence::Closed) {
                    lost.send_replace(true);
                }
                std::future::ready(())
            });
        let client = timeout(2 * PROMPT, self.servers.connect(options))
            .await
            .context("it does not answer")??;
        let context = ContextBuilder::new()
            .timeout(PROMPT)
            .ack_timeout(PROMPT)
            .build(client);
        Ok((context, is_lost))
    }

    /// The messages of the stream, from where this node has heard to, or from now on.
    async fn follow(&self, context: &Context) -> anyhow::Result<Ordered> {
        let stream = context
            .get_or_create_stream(Config {
                name: self.name.clone(),
                subjects: vec![self.name.clone()],
                storage: StorageType::Memory,
                discard: DiscardPolicy::Old,
                max_age: KEPT,
                duplicate_window: KEPT,
                max_bytes: LARGEST_STREAM,
                ..Config::default()
            })
            .await?;
        let heard = self.heard.load(Ordering::Relaxed);
        let continues = heard > 0 && stream.cached_info().state.last_sequence >= heard;
        let consumer = OrderedConfig {
            deliver_policy: if continues {
                DeliverPolicy::ByStartSequence {
                    start_sequence: heard + 1,
                }
            } else {
                DeliverPolicy::New
            },
            ..OrderedConfig::default()
        };
        Ok(stream.create_consumer(consumer).await?.messages().await?)
    }

    /// Hears until it turns out that nothing arrives any more.
    async fn listen(&self, board: &Board) -> anyhow::Result<()> {
        let (context, mut lost) = self.connect().await?;
        let mut messages = self.follow(&context).await?;
        self.set_context(Some(context));
        loop {
            self.try_out(board, &mut messages).await?;
            if !board.hears() {
                tracing::debug!("word of other nodes' writes arrives");
            }
            board.set_hears(true);
            let next_trial = Instant::now() + TRIAL;
            loop {
                tokio::select! {
                    message = timeout_at(next_trial, messages.next()) => match message {
                        Ok(Some(message)) => drop(self.take(board, &message?)),
                        Ok(None) => bail!("the stream ended"),
                        Err(_) => break,
                    },
                    _ = lost.wait_for(|lost| *lost) => bail!("the connection to NATS is lost"),
                }
            }
        }
    }

    /// Sends a word and waits for it.
    async fn try_out(&self, board: &Board, messages: &mut Ordered) -> anyhow::Result<()> {
        let trial = Uuid::new_v4().to_string();
        self.publish(vec![Word::Trial(trial.clone())]).await?;
        let heard = timeout(PROMPT, async {
            while let Some(message) = messages.next().await {
                if self.take(board, &message?).as_ref() == Some(&trial) {
                    return Ok(());
                }
            }
            bail!("the stream ended")
        });
        match heard.await {
            Ok(heard) => heard,
            Err(_) => bail!("a message did not come back"),
        }
    }

    /// Takes what a message says; tells if it is a trial.
    fn take(&self, board: &Board, message: &Message) -> Option<String> {
        if let Ok(info) = message.info() {
            self.heard.store(info.stream_sequence, Ordering::Relaxed);
        }
        match self.opened(&message.payload)? {
            Word::Trial(trial) => return Some(trial),
            Word::News { from, .. } if from == self.node => {}
            Word::News {
                shard,
                newest,
                events,
                ..
            } => board.heard(News {
                shard,
                newest: Seq(newest),
                events: events.into_iter().filter_map(Told::event).collect(),
            }),
        }
        None
    }
}

impl Carrier for Nats {
    fn tell<'a>(&'a self, news: &'a [News]) -> BoxFuture<'a, anyhow::Result<()>> {
        self.publish(words(&self.node, news)).boxed()
    }

    fn hear<'a>(&'a self, board: &'a Board) -> BoxFuture<'a, anyhow::Result<()>> {
        async move {
            let ended = self.listen(board).await;
            self.set_context(None);
            ended.context("NATS carries nothing")
        }
        .boxed()
    }
}

impl Told {
    fn of(event: &Event) -> Told {
        Told {
            seq: event.seq.0,
            op: letter(event.operation).to_owned(),
            record: (*event.record).clone(),
            selected: event.selected.as_deref().cloned(),
        }
    }

    fn event(self) -> Option<Event> {
        Some(Event {
            seq: Seq(self.seq),
            operation: operation(&self.op)?,
            record: self.record.into(),
            selected: self.selected.map(Arc::new),
        })
    }
}

/// News in pieces of a size that NATS takes. Every model gets at least one, so that its newest position is told.
fn words(from: &str, news: &[News]) -> Vec<Word> {
    let mut words = Vec::new();
    for News {
        shard,
        newest,
        events,
    } in news
    {
        let word = |events| Word::News {
            from: from.to_owned(),
            shard: *shard,
            newest: newest.0,
            events,
        };
        let (mut piece, mut size) = (Vec::new(), 0);
        for event in events {
            let told = Told::of(event);
            let length = serde_json::to_string(&told).map_or(usize::MAX, |text| text.len());
            if length > LARGEST {
                continue;
            }
            if size + length > LARGEST {
                words.push(word(std::mem::take(&mut piece)));
                size = 0;
            }
            size += length;
            piece.push(told);
        }
        words.push(word(piece));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use driftless_resolvers::feed::Operation;
    use driftless_resolvers::{Timestamp, Version};
    use serde_json::json;

    fn nats(secret: u8) -> Nats {
        let place = NatsPlace::at("nats://one:4222, nats://two:4222");
        Nats::new(&place, [secret; 32]).unwrap()
    }

    fn event(seq: i64, note: &str) -> Event {
        // As a client may have sent it, digits and order included.
        let fields = format!(r#"{{"id":"a","price":1.50,"note":{}}}"#, json!(note));
        Event {
            seq: Seq(seq),
            operation: Operation::Update,
            record: Arc::new(Record {
                fields: serde_json::from_str(&fields).unwrap(),
                version: Version(7),
                last_changed_at: Timestamp(1_700_000_000_000),
                deleted: false,
            }),
            selected: None,
        }
    }

    /// What a node hears of another one's words, as the events of each word.
    fn heard(words: &[Word], teller: &Nats, hearer: &Nats) -> Vec<Vec<Event>> {
        let opened = words
            .iter()
            .filter_map(|word| hearer.opened(teller.sealed(word).unwrap().as_bytes()));
        opened
            .map(|word| match word {
                Word::Trial(_) => Vec::new(),
                Word::News { events, .. } => events.into_iter().filter_map(Told::event).collect(),
            })
            .collect()
    }

    #[test]
    fn events_arrive_as_they_were_told_at_nodes_of_the_same_database_only() {
        let mut selected = Selected::default();
        selected.add("price", None);
        let partly = Event {
            selected: Some(Arc::new(selected)),
            ..event(5, "\u{1F600}\n")
        };
        let events = vec![event(4, "x"), partly];
        let news = News {
            shard: 3,
            newest: Seq(5),
            events: events.clone(),
        };
        let (here, there, stranger) = (nats(1), nats(1), nats(2));
        let words = words(&here.node, &[news]);
        assert_eq!(heard(&words, &here, &there), [events]);
        assert_eq!(here.name, there.name);
        assert!(heard(&words, &here, &stranger).is_empty());
        assert_ne!(here.name, stranger.name);
        assert!(there.opened(b"hello").is_none());
    }

    #[test]
    fn many_events_make_several_messages_and_one_that_is_too_large_is_left_to_the_log() {
        let large = "x".repeat(LARGEST / 3);
        let mut events: Vec<Event> = (1..=5).map(|seq| event(seq, &large)).collect();
        events.push(event(6, &"x".repeat(LARGEST)));
        let news = News {
            shard: 3,
            newest: Seq(6),
            events,
        };
        let (here, there) = (nats(1), nats(1));
        let words = words(&here.node, &[news]);
        for word in &words {
            assert!(here.sealed(word).unwrap().len() < 1_000_000);
        }
        let seqs: Vec<i64> = heard(&words, &here, &there)
            .concat()
            .iter()
            .map(|event| event.seq.0)
            .collect();
        assert_eq!(seqs, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_model_without_events_at_hand_is_told_of_all_the_same() {
        let words = words("a", &[News::of(1)]);
        assert_eq!(words.len(), 1);
    }
}
