//! Another schema while clients are connected (`errata.md` 2.7).

use driftless::app::StartError;
use driftless::config::SchemaSource;
use driftless_resolvers::schema::Options;
use driftless_resolvers::schema::diff::Change;
use serde_json::{Value, json};

use crate::support::server::{DATASTORE, Server, Socket};

const SCHEMA: &str = r#"type Post @model @auth(rules: [{allow: public}]) {
  id: ID!
  title: String
  rating: Int
}"#;

const LISTEN: &str = "subscription operation($filter: ModelSubscriptionPostFilterInput) {
  onCreatePost(filter: $filter) { id title rating _version } }";

async fn server() -> Server {
    Server::start_with(|config| config.schema = SchemaSource::Text(SCHEMA.to_owned())).await
}

async fn reload(server: &mut Server, schema: &str) -> Result<Vec<Change>, StartError> {
    let source = SchemaSource::Text(schema.to_owned());
    let loaded = driftless::schema::load(&source, &Options::default()).unwrap();
    server.app.reload(loaded).await
}

async fn listening(server: &Server) -> Socket {
    let mut socket = server.session().await;
    let authorization = server.authorization(DATASTORE);
    socket.subscribe("s", LISTEN, &authorization).await;
    socket
}

async fn create(server: &Server, input: Value) {
    let query = "mutation operation($input: CreatePostInput!) { createPost(input: $input) { id } }";
    let answer = server.graphql(query, json!({ "input": input })).await;
    assert_eq!(answer.get("errors"), None, "{answer}");
}

fn shown(frame: &Value) -> (&Value, &Value) {
    let record = &frame["payload"]["data"]["onCreatePost"];
    (&record["id"], &record["rating"])
}

#[tokio::test]
async fn a_socket_outlives_a_schema_that_its_subscriptions_fit() {
    let mut server = server().await;
    let mut socket = listening(&server).await;
    create(&server, json!({"id": "1", "rating": 1})).await;
    assert_eq!(shown(&socket.frame().await), (&json!("1"), &json!(1)));
    // Stored numbers are read as the new type says, also in events.
    let wider = SCHEMA.replace("rating: Int", "rating: Float\n  note: String");
    let changes = reload(&mut server, &wider).await.unwrap();
    assert_eq!(changes.len(), 2);
    create(&server, json!({"id": "2", "rating": 1.5, "note": "n"})).await;
    // Nothing twice, nothing left out.
    assert_eq!(shown(&socket.frame().await), (&json!("2"), &json!(1.5)));
    server.app.stop().await;
}

#[tokio::test]
async fn a_socket_is_closed_if_a_subscription_fits_no_more_and_told_so_at_its_return() {
    let mut server = server().await;
    let mut socket = listening(&server).await;
    reload(&mut server, &SCHEMA.replace("title: String", ""))
        .await
        .unwrap();
    let frame = socket.end().await.expect("a close frame");
    assert_eq!(
        u16::from(frame.code),
        1011,
        "clients come back from this one"
    );
    let mut socket = server.session().await;
    socket
        .start("s", LISTEN, &server.authorization(DATASTORE))
        .await;
    let refusal = socket.frame().await;
    assert_eq!(
        (&refusal["type"], &refusal["id"]),
        (&json!("error"), &json!("s"))
    );
    server.app.stop().await;
}

#[tokio::test]
async fn a_rule_that_is_tightened_holds_for_open_sockets() {
    let mut server = server().await;
    let mut socket = listening(&server).await;
    let closed = SCHEMA.replace(
        "allow: public",
        "allow: public, operations: [create, update, delete, get, list, sync]",
    );
    reload(&mut server, &closed).await.unwrap();
    let frame = socket.end().await.expect("a close frame");
    assert_eq!(u16::from(frame.code), 1011);
    server.app.stop().await;
}

#[tokio::test]
async fn a_schema_that_does_not_fit_the_records_is_not_taken_and_the_last_one_served() {
    let mut server = server().await;
    let mut socket = listening(&server).await;
    create(&server, json!({"id": "1"})).await;
    socket.frame().await;
    let keyed = SCHEMA
        .replace("title: String", "title: String! @primaryKey")
        .replace("id: ID!", "id: ID");
    let refusal = reload(&mut server, &keyed).await.unwrap_err().to_string();
    assert!(refusal.contains("key-changed"), "{refusal}");
    create(&server, json!({"id": "2"})).await;
    assert_eq!(shown(&socket.frame().await).0, &json!("2"));
    server.app.stop().await;
}
