//! Answers to clients that ask the same in vain again and again: each comes a little later, so that a loop costs the
//! server little and ends no sooner for the client that is in it (`errata.md` row 29, `client-js` 13.3).

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Clock;

/// The first delay, in milliseconds; each further one is twice as long.
const SHORTEST: u64 = 50;
/// The longest delay, in milliseconds: far below the time that clients wait for an answer.
const LONGEST: u64 = 1_000;
/// After so long without a repetition it is no loop.
const LOOP: Duration = Duration::from_secs(10);
/// How many questions are remembered; then all are forgotten, and their loops start anew.
const REMEMBERED: usize = 4_096;

/// A kind of question that is paced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Question {
    /// A mutation that ends in the same conflict.
    Conflict,
    /// A page that was fetched before.
    Page,
    /// A sync that one device began before, from the same place.
    Beginning,
}

impl Question {
    /// How many repetitions are nothing special: after a lost answer the same page is asked for once or twice more, and
    /// several windows of one browser begin alike.
    fn free(self) -> u32 {
        match self {
            Question::Conflict => 0,
            Question::Page => 2,
            Question::Beginning => 4,
        }
    }
}

/// How often each question was repeated, and when last, by a clock that nobody sets.
type Asked = HashMap<u64, (u32, Duration)>;

/// What was asked of one API in vain.
#[derive(Debug, Default)]
pub struct Pacing(Mutex<Asked>);

impl Pacing {
    /// Waits before a question is answered that was asked before; whether it did. `what` is who asks what, exactly.
    pub(crate) async fn pace(
        &self,
        question: Question,
        what: impl Hash,
        clock: &dyn Clock,
    ) -> bool {
        let mut hasher = DefaultHasher::new();
        (question, what).hash(&mut hasher);
        let delay = {
            let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            delay(&mut asked, question, hasher.finish(), clock.steady())
        };
        let waits = !delay.is_zero();
        if waits {
            clock.sleep(delay).await;
        }
        waits
    }
}

fn delay(asked: &mut Asked, question: Question, what: u64, now: Duration) -> Duration {
    if asked.len() >= REMEMBERED && !asked.contains_key(&what) {
        asked.clear();
    }
    let (repetitions, last) = asked.entry(what).or_insert((0, now));
    *repetitions = if now.saturating_sub(*last) > LOOP {
        0
    } else {
        *repetitions
    };
    *last = now;
    let paced = repetitions.saturating_sub(question.free());
    *repetitions = repetitions.saturating_add(1);
    match paced {
        0 => Duration::ZERO,
        nth => Duration::from_millis((SHORTEST << (nth - 1).min(10)).min(LONGEST)),
    }
}

#[cfg(test)]
mod tests {
    use driftless_conflict_handlers::Timestamp;
    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;

    use super::*;

    fn delays(question: Question, times: &[u64]) -> Vec<u128> {
        let mut asked = Asked::new();
        let one = |time: &u64| {
            let now = Duration::from_millis(*time);
            delay(&mut asked, question, 7, now).as_millis()
        };
        times.iter().map(one).collect()
    }

    #[test]
    fn repeated_conflicts_are_answered_later_and_later_up_to_a_second() {
        let times = [0, 1, 2, 3, 4, 5, 6, 7];
        let expected = [0, 50, 100, 200, 400, 800, 1_000, 1_000];
        assert_eq!(delays(Question::Conflict, &times), expected);
    }

    #[test]
    fn a_page_may_be_asked_for_again_after_lost_answers() {
        assert_eq!(delays(Question::Page, &[0, 1, 2, 3, 4]), [0, 0, 0, 50, 100]);
    }

    #[test]
    fn what_comes_back_after_a_while_is_no_loop() {
        let times = [0, 1, 10_002, 10_003];
        assert_eq!(delays(Question::Conflict, &times), [0, 50, 0, 50]);
    }

    /// A clock that was set back after the first question, and notes how long somebody waited.
    struct SetBack {
        passed: Duration,
        waited: Mutex<Vec<Duration>>,
    }

    impl Clock for SetBack {
        fn now(&self) -> Timestamp {
            const HOUR: i64 = 3_600_000;
            let set = if self.passed.is_zero() { 0 } else { HOUR };
            Timestamp(2 * HOUR - set)
        }

        fn steady(&self) -> Duration {
            self.passed
        }

        fn sleep(&self, time: Duration) -> BoxFuture<'_, ()> {
            self.waited.lock().unwrap().push(time);
            std::future::ready(()).boxed()
        }
    }

    #[test]
    fn what_comes_back_after_a_while_is_no_loop_where_the_clock_was_set_back() {
        let pacing = Pacing::default();
        let waits = [0, 60, 61].map(|seconds| {
            let clock = SetBack {
                passed: Duration::from_secs(seconds),
                waited: Mutex::default(),
            };
            let paced = pacing
                .pace(Question::Conflict, "what", &clock)
                .now_or_never();
            paced.expect("nothing takes time here");
            clock.waited.into_inner().unwrap().len()
        });
        assert_eq!(waits, [0, 0, 1], "the last is one");
    }

    #[test]
    fn questions_are_told_apart_and_memory_is_bounded() {
        let mut asked = Asked::new();
        for what in 0..10_000 {
            assert!(delay(&mut asked, Question::Conflict, what, Duration::ZERO).is_zero());
        }
        assert!(asked.len() <= REMEMBERED);
    }
}
