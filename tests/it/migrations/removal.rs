//! A model that is removed with its records, and comes again.

use driftless_resolvers::Version;
use pretty_assertions::assert_eq;

use crate::support::models::schema;
use crate::support::probe::Probe;
use crate::support::stores::Stand;

/// Devices that were away all the while hold versions of the former records, and take no lower ones (F2).
async fn goes_on_above_its_former_versions(stand: Stand) {
    let probe = async |name| Probe::of(stand.storage.clone(), stand.feed.clone(), name).await;
    let kept = probe("Kept").await;
    let mut highest = Version(0);
    for _ in 0..3 {
        let gone = probe("Gone").await;
        let save = async |version: Version| {
            let saved = gone.save("settings", version.0).await;
            saved.expect("a write").version
        };
        let mut version = save(Version(0)).await;
        assert!(version > highest, "{version:?} after {highest:?}");
        for _ in 0..3 {
            version = save(version).await;
        }
        highest = version;
        let rest = schema(&[&kept.model]);
        stand.store().contract(&rest).await.expect("it goes");
    }
    let first = kept.save("settings", 0).await.expect("a write");
    assert_eq!(first.version, Version(1));
    let findings = stand.store().check().await.expect("a verdict").findings;
    assert_eq!(findings, []);
    stand.finish().await;
}

#[tokio::test]
async fn a_model_that_comes_again_gives_no_version_away_twice_in_sqlite() {
    goes_on_above_its_former_versions(Stand::sqlite().await).await;
}

#[tokio::test]
async fn a_model_that_comes_again_gives_no_version_away_twice_in_postgres() {
    goes_on_above_its_former_versions(Stand::postgres().await).await;
}
