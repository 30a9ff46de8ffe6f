//! What the log keeps of the request that caused a write.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Fields;

/// A client's request, as far as it matters after its write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Recognises the request when it comes again (`errata.md` rows 14, 15).
    pub digest: String,
    /// What subscribers are told of the record; `None` is all of it.
    pub selected: Option<Arc<Selected>>,
}

impl Asked {
    /// Reads what [`Asked`] writes as text. What cannot be read of a selection selects everything: a subscriber rather
    /// learns too much of a record that it may read than something that is not so.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        let (digest, selected) = match text.split_once(' ') {
            Some((digest, selected)) => (digest, serde_json::from_str(selected).ok()),
            None => (text, None),
        };
        Asked {
            digest: digest.to_owned(),
            selected: selected.map(Arc::new),
        }
    }
}

/// The digest, and behind a space what was selected. A digest holds no space.
impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.digest)?;
        match &self.selected {
            Some(selected) => {
                let selected = serde_json::to_string(selected).map_err(|_| fmt::Error)?;
                write!(f, " {selected}")
            }
            None => Ok(()),
        }
    }
}

/// The fields that are selected of an object, by their names: aliases do not matter (`realtime` 3).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selected(BTreeMap<String, Below>);

/// What is selected of a field's value: all of it, or these fields of the object or objects that it is.
type Below = Option<Selected>;

impl Selected {
    /// Adds a field; what is selected of it twice is selected once.
    pub fn add(&mut self, name: &str, below: Option<Selected>) {
        let known = self.0.entry(name.to_owned()).or_default();
        if let Some(below) = below {
            known.get_or_insert_default().extend(below);
        }
    }

    fn extend(&mut self, other: Selected) {
        for (name, below) in other.0 {
            self.add(&name, below);
        }
    }

    /// What is selected of a field; `None` if the field is not selected at all.
    #[must_use]
    pub fn below(&self, name: &str) -> Option<Option<&Selected>> {
        self.0.get(name).map(Option::as_ref)
    }

    /// The selected part of an object.
    #[must_use]
    pub fn part(&self, fields: &Fields) -> Fields {
        let chosen = fields.iter().filter_map(|(name, value)| {
            let value = match self.below(name)? {
                Some(below) => below.part_of(value),
                None => value.clone(),
            };
            Some((name.clone(), value))
        });
        chosen.collect()
    }

    fn part_of(&self, value: &Value) -> Value {
        match value {
            Value::Object(fields) => self.part(fields).into(),
            Value::Array(items) => items.iter().map(|item| self.part_of(item)).collect(),
            other => other.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixtures::object;

    fn selected() -> Selected {
        let mut place = Selected::default();
        place.add("city", None);
        let mut street = Selected::default();
        street.add("street", None);
        let mut selected = Selected::default();
        selected.add("id", None);
        selected.add("place", Some(place));
        selected.add("place", Some(street));
        selected.add("data", None);
        selected
    }

    #[test]
    fn the_log_gives_back_what_it_was_given() {
        for selected in [None, Some(Arc::new(selected()))] {
            let asked = Asked {
                digest: "b0-_".to_owned(),
                selected,
            };
            assert_eq!(Asked::from_text(&asked.to_string()), asked);
        }
    }

    #[test]
    fn without_a_selection_the_log_holds_the_digest_alone() {
        let asked = Asked {
            digest: "b0-_".to_owned(),
            selected: None,
        };
        assert_eq!(asked.to_string(), "b0-_");
    }

    #[test]
    fn a_selection_that_cannot_be_read_is_none() {
        let asked = Asked::from_text("b0 {\"id\"");
        assert_eq!((asked.digest.as_str(), asked.selected), ("b0", None));
    }

    #[test]
    fn the_part_of_an_object_holds_what_is_selected_at_every_depth() {
        let place = json!({"city": "Oslo", "street": "x", "door": 1});
        let whole = json!({"id": "a", "title": "t", "data": {"k": [1]}, "place": [place, null]});
        let part = json!({"id": "a", "data": {"k": [1]}, "place": [{"city": "Oslo", "street": "x"}, null]});
        assert_eq!(Value::from(selected().part(&object(whole))), part);
    }
}
