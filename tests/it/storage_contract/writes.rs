//! Compare and swap, the log, and what is kept of a write.

use driftless_resolvers::asked::Asked;
use pretty_assertions::assert_eq;

use super::*;

on_every_store![
    a_create_needs_an_absent_record,
    an_update_needs_the_stored_version,
    a_tombstone_is_read_like_any_record,
    versions_and_the_log_have_no_gaps,
    one_writer_wins_each_version,
    time_never_runs_backwards,
    text_is_kept_as_it_came,
    the_feed_tells_every_write_in_order,
    a_secret_stays_the_same,
    a_revision_is_what_was_written_then,
];

async fn a_create_needs_an_absent_record(stand: &Stand) {
    let model = ready(stand).await;
    let first = create(stand, &model, json!({"id": "a", "title": "one"})).await;
    assert_eq!((first.version, first.deleted), (Version(1), false));
    let again = put(
        stand,
        &model,
        Expected::Absent,
        json!({"id": "a", "title": "two"}),
    )
    .await;
    assert_eq!(again, Put::Stale(Some(first.clone())));
    assert_eq!(get(stand, &model, "a").await, Some(first));
    assert_eq!(get(stand, &model, "b").await, None);
}

async fn an_update_needs_the_stored_version(stand: &Stand) {
    let model = ready(stand).await;
    create(stand, &model, json!({"id": "a", "title": "one"})).await;
    let second = update(stand, &model, 1, json!({"id": "a", "title": "two"})).await;
    assert_eq!(second.version, Version(2));
    assert_eq!(second.fields["title"], "two");
    for stale in [1, 3] {
        let expected = Expected::Version(Version(stale));
        let refused = put(
            stand,
            &model,
            expected,
            json!({"id": "a", "title": "three"}),
        )
        .await;
        assert_eq!(refused, Put::Stale(Some(second.clone())));
    }
    let missing = put(
        stand,
        &model,
        Expected::Version(Version(1)),
        json!({"id": "x"}),
    )
    .await;
    assert_eq!(missing, Put::Stale(None));
}

async fn a_tombstone_is_read_like_any_record(stand: &Stand) {
    let model = ready(stand).await;
    create(
        stand,
        &model,
        json!({"id": "a", "blog": "x", "title": "kept"}),
    )
    .await;
    let mut delete = write(
        &model,
        Expected::Version(Version(1)),
        json!({"id": "a", "blog": "x", "title": "kept"}),
    );
    delete.deleted = true;
    delete.operation = Operation::Delete;
    let tombstone = done(stand.storage.put(&model, delete).await.unwrap());
    assert!(tombstone.deleted);
    assert_eq!(tombstone.fields["title"], "kept");
    assert_eq!(get(stand, &model, "a").await, Some(tombstone.clone()));
    assert_eq!(
        walk(stand, &model, Scope::Table, 10).await,
        std::slice::from_ref(&tombstone)
    );
    assert_eq!(
        sync(stand, &model, None).await.0,
        std::slice::from_ref(&tombstone)
    );
    let refused = put(stand, &model, Expected::Absent, json!({"id": "a"})).await;
    assert_eq!(refused, Put::Stale(Some(tombstone)));
}

async fn versions_and_the_log_have_no_gaps(stand: &Stand) {
    let model = ready(stand).await;
    create(stand, &model, json!({"id": "a"})).await;
    for version in 1..20 {
        put(stand, &model, Expected::Absent, json!({"id": "a"})).await;
        let record = update(stand, &model, version, json!({"id": "a"})).await;
        assert_eq!(record.version, Version(version + 1));
    }
    let Stretch {
        events, next: last, ..
    } = stand.feed.since(&model, Seq(0), 100).await.unwrap();
    let seqs: Vec<_> = events.iter().map(|event| event.seq.0).collect();
    assert_eq!(seqs, (1..=20).collect::<Vec<_>>());
    assert_eq!(last, stand.feed.head(&model).await.unwrap());
}

async fn one_writer_wins_each_version(stand: &Stand) {
    let model = ready(stand).await;
    create(stand, &model, json!({"id": "a", "title": "0"})).await;
    for version in 1..=5 {
        let writers = (0..100).map(|n| {
            let expected = Expected::Version(Version(version));
            put(
                stand,
                &model,
                expected,
                json!({"id": "a", "title": n.to_string()}),
            )
        });
        let won: Vec<_> = join_all(writers)
            .await
            .into_iter()
            .filter_map(|put| match put {
                Put::Done(record) => Some(record),
                Put::Stale(_) => None,
            })
            .collect();
        assert_eq!(won.len(), 1, "version {version}");
        assert_eq!(get(stand, &model, "a").await, won.first().cloned());
    }
}

async fn time_never_runs_backwards(stand: &Stand) {
    let model = ready(stand).await;
    let mut last = create(stand, &model, json!({"id": "a"}))
        .await
        .last_changed_at;
    for (version, step) in [(1, 5_000), (2, -3_600_000), (3, 0), (4, 1)] {
        stand.clock.advance(step);
        let now = update(stand, &model, version, json!({"id": "a"})).await;
        assert!(now.last_changed_at >= last);
        last = now.last_changed_at;
    }
}

async fn text_is_kept_as_it_came(stand: &Stand) {
    let model = ready(stand).await;
    let text = r#"{"id":"a","z":1.50,"rating":1e+3,"score":-0.0,"big":123456789012345678901234567890,"title":"\"\\/ \u0001 é 😀","m":{"y":[1.0,null,true],"b":{}}}"#;
    let document: Value = serde_json::from_str(text).unwrap();
    let expected = serde_json::to_string(&document).unwrap();
    create(stand, &model, document).await;
    let read = get(stand, &model, "a").await.unwrap();
    assert_eq!(serde_json::to_string(&read.fields).unwrap(), expected);
    assert!(
        expected.contains(
            r#""z":1.50,"rating":1e+3,"score":-0.0,"big":123456789012345678901234567890"#
        )
    );
    let revision = stand
        .storage
        .revision(&model, &key("a"), Version(1))
        .await
        .unwrap();
    let logged = revision.unwrap().record.fields;
    assert_eq!(serde_json::to_string(&logged).unwrap(), expected);
}

async fn the_feed_tells_every_write_in_order(stand: &Stand) {
    let model = ready(stand).await;
    let mut hints = stand.feed.hints(&model);
    hints.mark_unchanged();
    assert_eq!(stand.feed.head(&model).await.unwrap(), Seq(0));
    create(stand, &model, json!({"id": "a", "title": "one"})).await;
    assert!(hints.has_changed().unwrap());
    update(stand, &model, 1, json!({"id": "a", "title": "two"})).await;
    let other = create(stand, &model, json!({"id": "b"})).await;
    let first = stand.feed.since(&model, Seq(0), 2).await.unwrap();
    assert_eq!((first.next, first.whole), (Seq(2), true));
    let told: Vec<_> = first
        .events
        .iter()
        .map(|event| {
            (
                event.operation,
                event.record.fields["title"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [(Operation::Create, "one"), (Operation::Update, "two")]
    );
    let rest = stand.feed.since(&model, first.next, 2).await.unwrap();
    assert_eq!(*rest.events[0].record, other);
    assert_eq!(
        (rest.events.len(), rest.next),
        (1, stand.feed.head(&model).await.unwrap())
    );
    let none = stand.feed.since(&model, rest.next, 2).await.unwrap();
    assert_eq!((none.events.len(), none.next), (0, Seq(3)));
}

async fn a_secret_stays_the_same(stand: &Stand) {
    let asked = join_all((0..8).map(|_| stand.storage.secret("tokens"))).await;
    let secrets: HashSet<_> = asked.into_iter().map(Result::unwrap).collect();
    assert_eq!(secrets.len(), 1);
    let other = stand.storage.secret("other").await.unwrap();
    assert!(!secrets.contains(&other));
    stand.storage.ping().await.unwrap();
}

async fn a_revision_is_what_was_written_then(stand: &Stand) {
    let model = ready(stand).await;
    let mut first = write(&model, Expected::Absent, json!({"id": "a", "title": "one"}));
    first.actor = Some("api_key:1".to_owned());
    let asked = Asked::from_text(r#"digest {"id":null,"place":{"city":null}}"#);
    assert!(asked.selected.is_some());
    first.request = Some(asked.clone());
    let record = done(stand.storage.put(&model, first).await.unwrap());
    update(stand, &model, 1, json!({"id": "a", "title": "two"})).await;
    let told = stand.feed.since(&model, Seq(0), 2).await.unwrap().events;
    let selected: Vec<_> = told.iter().map(|event| event.selected.clone()).collect();
    assert_eq!(selected, [asked.selected.clone(), None]);
    let revision = stand
        .storage
        .revision(&model, &key("a"), Version(1))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(revision.record, record);
    assert_eq!(revision.operation, Operation::Create);
    assert_eq!(revision.actor.as_deref(), Some("api_key:1"));
    assert_eq!(revision.request, Some(asked));
    let second = stand
        .storage
        .revision(&model, &key("a"), Version(2))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((second.operation, second.actor), (Operation::Update, None));
    for (id, version) in [("a", 3), ("b", 1)] {
        let none = stand
            .storage
            .revision(&model, &key(id), Version(version))
            .await
            .unwrap();
        assert_eq!(none, None);
    }
}
