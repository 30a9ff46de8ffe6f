//! The worked examples of `sync-semantics` 6.4 that need versions and a store; the merges themselves are tested beside
//! the handler.

use pretty_assertions::assert_eq;
use serde_json::json;

use super::post_at;
use crate::fixtures::World;

#[tokio::test]
async fn a1_a_rejected_scalar_still_makes_a_version() {
    let world = World::new();
    post_at(&world, 4, json!({"rating": 5})).await;
    let merged = world
        .update("Post", json!({"id": "p", "rating": 55, "_version": 2}))
        .await
        .unwrap();
    assert_eq!((merged.version.0, &merged.fields["rating"]), (5, &json!(5)));
}

#[tokio::test]
async fn a5_a_stale_list_is_appended() {
    let world = World::new();
    post_at(&world, 3, json!({"tags": ["a", "b"]})).await;
    let input = json!({"id": "p", "tags": ["a", "b", "c"], "_version": 2});
    let merged = world.update("Post", input).await.unwrap();
    assert_eq!(
        (merged.version.0, &merged.fields["tags"]),
        (4, &json!(["a", "b", "a", "b", "c"]))
    );
}

#[tokio::test]
async fn a6_a_whole_model_from_a_native_client_doubles_its_lists() {
    let world = World::new();
    post_at(&world, 2, json!({"title": "t", "tags": ["0", "1"]})).await;
    let input = json!({
        "id": "p", "title": "x", "tags": ["0", "1"], "rating": null, "blogID": null, "_version": 1
    });
    let merged = world.update("Post", input).await.unwrap();
    assert_eq!(merged.version.0, 3);
    assert_eq!(merged.fields["title"], json!("t"));
    assert_eq!(merged.fields["tags"], json!(["0", "1", "0", "1"]));
    assert!(!merged.fields.contains_key("rating"));
}

#[tokio::test]
async fn a7_a8_without_a_version_the_second_call_wins() {
    let world = World::new();
    post_at(&world, 1, json!({})).await;
    let first = json!({"id": "p", "title": "o", "_version": 1});
    world.update("Post", first).await.unwrap();
    let a7 = world
        .update("Post", json!({"id": "p", "title": "n"}))
        .await
        .unwrap();
    assert_eq!((a7.version.0, &a7.fields["title"]), (3, &json!("o")));
    let a8 = world
        .update("Post", json!({"id": "p", "title": "n", "_version": 3}))
        .await
        .unwrap();
    assert_eq!((a8.version.0, &a8.fields["title"]), (4, &json!("n")));
}

#[tokio::test]
async fn a9_a10_a_stale_title_loses_though_another_field_was_changed() {
    let world = World::new();
    world
        .create(
            "Post",
            json!({"id": "p", "title": "original", "blogID": null}),
        )
        .await
        .unwrap();
    world
        .update(
            "Post",
            json!({"id": "p", "blogID": "second", "_version": 1}),
        )
        .await
        .unwrap();
    let merged = world
        .update("Post", json!({"id": "p", "title": "post 0", "_version": 1}))
        .await
        .unwrap();
    assert_eq!(merged.fields["title"], json!("original"));
    assert_eq!(merged.fields["blogID"], json!("second"));
}

#[tokio::test]
async fn a11_a12_a_foreign_key_is_added_where_it_was_null_and_kept_where_not() {
    let world = World::new();
    world
        .create("Post", json!({"id": "p", "title": "o", "blogID": null}))
        .await
        .unwrap();
    world
        .update("Post", json!({"id": "p", "title": "post 0", "_version": 1}))
        .await
        .unwrap();
    let a11 = world
        .update(
            "Post",
            json!({"id": "p", "blogID": "second", "_version": 1}),
        )
        .await
        .unwrap();
    assert_eq!(
        (a11.version.0, &a11.fields["blogID"]),
        (3, &json!("second"))
    );
    let a12 = world
        .update("Post", json!({"id": "p", "blogID": "third", "_version": 1}))
        .await
        .unwrap();
    assert_eq!(
        (a12.version.0, &a12.fields["blogID"]),
        (4, &json!("second"))
    );
}

#[tokio::test]
async fn a13_a_stale_update_does_not_raise_the_dead() {
    let world = World::new();
    post_at(&world, 6, json!({"title": "t"})).await;
    world
        .delete("Post", json!({"id": "p", "_version": 6}))
        .await
        .unwrap();
    let merged = world
        .update("Post", json!({"id": "p", "title": "x", "_version": 5}))
        .await
        .unwrap();
    assert_eq!((merged.version.0, merged.deleted), (8, true));
}

#[tokio::test]
async fn a15_a_stale_clear_is_lost() {
    let world = World::new();
    post_at(&world, 5, json!({"title": "n"})).await;
    let merged = world
        .update("Post", json!({"id": "p", "title": null, "_version": 4}))
        .await
        .unwrap();
    assert_eq!(
        (merged.version.0, &merged.fields["title"]),
        (6, &json!("n"))
    );
}

#[tokio::test]
async fn a16_a17_nested_types_and_json_text_merge_inside() {
    let world = World::new();
    let place = json!({"city": "x", "lines": ["1"]});
    post_at(&world, 5, json!({"place": place, "meta": "{\"k\":1}"})).await;
    let input = json!({
        "id": "p", "place": {"city": "y", "lines": ["2"]}, "meta": "{\"k\":2,\"z\":1}", "_version": 4
    });
    let merged = world.update("Post", input).await.unwrap();
    assert_eq!(
        merged.fields["place"],
        json!({"city": "x", "lines": ["1", "2"]})
    );
    assert_eq!(merged.fields["meta"], json!("{\"k\":1,\"z\":1}"));
}

#[tokio::test]
async fn a19_a_list_of_the_stored_version_is_replaced() {
    let world = World::new();
    post_at(&world, 5, json!({"tags": ["a"]})).await;
    let updated = world
        .update("Post", json!({"id": "p", "tags": ["c"], "_version": 5}))
        .await
        .unwrap();
    assert_eq!(
        (updated.version.0, &updated.fields["tags"]),
        (6, &json!(["c"]))
    );
}

#[tokio::test]
async fn a20_a_client_that_is_ahead_is_merged() {
    let world = World::new();
    post_at(&world, 5, json!({"tags": ["a"]})).await;
    let merged = world
        .update("Post", json!({"id": "p", "tags": ["c"], "_version": 9}))
        .await
        .unwrap();
    assert_eq!(
        (merged.version.0, &merged.fields["tags"]),
        (6, &json!(["a", "c"]))
    );
}

/// `sync-semantics` 6.3.
#[tokio::test]
async fn a_merge_keeps_the_stored_updated_at_and_moves_last_changed_at() {
    let world = World::new();
    post_at(&world, 2, json!({"title": "t"})).await;
    world.pass(1_000);
    let merged = world
        .update("Post", json!({"id": "p", "title": "x", "_version": 1}))
        .await
        .unwrap();
    assert_eq!(
        merged.fields["updatedAt"],
        json!("2023-11-14T22:13:20.000Z")
    );
    assert_eq!(merged.last_changed_at.0, crate::fixtures::START + 1_000);
}
