//! Clients that send no `_version`: their edits change nothing under Automerge, and nobody tells them (`sync-semantics`
//! P2). So the operator is told, by name and not too often.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::authz::WritePermit;
use crate::identity::Family;

/// How long nothing more is said of one caller and model, in milliseconds.
const SILENCE: i64 = 60_000;

/// How many callers are remembered; then all are forgotten, and some told of again.
const REMEMBERED: usize = 1_024;

/// When a caller was last told of, and how many writes came since.
type Told = HashMap<(String, String), (i64, u64)>;

static TOLD: LazyLock<Mutex<Told>> = LazyLock::new(Mutex::default);

/// Tells of a write without a version.
pub(super) fn warn(permit: &WritePermit<'_>) {
    let (actor, model) = (permit.identity().actor(), permit.model().name.clone());
    let now = permit.engine().clock.now().0;
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(writes) = due(&mut told, (actor.clone(), model.clone()), now) {
        drop(told);
        let client = match permit.family() {
            Family::JavaScript => "JavaScript",
            Family::Android => "Android",
            Family::Swift => "Swift",
            Family::Flutter => "Flutter",
            Family::Unknown => "unknown",
        };
        tracing::warn!(
            actor,
            model,
            client,
            writes,
            "a client sends no _version: its updates count as based on nothing and lose against what is stored. Let it \
             send the _version it read, or set sync.missing_version = \"latest\""
        );
    }
}

/// How many writes there are to tell of now, if it is time.
fn due(told: &mut Told, who: (String, String), now: i64) -> Option<u64> {
    if told.len() >= REMEMBERED && !told.contains_key(&who) {
        told.clear();
    }
    let (last, writes) = told.entry(who).or_insert((now - SILENCE, 0));
    *writes += 1;
    if now - *last < SILENCE {
        return None;
    }
    *last = now;
    Some(std::mem::take(writes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_told_of_once_a_minute_with_the_number_of_its_writes() {
        let mut told = Told::new();
        let who = || ("caller".to_owned(), "Post".to_owned());
        assert_eq!(due(&mut told, who(), 5_000), Some(1));
        assert_eq!(due(&mut told, who(), 6_000), None);
        assert_eq!(due(&mut told, who(), 64_999), None);
        assert_eq!(due(&mut told, who(), 65_000), Some(3));
        let other = ("caller".to_owned(), "Comment".to_owned());
        assert_eq!(due(&mut told, other, 65_000), Some(1));
    }

    #[test]
    fn no_more_callers_are_remembered_than_memory_allows() {
        let mut told = Told::new();
        for caller in 0..3 * REMEMBERED {
            due(&mut told, (caller.to_string(), "Post".to_owned()), 0);
        }
        assert!(told.len() <= REMEMBERED);
    }
}
