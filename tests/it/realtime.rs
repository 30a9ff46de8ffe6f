//! What a client meets on a socket, above all when it is wrong (`realtime` 2 and 6).

use std::time::Duration;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use driftless::storage::open;
use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::cluster::execute;
use crate::support::postgres::Database;
use crate::support::server::{DATASTORE, Server, Socket};

const ON_CREATE: &str = "subscription operation { onCreatePost { id title _version _deleted } }";
const ON_UPDATE: &str = "subscription operation { onUpdatePost { id title _version _deleted } }";
/// A client library that no special rule is made for.
const PLAIN: &str = "aws-amplify/6.22.1 api/1 framework/0";

/// Fails unless the connection answers an init and delivers an event.
async fn assert_works(server: &Server, socket: &mut Socket) {
    socket.init().await;
    socket
        .subscribe("works", ON_CREATE, &server.authorization(PLAIN))
        .await;
    let post = server.create_post("works").await;
    let frame = socket.frame().await;
    assert_eq!(frame["id"], "works", "{frame}");
    assert_eq!(
        frame["payload"],
        json!({"data": {"onCreatePost": {
        "id": post["id"], "title": "works", "_version": 1, "_deleted": null}}})
    );
    socket.send(json!({"type": "stop", "id": "works"})).await;
    assert_eq!(socket.frame().await["type"], "complete");
}

/// The ways to hand over the credentials of a connection: path and headers.
fn styles(credential: &Value) -> Vec<(String, Vec<(&'static str, String)>)> {
    let text = credential.to_string();
    let protocol = format!(
        "graphql-ws, header-{}",
        BASE64_URL_SAFE_NO_PAD.encode(&text)
    );
    let query: String =
        url::form_urlencoded::byte_serialize(BASE64_STANDARD.encode(&text).as_bytes()).collect();
    let key = credential["x-api-key"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    vec![
        (
            "/graphql/realtime".to_owned(),
            vec![("sec-websocket-protocol", protocol)],
        ),
        (
            format!("/graphql/realtime?header={query}&payload=e30="),
            Vec::new(),
        ),
        (
            "/graphql/realtime?other=1".to_owned(),
            vec![("x-api-key", key)],
        ),
    ]
}

async fn connect(server: &Server, path: &str, headers: &[(&'static str, String)]) -> Socket {
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    server
        .connect_with(path, &headers)
        .await
        .expect("an upgrade")
}

#[tokio::test]
async fn every_credential_style_connects_and_only_our_protocol_is_chosen() {
    let server = Server::start().await;
    for (path, headers) in styles(&server.authorization(PLAIN)) {
        let mut socket = connect(&server, &path, &headers).await;
        assert_eq!(
            socket.response.headers()["sec-websocket-protocol"],
            "graphql-ws",
            "{path}"
        );
        assert_works(&server, &mut socket).await;
    }
}

#[tokio::test]
async fn every_path_that_clients_derive_is_served() {
    let server = Server::start().await;
    for path in [
        "/graphql",
        "/graphql/realtime",
        "/graphql//realtime",
        "/realtime",
    ] {
        let headers = [("x-api-key", server.key.clone())];
        let mut socket = connect(&server, path, &headers).await;
        assert_works(&server, &mut socket).await;
    }
}

#[tokio::test]
async fn a_wrong_key_is_refused_for_good_after_the_upgrade() {
    let server = Server::start().await;
    for key in ["da2-00000000000000000000000000", ""] {
        for (path, headers) in styles(&json!({"host": "x", "x-api-key": key})) {
            let mut socket = connect(&server, &path, &headers).await;
            socket.send(json!({"type": "connection_init"})).await;
            let frame = socket.any_frame().await;
            let entry = json!({"errorType": "UnauthorizedException",
                "message": "You are not authorized to make this call.", "errorCode": 401});
            assert_eq!(
                frame,
                json!({"type": "connection_error", "payload": {"errors": [entry]}}),
                "{path}"
            );
            socket.end().await;
        }
    }
    server.assert_intact().await;
}

#[tokio::test]
async fn credentials_that_cannot_be_read_are_a_bad_request() {
    let server = Server::start().await;
    for text in ["%%%", "e30x", "W10"] {
        let headers = [(
            "sec-websocket-protocol",
            format!("graphql-ws, header-{text}"),
        )];
        let mut socket = connect(&server, "/graphql/realtime", &headers).await;
        socket.send(json!({"type": "connection_init"})).await;
        let frame = socket.any_frame().await;
        assert_eq!(frame["type"], "connection_error", "{text}");
        assert_eq!(frame["payload"]["errors"][0]["errorCode"], 400, "{text}");
        assert_eq!(
            frame["payload"]["errors"][0]["errorType"], "BadRequestException",
            "{text}"
        );
        socket.end().await;
    }
}

#[tokio::test]
async fn events_flow_until_the_subscription_is_stopped() {
    let server = Server::start().await;
    let mut socket = server.session().await;
    let authorization = server.authorization(PLAIN);
    socket.subscribe("a", ON_CREATE, &authorization).await;
    socket.subscribe("b", ON_UPDATE, &authorization).await;
    let post = server.create_post("one").await;
    let frame = socket.frame().await;
    assert_eq!(
        (&frame["id"], &frame["type"]),
        (&json!("a"), &json!("data"))
    );
    assert_eq!(frame["payload"].get("errors"), None);
    socket.send(json!({"type": "stop", "id": "a"})).await;
    assert_eq!(socket.frame().await, json!({"type": "complete", "id": "a"}));
    server.create_post("two").await;
    server.rename_post(&post, "three").await;
    // Had the second post been announced, it would come first.
    let frame = socket.frame().await;
    assert_eq!(frame["id"], "b");
    assert_eq!(frame["payload"]["data"]["onUpdatePost"]["_version"], 2);
    socket.send(json!({"type": "stop", "id": "a"})).await;
    socket.send(json!({"type": "stop", "id": "never"})).await;
    socket.init().await;
}

#[tokio::test]
async fn events_of_one_record_come_in_version_order_each_once() {
    let server = Server::start().await;
    let mut socket = server.session().await;
    socket
        .subscribe("a", ON_UPDATE, &server.authorization(PLAIN))
        .await;
    let mut post = server.create_post("0").await;
    for number in 1..=20 {
        post = server.rename_post(&post, &number.to_string()).await;
    }
    for version in 2..=21 {
        let frame = socket.frame().await;
        assert_eq!(
            frame["payload"]["data"]["onUpdatePost"]["_version"],
            version
        );
    }
}

#[tokio::test]
async fn a_repeated_start_replaces_the_first_one() {
    let server = Server::start().await;
    let mut socket = server.session().await;
    let authorization = server.authorization(PLAIN);
    for _ in 0..3 {
        socket.subscribe("a", ON_CREATE, &authorization).await;
    }
    server.create_post("once").await;
    assert_eq!(socket.frame().await["type"], "data");
    socket.send(json!({"type": "stop", "id": "a"})).await;
    assert_eq!(socket.frame().await, json!({"type": "complete", "id": "a"}));
    socket.init().await;
}

#[tokio::test]
async fn malformed_frames_are_answered_and_the_connection_lives() {
    let server = Server::start().await;
    let mut socket = server.session().await;
    socket
        .subscribe("live", ON_CREATE, &server.authorization(PLAIN))
        .await;
    let cases = [
        ("", ""),
        ("{", ""),
        ("[]", ""),
        ("null", ""),
        ("{}", ""),
        (r#"{"type":"start"}"#, ""),
        (r#"{"type":"start","id":"x"}"#, "x"),
        (r#"{"type":"start","id":"x","payload":null}"#, "x"),
        (r#"{"type":"start","id":"x","payload":{"data":{}}}"#, "x"),
        (
            r#"{"type":"start","id":"x","payload":{"data":"nonsense"}}"#,
            "x",
        ),
        (
            r#"{"type":"start","id":"x","payload":{"data":"{\"query\":1}"}}"#,
            "x",
        ),
        (r#"{"type":"dance","id":"x"}"#, "x"),
    ];
    for (text, id) in cases {
        socket.send_text(text).await;
        let frame = socket.frame().await;
        assert_eq!(
            (&frame["type"], &frame["id"]),
            (&json!("error"), &json!(id)),
            "{text}"
        );
        assert!(
            frame["payload"]["errors"][0]["errorType"].is_string(),
            "{frame}"
        );
        assert!(
            frame["payload"]["errors"][0]["message"].is_string(),
            "{frame}"
        );
    }
    socket
        .stream
        .send(Message::Binary(vec![1, 2, 3].into()))
        .await
        .expect("an open socket");
    assert_eq!(socket.frame().await["type"], "error");
    server.create_post("still here").await;
    assert_eq!(socket.frame().await["id"], "live");
}

#[tokio::test]
async fn starts_that_are_wrong_are_refused_with_their_id_and_the_others_live() {
    let server = Server::start().await;
    let mut socket = server.session().await;
    let authorization = server.authorization(PLAIN);
    socket.subscribe("live", ON_CREATE, &authorization).await;
    let cases = [
        ("{ listPosts { items { id } } }", "UnsupportedOperation"),
        (
            "mutation { deletePost(input: {id: \"1\"}) { id } }",
            "UnsupportedOperation",
        ),
        ("subscription { onCreateNothing { id } }", ""),
        ("subscription { onCreatePost { nothing } }", ""),
        (
            "subscription { onCreatePost(filter: {title: {like: \"x\"}}) { id } }",
            "",
        ),
        (
            "subscription($f: ModelSubscriptionPostFilterInput!) { onCreatePost(filter: $f) { id } }",
            "",
        ),
        ("subscription {", ""),
        ("", ""),
    ];
    for (query, error_type) in cases {
        socket.start("wrong", query, &authorization).await;
        let frame = socket.frame().await;
        assert_eq!(
            (&frame["type"], &frame["id"]),
            (&json!("error"), &json!("wrong")),
            "{query}: {frame}"
        );
        let found = frame["payload"]["errors"][0]["errorType"]
            .as_str()
            .expect("a type");
        assert!(
            error_type.is_empty() || found == error_type,
            "{query}: {frame}"
        );
    }
    server.create_post("still here").await;
    assert_eq!(socket.frame().await["id"], "live");
}

#[tokio::test]
async fn a_start_with_a_wrong_key_is_denied_in_the_way_its_client_survives() {
    let server = Server::start().await;
    let mut socket = server.session().await;
    for (agent, error_type) in [
        (DATASTORE, "OperationDisabled"),
        (PLAIN, "Unauthorized"),
        ("amplify-android:2.23.0", "Unauthorized"),
    ] {
        let mut authorization = server.authorization(agent);
        authorization["x-api-key"] = json!("da2-00000000000000000000000000");
        socket.start("a", ON_CREATE, &authorization).await;
        let frame = socket.frame().await;
        let entry = json!({"errorType": error_type, "message": "You are not authorized to make this call."});
        assert_eq!(
            frame,
            json!({"type": "error", "id": "a", "payload": {"errors": [entry]}})
        );
    }
    socket
        .subscribe("a", ON_CREATE, &server.authorization(PLAIN))
        .await;
}

#[tokio::test]
async fn denials_of_a_burst_come_after_its_acknowledgements() {
    let server = Server::start().await;
    let mut socket = server.session().await;
    let mut wrong = server.authorization(PLAIN);
    wrong["x-api-key"] = json!("nonsense");
    socket.start("denied", ON_CREATE, &wrong).await;
    socket
        .start("granted", ON_CREATE, &server.authorization(PLAIN))
        .await;
    assert_eq!(socket.frame().await["id"], "granted");
    assert_eq!(socket.frame().await["id"], "denied");
}

#[tokio::test]
async fn signs_of_life_come_in_their_interval() {
    let server =
        Server::start_with(|config| config.realtime.keep_alive = Duration::from_millis(20)).await;
    let mut socket = server.session().await;
    for _ in 0..3 {
        assert_eq!(socket.any_frame().await, json!({"type": "ka"}));
    }
}

#[tokio::test]
async fn a_frame_over_the_limit_ends_the_connection_with_1009() {
    let server = Server::start_with(|config| config.realtime.frame = 1_000).await;
    let mut socket = server.session().await;
    socket.send_text(&"x".repeat(5_000)).await;
    let frame = socket.end().await.expect("a close frame");
    assert_eq!(u16::from(frame.code), 1009);
    server.assert_intact().await;
}

#[tokio::test]
async fn one_subscription_too_many_closes_the_connection_without_an_error_frame() {
    let server = Server::start_with(|config| config.realtime.subscriptions = 2).await;
    let mut socket = server.session().await;
    let authorization = server.authorization(DATASTORE);
    socket.subscribe("a", ON_CREATE, &authorization).await;
    socket.subscribe("b", ON_CREATE, &authorization).await;
    socket.subscribe("b", ON_UPDATE, &authorization).await;
    socket.start("c", ON_CREATE, &authorization).await;
    let frame = socket.end().await.expect("a close frame");
    assert_eq!(u16::from(frame.code), 1011);
}

#[tokio::test]
async fn one_socket_too_many_is_refused_before_the_upgrade() {
    let server = Server::start_with(|config| config.realtime.sockets = 1).await;
    let mut first = server.session().await;
    let second = server
        .connect_with("/graphql/realtime", &[("x-api-key", &server.key)])
        .await;
    assert!(second.is_err());
    first.init().await;
}

#[tokio::test]
async fn what_changed_a_moment_ago_is_replayed_to_datastore_clients_only() {
    let server = Server::start().await;
    let mut watcher = server.session().await;
    watcher
        .subscribe("w", ON_CREATE, &server.authorization(PLAIN))
        .await;
    let post = server.create_post("just now").await;
    watcher.frame().await;

    let mut plain = server.session().await;
    plain
        .subscribe("a", ON_UPDATE, &server.authorization(PLAIN))
        .await;
    let mut datastore = server.session().await;
    datastore
        .subscribe("a", ON_UPDATE, &server.authorization(DATASTORE))
        .await;
    let frame = datastore.frame().await;
    assert_eq!(
        frame["payload"]["data"]["onUpdatePost"]["title"],
        "just now"
    );
    server.rename_post(&post, "later").await;
    for socket in [&mut plain, &mut datastore] {
        let frame = socket.frame().await;
        assert_eq!(frame["payload"]["data"]["onUpdatePost"]["title"], "later");
    }
}

/// `sync-design.md` T5: changes have the time of the database, and nodes differ from it.
#[tokio::test]
async fn a_node_whose_clock_is_hours_off_replays_what_changed_a_moment_ago() {
    for off in [-7_200_000, 7_200_000] {
        let database = Database::create().await;
        let made = open(&database.url).await.expect("a database");
        made.close().await;
        let clock = format!(
            "create or replace function wall_ms() returns bigint language sql volatile as \
             $$ select floor(extract(epoch from clock_timestamp()) * 1000)::bigint + ({off}) $$"
        );
        execute(&mut database.connect().await, &clock).await;
        let url = database.url.clone();
        let server = Server::start_with(|config| {
            config.database = driftless::config::Database(url);
            config.drain = Duration::ZERO;
        })
        .await;
        // Nobody listened when it was written; then somebody does already.
        server.create_post("just now").await;
        for _ in 0..2 {
            let mut datastore = server.session().await;
            datastore
                .subscribe("a", ON_UPDATE, &server.authorization(DATASTORE))
                .await;
            let title = &datastore.frame().await["payload"]["data"]["onUpdatePost"]["title"];
            assert_eq!(title, "just now", "{off}");
        }
        server.app.stop().await;
        database.remove().await;
    }
}

#[tokio::test]
async fn a_record_is_sent_once_more_after_a_burst_of_writes() {
    let server = Server::start().await;
    let mut socket = server.session().await;
    socket
        .subscribe("a", ON_UPDATE, &server.authorization(DATASTORE))
        .await;
    let mut post = server.create_post("0").await;
    for title in ["1", "2"] {
        post = server.rename_post(&post, title).await;
    }
    let mut versions = Vec::new();
    for _ in 0..3 {
        versions.push(socket.frame().await["payload"]["data"]["onUpdatePost"]["_version"].clone());
    }
    assert_eq!(versions, [json!(2), json!(3), json!(3)]);
}

#[tokio::test]
async fn repairs_can_be_switched_off() {
    let server = Server::start_with(|config| config.realtime.repairs = false).await;
    let post = server.create_post("before").await;
    let mut socket = server.session().await;
    socket
        .subscribe("a", ON_UPDATE, &server.authorization(DATASTORE))
        .await;
    server.rename_post(&post, "after").await;
    let frame = socket.frame().await;
    assert_eq!(frame["payload"]["data"]["onUpdatePost"]["title"], "after");
}

#[tokio::test]
async fn at_the_end_sockets_are_closed_so_that_each_client_comes_back() {
    let server = Server::start().await;
    let mut javascript = server.session().await;
    let headers = [
        ("x-api-key", server.key.clone()),
        ("user-agent", "amplify-android:2.23.0".to_owned()),
    ];
    let mut android = connect(&server, "/graphql/realtime", &headers).await;
    android.init().await;
    let stopping = tokio::spawn(server.app.stop());
    let frame = javascript.end().await.expect("a close frame");
    assert_eq!(u16::from(frame.code), 1011);
    assert_eq!(
        android.end().await,
        None,
        "Android takes every close frame for a normal end"
    );
    stopping.await.expect("the server stops");
}
