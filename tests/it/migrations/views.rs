//! The SQL views of models: what people ask a database, on both stores.

use std::str::FromStr;

use driftless::storage::Store;
use driftless_resolvers::feed::Operation;
use driftless_resolvers::schema::Schema;
use driftless_resolvers::storage::{Expected, Key, Put, Write};
use driftless_resolvers::{Fields, Version};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use super::place::{Place, loaded};

const EVERY: &str = r#"
type Every @model @auth(rules: [{allow: public}]) {
  id: ID!
  text: String
  whole: Int
  real: Float
  flag: Boolean
  day: AWSDate
  clock: AWSTime
  moment: AWSDateTime
  instant: AWSTimestamp
  data: AWSJSON
  mail: AWSEmail
  link: AWSURL
  phone: AWSPhone
  address: AWSIPAddress
  state: State
  tags: [String]
  place: Place
  many: [Place]
}
enum State { ON OFF }
type Place { city: String zip: Int }
"#;

fn full() -> Value {
    json!({
        "id": "full", "text": "a'b\"c", "whole": 7, "real": 1.5, "flag": true,
        "day": "2024-02-29Z", "clock": "12:30:00.123", "moment": "2024-02-29T12:30:00.123456789+02:00",
        "instant": 1_709_202_600, "data": "{\"a\":[1]}", "mail": "a@b.ch", "link": "https://b.ch/",
        "phone": "+41446681800", "address": "10.0.0.1", "state": "ON", "tags": ["x", "y"],
        "place": {"city": "Chur", "zip": 7000}, "many": [{"city": "Wil", "zip": 9500}]
    })
}

/// Values of other types, as records of a former schema may have them.
fn odd() -> Value {
    json!({
        "id": "odd", "text": null, "whole": "seven", "real": "much", "flag": "yes", "day": "someday",
        "clock": null, "moment": "later", "instant": "now", "data": null, "tags": null, "place": null
    })
}

/// A connection of a person, beside the server.
enum Desk {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Desk {
    async fn at(place: &Place) -> Desk {
        match place {
            Place::File(_) => {
                let options = SqliteConnectOptions::from_str(&place.url()).unwrap();
                Desk::Sqlite(options.connect().await.unwrap())
            }
            Place::Postgres(database) | Place::Pooled(database, _) => {
                Desk::Postgres(database.connect().await)
            }
        }
    }

    /// The first column of the rows, as texts.
    async fn texts(&mut self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Desk::Sqlite(connection) => sqlx::query_scalar(sql).fetch_all(connection).await,
            Desk::Postgres(connection) => sqlx::query_scalar(sql).fetch_all(connection).await,
        }
        .unwrap()
    }

    async fn refuses(&mut self, sql: &str) -> bool {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Desk::Sqlite(connection) => sqlx::query(sql).execute(connection).await.is_err(),
            Desk::Postgres(connection) => sqlx::query(sql).execute(connection).await.is_err(),
        }
    }

    /// The rows of a view as JSON objects, metadata apart.
    async fn rows(&mut self, view: &str, schema: &Schema, order: &str) -> Vec<Value> {
        let names: Vec<&String> = schema.models[view]
            .stored_fields()
            .map(|it| &it.name)
            .collect();
        let pairs: Vec<String> = names
            .iter()
            .map(|name| format!("'{name}', \"{name}\""))
            .collect();
        let make = match self {
            Desk::Sqlite(_) => "json_object",
            Desk::Postgres(_) => "json_build_object",
        };
        let cast = match self {
            Desk::Sqlite(_) => "",
            Desk::Postgres(_) => "::text",
        };
        let sql = format!(
            "select {make}({}){cast} from \"{view}\" order by \"{order}\"",
            pairs.join(", ")
        );
        let texts = self.texts(&sql).await;
        texts
            .iter()
            .map(|text| serde_json::from_str(text).unwrap())
            .collect()
    }

    async fn close(self) {
        match self {
            Desk::Sqlite(connection) => connection.close().await.unwrap(),
            Desk::Postgres(connection) => connection.close().await.unwrap(),
        }
    }
}

async fn delete(store: &Store, schema: &Schema, model: &str, id: &str) {
    let fields: Fields = json!({"id": id}).as_object().unwrap().clone();
    let model = &schema.models[model];
    let write = Write {
        key: Key::of(model, &fields).unwrap(),
        expected: Expected::Version(Version(1)),
        operation: Operation::Delete,
        fields,
        deleted: true,
        actor: None,
        request: None,
    };
    assert!(matches!(
        store.storage.put(model, write).await.unwrap(),
        Put::Done(_)
    ));
}

async fn shows_every_type(place: Place, expected: [Value; 2], changed: &str) {
    let schema = loaded(EVERY);
    place
        .hold(&schema, "Every", vec![full(), odd(), json!({"id": "gone"})])
        .await;
    let store = place.open().await;
    store.storage.prepare(&schema).await.unwrap();
    delete(&store, &schema, "Every", "gone").await;
    // While the server runs.
    let mut desk = Desk::at(&place).await;
    let rows = desk.rows("Every", &schema, "id").await;
    for (row, expected) in rows.iter().zip(&expected) {
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&row[name], value, "{name} of {}", row["id"]);
        }
    }
    assert_eq!(rows.len(), 2, "tombstones are not shown");
    let meta =
        format!("select \"_version\" || ' ' || ({changed}) from \"Every\" where id = 'full'");
    assert_eq!(desk.texts(&meta).await, ["1 recent"]);
    for change in [
        "insert into \"Every\" (\"id\") values ('x')",
        "update \"Every\" set \"text\" = 'x'",
        "delete from \"Every\"",
    ] {
        assert!(desk.refuses(change).await, "{change}");
    }
    desk.close().await;
    store.close().await;
    place.remove().await;
}

#[tokio::test]
async fn sqlite_shows_records_with_a_typed_column_per_field() {
    let full = json!({
        "id": "full", "text": "a'b\"c", "whole": 7, "real": 1.5, "flag": 1, "day": "2024-02-29",
        "clock": "12:30:00.123", "moment": "2024-02-29T10:30:00.123Z", "instant": "2024-02-29T10:30:00.000Z",
        "data": "{\"a\":[1]}", "mail": "a@b.ch", "link": "https://b.ch/", "phone": "+41446681800",
        "address": "10.0.0.1", "state": "ON", "tags": "[\"x\",\"y\"]",
        "place": "{\"city\":\"Chur\",\"zip\":7000}", "many": "[{\"city\":\"Wil\",\"zip\":9500}]"
    });
    let odd = json!({
        "id": "odd", "text": null, "whole": null, "real": null, "flag": null, "day": null, "moment": null,
        "instant": null, "data": null, "tags": null, "place": null, "many": null
    });
    let recent =
        "case when abs(julianday('now') - julianday(\"_lastChangedAt\")) < 1 then 'recent' end";
    shows_every_type(Place::sqlite(), [full, odd], recent).await;
}

#[tokio::test]
async fn postgres_shows_records_with_a_typed_column_per_field() {
    let full = json!({
        "id": "full", "text": "a'b\"c", "whole": 7, "real": 1.5, "flag": true, "day": "2024-02-29",
        "clock": "12:30:00.123", "data": {"a": [1]}, "mail": "a@b.ch", "link": "https://b.ch/",
        "phone": "+41446681800", "address": "10.0.0.1", "state": "ON", "tags": ["x", "y"],
        "place": {"city": "Chur", "zip": 7000}, "many": [{"city": "Wil", "zip": 9500}]
    });
    let odd = json!({
        "id": "odd", "text": null, "whole": null, "real": null, "flag": null, "day": null, "moment": null,
        "instant": null, "data": null, "tags": null, "place": null, "many": null
    });
    let place = Place::postgres().await;
    let schema = loaded(EVERY);
    place.hold(&schema, "Every", vec![]).await;
    let mut desk = Desk::at(&place).await;
    let types = desk
        .texts(
            "select column_name || ' ' || data_type from information_schema.columns \
             where table_name = 'Every' order by ordinal_position",
        )
        .await;
    for expected in [
        "whole integer",
        "real double precision",
        "flag boolean",
        "day date",
        "clock text",
        "moment timestamp with time zone",
        "instant timestamp with time zone",
        "data json",
        "tags json",
        "place json",
        "createdAt timestamp with time zone",
        "_version integer",
        "_lastChangedAt timestamp with time zone",
    ] {
        assert!(
            types.contains(&expected.to_owned()),
            "{expected} in {types:?}"
        );
    }
    desk.close().await;
    let recent = "case when now() - \"_lastChangedAt\" < interval '1 day' then 'recent' end";
    shows_every_type(place, [full, odd], recent).await;
}

#[tokio::test]
async fn postgres_shows_moments_to_the_microsecond() {
    let place = Place::postgres().await;
    let schema = loaded(EVERY);
    place.hold(&schema, "Every", vec![full()]).await;
    let mut desk = Desk::at(&place).await;
    let sql = "select (\"moment\" at time zone 'UTC')::text || ' ' || (\"instant\" at time zone 'UTC')::text from \"Every\"";
    assert_eq!(
        desk.texts(sql).await,
        ["2024-02-29 10:30:00.123457 2024-02-29 10:30:00"]
    );
    desk.close().await;
    place.remove().await;
}

const FIRST: &str = r#"
type Post @model @auth(rules: [{allow: public}]) { id: ID! title: String note: String }
type Draft @model @auth(rules: [{allow: public}]) { id: ID! text: String }
"#;

/// The view follows the schema; a model that is gone from it keeps its view with its records.
async fn follows_the_schema(place: Place) {
    place
        .hold(
            &loaded(FIRST),
            "Post",
            vec![json!({"id": "a", "title": "7", "note": "n"})],
        )
        .await;
    place
        .hold(
            &loaded(FIRST),
            "Draft",
            vec![json!({"id": "d", "text": "kept"})],
        )
        .await;
    let next = "type Post @model @auth(rules: [{allow: public}]) { id: ID! title: Int stars: Int }";
    let schema = loaded(next);
    place
        .hold(
            &schema,
            "Post",
            vec![json!({"id": "b", "title": 8, "stars": 5})],
        )
        .await;
    let mut desk = Desk::at(&place).await;
    let rows = desk.rows("Post", &schema, "id").await;
    let shown: Vec<_> = rows
        .iter()
        .map(|row| (&row["title"], &row["stars"]))
        .collect();
    assert_eq!(
        shown,
        [(&json!(null), &json!(null)), (&json!(8), &json!(5))]
    );
    assert!(
        desk.refuses("select \"note\" || 'x' from \"Post\" limit 1")
            .await
            || matches!(desk, Desk::Sqlite(_))
    );
    assert_eq!(desk.texts("select \"text\" from \"Draft\"").await, ["kept"]);
    desk.close().await;
    place.remove().await;
}

#[tokio::test]
async fn the_views_of_sqlite_follow_the_schema() {
    follows_the_schema(Place::sqlite()).await;
}

#[tokio::test]
async fn the_views_of_postgres_follow_the_schema() {
    follows_the_schema(Place::postgres().await).await;
}

/// `@mapsTo`: a model with another name goes on with its records, and its view has its new name.
async fn a_renamed_model_keeps_its_records(place: Place) {
    place
        .hold(
            &loaded(FIRST),
            "Post",
            vec![json!({"id": "a", "title": "kept"})],
        )
        .await;
    let renamed = loaded(&FIRST.replace(
        "type Post @model",
        "type Article @model @mapsTo(name: \"Post\")",
    ));
    place
        .hold(
            &renamed,
            "Article",
            vec![json!({"id": "b", "title": "new"})],
        )
        .await;
    let store = place.open().await;
    store.storage.prepare(&renamed).await.unwrap();
    let keys = ["a", "b"].map(|id| Key(json!([id]).to_string()));
    let found = store
        .storage
        .get(&renamed.models["Article"], &keys)
        .await
        .unwrap();
    assert!(found.iter().all(Option::is_some), "{found:?}");
    let leftovers = store.look(&renamed).await.unwrap().leftovers;
    assert_eq!(leftovers, [], "nothing of it counts as removed");
    store.close().await;
    let mut desk = Desk::at(&place).await;
    let titles = desk
        .texts("select \"title\" from \"Article\" order by 1")
        .await;
    assert_eq!(titles, ["kept", "new"]);
    assert!(desk.refuses("select * from \"Post\"").await);
    desk.close().await;
    place.remove().await;
}

#[tokio::test]
async fn a_renamed_model_keeps_its_records_in_sqlite() {
    a_renamed_model_keeps_its_records(Place::sqlite()).await;
}

#[tokio::test]
async fn a_renamed_model_keeps_its_records_in_postgres() {
    a_renamed_model_keeps_its_records(Place::postgres().await).await;
}

/// A model may be called like a table of ours, like one of somebody else, or like another model but for the case.
async fn evades_names_that_are_taken(place: Place) {
    let schema = loaded(
        "type shards @model @auth(rules: [{allow: public}]) { id: ID! text: String }
         type Todo @model @auth(rules: [{allow: public}]) { id: ID! text: String }
         type TODO @model @auth(rules: [{allow: public}]) { id: ID! text: String }
         type mine @model @auth(rules: [{allow: public}]) { id: ID! text: String }",
    );
    let store = place.open().await;
    store.close().await;
    let mut desk = Desk::at(&place).await;
    assert!(!desk.refuses("create table mine (note text)").await);
    for model in schema.models.keys() {
        let record = json!({"id": "a", "text": model});
        place.hold(&schema, model, vec![record]).await;
    }
    for (model, view) in [
        ("shards", "shards_records"),
        ("mine", "mine_records"),
        ("Todo", "Todo"),
    ] {
        assert_eq!(
            desk.texts(&format!("select \"text\" from \"{view}\""))
                .await,
            [model]
        );
    }
    let other = match &desk {
        Desk::Sqlite(_) => "TODO_records",
        Desk::Postgres(_) => "TODO",
    };
    assert_eq!(
        desk.texts(&format!("select \"text\" from \"{other}\""))
            .await,
        ["TODO"]
    );
    assert_eq!(
        desk.texts("select note from mine").await,
        Vec::<String>::new()
    );
    desk.close().await;
    place.remove().await;
}

#[tokio::test]
async fn a_view_of_sqlite_evades_names_that_are_taken() {
    evades_names_that_are_taken(Place::sqlite()).await;
}

#[tokio::test]
async fn a_view_of_postgres_evades_names_that_are_taken() {
    evades_names_that_are_taken(Place::postgres().await).await;
}

/// Somebody's own view over ours must not keep a server from taking a schema.
#[tokio::test]
async fn a_view_that_others_depend_on_stays_and_stops_nobody() {
    let place = Place::postgres().await;
    place
        .hold(
            &loaded(FIRST),
            "Post",
            vec![json!({"id": "a", "note": "n"})],
        )
        .await;
    let mut desk = Desk::at(&place).await;
    assert!(
        !desk
            .refuses("create view report as select \"note\" from \"Post\"")
            .await
    );
    let next = FIRST.replace("note: String", "stars: Int");
    place
        .hold(&loaded(&next), "Post", vec![json!({"id": "b", "stars": 5})])
        .await;
    assert_eq!(
        desk.texts("select coalesce(note, '-') from report order by 1")
            .await,
        ["-", "n"]
    );
    assert!(!desk.refuses("drop view report").await);
    place.hold(&loaded(&next), "Post", Vec::new()).await;
    let rows = desk.rows("Post", &loaded(&next), "id").await;
    assert_eq!(rows[1]["stars"], 5);
    desk.close().await;
    place.remove().await;
}

#[tokio::test]
async fn names_that_are_longer_than_those_of_a_database_are_cut_and_kept_apart() {
    let long = "a".repeat(70);
    let source = format!(
        "type M{long} @model @auth(rules: [{{allow: public}}]) {{ id: ID! {long}x: String {long}y: Int }}"
    );
    for place in [Place::sqlite(), Place::postgres().await] {
        let schema = loaded(&source);
        let model = format!("M{long}");
        place
            .hold(
                &schema,
                &model,
                vec![json!({"id": "a", format!("{long}x"): "text", format!("{long}y"): 3})],
            )
            .await;
        let mut desk = Desk::at(&place).await;
        let names = match desk {
            Desk::Sqlite(_) => {
                "select name from pragma_table_info('m1_records') where name like 'aaa%' order by cid"
            }
            Desk::Postgres(_) => {
                "select column_name::text from information_schema.columns \
                 where table_name = 'm1_records' and column_name like 'aaa%' order by ordinal_position"
            }
        };
        let names = desk.texts(names).await;
        assert_eq!(names.len(), 2);
        let sql = format!(
            "select \"{}\" || '/' || \"{}\" from m1_records",
            names[0], names[1]
        );
        assert_eq!(desk.texts(&sql).await, ["text/3"]);
        desk.close().await;
        place.remove().await;
    }
}
