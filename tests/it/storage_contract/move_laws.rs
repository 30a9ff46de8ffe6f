//! The promises of a query by an index as laws: its records move, come and go between its pages in any order.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{bail, ensure};
use driftless_resolvers::storage::{Page, Storage};
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use proptest::sample::select;

use super::*;
use crate::support::bent::Flaw;
use crate::support::probe::id;
use crate::support::rig::{self, Rig, Verdict};

/// How many records there are at most, and how many values of a sort field.
const RECORDS: u8 = 9;
const VALUES: u8 = 6;

/// A query by an index.
#[derive(Debug, Clone)]
struct Asked {
    index: &'static str,
    descending: bool,
    /// The least sort value that it asks for.
    least: u8,
    limit: usize,
}

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    /// A record gets a place: whether that is in the partition that is read, and the sort value.
    Move(u8, bool, u8),
    /// Something else of it changes.
    Touch(u8),
    /// The next page is read.
    Page,
    /// The next page is read, and what is on it gets a place that comes last.
    Chase,
}

fn case() -> impl Strategy<Value = (Asked, Vec<Step>)> {
    let index = select(vec!["byTitle", "byScore", "byStatus"]);
    let asked = (index, any::<bool>(), 0..3_u8, 1..4_usize);
    let asked = asked.prop_map(|(index, descending, least, limit)| Asked {
        index,
        descending,
        least,
        limit,
    });
    let step = prop_oneof![
        4 => (0..RECORDS, proptest::bool::weighted(0.8), 0..VALUES)
            .prop_map(|(record, is_in, value)| Step::Move(record, is_in, value)),
        1 => (0..RECORDS).prop_map(Step::Touch),
        2 => Just(Step::Page),
        2 => Just(Step::Chase),
    ];
    (asked, proptest::collection::vec(step, 1..50))
}

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spot {
    version: u32,
    is_in: bool,
    value: u8,
}

/// The records, and what a query over them must keep.
struct World {
    storage: Arc<dyn Storage>,
    model: Model,
    asked: Asked,
    records: BTreeMap<String, Spot>,
    walk: Option<Walk>,
}

/// A query on its way.
struct Walk {
    page: Page,
    pages: usize,
    /// How often each record was shown.
    shown: BTreeMap<String, usize>,
    /// In this order.
    order: Vec<String>,
    /// The records at its beginning; of these what has matched since, and what has moved.
    began: BTreeMap<String, Spot>,
    matching: BTreeSet<String>,
    moved: BTreeSet<String>,
}

impl World {
    fn matches(&self, spot: Spot) -> bool {
        spot.is_in && spot.value >= self.asked.least
    }

    /// Writes a record; `None` leaves it where it is.
    async fn write(&mut self, id: &str, place: Option<(bool, u8)>) -> Verdict {
        let before = self.records.get(id).copied();
        let (is_in, value) = match (place, before) {
            (Some(place), _) => place,
            (None, Some(spot)) => (spot.is_in, spot.value),
            (None, None) => return Ok(()),
        };
        let document = json!({
            "id": id,
            "blog": if is_in { "x" } else { "y" },
            "title": format!("t{value}"),
            "score": f64::from(value) / 2.0,
            "status": format!("s{value}"),
            "rating": 1,
            "body": before.map(|spot| spot.version),
        });
        let expected = match before {
            None => Expected::Absent,
            Some(spot) => Expected::Version(Version(spot.version)),
        };
        let write = write(&self.model, expected, document);
        let version = match self.storage.put(&self.model, write).await? {
            Put::Done(record) => record.version.0,
            Put::Stale(stored) => bail!("another version is stored: {stored:?}"),
        };
        let spot = Spot {
            version,
            is_in,
            value,
        };
        self.records.insert(id.to_owned(), spot);
        let matches = self.matches(spot);
        if let Some(walk) = &mut self.walk {
            if !matches {
                walk.matching.remove(id);
            }
            if before.is_some_and(|before| (before.is_in, before.value) != (is_in, value)) {
                walk.moved.insert(id.to_owned());
            }
        }
        Ok(())
    }

    /// Reads the next page, or the first one; answers what is on it.
    async fn page(&mut self) -> anyhow::Result<Vec<String>> {
        let least = match self.asked.index {
            "byTitle" => json!(format!("t{}", self.asked.least)),
            "byScore" => json!(f64::from(self.asked.least) / 2.0),
            _ => json!(format!("s{}", self.asked.least)),
        };
        let query = Query {
            scope: partition(
                self.asked.index,
                json!("x"),
                vec![Test::Ge(least)],
                self.asked.descending,
            ),
            rows: Filter::everything(),
            filter: Filter::everything(),
            limit: self.asked.limit,
            after: self.walk.as_ref().and_then(|walk| walk.page.next.clone()),
        };
        let page = self.storage.query(&self.model, &query).await?;
        let found: Vec<_> = page.records.iter().map(id).collect();
        let mut walk = self.walk.take().unwrap_or_else(|| Walk {
            page: Page::default(),
            pages: 0,
            shown: BTreeMap::new(),
            order: Vec::new(),
            began: self.records.clone(),
            matching: self.matching(),
            moved: BTreeSet::new(),
        });
        for record in &page.records {
            let spot = self.records[&id(record)];
            ensure!(
                record.version.0 == spot.version,
                "D5: an old state: {record:?}"
            );
            ensure!(self.matches(spot), "D5: it does not match: {record:?}");
            ensure!(
                walk.began.contains_key(&id(record)),
                "D5: it is new: {record:?}"
            );
            *walk.shown.entry(id(record)).or_default() += 1;
        }
        walk.order.extend(found.iter().cloned());
        walk.pages += 1;
        walk.page = page;
        let most = 2 * usize::from(RECORDS) / self.asked.limit + 3;
        ensure!(walk.pages <= most, "D5: {} pages", walk.pages);
        if walk.page.next.is_none() {
            self.is_whole(&walk)?;
        } else {
            self.walk = Some(walk);
        }
        Ok(found)
    }

    fn matching(&self) -> BTreeSet<String> {
        let records = self.records.iter();
        let matching = records.filter(|(_, spot)| self.matches(**spot));
        matching.map(|(id, _)| id.clone()).collect()
    }

    /// At the end of a query nothing is hidden, and only what has moved was shown again or out of order.
    fn is_whole(&self, walk: &Walk) -> Verdict {
        for id in &walk.matching {
            ensure!(walk.shown.contains_key(id), "D5: {id} is hidden");
        }
        for (id, times) in &walk.shown {
            let most = if walk.moved.contains(id) { 2 } else { 1 };
            ensure!(*times <= most, "D5: {id} is shown {times} times");
        }
        let standing = walk.order.iter().filter(|id| !walk.moved.contains(*id));
        let standing: Vec<_> = standing
            .map(|id| (walk.began[id].value, id.clone()))
            .collect();
        let mut sorted = standing.clone();
        sorted.sort();
        if self.asked.descending {
            sorted.reverse();
        }
        ensure!(standing == sorted, "D5: {standing:?} are out of order");
        let empty = walk.pages > 1 && walk.page.records.is_empty();
        ensure!(
            !empty || !walk.moved.is_empty(),
            "D5: the last page is empty"
        );
        Ok(())
    }
}

async fn hold(rig: &Rig, number: u32, asked: Asked, steps: &[Step]) -> Verdict {
    let model = Model {
        name: format!("Post{number}"),
        ..post()
    };
    let storage = rig.storage();
    storage.prepare(&schema(&[&model])).await?;
    let last = if asked.descending {
        asked.least
    } else {
        VALUES
    };
    let mut world = World {
        storage,
        model,
        asked,
        records: BTreeMap::new(),
        walk: None,
    };
    for number in 0..RECORDS - 2 {
        let value = number * 5 % VALUES;
        world
            .write(&format!("r{number}"), Some((true, value)))
            .await?;
    }
    for step in steps {
        match step {
            Step::Move(record, is_in, value) => {
                let place = Some((*is_in, *value));
                world.write(&format!("r{record}"), place).await?;
            }
            Step::Touch(record) => world.write(&format!("r{record}"), None).await?,
            Step::Page => drop(world.page().await?),
            Step::Chase => {
                for id in world.page().await? {
                    world.write(&id, Some((true, last))).await?;
                }
            }
        }
    }
    while world.walk.is_some() {
        world.page().await?;
    }
    Ok(())
}

/// Whether the laws hold over a store.
fn laws(start: impl AsyncFnOnce() -> Rig, cases: u32) -> Result<(), String> {
    let hold = async |rig: &Rig, number, (asked, steps): (Asked, Vec<Step>)| {
        hold(rig, number, asked, &steps).await
    };
    rig::laws(start, cases, &case(), &hold)
}

#[test]
fn pages_of_an_index_and_moves_in_any_order_keep_the_laws_of_queries_in_memory() {
    laws(Rig::memory, 300).expect("the laws hold");
}

#[test]
fn pages_of_an_index_and_moves_in_any_order_keep_the_laws_of_queries_in_sqlite() {
    laws(Rig::sqlite, 60).expect("the laws hold");
}

#[test]
fn pages_of_an_index_and_moves_in_any_order_keep_the_laws_of_queries_in_postgres() {
    laws(Rig::postgres, 30).expect("the laws hold");
}

/// No law is a truism: each is broken by a store with a naive way in it.
#[test]
fn laws_of_queries_notice_naive_stores() {
    for flaw in [Flaw::NoHorizon, Flaw::LateHorizon] {
        let broken = laws(async || Rig::flawed(flaw).await, 300);
        let broken = broken.expect_err("a law is broken");
        assert!(broken.contains("D5: "), "{flaw:?}: {broken}");
    }
}
