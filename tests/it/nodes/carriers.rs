//! The same promises over every way that word of a write may take.

use super::*;

on_every_route!(
    t14_a_subscriber_sees_what_every_node_writes_in_order_and_once,
    a_node_that_joins_later_tells_its_subscribers_from_then_on,
    a_node_hears_of_others_where_word_arrives,
);

async fn t14_a_subscriber_sees_what_every_node_writes_in_order_and_once(cluster: Cluster) {
    let nodes = [
        cluster.node().await,
        cluster.node().await,
        cluster.node().await,
    ];
    let mut sockets = [subscriber(&nodes[1]).await, subscriber(&nodes[2]).await];
    let mut seen = [Seen::default(), Seen::default()];
    for round in ["first", "second"] {
        let became = work(&[&nodes[0], &nodes[1], &nodes[2]], round).await;
        create(&nodes[0], &format!("{round}-end")).await;
        for (socket, seen) in sockets.iter_mut().zip(&mut seen) {
            seen.until(socket, &format!("{round}-end")).await;
            seen.are(&became);
        }
    }
    cluster.finish(nodes.into()).await;
}

async fn a_node_that_joins_later_tells_its_subscribers_from_then_on(cluster: Cluster) {
    let first = cluster.node().await;
    create(&first, "before").await;
    let second = cluster.node().await;
    let mut socket = subscriber(&second).await;
    create(&first, "after").await;
    let mut seen = Seen::default();
    seen.until(&mut socket, "after").await;
    assert_eq!(seen.0.len(), 1, "{:?}", seen.0);
    cluster.finish(vec![first, second]).await;
}

async fn a_node_hears_of_others_where_word_arrives(cluster: Cluster) {
    let node = cluster.node().await;
    if cluster.route == Route::Pooler {
        assert!(!node.app.hears_other_nodes());
    } else {
        hears(&node).await;
    }
    cluster.finish(vec![node]).await;
}
