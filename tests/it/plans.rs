//! How the databases answer what clients ask: ranges of indexes, whatever a table has grown to. Each question is put to a
//! store of a hundred thousand records, and the database is asked for its plan with the very statement and arguments.
//!
//! A million records by hand: `DRIFTLESS_TEST_RECORDS=1000000 cargo test -p driftless-tests --test it plans -- --nocapture`.

#![expect(
    clippy::unwrap_used,
    reason = "what a store must answer is what the case tests"
)]

mod library;

use std::io::Write as _;

use driftless_resolvers::Timestamp;
use driftless_resolvers::feed::Seq;
use driftless_resolvers::filter::{Filter, Test};
use driftless_resolvers::storage::{
    self, Horizon, Page, Place, Position, Query, Scope, SyncFrom, SyncQuery,
};
use pretty_assertions::assert_eq;
use serde_json::json;

use library::{Kind, Library, YEAR};

/// Runs each case on both databases.
macro_rules! on_both_databases {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::$case(super::Library::open(super::Kind::Sqlite).await).await;
                }
            )+
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::$case(super::Library::open(super::Kind::Postgres).await).await;
                }
            )+
        }
    };
}

on_both_databases!(
    every_read_is_a_range_of_an_index,
    a_page_of_an_index_is_one_read_and_what_has_moved_one_more,
    what_moves_while_the_first_page_is_read_is_not_hidden,
    every_filter_of_a_selective_sync_is_tested_by_the_database,
    a_client_that_was_away_for_a_year_gets_the_hundred_records_that_changed,
    a_caller_gets_the_hundred_records_that_a_rule_lets_it_find_at_once,
    a_filter_that_finds_nothing_ends_after_a_page_for_ten_thousand_records,
);

fn field(name: &str, test: Test) -> Filter {
    Filter::Field {
        name: name.to_owned(),
        test,
    }
}

fn owner_is_one_of(forms: &[&str]) -> Filter {
    field(
        "owner",
        Test::In(forms.iter().map(|form| json!(form)).collect()),
    )
}

fn sync(last_sync: Option<i64>, filter: Filter) -> SyncQuery {
    SyncQuery {
        from: SyncFrom::First {
            last_sync,
            overlap: 0,
            window: None,
        },
        rows: Filter::everything(),
        filter,
        limit: 1_000,
    }
}

fn list(filter: Filter) -> Query {
    Query {
        scope: Scope::Table,
        rows: Filter::everything(),
        filter,
        limit: 100,
        after: None,
    }
}

fn children(index: &str, partition: &str, filter: Filter) -> Query {
    Query {
        scope: Scope::Index {
            index: Some(index.to_owned()),
            partition: json!(partition),
            sort: Vec::new(),
            descending: index == "byTitle",
        },
        ..list(filter)
    }
}

/// The index that a read walks.
#[derive(Debug, PartialEq)]
enum Walk {
    /// In the order of keys.
    Keys,
    /// To single keys.
    Key,
    /// In the order of change.
    Changes,
    /// One of the schema's, by the field of its partition, and what else the condition says on SQLite.
    Of(&'static str, &'static str),
    /// What has changed since in the partition of an index, by the partition's field.
    Moved(&'static str),
    /// These, each for a part of what is read.
    Either(&'static [Walk]),
}

async fn every_read_is_a_range_of_an_index(library: Library) {
    use Walk::{Changes, Either, Key, Keys, Of};
    const BY_RULES: Walk = Either(&[Of("editor", "(changed_ms"), Of("team", "(changed_ms")]);
    let all = Filter::everything;
    let blog = || field("blog", Test::Eq(json!("b7")));
    let rated = || field("rating", Test::Eq(json!(3)));
    let owned = || owner_is_one_of(&["s7::u7", "s7", "u7"]);
    // No index of the schema: rules divide the records by these fields.
    let edited = || field("editor", Test::In(vec![json!("s::e7"), json!("e7")]));
    let of_a_team = || field("team", Test::In(vec![json!("t3"), json!("t4")]));
    let edited_or_of_a_team = || Filter::Any(vec![edited(), of_a_team()]);
    // Half of the records have changed since.
    let once = Some(library.began + library.records / 2);

    let base = [
        ("base", None, all(), Keys),
        ("delta", once, all(), Changes),
        ("base, no index", None, rated(), Keys),
        ("delta, no index", once, rated(), Changes),
        ("base of one blog", None, blog(), Of("blog", "pk")),
        ("delta of one blog", once, blog(), Of("blog", "(changed_ms")),
        (
            "base of an owner",
            None,
            owned(),
            Of("owner", "(changed_ms"),
        ),
        (
            "delta of an owner",
            once,
            owned(),
            Of("owner", "(changed_ms"),
        ),
        (
            "base of an owner's good ones",
            None,
            Filter::All(vec![rated(), owned()]),
            Of("owner", "(changed_ms"),
        ),
        (
            "base of an editor",
            None,
            edited(),
            Of("editor", "(changed_ms"),
        ),
        (
            "delta of an editor",
            once,
            edited(),
            Of("editor", "(changed_ms"),
        ),
        (
            "base of an editor or a team",
            None,
            edited_or_of_a_team(),
            BY_RULES,
        ),
        (
            "delta of an editor or a team",
            once,
            edited_or_of_a_team(),
            BY_RULES,
        ),
        (
            "base of one record",
            None,
            field("id", Test::Eq(json!("p0000007"))),
            Key,
        ),
    ];
    for (what, last_sync, filter, walk) in base {
        let query = sync(last_sync, filter);
        let page = library.sync(&query).await;
        library.expect_range(what, &walk);
        let Some(next) = page.next else { continue };
        let query = SyncQuery {
            from: SyncFrom::Next(next),
            ..query
        };
        library.sync(&query).await;
        library.expect_range(&format!("{what}, next page"), &walk);
    }

    let lists = [
        ("list", list(all()), Keys),
        (
            "list of live records",
            list(field("_deleted", Test::Ne(json!(true)))),
            Keys,
        ),
        ("list, no index", list(rated()), Keys),
        (
            "list of an owner, index sorted otherwise",
            list(owned()),
            Keys,
        ),
        ("list of one blog", list(blog()), Of("blog", "pk")),
        (
            "list of one blog's of an editor",
            list(Filter::All(vec![edited(), blog()])),
            Of("blog", "pk"),
        ),
        ("list of an editor", list(edited()), Keys),
        ("index", children("byBlog", "b7", all()), Of("blog", "")),
        (
            "index with filter",
            children("byBlog", "b7", rated()),
            Of("blog", ""),
        ),
        (
            "sorted index",
            children("byTitle", "u7", all()),
            Of("owner", "t_title_"),
        ),
        (
            "children of an owner",
            children("byBlog", "b7", owned()),
            Of("blog", ""),
        ),
    ];
    for (what, query, walk) in lists {
        let page = library.query(&query).await;
        library.expect_range(what, &walk);
        let Some(next) = page.next else { continue };
        let query = Query {
            after: Some(next),
            ..query
        };
        library.query(&query).await;
        library.expect_range(&format!("{what}, next page"), &walk);
    }

    let key = |id: &str| storage::Key(json!([id]).to_string());
    for keys in [
        vec![key("p0000001")],
        vec![key("p0000001"), key("p0000002")],
    ] {
        library
            .store
            .storage
            .get(&library.model, &keys)
            .await
            .unwrap();
        library.expect_range("parents of a page", &Key);
    }
    library.close().await;
}

/// The ids on a page.
fn ids(page: &Page) -> Vec<&str> {
    let ids = page.records.iter();
    ids.map(|record| record.fields["id"].as_str().unwrap())
        .collect()
}

/// What has moved is read as a range of what has changed in the partition, however large that is.
async fn a_page_of_an_index_is_one_read_and_what_has_moved_one_more(library: Library) {
    let mut query = Query {
        limit: 1_000,
        ..children("byTitle", "u7", Filter::everything())
    };
    library.reads();
    let mut pages = Vec::new();
    loop {
        let page = library.query(&query).await;
        let reads = library.reads();
        assert_eq!(reads.len(), 1, "page {}: {reads:#?}", pages.len());
        query.after = page.next.clone();
        pages.push(page);
        if query.after.is_none() {
            break;
        }
    }
    assert!(pages.len() > 3);
    let blogs = ["b1", "b2", "b3", "b4"].map(|blog| children("byBlog", blog, Filter::everything()));
    let storage = &library.store.storage;
    let found = storage.query_all(&library.model, &blogs).await;
    assert!(found.unwrap().iter().all(|page| page.next.is_some()));
    assert_eq!(library.reads().len(), 1);
    let last = pages[pages.len() - 2].next.clone();
    let (moved, seen) = (ids(&pages[0])[7], ids(&pages[pages.len() - 1]));
    library.title(moved, "title 0").await;
    query.after = last;
    let page = library.query(&query).await;
    let both = [seen.as_slice(), &[moved]].concat();
    assert_eq!((ids(&page), page.next.clone()), (both, None));
    library.expect_range("what has moved", &Walk::Moved("owner"));
    for sort in [
        Test::Ge(json!("title ")),
        Test::Between(json!("title 0"), json!("title 1")),
        Test::BeginsWith("title 0".to_owned()),
    ] {
        let Scope::Index { sort: tests, .. } = &mut query.scope else {
            panic!("an index");
        };
        *tests = vec![sort];
        library.query(&query).await;
        library.expect_range("what has moved there", &Walk::Moved("owner"));
    }
    // Half of all records have changed since.
    let half = library.records / 2;
    query.after = Some(Position {
        place: Place::Moved(storage::Key(String::new())),
        horizon: Horizon {
            seq: Seq(half),
            changed: Timestamp(library.began + half),
        },
    });
    library.query(&query).await;
    library.expect_range("what has moved of the half", &Walk::Moved("owner"));
    library.close().await;
}

/// A page that no database can fill at once: a filter of so many tests is left to the server. A record moves from before the
/// first reading's end to behind it.
async fn what_moves_while_the_first_page_is_read_is_not_hidden(library: Library) {
    let all = Query {
        limit: 1_000,
        ..children("byTitle", "u7", Filter::everything())
    };
    let first = library.query(&all).await;
    let next = Query {
        after: first.next.clone(),
        ..all.clone()
    };
    let second = library.query(&next).await;
    let late: Vec<_> = ids(&second)[10..13].iter().map(|id| json!(id)).collect();
    let mut tests = vec![field("id", Test::In(late.clone()))];
    tests.extend((0..200).map(|n| field("title", Test::Ne(json!(format!("no {n}"))))));
    let query = Query {
        filter: Filter::All(tests),
        limit: 10,
        ..all
    };
    library.title_meanwhile(1, late[1].as_str().unwrap(), "title 99999999");
    let page = library.query(&query).await;
    let found = ids(&page);
    assert_eq!(late, [found[0], found[2], found[1]], "{found:?}");
    assert_eq!(page.next, None);
    library.close().await;
}

/// What DataStore makes of sync expressions, in JavaScript, Swift, Kotlin and Dart: groups of `and`, `or` and `not` around
/// every operator. What speaks of an index by equality is read as a part of it; all of it is tested before a row is sent.
async fn every_filter_of_a_selective_sync_is_tested_by_the_database(library: Library) {
    use Walk::{Changes, Keys, Of};
    let of_blog = || [Of("blog", "pk"), Of("blog", "(changed_ms")];
    let of_owner = || [Of("owner", "(changed_ms"), Of("owner", "(changed_ms")];
    let whole = || [Keys, Changes];
    let filters = [
        (json!({"blog": {"eq": "b7"}}), of_blog()),
        (json!({"and": [{"blog": {"eq": "b7"}}]}), of_blog()),
        (
            json!({"and": [{"rating": {"gt": 2}}, {"blog": {"eq": "b7"}}]}),
            of_blog(),
        ),
        (
            json!({"or": [{"blog": {"eq": "b1"}}, {"blog": {"eq": "b2"}}]}),
            of_blog(),
        ),
        (
            json!({"and": [{"or": [{"blog": {"eq": "b1"}}, {"blog": {"eq": "b2"}}]}, {"not": {"title": {"contains": "9"}}}]}),
            of_blog(),
        ),
        (json!({"blog": {"in": ["b1", "b2"]}}), of_blog()),
        (
            json!({"and": [{"owner": {"eq": "u7"}}, {"title": {"between": ["title 1", "title 3"]}}]}),
            of_owner(),
        ),
        (json!({"not": {"blog": {"eq": "b7"}}}), whole()),
        (
            json!({"or": [{"blog": {"eq": "b7"}}, {"rating": {"eq": 3}}]}),
            whole(),
        ),
        (json!({"blog": {"ne": "b7"}}), whole()),
        (json!({"blog": {"attributeExists": true}}), whole()),
        (json!({"owner": {"beginsWith": "u1"}}), whole()),
        (json!({"title": {"beginsWith": "title 9"}}), whole()),
        (json!({"title": {"contains": "77"}}), whole()),
        (json!({"title": {"notContains": "77"}}), whole()),
        (
            json!({"title": {"between": ["title 3", "title 4"]}}),
            whole(),
        ),
        (json!({"rating": {"between": [1, 2]}}), whole()),
        (json!({"rating": {"lt": 2}}), whole()),
        (
            json!({"and": [{"rating": {"ge": 1}}, {"rating": {"le": 3}}]}),
            whole(),
        ),
        (json!({"editor": {"attributeExists": false}}), whole()),
    ];
    let once = Some(library.began + library.records / 2);
    for (input, [base, delta]) in filters {
        let filter = Filter::from_input(&input, &library.model).unwrap();
        for (last_sync, walk) in [(None, base), (once, delta)] {
            let query = SyncQuery {
                limit: 100,
                ..sync(last_sync, filter.clone())
            };
            let page = library.sync(&query).await;
            assert!(page.records.iter().all(|record| filter.matches(record)));
            let sql = library.expect_range(&format!("{input} since {last_sync:?}"), &walk);
            assert!(sql.contains(" as scanned where ("), "{input}: {sql}");
        }
    }
    library.close().await;
}

async fn a_client_that_was_away_for_a_year_gets_the_hundred_records_that_changed(library: Library) {
    let changed = library.change_a_hundred().await;
    let begun = std::time::Instant::now();
    let mut query = sync(Some(library::now() - YEAR), Filter::everything());
    query.limit = 30;
    let mut found = Vec::new();
    let started_at = loop {
        let page = library.sync(&query).await;
        library.expect_range("delta after a year", &Walk::Changes);
        found.extend(
            page.records
                .into_iter()
                .map(|record| record.fields["id"].clone()),
        );
        match page.next {
            Some(next) => query.from = SyncFrom::Next(next),
            None => break page.started_at,
        }
    };
    let took = begun.elapsed();
    // A figure for whoever runs this by hand; no matter if nobody reads it.
    let _ = writeln!(
        std::io::stderr(),
        "{:?}: {} of {} records in {took:?}",
        library.kind,
        found.len(),
        library.records
    );
    found.sort_by_key(ToString::to_string);
    assert_eq!(found, changed);
    let next = sync(Some(started_at.0), Filter::everything());
    let page = library.sync(&next).await;
    // What shares the last millisecond comes again (`sync-design.md` R1).
    let again = page.records.iter().map(|record| record.last_changed_at.0);
    assert!(
        again.clone().all(|changed| changed == started_at.0 + 1),
        "{again:?}"
    );
    library.close().await;
}

/// As the rule `{ allow: owner, ownerField: "editor" }` asks it: `sync-design.md` R7.
async fn a_caller_gets_the_hundred_records_that_a_rule_lets_it_find_at_once(library: Library) {
    let begun = std::time::Instant::now();
    let query = SyncQuery {
        rows: field("editor", Test::In(vec![json!("s::e7"), json!("e7")])),
        ..sync(None, Filter::everything())
    };
    let page = library.sync(&query).await;
    let took = begun.elapsed();
    // A figure for whoever runs this by hand; no matter if nobody reads it.
    let _ = writeln!(
        std::io::stderr(),
        "{:?}: {} of {} records in {took:?}",
        library.kind,
        page.records.len(),
        library.records
    );
    library.expect_range("base of an editor", &Walk::Of("editor", "(changed_ms"));
    assert_eq!((page.records.len(), page.next), (100, None));
    let editors = page.records.iter().map(|record| &record.fields["editor"]);
    assert!(editors.clone().all(|editor| editor == "e7"), "{editors:?}");
    library.close().await;
}

/// A client asks on while there is a token: a sync, base or delta, that finds nothing costs it few calls.
async fn a_filter_that_finds_nothing_ends_after_a_page_for_ten_thousand_records(library: Library) {
    let nothing = || field("title", Test::Eq(json!("not there")));
    let begun = std::time::Instant::now();
    for last_sync in [None, Some(library.began)] {
        let mut query = sync(last_sync, nothing());
        let mut pages = 0;
        loop {
            let page = library.sync(&query).await;
            assert_eq!(page.records, []);
            pages += 1;
            match page.next {
                Some(next) => query.from = SyncFrom::Next(next),
                None => break,
            }
        }
        let bound = library.records / 10_000 + 1;
        assert!(pages <= bound, "{pages} pages for {}", library.records);
    }
    // A figure for whoever runs this by hand; no matter if nobody reads it.
    let took = begun.elapsed();
    let _ = writeln!(
        std::io::stderr(),
        "{:?}: nothing of {} records, twice, in {took:?}",
        library.kind,
        library.records
    );
    library.close().await;
}
