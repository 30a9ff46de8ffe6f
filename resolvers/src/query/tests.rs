//! Reads over the reference store: `transformer.md` 5, `sync-semantics` 3.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::api::error::{ErrorType, FieldError};
use crate::api::outcome::{Connection, Outcome, Resolved};
use crate::fixtures::{World, caller, column, object, paged, written};
use crate::tombstone::DEFAULT_TTL;

async fn get(world: &World, model: &str, args: Value) -> Outcome {
    super::get(
        &world.engine,
        &world.caller,
        world.model(model),
        &object(args),
    )
    .await
}

async fn list(world: &World, model: &str, args: Value) -> Result<Connection, FieldError> {
    paged(
        super::list(
            &world.engine,
            &world.caller,
            world.model(model),
            &object(args),
        )
        .await,
    )
}

async fn index(world: &World, model: &str, args: Value) -> Result<Connection, FieldError> {
    let model = world.model(model);
    let index = &model.indexes[0];
    paged(super::index(&world.engine, &world.caller, model, index, &object(args)).await)
}

async fn posts(world: &World, count: usize) {
    for n in 0..count {
        let input = json!({"id": format!("p{n}"), "rating": n});
        world.create("Post", input).await.unwrap();
    }
}

fn assert_invalid<T: std::fmt::Debug>(result: Result<T, FieldError>, message: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.error_type, Some(ErrorType::InvalidArguments));
    assert_eq!(error.message, message);
}

#[tokio::test]
async fn q1_get_shows_a_record_even_a_deleted_one() {
    let world = World::new();
    posts(&world, 1).await;
    world
        .delete("Post", json!({"id": "p0", "_version": 1}))
        .await
        .unwrap();
    let record = written(get(&world, "Post", json!({"id": "p0"})).await).unwrap();
    assert!(record.deleted);
    assert_eq!(record.fields["rating"], json!(0));
}

#[tokio::test]
async fn q2_get_of_a_missing_record_is_null() {
    let world = World::new();
    assert_eq!(
        get(&world, "Post", json!({"id": "p"})).await,
        Ok(Resolved::Null)
    );
}

/// `errata.md` row 55.
#[tokio::test]
async fn get_without_a_whole_key_is_null() {
    let world = World::new();
    for args in [
        json!({}),
        json!({"sku": "s"}),
        json!({"sku": "s", "warehouse": null}),
    ] {
        assert_eq!(get(&world, "Stock", args).await, Ok(Resolved::Null));
    }
    assert!(world.store.calls().is_empty());
}

#[tokio::test]
async fn q3_list_shows_tombstones_unless_filtered_out() {
    let world = World::new();
    posts(&world, 3).await;
    world
        .delete("Post", json!({"id": "p1", "_version": 1}))
        .await
        .unwrap();
    let all = list(&world, "Post", json!({})).await.unwrap();
    assert_eq!(column(&all, "id"), ["p0", "p1", "p2"]);
    for filter in [
        json!({"_deleted": {"ne": true}}),
        json!({"_deleted": {"attributeExists": false}}),
    ] {
        let live = list(&world, "Post", json!({"filter": filter}))
            .await
            .unwrap();
        assert_eq!(column(&live, "id"), ["p0", "p2"], "Q-4");
    }
}

#[tokio::test]
async fn pages_go_on_where_the_last_one_ended_and_end_with_null() {
    let world = World::new();
    posts(&world, 5).await;
    let mut seen = Vec::new();
    let mut token = Value::Null;
    loop {
        let page = list(&world, "Post", json!({"limit": 2, "nextToken": token}))
            .await
            .unwrap();
        seen.append(&mut column(&page, "id"));
        match page.next_token {
            Some(next) => token = next.into(),
            None => break,
        }
    }
    assert_eq!(seen, ["p0", "p1", "p2", "p3", "p4"]);
}

///
#[tokio::test]
async fn a_token_of_another_query_or_caller_is_refused() {
    let mut world = World::new();
    posts(&world, 5).await;
    let filter = json!({"rating": {"ge": 0}});
    let page = list(&world, "Post", json!({"limit": 2, "filter": filter}))
        .await
        .unwrap();
    let token = page.next_token.unwrap();

    let resumed = json!({"limit": 3, "filter": filter, "nextToken": token});
    assert_eq!(
        list(&world, "Post", resumed.clone())
            .await
            .unwrap()
            .records
            .len(),
        3
    );
    let refused = [
        list(&world, "Post", json!({"nextToken": token})).await,
        list(
            &world,
            "Visit",
            json!({"filter": filter, "nextToken": token}),
        )
        .await,
        list(&world, "Post", json!({"nextToken": "x"})).await,
        list(&world, "Post", json!({"nextToken": ""})).await,
    ];
    world.caller = caller("k2");
    let foreign = list(&world, "Post", resumed).await;
    for result in refused.into_iter().chain([foreign]) {
        let error = result.unwrap_err();
        assert_eq!(error.error_type, Some(ErrorType::InvalidToken));
        assert_eq!(
            error.message,
            "com.amazonaws.deepdish.common.pagination.InvalidPaginationTokenException: Invalid pagination token given."
        );
    }
}

#[tokio::test]
async fn a_limit_below_one_and_a_filter_that_is_none_are_refused() {
    let world = World::new();
    let error = list(&world, "Post", json!({"limit": 0})).await.unwrap_err();
    assert_eq!(error.error_type, Some(ErrorType::InvalidArguments));
    let error = list(
        &world,
        "Post",
        json!({"filter": {"rating": {"between": [1]}}}),
    )
    .await
    .unwrap_err();
    assert_eq!(error.error_type, Some(ErrorType::UnrecognizedFilter));
}

#[tokio::test]
async fn a_page_is_never_larger_than_the_maximum() {
    let mut world = World::new();
    world.engine.settings.page_limit = 3;
    posts(&world, 5).await;
    let page = list(&world, "Post", json!({"limit": 1_000})).await.unwrap();
    assert_eq!(page.records.len(), 3);
    let page = list(&world, "Post", json!({})).await.unwrap();
    assert_eq!(page.records.len(), 3);
}

async fn stocks(world: &World) {
    for (sku, warehouse) in [("a", "x"), ("a", "y"), ("a", "z"), ("b", "x")] {
        let input = json!({"sku": sku, "warehouse": warehouse, "count": 1});
        world.create("Stock", input).await.unwrap();
    }
}

#[tokio::test]
async fn list_with_a_partition_walks_it_in_sort_order() {
    let world = World::new();
    stocks(&world).await;
    let cases = [
        (json!({"sku": "a"}), vec!["x", "y", "z"]),
        (
            json!({"sku": "a", "sortDirection": "DESC"}),
            vec!["z", "y", "x"],
        ),
        (
            json!({"sku": "a", "warehouse": {"gt": "x"}}),
            vec!["y", "z"],
        ),
        (
            json!({"sku": "a", "warehouse": {"between": ["x", "y"]}, "sortDirection": "ASC"}),
            vec!["x", "y"],
        ),
        (json!({"sku": "c"}), vec![]),
    ];
    for (args, expected) in cases {
        let page = list(&world, "Stock", args.clone()).await.unwrap();
        assert_eq!(column(&page, "warehouse"), expected, "{args}");
    }
    assert_eq!(
        list(&world, "Stock", json!({}))
            .await
            .unwrap()
            .records
            .len(),
        4
    );
}

#[tokio::test]
async fn sort_arguments_need_the_partition() {
    let world = World::new();
    assert_invalid(
        list(&world, "Stock", json!({"sortDirection": "ASC"})).await,
        "When providing argument 'sortDirection' you must also provide argument 'sku'.",
    );
    assert_invalid(
        list(&world, "Stock", json!({"warehouse": {"eq": "x"}})).await,
        "When providing argument 'warehouse' you must also provide arguments sku",
    );
}

#[tokio::test]
async fn sort_arguments_of_a_composite_key_need_the_partition() {
    let mut schema = crate::fixtures::schema();
    let mut stock = crate::fixtures::stock();
    stock.key.sort.push("count".to_owned());
    schema.models.insert("Stock".to_owned(), stock.into());
    let world = World::over(schema, crate::engine::Strategies::default());
    assert_invalid(
        list(
            &world,
            "Stock",
            json!({"warehouseCount": {"eq": {"warehouse": "x"}}}),
        )
        .await,
        "When providing argument 'warehouseCount' you must also provide 'sku'.",
    );
}

#[tokio::test]
async fn a_key_without_sort_fields_has_no_direction() {
    let mut schema = crate::fixtures::schema();
    let mut stock = crate::fixtures::stock();
    stock.key.sort.clear();
    schema.models.insert("Stock".to_owned(), stock.into());
    let world = World::over(schema, crate::engine::Strategies::default());
    for args in [
        json!({"sortDirection": "DESC"}),
        json!({"sku": "a", "sortDirection": "DESC"}),
    ] {
        assert_invalid(
            list(&world, "Stock", args).await,
            "sortDirection is not supported for List operations without a Sort key defined.",
        );
    }
}

#[tokio::test]
async fn an_index_query_pages_through_one_partition() {
    let world = World::new();
    for (id, post) in [("3", "p"), ("1", "p"), ("2", "q"), ("4", "p")] {
        let input = json!({"id": id, "postID": post, "content": format!("c{id}")});
        world.create("Comment", input).await.unwrap();
    }
    world
        .create("Comment", json!({"id": "5", "content": "c5"}))
        .await
        .unwrap();
    let first = index(
        &world,
        "Comment",
        json!({"postID": "p", "limit": 2, "sortDirection": "DESC"}),
    )
    .await
    .unwrap();
    assert_eq!(column(&first, "id"), ["4", "3"]);
    let rest =
        json!({"postID": "p", "limit": 2, "sortDirection": "DESC", "nextToken": first.next_token});
    let rest = index(&world, "Comment", rest).await.unwrap();
    assert_eq!(
        (column(&rest, "id"), rest.next_token),
        (vec![json!("1")], None)
    );
}

/// Composite keys compare as strings, also their numbers.
#[tokio::test]
async fn a_composite_index_compares_as_text() {
    let world = World::new();
    for n in [9, 10, 2] {
        let input = json!({"id": n.to_string(), "site": "s", "day": "2", "n": n});
        world.create("Visit", input).await.unwrap();
    }
    let all = index(&world, "Visit", json!({"site": "s"})).await.unwrap();
    assert_eq!(column(&all, "n"), [json!(10), json!(2), json!(9)]);
    let below = json!({"site": "s", "dayN": {"lt": {"day": "2", "n": 9}}});
    let below = index(&world, "Visit", below).await.unwrap();
    assert_eq!(column(&below, "n"), [json!(10), json!(2)]);
    let one = json!({"site": "s", "dayN": {"eq": {"day": "2", "n": 10}}});
    assert_eq!(
        column(&index(&world, "Visit", one).await.unwrap(), "n"),
        [json!(10)]
    );
}

#[tokio::test]
async fn a_closed_model_cannot_be_read() {
    let mut schema = crate::fixtures::schema();
    let mut visit = crate::fixtures::visit();
    visit.auth.clear();
    schema.models.insert("Visit".to_owned(), visit.into());
    let world = World::over(schema, crate::engine::Strategies::default());
    let refused = [
        (
            written(get(&world, "Visit", json!({"id": "v"})).await).unwrap_err(),
            "getVisit",
        ),
        (
            list(&world, "Visit", json!({})).await.unwrap_err(),
            "listVisits",
        ),
        (
            index(&world, "Visit", json!({"site": "s"}))
                .await
                .unwrap_err(),
            "visitsBySite",
        ),
    ];
    for (error, field) in refused {
        assert_eq!(error.error_type, Some(ErrorType::Unauthorized));
        assert_eq!(
            error.message,
            format!("Not Authorized to access {field} on type Query")
        );
    }
    assert!(world.store.calls().is_empty());
}

/// `errata.md` row 30.
#[tokio::test]
async fn a_shell_is_not_read_and_takes_no_place_on_a_page() {
    let world = World::new();
    posts(&world, 3).await;
    let comments = [("1", "a"), ("2", "b"), ("3", "c")];
    for (id, content) in comments {
        let input = json!({"id": id, "postID": "p", "content": content});
        world.create("Comment", input).await.unwrap();
    }
    for (model, id) in [("Post", "p0"), ("Comment", "1")] {
        let input = json!({"id": id, "_version": 1});
        world.delete(model, input).await.unwrap();
    }
    world.pass(DEFAULT_TTL - 1);
    let of_post = json!({"postID": "p", "limit": 2});
    let listed = list(&world, "Post", json!({"limit": 2})).await.unwrap();
    assert_eq!(column(&listed, "id"), ["p0", "p1"]);
    let indexed = index(&world, "Comment", of_post.clone()).await.unwrap();
    assert_eq!(column(&indexed, "id"), ["1", "2"]);

    world.pass(1);
    assert_eq!(
        get(&world, "Post", json!({"id": "p0"})).await,
        Ok(Resolved::Null)
    );
    let listed = list(&world, "Post", json!({"limit": 2})).await.unwrap();
    assert_eq!(column(&listed, "id"), ["p1", "p2"]);
    assert_eq!(listed.next_token, None);
    let filter = json!({"rating": {"lt": 2}});
    let filtered = list(&world, "Post", json!({ "filter": filter }))
        .await
        .unwrap();
    assert_eq!(column(&filtered, "id"), ["p1"]);
    let indexed = index(&world, "Comment", of_post).await.unwrap();
    assert_eq!(column(&indexed, "id"), ["2", "3"]);
}

/// `sync-semantics` 3: hidden tombstones are shown to those who speak of them, and take no place on a page.
#[tokio::test]
async fn hidden_tombstones_are_left_out_unless_the_filter_speaks_of_them() {
    let mut world = World::new();
    world.engine.settings.hide_tombstones = true;
    posts(&world, 3).await;
    let input = json!({"id": "p0", "_version": 1});
    world.delete("Post", input).await.unwrap();
    let two = list(&world, "Post", json!({"limit": 2})).await.unwrap();
    assert_eq!(column(&two, "id"), ["p1", "p2"]);
    let few = json!({"filter": {"rating": {"le": 1}}});
    let few = list(&world, "Post", few).await.unwrap();
    assert_eq!(column(&few, "id"), ["p1"]);
    let asking = json!({"filter": {"not": {"or": [{"_deleted": {"ne": true}}]}}});
    let asked = list(&world, "Post", asking).await.unwrap();
    assert_eq!(column(&asked, "id"), ["p0"]);
    let got = get(&world, "Post", json!({"id": "p0"})).await;
    assert!(matches!(got, Ok(Resolved::Record(record)) if record.deleted));
}
