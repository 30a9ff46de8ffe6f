//! One node: the API, and each model's log as it reaches subscribers some time after the commit.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use driftless::realtime::channel::Channel;
use driftless::realtime::hub::{Delivery, Outbox, Subscriber};
use driftless::realtime::room::Registration;
use driftless_client_test_harness::realtime::Topic;
use driftless_resolvers::api::{Api, Request};
use driftless_resolvers::clock::Clock;
use driftless_resolvers::feed::{Feed, Seq, Stretch};
use driftless_resolvers::identity::Caller;
use driftless_resolvers::schema::model::Model;
use driftless_resolvers::storage::StorageError;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::support::bent::Flaw;

/// What the reference store does is done at once.
pub(super) fn at_once<T>(work: impl Future<Output = T>) -> T {
    work.now_or_never()
        .expect("the reference store never waits")
}

/// The log, as far as word of it has come to a node.
struct Line {
    feed: Arc<dyn Feed>,
    known: Mutex<HashMap<String, Seq>>,
    /// The models whose subscriptions begin only when the log is read for the first time: [`Flaw::LateCursor`].
    late: Mutex<HashSet<String>>,
}

impl Line {
    fn known(&self) -> MutexGuard<'_, HashMap<String, Seq>> {
        self.known.lock().expect("no holder panics")
    }

    fn late(&self) -> MutexGuard<'_, HashSet<String>> {
        self.late.lock().expect("no holder panics")
    }

    fn known_of(&self, model: &Model) -> Seq {
        self.known().get(&model.name).copied().unwrap_or_default()
    }
}

impl Feed for Line {
    fn head<'a>(&'a self, model: &'a Model) -> BoxFuture<'a, Result<Seq, StorageError>> {
        self.feed.head(model)
    }

    fn since<'a>(
        &'a self,
        model: &'a Model,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'a, Result<Stretch, StorageError>> {
        async move {
            let known = self.known_of(model);
            let mut stretch = self.feed.since(model, after, limit).await?;
            stretch.events.retain(|event| event.seq <= known);
            stretch.next = stretch.next.min(known).max(after);
            if !stretch.events.is_empty() && self.late().remove(&model.name) {
                stretch.events.clear();
            }
            Ok(stretch)
        }
        .boxed()
    }

    fn hints(&self, model: &Model) -> watch::Receiver<Seq> {
        self.feed.hints(model)
    }
}

/// One model's log at a node.
struct Tail {
    model: Arc<Model>,
    channel: Channel,
    head: watch::Receiver<Seq>,
}

/// A node.
pub(super) struct Node {
    pub(super) api: Arc<Api>,
    line: Arc<Line>,
    tails: Vec<Tail>,
    flaw: Option<Flaw>,
}

impl Node {
    /// A node that has just started.
    pub(super) fn start(
        api: Arc<Api>,
        models: &[Arc<Model>],
        feed: Arc<dyn Feed>,
        clock: &Arc<dyn Clock>,
        repairs: bool,
        flaw: Option<Flaw>,
    ) -> Node {
        let repairs = repairs && flaw != Some(Flaw::NoRepairs);
        let line = Arc::new(Line {
            feed,
            known: Mutex::default(),
            late: Mutex::default(),
        });
        let tail = |model: &Arc<Model>| {
            let feed = Arc::clone(&line) as Arc<dyn Feed>;
            Tail {
                model: Arc::clone(model),
                head: line.hints(model),
                channel: Channel::new(Arc::clone(model), feed, Arc::clone(clock), repairs),
            }
        };
        Node {
            api,
            tails: models.iter().map(tail).collect(),
            line,
            flaw,
        }
    }

    /// Whether somebody waits for something that is committed and not published here.
    pub(super) fn is_behind(&self, model: usize) -> bool {
        let tail = &self.tails[model];
        tail.channel.listeners() > 0 && *tail.head.borrow() > self.line.known_of(&tail.model)
    }

    /// Word of a few more rows of a model's log arrives.
    pub(super) fn hear(&self, model: usize, rows: usize) {
        let tail = &self.tails[model];
        let known = self.line.known_of(&tail.model);
        let next = at_once(self.line.feed.since(&tail.model, known, rows));
        let next = next.expect("the log is read").next;
        self.line.known().insert(tail.model.name.clone(), next);
        at_once(tail.channel.follow()).expect("the log is published");
    }

    /// Tells what has come to rest once more.
    pub(super) fn settle(&self) {
        for tail in &self.tails {
            tail.channel.settle();
        }
    }

    /// Subscribes to some topics of a model. Who is the first to listen finds the node up to date.
    fn subscribe(
        &self,
        model: usize,
        request: &Request,
        caller: &Caller,
        outbox: Subscriber,
    ) -> Registration {
        let tail = &self.tails[model];
        let is_first = tail.channel.listeners() == 0;
        if is_first {
            let head = at_once(self.line.head(&tail.model)).expect("the log has a head");
            self.line.known().insert(tail.model.name.clone(), head);
        }
        let subscription = self.api.subscribe(request, caller);
        let subscription = subscription.expect("a subscription");
        let registered = tail.channel.register(request, subscription, outbox, None);
        let registration = at_once(registered).expect("a registration");
        if is_first && self.flaw == Some(Flaw::LateCursor) {
            self.line.late().insert(tail.model.name.clone());
        }
        registration
    }
}

/// A device's connection for events.
pub(super) struct Socket {
    /// Which node it leads to.
    pub(super) node: usize,
    topics: Vec<Topic>,
    frames: mpsc::Receiver<Delivery>,
    closed: CancellationToken,
    _registrations: Vec<Registration>,
}

impl Socket {
    /// A socket to a node with these subscriptions; the first number of each is that of its model.
    pub(super) fn open(
        node: &Node,
        number: usize,
        capacity: usize,
        caller: &Caller,
        subscriptions: Vec<(usize, Topic, Request)>,
    ) -> Socket {
        let (outbox, frames, closed) = Outbox::new(capacity);
        let mut topics = Vec::new();
        let mut registrations = Vec::new();
        for (model, topic, request) in subscriptions {
            let subscriber = Subscriber {
                id: topics.len().to_string().into(),
                outbox: outbox.clone(),
            };
            registrations.push(node.subscribe(model, &request, caller, subscriber));
            topics.push(topic);
        }
        Socket {
            node: number,
            topics,
            frames,
            closed,
            _registrations: registrations,
        }
    }

    /// Whether the server has closed it.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// The next frame that has arrived.
    pub(super) fn next(&mut self) -> Option<(Topic, String)> {
        let delivery = self.frames.try_recv().ok()?;
        let number: usize = delivery.id.parse().expect("a number");
        Some((self.topics[number].clone(), delivery.payload.to_string()))
    }
}
