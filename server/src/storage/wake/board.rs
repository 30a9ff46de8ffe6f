//! What this process knows of the newest part of each model's log.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use driftless_resolvers::Timestamp;
use driftless_resolvers::feed::{Event, Seq, Stretch};
use driftless_resolvers::weight;
use tokio::sync::{Notify, watch};

use super::carrier::News;
use crate::storage::epoch::Mark;

/// How many events of one model are kept at most, and how much they may weigh together, in bytes.
const KEPT: usize = 512;
const HEAVIEST: usize = 4 << 20;
/// How many events of one model wait for the carrier at most, and how much they may weigh; beyond that the others are only
/// told that there are some.
const WAITING: usize = 1_024;
const HEAVIEST_WAITING: usize = 4 << 20;

/// All lines of a store.
#[derive(Default)]
pub(in crate::storage) struct Board {
    lines: RwLock<HashMap<i64, Arc<Line>>>,
    /// Word for other nodes, for stores that have some.
    outgoing: Option<Outgoing>,
    /// Whether the events themselves travel, too.
    carries_events: bool,
    /// Whether word from other nodes is known to arrive.
    hears: AtomicBool,
    /// Another node has written something.
    heard: Notify,
}

#[derive(Default)]
struct Outgoing {
    /// What is new of each model, and what that weighs.
    waiting: Mutex<BTreeMap<i64, (News, usize)>>,
    some: Notify,
}

/// One model's newest events, and who waits for more.
pub(in crate::storage) struct Line {
    /// Where the log ends, as far as this process has written or read it itself. Word of others wakes who waits, but it is
    /// not believed: word of a log that is longer than ours would silence everything up to there.
    newest: watch::Sender<Seq>,
    window: Mutex<Window>,
    /// The newest row whose time is known.
    mark: Mutex<Option<Mark>>,
    /// How far clients were shown the log.
    shown: AtomicI64,
}

/// Consecutive events at the end of a log, as far as this process saw them go by.
#[derive(Default)]
struct Window {
    events: VecDeque<(Event, usize)>,
    weight: usize,
}

impl Board {
    /// The board of a store that only this process writes to.
    pub(in crate::storage) fn alone() -> Self {
        Board::default()
    }

    /// The board of a store that other nodes write to, too; they are told of writes, or sent the events themselves.
    pub(in crate::storage) fn shared(carries_events: bool) -> Self {
        Board {
            outgoing: Some(Outgoing::default()),
            carries_events,
            ..Board::default()
        }
    }

    /// The line of a model, made when it is first asked for.
    pub(in crate::storage) fn line(&self, shard: i64) -> Arc<Line> {
        let mut lines = self.lines.write().unwrap_or_else(PoisonError::into_inner);
        let line = lines.entry(shard).or_insert_with(|| Arc::new(Line::new()));
        Arc::clone(line)
    }

    fn known(&self, shard: i64) -> Option<Arc<Line>> {
        let lines = self.lines.read().unwrap_or_else(PoisonError::into_inner);
        lines.get(&shard).cloned()
    }

    /// Takes in what this process has just committed, and lets others know. The events are made only if somebody wants
    /// them.
    pub(in crate::storage) fn committed(
        &self,
        shard: i64,
        newest: Seq,
        changed: Timestamp,
        events: impl FnOnce() -> Vec<Event>,
    ) {
        let line = self.line(shard);
        line.note(Mark {
            shard,
            seq: newest.0,
            changed: changed.0,
            offset: 0,
            shown: 0,
        });
        let wanted = self.carries_events || line.is_followed();
        let events = if wanted { events() } else { Vec::new() };
        if let Some(outgoing) = &self.outgoing {
            let carried = if self.carries_events {
                &events[..]
            } else {
                &[]
            };
            outgoing.add(shard, newest, carried);
        }
        line.keep(events);
        line.reaches(newest);
    }

    /// Takes in what another node says, or whoever calls itself one. Models that this process does not serve are ignored.
    pub(super) fn heard(&self, news: News) {
        self.heard.notify_one();
        if let Some(line) = self.known(news.shard) {
            line.keep(news.events);
            line.may_reach(news.newest);
        }
    }

    /// Takes in where a log ends.
    pub(super) fn looked(&self, mark: Mark) {
        if let Some(line) = self.known(mark.shard) {
            line.note(mark);
            line.reaches(Seq(mark.seq));
        }
    }

    /// What must still be there.
    pub(super) fn marks(&self) -> Vec<Mark> {
        let lines = self.lines.read().unwrap_or_else(PoisonError::into_inner);
        let marks = lines.iter().filter_map(|(shard, line)| line.seen(*shard));
        marks.collect()
    }

    /// Forgets rows and events that turned out to be gone.
    pub(super) fn forget(&self) {
        for line in self.all() {
            *line.mark() = None;
            line.shown.store(0, Ordering::Relaxed);
            *line.window() = Window::default();
        }
    }

    /// Asks everybody to look, at all logs.
    pub(super) fn look(&self) {
        for line in self.all() {
            line.look();
        }
    }

    fn all(&self) -> impl Iterator<Item = Arc<Line>> + use<> {
        let lines = self.lines.read().unwrap_or_else(PoisonError::into_inner);
        lines.values().cloned().collect::<Vec<_>>().into_iter()
    }

    /// Says whether word from other nodes arrives.
    pub(super) fn set_hears(&self, hears: bool) {
        self.hears.store(hears, Ordering::Relaxed);
    }

    pub(in crate::storage) fn hears(&self) -> bool {
        self.hears.load(Ordering::Relaxed)
    }

    /// Waits until there was word from another node since the last time.
    pub(super) async fn news(&self) {
        self.heard.notified().await;
    }

    /// Whether anybody waits for events.
    pub(super) fn is_followed(&self) -> bool {
        self.all().any(|line| line.is_followed())
    }

    /// What other nodes are to be told; waits until there is something. For ever where there are no others.
    pub(super) async fn outgoing(&self) -> Vec<News> {
        let Some(outgoing) = &self.outgoing else {
            return std::future::pending().await;
        };
        loop {
            let waiting = std::mem::take(&mut *outgoing.waiting());
            if !waiting.is_empty() {
                return waiting.into_values().map(|(news, _)| news).collect();
            }
            outgoing.some.notified().await;
        }
    }
}

impl Outgoing {
    fn waiting(&self) -> MutexGuard<'_, BTreeMap<i64, (News, usize)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, shard: i64, newest: Seq, events: &[Event]) {
        let mut waiting = self.waiting();
        let (news, weight) = waiting.entry(shard).or_insert_with(|| (News::of(shard), 0));
        news.newest = newest;
        *weight += events
            .iter()
            .map(|event| weight::of(&event.record.fields))
            .sum::<usize>();
        if news.events.len() + events.len() <= WAITING && *weight <= HEAVIEST_WAITING {
            news.events.extend_from_slice(events);
        }
        drop(waiting);
        self.some.notify_one();
    }
}

impl Line {
    fn new() -> Self {
        Line {
            newest: watch::Sender::new(Seq(0)),
            window: Mutex::default(),
            mark: Mutex::default(),
            shown: AtomicI64::default(),
        }
    }

    /// The newest known position, and a sign of life whenever it may have grown.
    pub(in crate::storage) fn hints(&self) -> watch::Receiver<Seq> {
        self.newest.subscribe()
    }

    /// Asks everybody to look, whatever is known: the commit may have happened although its answer was lost.
    pub(in crate::storage) fn look(&self) {
        self.newest.send_modify(|_| {});
    }

    /// What is known of the log after a position, if that is the next thing known.
    pub(in crate::storage) fn since(&self, after: Seq, limit: usize) -> Option<Stretch> {
        self.window().since(after, limit)
    }

    /// The newest position that this process knows of: written here, looked at, or shown to a client.
    pub(in crate::storage) fn known(&self) -> Seq {
        let marked = self.mark().map_or(0, |mark| mark.seq);
        Seq(marked.max(self.shown.load(Ordering::Relaxed)))
    }

    /// What was seen of the log of a model.
    fn seen(&self, shard: i64) -> Option<Mark> {
        let unmarked = Mark {
            shard,
            seq: 0,
            changed: 0,
            offset: 0,
            shown: 0,
        };
        let seen = Mark {
            shown: self.shown.load(Ordering::Relaxed),
            ..self.mark().unwrap_or(unmarked)
        };
        (seen != unmarked).then_some(seen)
    }

    /// Clients are shown the log up to here. That marks no row: what a database shows that was put back must not take the
    /// place of what tells it from the one before.
    pub(in crate::storage) fn shows(&self, seq: Seq) {
        self.shown.fetch_max(seq.0, Ordering::Relaxed);
    }

    fn is_followed(&self) -> bool {
        self.newest.receiver_count() > 0
    }

    fn mark(&self) -> MutexGuard<'_, Option<Mark>> {
        self.mark.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, mark: Mark) {
        let mut noted = self.mark();
        let known = noted.get_or_insert(mark);
        let offset = known.offset.max(mark.offset);
        if known.seq < mark.seq {
            *known = mark;
        }
        known.offset = offset;
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps events for who waits: before anybody is told of them, so that who looks finds them. Nothing is kept while
    /// nobody follows.
    fn keep(&self, events: Vec<Event>) {
        if self.is_followed() {
            let mut window = self.window();
            for event in events {
                window.push(event);
            }
        } else {
            *self.window() = Window::default();
        }
    }

    /// The log was seen to reach so far.
    fn reaches(&self, seen: Seq) {
        self.newest.send_if_modified(|newest| {
            let news = seen > *newest;
            *newest = seen.max(*newest);
            news
        });
    }

    /// The log is said to reach so far.
    fn may_reach(&self, said: Seq) {
        self.newest.send_if_modified(|newest| said > *newest);
    }
}

impl Window {
    fn last(&self) -> Option<Seq> {
        self.events.back().map(|(event, _)| event.seq)
    }

    /// Adds an event. What comes late is left to the log; a gap makes the window start anew.
    fn push(&mut self, event: Event) {
        match self.last() {
            Some(last) if event.seq <= last => return,
            Some(last) if event.seq.0 != last.0 + 1 => *self = Window::default(),
            Some(_) | None => {}
        }
        let weight = weight::of(&event.record.fields);
        self.weight += weight;
        self.events.push_back((event, weight));
        while self.events.len() > KEPT || self.weight > HEAVIEST {
            let Some((_, weight)) = self.events.pop_front() else {
                return;
            };
            self.weight -= weight;
        }
    }

    fn since(&self, after: Seq, limit: usize) -> Option<Stretch> {
        let (first, _) = self.events.front()?;
        let skipped = usize::try_from(after.0 + 1 - first.seq.0).ok()?;
        let events: Vec<Event> = self
            .events
            .iter()
            .skip(skipped)
            .take(limit)
            .map(|(event, _)| event.clone())
            .collect();
        let next = events.last()?.seq;
        Some(Stretch {
            events,
            next,
            whole: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use driftless_resolvers::feed::Operation;
    use driftless_resolvers::{Fields, Record, Version};

    fn event(seq: i64, text: &str) -> Event {
        let mut fields = Fields::new();
        fields.insert("id".to_owned(), text.into());
        Event {
            seq: Seq(seq),
            operation: Operation::Create,
            record: Arc::new(Record {
                fields,
                version: Version::FIRST,
                last_changed_at: Timestamp(1),
                deleted: false,
            }),
            selected: None,
        }
    }

    fn seqs(line: &Line, after: i64) -> Option<Vec<i64>> {
        let stretch = line.since(Seq(after), 100)?;
        Some(stretch.events.iter().map(|event| event.seq.0).collect())
    }

    fn mark(seq: i64) -> Mark {
        Mark {
            shard: 1,
            seq,
            changed: 1,
            offset: 0,
            shown: 0,
        }
    }

    fn heard(board: &Board, seqs: &[i64]) {
        for seq in seqs {
            board.heard(News {
                newest: Seq(*seq),
                events: vec![event(*seq, "x")],
                ..News::of(1)
            });
        }
    }

    #[test]
    fn t16_consecutive_events_are_known_and_a_gap_is_left_to_the_log() {
        let board = Board::shared(true);
        let line = board.line(1);
        let hints = line.hints();
        heard(&board, &[5, 6, 7]);
        assert_eq!(seqs(&line, 4), Some(vec![5, 6, 7]));
        assert_eq!(seqs(&line, 6), Some(vec![7]));
        assert_eq!(seqs(&line, 7), None);
        assert_eq!(seqs(&line, 3), None, "4 is not known");
        heard(&board, &[9]);
        assert_eq!(seqs(&line, 7), None);
        assert_eq!(seqs(&line, 8), Some(vec![9]));
        assert!(hints.has_changed().unwrap());
    }

    /// `sync-design.md` T15.
    #[test]
    fn word_that_comes_twice_or_late_changes_nothing() {
        let board = Board::shared(true);
        let line = board.line(1);
        let mut hints = line.hints();
        heard(&board, &[5, 6]);
        board.looked(mark(6));
        hints.mark_unchanged();
        heard(&board, &[6, 5, 4, 6]);
        assert_eq!(seqs(&line, 4), Some(vec![5, 6]));
        assert!(!hints.has_changed().unwrap());
    }

    #[test]
    fn how_far_versions_had_jumped_is_known_beside_the_newest_row() {
        let board = Board::shared(true);
        board.line(1);
        let jumped = Mark {
            offset: 7,
            ..mark(6)
        };
        board.looked(jumped);
        board.committed(1, Seq(8), Timestamp(1), Vec::new);
        board.looked(mark(7));
        let known = Mark {
            offset: 7,
            ..mark(8)
        };
        assert_eq!(board.marks(), [known]);
    }

    #[test]
    fn what_is_known_of_a_log_grows_until_it_is_forgotten_and_word_of_others_is_not_knowledge() {
        let board = Board::shared(false);
        let line = board.line(1);
        assert_eq!(line.known(), Seq(0));
        board.committed(1, Seq(8), Timestamp(1), Vec::new);
        line.shows(Seq(6));
        heard(&board, &[1_000_000]);
        assert_eq!(line.known(), Seq(8));
        line.shows(Seq(9));
        assert_eq!(line.known(), Seq(9));
        let seen = Mark {
            shown: 9,
            ..mark(8)
        };
        assert_eq!(board.marks(), [seen], "the row may be of another database");
        board.forget();
        assert_eq!(line.known(), Seq(0), "an epoch has begun");
    }

    /// Others may notify on the channel, too: another deployment in the same database, for one.
    #[test]
    fn word_of_what_is_not_there_keeps_nobody_from_hearing_of_what_is() {
        let board = Board::shared(false);
        let mut hints = board.line(1).hints();
        let mut is_woken = || {
            let woken = hints.has_changed().unwrap();
            hints.mark_unchanged();
            woken
        };
        let said = |newest| {
            board.heard(News {
                newest: Seq(newest),
                ..News::of(1)
            });
        };
        said(1_000_000);
        assert!(is_woken(), "it may be true");
        board.committed(1, Seq(1), Timestamp(1), Vec::new);
        assert!(is_woken());
        board.looked(mark(2));
        assert!(is_woken());
        said(3);
        assert!(is_woken());
    }

    #[test]
    fn nothing_is_kept_that_nobody_follows() {
        let board = Board::shared(true);
        let line = board.line(1);
        heard(&board, &[1, 2]);
        assert_eq!(seqs(&line, 0), None);
    }

    #[test]
    fn memory_is_bounded_by_number_and_by_weight() {
        let mut window = Window::default();
        for seq in 1..=2_000 {
            window.push(event(seq, "x"));
        }
        assert_eq!(window.events.len(), KEPT);
        let heavy = "x".repeat(HEAVIEST / 3);
        for seq in 2_001..=2_010 {
            window.push(event(seq, &heavy));
        }
        assert!(window.weight <= HEAVIEST && window.events.len() <= 3);
    }

    #[tokio::test]
    async fn what_is_committed_goes_out_together() {
        let board = Board::shared(true);
        board.committed(3, Seq(2), Timestamp(1), || {
            vec![event(1, "x"), event(2, "y")]
        });
        board.committed(3, Seq(3), Timestamp(1), || vec![event(3, "z")]);
        let news = board.outgoing().await;
        let [only] = &news[..] else {
            panic!("{news:?}");
        };
        assert_eq!((only.shard, only.newest, only.events.len()), (3, Seq(3), 3));
    }
}
