//! `type = "api_key"`.

use std::fmt;
use std::path::{Path, PathBuf};

use driftless_conflict_handlers::Timestamp;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::secret::Secret;
use crate::auth::api_key::KeySetting;
use crate::config::ConfigError;

#[derive(Debug)]
pub(super) enum Key {
    Plain(String),
    Described(DescribedKey),
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KeyVisitor)
    }
}

/// Told apart by hand, so that a wrong member is named in the error.
struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key, or a table like { sha256 = \"…\" }")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Key, E> {
        Ok(Key::Plain(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Key, A::Error> {
        DescribedKey::deserialize(MapAccessDeserializer::new(map)).map(Key::Described)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DescribedKey {
    value: Option<String>,
    value_env: Option<String>,
    value_file: Option<PathBuf>,
    sha256: Option<String>,
    expires: Option<toml::Value>,
}

pub(super) fn read(
    place: &str,
    keys: Vec<Key>,
    file: Option<&Path>,
) -> Result<Vec<KeySetting>, ConfigError> {
    let mut found = Vec::new();
    for key in keys {
        found.push(match key {
            Key::Plain(text) => plain_key(place, &text)?,
            Key::Described(described) => described_key(place, &described)?,
        });
    }
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).map_err(|error| {
            ConfigError(format!("{place}: cannot read {}: {error}", path.display()))
        })?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        for line in lines {
            found.push(plain_key(place, line)?);
        }
    }
    Ok(found)
}

fn plain_key(place: &str, text: &str) -> Result<KeySetting, ConfigError> {
    KeySetting::plain(text).map_err(|error| ConfigError(format!("{place}: {error}")))
}

fn described_key(place: &str, key: &DescribedKey) -> Result<KeySetting, ConfigError> {
    let secret = Secret {
        place: &format!("{place}.keys"),
        value: key.value.as_deref(),
        variable: key.value_env.as_deref(),
        file: key.value_file.as_deref(),
    };
    let setting = match (secret.read()?, &key.sha256) {
        (Some(text), None) => plain_key(place, &text)?,
        (None, Some(digest)) => {
            KeySetting::hashed(digest).map_err(|error| ConfigError(format!("{place}: {error}")))?
        }
        _ => {
            let text = "a key has one of value, value_env, value_file and sha256";
            return Err(ConfigError(format!("{place}: {text}")));
        }
    };
    let expires = key.expires.as_ref().map(|value| time(place, value));
    Ok(setting.until(expires.transpose()?))
}

/// A time: TOML's own, RFC 3339 in a text, or seconds since 1970 as AppSync has it.
fn time(place: &str, value: &toml::Value) -> Result<Timestamp, ConfigError> {
    let wrong = || {
        let text = "expires is a time like 2027-01-01T00:00:00Z, or seconds since 1970";
        ConfigError(format!("{place}: {text}"))
    };
    let text = match value {
        toml::Value::Integer(seconds) => return Ok(Timestamp(seconds.saturating_mul(1_000))),
        toml::Value::Datetime(time) => time.to_string(),
        toml::Value::String(text) => text.clone(),
        _ => return Err(wrong()),
    };
    let time: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
    Ok(Timestamp(time.as_millisecond()))
}
