//! Base and delta: nothing is lost, and every sync ends.

use pretty_assertions::assert_eq;

use super::*;

on_every_store![
    a_delta_holds_everything_its_predecessor_did_not,
    writes_of_one_millisecond_are_not_lost,
    base_pages_hold_every_record_once_while_others_write,
    a_delta_ends_while_others_write,
    pages_end_exactly,
    t43_the_first_sync_of_an_empty_model_has_a_start,
    an_old_last_sync_gets_a_delta_and_none_gets_everything,
    a_sync_of_a_part_brings_what_its_filter_lets_through,
];

async fn a_delta_holds_everything_its_predecessor_did_not(stand: &Stand) {
    let model = ready(stand).await;
    let mut replica: BTreeMap<String, Version> = BTreeMap::new();
    let mut last_sync = None;
    for round in 0..8_u32 {
        for n in 0..7 {
            let id = format!("{}", (round * 3 + n) % 16);
            let version = get(stand, &model, &id).await.map(|record| record.version);
            let expected = version.map_or(Expected::Absent, Expected::Version);
            done(put(stand, &model, expected, json!({"id": id})).await);
        }
        let (records, started_at) = sync(stand, &model, last_sync).await;
        for record in records {
            replica.insert(record.fields["id"].to_string(), record.version);
        }
        last_sync = Some(started_at);
        stand.clock.advance(i64::from(round % 2));
    }
    let stored = walk(stand, &model, Scope::Table, 100).await;
    let stored: BTreeMap<_, _> = stored
        .into_iter()
        .map(|record| (record.fields["id"].to_string(), record.version))
        .collect();
    assert_eq!(replica, stored);
}

async fn writes_of_one_millisecond_are_not_lost(stand: &Stand) {
    let model = ready(stand).await;
    create(stand, &model, json!({"id": "a"})).await;
    let (_, started_at) = sync(stand, &model, None).await;
    create(stand, &model, json!({"id": "b"})).await;
    let (records, _) = sync(stand, &model, Some(started_at)).await;
    assert!(ids(&records).contains(&"b"));
}

async fn base_pages_hold_every_record_once_while_others_write(stand: &Stand) {
    let model = ready(stand).await;
    for n in 0..9 {
        create(stand, &model, json!({"id": format!("{n}")})).await;
    }
    let mut page = first_page(stand, &model, None, 2).await;
    let (mut seen, mut round) = (Vec::new(), 0);
    loop {
        seen.extend(ids(&page.records).iter().map(|id| (*id).to_owned()));
        let behind = update(stand, &model, round + 1, json!({"id": "0"})).await;
        assert!(behind.last_changed_at > page.started_at);
        round += 1;
        if page.next.is_none() {
            break;
        }
        page = next_page(stand, &model, &page, 2).await;
    }
    assert_eq!(seen, ["0", "1", "2", "3", "4", "5", "6", "7", "8"]);
    assert_eq!(round, 5);
}

async fn a_delta_ends_while_others_write(stand: &Stand) {
    let model = ready(stand).await;
    for n in 0..6 {
        create(stand, &model, json!({"id": format!("{n}")})).await;
    }
    let mut page = first_page(stand, &model, Some(1), 2).await;
    assert!(matches!(
        page.next.as_ref().unwrap().place,
        SyncPlace::Delta(..)
    ));
    let mut pages = 1;
    while page.next.is_some() {
        for n in 0..6 {
            update(stand, &model, pages, json!({"id": format!("{n}")})).await;
        }
        page = next_page(stand, &model, &page, 2).await;
        pages += 1;
        assert!(pages <= 4, "the delta does not end");
    }
    let (rest, _) = sync(stand, &model, Some(page.started_at.0)).await;
    assert_eq!(ids(&rest).into_iter().collect::<HashSet<_>>().len(), 6);
}

async fn pages_end_exactly(stand: &Stand) {
    let model = ready(stand).await;
    for n in 0..4 {
        create(stand, &model, json!({"id": format!("{n}"), "blog": "x"})).await;
    }
    let base = first_page(stand, &model, None, 4).await;
    assert_eq!((base.records.len(), base.next), (4, None));
    let delta = first_page(stand, &model, Some(1), 4).await;
    assert_eq!((delta.records.len(), delta.next), (4, None));
    let delta = first_page(stand, &model, Some(1), 3).await;
    assert_eq!(delta.records.len(), 3);
    let rest = next_page(stand, &model, &delta, 3).await;
    assert_eq!((rest.records.len(), rest.next), (1, None));
    for scope in [Scope::Table, partition("byBlog", json!("x"), vec![], true)] {
        let mut query = Query {
            scope,
            rows: Filter::everything(),
            filter: Filter::everything(),
            limit: 2,
            after: None,
        };
        let page = stand.storage.query(&model, &query).await.unwrap();
        assert_eq!(page.records.len(), 2);
        query.after = page.next;
        assert!(query.after.is_some());
        let page = stand.storage.query(&model, &query).await.unwrap();
        assert_eq!((page.records.len(), page.next), (2, None));
    }
}

async fn t43_the_first_sync_of_an_empty_model_has_a_start(stand: &Stand) {
    let model = ready(stand).await;
    let page = first_page(stand, &model, None, 10).await;
    assert_eq!((page.records.len(), page.next), (0, None));
    assert!(page.started_at.0 > 1_600_000_000_000);
    create(stand, &model, json!({"id": "a"})).await;
    let (records, _) = sync(stand, &model, Some(page.started_at.0)).await;
    assert_eq!(ids(&records), ["a"]);
    if stand.clock_is_held() {
        stand.clock.advance(86_400_000);
        let later = first_page(stand, &model, Some(page.started_at.0), 10).await;
        assert_eq!(later.started_at.0, page.started_at.0 + 86_400_000);
        let events = log(stand, &model).await;
        assert_eq!(events.len(), 1, "ticks are no events");
    }
}

async fn an_old_last_sync_gets_a_delta_and_none_gets_everything(stand: &Stand) {
    let model = ready(stand).await;
    create(stand, &model, json!({"id": "b"})).await;
    let (_, first) = sync(stand, &model, None).await;
    stand.clock.advance(50);
    let changed = create(stand, &model, json!({"id": "a"}))
        .await
        .last_changed_at;
    for (last_sync, expected) in [
        (None, vec!["a", "b"]),
        (Some(0), vec!["a", "b"]),
        (Some(-1), vec!["a", "b"]),
        (Some(1), vec!["b", "a"]),
        (Some(first), vec!["b", "a"]),
        (Some(changed.0 + 3_600_000_000), vec!["a", "b"]),
        (Some(9_007_199_254_740_992), vec!["a", "b"]),
    ] {
        let (records, _) = sync(stand, &model, last_sync).await;
        assert_eq!(ids(&records), expected, "{last_sync:?}");
    }
    if stand.clock_is_held() {
        let (records, _) = sync(stand, &model, Some(first + 1)).await;
        assert_eq!(ids(&records), ["a"]);
        let (records, _) = sync(stand, &model, Some(changed.0)).await;
        assert!(records.is_empty());
        let (records, _) = sync(stand, &model, Some(changed.0 + 59_000)).await;
        assert_eq!(ids(&records), ["a"]);
    }
}

/// Syncs by the field of an index, by two of its values, by the key, by the field of a rule, and by either of two fields:
/// base, then delta, while records move from part to part and go.
async fn a_sync_of_a_part_brings_what_its_filter_lets_through(stand: &Stand) {
    let model = ready(stand).await;
    let blog = |n: u32| json!(["x", "y", "z"][n as usize % 3]);
    let status = |n: u32| json!([Some("x"), Some("s"), None][n as usize / 2 % 3]);
    for n in 0..12 {
        let document = json!({"id": format!("{n:02}"), "blog": blog(n), "title": "t", "rating": n % 2, "status": status(n)});
        create(stand, &model, document).await;
    }
    let field = |name: &str, test| Filter::Field {
        name: name.to_owned(),
        test,
    };
    let of = |blogs: &[&str]| {
        field(
            "blog",
            Test::In(blogs.iter().map(|blog| json!(blog)).collect()),
        )
    };
    let filters = [
        field("blog", Test::Eq(json!("x"))),
        of(&["y", "x"]),
        Filter::All(vec![field("rating", Test::Eq(json!(1))), of(&["x"])]),
        field("id", Test::In(vec![json!("03"), json!("04"), json!("99")])),
        field("status", Test::Eq(json!("s"))),
        Filter::Any(vec![
            of(&["x", "z"]),
            field("status", Test::In(vec![json!("s"), json!("x")])),
            field("id", Test::Eq(json!("05"))),
        ]),
    ];
    for (round, filter) in filters.into_iter().enumerate() {
        let mut replica: BTreeMap<String, Record> = BTreeMap::new();
        let mut last_sync = None;
        for step in 0..4_u32 {
            let mut from = SyncFrom::First {
                last_sync,
                overlap: 0,
                window: None,
            };
            for turn in 0.. {
                let query = SyncQuery {
                    from,
                    rows: Filter::everything(),
                    filter: filter.clone(),
                    limit: 2,
                };
                let page = stand.storage.sync(&model, &query).await.unwrap();
                assert!(page.records.iter().all(|record| filter.matches(record)));
                for record in page.records {
                    let before = replica.insert(record.fields["id"].to_string(), record.clone());
                    assert!(before.is_none_or(|before| before.version <= record.version));
                }
                last_sync = Some(page.started_at.0);
                if turn < 4 {
                    let n = (step * 5 + turn * 3) % 12;
                    let id = format!("{n:02}");
                    let Version(version) = get(stand, &model, &id).await.unwrap().version;
                    let moved = json!({"id": id, "blog": blog(n + turn), "title": "u", "rating": turn % 2, "status": status(n + turn)});
                    update(stand, &model, version, moved).await;
                }
                match page.next {
                    Some(next) => from = SyncFrom::Next(next),
                    None => break,
                }
                assert!(turn < 40, "the sync does not end");
            }
            stand.clock.advance(10);
        }
        // What left the part is not mentioned any more; what is in it is there as it is stored.
        let mut missed = 0;
        while let (records, started_at) = filtered(stand, &model, last_sync, &filter).await
            && !records.is_empty()
            && missed < 3
        {
            for record in records {
                replica.insert(record.fields["id"].to_string(), record);
            }
            last_sync = Some(started_at);
            stand.clock.advance(10);
            missed += 1;
        }
        for record in walk(stand, &model, Scope::Table, 100).await {
            if filter.matches(&record) {
                let id = record.fields["id"].to_string();
                assert_eq!(replica.get(&id), Some(&record), "filter {round}");
            }
        }
    }
}

async fn filtered(
    stand: &Stand,
    model: &Model,
    last_sync: Option<i64>,
    filter: &Filter,
) -> (Vec<Record>, i64) {
    let query = SyncQuery {
        from: SyncFrom::First {
            last_sync,
            overlap: 0,
            window: None,
        },
        rows: Filter::everything(),
        filter: filter.clone(),
        limit: 100,
    };
    let page = stand.storage.sync(model, &query).await.unwrap();
    (page.records, page.started_at.0)
}
