//! What breaks between nodes and their database.

use driftless::storage::open;

use super::*;
use crate::support::line::Line;

on_every_route!(
    a_node_whose_connections_are_closed_misses_nothing,
    a_node_whose_network_falls_silent_misses_nothing,
    a_node_whose_network_stands_still_for_a_while_misses_nothing,
    connections_that_the_database_ends_cost_no_write_and_no_event,
    t42_a_node_that_falls_behind_a_trimmed_log_lets_its_subscribers_sync,
);

/// A node is cut off while others write. It says of no write that it is done, and its subscriber then sees everything it
/// missed, in order and once, and what was sent to it again.
async fn is_cut_off(cluster: Cluster, cut: fn(&Line)) {
    let line = Line::to(&cluster.url()).await;
    let near = cluster.node().await;
    let far = cluster.node_at(line.url.clone()).await;
    let mut socket = subscriber(&far).await;
    let mut seen = Seen::default();
    let mut became = work(&[&near, &far], "before").await;
    cut(&line);
    became.extend(work(&[&near], "meanwhile").await);
    assert!(post_create(&far, "again").await.is_none());
    line.mend();
    persist(&far, "again").await;
    create(&near, "end").await;
    seen.until(&mut socket, "end").await;
    became.push(("again".to_owned(), 1));
    seen.are(&became);
    became = work(&[&near, &far], "afterwards").await;
    create(&near, "end of all").await;
    seen.until(&mut socket, "end of all").await;
    seen.are(&became);
    cluster.finish(vec![near, far]).await;
}

async fn a_node_whose_connections_are_closed_misses_nothing(cluster: Cluster) {
    is_cut_off(cluster, Line::cut).await;
}

async fn a_node_whose_network_falls_silent_misses_nothing(cluster: Cluster) {
    is_cut_off(cluster, Line::silence).await;
}

/// Its packets are lost and sent again: the connections to the database live on, with what was on its way in them.
async fn a_node_whose_network_stands_still_for_a_while_misses_nothing(cluster: Cluster) {
    is_cut_off(cluster, Line::halt).await;
}

/// A create that may be answered with a request to try again: then nothing has been promised.
async fn post_create(node: &Server, id: &str) -> Option<()> {
    let query =
        "mutation operation($input: CreatePlayerInput!) { createPlayer(input: $input) { id } }";
    let body = json!({"query": query, "variables": {"input": {"id": id, "name": id}}});
    let answer = node.post(body.to_string()).send().await.expect("an answer");
    if answer.status() == 503 {
        return None;
    }
    let text = answer.text().await.expect("a body");
    let body: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(body["data"]["createPlayer"]["id"], *id, "{body}");
    Some(())
}

/// A create that is sent until it is done.
async fn persist(node: &Server, id: &str) {
    let trying = async { while post_create(node, id).await.is_none() {} };
    let tried = tokio::time::timeout(PATIENCE, trying).await;
    tried.expect("the node comes back");
}

/// `sync-design.md` T11: the database ends connections in the middle of writes.
async fn connections_that_the_database_ends_cost_no_write_and_no_event(cluster: Cluster) {
    let nodes = [cluster.node().await, cluster.node().await];
    let mut socket = subscriber(&nodes[1]).await;
    let mut admin = cluster.database.connect().await;
    let mut acknowledged = Vec::new();
    for number in 0..200 {
        if number % 40 == 20 {
            let end = "select pg_terminate_backend(pid) from pg_stat_activity \
                       where datname = current_database() and pid <> pg_backend_pid()";
            let ended = sqlx::query(end).execute(&mut admin).await;
            ended.expect("a superuser may");
        }
        let id = format!("p{number}");
        if post_create(&nodes[0], &id).await.is_some() {
            acknowledged.push((id, 1));
        }
    }
    assert!(acknowledged.len() > 100);
    drop(admin);
    persist(&nodes[0], "end").await;
    let mut seen = Seen::default();
    seen.until(&mut socket, "end").await;
    seen.are(&acknowledged);
    cluster.finish(nodes.into()).await;
}

/// `sync-design.md` L8, T42: what a node has not read before it was trimmed cannot be made up for by events.
async fn t42_a_node_that_falls_behind_a_trimmed_log_lets_its_subscribers_sync(
    mut cluster: Cluster,
) {
    let line = Line::to(&cluster.url()).await;
    let near = cluster.node().await;
    let far = cluster.node_at(line.url.clone()).await;
    let mut socket = subscriber(&far).await;
    create(&near, "seen").await;
    let mut seen = Seen::default();
    seen.until(&mut socket, "seen").await;
    line.cut();
    if let Some(nats) = &mut cluster.nats {
        nats.kill();
    }
    for id in ["a", "b", "c"] {
        create(&near, id).await;
    }
    let third = open(&cluster.database.url).await.expect("a node");
    let trimmed = third.trim(0).await.expect("the log is trimmed");
    assert!(trimmed >= 3, "{trimmed}");
    third.close().await;
    line.mend();
    let end = socket.end().await.expect("a close frame");
    assert_eq!(u16::from(end.code), 1011);
    let synced = far
        .graphql("{ syncPlayers { items { id } } }", json!({}))
        .await;
    let items = synced["data"]["syncPlayers"]["items"].as_array();
    assert_eq!(items.map(Vec::len), Some(4), "{synced}");
    cluster.finish(vec![near, far]).await;
}
