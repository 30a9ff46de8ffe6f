//! Which rows a read walks over, as conditions on columns.

use serde_json::Value;

use driftless_resolvers::feed::Seq;
use driftless_resolvers::filter::{Filter, Test};
use driftless_resolvers::schema::model::Model;
use driftless_resolvers::storage::attributes::{self, Attributes};
use driftless_resolvers::storage::{
    Horizon, Key, Place, Position, Scope, StorageError, SyncPlace, key_fields,
};

use super::column_sql::{self, Operand};
use super::database::{Arg, Dialect};
use super::filter_sql::prefilter;
use super::narrow::{Narrowing, Part};
use super::rows::Hit;
use super::statements::Range;
use super::table::{Column, Table};

/// The walk of a query.
pub(super) struct Walk<'a> {
    dialect: Dialect,
    scope: Way<'a>,
}

enum Way<'a> {
    /// The whole table, by key, or the part of it that a filter leaves.
    Table(Option<Narrowing>),
    /// The record with this key.
    One(Key),
    /// Nothing: the partition value is of a type that the index does not hold.
    Nowhere,
    /// A partition of an index.
    Index(Box<IndexWalk<'a>>),
}

struct IndexWalk<'a> {
    attributes: Attributes,
    partition: Column,
    value: Arg,
    sort: Option<Column>,
    tests: &'a [Test],
    descending: bool,
    /// Whether a record may move in it: it is sorted, and not by the key, which does not change.
    moves: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        dialect: Dialect,
        model: &Model,
        table: &Table,
        scope: &'a Scope,
        filter: &Filter,
    ) -> Result<Self, StorageError> {
        let scope = match scope {
            Scope::Table => Way::Table(Narrowing::by_keys(model, table, filter)),
            Scope::Index {
                index: None,
                partition,
                ..
            } if model.key.sort.is_empty() => {
                Way::One(Key::from_values(std::slice::from_ref(partition)))
            }
            Scope::Index {
                index,
                partition,
                sort,
                descending,
            } => {
                let attributes = Attributes::of(model, key_fields(model, index.as_deref())?);
                let column = Column::of(attributes.partition.clone());
                match column_sql::bound(column.is_number(), partition) {
                    None => Way::Nowhere,
                    Some(value) => Way::Index(Box::new(IndexWalk {
                        moves: index.is_some() && attributes.sort.is_some(),
                        partition: known(table, column)?,
                        value,
                        sort: attributes
                            .sort
                            .clone()
                            .map(|sort| known(table, Column::of(sort)))
                            .transpose()?,
                        attributes,
                        tests: sort,
                        descending: *descending,
                    })),
                }
            }
        };
        Ok(Walk { dialect, scope })
    }

    /// The rows after a position.
    pub(super) fn range(&self, after: Option<&Position>, filter: &Filter) -> Range {
        self.range_after(after, filter, Vec::new())
    }

    /// The same in a statement that has arguments already.
    pub(super) fn range_after(
        &self,
        after: Option<&Position>,
        filter: &Filter,
        mut args: Vec<Arg>,
    ) -> Range {
        let (branches, order) = match &self.scope {
            Way::Nowhere => (vec!["1 = 0".to_owned()], "pk".to_owned()),
            Way::One(key) => {
                let mut conditions = vec![format!("pk = {}", push(&mut args, text(key)))];
                conditions.extend(after_key(after, &mut args));
                (vec![conditions.join(" and ")], "pk".to_owned())
            }
            Way::Table(narrowing) => {
                let condition = after_key(after, &mut args);
                let condition = condition.unwrap_or_else(|| "pk > ''".to_owned());
                (
                    branches(narrowing.as_ref(), &condition, &mut args),
                    "pk".to_owned(),
                )
            }
            Way::Index(walk) => {
                let (conditions, order) = walk.range(self.dialect, after, &mut args);
                (vec![conditions], order)
            }
        };
        let filter = prefilter(self.dialect, filter, &mut args);
        Range {
            branches,
            sorts: order == HIDDEN_KEY,
            order,
            filter,
            args,
        }
    }

    /// Whether a record passes the tests of the sort value that the database could not make.
    pub(super) fn passes(&self, hit: &Hit) -> bool {
        match &self.scope {
            Way::Index(walk) => walk
                .entry(hit)
                .is_some_and(|(_, sort)| attributes::passes(walk.tests, &sort)),
            Way::Table(_) | Way::One(_) | Way::Nowhere => true,
        }
    }

    /// The position of a record that was read where the walk had come to a place, or was at its beginning.
    pub(super) fn position(&self, hit: &Hit, at: Option<&Position>, horizon: Horizon) -> Position {
        let key = hit.key.clone();
        let place = match (at.map(|at| &at.place), &self.scope) {
            (Some(Place::Moved(_)), _) => Place::Moved(key),
            (_, Way::Index(walk)) => {
                let sort = walk.entry(hit).map_or(Value::Null, |(_, sort)| sort);
                Place::Standing { sort, key }
            }
            (_, Way::Table(_) | Way::One(_) | Way::Nowhere) => Place::Standing {
                sort: Value::Null,
                key,
            },
        };
        Position { place, horizon }
    }

    /// Where the walk goes on when a range of it that began at a place is at its end, and the log was at `head` then: with
    /// what has moved since the horizon, if anything may have. `None` is where it ends.
    pub(super) fn turn(&self, at: Option<&Position>, head: Horizon) -> Option<Position> {
        let Position { place, horizon } = at?;
        let may_move = matches!(&self.scope, Way::Index(walk) if walk.moves);
        let is_quiet = head == *horizon;
        let goes_on = matches!(place, Place::Standing { .. }) && may_move && !is_quiet;
        goes_on.then(|| Position {
            place: Place::Moved(Key(String::new())),
            horizon: *horizon,
        })
    }
}

impl IndexWalk<'_> {
    /// Where the index holds a record.
    fn entry(&self, hit: &Hit) -> Option<(Value, Value)> {
        self.attributes.entry(&hit.key, &hit.record.fields)
    }

    /// The condition and the order of the rows after a position.
    fn range(
        &self,
        dialect: Dialect,
        after: Option<&Position>,
        args: &mut Vec<Arg>,
    ) -> (String, String) {
        let value = push(args, self.value.clone());
        let mut conditions = vec![format!("{} = {value}", self.partition.name)];
        let order = match (&self.sort, after.map(|after| (&after.place, after.horizon))) {
            (None, after) => {
                let (direction, comparison) = self.direction();
                if let Some((place, horizon)) = after {
                    let key = push(args, text(place.key()));
                    conditions.push(format!("pk {comparison} {key}"));
                    conditions.push(made_by(horizon.seq, args));
                }
                format!("pk{direction}")
            }
            (Some(sort), Some((Place::Moved(key), horizon))) => {
                conditions.extend(self.passing(dialect, sort, &hidden(sort), args));
                conditions.extend(self.moved(sort, key, horizon, args));
                HIDDEN_KEY.to_owned()
            }
            (Some(sort), after) => {
                let (direction, _) = self.direction();
                conditions.extend(self.passing(dialect, sort, &sort.name, args));
                if let Some((place, horizon)) = after {
                    conditions.extend(self.standing(sort, place, horizon, args));
                }
                format!("{}{direction}, pk{direction}", sort.name)
            }
        };
        (conditions.join(" and "), order)
    }

    /// How it is ordered, and how what comes later compares.
    fn direction(&self) -> (&'static str, &'static str) {
        if self.descending {
            (" desc", "<")
        } else {
            ("", ">")
        }
    }

    /// That the index holds a record, and its sort value passes; `name` is the value's.
    fn passing(
        &self,
        dialect: Dialect,
        sort: &Column,
        name: &str,
        args: &mut Vec<Arg>,
    ) -> Vec<String> {
        let operand = Operand::column(name, sort.is_number());
        let tests = self.tests.iter();
        let tests = tests.filter_map(|test| column_sql::column_test(dialect, &operand, test, args));
        let is_held = std::iter::once(format!("{name} is not null"));
        is_held.chain(tests).collect()
    }

    /// That a record stands where it stood at the horizon, after a place.
    fn standing(
        &self,
        sort: &Column,
        place: &Place,
        horizon: Horizon,
        args: &mut Vec<Arg>,
    ) -> Vec<String> {
        let mut conditions = Vec::new();
        if let Place::Standing { sort: value, key } = place
            && let Some(value) = column_sql::bound(sort.is_number(), value)
        {
            let (_, comparison) = self.direction();
            let (value, key) = (push(args, value), push(args, text(key)));
            conditions.push(format!("({}, pk) {comparison} ({value}, {key})", sort.name));
        }
        conditions.push(made_by(horizon.seq, args));
        if self.moves {
            let seq = push(args, Arg::Int(horizon.seq.0));
            let stands =
                |Column { moved, .. }: &Column| format!("({moved} is null or {moved} <= {seq})");
            conditions.extend([stands(&self.partition), stands(sort)]);
        }
        conditions
    }

    /// That a record has moved since the horizon, and has a later key. It is found among what has changed since, which is a
    /// range of an index in the order of change, and sorted then.
    fn moved(
        &self,
        sort: &Column,
        after: &Key,
        horizon: Horizon,
        args: &mut Vec<Arg>,
    ) -> [String; 4] {
        let key = push(args, text(after));
        let changed = push(args, Arg::Int(horizon.changed.0));
        let seq = push(args, Arg::Int(horizon.seq.0));
        [
            format!("{HIDDEN_KEY} > {key}"),
            format!("(changed_ms, seq) > ({changed}, {seq})"),
            format!(
                "({} > {seq} or {} > {seq})",
                self.partition.moved, sort.moved
            ),
            format!("first_seq <= {seq}"),
        ]
    }
}

/// The key as no index holds it: in its order a database would rather walk over everything than sort what has moved.
const HIDDEN_KEY: &str = "(pk || '')";

/// The value of a column as no index holds it.
fn hidden(column: &Column) -> String {
    let nothing = if column.is_number() { "+ 0" } else { "|| ''" };
    format!("({} {nothing})", column.name)
}

/// The rows of a sync after a place; those of a later page are those that [`SyncCursor::reaches`].
///
/// [`SyncCursor::reaches`]: driftless_resolvers::storage::SyncCursor::reaches
pub(super) fn changes(
    dialect: Dialect,
    place: &SyncPlace,
    horizon: Option<Seq>,
    filter: &Filter,
    narrowing: Option<&Narrowing>,
) -> Range {
    let mut args = Vec::new();
    let (condition, order) = match place {
        SyncPlace::Base(key) => {
            let mut condition = format!("pk > {}", push(&mut args, text(key)));
            if let Some(horizon) = horizon {
                condition.push_str(&format!(" and {}", made_by(horizon, &mut args)));
            }
            (condition, "pk")
        }
        SyncPlace::Delta(time, seq) => {
            let time = push(&mut args, Arg::Int(time.0));
            let seq = push(&mut args, Arg::Int(seq.0));
            (
                format!("(changed_ms, seq) > ({time}, {seq})"),
                "changed_ms, seq",
            )
        }
    };
    let narrowing = narrowing.filter(|narrowing| narrowing.suits(place));
    Range {
        branches: branches(narrowing, &condition, &mut args),
        order: order.to_owned(),
        sorts: false,
        filter: prefilter(dialect, filter, &mut args),
        args,
    }
}

/// A condition in each part of a table that a filter leaves.
fn branches(narrowing: Option<&Narrowing>, condition: &str, args: &mut Vec<Arg>) -> Vec<String> {
    let Some(Narrowing { parts }) = narrowing else {
        return vec![condition.to_owned()];
    };
    let values: Vec<_> = parts
        .iter()
        .map(|part| push(args, part.value.clone()))
        .collect();
    let branch = |(at, part): (usize, &Part)| {
        let mut branch = format!("{} = {} and {condition}", part.column, values[at]);
        // A record that is in several parts belongs to the first.
        for (former, value) in parts[..at].iter().zip(&values) {
            if former.column != part.column {
                branch.push_str(&format!(" and {} is distinct from {value}", former.column));
            }
        }
        branch
    };
    parts.iter().enumerate().map(branch).collect()
}

fn after_key(after: Option<&Position>, args: &mut Vec<Arg>) -> Option<String> {
    let after = after?;
    let key = push(args, text(after.place.key()));
    let made_by = made_by(after.horizon.seq, args);
    Some(format!("pk > {key} and {made_by}"))
}

/// That a record came into being at this position of the log or before it.
fn made_by(horizon: Seq, args: &mut Vec<Arg>) -> String {
    format!("first_seq <= {}", push(args, Arg::Int(horizon.0)))
}

fn text(key: &Key) -> Arg {
    Arg::Text(key.0.clone())
}

/// Adds an argument and names it.
pub(super) fn push(args: &mut Vec<Arg>, arg: Arg) -> String {
    args.push(arg);
    format!("${}", args.len())
}

fn known(table: &Table, column: Column) -> Result<Column, StorageError> {
    if table.columns.contains(&column) {
        return Ok(column);
    }
    let fields = column.attribute.fields.join("#");
    Err(StorageError::Corrupt(format!(
        "the store is not prepared for an index over {fields}"
    )))
}
