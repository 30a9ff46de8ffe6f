//! What a client sees of plugins, over HTTP.

use std::path::Path;

use serde_json::{Value, json};

use super::examples;
use crate::support::components::{guest, plain_answer, resolved};
use crate::support::site::{Plan, Site, on_both_stores};

const SCHEMA: &str = "type Product @model @auth(rules: [{allow: public}]) { id: ID! name: String! count: Int! note: String }";
const FIELDS: &str = "id name count note _version _deleted _lastChangedAt";

on_both_stores! {
    Plan::decided_by(SCHEMA, examples::component("stock-counter"));

    async fn ten_devices_that_saw_one_stock_count_it_down_to_the_right_sum(site: &mut Site) {
        let product = json!({"id": "p", "name": "Cup", "count": 100});
        site.mutate("createProduct", product, FIELDS).await.value();
        let counts = (1..=10).map(|sold| {
            let input = json!({"id": "p", "count": 100 - sold, "_version": 1});
            site.mutate("updateProduct", input, FIELDS)
        });
        let answers = futures_util::future::join_all(counts).await;
        let mut versions: Vec<Value> = answers
            .into_iter()
            .map(|answer| answer.value()["_version"].clone())
            .collect();
        versions.sort_by_key(Value::as_i64);
        assert_eq!(json!(versions), json!((2..=11).collect::<Vec<_>>()));
        let stored = site.read("{ getProduct(id: \"p\") { count } }").await;
        assert_eq!(stored["count"], 100 - (1..=10).sum::<i32>());
    }
}

#[tokio::test]
async fn a_plugin_that_fails_is_a_conflict_error_that_shows_the_record_and_blocks_nothing() {
    let no_product = r#"{"id": "p", "name": "Cup", "count": "many"}"#;
    for component in [
        guest("", "", "unreachable"),
        guest("", "", "(loop $again (br $again)) unreachable"),
        guest(
            "",
            "",
            "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable",
        ),
        guest("", "nonsense", &resolved(8)),
        guest("", "", &resolved(1024 * 1024)),
        guest("", no_product, &resolved(no_product.len())),
        guest("", "{}", &resolved(2)),
        guest("", "", &plain_answer(99)),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("plugin.wasm");
        std::fs::write(&path, component).expect("a file");
        let site = Site::sqlite(Plan::decided_by(SCHEMA, path)).await;
        let product = json!({"id": "p", "name": "Cup", "count": 5});
        site.mutate("createProduct", product, FIELDS).await.value();
        let next = json!({"id": "p", "count": 4, "_version": 1});
        site.mutate("updateProduct", next, FIELDS).await.value();

        let stale = json!({"id": "p", "count": 3, "_version": 1});
        let error = site.mutate("updateProduct", stale, FIELDS).await.refusal();
        assert_eq!(error["errorType"], "ConflictError");
        assert_eq!(error["message"], "Conflict handler failed.");
        assert_eq!(
            (&error["data"]["count"], &error["data"]["_version"]),
            (&json!(4), &json!(2))
        );

        // Nothing was written and nothing is held: the next write of the stored version succeeds.
        let next = json!({"id": "p", "count": 2, "_version": 2});
        let stored = site.mutate("updateProduct", next, FIELDS).await.value();
        assert_eq!(
            (&stored["count"], &stored["_version"]),
            (&json!(2), &json!(3))
        );
        site.finish().await;
    }
}

/// The plugins of the scenarios with real clients: each has one answer for every conflict. `DRIFTLESS_TEST_UPDATE=1` writes
/// them.
#[test]
fn the_plugins_of_real_clients_are_what_their_answers_make() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/plugins");
    for (name, case) in [("rejects", 1), ("removes", 2)] {
        let made = guest("", "", &plain_answer(case));
        let file = folder.join(format!("{name}.wasm"));
        if std::env::var("DRIFTLESS_TEST_UPDATE").is_ok() {
            std::fs::write(&file, &made).expect("a file");
        }
        let committed = std::fs::read(&file).expect("a committed component");
        assert!(made == committed, "{name}.wasm is another one");
    }
}
