//! Tables and indexes, walked in order and page by page.

use pretty_assertions::assert_eq;

use super::*;

on_every_store![
    records_come_in_the_order_of_their_keys,
    an_index_is_walked_in_both_directions,
    a_sort_value_passes_every_test_as_a_filter_would,
    several_sort_fields_compare_as_one_text,
    numbers_sort_by_value,
    an_index_holds_only_records_with_its_attributes,
    a_key_with_sort_fields_is_an_index,
    unicode_is_ordered_by_bytes,
    any_name_is_a_model_or_a_field,
    a_new_index_holds_old_records,
    several_queries_are_answered_as_each_by_itself,
    pages_end_while_more_records_are_made_than_they_hold,
];

async fn records_come_in_the_order_of_their_keys(stand: &Stand) {
    let model = ready(stand).await;
    for id in ["b", "a"] {
        create(stand, &model, json!({"id": id})).await;
    }
    let keys = ["b", "nothing", "a", "b"].map(key);
    let found = stand.storage.get(&model, &keys).await.unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|record| record.as_ref().map(|record| record.fields["id"].clone()))
        .collect();
    assert_eq!(
        found,
        [Some(json!("b")), None, Some(json!("a")), Some(json!("b"))]
    );
    assert_eq!(stand.storage.get(&model, &[]).await.unwrap(), []);
}

async fn an_index_is_walked_in_both_directions(stand: &Stand) {
    let model = ready(stand).await;
    for (id, title) in [("1", "b"), ("2", "a"), ("3", "b"), ("4", "c"), ("5", "a")] {
        create(
            stand,
            &model,
            json!({"id": id, "blog": "x", "title": title}),
        )
        .await;
        create(
            stand,
            &model,
            json!({"id": format!("other{id}"), "blog": "y", "title": title}),
        )
        .await;
    }
    for limit in [1, 2, 10] {
        let up = walk(
            stand,
            &model,
            partition("byTitle", json!("x"), vec![], false),
            limit,
        )
        .await;
        assert_eq!(ids(&up), ["2", "5", "1", "3", "4"]);
        let down = walk(
            stand,
            &model,
            partition("byTitle", json!("x"), vec![], true),
            limit,
        )
        .await;
        assert_eq!(ids(&down), ["4", "3", "1", "5", "2"]);
        let unsorted = walk(
            stand,
            &model,
            partition("byBlog", json!("x"), vec![], true),
            limit,
        )
        .await;
        assert_eq!(ids(&unsorted), ["5", "4", "3", "2", "1"]);
    }
}

async fn a_sort_value_passes_every_test_as_a_filter_would(stand: &Stand) {
    let model = ready(stand).await;
    let mut titles = [
        "",
        "a",
        "ab",
        "abc",
        "b",
        "z\u{10ffff}",
        "z\u{10ffff}x",
        "zz",
        "é",
    ];
    titles.sort_by_key(|title| title.as_bytes());
    for (n, title) in titles.iter().enumerate() {
        create(
            stand,
            &model,
            json!({"id": n.to_string(), "blog": "x", "title": title}),
        )
        .await;
    }
    let text = |text: &str| Value::from(text);
    for test in [
        Test::Eq(text("ab")),
        Test::Ne(text("ab")),
        Test::Lt(text("ab")),
        Test::Le(text("ab")),
        Test::Gt(text("ab")),
        Test::Ge(text("ab")),
        Test::Between(text("a"), text("b")),
        Test::Between(text("b"), text("a")),
        Test::BeginsWith("ab".to_owned()),
        Test::BeginsWith(String::new()),
        Test::BeginsWith("z\u{10ffff}".to_owned()),
        Test::Contains(text("b")),
        Test::In(vec![text("a"), text("zz")]),
        Test::Lt(json!(7)),
    ] {
        let expected: Vec<_> = titles
            .iter()
            .filter(|title| test.passes(Some(&json!(title))))
            .collect();
        for limit in [2, 20] {
            let scope = partition("byTitle", json!("x"), vec![test.clone()], false);
            let mut found = walk(stand, &model, scope, limit).await;
            let found: Vec<_> = found
                .iter_mut()
                .map(|record| record.fields["title"].as_str().unwrap())
                .collect();
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{test:?}");
        }
    }
}

async fn several_sort_fields_compare_as_one_text(stand: &Stand) {
    let model = ready(stand).await;
    for (id, status, rating) in [
        ("1", "open", 10),
        ("2", "open", 9),
        ("3", "done", 1),
        ("4", "open#1", 0),
    ] {
        let document = json!({"id": id, "blog": "x", "status": status, "rating": rating});
        create(stand, &model, document).await;
    }
    let scope = |test| partition("byStatus", json!("x"), vec![test], false);
    let open = walk(
        stand,
        &model,
        scope(Test::BeginsWith("open#".to_owned())),
        10,
    )
    .await;
    assert_eq!(ids(&open), ["4", "1", "2"]);
    let one = walk(stand, &model, scope(Test::Eq(json!("open#10"))), 10).await;
    assert_eq!(ids(&one), ["1"]);
}

async fn numbers_sort_by_value(stand: &Stand) {
    let model = ready(stand).await;
    for (id, score) in [
        ("1", "10"),
        ("2", "9.5"),
        ("3", "-1e2"),
        ("4", "1.0e1"),
        ("5", "9007199254740993"),
    ] {
        let score: Value = serde_json::from_str(score).unwrap();
        create(
            stand,
            &model,
            json!({"id": id, "blog": "x", "score": score}),
        )
        .await;
    }
    for limit in [1, 10] {
        let all = walk(
            stand,
            &model,
            partition("byScore", json!("x"), vec![], false),
            limit,
        )
        .await;
        assert_eq!(ids(&all), ["3", "2", "1", "4", "5"]);
    }
    let between = Test::Between(json!(9.5), json!(10));
    let some = walk(
        stand,
        &model,
        partition("byScore", json!("x"), vec![between], true),
        2,
    )
    .await;
    assert_eq!(ids(&some), ["4", "1", "2"]);
}

async fn an_index_holds_only_records_with_its_attributes(stand: &Stand) {
    let model = ready(stand).await;
    create(stand, &model, json!({"id": "1", "blog": "x"})).await;
    create(
        stand,
        &model,
        json!({"id": "2", "blog": "x", "title": null}),
    )
    .await;
    create(stand, &model, json!({"id": "3", "title": "t"})).await;
    create(stand, &model, json!({"id": "4", "blog": "x", "title": "t"})).await;
    let scope = || partition("byTitle", json!("x"), vec![], false);
    assert_eq!(ids(&walk(stand, &model, scope(), 10).await), ["4"]);
    update(stand, &model, 1, json!({"id": "4", "blog": "x"})).await;
    update(
        stand,
        &model,
        1,
        json!({"id": "1", "blog": "x", "title": "u"}),
    )
    .await;
    assert_eq!(ids(&walk(stand, &model, scope(), 10).await), ["1"]);
    let nobody = walk(
        stand,
        &model,
        partition("byTitle", json!(7), vec![], false),
        10,
    )
    .await;
    assert_eq!(nobody, []);
    let unknown = Query {
        scope: partition("noIndex", json!("x"), vec![], false),
        rows: Filter::everything(),
        filter: Filter::everything(),
        limit: 1,
        after: None,
    };
    let refused = stand.storage.query(&model, &unknown).await;
    assert!(matches!(refused, Err(StorageError::Corrupt(_))));
}

async fn a_key_with_sort_fields_is_an_index(stand: &Stand) {
    let fields = [
        ("sku", Scalar::Id),
        ("place", Scalar::String),
        ("shelf", Scalar::Int),
        ("id", Scalar::Id),
    ];
    let stock = model("Stock", &fields, &["sku", "place", "shelf"], &[]);
    let post = post();
    stand
        .storage
        .prepare(&schema(&[&stock, &post]))
        .await
        .unwrap();
    for (id, sku, place, shelf) in [
        ("1", "a", "north", 2),
        ("2", "a", "north", 10),
        ("3", "a", "east", 3),
        ("4", "b", "east", 3),
    ] {
        create(
            stand,
            &stock,
            json!({"id": id, "sku": sku, "place": place, "shelf": shelf}),
        )
        .await;
    }
    let all = walk(stand, &stock, partition("", json!("a"), vec![], false), 2).await;
    assert_eq!(ids(&all), ["3", "2", "1"]);
    let north = Test::BeginsWith("north#".to_owned());
    let north = walk(
        stand,
        &stock,
        partition("", json!("a"), vec![north], false),
        2,
    )
    .await;
    assert_eq!(ids(&north), ["2", "1"]);
    create(stand, &post, json!({"id": "p"})).await;
    let one = walk(stand, &post, partition("", json!("p"), vec![], false), 2).await;
    assert_eq!(ids(&one), ["p"]);
}

async fn unicode_is_ordered_by_bytes(stand: &Stand) {
    let model = ready(stand).await;
    let mut all = [
        "Z",
        "a",
        "é",
        "ß",
        "\u{ffff}",
        "😀",
        "\u{1}",
        "a'b\"c\\d",
        "日本",
    ];
    for id in all {
        create(stand, &model, json!({"id": id, "blog": "ü#", "title": id})).await;
    }
    all.sort_by_key(|id| id.as_bytes());
    let indexed = walk(
        stand,
        &model,
        partition("byTitle", json!("ü#"), vec![], false),
        2,
    )
    .await;
    assert_eq!(ids(&indexed), all);
    let mut keys = all.map(key);
    keys.sort();
    let table = walk(stand, &model, Scope::Table, 2).await;
    let table: Vec<_> = ids(&table).into_iter().map(key).collect();
    assert_eq!(table, keys);
}

async fn any_name_is_a_model_or_a_field(stand: &Stand) {
    let long = "L".repeat(90);
    let longer = format!("{long}x");
    let names = [
        "select",
        "Todo",
        "TODO",
        "todo",
        "_",
        "pk",
        "Order",
        "shards",
        "change_log",
        &long,
        &longer,
    ];
    let models: Vec<_> = names
        .iter()
        .map(|name| {
            let fields = [
                ("id", Scalar::Id),
                ("group", Scalar::String),
                ("Group", Scalar::String),
                (&long, Scalar::String),
                (&longer, Scalar::String),
                ("doc", Scalar::Int),
            ];
            let indexes: [(&str, &[&str]); 4] = [
                ("order", &["group", &long]),
                ("by", &["Group", &longer]),
                (&longer, &["group", "doc"]),
                (&long, &["group", "Group", "group"]),
            ];
            model(name, &fields, &["id"], &indexes)
        })
        .collect();
    stand
        .storage
        .prepare(&schema(&models.iter().collect::<Vec<_>>()))
        .await
        .unwrap();
    for model in &models {
        let mut document = json!({"id": model.name, "group": "g", "Group": "G", "doc": 1});
        document[&long] = json!("l");
        document[&longer] = json!("r");
        create(stand, model, document).await;
        for (index, group) in [
            ("order", "g"),
            ("by", "G"),
            (longer.as_str(), "g"),
            (long.as_str(), "g"),
        ] {
            let found = walk(
                stand,
                model,
                partition(index, json!(group), vec![], false),
                5,
            )
            .await;
            assert_eq!(ids(&found), [&model.name], "{} {index}", model.name);
        }
    }
}

async fn a_new_index_holds_old_records(stand: &Stand) {
    let fields = [
        ("id", Scalar::Id),
        ("title", Scalar::String),
        ("blog", Scalar::Id),
        ("rating", Scalar::Int),
    ];
    let before = model("Post", &fields, &["id"], &[]);
    stand.storage.prepare(&schema(&[&before])).await.unwrap();
    let documents = (0..700).map(|n| {
        create(
            stand,
            &before,
            json!({"id": format!("{n:03}"), "blog": "x", "rating": 1000 - n}),
        )
    });
    join_all(documents).await;
    let after = model(
        "Post",
        &fields,
        &["id"],
        &[("byRating", &["blog", "rating"])],
    );
    stand.storage.prepare(&schema(&[&after])).await.unwrap();
    create(
        stand,
        &after,
        json!({"id": "new", "blog": "x", "rating": -1}),
    )
    .await;
    let found = walk(
        stand,
        &after,
        partition("byRating", json!("x"), vec![], false),
        200,
    )
    .await;
    assert_eq!(found.len(), 701);
    assert_eq!(ids(&found)[..3], ["new", "699", "698"]);
    assert!(
        found
            .iter()
            .all(|record| record.last_changed_at > Timestamp(0))
    );
}

/// However many they are, and whatever they ask for.
async fn several_queries_are_answered_as_each_by_itself(stand: &Stand) {
    let model = ready(stand).await;
    for number in 0..60 {
        let blog = format!("b{}", number % 7);
        let title = format!("t{:02}", number * 37 % 60);
        let post = json!({"id": format!("{number:02}"), "blog": blog, "title": title});
        create(stand, &model, post).await;
    }
    let blog = |blog: usize, descending| {
        let tests = match blog % 3 {
            0 => vec![],
            1 => vec![Test::Ge(json!("t20"))],
            _ => vec![Test::BeginsWith("t3".to_owned())],
        };
        partition("byTitle", json!(format!("b{blog}")), tests, descending)
    };
    let mut queries = vec![Query {
        scope: Scope::Table,
        rows: Filter::everything(),
        filter: Filter::everything(),
        limit: 5,
        after: None,
    }];
    for number in 0..150 {
        let id = |test| Filter::Field {
            name: "id".to_owned(),
            test,
        };
        queries.push(Query {
            scope: blog(number % 9, number % 2 == 0),
            rows: Filter::everything(),
            filter: match number % 4 {
                0 => Filter::everything(),
                1 => id(Test::Lt(json!("30"))),
                2 => id(Test::Contains(json!("1"))),
                _ => Filter::Not(Box::new(id(Test::In(vec![json!("03"), json!("10")])))),
            },
            limit: 1 + number % 5,
            after: None,
        });
    }
    for _ in 0..2 {
        let mut each = Vec::new();
        for query in &queries {
            each.push(stand.storage.query(&model, query).await.unwrap());
        }
        let together = stand.storage.query_all(&model, &queries).await.unwrap();
        assert_eq!(together, each);
        assert!(each.iter().any(|page| page.next.is_some()));
        for (query, page) in queries.iter_mut().zip(each) {
            query.after = page.next.or(query.after.take());
        }
    }
    assert_eq!(stand.storage.query_all(&model, &[]).await.unwrap(), []);
}

/// D5. For every page of two records, three are made ahead of it. Those that were there at the beginning all come, changed or
/// not, and once.
async fn pages_end_while_more_records_are_made_than_they_hold(stand: &Stand) {
    let model = ready(stand).await;
    for number in 0..7 {
        let id = format!("a{number}");
        create(stand, &model, json!({"id": id, "blog": "x", "title": id})).await;
    }
    let scopes = [
        (Scope::Table, "b"),
        (partition("byBlog", json!("x"), vec![], false), "c"),
        (partition("byTitle", json!("x"), vec![], false), "d"),
        (partition("byTitle", json!("x"), vec![], true), "A"),
    ];
    for (version, (scope, ahead)) in (1..).zip(scopes) {
        let mut query = Query {
            scope,
            rows: Filter::everything(),
            filter: Filter::everything(),
            limit: 2,
            after: None,
        };
        let (mut made, mut found) = (0, Vec::new());
        loop {
            let page = stand.storage.query(&model, &query).await.unwrap();
            found.extend(page.records);
            let Some(next) = page.next else { break };
            query.after = Some(next);
            assert!(made < 200, "the pages after {ahead} do not end");
            for _ in 0..3 {
                made += 1;
                let id = format!("{ahead}{made:03}");
                create(stand, &model, json!({"id": id, "blog": "x", "title": id})).await;
            }
            if made == 3 {
                let changed = json!({"id": "a5", "blog": "x", "title": "a5", "rating": version});
                update(stand, &model, version, changed).await;
            }
        }
        let old: Vec<_> = ids(&found)
            .into_iter()
            .filter(|id| id.starts_with('a'))
            .collect();
        assert_eq!(old.len(), 7, "{old:?}");
    }
}
