//! Who listens in one place: to a model's log, or to the results of hand-written mutations.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use driftless_resolvers::api::{Api, Origin, Request, Subscription};
use driftless_resolvers::feed::Told;
use driftless_resolvers::identity::{Caller, Family};
use driftless_resolvers::notice::{Bulletin, Notice};

use super::hub::Subscriber;
use super::recent::Recent;

/// The subscribers of one place.
pub(super) struct Room {
    /// The model whose log is told here; `None` where the results of hand-written mutations are.
    model: Option<String>,
    members: Mutex<Members>,
}

impl Room {
    /// Nobody listens yet.
    pub(super) fn new(model: Option<&str>) -> Self {
        Room {
            model: model.map(str::to_owned),
            members: Mutex::default(),
        }
    }

    pub(super) fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what this subscription is about is told here.
    fn is_for(&self, subscription: &Subscription) -> bool {
        match &subscription.origin {
            Origin::Log(model) => self.model.as_ref() == Some(model),
            Origin::Results(_) => self.model.is_none(),
        }
    }

    /// Lets a subscriber in; `replaced` leaves in the same instant. `first` is done before anything more can be told.
    pub(super) fn enter(
        self: &Arc<Self>,
        topic: Topic,
        subscription: Subscription,
        subscriber: Subscriber,
        replaced: Option<Registration>,
        first: impl FnOnce(&Members, &Subscription, &Subscriber),
    ) -> Registration {
        let mut members = self.members();
        if let Some(old) = replaced.as_ref().filter(|old| Arc::ptr_eq(&old.room, self)) {
            members.remove(&old.topic, old.number);
        }
        first(&members, &subscription, &subscriber);
        let number = members.insert(&topic, subscription, subscriber);
        drop(members);
        // Whatever it held elsewhere ends here.
        drop(replaced);
        Registration {
            room: Arc::clone(self),
            topic,
            number,
        }
    }
}

impl Bulletin for Room {
    fn put_up(&self, notice: Notice) {
        let members = self.members();
        members.publish(notice.told(), |_, subscription| subscription.hears(&notice));
    }
}

/// Who is in a room.
#[derive(Default)]
pub(super) struct Members {
    topics: HashMap<Topic, Audience>,
    count: usize,
    next: u64,
    /// What was told a moment ago.
    pub(super) recent: Recent,
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

    /// Tells everybody whose subscription is `wanted`.
    pub(super) fn publish(&self, told: Told<'_>, wanted: impl Fn(&Topic, &Subscription) -> bool) {
        let mut payloads = Payloads::new();
        for (topic, audience) in &self.topics {
            if wanted(topic, &audience.subscription) {
                audience.tell(told, &mut payloads);
            }
        }
    }

    /// How many listen.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Ends the connections of all.
    pub(super) fn disconnect_all(&self) {
        for audience in self.topics.values() {
            audience
                .subscribers
                .values()
                .for_each(Subscriber::disconnect);
        }
    }
}

/// Subscriptions with one topic get the same payload for every event, so it is made once.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Topic {
    /// The address of the API: after a reload of the schema the same text may mean another thing.
    api: usize,
    query: String,
    operation_name: Option<String>,
    variables: String,
    caller: Caller,
}

impl Topic {
    pub(super) fn of(request: &Request, subscription: &Subscription) -> Self {
        Topic {
            api: Arc::as_ptr(&subscription.api) as usize,
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
    pub(super) fn wants_repairs(&self) -> bool {
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

    fn tell(&self, told: Told<'_>, payloads: &mut Payloads) {
        let make = || payload(&self.subscription, told);
        let look = (
            self.subscription.look(told.record),
            self.subscription.caller.family,
        );
        if let Some(payload) = payloads.entry(look).or_insert_with(make) {
            for subscriber in self.subscribers.values() {
                subscriber.tell(payload);
            }
        }
    }
}

/// What a subscriber is sent.
pub(super) fn payload(subscription: &Subscription, told: Told<'_>) -> Option<Arc<str>> {
    match String::from_utf8(subscription.project(told)?) {
        Ok(payload) => Some(payload.into()),
        Err(_) => {
            tracing::error!(origin = ?subscription.origin, "a payload is not UTF-8");
            None
        }
    }
}

/// Keeps a subscription registered; dropping it ends the subscription.
pub struct Registration {
    room: Arc<Room>,
    topic: Topic,
    number: u64,
}

impl Registration {
    /// Whether it tells what this subscription would, which was asked for by `request`.
    pub fn asks_for(&self, request: &Request, subscription: &Subscription) -> bool {
        self.topic == Topic::of(request, subscription)
    }

    /// Admits it to another API: the same request by the same caller. `false` if that API does not admit it; it goes on
    /// as it was then, and its socket has to end (`errata.md` 2.7).
    pub fn renew(&mut self, api: &Arc<Api>) -> bool {
        let request = self.topic.request();
        let Ok(subscription) = api.subscribe(&request, &self.topic.caller) else {
            return false;
        };
        if !self.room.is_for(&subscription) {
            return false;
        }
        let topic = Topic::of(&request, &subscription);
        let mut members = self.room.members();
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
        self.room.members().remove(&self.topic, self.number);
    }
}
