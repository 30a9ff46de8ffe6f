//! What a server does with a database that was prepared for another schema.

use driftless::app::StartError;
use driftless::config::{Database, SchemaSource};
use driftless::migration::Consent;
use serde_json::json;

use super::place::{Place, loaded};
use crate::support::server::Server;

const FIRST: &str = r#"type Post @model @auth(rules: [{allow: public}]) {
  id: ID!
  title: String
  note: String
}"#;

fn with_more() -> String {
    FIRST.replace(
        "note: String",
        "note: String @index(name: \"byNote\")\n  stars: Int",
    )
}

fn with_less() -> String {
    FIRST.replace("note: String", "")
}

fn with_another_key() -> String {
    FIRST
        .replace("id: ID!", "id: ID! @primaryKey(sortKeyFields: [\"title\"])")
        .replace("title: String", "title: String!")
}

/// Starts a server on the database and stops it; why it does not start, if it does not.
async fn start(place: &Place, schema: &str, consent: Consent) -> Result<(), StartError> {
    let mut server = Server::start_without_store(|config| {
        config.schema = SchemaSource::Text(schema.to_owned());
        config.database = Database(place.url());
        config.consent = consent;
    })
    .await;
    let started = server.app.ready().await;
    server.app.stop().await;
    started
}

async fn takes_what_is_safe_and_asks_for_the_rest(place: Place) {
    place
        .hold(
            &loaded(FIRST),
            "Post",
            vec![json!({"id": "a", "note": "n"})],
        )
        .await;
    start(&place, &with_more(), Consent::Nobody).await.unwrap();
    // The node with the former schema that is still there may start again.
    start(&place, FIRST, Consent::Nobody).await.unwrap();

    let refusal = start(&place, &with_less(), Consent::Nobody)
        .await
        .unwrap_err()
        .to_string();
    for part in ["field-removed", "Post.note", "driftless migrate --dry-run"] {
        assert!(refusal.contains(part), "{part} in {refusal}");
    }
    // An author who edits the schema has agreed; from then on the schema is known.
    start(&place, &with_less(), Consent::Author).await.unwrap();
    start(&place, FIRST, Consent::Nobody).await.unwrap();
    start(&place, &with_less(), Consent::Nobody).await.unwrap();

    for consent in [Consent::Nobody, Consent::Author] {
        let refusal = start(&place, &with_another_key(), consent)
            .await
            .unwrap_err()
            .to_string();
        assert!(
            refusal.contains("key-changed") && refusal.contains("help:"),
            "{refusal}"
        );
    }
    start(&place, FIRST, Consent::Nobody).await.unwrap();
    place.remove().await;
}

#[tokio::test]
async fn a_server_on_sqlite_takes_what_is_safe_and_asks_for_the_rest() {
    takes_what_is_safe_and_asks_for_the_rest(Place::sqlite()).await;
}

#[tokio::test]
async fn a_server_on_postgres_takes_what_is_safe_and_asks_for_the_rest() {
    takes_what_is_safe_and_asks_for_the_rest(Place::postgres().await).await;
}

#[tokio::test]
async fn a_model_without_records_may_get_another_key() {
    let place = Place::sqlite();
    place.hold(&loaded(FIRST), "Post", Vec::new()).await;
    // The title becomes required with the key, which somebody has to agree to.
    start(&place, &with_another_key(), Consent::Author)
        .await
        .unwrap();
    place.remove().await;
}

/// A schema that a later version does not accept any more must not keep a database closed for good, nor pass unseen.
#[tokio::test]
async fn a_former_schema_that_cannot_be_read_any_more_needs_a_person() {
    let place = Place::sqlite();
    let mut former = loaded(FIRST);
    former.source = "type Post @model { id: ID! title: Strng }".into();
    place.hold(&former, "Post", Vec::new()).await;
    let refusal = start(&place, FIRST, Consent::Nobody)
        .await
        .unwrap_err()
        .to_string();
    assert!(refusal.contains("not accepted any more"), "{refusal}");
    start(&place, FIRST, Consent::Author).await.unwrap();
    place.remove().await;
}
