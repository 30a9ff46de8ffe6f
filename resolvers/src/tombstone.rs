//! How long a tombstone stands for its record. After that it is a *shell* (`errata.md` row 30): nothing of the record
//! is left to read or write, but a create goes on counting its versions (MUT-8) and syncs still deliver it.

use serde_json::Value;

use crate::filter::{Filter, Test};
use crate::{Record, Timestamp};

/// The time of AppSync's base table: 30 days in milliseconds.
pub const DEFAULT_TTL: i64 = 43_200 * 60_000;

/// Whether a record is only the shell of a deleted one. Without a time to live tombstones stay for ever; with none
/// left they are shells at once, whatever the clocks of the store and of this process say (`sync-semantics` MUT-7).
#[must_use]
pub fn is_shell(record: &Record, ttl: Option<i64>, now: Timestamp) -> bool {
    record.deleted && ttl.is_some_and(|ttl| ttl <= 0 || record.last_changed_at <= cutoff(ttl, now))
}

/// What every record but a shell passes: [`is_shell`] as a filter, so that a store can judge it.
#[must_use]
pub fn no_shell(ttl: Option<i64>, now: Timestamp) -> Filter {
    let Some(ttl) = ttl else {
        return Filter::everything();
    };
    if ttl <= 0 {
        return live();
    }
    let young = Test::Gt(cutoff(ttl, now).0.into());
    Filter::Any(vec![live(), field("_lastChangedAt", young)])
}

/// What every live record passes.
#[must_use]
pub fn live() -> Filter {
    field("_deleted", Test::Ne(Value::Bool(true)))
}

/// The last time of change that is too long ago.
fn cutoff(ttl: i64, now: Timestamp) -> Timestamp {
    Timestamp(now.0.saturating_sub(ttl))
}

fn field(name: &str, test: Test) -> Filter {
    Filter::Field {
        name: name.to_owned(),
        test,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixtures::{START, record, tombstone};

    #[test]
    fn a_tombstone_is_a_shell_from_the_end_of_its_time_on() {
        let dead = tombstone(json!({"id": "p"}));
        let at = |ttl, passed| is_shell(&dead, ttl, Timestamp(START + passed));
        assert!(!at(Some(1_000), 999));
        assert!(at(Some(1_000), 1_000));
        assert!(at(Some(0), 0));
        assert!(at(Some(0), -5_000), "the store's clock runs ahead");
        assert!(!at(None, i64::MAX - START));
    }

    #[test]
    fn the_filter_says_what_the_function_says() {
        let live = record(json!({"id": "p"}));
        let dead = tombstone(json!({"id": "p"}));
        for ttl in [None, Some(0), Some(1_000), Some(i64::MAX)] {
            for passed in [-5_000, 0, 999, 1_000, 1_001] {
                let now = Timestamp(START + passed);
                for record in [&live, &dead] {
                    let shell = is_shell(record, ttl, now);
                    assert_eq!(
                        no_shell(ttl, now).matches(record),
                        !shell,
                        "{ttl:?} {passed}"
                    );
                }
            }
        }
    }
}
