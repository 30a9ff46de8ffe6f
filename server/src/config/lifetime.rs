//! A time in minutes that may have no end.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// The word for no end.
pub(super) const NEVER: &str = "never";

/// What a lifetime looks like, for those who wrote something else.
pub(super) const EXPECTED: &str = "a number of minutes or \"never\"";

/// How long something lasts; `None` has no end.
#[derive(Debug)]
pub(super) struct Lifetime(Option<u32>);

impl Lifetime {
    pub(super) fn milliseconds(&self) -> Option<i64> {
        self.0.map(milliseconds)
    }
}

/// Minutes as milliseconds.
pub(super) fn milliseconds(minutes: u32) -> i64 {
    i64::from(minutes) * 60_000
}

impl<'de> Deserialize<'de> for Lifetime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl Visitor<'_> for Reader {
    type Value = Lifetime;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(EXPECTED)
    }

    fn visit_i64<E: Error>(self, minutes: i64) -> Result<Lifetime, E> {
        u32::try_from(minutes)
            .map(|minutes| Lifetime(Some(minutes)))
            .map_err(|_| E::invalid_value(Unexpected::Signed(minutes), &self))
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Lifetime, E> {
        if word == NEVER {
            Ok(Lifetime(None))
        } else {
            Err(E::invalid_value(Unexpected::Str(word), &self))
        }
    }
}
