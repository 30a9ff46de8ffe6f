//! Creates: `transformer.md` 6.1 and 6.4.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::image;
use crate::api::error::ErrorType;
use crate::engine::Strategies;
use crate::fixtures::{self, World};
use crate::identity::AuthMode;
use crate::schema::model::{Allow, AuthRule};

#[tokio::test]
async fn the_server_adds_id_defaults_and_both_timestamps() {
    let world = World::new();
    let record = world.create("Post", json!({"title": "t"})).await.unwrap();
    assert_eq!(
        image(&record),
        json!({
            "id": "id-1", "title": "t", "score": 0.5,
            "createdAt": "2023-11-14T22:13:20.000Z", "updatedAt": "2023-11-14T22:13:20.000Z",
            "_version": 1, "_deleted": null
        })
    );
    assert_eq!(record.last_changed_at.0, crate::fixtures::START);
}

#[tokio::test]
async fn the_clients_values_win() {
    let world = World::new();
    let sent = json!({"id": "mine", "score": 2, "createdAt": "2000-01-01T00:00:00Z", "updatedAt": "2000-01-02T00:00:00Z"});
    let record = world.create("Post", sent.clone()).await.unwrap();
    assert_eq!(Value::Object(record.fields), sent);
}

/// MUT-11.
#[tokio::test]
async fn mut_11_values_are_stored_exactly_as_sent() {
    let world = World::new();
    let sent: Value = serde_json::from_str(
        r#"{"id":"p","title":" é ","rating":7,"score":1.500,"tags":[],"place":{"lines":[],"city":"x"},"meta":"{ \"k\" : 1.0 }","createdAt":"2020-01-01T00:00:05Z","updatedAt":"2020-01-01T00:00:05.10+01:00"}"#,
    )
    .unwrap();
    let record = world.create("Post", sent.clone()).await.unwrap();
    assert_eq!(Value::Object(record.fields).to_string(), sent.to_string());
}

#[tokio::test]
async fn the_document_is_in_schema_order() {
    let world = World::new();
    let record = world
        .create("Post", json!({"rating": 1, "title": "t", "id": "p"}))
        .await
        .unwrap();
    let names: Vec<_> = record.fields.keys().collect();
    assert_eq!(
        names,
        ["id", "title", "rating", "score", "createdAt", "updatedAt"]
    );
}

/// MUT-3 and `transformer.md` 6.4.
#[tokio::test]
async fn mut_3_explicit_nulls_are_stored_but_for_index_fields_and_defaults() {
    let world = World::new();
    let post = world
        .create("Post", json!({"title": null, "score": null, "id": null}))
        .await
        .unwrap();
    assert_eq!(post.fields.get("title"), Some(&Value::Null));
    assert_eq!(post.fields["score"], json!(0.5));
    assert_eq!(post.fields["id"], json!("id-1"));
    let comment = world
        .create("Comment", json!({"content": "c", "postID": null}))
        .await
        .unwrap();
    assert!(!comment.fields.contains_key("postID"));
}

#[tokio::test]
async fn a_custom_key_is_the_clients() {
    let world = World::new();
    let sent = json!({"sku": "s", "warehouse": "w", "count": 1});
    world.create("Stock", sent.clone()).await.unwrap();
    let other = json!({"sku": "s", "warehouse": "v", "count": 1});
    assert_eq!(world.create("Stock", other).await.unwrap().version.0, 1);
    let error = world
        .create("Stock", json!({"sku": "s", "warehouse": "w", "count": 2}))
        .await
        .unwrap_err();
    assert_eq!(error.error_type, Some(ErrorType::ConditionalCheckFailed));
}

#[tokio::test]
async fn metadata_in_the_input_is_not_stored() {
    let world = World::new();
    let input = json!({"id": "p", "_version": 3, "_deleted": true, "_lastChangedAt": 1});
    let record = world.create("Post", input).await.unwrap();
    assert!(record.fields.keys().all(|name| !name.starts_with('_')));
}

#[tokio::test]
async fn a_composite_sort_key_is_given_whole_or_not_at_all() {
    let world = World::new();
    let error = world
        .create("Visit", json!({"site": "s", "day": "d"}))
        .await
        .unwrap_err();
    assert_eq!(error.error_type, None);
    assert_eq!(
        error.message,
        "When creating any part of the composite sort key for @index 'bySite', you must provide all fields for the key. Missing key: 'n'."
    );
    world
        .create("Visit", json!({"site": "s", "day": "d", "n": 1}))
        .await
        .unwrap();
    world.create("Visit", json!({"site": "s"})).await.unwrap();
}

#[tokio::test]
async fn a_condition_is_tested_against_nothing() {
    let world = World::new();
    let create = |condition: Value| {
        let args = crate::fixtures::object(json!({"input": {"id": "p"}, "condition": condition}));
        let world = &world;
        async move {
            let model = world.model("Post");
            let outcome =
                crate::mutation::create(&world.engine, &world.caller, model, &args, None).await;
            crate::fixtures::written(outcome)
        }
    };
    let error = create(json!({"title": {"eq": "x"}})).await.unwrap_err();
    assert_eq!(error.error_type, Some(ErrorType::ConditionalCheckFailed));
    assert_eq!(error.record, None);
    assert_eq!(
        create(json!({"title": {"ne": "x"}}))
            .await
            .unwrap()
            .version
            .0,
        1
    );
    let error = create(json!({"title": {"eq": "x"}})).await.unwrap_err();
    assert_eq!(error.record.unwrap().version.0, 1);
}

/// What rules find records by is in an index (`sync-design.md` R7).
#[tokio::test]
async fn names_that_rules_ask_for_have_a_limit() {
    let mut schema = fixtures::schema();
    let mut post = fixtures::post();
    post.auth.push(AuthRule {
        allow: Allow::Owner {
            field: "title".to_owned(),
            claim: "sub::username".to_owned(),
        },
        provider: AuthMode::UserPool,
        ..post.auth[0].clone()
    });
    schema.models.insert("Post".to_owned(), post.into());
    let world = World::over(schema, Strategies::default());
    let named = |bytes: usize| json!({"id": "p", "title": "x".repeat(bytes), "_version": 1});
    world.create("Post", named(1_024)).await.unwrap();
    for refused in [
        world.create("Post", named(1_025)).await,
        world.update("Post", named(1_025)).await,
    ] {
        let message = "The fields of the rule about 'title' hold more than 1024 bytes.";
        assert_eq!(refused.unwrap_err().message, message);
    }
}

#[tokio::test]
async fn a_create_is_one_round_trip() {
    let world = World::new();
    world.create("Post", json!({"title": "t"})).await.unwrap();
    assert_eq!(world.store.calls(), ["put"]);
}
