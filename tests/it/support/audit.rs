//! Whether what a database holds can be true: base rows and log tell one story without gaps. Asks with SQL of its own, so that
//! it cannot share a mistake with the store.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Row as _};

/// A row, every column as text.
type Line = Vec<String>;

enum Database {
    Postgres(PgConnection),
    Sqlite(sqlx::SqliteConnection),
}

/// What the database of a URL tells that cannot be true; nothing is good.
pub(crate) async fn audit(url: &str) -> Vec<String> {
    let mut database = Database::open(url).await;
    let mut found = database.integrity().await;
    for shard in database
        .lines("select cast(shard as text), model from shards")
        .await
    {
        let [shard, model] = &shard[..] else {
            unreachable!("two columns")
        };
        let base = database
            .lines(&format!(
                "select pk, {STATE} from \"m{shard}_{model}\" order by 1"
            ))
            .await;
        let log = database
            .lines(&format!(
                "select pk, {STATE}, op from change_log where shard = {shard} order by change_log.seq"
            ))
            .await;
        found.extend(
            story(&base, &log)
                .into_iter()
                .map(|problem| format!("{model}: {problem}")),
        );
    }
    found
}

/// Every version of every record of a model that was ever written, as key field and version.
pub(crate) async fn versions(url: &str, model: &str) -> BTreeSet<(String, i64)> {
    let mut database = Database::open(url).await;
    let sql = format!(
        "select pk, cast(version as text) from change_log \
         where op <> 't' and shard = (select shard from shards where model = '{model}')"
    );
    let lines = database.lines(&sql).await;
    let key = |text: &str| text.trim_matches(['[', ']', '"']).to_owned();
    lines
        .iter()
        .map(|line| (key(&line[0]), number(&line[1])))
        .collect()
}

const STATE: &str = "cast(version as text), cast(cast(deleted as integer) as text), cast(changed_ms as text), \
                     cast(seq as text), doc";

impl Database {
    async fn open(url: &str) -> Database {
        if url.starts_with("postgres") {
            let connection = PgConnection::connect(url).await;
            return Database::Postgres(connection.expect("the database takes connections"));
        }
        let options: sqlx::sqlite::SqliteConnectOptions = url.parse().expect("an address");
        Database::Sqlite(options.connect().await.expect("the file opens"))
    }

    async fn integrity(&mut self) -> Vec<String> {
        if matches!(self, Database::Postgres(_)) {
            return Vec::new();
        }
        let lines = self.lines("pragma integrity_check").await;
        let told: Vec<String> = lines.into_iter().flatten().collect();
        if told == ["ok"] { Vec::new() } else { told }
    }

    async fn lines(&mut self, sql: &str) -> Vec<Line> {
        let query = sqlx::query(AssertSqlSafe(sql.to_owned()));
        match self {
            Database::Postgres(connection) => {
                let rows = query.fetch_all(connection).await;
                let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
                let line =
                    |row: &sqlx::postgres::PgRow| (0..row.len()).map(|at| row.get(at)).collect();
                rows.iter().map(line).collect()
            }
            Database::Sqlite(connection) => {
                let query = sqlx::query(AssertSqlSafe(sql.to_owned()));
                let rows = query.fetch_all(connection).await;
                let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
                let line =
                    |row: &sqlx::sqlite::SqliteRow| (0..row.len()).map(|at| row.get(at)).collect();
                rows.iter().map(line).collect()
            }
        }
    }
}

/// What base rows and log of one model, as [`STATE`] shows them, do not agree on.
fn story(base: &[Line], log: &[Line]) -> Vec<String> {
    let mut found = Vec::new();
    let mut newest: BTreeMap<&str, &Line> = BTreeMap::new();
    let mut before: Option<&Line> = None;
    for row in log {
        if let Some(before) = before {
            if number(&row[4]) != number(&before[4]) + 1 {
                found.push(format!("the log goes from {} to {}", before[4], row[4]));
            }
            if number(&row[3]) < number(&before[3]) {
                found.push(format!("time goes back at {}", row[4]));
            }
        }
        before = Some(row);
        if row[6] == "t" {
            continue;
        }
        let last = newest.insert(&row[0], row).map_or(0, |row| number(&row[1]));
        if number(&row[1]) != last + 1 {
            found.push(format!("{} goes from version {last} to {}", row[0], row[1]));
        }
    }
    for row in base {
        match newest.remove(row[0].as_str()) {
            Some(logged) if logged[..6] == row[..] => {}
            logged => found.push(format!("stored is {row:?}, logged {logged:?}")),
        }
    }
    found.extend(
        newest
            .values()
            .map(|row| format!("{} is logged and not stored", row[0])),
    );
    found
}

fn number(text: &str) -> i64 {
    text.parse().expect("a number")
}

#[test]
fn a_story_with_a_gap_or_a_half_write_is_found() {
    let line = |text: &str| text.split(' ').map(str::to_owned).collect::<Line>();
    let log = [
        line("a 1 0 5 1 {} c"),
        line("- 0 0 6 2 - t"),
        line("a 2 0 7 3 {} u"),
    ];
    assert_eq!(story(&[line("a 2 0 7 3 {}")], &log), [""; 0]);
    assert_eq!(story(&[line("a 1 0 5 1 {}")], &log).len(), 1);
    assert_eq!(story(&[], &log).len(), 1);
    assert_eq!(
        story(&[line("a 2 0 7 3 {}"), line("b 1 0 7 4 {}")], &log).len(),
        1
    );
    assert_eq!(story(&[line("a 2 0 7 3 {}")], &log[1..]).len(), 1);
}
