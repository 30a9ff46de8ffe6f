//! One model's part of the hub: its log read in order, its subscribers served in that order.

use std::sync::Arc;
use std::time::Duration;

use driftless_resolvers::api::{Request, Subscription};
use driftless_resolvers::clock::Clock;
use driftless_resolvers::feed::{Event, Feed, Seq};
use driftless_resolvers::schema::model::Model;
use driftless_resolvers::storage::{Key, StorageError};
use tokio::sync::Notify;

use super::hub::Subscriber;
use super::recent::{Recent, is_recent};
use super::room::{Members, Registration, Room, Topic, payload};

/// How many events one read of the log takes.
const BATCH: usize = 500;
/// Where a log that nobody listened to is taken up again: so far before its head.
const BACKLOG: i64 = 500;
/// How soon a read of the log is tried again after it failed.
const RETRY: Duration = Duration::from_millis(250);

/// A model, its subscribers, and how far its log is published. [`Hub`](super::hub::Hub) lets it run by itself; whoever
/// has time in hand can make its steps one by one.
pub struct Channel {
    model: Arc<Model>,
    feed: Arc<dyn Feed>,
    clock: Arc<dyn Clock>,
    repairs: bool,
    /// The last published position. Held while the log is read, so that events are published in order.
    position: tokio::sync::Mutex<Option<Seq>>,
    room: Arc<Room>,
    joined: Notify,
}

impl Channel {
    /// A channel that nobody listens to yet. With `repairs`, DataStore clients are told more than once what changed a
    /// moment ago.
    #[must_use]
    pub fn new(
        model: Arc<Model>,
        feed: Arc<dyn Feed>,
        clock: Arc<dyn Clock>,
        repairs: bool,
    ) -> Self {
        Channel {
            room: Arc::new(Room::new(Some(&model.name))),
            model,
            feed,
            clock,
            repairs,
            position: tokio::sync::Mutex::new(None),
            joined: Notify::new(),
        }
    }

    fn is_idle(&self) -> bool {
        self.listeners() == 0
    }

    /// How many subscriptions there are now.
    #[must_use]
    pub fn listeners(&self) -> usize {
        self.room.members().count()
    }

    /// Registers a subscriber. Whatever is committed after the answer reaches it; `replaced` ends in the same instant.
    pub async fn register(
        &self,
        request: &Request,
        subscription: Subscription,
        subscriber: Subscriber,
        replaced: Option<Registration>,
    ) -> Result<Registration, StorageError> {
        if self.is_idle() {
            self.take_up().await?;
        }
        let topic = Topic::of(request, &subscription);
        let repaired = self.repairs && topic.wants_repairs();
        let replay = |members: &Members, subscription: &Subscription, subscriber: &Subscriber| {
            if repaired {
                self.replay(members, subscription, subscriber);
            }
        };
        let room = &self.room;
        let registration = room.enter(topic, subscription, subscriber, replaced, replay);
        self.joined.notify_one();
        Ok(registration)
    }

    fn replay(&self, members: &Members, subscription: &Subscription, subscriber: &Subscriber) {
        for event in members.recent.replay(self.clock.steady()) {
            if subscription.wants(&event)
                && let Some(payload) = payload(subscription, event.told())
            {
                subscriber.tell(&payload);
            }
        }
    }

    /// Follows the log again after a time without subscribers: only its last part matters then.
    async fn take_up(&self) -> Result<(), StorageError> {
        let mut position = self.position.lock().await;
        let head = self.feed.head(&self.model).await?;
        let near = Seq((head.0 - BACKLOG).max(0));
        let from = position.map_or(near, |position| position.max(near));
        let now = self.clock.now();
        let is_news = |event: &Event| is_recent(&event.record, now);
        self.publish_from(position.insert(from), is_news).await
    }

    /// Publishes what was committed since the last time, if anybody listens.
    pub async fn follow(&self) -> Result<(), StorageError> {
        if self.is_idle() {
            return Ok(());
        }
        let mut position = self.position.lock().await;
        match &mut *position {
            Some(position) => self.publish_from(position, |_| true).await,
            None => Ok(()),
        }
    }

    /// Publishes what the log holds after a position, which moves along: nothing is published twice. What is news is
    /// remembered for those who subscribe a little later.
    async fn publish_from(
        &self,
        position: &mut Seq,
        is_news: impl Fn(&Event) -> bool,
    ) -> Result<(), StorageError> {
        loop {
            let stretch = self.feed.since(&self.model, *position, BATCH).await?;
            if !stretch.whole {
                self.disconnect_all();
            }
            for event in &stretch.events {
                self.publish(event, is_news(event));
            }
            if stretch.next <= *position {
                return Ok(());
            }
            *position = stretch.next;
        }
    }

    /// The log was trimmed beyond what this node had read of it, or an epoch began. Clients that reconnect fetch what they
    /// have missed (`sync-design.md` L8); what was told before must not be told to them again, as it may be lost.
    fn disconnect_all(&self) {
        let mut members = self.room.members();
        members.recent = Recent::default();
        if members.count() > 0 {
            tracing::warn!(
                model = self.model.name,
                sockets = members.count(),
                "the log was trimmed before it was read; subscribers are disconnected so that they sync"
            );
        }
        members.disconnect_all();
    }

    fn publish(&self, event: &Event, is_news: bool) {
        let mut members = self.room.members();
        members.publish(event.told(), |_, subscription| subscription.wants(event));
        if self.repairs
            && is_news
            && let Ok(key) = Key::of(&self.model, &event.record.fields)
        {
            members.recent.note(&key, event, self.clock.steady());
        }
    }

    /// Tells once more what was changed several times and has now been quiet for long enough (`client-js` 13.2).
    pub fn settle(&self) {
        let mut members = self.room.members();
        for event in members.recent.settled(self.clock.steady()) {
            members.publish(event.told(), |topic, subscription| {
                topic.wants_repairs() && subscription.wants(&event)
            });
        }
    }

    fn next_settling(&self) -> Option<Duration> {
        let now = self.clock.steady();
        self.room.members().recent.next_settling(now)
    }

    /// Publishes the log for as long as the server runs; does nothing while nobody listens.
    pub(super) async fn run(self: Arc<Self>) {
        let mut hints = self.feed.hints(&self.model);
        let mut hinting = true;
        let mut failed = false;
        loop {
            let idle = self.is_idle();
            let settling = self.next_settling();
            tokio::select! {
                () = self.joined.notified() => {}
                hint = hints.changed(), if !idle && hinting => hinting = hint.is_ok(),
                () = tokio::time::sleep(RETRY), if !idle && failed => {}
                () = sleep(settling), if settling.is_some() => self.settle(),
            }
            // Anew each time: where its database fell back, a model may have another log. Before the log is read, so that
            // nothing is overheard.
            hints = self.feed.hints(&self.model);
            let followed = self.follow().await;
            failed = followed.is_err();
            if let Err(error) = followed {
                tracing::warn!(model = self.model.name, %error, "the log cannot be read; trying again");
            }
        }
    }
}

async fn sleep(time: Option<Duration>) {
    tokio::time::sleep(time.unwrap_or_default()).await;
}
