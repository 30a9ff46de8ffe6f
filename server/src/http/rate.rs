//! How often somebody may ask. Whoever asks more often waits; whoever would wait too long is told to come back, in the
//! form in which no client loses an edit (`errata.md` rows 1 and 20).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use driftless_resolvers::clock::Clock;
use driftless_resolvers::identity::Identity;

/// So much of its rate somebody may use at once who was silent before.
const BURST: Duration = Duration::from_secs(10);
/// Longer than this nobody waits; Swift gives up after 5 s (`errata.md` row 9).
const LONGEST_WAIT: Duration = Duration::from_secs(3);
/// So many callers are remembered; those who have been silent are forgotten first.
const REMEMBERED: usize = 50_000;

/// Requests per second; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// Of one principal. Those who share an API key are told apart by their addresses.
    pub principal: Option<u32>,
    /// From one address.
    pub address: Option<u32>,
}

/// Counts requests.
#[derive(Debug)]
pub struct Limiter {
    rates: Rates,
    /// When each caller's next request would be due if it kept to its rate, by a clock that nobody sets.
    due: Mutex<HashMap<String, Duration>>,
}

impl Limiter {
    /// Holds callers to these rates.
    #[must_use]
    pub fn new(rates: Rates) -> Self {
        Limiter {
            rates,
            due: Mutex::default(),
        }
    }

    /// How long a request from this address waits; `None` if it is refused.
    pub fn address(&self, address: Option<IpAddr>, clock: &dyn Clock) -> Option<Duration> {
        match (address, self.rates.address) {
            (Some(address), Some(rate)) => self.pass(address.to_string(), rate, clock),
            _ => Some(Duration::ZERO),
        }
    }

    /// How long a request of this principal waits; `None` if it is refused.
    pub fn principal(
        &self,
        identity: &Identity,
        address: Option<IpAddr>,
        clock: &dyn Clock,
    ) -> Option<Duration> {
        let Some(rate) = self.rates.principal else {
            return Some(Duration::ZERO);
        };
        let name = match (identity, address) {
            (Identity::ApiKey { id }, Some(address)) => format!("{id}@{address}"),
            _ => identity.principal(),
        };
        self.pass(name, rate, clock)
    }

    fn pass(&self, caller: String, rate: u32, clock: &dyn Clock) -> Option<Duration> {
        let now = clock.steady();
        let pace = Duration::from_secs(1) / rate.max(1);
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        if due.len() >= REMEMBERED && !due.contains_key(&caller) {
            due.retain(|_, due| *due > now);
        }
        let next = due.get(&caller).map_or(now, |due| (*due).max(now));
        let wait = next.saturating_sub(now).saturating_sub(BURST);
        if wait > LONGEST_WAIT {
            return None;
        }
        due.insert(caller, next + pace);
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use driftless_resolvers::Timestamp;

    use super::*;

    /// A clock that shows this time of day, in milliseconds, so long after a moment that stays the same.
    struct Shows {
        now: i64,
        steady: Duration,
    }

    impl Clock for Shows {
        fn now(&self) -> Timestamp {
            Timestamp(self.now)
        }

        fn steady(&self) -> Duration {
            self.steady
        }
    }

    /// One that was never set.
    fn after(milliseconds: u64) -> Shows {
        set_off(0, milliseconds)
    }

    /// One that was set by so much.
    fn set_off(by: i64, milliseconds: u64) -> Shows {
        const NOON: i64 = 1_800_000_000_000;
        let steady = Duration::from_millis(milliseconds);
        let now = NOON + by + i64::try_from(milliseconds).expect("a short time");
        Shows { now, steady }
    }

    fn key(id: &str) -> Identity {
        Identity::ApiKey { id: id.to_owned() }
    }

    fn two_a_second() -> Limiter {
        Limiter::new(Rates {
            principal: Some(2),
            address: None,
        })
    }

    #[test]
    fn a_burst_passes_then_callers_wait_and_then_they_are_refused() {
        let limiter = two_a_second();
        let ask = |now: u64| limiter.principal(&key("a"), None, &after(now));
        for _ in 0..=20 {
            assert_eq!(ask(0), Some(Duration::ZERO));
        }
        for half_seconds in 1..=6 {
            assert_eq!(ask(0), Some(Duration::from_millis(500 * half_seconds)));
        }
        assert_eq!(ask(0), None);
        assert_eq!(
            ask(1_000),
            Some(Duration::from_millis(2_500)),
            "time passes"
        );
        assert_eq!(
            limiter.principal(&key("b"), None, &after(0)),
            Some(Duration::ZERO)
        );
        assert_eq!(ask(60_000), Some(Duration::ZERO));
    }

    #[test]
    fn a_clock_that_is_set_refuses_and_excuses_nobody() {
        const HOUR: i64 = 3_600_000;
        for by in [-24 * HOUR, -HOUR, -1_000, HOUR] {
            let limiter = two_a_second();
            let ask = |clock: Shows| limiter.principal(&key("a"), None, &clock);
            for _ in 0..=20 {
                assert_eq!(ask(after(0)), Some(Duration::ZERO));
            }
            // Half of the burst is there again.
            for _ in 0..10 {
                assert_eq!(ask(set_off(by, 5_000)), Some(Duration::ZERO), "{by}");
            }
            let waits = Some(Duration::from_millis(500));
            assert_eq!(ask(set_off(by, 5_000)), waits, "{by}");
            assert_eq!(ask(set_off(by, 60_000)), Some(Duration::ZERO), "{by}");
        }
    }

    #[test]
    fn those_who_share_a_key_are_told_apart_by_their_addresses() {
        let limiter = Limiter::new(Rates {
            principal: Some(1),
            address: Some(1_000),
        });
        let (one, other) = (Some([127, 0, 0, 1].into()), Some([127, 0, 0, 2].into()));
        let now = after(0);
        while limiter.principal(&key("a"), one, &now).is_some() {}
        assert!(limiter.principal(&key("a"), other, &now).is_some());
        assert_eq!(limiter.address(one, &now), Some(Duration::ZERO));
        assert_eq!(limiter.address(None, &now), Some(Duration::ZERO));
    }
}
