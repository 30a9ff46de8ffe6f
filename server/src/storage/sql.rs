//! The store over SQL: the same reads for both databases; writes go through each model's queue.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError, RwLock};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use driftless_resolvers::feed::{Feed, Seq, Stretch};
use driftless_resolvers::filter::Filter;
use driftless_resolvers::schema::Schema;
use driftless_resolvers::schema::model::Model;
use driftless_resolvers::storage::{
    Key, Page, Put, Query, Revision, Storage, StorageError, SyncPage, SyncQuery, Write,
};
use driftless_resolvers::{Record, Version};

use super::database::{Arg, Statement};
use super::engine::Engine;
use super::migrate::{self, Observer};
use super::page::{Collected, Reader};
use super::range;
use super::rows::{self, Hit, hit, logged};
use super::shelf::Shelf;
use super::statements;
use super::syncs::behind;
use super::table::Table;
use super::wake::Board;

/// A store over one of the two databases.
pub(super) struct SqlStore {
    engine: Arc<Engine>,
    shelves: RwLock<HashMap<String, Arc<Shelf>>>,
    board: Arc<Board>,
    /// The numbers of models by their names in the schema, which their tables may not have (`@mapsTo`).
    numbers: RwLock<HashMap<String, i64>>,
    /// The schema that was prepared for last.
    served: RwLock<Option<Arc<Schema>>>,
    /// How much the documents of a page weigh at most, in bytes.
    page_bytes: usize,
}

impl SqlStore {
    pub(super) fn new(engine: Arc<Engine>, board: Arc<Board>, page_bytes: usize) -> Self {
        SqlStore {
            engine,
            shelves: RwLock::default(),
            board,
            numbers: RwLock::default(),
            served: RwLock::default(),
            page_bytes,
        }
    }

    pub(super) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    pub(super) fn board(&self) -> &Board {
        &self.board
    }

    fn shelf(&self, model: &Model) -> Result<Arc<Shelf>, StorageError> {
        let shelves = self.shelves.read().unwrap_or_else(PoisonError::into_inner);
        shelves.get(model.stored_name()).cloned().ok_or_else(|| {
            StorageError::Corrupt(format!("the store is not prepared for {}", model.name))
        })
    }

    /// The number of a model by its name in a schema that was served.
    pub(super) fn number(&self, model: &str) -> Option<i64> {
        let numbers = self.numbers.read().unwrap_or_else(PoisonError::into_inner);
        numbers.get(model).copied()
    }

    pub(super) fn table(&self, model: &Model) -> Result<Arc<Table>, StorageError> {
        Ok(self.shelf(model)?.table())
    }

    /// Starts the queues of new models and gives known ones their new columns.
    fn install(&self, schema: &Schema, tables: Vec<Table>) {
        let mut shelves = self.shelves.write().unwrap_or_else(PoisonError::into_inner);
        let mut numbers = self.numbers.write().unwrap_or_else(PoisonError::into_inner);
        for (model, table) in schema.models.values().zip(tables) {
            numbers.insert(model.name.clone(), table.shard);
            let model = model.stored_name();
            if let Some(shelf) = shelves.get(model) {
                shelf.replace(table);
                continue;
            }
            let shelf = Shelf::open(&self.engine, table, &self.board);
            shelves.insert(model.to_owned(), Arc::new(shelf));
        }
    }

    /// Prepares for a schema step by step; answers whether it went to the end.
    pub(super) async fn migrate(
        &self,
        schema: &Schema,
        observer: Observer<'_>,
    ) -> Result<bool, StorageError> {
        let tables = migrate::prepare(&self.engine, schema, observer).await?;
        let Some(tables) = tables else {
            return Ok(false);
        };
        self.install(schema, tables);
        let mut served = self.served.write().unwrap_or_else(PoisonError::into_inner);
        *served = Some(Arc::new(schema.clone()));
        Ok(true)
    }

    /// Prepares once more for the schema that is served, if one is: the database may have fallen back to before a change of
    /// it.
    pub(super) async fn prepare_again(&self) -> Result<(), StorageError> {
        let Some(schema) = self.served() else {
            return Ok(());
        };
        self.engine.forget_tables();
        self.prepare(&schema).await
    }

    fn served(&self) -> Option<Arc<Schema>> {
        let served = self.served.read().unwrap_or_else(PoisonError::into_inner);
        served.clone()
    }

    /// Commits what is queued and takes nothing more.
    pub(super) async fn finish(&self) {
        let shelves = {
            let mut shelves = self.shelves.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *shelves)
        };
        for shelf in shelves.into_values() {
            shelf.queue.finish().await;
        }
    }

    /// Closes the connections.
    pub(super) async fn close(&self) {
        self.engine.close().await;
    }

    async fn get_all(
        &self,
        model: &Model,
        keys: &[Key],
    ) -> Result<Vec<Option<Record>>, StorageError> {
        let table = self.table(model)?;
        let statement = match keys {
            [] => return Ok(Vec::new()),
            [key] => statements::one(self.engine.dialect(), &table, key),
            keys => {
                let keys = keys.iter().map(|key| key.0.as_str());
                statements::many(self.engine.dialect(), &table, keys)
            }
        };
        let mut found = HashMap::new();
        for row in self.engine.rows(statement).await? {
            let hit = hit(&row, 0)?;
            found.insert(hit.key, hit.record);
        }
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    /// A page on its way.
    pub(super) fn reader(&self, rows: &Filter, filter: &Filter, limit: usize) -> Reader {
        Reader::new(rows, filter, limit, self.page_bytes)
    }

    /// How much the documents of a page may weigh.
    pub(super) fn page_bytes(&self) -> usize {
        self.page_bytes
    }

    /// A page of a query that ends where its documents weigh `most` bytes, and what was read for it.
    pub(super) async fn page(
        &self,
        model: &Model,
        query: &Query,
        most: usize,
    ) -> Result<(Page, usize), StorageError> {
        let table = self.table(model)?;
        let dialect = self.engine.dialect();
        let mut reader = Reader::new(&query.rows, &query.filter, query.limit, most);
        let mut weight = 0;
        let walk = range::Walk::new(dialect, model, &table, &query.scope, reader.filter())?;
        let mut after = query.after.clone();
        // Where the range begins that is walked.
        let mut beginning = after.clone();
        loop {
            let range = walk.range(after.as_ref(), reader.filter());
            let tested = range.tested();
            let want = reader.want(tested);
            let sql = statements::page(dialect, &table, &range, want);
            let scan = Statement::new(sql, range.args).within(reader.allowance(0));
            let rows = self.engine.rows(scan).await?;
            let (head, hits) = rows::page(&rows)?;
            // All pages are about what the very first read of the first one saw.
            let horizon = after.as_ref().map_or(head, |after| after.horizon);
            if head.seq < horizon.seq {
                return Err(behind());
            }
            weight += rows::weight(&hits);
            let passes = |hit: &Hit| walk.passes(hit);
            let position = |last: &Hit| Some(walk.position(last, after.as_ref(), horizon));
            let (records, next) = match reader.take(want, tested, hits, passes) {
                Collected::More(last) => {
                    after = position(&last);
                    continue;
                }
                Collected::Page { records, last } => {
                    (records, last.as_ref().map_or(beginning, position))
                }
                Collected::End => match walk.turn(after.as_ref(), head) {
                    None => (reader.into_records(), None),
                    next => {
                        reader.turn();
                        beginning.clone_from(&next);
                        after = next;
                        continue;
                    }
                },
            };
            return Ok((Page { records, next }, weight));
        }
    }

    async fn revision_of(
        &self,
        model: &Model,
        key: &Key,
        version: Version,
    ) -> Result<Option<Revision>, StorageError> {
        let table = self.table(model)?;
        let statement = statements::revision(self.engine.dialect(), &table, key, version);
        let rows = self.engine.rows(statement).await?;
        Ok(rows
            .first()
            .map(logged)
            .transpose()?
            .and_then(|(_, row)| row))
    }

    async fn log_head(&self, model: &Model) -> Result<Seq, StorageError> {
        let table = self.table(model)?;
        let rows = self.engine.rows(statements::head(&table)).await?;
        Ok(Seq(rows.first().map_or(Ok(0), |row| row.int(0))?))
    }

    async fn events(
        &self,
        model: &Model,
        after: Seq,
        limit: usize,
    ) -> Result<Stretch, StorageError> {
        let table = self.table(model)?;
        let line = self.board.line(table.shard);
        if let Some(known) = line.since(after, limit) {
            return Ok(known);
        }
        let statement = statements::since(self.engine.dialect(), &table, after, limit);
        let mut stretch = Stretch {
            events: Vec::new(),
            next: after,
            whole: true,
        };
        for row in self.engine.rows(statement).await? {
            let (seq, revision) = logged(&row)?;
            stretch.whole &= seq.0 == stretch.next.0 + 1;
            stretch.next = seq;
            stretch
                .events
                .extend(revision.map(|revision| revision.event(seq)));
        }
        if stretch.next > after {
            line.shows(stretch.next);
        }
        Ok(stretch)
    }
}

/// The secret of a name, made if there is none.
pub(super) async fn secret(engine: &Engine, name: &str) -> Result<[u8; 32], StorageError> {
    let read = || {
        Statement::new(
            "select value from secrets where name = $1",
            vec![Arg::Text(name.to_owned())],
        )
    };
    if let Some(row) = engine.rows(read()).await?.first() {
        return super::secret::decode(&row.text(0)?);
    }
    let fresh = super::secret::fresh()?;
    let keep = Statement::new(
        "insert into secrets (name, value) values ($1, $2) on conflict (name) do nothing",
        vec![Arg::Text(name.to_owned()), Arg::Text(fresh)],
    );
    engine.execute(keep).await?;
    let rows = engine.rows(read()).await?;
    let row = rows
        .first()
        .ok_or_else(|| StorageError::Corrupt(format!("secret {name} is gone")))?;
    super::secret::decode(&row.text(0)?)
}

impl Storage for SqlStore {
    fn prepare<'a>(&'a self, schema: &'a Schema) -> BoxFuture<'a, Result<(), StorageError>> {
        async move {
            self.migrate(schema, &|_| ControlFlow::Continue(()))
                .await
                .map(drop)
        }
        .boxed()
    }

    fn get<'a>(
        &'a self,
        model: &'a Model,
        keys: &'a [Key],
    ) -> BoxFuture<'a, Result<Vec<Option<Record>>, StorageError>> {
        self.get_all(model, keys).boxed()
    }

    fn query<'a>(
        &'a self,
        model: &'a Model,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Page, StorageError>> {
        async move {
            let (page, _) = self.page(model, query, self.page_bytes).await?;
            Ok(page)
        }
        .boxed()
    }

    fn query_all<'a>(
        &'a self,
        model: &'a Model,
        queries: &'a [Query],
    ) -> BoxFuture<'a, Result<Vec<Page>, StorageError>> {
        self.pages(model, queries).boxed()
    }

    fn sync<'a>(
        &'a self,
        model: &'a Model,
        query: &'a SyncQuery,
    ) -> BoxFuture<'a, Result<SyncPage, StorageError>> {
        self.sync_page(model, query).boxed()
    }

    fn put<'a>(
        &'a self,
        model: &'a Model,
        write: Write,
    ) -> BoxFuture<'a, Result<Put, StorageError>> {
        async move { self.shelf(model)?.queue.put(write).await }.boxed()
    }

    fn revision<'a>(
        &'a self,
        model: &'a Model,
        key: &'a Key,
        version: Version,
    ) -> BoxFuture<'a, Result<Option<Revision>, StorageError>> {
        self.revision_of(model, key, version).boxed()
    }

    fn secret<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<[u8; 32], StorageError>> {
        secret(&self.engine, name).boxed()
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), StorageError>> {
        async move {
            self.engine
                .rows(Statement::new("select 1", Vec::new()))
                .await
                .map(drop)
        }
        .boxed()
    }
}

impl Feed for SqlStore {
    fn head<'a>(&'a self, model: &'a Model) -> BoxFuture<'a, Result<Seq, StorageError>> {
        self.log_head(model).boxed()
    }

    fn since<'a>(
        &'a self,
        model: &'a Model,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'a, Result<Stretch, StorageError>> {
        self.events(model, after, limit).boxed()
    }

    fn hints(&self, model: &Model) -> watch::Receiver<Seq> {
        match self.table(model) {
            Ok(table) => self.board.line(table.shard).hints(),
            // Nothing is written to a model that the store is not prepared for.
            Err(_) => watch::Sender::new(Seq(0)).subscribe(),
        }
    }
}
