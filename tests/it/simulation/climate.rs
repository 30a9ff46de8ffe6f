//! What a run is like: the schema, the server's settings, and what may go wrong. All of it comes from the seed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use driftless::config::{Choice, Config, Strategy};
use driftless_client_test_harness::oracle;
use driftless_client_test_harness::scenario::mix::Mix;
use driftless_client_test_harness::schema::Kind;
use driftless_conflict_handlers::policies::Policy;
use driftless_resolvers::engine::MissingVersion;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::schemas::Subject;

const MIXES: [Mix; 5] = [Mix::Mixed, Mix::Hot, Mix::Offline, Mix::Lossy, Mix::Churn];

/// How likely each hazard is to be part of a run.
const LIKELY: f64 = 0.25;

/// Something that makes it harder to agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hazard {
    /// Several nodes: a device asks any of them, and each learns of the others' writes some time later.
    Nodes,
    /// A node ends, with all its sockets and requests, and starts again with nothing in its memory.
    Restart,
    /// The log loses its old rows.
    Trim,
    /// An older state is put back.
    Restore,
    /// Requests are answered 503: without having begun, or although their write is committed.
    Overload,
    /// The server's clock jumps, forward and back; the devices' clocks do not.
    Jump,
    /// Devices forget everything, and where records have owners somebody else signs in.
    Parting,
    /// Devices keep a part of the records only.
    Selection,
    /// Deleted records are made anew under their ids.
    Rebirth,
    /// Sockets close when a few frames wait.
    SlowReader,
    /// Pages of one record; pages larger than the server allows.
    Pages,
    /// Some devices send what was refused as it was, and the server answers loops later each time.
    Loops,
    /// Switches that leave the devices in agreement are in their other position.
    Switches,
    /// Single fields have policies: numbers count, lists are sets.
    Policies,
}

impl Hazard {
    pub(super) const ALL: [Hazard; 14] = [
        Hazard::Nodes,
        Hazard::Restart,
        Hazard::Trim,
        Hazard::Restore,
        Hazard::Overload,
        Hazard::Jump,
        Hazard::Parting,
        Hazard::Selection,
        Hazard::Rebirth,
        Hazard::SlowReader,
        Hazard::Pages,
        Hazard::Loops,
        Hazard::Switches,
        Hazard::Policies,
    ];

    /// Whether it is something that happens under a strategy, and not only a setting.
    pub(super) fn comes_to_pass(self, strategy: Strategy) -> bool {
        match self {
            Hazard::Switches | Hazard::Policies => false,
            // Where nothing is refused nobody asks again.
            Hazard::Loops => strategy != Strategy::LastWriterWins,
            _ => true,
        }
    }
}

/// What a run is like.
pub(super) struct Climate {
    pub(super) mix: Mix,
    pub(super) clients: usize,
    pub(super) subject: Subject,
    pub(super) strategy: Strategy,
    pub(super) config: Config,
    pub(super) nodes: usize,
    /// How many frames may wait for a device.
    pub(super) queue: usize,
    /// The page sizes that devices choose from.
    pub(super) pages: &'static [u32],
    hazards: BTreeSet<Hazard>,
}

impl Climate {
    /// Draws what the run of this seed is like.
    pub(super) fn draw(seed: u64, strategy: Strategy) -> Climate {
        let turn = usize::try_from(seed).expect("a small number");
        let mut rng = StdRng::seed_from_u64(seed.rotate_left(32));
        let mut hazards: BTreeSet<Hazard> = Hazard::ALL.into();
        hazards.retain(|_| rng.random_bool(LIKELY));
        let mut climate = Climate {
            mix: MIXES[turn % MIXES.len()],
            clients: 2 + turn % 4,
            subject: Subject::number(turn / MIXES.len()),
            strategy,
            config: Config::development(Path::new("unused")),
            nodes: 1,
            queue: 10_000,
            pages: &[7, 50, 1_000],
            hazards,
        };
        climate.config.conflict.default = strategy.into();
        climate.config.engine.slow_loops = climate.has(Hazard::Loops);
        climate.set(&mut rng);
        climate
    }

    fn set(&mut self, rng: &mut StdRng) {
        if self.has(Hazard::Nodes) {
            self.nodes = rng.random_range(2..4);
        }
        if self.has(Hazard::SlowReader) {
            self.queue = rng.random_range(2..12);
        }
        if self.has(Hazard::Pages) {
            self.pages = &[1, 2, 5_000];
            self.config.engine.page_limit = *[1, 3, 1_000].choose(rng).expect("a choice");
        }
        if self.has(Hazard::Rebirth) {
            self.config.engine.revive = rng.random_bool(0.5);
            self.config.engine.tombstone_ttl = *[Some(0), Some(500)].choose(rng).expect("a choice");
        }
        if self.has(Hazard::Switches) {
            self.flip(rng);
        }
        if self.has(Hazard::Policies) {
            self.set_policies();
        }
    }

    fn flip(&mut self, rng: &mut StdRng) {
        let mut toss = || rng.random_bool(0.5);
        let engine = &mut self.config.engine;
        engine.create_replay = toss();
        engine.update_replay = toss();
        engine.same_writer = toss();
        engine.hide_tombstones = toss();
        engine.delta_window = toss().then_some(1_000);
        if toss() {
            engine.missing_version = MissingVersion::Latest;
        }
        self.config.realtime.repairs = toss();
    }

    fn set_policies(&mut self) {
        for model in &self.subject.schema.models {
            let policy = |kind: &Kind| match kind {
                Kind::Int => Some(Policy::Counter),
                Kind::List => Some(Policy::SetUnion),
                Kind::Text => Some(Policy::LastWriter),
                _ => None,
            };
            let fields: BTreeMap<String, Policy> = model
                .editable()
                .filter_map(|field| Some((field.name.clone(), policy(&field.kind)?)))
                .collect();
            let choice = Choice::Builtin {
                strategy: self.strategy,
                fields,
            };
            let models = &mut self.config.conflict.models;
            models.insert(model.name.clone(), choice);
        }
    }

    /// Whether the run is one with this hazard.
    pub(super) fn has(&self, hazard: Hazard) -> bool {
        self.hazards.contains(&hazard)
    }

    /// Whether a stale update is refused.
    pub(super) fn refuses_stale_updates(&self) -> bool {
        self.strategy == Strategy::Optimistic
    }

    /// Whether a stale delete is refused.
    pub(super) fn refuses_stale_deletes(&self) -> bool {
        self.strategy != Strategy::LastWriterWins
    }

    /// Whether a mutation that is sent again is recognised whatever happened meanwhile.
    pub(super) fn recognises_repetitions(&self) -> bool {
        let engine = &self.config.engine;
        engine.create_replay && engine.update_replay && !self.has(Hazard::Trim)
    }

    /// Whose word on what a mutation may have done counts; nobody's where fields have policies of their own.
    pub(super) fn oracle(&self) -> Option<oracle::Strategy> {
        if self.has(Hazard::Policies) || self.config.engine.same_writer {
            return None;
        }
        match self.strategy {
            Strategy::Automerge => Some(oracle::Strategy::Automerge),
            Strategy::Optimistic => Some(oracle::Strategy::Optimistic),
            Strategy::LastWriterWins => Some(oracle::Strategy::LastWriter),
            Strategy::ThreeWay => None,
        }
    }
}
