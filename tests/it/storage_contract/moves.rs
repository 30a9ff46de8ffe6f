//! Indexes whose records move while they are paged: a query ends all the same, and hides none.

use driftless_resolvers::storage::{Place, Position};
use pretty_assertions::assert_eq;

use super::*;

on_every_store![
    an_index_query_ends_while_its_records_are_moved_ahead_of_it,
    records_that_move_while_an_index_is_paged_are_shown,
    a_page_of_an_index_is_the_last_one_where_nothing_has_moved,
    a_page_that_is_full_where_an_index_ends_leaves_what_has_moved_to_the_next,
    what_has_moved_passes_the_conditions_of_its_query,
    children_that_move_while_they_are_paged_are_shown,
    no_page_is_read_from_a_log_that_ends_before_the_first_one,
];

/// A query by an index for records of blog `x`.
fn query(index: &str, descending: bool, limit: usize) -> Query {
    Query {
        scope: partition(index, json!("x"), vec![], descending),
        rows: Filter::everything(),
        filter: Filter::everything(),
        limit,
        after: None,
    }
}

/// A record of blog `x` whose place in each sorted index is that of its title.
fn document(id: &str, title: &str) -> Value {
    let bytes = title.bytes().rev();
    let place = bytes.fold(0.0, |place, byte| (place + f64::from(byte)) / 256.0);
    json!({"id": id, "blog": "x", "title": title, "score": place, "status": title, "rating": 1})
}

async fn create_all(stand: &Stand, model: &Model, ids: &[&str]) {
    for id in ids {
        create(stand, model, document(id, id)).await;
    }
}

/// The ids of the next page, after which the query is at its place; whether there is another one.
async fn turn(stand: &Stand, model: &Model, query: &mut Query) -> (Vec<String>, bool) {
    let page = stand.storage.query(model, query).await.unwrap();
    let found = ids(&page.records).into_iter().map(str::to_owned).collect();
    query.after = page.next;
    (found, query.after.is_some())
}

/// The rest of a query, page by page.
async fn rest(stand: &Stand, model: &Model, query: &mut Query) -> Vec<String> {
    let mut found = Vec::new();
    loop {
        let (page, goes_on) = turn(stand, model, query).await;
        found.extend(page);
        if !goes_on {
            return found;
        }
    }
}

/// D5. As soon as a record was shown it gets a place behind all others, as a field that says when something happened last.
async fn an_index_query_ends_while_its_records_are_moved_ahead_of_it(stand: &Stand) {
    let model = ready(stand).await;
    let all = ["a", "b", "c", "d", "e", "f", "g"];
    create_all(stand, &model, &all).await;
    let mut versions: BTreeMap<String, u32> = all.map(|id| (id.to_owned(), 1)).into();
    let mut moves = 0;
    for index in ["byTitle", "byScore", "byStatus"] {
        for descending in [false, true] {
            let mut query = query(index, descending, 2);
            let mut shown: BTreeMap<String, usize> = BTreeMap::new();
            for pages in 1.. {
                assert!(pages < 9, "{index}: {shown:?}");
                let (found, goes_on) = turn(stand, &model, &mut query).await;
                for id in found {
                    moves += 1;
                    let ahead = match descending {
                        false => format!("z{moves:03}"),
                        true => format!("A{:03}", 999 - moves),
                    };
                    let version = versions.get_mut(&id).unwrap();
                    update(stand, &model, *version, document(&id, &ahead)).await;
                    *version += 1;
                    *shown.entry(id).or_default() += 1;
                }
                if !goes_on {
                    break;
                }
            }
            assert_eq!(shown.len(), all.len(), "{index}: {shown:?}");
            assert!(
                shown.values().all(|times| *times <= 2),
                "{index}: {shown:?}"
            );
        }
    }
}

/// Whether they move ahead or behind the reader, or leave the index and come back. Those that do not move come in the order of
/// the index, the others after them in the order of their keys; what was made since, and what is not in the index any more,
/// does not come.
async fn records_that_move_while_an_index_is_paged_are_shown(stand: &Stand) {
    let model = ready(stand).await;
    let all = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    for index in ["byTitle", "byScore", "byStatus"] {
        for descending in [false, true] {
            let prefix = format!("{index}{descending}");
            let of = |id: &str| format!("{prefix}{id}");
            let moved = |id: &str, title: &str| document(&of(id), title);
            for id in all {
                create(stand, &model, moved(id, id)).await;
            }
            let (ahead, behind) = if descending { ("A", "z") } else { ("z", "A") };
            let mut query = query(index, descending, 2);
            let (mut found, _) = turn(stand, &model, &mut query).await;
            update(stand, &model, 1, moved("e", ahead)).await;
            update(stand, &model, 1, moved("f", behind)).await;
            let mut elsewhere = moved("g", "g");
            elsewhere["blog"] = json!("y");
            update(stand, &model, 1, elsewhere).await;
            update(stand, &model, 2, moved("g", "g")).await;
            let mut nowhere = moved("d", "d");
            for field in ["title", "score", "status"] {
                nowhere[field] = Value::Null;
            }
            update(stand, &model, 1, nowhere.clone()).await;
            update(stand, &model, 2, moved("d", "d")).await;
            nowhere["id"] = json!(of("i"));
            update(stand, &model, 1, nowhere).await;
            let mut changed = moved("c", "c");
            changed["body"] = json!("longer");
            update(stand, &model, 1, changed).await;
            update(stand, &model, 1, moved("h", "h")).await;
            update(stand, &model, 2, moved("h", "h")).await;
            create(stand, &model, moved("new", "j")).await;
            found.extend(rest(stand, &model, &mut query).await);

            let mut expected = vec!["a", "b", "c", "h", "j", "k", "l"];
            if descending {
                expected.reverse();
            }
            expected.extend(["d", "e", "f", "g"]);
            let expected: Vec<_> = expected.into_iter().map(of).collect();
            assert_eq!(found, expected, "{index} descending: {descending}");
            for id in all.iter().chain(&["new"]) {
                let stored = get(stand, &model, &of(id)).await.unwrap();
                let mut gone = moved(id, id);
                gone["blog"] = json!("elsewhere");
                update(stand, &model, stored.version.0, gone).await;
            }
        }
    }
}

/// Whatever else was written meanwhile: no token leads to an empty page.
async fn a_page_of_an_index_is_the_last_one_where_nothing_has_moved(stand: &Stand) {
    let model = ready(stand).await;
    create_all(stand, &model, &["a", "b", "c", "d"]).await;
    let mut query = query("byTitle", false, 2);
    assert_eq!(turn(stand, &model, &mut query).await.0, ["a", "b"]);
    assert_eq!(
        turn(stand, &model, &mut query).await,
        (say(&["c", "d"]), false)
    );
    query.after = None;
    assert_eq!(turn(stand, &model, &mut query).await.0, ["a", "b"]);
    let mut changed = document("a", "a");
    changed["body"] = json!("longer");
    update(stand, &model, 1, changed).await;
    create(stand, &model, document("e", "e")).await;
    create(stand, &model, json!({"id": "f", "blog": "y", "title": "f"})).await;
    update(
        stand,
        &model,
        1,
        json!({"id": "f", "blog": "y", "title": "g"}),
    )
    .await;
    assert_eq!(
        turn(stand, &model, &mut query).await,
        (say(&["c", "d"]), false)
    );
}

fn say(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

async fn a_page_that_is_full_where_an_index_ends_leaves_what_has_moved_to_the_next(stand: &Stand) {
    let model = ready(stand).await;
    create_all(stand, &model, &["a", "b", "c", "d"]).await;
    let mut query = query("byTitle", false, 2);
    turn(stand, &model, &mut query).await;
    update(stand, &model, 1, document("a", "y")).await;
    update(stand, &model, 1, document("b", "x")).await;
    let mut narrow = query.clone();
    assert_eq!(
        turn(stand, &model, &mut query).await,
        (say(&["c", "d"]), true)
    );
    assert_eq!(
        turn(stand, &model, &mut query).await,
        (say(&["a", "b"]), false)
    );
    narrow.limit = 3;
    assert_eq!(
        turn(stand, &model, &mut narrow).await,
        (say(&["c", "d", "a"]), true)
    );
    assert_eq!(turn(stand, &model, &mut narrow).await, (say(&["b"]), false));
}

/// A test of the sort value, a filter, and one that no database can make.
async fn what_has_moved_passes_the_conditions_of_its_query(stand: &Stand) {
    let model = ready(stand).await;
    create_all(stand, &model, &["ta", "tb", "tc", "td", "te"]).await;
    for (test, title) in [
        (Test::BeginsWith("t".to_owned()), "u"),
        (Test::Between(json!("ta"), json!("tz")), "u"),
        (Test::Contains(json!("t")), "u"),
    ] {
        let mut query = Query {
            scope: partition("byTitle", json!("x"), vec![test], false),
            filter: Filter::Field {
                name: "rating".to_owned(),
                test: Test::Lt(json!(5)),
            },
            ..query("byTitle", false, 2)
        };
        let version = get(stand, &model, "ta").await.unwrap().version.0;
        assert_eq!(turn(stand, &model, &mut query).await.0, ["ta", "tb"]);
        update(stand, &model, version, document("tc", title)).await;
        let mut rated = document("td", "ta");
        rated["rating"] = json!(7);
        update(stand, &model, version, rated).await;
        update(stand, &model, version, document("te", "tab")).await;
        assert_eq!(rest(stand, &model, &mut query).await, ["te"]);
        for id in ["ta", "tb"] {
            update(stand, &model, version, document(id, id)).await;
        }
        for id in ["tc", "td", "te"] {
            update(stand, &model, version + 1, document(id, id)).await;
        }
        for id in ["ta", "tb"] {
            update(stand, &model, version + 1, document(id, id)).await;
        }
    }
}

/// Pages that are read by one statement are about one moment, and each goes on by itself.
async fn children_that_move_while_they_are_paged_are_shown(stand: &Stand) {
    let model = ready(stand).await;
    let parents = ["p", "q", "r"];
    for parent in parents {
        for child in ["a", "b", "c"] {
            let id = format!("{parent}{child}");
            create(
                stand,
                &model,
                json!({"id": id, "blog": parent, "title": child}),
            )
            .await;
        }
    }
    let of = |parent: &str| Query {
        scope: partition("byTitle", json!(parent), vec![], false),
        ..query("byTitle", false, 1)
    };
    let mut queries = parents.map(of).to_vec();
    let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for page in 0.. {
        let pages = stand.storage.query_all(&model, &queries).await.unwrap();
        let mut going_on = Vec::new();
        for (mut query, page) in queries.into_iter().zip(pages) {
            let Scope::Index { partition, .. } = &query.scope else {
                panic!("{query:?}");
            };
            let parent = parents.into_iter().find(|parent| partition == *parent);
            let shown = found.entry(parent.unwrap()).or_default();
            shown.extend(ids(&page.records).into_iter().map(str::to_owned));
            if page.next.is_some() {
                query.after = page.next;
                going_on.push(query);
            }
        }
        if page == 0 {
            for parent in parents {
                let id = format!("{parent}c");
                let moved = json!({"id": id, "blog": parent, "title": "0"});
                update(stand, &model, 1, moved).await;
            }
        }
        queries = going_on;
        if queries.is_empty() {
            break;
        }
    }
    let expected = parents.map(|parent| {
        let all = ["a", "b", "c"].map(|child| format!("{parent}{child}"));
        (parent, all.to_vec())
    });
    assert_eq!(found, expected.into());
}

/// As an address does that leads to a replica that lags: what is not there yet would be hidden.
async fn no_page_is_read_from_a_log_that_ends_before_the_first_one(stand: &Stand) {
    let model = ready(stand).await;
    create_all(stand, &model, &["a", "b", "c"]).await;
    for scope in [
        Scope::Table,
        partition("byBlog", json!("x"), vec![], false),
        partition("byTitle", json!("x"), vec![], false),
    ] {
        let mut query = Query {
            scope,
            ..query("byTitle", false, 1)
        };
        for _ in 0..2 {
            turn(stand, &model, &mut query).await;
        }
        let mut later = query.clone();
        if let Some(after) = &mut later.after {
            after.horizon.seq.0 += 1;
        }
        let behind_all = Place::Standing {
            sort: json!("zzz"),
            key: key("zzz"),
        };
        let after = later.after.clone().map(|after| Position {
            place: behind_all,
            ..after
        });
        let empty = Query {
            after,
            ..later.clone()
        };
        for query in [later, empty] {
            let refused = stand.storage.query(&model, &query).await;
            assert!(
                matches!(refused, Err(StorageError::Unavailable(_))),
                "{refused:?}"
            );
            let several = [query.clone(), query];
            let refused = stand.storage.query_all(&model, &several).await;
            assert!(
                matches!(refused, Err(StorageError::Unavailable(_))),
                "{refused:?}"
            );
        }
        assert_eq!(turn(stand, &model, &mut query).await, (say(&["c"]), false));
    }
}
