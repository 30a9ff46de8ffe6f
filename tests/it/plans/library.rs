//! A store that holds very many records, and somebody who is told how it reads them.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use driftless::storage::moment::{Moments, Plan, Witness};
use driftless::storage::{Place, Store, open_at};
use driftless_resolvers::Version;
use driftless_resolvers::feed::Operation;
use driftless_resolvers::schema::model::{Model, Scalar};
use driftless_resolvers::storage::{Expected, Key, Page, Put, Query, SyncPage, SyncQuery, Write};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _};
use tempfile::TempDir;

use super::Walk;
use crate::support::models::{model, owned, schema};
use crate::support::postgres::Database;

/// In milliseconds.
pub(super) const YEAR: i64 = 365 * 86_400_000;

/// Whose plans are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Sqlite,
    Postgres,
}

/// Remembers the plans of reads of the model and its log.
#[derive(Default)]
struct Reader {
    plans: Mutex<Vec<Plan>>,
    /// What happens before the read after so many others.
    meanwhile: Mutex<Option<(usize, Meanwhile)>>,
}

/// Something that happens while a page is read.
type Meanwhile = Box<dyn FnOnce() + Send>;

impl Witness for Reader {
    fn wants_plans(&self) -> bool {
        true
    }

    fn plan(&self, plan: Plan) {
        let of_model = ["\"m1_Post\"", "change_log where shard = $1"];
        if !of_model.iter().any(|part| plan.sql.contains(part)) {
            return;
        }
        let mut plans = self.plans.lock().unwrap();
        plans.push(plan);
        let is_now = |(reads, _): &mut (usize, Meanwhile)| plans.len() > *reads;
        let meanwhile = self.meanwhile.lock().unwrap().take_if(is_now);
        drop(plans);
        if let Some((_, happen)) = meanwhile {
            happen();
        }
    }
}

/// The store; its records were written more than a year ago.
pub(super) struct Library {
    pub(super) kind: Kind,
    pub(super) store: Store,
    pub(super) model: Model,
    pub(super) records: i64,
    /// The time before the first record's; each is a millisecond later.
    pub(super) began: i64,
    reader: Arc<Reader>,
    home: Home,
}

enum Home {
    File(TempDir),
    Database(Database),
}

impl Library {
    pub(super) async fn open(kind: Kind) -> Library {
        let (url, home) = match kind {
            Kind::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let url = format!("sqlite:{}", folder.path().join("data.db").display());
                (url, Home::File(folder))
            }
            Kind::Postgres => {
                let database = Database::create().await;
                // What Postgres' manual proposes for disks that do not turn.
                let disk = format!(
                    "alter database {} set random_page_cost = 1.1",
                    database.name()
                );
                let mut connection = database.connect().await;
                sqlx::raw_sql(AssertSqlSafe(disk))
                    .execute(&mut connection)
                    .await
                    .unwrap();
                (database.url.clone(), Home::Database(database))
            }
        };
        let reader = Arc::new(Reader::default());
        let place = Place {
            moments: Moments::seen_by(Arc::clone(&reader) as Arc<dyn Witness>),
            ..Place::at(&url)
        };
        let store = open_at(&place).await.unwrap();
        let library = Library {
            kind,
            store,
            model: post(),
            records: records(),
            began: now() - YEAR - YEAR / 10,
            reader,
            home,
        };
        library
            .store
            .storage
            .prepare(&schema(&[&library.model]))
            .await
            .unwrap();
        library.fill().await;
        library
    }

    /// Makes the records by one statement, and the end of the log they would have left: the rest of it was trimmed.
    async fn fill(&self) {
        let records = self.records;
        let began = self.began;
        let columns = self.index_columns().await;
        let (numbers, id) = match self.kind {
            Kind::Sqlite => (
                format!(
                    "with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < {records})"
                ),
                "printf('p%07d', n * 7919 % {records})",
            ),
            Kind::Postgres => (
                format!("with numbers as (select generate_series(1, {records}::bigint) as n)"),
                "'p' || lpad((n * 7919 % {records})::text, 7, '0')",
            ),
        };
        // Keys come in no order, as random ones do.
        let id = id.replace("{records}", &records.to_string());
        let blog = "'b' || (n % 10)";
        let owner = "case when n % 3 = 0 then 's' || (n % 20) || '::u' || (n % 20) else 'u' || (n % 20) end";
        let title = "'title ' || n";
        // A hundred records of each, whatever their number.
        let few = records / 100;
        let (editor, team) = (format!("'e' || (n % {few})"), format!("'t' || (n % {few})"));
        let values = columns.iter().map(|(_, field)| match field.as_str() {
            "[\"blog\"]" => blog,
            "[\"owner\"]" => owner,
            "[\"title\"]" => title,
            "[\"editor\"]" => &editor,
            "[\"team\"]" => &team,
            other => panic!("no values for {other}"),
        });
        let document = format!(
            "'{{\"id\":\"' || {id} || '\",\"title\":\"' || {title} || '\",\"blog\":\"' || {blog} || '\",\"owner\":\"' || {owner} \
             || '\",\"editor\":\"' || {editor} || '\",\"team\":\"' || {team} || '\",\"rating\":' || (n % 5) || '}}'"
        );
        let names = columns.iter().map(|(name, _)| format!(", {name}"));
        let values = values.map(|value| format!(", {value}"));
        self.run(&format!(
            "insert into \"m1_Post\" (pk, version, deleted, changed_ms, seq, doc{}) {numbers} \
             select '[\"' || {id} || '\"]', 1, n % 50 = 0, {began} + n, n, {document}{} from numbers",
            names.collect::<String>(),
            values.collect::<String>(),
        ))
        .await;
        self.run(
            "insert into change_log (shard, seq, changed_ms, op, pk, version, deleted, doc) \
             select 1, seq, changed_ms, 'c', pk, version, deleted, doc from \"m1_Post\" order by seq desc limit 10000",
        )
        .await;
        if self.kind == Kind::Postgres {
            self.run("analyze").await;
        }
    }

    async fn index_columns(&self) -> Vec<(String, String)> {
        let sql = "select name, fields from index_columns order by name";
        match self.kind {
            Kind::Sqlite => {
                let mut connection = sqlx::SqliteConnection::connect(&self.url()).await.unwrap();
                sqlx::query_as(sql)
                    .fetch_all(&mut connection)
                    .await
                    .unwrap()
            }
            Kind::Postgres => {
                let mut connection = sqlx::PgConnection::connect(&self.url()).await.unwrap();
                sqlx::query_as(sql)
                    .fetch_all(&mut connection)
                    .await
                    .unwrap()
            }
        }
    }

    async fn run(&self, sql: &str) {
        let query = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self.kind {
            Kind::Sqlite => {
                let mut connection = sqlx::SqliteConnection::connect(&self.url()).await.unwrap();
                query.execute(&mut connection).await.unwrap();
            }
            Kind::Postgres => {
                let mut connection = sqlx::PgConnection::connect(&self.url()).await.unwrap();
                query.execute(&mut connection).await.unwrap();
            }
        }
    }

    fn url(&self) -> String {
        match &self.home {
            Home::File(folder) => format!("sqlite:{}", folder.path().join("data.db").display()),
            Home::Database(database) => database.url.clone(),
        }
    }

    /// Updates a hundred records all over the table, as a client would; answers their ids.
    pub(super) async fn change_a_hundred(&self) -> Vec<Value> {
        let stride = self.records / 100;
        let mut changed = Vec::new();
        for n in 0..100 {
            let id = json!(format!("p{:07}", n * stride));
            let write = Write {
                key: Key::from_values(std::slice::from_ref(&id)),
                expected: Expected::Version(Version(1)),
                operation: Operation::Update,
                fields: [("id".to_owned(), id.clone())].into_iter().collect(),
                deleted: false,
                actor: None,
                request: None,
            };
            let put = self.store.storage.put(&self.model, write).await.unwrap();
            assert!(matches!(put, Put::Done(_)), "{id}: {put:?}");
            changed.push(id);
        }
        changed
    }

    /// A page of a sync.
    pub(super) async fn sync(&self, query: &SyncQuery) -> SyncPage {
        self.store.storage.sync(&self.model, query).await.unwrap()
    }

    /// A page of a query.
    pub(super) async fn query(&self, query: &Query) -> Page {
        self.store.storage.query(&self.model, query).await.unwrap()
    }

    /// The plans of the reads of the model and its log since this was asked last.
    pub(super) fn reads(&self) -> Vec<Plan> {
        std::mem::take(&mut *self.reader.plans.lock().unwrap())
    }

    /// Before the read after so many others from now on, a record gets this title.
    pub(super) fn title_meanwhile(&self, reads: usize, id: &str, title: &str) {
        self.reads();
        let storage = Arc::clone(&self.store.storage);
        let (model, write) = (self.model.clone(), titled(id, title));
        let happen = move || {
            tokio::task::block_in_place(|| {
                let put = storage.put(&model, write);
                let put = tokio::runtime::Handle::current().block_on(put).unwrap();
                assert!(matches!(put, Put::Done(_)), "{put:?}");
            });
        };
        *self.reader.meanwhile.lock().unwrap() = Some((reads, Box::new(happen)));
    }

    /// Gives a record of `u7` a title.
    pub(super) async fn title(&self, id: &str, title: &str) {
        let put = self.store.storage.put(&self.model, titled(id, title)).await;
        assert!(matches!(put, Ok(Put::Done(_))), "{put:?}");
    }

    /// The last read walked this index and no other way, and sorted nothing; answers what it was.
    pub(super) fn expect_range(&self, what: &str, walk: &Walk) -> String {
        let plans = self.reads();
        let plan = plans
            .iter()
            .rfind(|plan| plan.sql.contains("\"m1_Post\""))
            .unwrap_or_else(|| panic!("{what}: nothing was read"));
        let steps = plan.steps.join("\n");
        let shown = format!("{:?}, {what}:\n{}\n{steps}", self.kind, plan.sql);
        let walks: Vec<_> = match self.kind {
            Kind::Sqlite => {
                let sorts = steps.contains("TEMP B-TREE");
                assert!(
                    !sorts || matches!(walk, Walk::Moved(_)),
                    "something is sorted. {shown}"
                );
                plan.steps
                    .iter()
                    .filter(|step| step.contains("m1_Post"))
                    .cloned()
                    .collect()
            }
            Kind::Postgres => {
                // One record, and one part of a table, may be fetched and sorted: statistics say whether that is less
                // work than to walk them in order.
                let sorts = plan.steps.iter().any(|step| step.contains("Sort  ("));
                let few = matches!(
                    walk,
                    Walk::Key | Walk::Of(..) | Walk::Either(_) | Walk::Moved(_)
                );
                assert!(!sorts || few, "something is sorted. {shown}");
                let scans = |(_, step): &(usize, &String)| {
                    let of_table = step.contains("\"m1_Post\"") || step.contains(" on m1_");
                    step.contains("Scan") && of_table && !step.contains("Bitmap Heap Scan")
                };
                let condition = |at: usize| plan.steps.get(at + 1).map_or("", String::as_str);
                let steps = plan.steps.iter().enumerate().filter(scans);
                steps
                    .map(|(at, step)| format!("{step} {}", condition(at)))
                    .collect()
            }
        };
        assert!(!walks.is_empty(), "the table is not read. {shown}");
        for step in walks {
            let is_one = |walk: &Walk| self.ways(walk).iter().all(|part| step.contains(part));
            let expected = match walk {
                Walk::Either(walks) => walks.iter().any(is_one),
                walk => is_one(walk),
            };
            assert!(expected, "`{step}` is no range of {walk:?}. {shown}");
        }
        plan.sql.clone()
    }

    /// What a step says that walks so.
    fn ways(&self, walk: &Walk) -> Vec<String> {
        let say = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect();
        match (self.kind, walk) {
            (_, Walk::Either(_)) => Vec::new(),
            (Kind::Sqlite, Walk::Keys) => say(&["SEARCH m1_Post USING PRIMARY KEY (pk>"]),
            (Kind::Sqlite, Walk::Key) => say(&["SEARCH m1_Post USING PRIMARY KEY (pk="]),
            (Kind::Sqlite, Walk::Changes) => say(&[
                "SEARCH m1_Post USING INDEX m1_changed_",
                "((changed_ms,seq)>",
            ]),
            (Kind::Sqlite, Walk::Of(field, then)) => say(&[
                "SEARCH m1_Post USING INDEX m1_by_",
                &format!("(t_{field}_"),
                then,
            ]),
            (Kind::Sqlite, Walk::Moved(field)) => say(&[
                "SEARCH m1_Post USING INDEX m1_by_",
                &format!("(t_{field}_"),
                "=? AND (changed_ms,seq)>",
            ]),
            (Kind::Postgres, Walk::Moved(field)) => say(&[
                "Index Scan",
                "m1_by_",
                &format!("(t_{field}_"),
                "(ROW(changed_ms, seq) > ",
            ]),
            (Kind::Postgres, Walk::Keys) => say(&["Index Scan using \"m1_Post_pkey\"", "(pk > "]),
            (Kind::Postgres, Walk::Key) => say(&["Index Scan using \"m1_Post_pkey\"", "(pk = "]),
            (Kind::Postgres, Walk::Changes) => say(&[
                "Index Scan using m1_changed_",
                "Index Cond: (ROW(changed_ms, seq) > ",
            ]),
            (Kind::Postgres, Walk::Of(field, _)) => {
                say(&["Index Scan", "m1_by_", &format!("(t_{field}_")])
            }
        }
    }

    pub(super) async fn close(self) {
        self.store.close().await;
        if let Home::Database(database) = self.home {
            database.remove().await;
        }
    }
}

/// An update of a record of `u7` that nobody has changed.
fn titled(id: &str, title: &str) -> Write {
    let fields = json!({"id": id, "title": title, "owner": "u7", "rating": 3});
    Write {
        key: Key::from_values(&[json!(id)]),
        expected: Expected::Version(Version(1)),
        operation: Operation::Update,
        fields: fields.as_object().unwrap().clone(),
        deleted: false,
        actor: None,
        request: None,
    }
}

pub(super) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

/// A number of records for the database's disk and the tester's patience.
fn records() -> i64 {
    let number = std::env::var("DRIFTLESS_TEST_RECORDS");
    number.map_or(100_000, |number| {
        number.parse().expect("a number of records")
    })
}

fn post() -> Model {
    let fields = [
        ("id", Scalar::Id),
        ("title", Scalar::String),
        ("blog", Scalar::Id),
        ("owner", Scalar::String),
        ("editor", Scalar::String),
        ("team", Scalar::String),
        ("rating", Scalar::Int),
    ];
    let indexes: [(&str, &[&str]); 2] = [("byBlog", &["blog"]), ("byTitle", &["owner", "title"])];
    owned(
        model("Post", &fields, &["id"], &indexes),
        &["editor", "team"],
    )
}
