//! Rows 30 to 34 of the table: fields with rules of their own.

use driftless_resolvers::authz::Redaction;
use driftless_resolvers::schema::{Options, load_with};
use serde_json::json;

use super::*;
use crate::support::server::DATASTORE;
use crate::support::site::on_both_stores;

async fn workers(site: &Site) {
    create(site, A, "Worker", r#"id: "r1", name: "a""#)
        .await
        .value();
    create(
        site,
        G,
        "Worker",
        r#"id: "r2", name: "g", owner: "alice", salary: 7"#,
    )
    .await
    .value();
}

/// Row 30: without `id` an administrator cannot get a record, so a required field needs a rule for all who read another.
#[test]
fn required_fields_must_be_open_to_whoever_may_read_another_field() {
    let text = |level: &str| {
        format!(
            r#"type Pay @model(subscriptions: {{level: {level}}}) @auth(rules: [{{allow: owner}}]) {{
                id: ID!
                salary: Int @auth(rules: [{{allow: groups, groups: ["Admin"], operations: [read]}}])
            }}"#
        )
    };
    let options = Options {
        modes: vec![AuthMode::UserPool],
        ..Options::default()
    };
    assert!(load_with(&text("on"), &options).is_err());
    assert!(load_with(&text("off"), &options).is_ok());
}

/// Row 30, where it loads.
mod without_subscriptions {
    use super::*;

    const PAY: &str = r#"type Pay @model(subscriptions: {level: off}) @auth(rules: [{allow: owner}]) {
        id: ID!
        salary: Int @auth(rules: [{allow: groups, groups: ["Admin"], operations: [create, read]}, {allow: owner}])
    }"#;

    on_both_stores! { Plan::of(PAY).configured(users_first);

    async fn a_reader_of_one_field_sees_it_and_loses_the_record_with_a_required_one(site: &Site) {
        create(site, A, "Pay", r#"id: "r1", salary: 5"#).await.value();
        let one = r#"{ getPay(id: "r1") { salary } }"#;
        assert_eq!(G.asks(site, one).await.value(), json!({"salary": 5}));
        let both = G.asks(site, r#"{ getPay(id: "r1") { id salary } }"#).await;
        assert_eq!(both.data()["getPay"], Value::Null);
        assert_eq!(both.errors()[0]["message"], "Not Authorized to access id on type Pay");
    }
    }
}

on_both_stores! { RULES;

/// Row 31.
async fn a_refused_field_is_null_with_an_error_for_every_item(site: &Site) {
    workers(site).await;
    let query = "{ listWorkers { items { id salary } } }";
    let refused = A.asks(site, query).await;
    let items = refused.data()["listWorkers"]["items"].as_array().expect("items").clone();
    assert_eq!(items.len(), 2, "{refused:#?}");
    assert!(items.iter().all(|item| item["salary"].is_null()), "{items:?}");
    assert_eq!(refused.errors().len(), 2);
    for error in refused.errors() {
        assert_eq!(error["errorType"], "Unauthorized");
        assert_eq!(error["message"], "Not Authorized to access salary on type Worker");
        assert_eq!(error["path"][3], "salary");
        assert_eq!(error["data"], Value::Null);
    }
    assert_eq!(G.asks(site, query).await.ids(), ["r1", "r2"]);
    let one = r#"{ getWorker(id: "r2") { salary } }"#;
    assert_eq!(G.asks(site, one).await.value(), json!({"salary": 7}));
}

/// Row 31 in a sync, where an error would make the client take the model for empty (`errata.md` row 5).
async fn a_refused_field_is_null_without_an_error_in_a_sync(site: &Site) {
    workers(site).await;
    let page = A.asks(site, "{ syncWorkers { items { id salary } } }").await.value();
    let items = page["items"].as_array().expect("items");
    assert_eq!(items.len(), 2);
    assert!(items.iter().all(|item| item["salary"].is_null()), "{items:?}");
}

/// Rows 32 to 34.
async fn a_protected_field_is_written_by_its_readers_only_and_never_shown_in_answers(site: &Site) {
    let create = |id: &str| format!("mutation {{ createWorker(input: {{id: \"{id}\", salary: 1}}) {{ id salary }} }}");
    A.asks(site, &create("r1")).await.is_unauthorized_on("salary");
    assert_eq!(G.asks(site, &create("r2")).await.value(), json!({"id": "r2", "salary": null}));
    super::create(site, A, "Worker", r#"id: "r3""#).await.value();
    let raise = r#"mutation { updateWorker(input: {id: "r3", salary: 9, _version: 1}) { id salary _version } }"#;
    A.asks(site, raise).await.is_unauthorized_on("salary");
    assert_eq!(G.asks(site, raise).await.value(), json!({"id": "r3", "salary": null, "_version": 2}));
    delete(site, A, "Worker", "r3", 2).await.is_unauthorized();
    delete(site, G, "Worker", "r3", 2).await.value();
}

/// An error would make DataStore take its committed mutation for a refused one.
async fn only_plain_clients_are_told_which_field_of_an_answer_they_may_not_read(site: &Site) {
    create(site, A, "Worker", r#"id: "r1""#).await.value();
    let rename = |version| format!("mutation {{ updateWorker(input: {{id: \"r1\", name: \"n{version}\", _version: {version}}}) {{ id salary }} }}");
    let told = A.asks(site, &rename(1)).await;
    assert_eq!(told.data()["updateWorker"], json!({"id": "r1", "salary": null}));
    assert_eq!(told.errors()[0]["message"], "Not Authorized to access salary on type Worker");
    let silent = A.asks_as(DATASTORE, site, &rename(2)).await;
    assert_eq!(silent.value(), json!({"id": "r1", "salary": null}));
}
}

/// The other position of `mutation_redaction`.
mod with_answers_that_show_what_the_caller_may_read {
    use super::*;

    fn publish_only(config: &mut Config) {
        users_first(config);
        config.engine.authz.mutation_redaction = Redaction::PublishOnly;
    }

    on_both_stores! { Plan::of(include_str!("../../schemas/rules.graphql")).configured(publish_only);

    async fn a_mutation_answers_its_caller_and_hides_from_the_others(site: &Site) {
        let query = r#"mutation { createWorker(input: {id: "r1", owner: "alice", salary: 1}) { id salary } }"#;
        assert_eq!(G.asks(site, query).await.value(), json!({"id": "r1", "salary": 1}));
        let rename = r#"mutation { updateWorker(input: {id: "r1", name: "n", _version: 1}) { id salary } }"#;
        assert_eq!(A.asks(site, rename).await.value(), json!({"id": "r1", "salary": null}));
    }
    }
}
