//! Rows 15 to 22 of the table: groups.

use serde_json::json;

use super::*;
use crate::support::site::on_both_stores;

on_both_stores! { RULES;

/// Row 15.
async fn who_is_in_no_group_of_the_rule_is_refused_not_shown_an_empty_list(site: &Site) {
    create(site, G, "Board", r#"id: "r1""#).await.value();
    assert_eq!(list(site, G, "Boards").await.ids(), ["r1"]);
    assert_eq!(sync(site, G, "Boards").await.ids(), ["r1"]);
    for who in [A, D] {
        list(site, who, "Boards").await.is_unauthorized();
        sync(site, who, "Boards").await.is_unauthorized();
        create(site, who, "Board", r#"id: "r2""#).await.is_unauthorized();
    }
}

/// Row 16.
async fn a_static_rule_lets_the_condition_speak_of_what_is_missing(site: &Site) {
    let change = r#"id: "unknown", title: "x", _version: 1"#;
    update(site, G, "Board", change).await.is_refused_as("ConditionalCheckFailedException");
    update(site, A, "Board", change).await.is_unauthorized();
}

/// Row 17.
async fn owners_list_their_own_and_the_group_lists_all(site: &Site) {
    create(site, A, "Task", r#"id: "r1""#).await.value();
    create(site, G, "Task", r#"id: "r2""#).await.value();
    for (who, ids) in [(A, vec!["r1"]), (G, vec!["r1", "r2"]), (B, vec![])] {
        assert_eq!(list(site, who, "Tasks").await.ids(), ids, "{who:?}");
        assert_eq!(sync(site, who, "Tasks").await.ids(), ids, "{who:?}");
    }
}

/// Row 18, and who owns what a group's member creates without saying so.
async fn a_group_may_create_for_others(site: &Site) {
    create(site, G, "Task", r#"id: "r1", owner: "alice""#).await.value();
    create(site, B, "Task", r#"id: "r2", owner: "alice""#).await.is_unauthorized();
    assert_eq!(list(site, A, "Tasks").await.ids(), ["r1"]);
    let query = r#"mutation { createTask(input: {id: "r3"}) { owner } }"#;
    assert_eq!(G.asks(site, query).await.value(), json!({"owner": "gina"}));
}

/// Row 19.
async fn a_record_is_created_for_a_group_by_its_members(site: &Site) {
    create(site, D, "Team", r#"id: "r1", group: "Devs""#).await.value();
    create(site, A, "Team", r#"id: "r2", group: "Devs""#).await.is_unauthorized();
    create(site, D, "Team", r#"id: "r2", group: "Devs-Admin""#).await.is_unauthorized();
    create(site, D, "Team", r#"id: "r2""#).await.is_unauthorized();
}

/// Row 20.
async fn members_list_the_records_of_their_groups(site: &Site) {
    create(site, D, "Team", r#"id: "r1", group: "Devs""#).await.value();
    for read in [list(site, D, "Teams").await, sync(site, D, "Teams").await] {
        assert_eq!(read.ids(), ["r1"]);
    }
    for read in [list(site, G, "Teams").await, sync(site, G, "Teams").await] {
        assert_eq!(read.ids(), [""; 0]);
    }
    list(site, A, "Teams").await.is_unauthorized();
    sync(site, A, "Teams").await.is_unauthorized();
}

/// Row 21.
async fn a_record_may_belong_to_several_groups(site: &Site) {
    create(site, D, "Club", r#"id: "r1", groups: ["Admin", "Devs"]"#).await.value();
    create(site, D, "Club", r#"id: "r2", groups: ["Devs"]"#).await.value();
    for who in [D, G] {
        get(site, who, "Club", "r1").await.value();
    }
    get(site, G, "Club", "r2").await.is_unauthorized();
    get(site, A, "Club", "r1").await.is_unauthorized();
    assert_eq!(list(site, G, "Clubs").await.ids(), ["r1"]);
    assert_eq!(sync(site, D, "Clubs").await.ids(), ["r1", "r2"]);
}

/// Row 22.
async fn the_group_that_counts_is_the_stored_one(site: &Site) {
    create(site, D, "Team", r#"id: "r1", group: "Devs""#).await.value();
    update(site, G, "Team", r#"id: "r1", group: "Admin", _version: 1"#).await.is_unauthorized();
    update(site, D, "Team", r#"id: "r1", group: "Admin", _version: 1"#).await.value();
    update(site, D, "Team", r#"id: "r1", title: "x", _version: 2"#).await.is_unauthorized();
    get(site, D, "Team", "r1").await.is_unauthorized();
    get(site, G, "Team", "r1").await.value();
}
}
