//! A model that is removed with its records, and comes again.

use driftless_resolvers::Version;
use driftless_resolvers::feed::Operation;
use driftless_resolvers::schema::model::{Model, Scalar};
use driftless_resolvers::storage::{Expected, Key, Put, Write};
use pretty_assertions::assert_eq;
use serde_json::json;

use crate::support::models::{model, schema};
use crate::support::stores::Stand;

async fn put(stand: &Stand, model: &Model, expected: Expected) -> Version {
    let document = json!({"id": "settings"});
    let fields = document.as_object().expect("an object").clone();
    let write = Write {
        key: Key::of(model, &fields).expect("a key"),
        expected,
        operation: Operation::Update,
        fields,
        deleted: false,
        actor: None,
        request: None,
    };
    match stand.storage.put(model, write).await {
        Ok(Put::Done(record)) => record.version,
        other => panic!("{other:?}"),
    }
}

/// Devices that were away all the while hold versions of the former records, and take no lower ones (F2).
async fn goes_on_above_its_former_versions(stand: Stand) {
    let (kept, gone) = (simple("Kept"), simple("Gone"));
    let mut highest = Version(0);
    for _ in 0..3 {
        let both = schema(&[&kept, &gone]);
        stand.storage.prepare(&both).await.expect("tables");
        let mut version = put(&stand, &gone, Expected::Absent).await;
        assert!(version > highest, "{version:?} after {highest:?}");
        for _ in 0..3 {
            version = put(&stand, &gone, Expected::Version(version)).await;
        }
        highest = version;
        let rest = schema(&[&kept]);
        stand.store().contract(&rest).await.expect("it goes");
    }
    assert_eq!(put(&stand, &kept, Expected::Absent).await, Version(1));
    let findings = stand.store().check().await.expect("a verdict").findings;
    assert_eq!(findings, []);
    stand.finish().await;
}

fn simple(name: &str) -> Model {
    model(name, &[("id", Scalar::Id)], &["id"], &[])
}

#[tokio::test]
async fn a_model_that_comes_again_gives_no_version_away_twice_in_sqlite() {
    goes_on_above_its_former_versions(Stand::sqlite().await).await;
}

#[tokio::test]
async fn a_model_that_comes_again_gives_no_version_away_twice_in_postgres() {
    goes_on_above_its_former_versions(Stand::postgres().await).await;
}
