//! A model that was called otherwise before (`@mapsTo`): what its records were then counts in conflicts as if nothing had
//! happened.

use driftless::config::{Secret, Strategy};
use serde_json::{Value, json};

use super::admin::{ADMIN, written};
use crate::support::site::{Plan, Site, on_both_stores};

const FORMER: &str = "type Post @model @auth(rules: [{allow: public}]) { id: ID! title: String tags: [String] rating: Int }";
const RENAMED: &str = "type Article @model @mapsTo(name: \"Post\") @auth(rules: [{allow: public}]) { id: ID! title: String tags: [String] rating: Int }";
const FIELDS: &str = "id title tags rating _version";

const MERGED: Plan = Plan::of(FORMER).configured(|config| {
    config.admin = Some(Secret(ADMIN.to_owned()));
});
const THREE_WAY: Plan = Plan {
    strategy: Strategy::ThreeWay,
    ..Plan::of(FORMER)
};

/// A device read version 1 while the model was called Post; it sends its edit, as a whole model, to what is called Article.
async fn edited_across_the_change_of_name(site: &mut Site) -> Value {
    let seen = json!({"id": "p", "title": "seen", "tags": ["a"], "rating": 1});
    site.mutate("createPost", seen.clone(), FIELDS)
        .await
        .value();
    let theirs = json!({"id": "p", "title": "theirs", "_version": 1});
    site.mutate("updatePost", theirs, FIELDS).await.value();
    site.reload(RENAMED).await;
    let mut edited = seen;
    edited["rating"] = json!(5);
    edited["_version"] = json!(1);
    site.mutate("updateArticle", edited, FIELDS).await.value()
}

on_both_stores! { THREE_WAY;

async fn three_way_merging_knows_what_a_record_was_under_another_name(site: &mut Site) {
    let merged = edited_across_the_change_of_name(site).await;
    assert_eq!(merged, json!({"id": "p", "title": "theirs", "tags": ["a"], "rating": 5, "_version": 3}));
}
}

on_both_stores! { MERGED;

async fn the_journal_knows_what_a_record_was_under_another_name(site: &mut Site) {
    let merged = edited_across_the_change_of_name(site).await;
    assert_eq!(merged["tags"], json!(["a", "a"]));
    let conflicts = written(site).await;
    let [conflict] = conflicts.as_slice() else {
        panic!("{conflicts:?}");
    };
    assert_eq!((&conflict["model"], &conflict["clientVersion"]), (&json!("Article"), &json!(1)));
    let base = json!({"id": "p", "title": "seen", "tags": ["a"], "rating": 1});
    for (field, value) in base.as_object().expect("fields") {
        assert_eq!(&conflict["base"]["fields"][field], value, "{conflict}");
    }
}
}
