//! What happens between the pages of a query by an index: its records move in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{bail, ensure};
use driftless_resolvers::feed::Operation;
use driftless_resolvers::filter::Filter;
use driftless_resolvers::schema::model::{Model, Scalar};
use driftless_resolvers::storage::{Expected, Key, Page, Put, Query, Scope, Storage, Write};
use driftless_resolvers::{Fields, Version};
use serde_json::{Value, json};

use crate::support::models::{model, schema};
use crate::support::probe::ids;
use crate::support::rig::{Rig, Verdict, anomaly};

/// Posts of one blog in the order of their titles, which begin as their ids.
pub(super) struct Blog {
    storage: Arc<dyn Storage>,
    model: Model,
    versions: BTreeMap<String, u32>,
}

impl Blog {
    /// One without posts.
    pub(super) async fn new(rig: &Rig) -> anyhow::Result<Blog> {
        let fields = [
            ("id", Scalar::Id),
            ("blog", Scalar::Id),
            ("title", Scalar::String),
        ];
        let model = model("Post", &fields, &["id"], &[("byTitle", &["blog", "title"])]);
        let storage = rig.storage();
        storage.prepare(&schema(&[&model])).await?;
        Ok(Blog {
            storage,
            model,
            versions: BTreeMap::new(),
        })
    }

    async fn of_nine(rig: &Rig) -> anyhow::Result<Blog> {
        let mut blog = Blog::new(rig).await?;
        for n in 1..=9 {
            let id = format!("r{n}");
            blog.call(&id, &id).await?;
        }
        Ok(blog)
    }

    /// Gives a post a title.
    async fn call(&mut self, id: &str, title: &str) -> Verdict {
        let fields = json!({"id": id, "blog": "b", "title": title});
        let fields: Fields = fields.as_object().cloned().unwrap_or_default();
        let version = self.versions.entry(id.to_owned()).or_default();
        let (expected, operation) = match *version {
            0 => (Expected::Absent, Operation::Create),
            version => (Expected::Version(Version(version)), Operation::Update),
        };
        let write = Write {
            key: Key::from_values(&[Value::from(id)]),
            expected,
            operation,
            fields,
            deleted: false,
            actor: None,
            request: None,
        };
        match self.storage.put(&self.model, write).await? {
            Put::Done(record) => *version = record.version.0,
            Put::Stale(stored) => bail!("another version is stored: {stored:?}"),
        }
        Ok(())
    }

    /// The page of two after another one.
    async fn page(&self, before: Option<Page>) -> anyhow::Result<Page> {
        let query = Query {
            scope: Scope::Index {
                index: Some("byTitle".to_owned()),
                partition: json!("b"),
                sort: Vec::new(),
                descending: false,
            },
            rows: Filter::everything(),
            filter: Filter::everything(),
            limit: 2,
            after: before.and_then(|page| page.next),
        };
        Ok(self.storage.query(&self.model, &query).await?)
    }
}

anomaly!(t18_an_index_query_shows_what_moves_behind_its_cursor on [memory, sqlite, postgres] notices [
    horizons_of_each_page: LateHorizon,
    index_queries_without_a_horizon: NoHorizon
]);

/// Between each two pages the last record of the index becomes its first.
async fn t18_an_index_query_shows_what_moves_behind_its_cursor(rig: &Rig) -> Verdict {
    let mut blog = Blog::of_nine(rig).await?;
    let mut page = blog.page(None).await?;
    let mut found = ids(&page.records);
    for last in (3..=9).rev() {
        blog.call(&format!("r{last}"), &format!("a{last}")).await?;
        if page.next.is_none() {
            break;
        }
        page = blog.page(Some(page)).await?;
        found.extend(ids(&page.records));
    }
    ensure!(page.next.is_none(), "it does not end: {found:?}");
    found.sort();
    found.dedup();
    ensure!(found.len() == 9, "some are hidden: {found:?}");
    Ok(())
}

anomaly!(t19_an_index_query_ends_although_what_it_shows_moves_ahead_of_it on [memory, sqlite, postgres] notices [
    index_queries_without_a_horizon: NoHorizon
]);

/// D5. Whatever a page shows is the last of the index by the time the next one is read, as where it is sorted by the time of
/// the last message.
pub(super) async fn t19_an_index_query_ends_although_what_it_shows_moves_ahead_of_it(
    rig: &Rig,
) -> Verdict {
    let mut blog = Blog::of_nine(rig).await?;
    let mut page = blog.page(None).await?;
    let mut shown: BTreeMap<String, usize> = BTreeMap::new();
    let mut moves = 0;
    loop {
        for id in ids(&page.records) {
            moves += 1;
            ensure!(moves < 60, "the query does not end");
            blog.call(&id, &format!("s{moves:02}")).await?;
            *shown.entry(id).or_default() += 1;
        }
        if page.next.is_none() {
            break;
        }
        page = blog.page(Some(page)).await?;
    }
    ensure!(shown.len() == 9, "some are hidden: {shown:?}");
    ensure!(shown.values().all(|times| *times <= 2), "{shown:?}");
    Ok(())
}
