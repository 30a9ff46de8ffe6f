//! One model's part of the hub: its log read in order, its subscribers served in that order.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use driftless_resolvers::api::{Api, Request, Subscription};
use driftless_resolvers::clock::Clock;
use driftless_resolvers::feed::{Event, Feed, Operation, Seq};
use driftless_resolvers::identity::{Caller, Family};
use driftless_resolvers::schema::model::Model;
use driftless_resolvers::storage::{Key, StorageError};
use tokio::sync::Notify;

use super::hub::Subscriber;
use super::recent::Recent;

/// How many events one read of the log takes.
const BATCH: usize = 500;
/// Where a log that nobody listened to is taken up again: so far before its head.
const BACKLOG: i64 = 500;
/// How soon a read of the log is tried again after it failed.
const RETRY: Duration = Duration::from_millis(250);

/// A model, its subscribers, and how far its log is published.
pub struct Channel {
    model: Arc<Model>,
    feed: Arc<dyn Feed>,
    clock: Arc<dyn Clock>,
    repairs: bool,
    /// The last published position. Held while the log is read, so that events are published in order.
    position: tokio::sync::Mutex<Option<Seq>>,
    members: Mutex<Members>,
    joined: Notify,
}

#[derive(Default)]
struct Members {
    topics: HashMap<Topic, Audience>,
    count: usize,
    next: u64,
    recent: Recent,
}

/// Subscriptions with one topic get the same payload for every event, so it is made once.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Topic {
    /// The address of the API: after a reload of the schema the same text may mean another thing.
    api: usize,
    operation: Operation,
    query: String,
    operation_name: Option<String>,
    variables: String,
    caller: Caller,
}

impl Topic {
    pub(super) fn of(request: &Request, subscription: &Subscription) -> Self {
        Topic {
            api: Arc::as_ptr(&subscription.api) as usize,
            operation: subscription.operation,
            query: request.query.clone(),
            operation_name: request.operation_name.clone(),
            variables: serde_json::Value::from(request.variables.clone()).to_string(),
            caller: subscription.caller.clone(),
        }
    }

    /// What its subscribers asked for.
    fn request(&self) -> Request {
        Request {
            query: self.query.clone(),
            operation_name: self.operation_name.clone(),
            variables: serde_json::from_str(&self.variables).unwrap_or_default(),
        }
    }

    /// Whether its subscribers are DataStore clients in JavaScript: only those get repairs (`errata.md` row 13).
    fn wants_repairs(&self) -> bool {
        self.caller.datastore && self.caller.family == Family::JavaScript
    }
}

/// What a payload looks like: an event that two subscriptions want looks the same if this is the same.
type Look = (u64, Family);

/// The payloads of one event, made once per look.
type Payloads = HashMap<Look, Option<Arc<str>>>;

struct Audience {
    subscription: Subscription,

    subscribers: HashMap<u64, Subscriber>,
}

impl Audience {
    fn of(subscription: Subscription) -> Self {
        Audience {
            subscription,
            subscribers: HashMap::new(),
        }
    }

    fn tell(&self, event: &Event, payloads: &mut Payloads) {
        if !self.subscription.wants(event) {
            return;
        }
        let make = || payload(&self.subscription, event);
        let look = (
            self.subscription.look(event),
            self.subscription.caller.family,
        );
        if let Some(payload) = payloads.entry(look).or_insert_with(make) {
            for subscriber in self.subscribers.values() {
                subscriber.tell(payload);
            }
        }
    }
}

fn payload(subscription: &Subscription, event: &Event) -> Option<Arc<str>> {
    match String::from_utf8(subscription.project(event)?) {
        Ok(payload) => Some(payload.into()),
        Err(_) => {
            tracing::error!(model = subscription.model, "a payload is not UTF-8");
            None
        }
    }
}

/// Keeps a subscription registered; dropping it ends the subscription.
pub struct Registration {
    channel: Arc<Channel>,
    topic: Topic,
    number: u64,
}

impl Registration {
    /// Admits it to another API: the same request by the same caller. `false` if that API does not admit it; it goes on
    /// as it was then, and its socket has to end (`errata.md` 2.7).
    pub fn renew(&mut self, api: &Arc<Api>) -> bool {
        let request = self.topic.request();
        let Ok(subscription) = api.subscribe(&request, &self.topic.caller) else {
            return false;
        };
        if subscription.model != self.channel.model.name {
            return false;
        }
        let topic = Topic::of(&request, &subscription);
        let mut members = self.channel.members();
        if let Some(subscriber) = members.remove(&self.topic, self.number) {
            self.number = members.insert(&topic, subscription, subscriber);
            drop(members);
            self.topic = topic;
        }
        true
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.channel.members().remove(&self.topic, self.number);
    }
}

impl Members {
    fn insert(&mut self, topic: &Topic, subscription: Subscription, subscriber: Subscriber) -> u64 {
        let audience = self
            .topics
            .entry(topic.clone())
            .or_insert_with(|| Audience::of(subscription));
        self.next += 1;
        audience.subscribers.insert(self.next, subscriber);
        self.count += 1;
        self.next
    }

    fn remove(&mut self, topic: &Topic, number: u64) -> Option<Subscriber> {
        let audience = self.topics.get_mut(topic)?;
        let removed = audience.subscribers.remove(&number);
        if removed.is_some() {
            self.count -= 1;
        }
        if audience.subscribers.is_empty() {
            self.topics.remove(topic);
        }
        removed
    }

    /// Tells everybody whose topic is `wanted`.
    fn publish(&self, event: &Event, wanted: impl Fn(&Topic) -> bool) {
        let mut payloads = Payloads::new();
        for (topic, audience) in &self.topics {
            if topic.operation == event.operation && wanted(topic) {
                audience.tell(event, &mut payloads);
            }
        }
    }
}

impl Channel {
    pub(super) fn new(
        model: Arc<Model>,
        feed: Arc<dyn Feed>,
        clock: Arc<dyn Clock>,
        repairs: bool,
    ) -> Self {
        Channel {
            model,
            feed,
            clock,
            repairs,
            position: tokio::sync::Mutex::new(None),
            members: Mutex::default(),
            joined: Notify::new(),
        }
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_idle(&self) -> bool {
        self.members().count == 0
    }

    /// Registers a subscriber. Whatever is committed after the answer reaches it; `replaced` ends in the same instant.
    pub(super) async fn register(
        self: &Arc<Self>,
        topic: Topic,
        subscription: Subscription,
        subscriber: Subscriber,
        replaced: Option<Registration>,
    ) -> Result<Registration, StorageError> {
        if self.is_idle() {
            self.take_up().await?;
        }
        let number = {
            let mut members = self.members();
            if let Some(old) = replaced
                .as_ref()
                .filter(|old| Arc::ptr_eq(&old.channel, self))
            {
                members.remove(&old.topic, old.number);
            }
            if self.repairs && topic.wants_repairs() {
                self.replay(&members, &subscription, &subscriber);
            }
            members.insert(&topic, subscription, subscriber)
        };
        drop(replaced);
        self.joined.notify_one();
        Ok(Registration {
            channel: Arc::clone(self),
            topic,
            number,
        })
    }

    fn replay(&self, members: &Members, subscription: &Subscription, subscriber: &Subscriber) {
        for event in members.recent.replay(self.clock.now()) {
            if subscription.wants(&event)
                && let Some(payload) = payload(subscription, &event)
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
        self.publish_from(position.insert(from)).await
    }

    async fn follow(&self) -> Result<(), StorageError> {
        let mut position = self.position.lock().await;
        match &mut *position {
            Some(position) => self.publish_from(position).await,
            None => Ok(()),
        }
    }

    /// Publishes what the log holds after a position, which moves along: nothing is published twice.
    async fn publish_from(&self, position: &mut Seq) -> Result<(), StorageError> {
        loop {
            let stretch = self.feed.since(&self.model, *position, BATCH).await?;
            if !stretch.whole {
                self.disconnect_all();
            }
            for event in &stretch.events {
                self.publish(event);
            }
            if stretch.next <= *position {
                return Ok(());
            }
            *position = stretch.next;
        }
    }

    /// The log was trimmed beyond what this node had read of it. Clients that reconnect fetch what they have missed
    /// (`sync-design.md` L8).
    fn disconnect_all(&self) {
        let members = self.members();
        if members.count > 0 {
            tracing::warn!(
                model = self.model.name,
                sockets = members.count,
                "the log was trimmed before it was read; subscribers are disconnected so that they sync"
            );
        }
        for audience in members.topics.values() {
            audience
                .subscribers
                .values()
                .for_each(Subscriber::disconnect);
        }
    }

    fn publish(&self, event: &Event) {
        let mut members = self.members();
        members.publish(event, |_| true);
        if self.repairs
            && let Ok(key) = Key::of(&self.model, &event.record.fields)
        {
            members.recent.note(&key, event, self.clock.now());
        }
    }

    fn settle(&self) {
        let mut members = self.members();
        for event in members.recent.settled(self.clock.now()) {
            members.publish(&event, Topic::wants_repairs);
        }
    }

    fn next_settling(&self) -> Option<Duration> {
        let due = self.members().recent.next_settling(self.clock.now())?;
        Some(Duration::from_millis(due))
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
            if self.is_idle() {
                continue;
            }
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
