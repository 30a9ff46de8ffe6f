//! NATS is a convenience: it may be away, die and come back empty, be cut off, or not let a node in.

use super::*;
use crate::support::line::Line;
use crate::support::nats_operator::Operator;
use crate::support::victim::Victim;

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
    let line = Line::to(&cluster.url()).await;
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

/// A line to NATS breaks and is mended; the one to Postgres stays, and does what NATS does not.
async fn loses_nats(breaks: fn(&Line)) {
    let cluster = Cluster::start(Route::Nats).await;
    let to_database = Line::to(&cluster.url()).await;
    let to_nats = Line::to_nats(cluster.nats.as_ref().expect("NATS")).await;
    let near = cluster.node().await;
    let far = cluster
        .node_by(to_database.url.clone(), Some(to_nats.feed()))
        .await;
    hears(&near).await;
    hears(&far).await;
    let mut sockets = [subscriber(&near).await, subscriber(&far).await];
    let mut seen = [Seen::default(), Seen::default()];
    let mut became = work(&[&near, &far], "whole").await;
    breaks(&to_nats);
    became.extend(work(&[&near, &far], "breaking").await);
    is_deaf(&far).await;
    became.extend(work(&[&near, &far], "broken").await);
    create(&far, "end").await;
    for (socket, seen) in sockets.iter_mut().zip(&mut seen) {
        seen.until(socket, "end").await;
        seen.are(&became);
    }

    to_nats.mend();
    hears(&far).await;
    // Nothing but NATS is left to bring word.
    to_database.cut();
    let became = work(&[&near], "mended").await;
    create(&near, "end of all").await;
    for (socket, seen) in sockets.iter_mut().zip(&mut seen) {
        seen.until(socket, "end of all").await;
        seen.are(&became);
    }
    to_database.mend();
    cluster.finish(vec![near, far]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_to_nats_that_is_closed_costs_no_event_and_brings_them_again_when_it_is_back() {
    loses_nats(Line::cut).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_to_nats_that_falls_silent_costs_no_event_and_brings_them_again_when_it_is_back() {
    loses_nats(Line::silence).await;
}

/// Two nodes and a NATS server of this kind: an event goes from one to the other.
async fn lets_in(prepare: fn(&mut Nats)) {
    let mut cluster = Cluster::without_nats(Route::Nats).await;
    if let Some(nats) = &mut cluster.nats {
        prepare(nats);
        nats.run().await;
    }
    let nodes = [cluster.node().await, cluster.node().await];
    for node in &nodes {
        hears(node).await;
    }
    let mut socket = subscriber(&nodes[1]).await;
    create(&nodes[0], "end").await;
    Seen::default().until(&mut socket, "end").await;
    cluster.finish(nodes.into()).await;
}

const PASSWORD: &str = "p@ss:w/rd";

#[tokio::test(flavor = "multi_thread")]
async fn nats_is_shown_the_password_in_the_address() {
    lets_in(|nats| nats.guard("driftless", PASSWORD)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_is_shown_the_token_in_the_address() {
    lets_in(|nats| nats.guard_by("t+k=n")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_over_tls_is_known_by_the_authority_that_is_named_and_shown_the_password() {
    lets_in(|nats| {
        nats.encrypt();
        nats.guard("driftless", PASSWORD);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_is_shown_the_key_of_a_seed_in_a_file() {
    lets_in(Nats::know_key).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_with_accounts_is_shown_the_jwt_and_the_key_of_a_creds_file() {
    lets_in(Nats::obey_operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_that_asks_for_a_certificate_is_shown_that_of_the_node() {
    lets_in(|nats| {
        nats.encrypt();
        nats.ask_for_certificate();
        nats.obey_operator();
    })
    .await;
}

/// As where keys are changed now and then: servers need not be started anew.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_exchanged_are_shown_at_the_next_connection() {
    let mut cluster = Cluster::without_nats(Route::Nats).await;
    let start = async |nats: &mut Option<Nats>| {
        let nats = nats.as_mut().expect("NATS");
        nats.kill();
        nats.know_key();
        nats.run().await;
    };
    start(&mut cluster.nats).await;
    let node = cluster.node().await;
    hears(&node).await;
    start(&mut cluster.nats).await;
    is_deaf(&node).await;
    hears(&node).await;
    cluster.finish(vec![node]).await;
}

/// A server that does not take a node as it comes: what the node's log says of it, and that it goes on without.
async fn refuses(prepare: fn(&mut Nats), told: &str) {
    let database = Database::create().await;
    let mut nats = Nats::absent();
    prepare(&mut nats);
    nats.run().await;
    let node = Victim::node(&database.url, Some(&nats)).await.ready().await;
    node.logs(told).await;
    let (status, body) = crate::support::accounts::create("a")
        .send(&node)
        .await
        .expect("an answer");
    assert_eq!(status, 200, "{body}");
    for secret in &nats.secrets {
        assert!(!node.log().contains(secret), "{}", node.log());
    }
    drop(node);
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_a_wrong_password_for_nats_says_so_without_showing_it() {
    let prepare = |nats: &mut Nats| {
        nats.encrypt();
        nats.guard("driftless", PASSWORD);
        nats.show("driftless", Some("wrong"));
    };
    refuses(prepare, "look at the user, password or token in feed.url").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nats_server_of_an_unknown_authority_is_not_believed() {
    let prepare = |nats: &mut Nats| {
        nats.encrypt();
        nats.guard("driftless", PASSWORD);
        nats.feed.ca = None;
    };
    refuses(prepare, "name the file of its authority in feed.ca").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nats_server_that_speaks_in_clear_where_tls_is_asked_for_is_told_nothing() {
    let prepare = |nats: &mut Nats| {
        nats.guard("driftless", PASSWORD);
        nats.feed.url = nats.feed.url.replacen("nats:", "tls:", 1);
    };
    refuses(prepare, "it does not speak TLS").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_key_nats_does_not_know_says_so_without_showing_it() {
    let prepare = |nats: &mut Nats| {
        nats.obey_operator();
        let (creds, seed) = Operator::new().user();
        nats.show_file(&creds);
        nats.secrets.push(seed);
    };
    refuses(prepare, "the user of the file in feed.credentials").await;
}

/// It was there when the node was configured; then somebody exchanged it by halves.
#[tokio::test(flavor = "multi_thread")]
async fn a_credentials_file_that_has_become_unreadable_is_named() {
    let prepare = |nats: &mut Nats| {
        nats.know_key();
        nats.show_file("-----BEGIN NATS USER JWT-----\n");
    };
    refuses(prepare, "node.creds is neither a .creds file").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_a_login_for_nats_says_where_it_belongs() {
    let prepare = |nats: &mut Nats| {
        nats.know_key();
        nats.feed.credentials = None;
    };
    refuses(prepare, "name a file that holds one in feed.credentials").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_the_certificate_that_nats_asks_for_says_where_it_belongs() {
    let prepare = |nats: &mut Nats| {
        nats.encrypt();
        nats.ask_for_certificate();
        nats.feed.certificate = None;
    };
    refuses(prepare, "name its files in feed.cert and feed.key").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_certificate_nats_does_not_take_says_so() {
    let prepare = |nats: &mut Nats| {
        nats.encrypt();
        nats.ask_for_certificate();
        let (_, certificate) = nats.certify("strangers");
        nats.feed.certificate = Some(certificate);
    };
    refuses(prepare, "look at the files in feed.cert and feed.key").await;
}
