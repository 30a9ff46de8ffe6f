//! One filter, three readers: whatever is asked, the databases answer the reference store's page.

use driftless_resolvers::filter::AttributeType;
use driftless_resolvers::storage::{Page, Position};
use pretty_assertions::assert_eq;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::*;

/// How many records the questions are asked about.
const RECORDS: usize = 80;
/// How many questions each database is asked.
const QUESTIONS: usize = 400;

fn literal(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn text() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "a", "b", "A", "é", "\u{ffff}", "😀", "%", "_", "\\", "'", "\"", "#", "\n", "7", "$n", "::",
    ]);
    vec(parts, 0..3).prop_map(|parts| parts.concat())
}

fn number() -> impl Strategy<Value = Value> {
    let literals = [
        "0",
        "-0.0",
        "1",
        "1.0",
        "1.50",
        "-3",
        "7",
        "10",
        "1e+1",
        "1e-400",
        "1.7e+308",
        "9007199254740993",
        "9007199254740992",
        "0.1",
        "0.10000000000000000555",
        "123456789012345678901234567890",
    ];
    prop::sample::select(literals.map(literal).to_vec())
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => text().prop_map(Value::from),
        4 => number(),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => vec(text(), 0..3).prop_map(Value::from),
        1 => vec(number(), 0..3).prop_map(Value::from),
        1 => text().prop_map(|text| json!({ "a": text })),
    ]
}

fn fields_of(n: usize) -> impl Strategy<Value = Value> {
    let names =
        prop::sample::subsequence(vec!["title", "rating", "score", "status", "other"], 0..5);
    let typed = (text(), number(), number(), text());
    (names, vec(value(), 5), typed, any::<bool>()).prop_map(move |(names, values, typed, neat)| {
        let mut document =
            json!({"id": format!("{n:02}"), "blog": if n.is_multiple_of(3) { "x" } else { "y" }});
        for (name, value) in names.iter().zip(values) {
            document[*name] = value;
        }
        if neat {
            document["title"] = typed.0.into();
            document["rating"] = typed.1;
            document["score"] = typed.2;
            document["status"] = typed.3.into();
        }
        document
    })
}

fn attribute_type() -> impl Strategy<Value = AttributeType> {
    prop::sample::select(vec![
        AttributeType::Never,
        AttributeType::Bool,
        AttributeType::List,
        AttributeType::Map,
        AttributeType::Number,
        AttributeType::String,
        AttributeType::Null,
    ])
}

fn comparison(value: BoxedStrategy<Value>) -> BoxedStrategy<Test> {
    prop_oneof![
        value.clone().prop_map(Test::Eq),
        value.clone().prop_map(Test::Ne),
        value.clone().prop_map(Test::Lt),
        value.clone().prop_map(Test::Le),
        value.clone().prop_map(Test::Gt),
        value.clone().prop_map(Test::Ge),
        (value.clone(), value.clone()).prop_map(|(low, high)| Test::Between(low, high)),
        vec(value.clone(), 0..3).prop_map(Test::In),
        vec(value, 0..3).prop_map(Test::NotIn),
    ]
    .boxed()
}

fn test() -> BoxedStrategy<Test> {
    let small = (0..5_i64).prop_map(Value::from).boxed();
    prop_oneof![
        6 => comparison(value().boxed()),
        1 => text().prop_map(Test::BeginsWith),
        1 => text().prop_map(Test::Names),
        1 => text().prop_map(Test::HasName),
        1 => value().prop_map(Test::Contains),
        1 => value().prop_map(Test::NotContains),
        1 => any::<bool>().prop_map(Test::Exists),
        1 => attribute_type().prop_map(Test::Type),
        1 => comparison(small).prop_map(|test| Test::Size(Box::new(test))),
    ]
    .boxed()
}

fn filter() -> BoxedStrategy<Filter> {
    let name = prop::sample::select(vec![
        "title",
        "rating",
        "score",
        "status",
        "other",
        "nowhere",
        "_deleted",
        "_version",
        "_lastChangedAt",
    ]);
    let field = (name, test()).prop_map(|(name, test)| Filter::Field {
        name: name.to_owned(),
        test,
    });
    field
        .prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..3).prop_map(Filter::All),
                vec(inner.clone(), 0..3).prop_map(Filter::Any),
                inner.prop_map(|part| Filter::Not(Box::new(part))),
            ]
        })
        .boxed()
}

fn scope() -> BoxedStrategy<Scope> {
    let index = prop::sample::select(vec!["byBlog", "byTitle", "byScore", "byStatus"]);
    let tests = prop_oneof![3 => Just(Vec::new()), 2 => vec(test(), 1..3)];
    let partition_value = prop::sample::select(vec!["x", "y", "z"]);
    prop_oneof![
        2 => Just(Scope::Table),
        3 => (index, partition_value, tests, any::<bool>())
            .prop_map(|(index, value, tests, descending)| partition(index, json!(value), tests, descending)),
    ]
    .boxed()
}

fn generate<T>(strategy: impl Strategy<Value = T>, count: usize) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    (0..count)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect()
}

/// The same records, some of them changed and some of them deleted.
async fn fill(stand: &Stand, model: &Model) {
    let mut runner = TestRunner::deterministic();
    let documents = (0..RECORDS).map(|n| fields_of(n).new_tree(&mut runner).unwrap().current());
    for (n, document) in documents.collect::<Vec<_>>().into_iter().enumerate() {
        create(stand, model, document.clone()).await;
        if n % 4 == 0 {
            update(stand, model, 1, document.clone()).await;
        }
        if n % 4 == 1 {
            let mut delete = write(model, Expected::Version(Version(1)), document);
            delete.deleted = true;
            done(stand.storage.put(model, delete).await.unwrap());
        }
    }
}

/// What two stores must agree on: not the time of the writes.
fn seen(records: &[Record]) -> Vec<(String, u32, bool)> {
    let one = |record: &Record| {
        let text = serde_json::to_string(&record.fields).unwrap();
        (text, record.version.0, record.deleted)
    };
    records.iter().map(one).collect()
}

async fn pages(stand: &Stand, model: &Model, query: &Query) -> Vec<Page> {
    let mut pages: Vec<Page> = Vec::new();
    let mut after: Option<Position> = None;
    loop {
        let query = Query {
            after: after.clone(),
            ..query.clone()
        };
        let page = stand.storage.query(model, &query).await.unwrap();
        after.clone_from(&page.next);
        pages.push(page);
        if after.is_none() {
            return pages;
        }
    }
}

async fn agrees_with_the_reference(stand: Stand) {
    let reference = Stand::memory().await;
    let model = ready(&stand).await;
    ready(&reference).await;
    fill(&stand, &model).await;
    fill(&reference, &model).await;
    let questions = generate((scope(), filter(), 1..40_usize), QUESTIONS);
    for (scope, filter, limit) in questions {
        let query = Query {
            scope,
            rows: Filter::everything(),
            filter,
            limit,
            after: None,
        };
        let expected = pages(&reference, &model, &query).await;
        let answered = pages(&stand, &model, &query).await;
        let seen = |pages: &[Page]| {
            pages
                .iter()
                .map(|page| seen(&page.records))
                .collect::<Vec<_>>()
        };
        assert_eq!(seen(&answered), seen(&expected), "{query:#?}");
    }
    stand.finish().await;
}

#[tokio::test]
async fn sqlite_answers_every_filter_like_the_reference() {
    agrees_with_the_reference(Stand::sqlite().await).await;
}

#[tokio::test]
async fn postgres_answers_every_filter_like_the_reference() {
    agrees_with_the_reference(Stand::postgres().await).await;
}

/// `sync-design.md` R6: a filtered page looks at so many rows and no more, and says where to go on.
#[tokio::test]
async fn a_filter_that_nothing_passes_ends_after_a_bounded_scan() {
    let stand = Stand::sqlite().await;
    let model = ready(&stand).await;
    let all = (0..12_000).map(|n| create(&stand, &model, json!({"id": format!("{n:05}")})));
    join_all(all).await;
    let mut query = Query {
        scope: Scope::Table,
        rows: Filter::everything(),
        filter: Filter::Field {
            name: "title".to_owned(),
            test: Test::Exists(true),
        },
        limit: 5,
        after: None,
    };
    let page = stand.storage.query(&model, &query).await.unwrap();
    assert_eq!(page.records, []);
    assert_eq!(page.next.clone().unwrap().place.key(), &key("09999"));
    query.after = page.next;
    let page = stand.storage.query(&model, &query).await.unwrap();
    assert_eq!((page.records.len(), page.next), (0, None));
    stand.finish().await;
}

/// Records of somebody else, more of them than a page looks at, before and between those that are the caller's.
async fn crowd(stand: &Stand, model: &Model) {
    let mut documents: Vec<_> = (0..10_500)
        .map(|n| json!({"id": format!("{n:05}"), "title": "bob", "tags": ["bob", "alice2"]}))
        .collect();
    for id in ["00004a", "10400a", "10400b", "z"] {
        documents.push(json!({"id": id, "title": "alice", "tags": ["carol", "alice"]}));
    }
    join_all(
        documents
            .into_iter()
            .map(|document| create(stand, model, document)),
    )
    .await;
}

/// A page that is short, or a token after the last record, would tell that others have records, and about how many.
async fn what_is_not_the_callers_counts_for_nothing(stand: Stand) {
    let model = ready(&stand).await;
    crowd(&stand, &model).await;
    let field = |name: &str, test| Filter::Field {
        name: name.to_owned(),
        test,
    };
    let owned = field("title", Test::In(vec![json!("sA::alice"), json!("alice")]));
    let listed = Filter::All(vec![
        field("tags", Test::Type(AttributeType::List)),
        Filter::Any(vec![field("tags", Test::Contains(json!("alice")))]),
    ]);
    for rows in [owned, listed] {
        for (filter, expected) in [
            (
                Filter::everything(),
                vec![vec!["00004a", "10400a", "10400b"], vec!["z"]],
            ),
            (
                field("id", Test::Ne(json!("z"))),
                vec![vec!["00004a", "10400a", "10400b"]],
            ),
            (field("tags", Test::Contains(json!("dave"))), vec![vec![]]),
        ] {
            let query = Query {
                scope: Scope::Table,
                rows: rows.clone(),
                filter: filter.clone(),
                limit: 3,
                after: None,
            };
            let found = pages(&stand, &model, &query).await;
            let found: Vec<_> = found.iter().map(|page| ids(&page.records)).collect();
            assert_eq!(found, expected, "{query:#?}");
            let mut sync = SyncQuery {
                from: SyncFrom::First {
                    last_sync: None,
                    overlap: 0,
                    window: None,
                },
                rows: rows.clone(),
                filter,
                limit: 3,
            };
            for page in &expected {
                let found = stand.storage.sync(&model, &sync).await.unwrap();
                assert_eq!(ids(&found.records), *page, "{sync:#?}");
                match found.next {
                    Some(next) => sync.from = SyncFrom::Next(next),
                    None => assert_eq!(Some(page), expected.last()),
                }
            }
        }
    }
    stand.finish().await;
}

#[tokio::test]
async fn what_is_not_the_callers_counts_for_nothing_in_sqlite() {
    what_is_not_the_callers_counts_for_nothing(Stand::sqlite().await).await;
}

#[tokio::test]
async fn what_is_not_the_callers_counts_for_nothing_in_postgres() {
    what_is_not_the_callers_counts_for_nothing(Stand::postgres().await).await;
}
