//! A device: a replica, a queue of edits, at most one request for each of them, and what it has been sent.

use std::collections::{BTreeSet, HashMap};

use driftless_client_test_harness::engine::Traits;
use driftless_client_test_harness::family::{Family as ClientFamily, MergeRule};
use driftless_client_test_harness::frames::FrameLog;
use driftless_client_test_harness::local_store::LocalStore;
use driftless_client_test_harness::outbox::{HandOver, Outbox};
use driftless_client_test_harness::record::RecordId;
use driftless_resolvers::api::Request;
use driftless_resolvers::identity::{Caller, Family};
use serde_json::{Map, Value};

use super::node::Socket;
use super::person::Person;
use hearing::Sync;

mod answers;
mod edits;
mod hearing;

pub(super) use answers::Tolerance;

/// How long, in milliseconds, a mutation of DataStore in JavaScript may be under way so that the record is certainly told
/// again after its answer, and how long its first page may be old when it subscribes.
const REPAIRED: [i64; 2] = [8_000, 25_000];

/// How far a device has come with its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Offline,
    /// Fetching what it missed; events wait.
    Syncing,
    Online,
}

/// One device of a family.
pub(super) struct Device {
    pub(super) traits: Traits,
    pub(super) person: Person,
    pub(super) store: LocalStore,
    pub(super) outbox: Outbox,
    pub(super) phase: Phase,
    pub(super) wants_online: bool,
    pub(super) socket: Option<Socket>,
    /// It never subscribes: deltas must bring it everything.
    pub(super) is_deaf: bool,
    /// It keeps only the records that match.
    pub(super) selects: bool,
    /// It runs Flutter, which is the native client with another name.
    pub(super) is_flutter: bool,
    /// Its conflict handler answers the record of its user as it was, so that the same request is sent again.
    pub(super) is_stubborn: bool,
    /// Whether the next answer gets lost.
    pub(super) loses_answer: bool,
    /// Events and pages that it did not take because of edits of its own, by record.
    pub(super) discarded: BTreeSet<RecordId>,
    /// Records that it has kept as its user left them, although their write was refused or never sent: native clients take
    /// over the server's record at a conflict only. What is told of them next goes over it.
    pub(super) stranded: BTreeSet<RecordId>,
    /// It has taken longer than the time for which the server repairs what DataStore in JavaScript misses.
    pub(super) is_late: bool,
    /// How far its clock is off, in milliseconds.
    skew: i64,
    frames: FrameLog,
    sync: Option<Sync>,
    busy_since: i64,
    entry: Option<usize>,
    conflicts: u32,
    synced: HashMap<String, u64>,
    resume: HashMap<String, u64>,
    pub(super) problems: Vec<String>,
}

impl Device {
    pub(super) fn new(traits: Traits, skew: i64) -> Self {
        let rule = traits.family.merge_rule();
        Device {
            person: Person::Anybody,
            store: LocalStore::new(rule),
            outbox: Outbox::new(hand_over(rule)),
            phase: Phase::Offline,
            wants_online: false,
            socket: None,
            is_deaf: false,
            selects: false,
            is_flutter: false,
            is_stubborn: false,
            loses_answer: false,
            discarded: BTreeSet::new(),
            stranded: BTreeSet::new(),
            is_late: false,
            skew: if traits.family.remembers_own_clock() {
                skew
            } else {
                0
            },
            frames: FrameLog::new(true),
            sync: None,
            busy_since: 0,
            entry: None,
            conflicts: 0,
            synced: HashMap::new(),
            resume: HashMap::new(),
            problems: Vec::new(),
            traits,
        }
    }

    /// One that hears no events.
    pub(super) fn deaf() -> Self {
        let traits = Traits {
            name: "deaf".to_owned(),
            family: ClientFamily::Datastore,
            insists: false,
            page: 2,
            clock_ahead: 0,
            away: 0,
        };
        Device {
            is_deaf: true,
            wants_online: true,
            ..Device::new(traits, 0)
        }
    }

    /// Forgets everything, as by `DataStore.clear()`.
    pub(super) fn clear(&mut self) {
        self.disconnect();
        let rule = self.traits.family.merge_rule();
        self.store = LocalStore::new(rule);
        self.outbox = Outbox::new(hand_over(rule));
        self.discarded.clear();
        self.stranded.clear();
        self.synced.clear();
        self.resume.clear();
        self.entry = None;
        self.conflicts = 0;
    }

    /// How it presents itself to the server.
    pub(super) fn caller(&self) -> Caller {
        let family = match self.traits.family {
            _ if self.is_flutter => Family::Flutter,
            ClientFamily::Js | ClientFamily::Datastore => Family::JavaScript,
            ClientFamily::Swift => Family::Swift,
            ClientFamily::Android => Family::Android,
        };
        Caller {
            family,
            datastore: self.traits.family == ClientFamily::Datastore,
            ..self.person.caller()
        }
    }

    fn complain(&mut self, problem: &str) {
        self.problems
            .push(format!("{}: {problem}", self.traits.name));
    }

    /// The connection is gone, and with it everything on the way.
    pub(super) fn disconnect(&mut self) {
        let was = std::mem::replace(&mut self.phase, Phase::Offline);
        self.socket = None;
        self.sync = None;
        // Without versions an event older than the last sync may have been taken after it.
        if was != Phase::Offline && self.traits.family.merge_rule() == MergeRule::Blind {
            self.synced = std::mem::take(&mut self.resume);
        }
    }

    /// Begins to fetch what it missed.
    pub(super) fn begin_sync(&mut self, connecting: bool, now: i64) {
        if connecting {
            self.resume = self.synced.clone();
            self.frames = FrameLog::new(self.traits.family.gets_repeated_frames());
            self.busy_since = now;
        }
        self.phase = Phase::Syncing;
        self.sync = Some(Sync::of(0));
    }

    /// Its events come from here on.
    pub(super) fn listen(&mut self, socket: Socket, now: i64) {
        self.socket = Some(socket);
        self.is_late |= now - self.busy_since > REPAIRED[1];
    }
}

fn hand_over(rule: MergeRule) -> HandOver {
    match rule {
        MergeRule::Blind => HandOver::IfEchoed,
        MergeRule::VersionGate => HandOver::Always,
    }
}

pub(super) fn request(query: String, variables: Map<String, Value>) -> Request {
    Request {
        query,
        operation_name: None,
        variables,
    }
}
