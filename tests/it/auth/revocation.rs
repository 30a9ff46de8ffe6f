//! What happens to sockets when credentials expire, are taken out, or an operator ends them (`errata` 2.8, row 33).

use driftless::auth::token::Kind;
use driftless::auth::token::issuer::{Use, User};
use driftless::auth::{KeySetting, api_key};
use driftless::config::{SchemaSource, Secret};
use serde_json::{Value, json};

use super::{WHO, refusal};
use crate::support::server::{DATASTORE, Server, Socket};
use crate::support::site::{Plan, Site};

const QUERY: &str = "subscription { onCreateTodo { title } }";
const SCHEMA: &str = "type Todo @model
    @auth(rules: [{ allow: private }, { allow: public }]) { id: ID! title: String }";
const ADMIN: &str = "the-secret-of-the-operator";

async fn server() -> Server {
    Server::start_with(|config| {
        config.schema = SchemaSource::Text(SCHEMA.to_owned());
        config.admin = Some(Secret(ADMIN.to_owned()));
    })
    .await
}

/// A socket with one subscription, both by the same credential.
async fn listening(server: &Server, header: &'static str, value: &str) -> Socket {
    let headers = [(header, value)];
    let connecting = server.connect_with("/graphql/realtime", &headers);
    let mut socket = connecting.await.expect("an upgrade");
    socket.init().await;
    let mut authorization = json!({"host": "h", "x-amz-user-agent": DATASTORE});
    authorization[header] = value.into();
    socket.subscribe("a", QUERY, &authorization).await;
    socket
}

async fn create(server: &Server, title: &str) {
    let query = format!("mutation {{ createTodo(input: {{title: \"{title}\"}}) {{ id title }} }}");
    let answer = server.graphql(&query, json!({})).await;
    assert_eq!(answer.get("errors"), None, "{answer}");
}

/// The title of the next event.
async fn heard(socket: &mut Socket) -> Value {
    socket.frame().await["payload"]["data"]["onCreateTodo"]["title"].clone()
}

async fn assert_closed_for_return(socket: &mut Socket) {
    let end = socket.end().await.expect("a close frame");
    assert_eq!(u16::from(end.code), 1011);
}

/// The errorCode that a connection is refused with.
async fn refused_connection(server: &Server, header: &'static str, value: &str) -> Value {
    let headers = [(header, value)];
    let connecting = server.connect_with("/graphql/realtime", &headers);
    let mut socket = connecting.await.expect("an upgrade");
    socket.send(json!({"type": "connection_init"})).await;
    let frame = socket.any_frame().await;
    frame["payload"]["errors"][0]["errorCode"].clone()
}

async fn admin(server: &Server, secret: &str, body: &str) -> reqwest::Response {
    let request = reqwest::Client::new()
        .post(server.url("/admin/v1/disconnect"))
        .bearer_auth(secret)
        .body(body.to_owned());
    request.send().await.expect("an answer")
}

#[tokio::test]
async fn a_key_that_is_taken_out_ends_its_sockets_and_no_others() {
    let mut server = server().await;
    let old = api_key::generate().expect("random bytes");
    let mut both = server.app.config().auth.clone();
    both.add_key(KeySetting::plain(&old).expect("a good key"));
    let only_new = server.app.config().auth.clone();
    server.app.reload_auth(both).await.expect("good settings");
    let key = server.key.clone();
    let mut leaving = listening(&server, "x-api-key", &old).await;
    let mut staying = listening(&server, "x-api-key", &key).await;
    create(&server, "first").await;
    assert_eq!(heard(&mut leaving).await, "first");
    assert_eq!(heard(&mut staying).await, "first");

    server
        .app
        .reload_auth(only_new)
        .await
        .expect("good settings");
    assert_closed_for_return(&mut leaving).await;
    assert_eq!(refused_connection(&server, "x-api-key", &old).await, 401);
    create(&server, "second").await;
    assert_eq!(heard(&mut staying).await, "second");
}

#[tokio::test]
async fn a_blocked_principal_is_disconnected_and_kept_out_while_its_token_is_good() {
    let mut server = server().await;
    let (alice, bob) = (server.token("alice", &[]), server.token("bob", &[]));
    let mut hers = listening(&server, "authorization", &alice).await;
    let mut his = listening(&server, "authorization", &bob).await;
    let mut settings = server.app.config().auth.clone();
    settings.blocked.push(principal(&server, "alice").await);
    server
        .app
        .reload_auth(settings)
        .await
        .expect("good settings");
    assert_closed_for_return(&mut hers).await;
    assert_eq!(
        refused_connection(&server, "authorization", &alice).await,
        401
    );
    let response = server.ask(WHO, &[("authorization", &alice)]).await;
    assert_eq!(refusal(response).await.0, 401);
    create(&server, "on").await;
    assert_eq!(heard(&mut his).await, "on");
}

/// The name the server has for a user: the only one that listens with this subject.
async fn principal(server: &Server, name: &str) -> String {
    let user = User {
        name: name.to_owned(),
        ..User::default()
    };
    let token = server.token_of(Kind::UserPool, &user, Use::Access, 60);
    let claims = token.split('.').nth(1).expect("claims");
    let claims = base64::Engine::decode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, claims);
    let claims: Value = serde_json::from_slice(&claims.expect("base64")).expect("JSON");
    let (issuer, subject) = (&claims["iss"], &claims["sub"]);
    format!(
        "user_pool:{}#{}",
        issuer.as_str().expect("a text"),
        subject.as_str().expect("a text")
    )
}

#[tokio::test]
async fn a_socket_outlives_its_token_and_takes_no_new_start_with_it() {
    let server = server().await;
    let user = User {
        name: "alice".to_owned(),
        ..User::default()
    };
    let token = server.token_of(Kind::UserPool, &user, Use::Access, 2);
    let mut socket = listening(&server, "authorization", &token).await;
    while server.ask(WHO, &[("authorization", &token)]).await.status() == 200 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    create(&server, "late").await;
    assert_eq!(heard(&mut socket).await, "late");
    let authorization = json!({"Authorization": token, "x-amz-user-agent": DATASTORE});
    socket.start("b", QUERY, &authorization).await;
    let frame = socket.frame().await;
    assert_eq!(
        frame["payload"]["errors"][0]["errorType"],
        "OperationDisabled"
    );
}

#[tokio::test]
async fn a_principal_of_one_subscription_takes_the_whole_socket_with_it() {
    let mut server = server().await;
    let key = server.key.clone();
    let alice = server.token("alice", &[]);
    let mut socket = listening(&server, "x-api-key", &key).await;
    let authorization = json!({"Authorization": alice, "x-amz-user-agent": DATASTORE});
    socket.subscribe("b", QUERY, &authorization).await;
    let name = principal(&server, "alice").await;
    let mut settings = server.app.config().auth.clone();
    settings.blocked.push(name);
    server
        .app
        .reload_auth(settings)
        .await
        .expect("good settings");
    assert_closed_for_return(&mut socket).await;
}

#[tokio::test]
async fn an_operator_disconnects_a_principal() {
    let server = server().await;
    let alice = server.token("alice", &[]);
    let mut socket = listening(&server, "authorization", &alice).await;
    let name = principal(&server, "alice").await;
    let list = reqwest::Client::new()
        .get(server.url("/admin/v1/principals"))
        .bearer_auth(ADMIN);
    let list = list
        .send()
        .await
        .expect("an answer")
        .text()
        .await
        .expect("a body");
    let list: Value = serde_json::from_str(&list).expect("JSON");
    assert_eq!(list, json!({"principals": {name.clone(): 1}}));

    let body = json!({ "principal": name }).to_string();
    let text = admin(&server, ADMIN, &body)
        .await
        .text()
        .await
        .expect("a body");
    assert_eq!(text, r#"{"closed":1}"#);
    assert_closed_for_return(&mut socket).await;
    listening(&server, "authorization", &alice).await;
}

#[tokio::test]
async fn without_the_operators_secret_nothing_is_done() {
    let server = server().await;
    let body = r#"{"principal":"x"}"#;
    for secret in [
        "",
        "the-secret-of-the-operato",
        "the-secret-of-the-operator2",
    ] {
        assert_eq!(admin(&server, secret, body).await.status(), 401);
    }
    assert_eq!(admin(&server, ADMIN, "{}").await.status(), 400);
    let closed = Server::start_with(|config| config.admin = None).await;
    assert_eq!(admin(&closed, ADMIN, body).await.status(), 404);
}

#[tokio::test]
async fn settings_whose_modes_the_schema_does_not_fit_are_not_taken() {
    let mut server = server().await;
    let mut socket = listening(&server, "x-api-key", &server.key.clone()).await;
    let mut settings = server.app.config().auth.clone();
    settings.api_keys = None;
    settings.default = None;
    assert!(
        server.app.reload_auth(settings).await.is_err(),
        "a rule is for keys"
    );
    create(&server, "still").await;
    assert_eq!(heard(&mut socket).await, "still");
}

/// Nodes of one database hear of it, whichever of them is asked.
#[tokio::test]
async fn an_operator_disconnects_a_principal_at_every_node() {
    const PLAN: Plan =
        Plan::of("type Todo @model @auth(rules: [{ allow: public }]) { id: ID! title: String }")
            .configured(|config| config.admin = Some(Secret(ADMIN.to_owned())));
    let site = Site::postgres(PLAN).await;
    let other = site.another_node(PLAN).await;
    let key = site.server.key.clone();
    let mut sockets = Vec::new();
    for node in [&site.server, &other] {
        sockets.push(listening(node, "x-api-key", &key).await);
    }
    let list = reqwest::Client::new()
        .get(other.url("/admin/v1/principals"))
        .bearer_auth(ADMIN)
        .send();
    let list = list.await.expect("an answer").text().await.expect("a body");
    let list: Value = serde_json::from_str(&list).expect("JSON");
    let name = list["principals"]
        .as_object()
        .and_then(|names| names.keys().next());
    let body = json!({ "principal": name.expect("a principal") }).to_string();
    let closed = admin(&site.server, ADMIN, &body).await.text().await;
    assert_eq!(closed.expect("a body"), r#"{"closed":1}"#);
    for socket in &mut sockets {
        assert_closed_for_return(socket).await;
    }
    // It is said once: whoever comes back stays.
    let mut back = listening(&other, "x-api-key", &key).await;
    let again = admin(&site.server, ADMIN, r#"{"principal": "nobody"}"#).await;
    assert_eq!(again.status(), 200);
    create(&site.server, "still").await;
    assert_eq!(heard(&mut back).await, "still");
    other.app.stop().await;
    site.finish().await;
}
