//! The worked examples of `sync-semantics` 6.4 that need versions and a store; the merges themselves are tested beside
//! the handler.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::post_at;
use crate::fixtures::{World, object, paged};
use crate::{Fields, query};

#[tokio::test]
async fn a1_am_1_a_rejected_scalar_still_makes_a_version() {
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
async fn a7_without_a_version_nothing_changes_but_the_version() {
    let world = World::new();
    post_at(&world, 1, json!({})).await;
    let first = json!({"id": "p", "title": "o", "_version": 1});
    world.update("Post", first).await.unwrap();
    let merged = world
        .update("Post", json!({"id": "p", "title": "n"}))
        .await
        .unwrap();
    assert_eq!(
        (merged.version.0, &merged.fields["title"]),
        (3, &json!("o"))
    );
}

#[tokio::test]
async fn a8_a_second_call_with_the_version_of_the_answer_wins() {
    let world = World::new();
    post_at(&world, 2, json!({"title": "o"})).await;
    let unversioned = json!({"id": "p", "title": "n"});
    let answer = world.update("Post", unversioned).await.unwrap();
    let second = json!({"id": "p", "title": "n", "_version": answer.version.0});
    let record = world.update("Post", second).await.unwrap();
    assert_eq!(
        (record.version.0, &record.fields["title"]),
        (4, &json!("n"))
    );
}

#[tokio::test]
async fn a9_am_5_the_last_writer_of_a_scalar_loses() {
    let world = World::new();
    post_at(&world, 4, json!({"title": "theirs"})).await;
    let stale = json!({"id": "p", "title": "post title 2", "_version": 1});
    let merged = world.update("Post", stale).await.unwrap();
    assert_eq!(
        (merged.version.0, &merged.fields["title"]),
        (5, &json!("theirs"))
    );
}

#[tokio::test]
async fn a10_a_stale_title_loses_though_another_field_was_changed() {
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
async fn a11_a_foreign_key_is_added_where_it_was_null() {
    let world = World::new();
    world
        .create("Post", json!({"id": "p", "title": "o", "blogID": null}))
        .await
        .unwrap();
    world
        .update("Post", json!({"id": "p", "title": "post 0", "_version": 1}))
        .await
        .unwrap();
    let stale = json!({"id": "p", "blogID": "second", "_version": 1});
    let merged = world.update("Post", stale).await.unwrap();
    assert_eq!(
        (merged.version.0, &merged.fields["blogID"]),
        (3, &json!("second"))
    );
    assert_eq!(merged.fields["title"], json!("post 0"));
}

#[tokio::test]
async fn a12_side_effect_2_a_stale_move_to_another_parent_is_lost() {
    let world = World::new();
    post_at(&world, 4, json!({"title": "post 0", "blogID": "original"})).await;
    let stale = json!({"id": "p", "blogID": "second", "_version": 1});
    let merged = world.update("Post", stale).await.unwrap();
    assert_eq!(
        (merged.version.0, &merged.fields["blogID"]),
        (5, &json!("original"))
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

/// A record of version 5 holds these fields, a client that saw version 4 sends others.
async fn merged_at_5(stored: Value, sent: Value) -> Fields {
    let world = World::new();
    post_at(&world, 5, stored).await;
    let mut input = object(json!({"id": "p", "_version": 4}));
    input.append(&mut object(sent));
    let merged = world.update("Post", input.into()).await.unwrap();
    assert_eq!(merged.version.0, 6);
    merged.fields
}

#[tokio::test]
async fn a16_kind_row_2_nested_types_merge_inside() {
    let merged = merged_at_5(
        json!({"place": {"city": "x", "lines": ["1"]}}),
        json!({"place": {"city": "y", "lines": ["2"]}}),
    )
    .await;
    assert_eq!(merged["place"], json!({"city": "x", "lines": ["1", "2"]}));
}

#[tokio::test]
async fn a17_kind_row_3_json_objects_and_arrays_merge_inside() {
    for (stored, sent, result) in [
        ("{\"k\":1}", "{\"k\":2,\"z\":1}", "{\"k\":1,\"z\":1}"),
        ("[1]", "[1,2]", "[1,1,2]"),
    ] {
        let merged = merged_at_5(json!({"meta": stored}), json!({"meta": sent})).await;
        assert_eq!(merged["meta"], json!(result));
    }
}

/// The API takes no JSON text that changes its kind to or from a list of GraphQL's, so A18 occurs inside of JSON.
#[tokio::test]
async fn a18_a_value_that_became_a_list_stays_as_it_was_stored() {
    let merged = merged_at_5(
        json!({"meta": "{\"f\":\"x\"}"}),
        json!({"meta": "{\"f\":[\"y\"]}"}),
    )
    .await;
    assert_eq!(merged["meta"], json!("{\"f\":\"x\"}"));
}

#[tokio::test]
async fn kind_row_1_lists_of_anything_append() {
    let merged = merged_at_5(json!({"tags": ["a"]}), json!({"tags": ["a", "b"]})).await;
    assert_eq!(merged["tags"], json!(["a", "a", "b"]));
}

#[tokio::test]
async fn kind_row_4_json_scalars_are_kept() {
    let scalar = json!({"meta": "{\"f\":1}"});
    for sent in ["{\"f\":2}", "{\"f\":null}", "{\"f\":\"1\"}"] {
        let merged = merged_at_5(scalar.clone(), json!({"meta": sent})).await;
        assert_eq!(merged["meta"], scalar["meta"], "{sent}");
    }
}

#[tokio::test]
async fn kind_row_5_scalars_of_every_type_are_kept() {
    let stored = json!({
        "title": "t", "rating": 1, "score": 1.5, "open": true, "status": "DRAFT", "blogID": "b",
        "createdAt": "2024-01-01T00:00:00Z"
    });
    let sent = json!({
        "title": "u", "rating": 2, "score": 2.5, "open": false, "status": "ACTIVE", "blogID": "c",
        "createdAt": "2025-01-01T00:00:00Z"
    });
    let merged = merged_at_5(stored.clone(), sent).await;
    for (name, value) in object(stored) {
        assert_eq!(merged[&name], value, "{name}");
    }
}

/// No element is matched with another by an id or by anything else.
#[tokio::test]
async fn kind_row_6_lists_of_nested_values_append_whole() {
    let merged = merged_at_5(
        json!({"meta": "{\"rows\":[{\"id\":1,\"n\":1}]}"}),
        json!({"meta": "{\"rows\":[{\"id\":1,\"n\":2}]}"}),
    )
    .await;
    let rows = json!("{\"rows\":[{\"id\":1,\"n\":1},{\"id\":1,\"n\":2}]}");
    assert_eq!(merged["meta"], rows);
}

#[tokio::test]
async fn side_effect_3_fields_set_for_the_first_time_join_what_others_wrote() {
    let merged = merged_at_5(
        json!({"rating": 5}),
        json!({"rating": 1, "title": "of one star"}),
    )
    .await;
    assert_eq!(
        (&merged["rating"], &merged["title"]),
        (&json!(5), &json!("of one star"))
    );
}

/// AppSync keeps the stale attribute; ours follows the merged record.
#[tokio::test]
async fn side_effect_4_an_index_follows_the_merged_record() {
    let world = World::new();
    let visit = json!({"id": "v", "site": "s"});
    world.create("Visit", visit).await.unwrap();
    let theirs = json!({"id": "v", "day": "monday", "n": 1, "_version": 1});
    world.update("Visit", theirs).await.unwrap();
    let stale = json!({"id": "v", "day": "sunday", "n": 7, "_version": 1});
    let merged = world.update("Visit", stale).await.unwrap();
    assert_eq!(
        (&merged.fields["day"], &merged.fields["n"]),
        (&json!("monday"), &json!(1))
    );
    let model = world.model("Visit");
    for (day, count) in [("monday", 1), ("sunday", 0)] {
        let args = object(json!({"site": "s", "dayN": {"eq": {"day": day, "n": 1}}}));
        let page = query::index(
            &world.engine,
            &world.caller,
            model,
            &model.indexes[0],
            &args,
        )
        .await;
        assert_eq!(paged(page).unwrap().records.len(), count, "{day}");
    }
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
async fn side_effect_1_a_merge_keeps_the_stored_updated_at_and_moves_last_changed_at() {
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
