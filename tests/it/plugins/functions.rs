//! Functions behind HTTP: Lambda's event and answers, signatures, times and repetitions.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use driftless::config::{Choice, Function, Secret};
use driftless::conflict::function::HttpHandler;
use driftless_conflict_handlers::{Decision, External, Fault, Recorded, Resolution};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::support::server::PATIENCE;
use crate::support::site::{Plan, Site};

/// What a function was sent.
type Calls = Arc<Mutex<Vec<(HeaderMap, String)>>>;

/// A call of a function, which is answered with what it is sent.
type Thought = (Value, oneshot::Sender<Value>);

/// A function that thinks until it is told what to answer.
async fn think() -> (Function, mpsc::UnboundedReceiver<Thought>) {
    let (asked, thoughts) = mpsc::unbounded_channel();
    let invoke = move |axum::Json(event): axum::Json<Value>| async move {
        let (answer, answered) = oneshot::channel();
        asked.send((event, answer)).expect("the test goes on");
        axum::Json(answered.await.expect("an answer"))
    };
    (at(post(invoke)).await, thoughts)
}

/// A function that answers each call by its number.
async fn serve(answer: fn(usize) -> Response) -> (Function, Calls) {
    let calls = Calls::default();
    let seen = Arc::clone(&calls);
    let invoke = move |headers: HeaderMap, body: Bytes| async move {
        let number = {
            let mut seen = seen.lock().expect("the calls");
            seen.push((headers, String::from_utf8_lossy(&body).into_owned()));
            seen.len()
        };
        answer(number)
    };
    (at(post(invoke)).await, calls)
}

/// The function that is invoked so.
async fn at(invoke: MethodRouter) -> Function {
    let path = "/2015-03-31/functions/function/invocations";
    let router = Router::new().route(path, invoke);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(axum::serve(listener, router).into_future());
    let url = format!("http://{address}{path}").parse().expect("a URL");
    Function::at(url)
}

async fn ask(function: &Function) -> Result<Resolution, Fault> {
    let recorded: Recorded = serde_json::from_value(json!({
        "model": "Post",
        "clientVersion": 1,
        "stored": {"fields": {"id": "p", "title": "theirs"}, "version": 2},
        "incoming": {"title": "mine"},
        "field": "updatePost",
        "keyFields": ["id"],
        "arguments": {"input": {"id": "p", "title": "mine", "_version": 1}},
        "types": {"id": "ID!", "title": "String"}
    }))
    .expect("a conflict");
    let handler = HttpHandler::new(function).expect("a handler");
    let replay = recorded.replay();
    handler
        .resolve(&replay.conflict(), Duration::from_secs(7))
        .await
}

fn resolve() -> Response {
    axum::Json(json!({"action": "RESOLVE", "item": {"id": "p", "title": "both"}})).into_response()
}

#[tokio::test]
async fn a_lambda_handler_gets_its_event_and_resolves() {
    let (function, calls) = serve(|_| resolve()).await;
    let resolution = ask(&function).await.expect("an answer");
    let Decision::Replace(fields) = resolution.decision else {
        panic!("no document");
    };
    assert_eq!(fields["title"], "both");
    let calls = calls.lock().expect("the calls");
    let event: Value = serde_json::from_str(&calls[0].1).expect("JSON");
    assert_eq!(event["newItem"], json!({"id": "p", "title": "mine"}));
    assert_eq!(event["existingItem"]["_version"], 2);
    assert_eq!(event["arguments"]["input"]["_version"], 1);
    assert_eq!(event["resolver"]["field"], "updatePost");
    assert_eq!(event["identity"], Value::Null);
}

#[tokio::test]
async fn requests_are_signed_with_every_secret() {
    let (mut function, calls) = serve(|_| resolve()).await;
    let new = format!("whsec_{}", STANDARD.encode("new key"));
    function.secrets = vec![Secret(new), Secret("old key".to_owned())];
    ask(&function).await.expect("an answer");
    let calls = calls.lock().expect("the calls");
    let (headers, body) = &calls[0];
    let header = |name: &str| headers[name].to_str().expect("text").to_owned();
    let signed = format!(
        "{}.{}.{body}",
        header("webhook-id"),
        header("webhook-timestamp")
    );
    let signature = |key: &str| {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key.as_bytes());
        format!(
            "v1,{}",
            STANDARD.encode(ring::hmac::sign(&key, signed.as_bytes()))
        )
    };
    let expected = format!("{} {}", signature("new key"), signature("old key"));
    assert_eq!(header("webhook-signature"), expected);
}

#[tokio::test]
async fn what_a_function_does_wrong_is_a_fault() {
    let threw = |_| {
        let body = json!({"errorMessage": "no such table", "errorType": "Error"});
        ([("x-amz-function-error", "Unhandled")], axum::Json(body)).into_response()
    };
    let (function, _) = serve(threw).await;
    assert_eq!(
        ask(&function).await,
        Err(Fault::Broken("no such table".to_owned()))
    );

    let (function, _) = serve(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response()).await;
    assert!(matches!(ask(&function).await, Err(Fault::Broken(_))));

    let (function, _) = serve(|_| "x".repeat(500 * 1024).into_response()).await;
    assert!(matches!(ask(&function).await, Err(Fault::TooMuchOutput(_))));

    for answer in [
        (|_| "nonsense".into_response()) as fn(usize) -> Response,
        |_| axum::Json(json!({})).into_response(),
        |_| axum::Json(json!({"action": "EXPLODE"})).into_response(),
        |_| axum::Json(json!({"action": "REMOVE"})).into_response(),
        |_| axum::Json(json!({"action": "RESOLVE"})).into_response(),
    ] {
        let (function, _) = serve(answer).await;
        let fault = ask(&function).await;
        assert!(matches!(fault, Err(Fault::Malformed(_))), "{fault:?}");
    }
}

#[tokio::test]
async fn only_what_passes_is_tried_again() {
    let busy_once = |number| match number {
        1 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        _ => resolve(),
    };
    let (mut function, calls) = serve(busy_once).await;
    ask(&function).await.expect("an answer");
    assert_eq!(calls.lock().expect("the calls").len(), 2);
    let ids: Vec<_> = calls
        .lock()
        .expect("the calls")
        .iter()
        .map(|(headers, _)| headers["webhook-id"].clone())
        .collect();
    assert_eq!(ids[0], ids[1], "a repetition is recognised by its id");

    function.retries = 0;
    calls.lock().expect("the calls").clear();
    assert!(matches!(ask(&function).await, Err(Fault::Unreachable(_))));

    let (function, calls) = serve(|_| StatusCode::BAD_REQUEST.into_response()).await;
    assert!(matches!(ask(&function).await, Err(Fault::Broken(_))));
    assert_eq!(calls.lock().expect("the calls").len(), 1);
}

#[tokio::test]
async fn a_function_that_cannot_be_reached_or_never_answers_is_given_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = silent.local_addr().expect("an address");
    let url = format!("http://{address}/").parse().expect("a URL");
    let mut function = Function::at(url);
    function.timeout = Duration::from_millis(200);
    assert_eq!(
        ask(&function).await,
        Err(Fault::TooSlow(Duration::from_millis(200)))
    );
    drop(silent);
    assert!(matches!(ask(&function).await, Err(Fault::Unreachable(_))));
}

/// `sync-design.md` T36: whoever decides a conflict decides it outside of any transaction. If the record moves meanwhile it is
/// asked again, about what is stored by then.
#[tokio::test]
async fn t36_writes_go_on_while_a_handler_thinks() {
    const NOTES: &str =
        "type Note @model @auth(rules: [{allow: public}]) { id: ID! text: String! }";
    let (function, mut thoughts) = think().await;
    let plan = Plan::asking(NOTES, Choice::Http(function));
    for site in [Site::sqlite(plan).await, Site::postgres(plan).await] {
        let write = async |mutation: &str, id: &str, text: &str, version: Option<u32>| {
            let mut input = json!({"id": id, "text": text});
            if let Some(version) = version {
                input["_version"] = version.into();
            }
            let written = site.mutate(mutation, input, "text _version").await;
            written.value()
        };
        write("createNote", "n", "first", None).await;
        write("updateNote", "n", "theirs", Some(1)).await;
        let stale = write("updateNote", "n", "mine", Some(1));
        let meanwhile = async {
            let mut about = async |stored: &str| {
                let (event, answer) = thoughts.recv().await.expect("it is asked");
                assert_eq!(event["existingItem"]["text"], stored);
                answer
            };
            let answer = about("theirs").await;
            write("createNote", "other", "beside it", None).await;
            write("updateNote", "n", "newer", Some(2)).await;
            let resolved =
                |text: &str| json!({"action": "RESOLVE", "item": {"id": "n", "text": text}});
            answer.send(resolved("theirs and mine")).expect("it waits");
            let answer = about("newer").await;
            answer.send(resolved("newer and mine")).expect("it waits");
        };
        let both = async { tokio::join!(stale, meanwhile) };
        let (decided, ()) = timeout(PATIENCE, both).await.expect("nobody waits for it");
        assert_eq!(decided, json!({"text": "newer and mine", "_version": 4}));
        site.finish().await;
    }
}
