//! Requests on their way: each makes one step when it is told to.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use driftless_resolvers::Record;
use driftless_resolvers::Version;
use driftless_resolvers::api::{Api, Reply, Request};
use driftless_resolvers::identity::Caller;
use driftless_resolvers::schema::Schema;
use driftless_resolvers::schema::model::Model;
use driftless_resolvers::storage::{
    Key, Page, Put, Query, Revision, Storage, StorageError, SyncPage, SyncQuery, Write,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

/// More often than this no request that goes on asks the store.
const MOST_STEPS: usize = 1_000;

/// Whom a request is from, and what for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Errand {
    /// Which device waits for the answer.
    pub(super) device: usize,
    /// Which node works on it.
    pub(super) node: usize,
    /// Whether it is a mutation; else a page of a sync.
    pub(super) is_mutation: bool,
}

/// A request that the server is working on.
pub(super) struct Call {
    pub(super) errand: Errand,
    /// Whether the answer will arrive.
    pub(super) is_awaited: bool,
    /// Whether the server has done anything about it.
    pub(super) is_begun: bool,
    work: Pin<Box<dyn Future<Output = Reply> + Send>>,
}

impl Call {
    pub(super) fn new(errand: Errand, api: &Arc<Api>, caller: Caller, request: Request) -> Call {
        let api = Arc::clone(api);
        Call {
            errand,
            is_awaited: true,
            is_begun: false,
            work: Box::pin(async move { api.execute(&request, &caller).await }),
        }
    }

    /// Makes the next step: up to the next time the store is asked.
    pub(super) fn step(&mut self) -> Option<Reply> {
        self.is_begun = true;
        let mut context = Context::from_waker(Waker::noop());
        match self.work.as_mut().poll(&mut context) {
            Poll::Ready(reply) => Some(reply),
            Poll::Pending => None,
        }
    }

    /// Makes all steps at once; none of them may wait for time to pass.
    pub(super) fn finish(mut self) -> Reply {
        let mut replies = (0..MOST_STEPS).map(|_| self.step());
        replies
            .find_map(|reply| reply)
            .expect("a request that nobody holds up")
    }
}

/// A store whose callers let others go first before each question.
pub(super) struct Stepped(pub(super) Arc<dyn Storage>);

/// Pending once.
async fn step() {
    let mut stepped = false;
    std::future::poll_fn(move |context| {
        if std::mem::replace(&mut stepped, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Storage for Stepped {
    fn prepare<'a>(&'a self, schema: &'a Schema) -> BoxFuture<'a, Result<(), StorageError>> {
        self.0.prepare(schema)
    }

    fn get<'a>(
        &'a self,
        model: &'a Model,
        keys: &'a [Key],
    ) -> BoxFuture<'a, Result<Vec<Option<Record>>, StorageError>> {
        step().then(move |()| self.0.get(model, keys)).boxed()
    }

    fn query<'a>(
        &'a self,
        model: &'a Model,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Page, StorageError>> {
        step().then(move |()| self.0.query(model, query)).boxed()
    }

    fn sync<'a>(
        &'a self,
        model: &'a Model,
        query: &'a SyncQuery,
    ) -> BoxFuture<'a, Result<SyncPage, StorageError>> {
        step().then(move |()| self.0.sync(model, query)).boxed()
    }

    fn put<'a>(
        &'a self,
        model: &'a Model,
        write: Write,
    ) -> BoxFuture<'a, Result<Put, StorageError>> {
        step().then(move |()| self.0.put(model, write)).boxed()
    }

    fn revision<'a>(
        &'a self,
        model: &'a Model,
        key: &'a Key,
        version: Version,
    ) -> BoxFuture<'a, Result<Option<Revision>, StorageError>> {
        step()
            .then(move |()| self.0.revision(model, key, version))
            .boxed()
    }

    fn secret<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<[u8; 32], StorageError>> {
        self.0.secret(name)
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), StorageError>> {
        self.0.ping()
    }
}
