//! What every resolver works with: the schema, the ports, and the settings. One per served schema.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use driftless_conflict_handlers::Handler;
use driftless_conflict_handlers::automerge::Automerge;

use crate::authz::{self, Rules};
use crate::clock::{Clock, IdSource};
use crate::journal::Notebook;
use crate::notice::Bulletin;
use crate::pacing::Pacing;
use crate::page::Sealer;
use crate::schema::Schema;
use crate::storage::{PAGE_BYTES, Storage};
use crate::tombstone;

/// How long the user's own code may take over one mutation, all its calls together: clients wait eight seconds at most
/// (`errata.md` rows 49, 2.13), and what was decided must still be written and answered.
pub const HANDLER_BUDGET: Duration = Duration::from_millis(7_500);

/// The long-lived parts of a served schema.
pub struct Engine {
    /// The checked schema.
    pub schema: Arc<Schema>,
    /// What the schema's rules come to, with [`Settings::authz`].
    pub rules: Rules,
    /// Where records live.
    pub storage: Arc<dyn Storage>,
    /// The time for `createdAt` and `updatedAt`.
    pub clock: Arc<dyn Clock>,
    /// New ids.
    pub ids: Arc<dyn IdSource>,
    /// Seals page tokens.
    pub sealer: Sealer,
    /// Who decides conflicts.
    pub strategies: Strategies,
    /// Where conflicts are written down.
    pub journal: Notebook,
    /// Who is told of the results of hand-written mutations.
    pub bulletin: Arc<dyn Bulletin>,
    /// What was asked in vain.
    pub pacing: Pacing,
    /// Switches and limits.
    pub settings: Settings,
}

/// The conflict handler of each model.
#[derive(Debug, Clone)]
pub struct Strategies {
    /// For models without an entry of their own.
    pub default: Handler,
    /// Per model, by name.
    pub models: HashMap<String, Handler>,
}

impl Default for Strategies {
    fn default() -> Self {
        Strategies::all(Handler::builtin(Automerge))
    }
}

impl Strategies {
    /// One handler for every model.
    #[must_use]
    pub fn all(handler: Handler) -> Self {
        Strategies {
            default: handler,
            models: HashMap::new(),
        }
    }

    /// The handler for a model.
    #[must_use]
    pub fn of(&self, model: &str) -> &Handler {
        self.models.get(model).unwrap_or(&self.default)
    }
}

/// What an update or delete without `_version` is based on (`sync-semantics` 2.2 row 8, P2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MissingVersion {
    /// Nothing: it is a conflict, as in AppSync.
    #[default]
    Conflict,
    /// What is stored now.
    Latest,
}

/// Which rejections show the stored record, so that a client can take it over (`errata.md` row 16).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RejectionData {
    /// All that are about one.
    #[default]
    Always,
    /// Those of conflicts, as in AppSync: not of creates over another record, of conditions and of invalid values.
    Conflicts,
}

/// What subscribers are told of a record that a mutation wrote (`errata.md` row 45).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Published {
    /// All of it, whatever the mutation selected.
    #[default]
    FullRow,
    /// What the mutation selected of its answer, as in AppSync.
    Selection,
}

/// Switches and limits; the defaults are AppSync's behaviour wherever a client could tell (`errata.md` row 31).
#[derive(Debug, Clone)]
pub struct Settings {
    /// The largest page; larger `limit`s are clamped (`errata.md` row 40).
    pub page_limit: usize,
    /// How much the records of a page weigh at most, in bytes; the pages of a request share it.
    pub page_bytes: usize,
    /// How deep a document's selections may nest.
    pub depth_limit: usize,
    /// How many fields (after fragments) a document may select.
    pub field_limit: usize,
    /// How many fields an operation may have at its root, aliases included.
    pub root_limit: usize,
    /// Whether the API describes itself to whoever may call it.
    pub introspection: bool,
    /// The delta window in milliseconds; `None` is unlimited.
    pub delta_window: Option<i64>,
    /// How long a tombstone stands for its record, in milliseconds; `None` is for ever (`errata.md` row 30).
    pub tombstone_ttl: Option<i64>,
    /// How far to reach back for clients that send their own clock (Android, Flutter), in milliseconds: so far may it be
    /// ahead, and nothing is missed.
    pub own_clock_overlap: i64,
    /// Answer a repeated create with success (`errata.md` row 14).
    pub create_replay: bool,
    /// Answer a repeated update or delete with success (`errata.md` row 15).
    pub update_replay: bool,
    /// Which rejections show the stored record.
    pub rejection_data: RejectionData,
    /// What subscribers are told of a record.
    pub published: Published,
    /// Let a create go over a tombstone, as it goes over a shell; else the id stays taken (`sync-semantics` 2.2 row 3).
    pub revive: bool,
    /// Answer a client that asks the same in vain again and again a little later each time (`client-js` 13.3).
    pub slow_loops: bool,
    /// Leave tombstones out of lists, index queries and children whose filter does not speak of `_deleted`
    /// (`sync-semantics` 3). Get and sync show them always.
    pub hide_tombstones: bool,
    /// How rules are applied.
    pub authz: authz::Settings,
    /// What a write without a version is based on.
    pub missing_version: MissingVersion,
    /// Whether a stale write is none if the same device wrote every version since the one it names.
    pub same_writer: bool,
    /// How often a plugin or function is asked about one mutation, because the record moved meanwhile (`sync-semantics`
    /// LAM-1).
    pub max_conflicts: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            page_limit: 1_000,
            page_bytes: PAGE_BYTES,
            depth_limit: 75,
            field_limit: 10_000,
            root_limit: 100,
            introspection: true,
            delta_window: None,
            tombstone_ttl: Some(tombstone::DEFAULT_TTL),
            own_clock_overlap: 3 * 3_600_000,
            create_replay: true,
            update_replay: true,
            rejection_data: RejectionData::Always,
            published: Published::FullRow,
            revive: false,
            slow_loops: true,
            hide_tombstones: false,
            authz: authz::Settings::default(),
            missing_version: MissingVersion::Conflict,
            same_writer: false,
            max_conflicts: 10,
        }
    }
}
