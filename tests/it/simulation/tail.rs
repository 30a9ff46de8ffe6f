//! One model's log as it reaches subscribers: in order, some time after the commit.

use std::sync::Arc;
use std::time::Duration;

use driftless::realtime::recent::Recent;
use driftless_resolvers::Timestamp;
use driftless_resolvers::feed::{Event, Feed, Seq};
use driftless_resolvers::schema::model::Model;
use driftless_resolvers::storage::Key;
use futures_util::FutureExt;

/// How far a model's log is published, and what was published a moment ago.
pub(super) struct Tail {
    pub(super) model: Arc<Model>,
    feed: Arc<dyn Feed>,
    published: Seq,
    recent: Recent,
}

impl Tail {
    pub(super) fn new(model: Arc<Model>, feed: Arc<dyn Feed>) -> Self {
        Tail {
            model,
            feed,
            published: Seq(0),
            recent: Recent::default(),
        }
    }

    /// Whether something is committed and not published.
    pub(super) fn is_behind(&self) -> bool {
        let head = self.feed.head(&self.model).now_or_never();
        head.expect("the reference store never waits")
            .expect("it answers")
            > self.published
    }

    /// The next events to publish.
    pub(super) fn publish(&mut self, most: usize, now: Timestamp) -> Vec<Event> {
        let read = self
            .feed
            .since(&self.model, self.published, most)
            .now_or_never();
        let stretch = read
            .expect("the reference store never waits")
            .expect("it answers");
        self.published = stretch.next;
        for event in &stretch.events {
            let key = Key::of(&self.model, &event.record.fields).expect("a record has its key");
            self.recent.note(&key, event, steady(now));
        }
        stretch.events
    }

    /// What to tell a DataStore client that has just subscribed, in a fixed order.
    pub(super) fn replay(&self, now: Timestamp) -> Vec<Event> {
        let mut events: Vec<Event> = self.recent.replay(steady(now)).collect();
        events.sort_by_key(|event| event.seq);
        events
    }

    /// What to tell DataStore clients once more.
    pub(super) fn settled(&mut self, now: Timestamp) -> Vec<Event> {
        let mut events = self.recent.settled(steady(now));
        events.sort_by_key(|event| event.seq);
        events
    }
}

/// Nobody sets the clock of a simulation.
fn steady(now: Timestamp) -> Duration {
    Duration::from_millis(now.0.unsigned_abs())
}
