//! The conflict journal, as far as it looks into the log.

use driftless_conflict_handlers::Recorded;
use driftless_resolvers::journal::{JournalQuery, Retention};

use super::*;

/// `@mapsTo`: what a record was under the former name of its model belongs to its conflicts under the new one.
async fn a_conflict_of_a_renamed_model_shows_what_its_client_saw_under_the_former_name(
    stand: &Stand,
) {
    let former = ready(stand).await;
    create(stand, &former, json!({"id": "p", "title": "seen"})).await;
    update(stand, &former, 1, json!({"id": "p", "title": "theirs"})).await;
    let mut renamed = post();
    "Article".clone_into(&mut renamed.name);
    renamed.maps_to = Some("Post".to_owned());
    stand.storage.prepare(&schema(&[&renamed])).await.unwrap();

    let conflict: Recorded = serde_json::from_value(json!({
        "model": "Article",
        "key": key("p").0,
        "clientVersion": 1,
        "stored": {"fields": {"id": "p", "title": "theirs"}, "version": 2},
        "incoming": {"title": "mine"},
    }))
    .unwrap();
    let journal = stand.journal();
    journal
        .append(&[conflict], Retention::default())
        .await
        .unwrap();
    let query = JournalQuery {
        limit: 1,
        ..JournalQuery::default()
    };
    let found = journal.conflicts(&query).await.unwrap();
    let base = found[0].conflict.base.clone().expect("what was seen");
    assert_eq!(
        (base.version, &base.fields["title"]),
        (Version(1), &json!("seen"))
    );
}

on_every_store!(a_conflict_of_a_renamed_model_shows_what_its_client_saw_under_the_former_name);
