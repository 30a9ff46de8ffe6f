//! What waits for a socket when a subscription begins on it.

use serde_json::json;

use crate::support::server::{DATASTORE, Server, Socket};

const ON_UPDATE: &str = "subscription operation { onUpdatePost { id _version } }";
const WITH_TITLE: &str = "subscription operation { onCreatePost { id title } }";
const WITHOUT_TITLE: &str = "subscription operation { onCreatePost { id } }";
/// A client that nothing is replayed to.
const PLAIN: &str = "aws-amplify/6.22.1 api/1 framework/0";

/// So many records changed a moment ago, and so many frames may wait for a socket.
const CHANGED: usize = 40;
const QUEUE: usize = 60;
const SUBSCRIPTIONS: usize = 12;

/// Each replay fits the queue, and all together do not: nobody is too slow here.
#[tokio::test]
async fn a_device_is_replayed_what_changed_however_many_subscriptions_it_starts_at_once() {
    let server = Server::start_with(|config| config.realtime.queue = QUEUE).await;
    for n in 0..CHANGED {
        server.create_post(&n.to_string()).await;
    }
    let mut socket = server.session().await;
    for id in 0..SUBSCRIPTIONS {
        let authorization = server.authorization(DATASTORE);
        socket
            .start(&id.to_string(), ON_UPDATE, &authorization)
            .await;
    }
    let mut told = [0; SUBSCRIPTIONS];
    for _ in 0..SUBSCRIPTIONS * (CHANGED + 1) {
        let frame = socket.frame().await;
        let id: usize = frame["id"]
            .as_str()
            .expect("an id")
            .parse()
            .expect("a number");
        told[id] += usize::from(frame["type"] == "data");
    }
    assert_eq!(told, [CHANGED; SUBSCRIPTIONS]);
}

/// Takes frames up to an acknowledgement; answers how many events were among them.
async fn until_acknowledged(socket: &mut Socket) -> usize {
    let mut events = 0;
    loop {
        match socket.frame().await["type"].as_str() {
            Some("data") => events += 1,
            Some("start_ack") => return events,
            _ => {}
        }
    }
}

/// A client that does not read for a while has frames of a subscription before it when it starts another one under that id.
#[tokio::test]
async fn what_a_subscription_was_told_is_told_to_none_that_takes_its_id() {
    /// More than what lies between the two ends of a connection holds.
    const POSTS: usize = 150;
    let title = "x".repeat(200_000);
    for stops in [true, false] {
        let server = Server::start().await;
        let mut socket = server.session().await;
        let authorization = server.authorization(PLAIN);
        socket.subscribe("x", WITH_TITLE, &authorization).await;
        for _ in 0..POSTS {
            server.create_post(&title).await;
        }
        if stops {
            socket.send(json!({"type": "stop", "id": "x"})).await;
        }
        socket.start("x", WITHOUT_TITLE, &authorization).await;
        let events = until_acknowledged(&mut socket).await;
        assert!(stops || events == POSTS, "{events} events came before");
        let last = server.create_post("last").await;
        let told = &socket.frame().await["payload"]["data"]["onCreatePost"];
        assert_eq!(*told, json!({"id": last["id"]}));
    }
}
