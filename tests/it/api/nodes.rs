//! Two servers over one Postgres.

use futures_util::future::join_all;
use serde_json::json;

use crate::support::server::DATASTORE;
use crate::support::site::{Plan, Site};

const PLAN: Plan = Plan::of(include_str!("../../schemas/players.graphql"));

/// SUB-3: a write is an event for the subscribers of every node, and is read and synced everywhere at once.
#[tokio::test]
async fn a_write_on_one_node_reaches_subscribers_of_another() {
    let site = Site::postgres(PLAN).await;
    let other = site.another_node(PLAN).await;
    let mut socket = other.session().await;
    let query = "subscription operation { onUpdatePlayer { id name note _version } }";
    let authorization = other.authorization(DATASTORE);
    socket.subscribe("s", query, &authorization).await;

    let input = json!({"id": "p", "name": "Ada"});
    site.mutate("createPlayer", input, "id").await.value();
    let read = "{ syncPlayers { items { id _version } } }";
    let synced = other.graphql(read, json!({})).await;
    assert_eq!(
        synced["data"]["syncPlayers"]["items"],
        json!([{"id": "p", "_version": 1}])
    );
    let input = json!({"id": "p", "note": "n", "_version": 1});
    site.mutate("updatePlayer", input, "id").await.value();
    let event = socket.frame().await;
    assert_eq!(
        event["payload"]["data"]["onUpdatePlayer"],
        json!({"id": "p", "name": "Ada", "note": "n", "_version": 2})
    );
    other.app.stop().await;
    site.finish().await;
}

/// A page token of one node goes on at another: both seal with the store's secret.
#[tokio::test]
async fn a_page_token_of_one_node_opens_at_another() {
    let site = Site::postgres(PLAN).await;
    let other = site.another_node(PLAN).await;
    for id in ["a", "b", "c"] {
        let input = json!({"id": id, "name": id});
        site.mutate("createPlayer", input, "id").await.value();
    }
    let first = site
        .read("{ syncPlayers(limit: 2) { items { id } nextToken } }")
        .await;
    let query = format!(
        "{{ syncPlayers(nextToken: {}) {{ items {{ id }} nextToken }} }}",
        first["nextToken"]
    );
    let rest = other.graphql(&query, json!({})).await;
    let rest = &rest["data"]["syncPlayers"];
    assert_eq!(rest["items"].as_array().map(Vec::len), Some(1), "{rest}");
    assert!(rest["nextToken"].is_null());
    other.app.stop().await;
    site.finish().await;
}

const KEYS: Plan = Plan::of(include_str!("../../schemas/keys.graphql"));
const COUPON: &str = "coupon: updateCoupon(input: {code: \"c\", percent: 1}) { _version }";
const SHELF: &str = "shelf: updateShelf(input: {aisle: \"a\", row: 1, label: \"l\"}) { _version }";

/// `sync-design.md` 5.4: each mutation field is a transaction of its own, so that requests which write the same records in
/// opposite orders never wait for each other in a circle.
#[tokio::test]
async fn t31_requests_that_write_models_in_opposite_orders_at_two_nodes_are_all_done() {
    const AT_ONCE: usize = 10;
    const EACH: usize = 5;
    let site = Site::postgres(KEYS).await;
    let other = site.another_node(KEYS).await;
    let (coupon, shelf) = (json!({"code": "c"}), json!({"aisle": "a", "row": 1}));
    site.mutate("createCoupon", coupon, "code").await.value();
    site.mutate("createShelf", shelf, "row").await.value();
    let write = async |here: bool| {
        let query = match here {
            true => format!("mutation operation {{ {COUPON} {SHELF} }}"),
            false => format!("mutation operation {{ {SHELF} {COUPON} }}"),
        };
        let node = if here { &site.server } else { &other };
        for _ in 0..EACH {
            let answer = node.graphql(&query, json!({})).await;
            assert!(answer.get("errors").is_none(), "{answer}");
        }
    };
    join_all((0..2 * AT_ONCE).map(|number| write(number % 2 == 0))).await;
    let read =
        "{ getCoupon(code: \"c\") { _version } getShelf(aisle: \"a\", row: 1) { _version } }";
    let all = json!({"_version": 1 + 2 * AT_ONCE * EACH});
    let stored = site.ask(read, json!({})).await.0;
    assert_eq!(stored["data"], json!({"getCoupon": all, "getShelf": all}));
    other.app.stop().await;
    site.finish().await;
}
