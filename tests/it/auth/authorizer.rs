//! An authorizer function behind a URL: what it is told, what its answer does, and what happens without one (`auth` 1.5).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use driftless::config::SchemaSource;
use serde_json::{Value, json};

use super::{NOTES, WHO, refusal};
use crate::support::server::{DATASTORE, Server, configured};

const LIST: &str = "{ listNotes { items { text secret } } }";

/// A function that answers what it is told to, and keeps what it was asked.
struct Function {
    url: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    answer: Mutex<Value>,
    events: Mutex<Vec<(HeaderMap, Value)>>,
    slow: Mutex<bool>,
}

impl Function {
    async fn start(answer: Value) -> Function {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port");
        let url = format!("http://{}/ask", listener.local_addr().expect("an address"));
        let shared = Arc::new(Shared::default());
        *shared.answer.lock().expect("a lock") = answer;
        let router = Router::new()
            .route("/ask", post(ask))
            .with_state(Arc::clone(&shared));
        tokio::spawn(axum::serve(listener, router).into_future());
        Function { url, shared }
    }

    fn answers(&self, answer: Value) {
        *self.shared.answer.lock().expect("a lock") = answer;
    }

    fn is_slow(&self) {
        *self.shared.slow.lock().expect("a lock") = true;
    }

    fn asked(&self) -> usize {
        self.shared.events.lock().expect("a lock").len()
    }

    fn last(&self) -> (HeaderMap, Value) {
        let events = self.shared.events.lock().expect("a lock");
        events.last().expect("an event").clone()
    }
}

async fn ask(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: String) -> Response {
    let event = serde_json::from_str(&body).expect("an event is JSON");
    shared.events.lock().expect("a lock").push((headers, event));
    if *shared.slow.lock().expect("a lock") {
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    let answer = shared.answer.lock().expect("a lock").clone();
    match answer {
        Value::Null => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Value::String(text) => text.into_response(),
        answer => answer.to_string().into_response(),
    }
}

async fn server(function: &Function, more: &str) -> Server {
    let file = format!(
        "[auth.providers.function]\ntype = \"lambda\"\n\
         target = {{ http = \"{}\", authorization = \"Bearer of-this-server\" }}\n{more}",
        function.url
    );
    Server::start_with(|config| {
        *config = configured(config, &file);
        config.schema = SchemaSource::Text(NOTES.to_owned());
    })
    .await
}

async fn asked(server: &Server, token: &str) -> (u16, String, String) {
    refusal(server.ask(WHO, &[("authorization", token)]).await).await
}

#[tokio::test]
async fn the_function_decides_who_comes_in() {
    let function = Function::start(json!({"isAuthorized": true})).await;
    let server = server(&function, "").await;
    assert_eq!(asked(&server, "a word").await.0, 200);
    function.answers(json!({"isAuthorized": false}));
    let message = "You are not authorized to make this call.".to_owned();
    let expected = (401, "UnauthorizedException".to_owned(), message);
    assert_eq!(asked(&server, "a word").await, expected);
}

#[tokio::test]
async fn the_function_is_told_what_is_asked_and_by_whom_it_is_called() {
    let function = Function::start(json!({"isAuthorized": true})).await;
    let server = server(&function, "").await;
    let headers = [("authorization", "Custom  token"), ("x-tenant", "t1")];
    let response = server.ask(WHO, &headers).await;
    let id = response.headers()["x-amzn-requestid"].clone();
    let (headers, event) = function.last();
    assert_eq!(headers["authorization"], "Bearer of-this-server");
    assert_eq!(event["authorizationToken"], "Custom  token");
    assert_eq!(event["requestHeaders"]["x-tenant"], "t1");
    let context = &event["requestContext"];
    assert_eq!(context["queryString"], WHO);
    assert_eq!(context["variables"], json!({}));
    assert_eq!(context["operationName"], Value::Null);
    assert_eq!(context["requestId"], id.to_str().expect("a text"));
}

#[tokio::test]
async fn denied_fields_are_hidden_from_the_caller() {
    let answer = json!({"isAuthorized": true, "deniedFields": ["Note.secret"]});
    let function = Function::start(answer).await;
    let server = server(&function, "").await;
    server
        .graphql(
            r#"mutation { createNote(input: {text: "t", secret: "s"}) { id } }"#,
            json!({}),
        )
        .await;
    let response = server.ask(LIST, &[("authorization", "a word")]).await;
    let text = response.text().await.expect("a body");
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    let item = &answer["data"]["listNotes"]["items"][0];
    assert_eq!(item, &json!({"text": "t", "secret": null}));
    let error = &answer["errors"][0];
    assert_eq!(error["errorType"], "Unauthorized");
    assert_eq!(
        error["message"],
        "Not Authorized to access secret on type Note"
    );
}

#[tokio::test]
async fn decisions_are_remembered_as_long_as_they_say_or_as_configured() {
    let function = Function::start(json!({"isAuthorized": true})).await;
    let remembering = server(&function, "ttl_seconds = 300\n").await;
    for _ in 0..5 {
        assert_eq!(asked(&remembering, "one").await.0, 200);
    }
    assert_eq!(function.asked(), 1);
    assert_eq!(asked(&remembering, "two").await.0, 200, "another token");
    assert_eq!(function.asked(), 2);
    function.answers(json!({"isAuthorized": true, "ttlOverride": 0}));
    for _ in 0..2 {
        assert_eq!(asked(&remembering, "three").await.0, 200);
    }
    assert_eq!(function.asked(), 4);

    let forgetting = server(&function, "").await;
    function.answers(json!({"isAuthorized": false, "ttlOverride": 300}));
    for _ in 0..3 {
        assert_eq!(asked(&forgetting, "four").await.0, 401);
    }
    assert_eq!(function.asked(), 5);
}

#[tokio::test]
async fn what_cannot_be_a_token_is_not_shown_to_the_function() {
    let function = Function::start(json!({"isAuthorized": true})).await;
    let server = server(&function, "token_regex = \"^tok-\"\n").await;
    for text in ["word", "", &format!("tok-{}", "x".repeat(2_048))] {
        assert_eq!(asked(&server, text).await.0, 401, "{text}");
    }
    let own = server.token("alice", &[]);
    assert_eq!(asked(&server, &own).await.0, 200, "a token of an issuer");
    assert_eq!(function.asked(), 0);
    assert_eq!(asked(&server, "tok-1").await.0, 200);
    assert_eq!(function.asked(), 1);
}

#[tokio::test]
async fn without_an_answer_clients_are_told_to_come_back() {
    let function = Function::start(json!({"isAuthorized": true})).await;
    let server = server(&function, "timeout_ms = 200\n").await;
    for answer in [
        json!(null),
        json!("no JSON"),
        json!({}),
        json!({"isAuthorized": true, "deniedFields": ["no field"]}),
    ] {
        function.answers(answer);
        assert_eq!(asked(&server, "word").await.0, 503);
    }
    function.is_slow();
    function.answers(json!({"isAuthorized": true}));
    assert_eq!(asked(&server, "word").await.0, 503);
    let answer = server.graphql(LIST, json!({})).await;
    assert_eq!(answer.get("errors"), None, "others are answered: {answer}");
}

#[tokio::test]
async fn the_function_is_asked_at_connect_and_at_every_start() {
    let function = Function::start(json!({"isAuthorized": true})).await;
    let server = server(&function, "").await;
    let headers = [("authorization", "word")];
    let socket = server.connect_with("/graphql/realtime", &headers).await;
    let mut socket = socket.expect("an upgrade");
    socket.init().await;
    let query = "subscription { onCreateNote { id } }";
    let authorization =
        json!({"host": "h", "Authorization": "word", "x-amz-user-agent": DATASTORE});
    socket.subscribe("a", query, &authorization).await;
    let (_, event) = function.last();
    assert_eq!(event["requestContext"]["queryString"], query);
    assert_eq!(function.asked(), 2);
    function.answers(json!({"isAuthorized": false}));
    socket.start("b", query, &authorization).await;
    let frame = socket.frame().await;
    assert_eq!(
        frame["payload"]["errors"][0]["errorType"],
        "OperationDisabled"
    );
}
