//! What a filter says about where its records are: walks go over that part of a table instead of all of it.
//!
//! A condition from here holds for every record that passes the filter, so it may be added to any walk. Whether it helps
//! depends on the order of the walk: see [`Narrowing::suits_keys`] and [`Narrowing::turned`].

use serde_json::Value;

use driftless_resolvers::Timestamp;
use driftless_resolvers::feed::Seq;
use driftless_resolvers::filter::{Filter, Test};
use driftless_resolvers::schema::model::Model;
use driftless_resolvers::storage::attributes;
use driftless_resolvers::storage::{Key, SyncPlace};

use super::column_sql;
use super::database::Arg;
use super::table::{self, Column, Table};

/// How many values are looked for at most: each costs a walk of its own.
const MOST: usize = 16;

/// The records that pass a filter are in one of these parts of the table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Narrowing {
    /// At least one, each once. A record may be in several of them if their columns differ.
    pub(super) parts: Vec<Part>,
}

/// The records that have a value in a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    /// The quoted name of the column.
    pub(super) column: String,
    /// The value.
    pub(super) value: Arg,
    /// Whether an index holds the part in the order of keys.
    by_keys: bool,
}

/// What a filter can be narrowed by.
struct Candidate {
    field: String,
    /// `None` is the key.
    column: Option<Column>,
    by_keys: bool,
}

impl Narrowing {
    /// The narrowest parts that hold everything the filter lets through, if there is an index for them.
    pub(super) fn of(model: &Model, table: &Table, filter: &Filter) -> Option<Narrowing> {
        if filter.is_everything() {
            return None;
        }
        narrow(filter, &candidates(model, table))
    }

    /// The same for a walk in the order of keys: it is a range of an index in each part.
    pub(super) fn by_keys(model: &Model, table: &Table, filter: &Filter) -> Option<Narrowing> {
        if filter.is_everything() {
            return None;
        }
        let mut candidates = candidates(model, table);
        candidates.retain(|candidate| candidate.by_keys);
        narrow(filter, &candidates)
    }

    fn suits_keys(&self) -> bool {
        self.parts.iter().all(|part| part.by_keys)
    }

    /// Where a sync over the parts begins. Their indexes are ordered by change, so that a base sync is a delta from the
    /// beginning of time: each record once or, if it changes meanwhile, again (`sync-design.md` R3, R7).
    pub(super) fn turned(&self, place: SyncPlace) -> SyncPlace {
        match place {
            SyncPlace::Base(key) if key.0.is_empty() && !self.suits_keys() => {
                SyncPlace::Delta(Timestamp(0), Seq(i64::MAX))
            }
            other => other,
        }
    }

    /// Whether a sync from here is a range of an index in each part.
    pub(super) fn suits(&self, place: &SyncPlace) -> bool {
        matches!(place, SyncPlace::Delta(..)) || self.suits_keys()
    }
}

fn candidates(model: &Model, table: &Table) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    if model.key.sort.is_empty() {
        candidates.push(Candidate {
            field: model.key.partition.clone(),
            column: None,
            by_keys: true,
        });
    }
    let of_indexes = table::indexes(model).into_iter();
    let of_indexes = of_indexes.map(|index| (index.partition, index.sort.is_none()));
    let of_rules = table::parts(model).map(|part| (part, false));
    for (attribute, by_keys) in of_indexes.chain(of_rules) {
        let column = Column::of(attribute);
        let [field] = column.attribute.fields.as_slice() else {
            continue;
        };
        if !table.columns.contains(&column) {
            continue;
        }
        let field = field.clone();
        match candidates
            .iter_mut()
            .find(|known| known.column.as_ref() == Some(&column))
        {
            Some(known) => known.by_keys |= by_keys,
            None => candidates.push(Candidate {
                field,
                column: Some(column),
                by_keys,
            }),
        }
    }
    candidates
}

fn narrow(filter: &Filter, candidates: &[Candidate]) -> Option<Narrowing> {
    match filter {
        Filter::All(parts) => parts
            .iter()
            .filter_map(|part| narrow(part, candidates))
            .min_by_key(|narrowing| narrowing.parts.len()),
        Filter::Any(parts) => {
            let mut parts = parts.iter().map(|part| narrow(part, candidates));
            let mut whole = parts.next()??;
            for part in parts {
                whole.add(part?.parts)?;
            }
            Some(whole)
        }
        Filter::Field { name, test } => {
            let candidate = candidates.iter().find(|it| it.field == *name)?;
            match test {
                Test::Eq(value) => candidate.narrowing(std::slice::from_ref(value)),
                Test::In(values) => candidate.narrowing(values),
                _ => None,
            }
        }
        Filter::Not(_) => None,
    }
}

impl Narrowing {
    fn add(&mut self, parts: Vec<Part>) -> Option<()> {
        for part in parts {
            if !self.parts.contains(&part) {
                self.parts.push(part);
            }
        }
        (self.parts.len() <= MOST).then_some(())
    }
}

impl Candidate {
    /// `None` where a value is of another type than the column, or so long that the column does not hold it for every record
    /// that has it: what is stored may be so, too.
    fn narrowing(&self, values: &[Value]) -> Option<Narrowing> {
        let part = |value: &Value| {
            let (column, value) = match &self.column {
                // Two numbers that compare as equal may have different texts.
                None if !value.is_string() => return None,
                None => {
                    let key = Key::from_values(std::slice::from_ref(value));
                    ("pk", Arg::Text(key.0))
                }
                Some(_) if !attributes::always_fits(value) => return None,
                Some(column) => {
                    let value = column_sql::bound(column.is_number(), value)?;
                    (column.name.as_str(), value)
                }
            };
            Some(Part {
                column: column.to_owned(),
                value,
                by_keys: self.by_keys,
            })
        };
        let parts: Option<Vec<Part>> = values.iter().map(part).collect();
        let mut narrowing = Narrowing { parts: Vec::new() };
        narrowing.add(parts?)?;
        (!narrowing.parts.is_empty()).then_some(narrowing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use driftless_resolvers::storage::attributes::{Attribute, Kind};
    use serde_json::json;

    fn candidates() -> Vec<Candidate> {
        let column = |field: &str, kind| {
            Some(Column::of(Attribute {
                fields: vec![field.to_owned()],
                kind,
            }))
        };
        let candidate = |field: &str, column| Candidate {
            field: field.to_owned(),
            column,
            by_keys: false,
        };
        vec![
            candidate("id", None),
            candidate("blog", column("blog", Kind::Text)),
            candidate("rank", column("rank", Kind::Number)),
        ]
    }

    fn field(name: &str, test: Test) -> Filter {
        Filter::Field {
            name: name.to_owned(),
            test,
        }
    }

    fn values(filter: &Filter) -> Option<Vec<Arg>> {
        let parts = narrow(filter, &candidates())?.parts.into_iter();
        Some(parts.map(|part| part.value).collect())
    }

    fn texts(texts: &[&str]) -> Option<Vec<Arg>> {
        let text = |text: &&str| Arg::Text((*text).to_owned());
        Some(texts.iter().map(text).collect())
    }

    #[test]
    fn equal_values_of_an_index_narrow_a_walk() {
        let one = field("blog", Test::Eq(json!("x")));
        let several = field("blog", Test::In(vec![json!("x"), json!("y"), json!("x")]));
        assert_eq!(values(&one), texts(&["x"]));
        assert_eq!(values(&several), texts(&["x", "y"]));
        let by_key = field("id", Test::Eq(json!("a")));
        assert_eq!(values(&by_key), texts(&["[\"a\"]"]));
        let number = field("rank", Test::Eq(json!(7.5)));
        assert_eq!(values(&number), Some(vec![Arg::Float(7.5)]));
    }

    #[test]
    fn the_narrowest_part_of_a_conjunction_is_taken_and_all_of_a_disjunction() {
        let blog = |name: &str| field("blog", Test::Eq(json!(name)));
        let two = Filter::Any(vec![blog("x"), Filter::All(vec![blog("y"), blog("y")])]);
        assert_eq!(values(&two), texts(&["x", "y"]));
        let narrower = Filter::All(vec![two.clone(), field("id", Test::Eq(json!("a")))]);
        assert_eq!(values(&narrower), texts(&["[\"a\"]"]));
        let mixed = Filter::Any(vec![two, field("id", Test::Eq(json!("a")))]);
        assert_eq!(values(&mixed), texts(&["x", "y", "[\"a\"]"]));
    }

    #[test]
    fn what_may_hold_elsewhere_narrows_nothing() {
        let other = field("title", Test::Eq(json!("x")));
        let blog = field("blog", Test::Eq(json!("x")));
        let many = (0..=MOST).map(|n| json!(n.to_string())).collect();
        for filter in [
            Filter::everything(),
            Filter::Any(Vec::new()),
            Filter::Any(vec![blog.clone(), other]),
            Filter::Not(Box::new(blog)),
            field("blog", Test::Gt(json!("x"))),
            field("blog", Test::Eq(json!(7))),
            field("rank", Test::Eq(json!("7"))),
            field("id", Test::Eq(json!(7))),
            field("blog", Test::In(Vec::new())),
            field("blog", Test::In(many)),
        ] {
            assert_eq!(values(&filter), None, "{filter:?}");
        }
    }
}
