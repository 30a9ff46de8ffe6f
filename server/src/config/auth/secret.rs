//! Values of several sections: secrets by reference, URLs, patterns.

use std::path::Path;

use regex::Regex;

use crate::config::{ConfigError, environment};

/// A secret, or where it is.
pub(in crate::config) struct Secret<'a> {
    pub(in crate::config) place: &'a str,
    pub(in crate::config) value: Option<&'a str>,
    pub(in crate::config) variable: Option<&'a str>,
    pub(in crate::config) file: Option<&'a Path>,
}

impl Secret<'_> {
    /// The secret, from the one place that is named; `None` if none is.
    pub(in crate::config) fn read(&self) -> Result<Option<String>, ConfigError> {
        let place = self.place;
        match (self.value, self.variable, self.file) {
            (None, None, None) => Ok(None),
            (Some(value), None, None) => Ok(Some(value.to_owned())),
            (None, Some(name), None) => environment::variable(name).map(Some).ok_or_else(|| {
                ConfigError(format!(
                    "{place}: the environment variable {name} is not set"
                ))
            }),
            (None, None, Some(path)) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    ConfigError(format!("{place}: cannot read {}: {error}", path.display()))
                })?;
                Ok(Some(text.trim().to_owned()))
            }
            _ => Err(ConfigError(format!(
                "{place} is given more than once; keep one of the value, its …_env and its …_file"
            ))),
        }
    }
}

/// A pattern that a text must match as a whole.
pub(super) fn pattern_of_all(place: &str, key: &str, text: &str) -> Result<Regex, ConfigError> {
    pattern(place, key, &format!("^(?:{text})$"))
}

/// A pattern that a text must contain.
pub(super) fn pattern(place: &str, key: &str, text: &str) -> Result<Regex, ConfigError> {
    Regex::new(text).map_err(|error| ConfigError(format!("{place}.{key} is no pattern: {error}")))
}

pub(super) fn url(place: &str, key: &str, text: String) -> Result<String, ConfigError> {
    let good = url::Url::parse(&text)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if good {
        return Ok(text);
    }
    Err(ConfigError(format!(
        "{place}.{key} is a URL like https://auth.example.org, not \"{text}\""
    )))
}
