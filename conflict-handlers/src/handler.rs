//! Who answers a conflict: a pure rule of ours, or a program of the user's.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::conflict::{Conflict, Operation};
use crate::decision::{Decision, Resolution};

/// What a strategy wants to know of the record's past. Each costs reads of the log, so none is looked up in vain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// The record as the client saw it.
    pub base: bool,
    /// Every version since then.
    pub steps: bool,
}

/// A built-in rule: a pure function of the conflict.
pub trait Strategy: Send + Sync {
    /// The name used in configuration and logs.
    fn name(&self) -> &str;

    /// What it wants to know.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// Whether equal changes of several clients add up. Then one of them is not taken for the repetition of another.
    fn accumulates(&self) -> bool {
        false
    }

    /// What becomes of a conflicting update.
    fn resolve(&self, conflict: &Conflict<'_>) -> Resolution;

    /// What becomes of a conflicting delete: refused, as AppSync's two built-in strategies do (`sync-semantics` 2.2
    /// row 14).
    fn resolve_delete(&self, _conflict: &Conflict<'_>) -> Resolution {
        Resolution::whole(Decision::reject())
    }
}

/// A program of the user's: a Wasm component, a function behind HTTP. It is called outside of any transaction, it may
/// fail, and it is given a limited time.
pub trait External: Send + Sync {
    /// The name used in logs and the journal, e.g. `plugin:handlers/stock.wasm`.
    fn name(&self) -> &str;

    /// What it wants to know.
    fn needs(&self) -> Needs {
        Needs {
            base: true,
            steps: true,
        }
    }

    /// Asks it. `patience` is what is left of the time the client waits; the handler's own limit may be shorter.
    fn resolve<'a>(
        &'a self,
        conflict: &'a Conflict<'a>,
        patience: Duration,
    ) -> BoxFuture<'a, Result<Resolution, Fault>>;
}

/// Who decides the conflicts of a model.
#[derive(Clone)]
pub enum Handler {
    /// One of our rules. It always has an answer.
    Builtin(Arc<dyn Strategy>),
    /// The user's. The number of rounds is limited (`errata.md` row 3).
    External(Arc<dyn External>),
}

impl Handler {
    /// A rule of ours.
    pub fn builtin(strategy: impl Strategy + 'static) -> Self {
        Handler::Builtin(Arc::new(strategy))
    }

    /// A program of the user's.
    pub fn external(handler: impl External + 'static) -> Self {
        Handler::External(Arc::new(handler))
    }

    /// Its name in logs and the journal.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Handler::Builtin(strategy) => strategy.name(),
            Handler::External(handler) => handler.name(),
        }
    }

    /// What it wants to know.
    #[must_use]
    pub fn needs(&self) -> Needs {
        match self {
            Handler::Builtin(strategy) => strategy.needs(),
            Handler::External(handler) => handler.needs(),
        }
    }

    /// Whether equal changes of several clients may add up. Nobody knows of the user's code, so there they may.
    #[must_use]
    pub fn accumulates(&self) -> bool {
        match self {
            Handler::Builtin(strategy) => strategy.accumulates(),
            Handler::External(_) => true,
        }
    }

    /// The decision.
    pub async fn resolve(
        &self,
        conflict: &Conflict<'_>,
        patience: Duration,
    ) -> Result<Resolution, Fault> {
        match (self, conflict.operation) {
            (Handler::Builtin(strategy), Operation::Update) => Ok(strategy.resolve(conflict)),
            (Handler::Builtin(strategy), Operation::Delete) => {
                Ok(strategy.resolve_delete(conflict))
            }
            (Handler::External(handler), _) => handler.resolve(conflict, patience).await,
        }
    }
}

impl std::fmt::Debug for Handler {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_tuple("Handler")
            .field(&self.name())
            .finish()
    }
}

/// Why a user's program gave no answer that can be used. The client gets `ConflictError` with the stored record; what
/// exactly went wrong is for the operator's log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It ran longer than it may.
    #[error("it took longer than {} ms", .0.as_millis())]
    TooSlow(Duration),
    /// It wanted more memory than it may have.
    #[error("it wanted more than {0} bytes of memory")]
    TooMuchMemory(usize),
    /// It said more than it may.
    #[error("its answer has more than {0} bytes")]
    TooMuchOutput(usize),
    /// It broke: a trap, an exception, an error it reported.
    #[error("it failed: {0}")]
    Broken(String),
    /// Its answer makes no sense here.
    #[error("its answer cannot be used: {0}")]
    Malformed(String),
    /// It cannot be reached.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
}
