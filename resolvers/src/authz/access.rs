//! On which records something is allowed.

use serde_json::Value;

use crate::Record;
use crate::filter::{Filter, Test};

/// What a caller may do with a model's records.
#[derive(Debug, Clone, PartialEq)]
pub enum Access {
    /// Every record.
    Allow,
    /// None.
    Deny,
    /// The records that pass this filter; it does not pass none or all of them for certain.
    Rows(Filter),
}

impl Access {
    /// What several roles together allow.
    pub(super) fn any(filters: impl Iterator<Item = Filter>) -> Access {
        let mut rows = Vec::new();
        for filter in filters {
            if filter.is_everything() {
                return Access::Allow;
            }
            rows.push(filter);
        }
        match rows.len() {
            0 => Access::Deny,
            1 => rows.pop().map_or(Access::Deny, Access::Rows),
            _ => Access::Rows(Filter::Any(rows)),
        }
    }

    /// Whether a record is among them.
    #[must_use]
    pub fn includes(&self, record: &Record) -> bool {
        match self {
            Access::Allow => true,
            Access::Deny => false,
            Access::Rows(filter) => filter.matches(record),
        }
    }

    /// The records as a filter.
    #[must_use]
    pub fn filter(self) -> Filter {
        match self {
            Access::Allow => Filter::everything(),
            Access::Deny => Filter::Any(Vec::new()),
            Access::Rows(filter) => filter,
        }
    }

    /// The same among the records in which these fields have these values, which the request itself names: a caller who
    /// asks for somebody else's partition is refused whether or not anything is there.
    #[must_use]
    pub(super) fn among(self, known: &[(String, Value)]) -> Access {
        match self {
            Access::Rows(filter) if !known.is_empty() => match assume(filter, known) {
                Filter::All(parts) if parts.is_empty() => Access::Allow,
                Filter::Any(parts) if parts.is_empty() => Access::Deny,
                filter => Access::Rows(filter),
            },
            access => access,
        }
    }

    /// The records that are in both.
    #[must_use]
    pub(super) fn and(self, other: Access) -> Access {
        match (self, other) {
            (Access::Deny, _) | (_, Access::Deny) => Access::Deny,
            (Access::Allow, access) | (access, Access::Allow) => access,
            (Access::Rows(one), Access::Rows(other)) => Access::Rows(Filter::All(vec![one, other])),
        }
    }
}

/// A filter in which the tests of known fields are decided. Everything is `All([])`, nothing is `Any([])`.
fn assume(filter: Filter, known: &[(String, Value)]) -> Filter {
    let nothing = || Filter::Any(Vec::new());
    match filter {
        Filter::Field { name, test } => match known.iter().find(|(field, _)| *field == name) {
            Some((_, value)) if test.passes(Some(value)) => Filter::everything(),
            Some(_) => nothing(),
            None => Filter::Field { name, test },
        },
        Filter::All(parts) => {
            let mut left = Vec::new();
            for part in parts {
                match assume(part, known) {
                    Filter::Any(parts) if parts.is_empty() => return nothing(),
                    Filter::All(parts) if parts.is_empty() => {}
                    part => left.push(part),
                }
            }
            Filter::All(left)
        }
        Filter::Any(parts) => {
            let mut left = Vec::new();
            for part in parts {
                match assume(part, known) {
                    Filter::All(parts) if parts.is_empty() => return Filter::everything(),
                    Filter::Any(parts) if parts.is_empty() => {}
                    part => left.push(part),
                }
            }
            Filter::Any(left)
        }
        Filter::Not(part) => match assume(*part, known) {
            Filter::All(parts) if parts.is_empty() => nothing(),
            Filter::Any(parts) if parts.is_empty() => Filter::everything(),
            part => Filter::Not(Box::new(part)),
        },
    }
}

/// A filter as a caller may use it: a field that it may not read is missing, like in the answer. Otherwise the filter
/// would tell, record by record, what the answer hides.
pub(super) fn blinded(filter: Filter, access: &impl Fn(&str) -> Access) -> Filter {
    match filter {
        Filter::All(parts) => Filter::All(
            parts
                .into_iter()
                .map(|part| blinded(part, access))
                .collect(),
        ),
        Filter::Any(parts) => Filter::Any(
            parts
                .into_iter()
                .map(|part| blinded(part, access))
                .collect(),
        ),
        Filter::Not(part) => Filter::Not(Box::new(blinded(*part, access))),
        Filter::Field { name, test } => match access(&name) {
            Access::Allow => Filter::Field { name, test },
            Access::Deny => on_missing(&test),
            Access::Rows(rows) => {
                let missing = on_missing(&test);
                Filter::Any(vec![
                    Filter::All(vec![rows.clone(), Filter::Field { name, test }]),
                    Filter::All(vec![Filter::Not(Box::new(rows)), missing]),
                ])
            }
        },
    }
}

/// A filter in which owners may be named by any form: as stored, by a part of it, or as clients see it; and the caller by
/// any of its identities (`errata.md` row 43). `own` are those of an owner field, `None` for all other fields.
pub(super) fn by_any_name(filter: Filter, own: &impl Fn(&str) -> Option<Vec<String>>) -> Filter {
    let each = |parts: Vec<Filter>| {
        parts
            .into_iter()
            .map(|part| by_any_name(part, own))
            .collect()
    };
    match filter {
        Filter::All(parts) => Filter::All(each(parts)),
        Filter::Any(parts) => Filter::Any(each(parts)),
        Filter::Not(part) => Filter::Not(Box::new(by_any_name(*part, own))),
        Filter::Field { name, test } => match own(&name) {
            None => Filter::Field { name, test },
            Some(own) => match test {
                Test::Eq(value) => named(&name, &[value], &own),
                Test::In(values) => named(&name, &values, &own),
                Test::Ne(value) => Filter::Not(Box::new(named(&name, &[value], &own))),
                Test::NotIn(values) => Filter::Not(Box::new(named(&name, &values, &own))),
                Test::Contains(value) => listed(&name, value, &own),
                Test::NotContains(value) => Filter::Not(Box::new(listed(&name, value, &own))),
                test => Filter::Field { name, test },
            },
        },
    }
}

/// The records whose owner is one of these, by any name.
pub(super) fn named(field: &str, values: &[Value], own: &[String]) -> Filter {
    let test = |test| Filter::Field {
        name: field.to_owned(),
        test,
    };
    let mut names = Vec::new();
    for value in values {
        match value.as_str() {
            None => names.push(test(Test::Eq(value.clone()))),
            Some(text) => {
                if own.iter().any(|identity| identity == text) {
                    let all = own.iter().map(|identity| identity.as_str().into());
                    names.push(test(Test::In(all.collect())));
                }
                names.push(test(Test::Names(text.to_owned())));
            }
        }
    }
    Filter::Any(names)
}

/// The records one of whose owners this is, by any name.
fn listed(field: &str, value: Value, own: &[String]) -> Filter {
    let test = |test| Filter::Field {
        name: field.to_owned(),
        test,
    };
    let mut names = Vec::new();
    if let Some(text) = value.as_str() {
        names.push(test(Test::HasName(text.to_owned())));
        if own.iter().any(|identity| identity == text) {
            for identity in own {
                names.push(test(Test::HasName(identity.clone())));
                names.push(test(Test::Eq(identity.as_str().into())));
            }
        }
    }
    names.push(test(Test::Contains(value)));
    Filter::Any(names)
}

/// What a test comes to on a missing attribute.
fn on_missing(test: &Test) -> Filter {
    if test.passes(None) {
        Filter::everything()
    } else {
        Filter::Any(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixtures::record;

    fn field(name: &str, value: &str) -> Filter {
        Filter::Field {
            name: name.to_owned(),
            test: Test::Eq(value.into()),
        }
    }

    #[test]
    fn known_values_decide_their_tests() {
        let rows = || Access::Rows(Filter::Any(vec![field("owner", "a"), field("group", "g")]));
        let known = |name: &str, value: &str| [(name.to_owned(), json!(value))];
        assert_eq!(rows().among(&known("owner", "a")), Access::Allow);
        assert_eq!(
            rows().among(&known("owner", "b")),
            Access::Rows(Filter::Any(vec![field("group", "g")]))
        );
        assert_eq!(rows().among(&known("other", "b")), rows());
        assert_eq!(
            Access::Rows(field("owner", "a")).among(&known("owner", "b")),
            Access::Deny
        );
        let not = Access::Rows(Filter::Not(Box::new(field("owner", "a"))));
        assert_eq!(not.among(&known("owner", "a")), Access::Deny);
    }

    #[test]
    fn a_filter_finds_a_field_missing_where_the_caller_may_not_read_it() {
        let mine = || Access::Rows(field("owner", "a"));
        let blind = |filter: Filter| {
            blinded(filter, &|name| {
                if name == "salary" {
                    mine()
                } else {
                    Access::Allow
                }
            })
        };
        let own = record(json!({"owner": "a", "salary": "s"}));
        let foreign = record(json!({"owner": "b", "salary": "s"}));
        let equal = blind(field("salary", "s"));
        assert!(equal.matches(&own) && !equal.matches(&foreign));
        let absent = blind(Filter::Field {
            name: "salary".to_owned(),
            test: Test::Exists(false),
        });
        assert!(!absent.matches(&own) && absent.matches(&foreign));
        let negated = blind(Filter::Not(Box::new(field("salary", "s"))));
        assert!(!negated.matches(&own) && negated.matches(&foreign));
        assert!(blind(field("owner", "b")).matches(&foreign));
    }
}
