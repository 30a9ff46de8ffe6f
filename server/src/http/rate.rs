//! How often somebody may ask. Whoever asks more often waits; whoever would wait too long is told to come back, in the
//! form in which no client loses an edit (`errata.md` rows 1 and 20).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

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
    pub fn address(&self, address: Option<IpAddr>, now: Duration) -> Option<Duration> {
        match (address, self.rates.address) {
            (Some(address), Some(rate)) => self.pass(address.to_string(), rate, now),
            _ => Some(Duration::ZERO),
        }
    }

    /// How long a request of this principal waits; `None` if it is refused.
    pub fn principal(
        &self,
        identity: &Identity,
        address: Option<IpAddr>,
        now: Duration,
    ) -> Option<Duration> {
        let Some(rate) = self.rates.principal else {
            return Some(Duration::ZERO);
        };
        let name = match (identity, address) {
            (Identity::ApiKey { id }, Some(address)) => format!("{id}@{address}"),
            _ => identity.principal(),
        };
        self.pass(name, rate, now)
    }

    fn pass(&self, caller: String, rate: u32, now: Duration) -> Option<Duration> {
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
    use super::*;

    fn key(id: &str) -> Identity {
        Identity::ApiKey { id: id.to_owned() }
    }

    #[test]
    fn a_burst_passes_then_callers_wait_and_then_they_are_refused() {
        let limiter = Limiter::new(Rates {
            principal: Some(2),
            address: None,
        });
        let ask = |now: u64| limiter.principal(&key("a"), None, Duration::from_millis(now));
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
            limiter.principal(&key("b"), None, Duration::ZERO),
            Some(Duration::ZERO)
        );
        assert_eq!(ask(60_000), Some(Duration::ZERO));
    }

    #[test]
    fn those_who_share_a_key_are_told_apart_by_their_addresses() {
        let limiter = Limiter::new(Rates {
            principal: Some(1),
            address: Some(1_000),
        });
        let (one, other) = (Some([127, 0, 0, 1].into()), Some([127, 0, 0, 2].into()));
        let now = Duration::ZERO;
        while limiter.principal(&key("a"), one, now).is_some() {}
        assert!(limiter.principal(&key("a"), other, now).is_some());
        assert_eq!(limiter.address(one, now), Some(Duration::ZERO));
        assert_eq!(limiter.address(None, now), Some(Duration::ZERO));
    }
}
