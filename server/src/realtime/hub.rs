//! Who listens to what: every model has a [`Channel`], hand-written mutations have a [`Room`], every socket has a bounded
//! queue.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use driftless_resolvers::api::{Origin, Request, Subscription};
use driftless_resolvers::clock::Clock;
use driftless_resolvers::feed::Feed;
use driftless_resolvers::notice::Bulletin;
use driftless_resolvers::schema::Schema;
use driftless_resolvers::storage::StorageError;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::channel::Channel;
use super::room::{Registration, Room, Topic};
use super::{EventLimit, Oversized};

/// An event on its way to a socket.
#[derive(Debug)]
pub struct Delivery {
    /// The subscription it is for.
    pub id: Arc<str>,
    /// The `payload` of the frame.
    pub payload: Arc<str>,
    _load: Load,
}

/// How much the events that wait for one socket weigh together at most, in bytes, unless there is one only.
const HEAVIEST: usize = 64 << 20;

/// What an event adds to the weight of those that wait, for as long as it does.
#[derive(Debug)]
struct Load {
    waiting: Arc<AtomicUsize>,
    bytes: usize,
}

impl Load {
    fn put_on(waiting: &Arc<AtomicUsize>, bytes: usize) -> Load {
        waiting.fetch_add(bytes, Ordering::Relaxed);
        Load {
            waiting: Arc::clone(waiting),
            bytes,
        }
    }

    fn is_too_much(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > HEAVIEST.max(self.bytes)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The sending side of a socket's queue.
#[derive(Debug, Clone)]
pub struct Outbox {
    queue: mpsc::Sender<Delivery>,
    overflowed: CancellationToken,
    limit: Option<EventLimit>,
    /// What waits in it weighs so much, in bytes.
    waiting: Arc<AtomicUsize>,
}

impl Outbox {
    /// A queue for `capacity` frames, and for so many as weigh 64 MiB. When it overflows the token is cancelled: a slow reader is disconnected, never
    /// silently skipped, because it repairs itself by a delta sync only after a reconnect.
    #[must_use]
    pub fn new(capacity: usize) -> (Self, mpsc::Receiver<Delivery>, CancellationToken) {
        let (queue, receiver) = mpsc::channel(capacity.max(1));
        let overflowed = CancellationToken::new();
        let outbox = Outbox {
            queue,
            overflowed: overflowed.clone(),
            limit: None,
            waiting: Arc::default(),
        };
        (outbox, receiver, overflowed)
    }

    /// The same with a limit to the size of events.
    #[must_use]
    pub fn limited(self, limit: Option<EventLimit>) -> Self {
        Outbox { limit, ..self }
    }
}

/// One subscription of one socket.
#[derive(Debug, Clone)]
pub struct Subscriber {
    /// The client's name for it.
    pub id: Arc<str>,
    /// Its socket.
    pub outbox: Outbox,
}

impl Subscriber {
    /// Ends its connection: something it should have been told is not there any more.
    pub(super) fn disconnect(&self) {
        self.outbox.overflowed.cancel();
    }

    pub(super) fn tell(&self, payload: &Arc<str>) {
        let bytes = payload.len();
        if let Some(limit) = self.outbox.limit.filter(|limit| bytes > limit.bytes) {
            tracing::warn!(bytes, "an event is larger than realtime.event_limit");
            if limit.over == Oversized::Close {
                self.disconnect();
            }
            return;
        }
        let load = Load::put_on(&self.outbox.waiting, bytes);
        if load.is_too_much() {
            self.disconnect();
            return;
        }
        let delivery = Delivery {
            id: Arc::clone(&self.id),
            payload: Arc::clone(payload),
            _load: load,
        };
        if let Err(mpsc::error::TrySendError::Full(_)) = self.outbox.queue.try_send(delivery) {
            self.disconnect();
        }
    }
}

/// All subscriptions of this process.
pub struct Hub {
    feed: Arc<dyn Feed>,
    clock: Arc<dyn Clock>,
    repairs: bool,
    channels: std::sync::Mutex<Channels>,
    /// Where the results of hand-written mutations are told.
    results: Arc<Room>,
}

#[derive(Default)]
struct Channels {
    by_model: HashMap<String, Arc<Channel>>,
    /// Ends with the hub.
    running: JoinSet<()>,
}

impl Hub {
    /// A hub that reads this feed.
    #[must_use]
    pub fn new(feed: Arc<dyn Feed>, clock: Arc<dyn Clock>, repairs: bool) -> Self {
        Hub {
            feed,
            clock,
            repairs,
            channels: std::sync::Mutex::default(),
            results: Arc::new(Room::new(None)),
        }
    }

    /// Registers a subscription; see [`Channel`] for what holds afterwards.
    pub async fn register(
        &self,
        schema: &Schema,
        request: &Request,
        subscription: Subscription,
        subscriber: Subscriber,
        replaced: Option<Registration>,
    ) -> Result<Registration, StorageError> {
        let Origin::Log(model) = &subscription.origin else {
            let topic = Topic::of(request, &subscription);
            let results = &self.results;
            return Ok(results.enter(topic, subscription, subscriber, replaced, |_, _, _| ()));
        };
        let channel = self.channel(schema, model)?;
        channel
            .register(request, subscription, subscriber, replaced)
            .await
    }

    /// How many subscriptions there are now.
    #[must_use]
    pub fn subscriptions(&self) -> usize {
        let channels = self
            .channels
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let listening = channels
            .by_model
            .values()
            .map(|channel| channel.listeners());
        listening.sum::<usize>() + self.results.members().count()
    }

    /// Where hand-written mutations tell their results.
    #[must_use]
    pub fn bulletin(&self) -> Arc<dyn Bulletin> {
        Arc::clone(&self.results) as Arc<dyn Bulletin>
    }

    fn channel(&self, schema: &Schema, name: &str) -> Result<Arc<Channel>, StorageError> {
        let mut channels = self
            .channels
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(channel) = channels.by_model.get(name) {
            return Ok(Arc::clone(channel));
        }
        let model = schema
            .models
            .get(name)
            .ok_or_else(|| StorageError::Corrupt(format!("there is no model {name}")))?;
        let channel = Arc::new(Channel::new(
            Arc::clone(model),
            Arc::clone(&self.feed),
            Arc::clone(&self.clock),
            self.repairs,
        ));
        channels
            .by_model
            .insert(name.to_owned(), Arc::clone(&channel));
        channels.running.spawn(Arc::clone(&channel).run());
        Ok(channel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t41_a_queue_that_overflows_disconnects_its_socket_and_keeps_what_it_holds() {
        let (outbox, mut queue, overflowed) = Outbox::new(2);
        let subscriber = Subscriber {
            id: "a".into(),
            outbox,
        };
        for payload in ["1", "2"] {
            subscriber.tell(&payload.into());
        }
        assert!(!overflowed.is_cancelled());
        subscriber.tell(&"3".into());
        assert!(overflowed.is_cancelled());
        let held: Vec<_> = std::iter::from_fn(|| queue.try_recv().ok()).collect();
        assert_eq!(held.len(), 2);
    }

    #[test]
    fn a_queue_overflows_by_the_weight_of_what_waits_too_and_not_of_what_was_taken() {
        let (outbox, mut queue, overflowed) = Outbox::new(1_000);
        let subscriber = Subscriber {
            id: "a".into(),
            outbox,
        };
        let quarter: Arc<str> = "x".repeat(HEAVIEST / 4).into();
        for _ in 0..4 {
            subscriber.tell(&quarter);
        }
        drop(queue.try_recv());
        subscriber.tell(&quarter);
        assert!(!overflowed.is_cancelled());
        subscriber.tell(&quarter);
        assert!(overflowed.is_cancelled());
    }

    /// `errata.md` row 38.
    #[test]
    fn an_event_that_is_too_large_ends_its_socket_or_is_dropped() {
        for (over, ends) in [(Oversized::Close, true), (Oversized::Drop, false)] {
            let (outbox, mut queue, overflowed) = Outbox::new(4);
            let limit = EventLimit { bytes: 3, over };
            let subscriber = Subscriber {
                id: "a".into(),
                outbox: outbox.limited(Some(limit)),
            };
            subscriber.tell(&"123".into());
            assert!(!overflowed.is_cancelled());
            subscriber.tell(&"1234".into());
            assert_eq!(overflowed.is_cancelled(), ends, "{over:?}");
            let told: Vec<_> = std::iter::from_fn(|| queue.try_recv().ok()).collect();
            assert_eq!(told.len(), 1);
        }
    }

    #[test]
    fn a_socket_that_is_gone_disturbs_nobody() {
        let (outbox, queue, overflowed) = Outbox::new(1);
        drop(queue);
        let subscriber = Subscriber {
            id: "a".into(),
            outbox,
        };
        subscriber.tell(&"1".into());
        assert!(!overflowed.is_cancelled());
    }
}
