//! NATS is a convenience: it may be away, die and come back empty.

use super::*;
use crate::support::line::Line;

#[tokio::test(flavor = "multi_thread")]
async fn nats_may_be_away_at_the_start_and_later_and_no_write_or_event_is_lost() {
    let mut cluster = Cluster::without_nats(Route::Nats).await;
    let nodes = [cluster.node().await, cluster.node().await];
    let mut socket = subscriber(&nodes[1]).await;
    let mut seen = Seen::default();
    for round in ["never there", "there", "killed", "back and empty"] {
        if let Some(nats) = &mut cluster.nats {
            match round {
                "there" | "back and empty" => {
                    nats.run().await;
                    hears(&nodes[0]).await;
                    hears(&nodes[1]).await;
                }
                _ => nats.kill(),
            }
        }
        let became = work(&[&nodes[0], &nodes[1]], round).await;
        let end = format!("{round}: end");
        create(&nodes[0], &end).await;
        seen.until(&mut socket, &end).await;
        seen.are(&became);
    }
    cluster.finish(nodes.into()).await;
}

/// Events travel themselves: a node need not read the log to tell its subscribers.
#[tokio::test(flavor = "multi_thread")]
async fn by_nats_a_node_tells_its_subscribers_of_writes_while_it_has_no_database() {
    let cluster = Cluster::start(Route::Nats).await;
    let line = Line::to(&cluster.database).await;
    let near = cluster.node().await;
    let far = cluster.node_at(line.url.clone()).await;
    hears(&far).await;
    hears(&near).await;
    let mut socket = subscriber(&far).await;
    let mut seen = Seen::default();
    create(&near, "before").await;
    seen.until(&mut socket, "before").await;
    line.cut();
    let became = work(&[&near], "meanwhile").await;
    create(&near, "end").await;
    seen.until(&mut socket, "end").await;
    seen.are(&became);
    line.mend();
    create(&near, "mended").await;
    seen.until(&mut socket, "mended").await;
    cluster.finish(vec![near, far]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_is_shown_the_password_in_the_address() {
    let mut cluster = Cluster::without_nats(Route::Nats).await;
    if let Some(nats) = &mut cluster.nats {
        nats.guard("driftless", "p@ss:w/rd");
        nats.run().await;
    }
    let node = cluster.node().await;
    hears(&node).await;
    cluster.finish(vec![node]).await;
}
