//! Relations over the reference store: `transformer.md` 5.1, `errata.md` row 6.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::*;
use crate::fixtures::{World, column, object, paged, record, written};

/// Posts `p` and `q`, `q` deleted; comments of both.
async fn served() -> World {
    let world = World::new();
    for id in ["p", "q"] {
        world
            .create("Post", json!({"id": id, "title": id}))
            .await
            .unwrap();
    }
    world
        .delete("Post", json!({"id": "q", "_version": 1}))
        .await
        .unwrap();
    for (id, post) in [("1", "p"), ("2", "p"), ("3", "q")] {
        let input = json!({"id": id, "postID": post, "content": format!("c{id}")});
        world.create("Comment", input).await.unwrap();
    }
    world.store.calls();
    world
}

fn comment(post: Option<&str>) -> Arc<Record> {
    Arc::new(record(json!({"id": "c", "content": "c", "postID": post})))
}

fn post(id: &str) -> Arc<Record> {
    Arc::new(record(json!({"id": id})))
}

async fn loaded(
    world: &World,
    (model, field): (&str, &str),
    parents: &[Arc<Record>],
    args: Value,
    key_only: bool,
) -> Vec<Outcome> {
    let model = world.model(model);
    let field = &model.fields[field];
    load(
        &world.engine,
        &world.caller,
        model,
        field,
        parents,
        &object(args),
        key_only,
    )
    .await
}

const PARENT: (&str, &str) = ("Comment", "post");
const CHILDREN: (&str, &str) = ("Post", "comments");

#[tokio::test]
async fn parents_come_in_order_from_one_read() {
    let world = served().await;
    let children = [
        comment(Some("q")),
        comment(None),
        comment(Some("p")),
        comment(Some("q")),
    ];
    let shown = loaded(&world, PARENT, &children, json!({}), false).await;
    let mut shown = shown.into_iter();
    let mut next = || shown.next().unwrap();
    assert!(written(next()).unwrap().deleted);
    assert_eq!(next(), Ok(Resolved::Null));
    assert_eq!(written(next()).unwrap().fields["title"], json!("p"));
    assert!(written(next()).unwrap().deleted);
    assert_eq!(world.store.calls(), ["get"]);
}

#[tokio::test]
async fn without_any_foreign_key_nothing_is_read() {
    let world = served().await;
    let children = [comment(None), Arc::new(record(json!({"id": "c"})))];
    let shown = loaded(&world, PARENT, &children, json!({}), true).await;
    assert_eq!(shown, [Ok(Resolved::Null), Ok(Resolved::Null)]);
    assert!(world.store.calls().is_empty());
}

#[tokio::test]
async fn a_missing_parent_is_its_key_if_only_that_is_asked_for() {
    let world = served().await;
    let children = [comment(Some("gone"))];
    let deep = loaded(&world, PARENT, &children, json!({}), false).await;
    assert_eq!(deep, [Ok(Resolved::Null)]);
    let key = loaded(&world, PARENT, &children, json!({}), true).await;
    let expected = object(json!({"id": "gone"}));
    assert_eq!(key, [Ok(Resolved::Reference(Arc::new(expected)))]);
}

#[tokio::test]
async fn a_parent_the_caller_may_not_read_is_its_key_too() {
    let mut schema = crate::fixtures::schema();
    let mut closed = crate::fixtures::post();
    closed.auth.clear();
    schema.models.insert("Post".to_owned(), closed.into());
    let world = World::over(schema, crate::engine::Strategies::default());
    let children = [comment(Some("p")), comment(None)];
    let key = loaded(&world, PARENT, &children, json!({}), true).await;
    assert!(matches!(&key[0], Ok(Resolved::Reference(key)) if key["id"] == json!("p")));
    let deep = loaded(&world, PARENT, &children, json!({}), false).await;
    let Err(Failure::Field(error)) = &deep[0] else {
        panic!("{deep:?}");
    };
    assert_eq!(
        error.message,
        "Not Authorized to access post on type Comment"
    );
}

#[test]
fn a_reference_is_made_of_the_foreign_key_alone() {
    let schema = crate::fixtures::schema();
    let post = &schema.models["Comment"].fields["post"];
    let sight = crate::authz::Sight::default();
    let key = reference(&schema, post, &comment(Some("p")), &sight);
    assert_eq!(key, Some(object(json!({"id": "p"}))));
    assert_eq!(reference(&schema, post, &comment(None), &sight), None);
    let comments = &schema.models["Post"].fields["comments"];
    assert_eq!(
        reference(&schema, comments, &record(json!({"id": "p"})), &sight),
        None
    );
}

#[tokio::test]
async fn children_are_pages_of_the_index() {
    let world = served().await;
    world
        .delete("Comment", json!({"id": "1", "_version": 1}))
        .await
        .unwrap();
    let parents = [post("p"), post("q"), post("none")];
    let shown = loaded(&world, CHILDREN, &parents, json!({}), false).await;
    let pages: Vec<_> = shown.into_iter().map(|page| paged(page).unwrap()).collect();
    assert_eq!(column(&pages[0], "id"), ["1", "2"]);
    assert!(
        pages[0].records[0].deleted,
        "tombstones are not filtered out"
    );
    assert_eq!(column(&pages[1], "id"), ["3"]);
    assert!(pages[2].records.is_empty());
}

#[tokio::test]
async fn children_take_filter_condition_direction_and_limit() {
    let world = served().await;
    let parents = [post("p")];
    let cases = [
        (json!({"sortDirection": "DESC"}), vec!["2", "1"]),
        (json!({"content": {"gt": "c1"}}), vec!["2"]),
        (json!({"filter": {"content": {"eq": "c1"}}}), vec!["1"]),
        (json!({"limit": 1}), vec!["1"]),
    ];
    for (args, expected) in cases {
        let page = loaded(&world, CHILDREN, &parents, args.clone(), false)
            .await
            .remove(0);
        assert_eq!(column(&paged(page).unwrap(), "id"), expected, "{args}");
    }
}

#[tokio::test]
async fn a_token_of_one_parents_children_opens_for_no_other_parent() {
    let world = served().await;
    let first = loaded(&world, CHILDREN, &[post("p")], json!({"limit": 1}), false)
        .await
        .remove(0);
    let token = paged(first).unwrap().next_token.unwrap();
    let args = json!({"limit": 1, "nextToken": token});
    let mut pages = loaded(&world, CHILDREN, &[post("p"), post("q")], args, false).await;
    assert!(paged(pages.remove(1)).is_err());
    assert_eq!(column(&paged(pages.remove(0)).unwrap(), "id"), ["2"]);
}

#[tokio::test]
async fn a_parent_without_a_key_has_no_children() {
    let world = served().await;
    let parents = [Arc::new(record(json!({"id": null})))];
    let page = loaded(&world, CHILDREN, &parents, json!({}), false)
        .await
        .remove(0);
    assert_eq!(page, Ok(Resolved::Connection(Connection::default())));
    assert!(world.store.calls().is_empty());
}

#[tokio::test]
async fn has_one_by_references_is_the_first_of_the_index() {
    let mut schema = crate::fixtures::schema();
    let mut post_model = crate::fixtures::post();
    let comments = post_model.fields.get_mut("comments").unwrap();
    comments.relation.as_mut().unwrap().kind = RelationKind::HasOne;
    schema.models.insert("Post".to_owned(), post_model.into());
    let world = World::over(schema, crate::engine::Strategies::default());
    for id in ["2", "1"] {
        let input = json!({"id": id, "postID": "p", "content": id});
        world.create("Comment", input).await.unwrap();
    }
    let mut shown = loaded(&world, CHILDREN, &[post("p"), post("q")], json!({}), false).await;
    assert_eq!(shown.remove(1), Ok(Resolved::Null));
    assert_eq!(written(shown.remove(0)).unwrap().fields["id"], json!("1"));
}

/// `errata.md` row 30.
#[tokio::test]
async fn a_shell_is_neither_parent_nor_child() {
    let world = served().await;
    let input = json!({"id": "1", "_version": 1});
    world.delete("Comment", input).await.unwrap();
    world.pass(crate::tombstone::DEFAULT_TTL);
    let parent = loaded(&world, PARENT, &[comment(Some("q"))], json!({}), false).await;
    assert_eq!(parent, [Ok(Resolved::Null)]);
    let mut children = loaded(&world, CHILDREN, &[post("p")], json!({}), false).await;
    let page = paged(children.remove(0)).unwrap();
    assert_eq!(column(&page, "id"), ["2"]);
}
