//! What a client meets over HTTP, above all when it is wrong (`sync-semantics` 8.3–8.5, `auth` 2).

use std::time::Duration;

use driftless::config::Database;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::server::{DATASTORE, Server};

const GOOD: &str = r#"{"query":"{ listPosts { items { id } } }"}"#;

async fn body(response: reqwest::Response) -> Value {
    let text = response.text().await.expect("a body");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

/// Fails unless the answer is a refusal of this kind.
async fn assert_refused(response: reqwest::Response, status: u16, error_type: &str, message: &str) {
    assert_eq!(response.status(), status, "{message}");
    assert_eq!(response.headers()["x-amzn-errortype"], error_type);
    let expected = json!({"errors": [{"errorType": error_type, "message": message}]});
    assert_eq!(body(response).await, expected);
}

#[tokio::test]
async fn one_port_answers_http_and_tls() {
    let server = Server::start().await;
    server.assert_intact().await;
    let pem = std::fs::read(server.app.ca().expect("an authority")).expect("a certificate");
    let client = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(&pem).expect("a certificate")])
        .build()
        .expect("a client");
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{}/graphql", server.app.address().port());
        let request = client.post(url).header("x-api-key", &server.key).body(GOOD);
        let response = request.send().await.expect("an answer over TLS");
        assert_eq!(response.status(), 200);
    }
}

/// `errata` 2.2: an app that cuts a text inside of an emoji learns which field it is.
#[tokio::test]
async fn a_text_that_ends_in_half_a_character_is_refused_by_its_field() {
    let server = Server::start().await;
    let create = async |title: &str| {
        let request = format!(
            r#"{{"query":"mutation($input: CreatePostInput!) {{ createPost(input: $input) {{ title }} }}",
            "variables":{{"input":{{"title":"{title}","rating":1,"status":"ACTIVE"}}}}}}"#
        );
        let response = server.post(request).send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        body(response).await
    };
    let whole = create(r"ab\ud83d\ude00").await;
    assert_eq!(whole["data"]["createPost"]["title"], "ab😀");
    let cut = create(r"ab\ud83d").await;
    assert_eq!(
        cut["errors"][0]["message"],
        "Variable 'title' has an invalid value. A string must not contain the character U+0000, nor half of one (a lone \
         surrogate)."
    );
}

#[tokio::test]
async fn bodies_that_are_no_request_are_told_so_and_the_server_goes_on() {
    let server = Server::start().await;
    let unparsable = "Unable to parse GraphQL query.";
    let malformed = "MalformedHttpRequestException";
    let cases = [
        ("", "Request body is empty."),
        ("{", unparsable),
        ("nonsense", unparsable),
        ("{}", unparsable),
        ("[]", unparsable),
        ("null", unparsable),
        (r#"[{"query":"{ __typename }"}]"#, unparsable),
        (r#"{"query":7}"#, unparsable),
        (r#"{"query":""}"#, unparsable),
        (r#"{"query":"{ listPosts { items { id } }"}"#, unparsable),
        (r#"{"query":"}"}"#, unparsable),
        (r#"{"query":"{ __typename }","variables":[1]}"#, unparsable),
        (
            r#"{"query":"{ __typename }","operationName":{}}"#,
            unparsable,
        ),
    ];
    for (text, message) in cases {
        let response = server.post(text).send().await.expect("an answer");
        assert_refused(response, 400, malformed, message).await;
    }
    let response = server
        .post(b"\xff\xfe\x00".as_slice())
        .send()
        .await
        .expect("an answer");
    assert_refused(response, 400, malformed, unparsable).await;
    server.assert_intact().await;
}

#[tokio::test]
async fn deeply_nested_json_and_documents_do_no_harm() {
    let server = Server::start().await;
    let nested = format!(
        r#"{{"query":"{{a}}","variables":{{"x":{}1{}}}}}"#,
        "[".repeat(50_000),
        "]".repeat(50_000)
    );
    let response = server.post(nested).send().await.expect("an answer");
    assert_eq!(response.status(), 400);
    let deep = format!(
        "{{ listPosts {} id {} }}",
        "{ items ".repeat(20_000),
        "}".repeat(20_000)
    );
    let response = server
        .post(json!({ "query": deep }).to_string())
        .send()
        .await
        .expect("an answer");
    assert!([200, 400].contains(&response.status().as_u16()));
    assert!(body(response).await["errors"].is_array());
    server.assert_intact().await;
}

#[tokio::test]
async fn another_content_type_is_refused_and_a_missing_one_is_taken_for_json() {
    let server = Server::start().await;
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ] {
        let client = reqwest::Client::new();
        let request = client
            .post(server.url("/graphql"))
            .header("x-api-key", &server.key);
        let response = request
            .header("content-type", kind)
            .body(GOOD)
            .send()
            .await
            .expect("an answer");
        assert_eq!(response.status(), 400, "{kind}");
        assert_eq!(
            response.headers()["x-amzn-errortype"],
            "MalformedHttpRequestException"
        );
    }
    let request = reqwest::Client::new().post(server.url("/graphql"));
    let response = request
        .header("x-api-key", &server.key)
        .body(GOOD)
        .send()
        .await
        .expect("an answer");
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn documents_that_make_no_sense_are_answered_with_errors_and_status_200() {
    let server = Server::start().await;
    let cases = [
        ("{ nothing }", json!({})),
        ("{ listPosts { items { nothing } } }", json!({})),
        ("{ listPosts }", json!({})),
        ("query($id: ID!) { getPost(id: $id) { id } }", json!({})),
        (
            "query($id: ID!) { getPost(id: $id) { id } }",
            json!({"id": null}),
        ),
        (
            "query($id: ID!) { getPost(id: $id) { id } }",
            json!({"id": {"a": 1}}),
        ),
        (
            "query($id: Nothing) { getPost(id: $id) { id } }",
            json!({"id": "1"}),
        ),
        (
            "mutation { createPost(input: {title: 7}) { id } }",
            json!({}),
        ),
        (
            "mutation($input: CreatePostInput!) { createPost(input: $input) { id } }",
            json!({"input": {"nothing": 1}}),
        ),
        ("{ ...A } fragment A on Query { ...A }", json!({})),
        ("{ listPosts(limit: \"x\") { items { id } } }", json!({})),
    ];
    for (query, variables) in cases {
        let answer = server.graphql(query, variables).await;
        let errors = answer["errors"]
            .as_array()
            .unwrap_or_else(|| panic!("{query}: {answer}"));
        assert!(
            errors.iter().all(|error| error["message"].is_string()),
            "{query}: {answer}"
        );
        assert!(
            errors.iter().all(|error| error.get("extensions").is_none()),
            "{query}: {answer}"
        );
    }
    server.assert_intact().await;
}

#[tokio::test]
async fn several_operations_need_a_name() {
    let server = Server::start().await;
    let query = "query a { __typename } query b { __typename }";
    let response = server
        .post(json!({ "query": query }).to_string())
        .send()
        .await
        .expect("an answer");
    assert_refused(
        response,
        400,
        "BadRequestException",
        "Missing operation name.",
    )
    .await;
    let chosen = json!({"query": query, "operationName": "b"}).to_string();
    assert_eq!(
        server
            .post(chosen)
            .send()
            .await
            .expect("an answer")
            .status(),
        200
    );
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_whether_its_length_is_known_or_not() {
    let server = Server::start_with(|config| config.limits.body = 10_000).await;
    let message = "Request body is larger than 10000 bytes.";
    let large = format!(r#"{{"query":"{}"}}"#, " ".repeat(500_000));
    let response = server.post(large.clone()).send().await.expect("an answer");
    assert_refused(response, 413, "RequestEntityTooLargeException", message).await;
    let mut stream = TcpStream::connect(server.app.address())
        .await
        .expect("a connection");
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n",
        server.key,
        large.len()
    );
    stream.write_all(head.as_bytes()).await.expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    server.assert_intact().await;
}

#[tokio::test]
async fn nobody_is_let_in_without_a_good_key() {
    let server = Server::start().await;
    let unauthorized = "UnauthorizedException";
    let refused = "You are not authorized to make this call.";
    let missing = "Valid authorization header not provided.";
    let unknown = "da2-00000000000000000000000000";
    let cases: [(&[(&str, &str)], &str); 6] = [
        (&[], missing),
        (&[("x-api-key", unknown)], refused),
        (&[("x-api-key", "")], refused),
        (
            &[("authorization", "Bearer ey.ey.ey")],
            "Unable to parse JWT token.",
        ),
        (
            &[("authorization", "AWS4-HMAC-SHA256 Credential=x")],
            "Unable to parse JWT token.",
        ),
        (
            &[("x-api-key", unknown), ("authorization", "ey.ey.ey")],
            refused,
        ),
    ];
    for (headers, message) in cases {
        let mut request = reqwest::Client::new()
            .post(server.url("/graphql"))
            .body(GOOD);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.expect("an answer");
        assert_refused(response, 401, unauthorized, message).await;
    }
    server.assert_intact().await;
}

#[tokio::test]
async fn queries_by_get_are_answered_and_mutations_are_not() {
    let server = Server::start().await;
    let get = async |query: &[(&str, &str)]| {
        let request = reqwest::Client::new()
            .get(reqwest::Url::parse_with_params(&server.url("/graphql"), query).expect("a URL"));
        request
            .header("x-api-key", &server.key)
            .send()
            .await
            .expect("an answer")
    };
    let query = "query q($n: Int) { listPosts(limit: $n) { items { id } } }";
    let response = get(&[("query", query), ("variables", r#"{"n":5}"#)]).await;
    assert_eq!(
        body(response).await["data"]["listPosts"]["items"],
        json!([])
    );
    let mutation =
        r#"mutation { createPost(input: {title: "a", rating: 1, status: ACTIVE}) { id } }"#;
    let response = get(&[("query", mutation)]).await;
    assert_refused(
        response,
        405,
        "MethodNotAllowedException",
        "Mutations are sent by POST.",
    )
    .await;
    let malformed = "MalformedHttpRequestException";
    assert_refused(
        get(&[]).await,
        400,
        malformed,
        "Unable to parse GraphQL query.",
    )
    .await;
    let response = get(&[("query", query), ("variables", "{")]).await;
    assert_refused(response, 400, malformed, "Unable to parse GraphQL query.").await;
    let list = server
        .graphql("{ listPosts { items { id } } }", json!({}))
        .await;
    assert_eq!(list["data"]["listPosts"]["items"], json!([]));
}

#[tokio::test]
async fn browsers_of_other_origins_may_call() {
    let server = Server::start().await;
    let client = reqwest::Client::new();
    let asked = "authorization,content-type,x-api-key,x-amz-date,x-amz-security-token,x-amz-user-agent,x-amz-content-sha256";
    let response = client
        .request(reqwest::Method::OPTIONS, server.url("/graphql"))
        .header("origin", "https://app.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", asked)
        .send()
        .await
        .expect("an answer");
    assert_eq!(response.status(), 200);
    let allowed = response.headers()["access-control-allow-headers"]
        .to_str()
        .expect("text")
        .to_owned();
    for name in asked.split(',') {
        assert!(
            allowed.split(',').any(|header| header == name),
            "{name} in {allowed}"
        );
    }
    let response = server
        .post(GOOD)
        .header("origin", "https://app.example")
        .send()
        .await
        .expect("an answer");
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    let exposed = response.headers()["access-control-expose-headers"]
        .to_str()
        .expect("text");
    for name in ["x-amzn-errortype", "x-amzn-requestid", "date"] {
        assert!(exposed.contains(name), "{name} in {exposed}");
    }
}

#[tokio::test]
async fn every_answer_has_a_request_id_of_its_own() {
    let server = Server::start().await;
    let mut seen = std::collections::HashSet::new();
    for text in [GOOD, "", GOOD] {
        let response = server.post(text).send().await.expect("an answer");
        seen.insert(response.headers()["x-amzn-requestid"].clone());
    }
    assert_eq!(seen.len(), 3);
}

#[tokio::test]
async fn probes_and_ping_need_no_key() {
    let server = Server::start().await;
    let get = async |path: &str| reqwest::get(server.url(path)).await.expect("an answer");
    assert_eq!(get("/ping").await.text().await.expect("a body"), "healthy");
    for path in ["/livez", "/readyz", "/startupz"] {
        assert_eq!(get(path).await.status(), 200, "{path}");
    }
    assert_eq!(get("/nothing").await.status(), 404);
}

#[tokio::test]
async fn until_the_store_is_ready_clients_are_told_to_try_again() {
    // Nothing listens on port 1.
    let server = Server::start_without_store(|config| {
        config.database = Database("postgres://nobody@127.0.0.1:1/nothing".to_owned());
        config.limits.answer_time = Duration::from_millis(100);
    })
    .await;
    for agent in [DATASTORE, "curl/8.0"] {
        let response = server
            .post(GOOD)
            .header("x-amz-user-agent", agent)
            .send()
            .await
            .expect("an answer");
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "1");
        assert_eq!(response.headers()["content-type"], "application/json");
        assert!(!response.headers().contains_key("x-amzn-errortype"));
        let text = response.text().await.expect("a body");
        assert_eq!(
            text,
            r#"{"message":"Network Error","errors":"unavailable"}"#
        );
    }
    for (path, status) in [
        ("/livez", 200),
        ("/readyz", 503),
        ("/startupz", 503),
        ("/ping", 200),
    ] {
        let response = reqwest::get(server.url(path)).await.expect("an answer");
        assert_eq!(response.status(), status, "{path}");
    }
    let refused = server
        .connect_with("/graphql/realtime", &[("x-api-key", &server.key)])
        .await;
    let Err(tokio_tungstenite::tungstenite::Error::Http(response)) = refused else {
        panic!("an upgrade without a store");
    };
    assert_eq!(response.status(), 503);
    server.app.stop().await;
}

#[tokio::test]
async fn silent_and_broken_connections_hold_up_nobody() {
    let server = Server::start().await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(
            TcpStream::connect(server.app.address())
                .await
                .expect("a connection"),
        );
    }
    for nonsense in [
        b"\x16\x03\x01\xff\xff garbage".as_slice(),
        b"\x00\x01\x02",
        b"GET\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(server.app.address())
            .await
            .expect("a connection");
        stream.write_all(nonsense).await.expect("written");
        stream.shutdown().await.expect("half closed");
        let mut answer = Vec::new();
        // Whatever comes, the connection ends.
        let _ = stream.read_to_end(&mut answer).await;
    }
    server.assert_intact().await;
}

#[tokio::test]
async fn a_mutation_goes_on_when_its_client_has_gone() {
    let server = Server::start().await;
    let mut socket = server.session().await;
    let authorization = server.authorization("api/1");
    socket
        .subscribe(
            "a",
            "subscription { onCreatePost { title } }",
            &authorization,
        )
        .await;
    let query = r#"mutation { createPost(input: {title: "left alone", rating: 1, status: ACTIVE}) { id } }"#;
    let body = json!({ "query": query }).to_string();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\ncontent-length: {}\r\n\r\n{body}",
        server.key,
        body.len()
    );
    let mut stream = TcpStream::connect(server.app.address())
        .await
        .expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("written");
    drop(stream);
    let frame = socket.frame().await;
    assert_eq!(
        frame["payload"]["data"]["onCreatePost"]["title"],
        "left alone"
    );
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_shows_a_way_out() {
    let server = Server::start().await;
    let mut config = server.app.config().clone();
    config.listen.address = server.app.address();
    let error = driftless::app::App::start(config)
        .await
        .err()
        .expect("the port is taken");
    let text = error.to_string();
    assert!(
        text.contains("is taken") && text.contains("--listen"),
        "{text}"
    );
}
