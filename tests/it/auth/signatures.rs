//! Signed requests, good and bad, over HTTP and on sockets (`auth` 1.6, `errata` row 56).

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::refusal;
use crate::support::server::{Server, Socket, configured};
use crate::support::signer::{Signer, sha256};

const BODY: &str = r#"{"query":"{ __typename }"}"#;
const SECRET: &str = "the-secret-of-a-service";

const FILE: &str = r#"
    [listen]
    public_hosts = ["sync.example.org"]
    [auth.providers.signers]
    type = "iam"
    region = "eu-central-1"
    [[auth.providers.signers.principals]]
    access_key = "AKSERVICE"
    secret = "the-secret-of-a-service"
    kind = "service"
    [[auth.providers.signers.principals]]
    access_key = "AKUSER"
    secret = "the-secret-of-a-user"
    session_token = "the-session"
    kind = "authenticated"
"#;

async fn server() -> Server {
    Server::start_with(|config| *config = configured(config, FILE)).await
}

/// So many seconds from now, as signatures have it.
fn date(seconds: i64) -> String {
    let now = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
    now.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn signer() -> Signer {
    Signer {
        access_key: "AKSERVICE".to_owned(),
        secret: SECRET.to_owned(),
        region: "eu-central-1".to_owned(),
        service: "appsync".to_owned(),
        date: date(0),
    }
}

/// A request that may differ from what was signed.
struct Request {
    signer: Signer,
    path: &'static str,
    signed: Vec<(&'static str, String)>,
    unsigned: Vec<(&'static str, String)>,
    body: &'static str,
    change: fn(String) -> String,
}

impl Request {
    fn by(signer: Signer) -> Request {
        let signed = vec![
            ("host", "sync.example.org".to_owned()),
            ("content-type", "application/json".to_owned()),
            ("x-amz-date", signer.date.clone()),
        ];
        Request {
            signer,
            path: "/graphql",
            signed,
            unsigned: Vec::new(),
            body: BODY,
            change: |authorization| authorization,
        }
    }

    fn good() -> Request {
        Request::by(signer())
    }

    fn of_user(token: &str) -> Request {
        let mut request = Request::by(Signer {
            access_key: "AKUSER".to_owned(),
            secret: "the-secret-of-a-user".to_owned(),
            ..signer()
        });
        if !token.is_empty() {
            request
                .signed
                .push(("x-amz-security-token", token.to_owned()));
        }
        request
    }

    fn without_signing(mut self, name: &str) -> Request {
        let place = self.signed.iter().position(|(other, _)| *other == name);
        let header = self.signed.remove(place.expect("a signed header"));
        self.unsigned.push(header);
        self
    }

    fn with_host(mut self, host: &str) -> Request {
        host.clone_into(&mut self.signed[0].1);
        self
    }

    async fn send(self, server: &Server) -> (u16, String, String) {
        let signed: Vec<(&str, &str)> = self
            .signed
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let authorization = self.signer.authorization("POST", self.path, &signed, BODY);
        let mut request = reqwest::Client::new()
            .post(server.url("/graphql"))
            .header("authorization", (self.change)(authorization));
        for (name, value) in self.signed.iter().chain(&self.unsigned) {
            request = request.header(*name, value);
        }
        refusal(request.body(self.body).send().await.expect("an answer")).await
    }
}

#[tokio::test]
async fn signed_requests_are_taken() {
    let server = server().await;
    let mut digest = Request::good();
    digest
        .signed
        .push(("x-amz-content-sha256", sha256(BODY.as_bytes())));
    let at = |seconds| {
        Request::by(Signer {
            date: date(seconds),
            ..signer()
        })
    };
    for (name, request) in [
        ("plain", Request::good()),
        ("with the digest of the body", digest),
        ("with a session", Request::of_user("the-session")),
        ("a clock behind", at(-290)),
        ("a clock ahead", at(290)),
        (
            "a port after the name",
            Request::good().with_host("sync.example.org:8443"),
        ),
        ("this machine", Request::good().with_host("localhost")),
    ] {
        assert_eq!(request.send(&server).await.0, 200, "{name}");
    }
}

#[tokio::test]
async fn signatures_that_are_not_good_are_refused() {
    let server = server().await;
    let wrong = |change: fn(&mut Signer)| {
        let mut signer = signer();
        change(&mut signer);
        Request::by(signer)
    };
    let with = |change: fn(&mut Request)| {
        let mut request = Request::good();
        change(&mut request);
        request
    };
    let telling = |change: fn(String) -> String| {
        let mut request = Request::good();
        request.change = change;
        request
    };
    let (invalid, unknown) = ("InvalidSignatureException", "UnrecognizedClientException");
    for (name, request, error_type) in [
        (
            "another body",
            with(|r| r.body = r#"{"query":"{ __typename }" }"#),
            invalid,
        ),
        (
            "another path",
            with(|r| r.path = "/graphql/connect"),
            invalid,
        ),
        ("another secret", wrong(|s| s.secret.push('x')), invalid),
        (
            "another service",
            wrong(|s| s.service = "s3".to_owned()),
            invalid,
        ),
        (
            "another region",
            wrong(|s| s.region = "us-east-1".to_owned()),
            invalid,
        ),
        ("too old", wrong(|s| s.date = date(-310)), invalid),
        ("too young", wrong(|s| s.date = date(310)), invalid),
        (
            "no time at all",
            wrong(|s| s.date = "20260101Tnever".to_owned()),
            invalid,
        ),
        (
            "an unknown signer",
            wrong(|s| s.access_key = "AKOTHER".to_owned()),
            unknown,
        ),
        (
            "no signer",
            wrong(|s| s.access_key = String::new()),
            invalid,
        ),
        ("no session", Request::of_user(""), unknown),
        (
            "another session",
            Request::of_user("the-other-session"),
            unknown,
        ),
        (
            "a session of nobody",
            {
                let mut request = Request::good();
                request
                    .signed
                    .push(("x-amz-security-token", "x".to_owned()));
                request
            },
            unknown,
        ),
        (
            "another server",
            Request::good().with_host("sync.example.com"),
            invalid,
        ),
        (
            "a longer name",
            Request::good().with_host("evil-sync.example.org"),
            invalid,
        ),
        (
            "a name with a port as part",
            Request::good().with_host("sync.example.org:x"),
            invalid,
        ),
        (
            "the host not signed",
            Request::good().without_signing("host"),
            invalid,
        ),
        (
            "the time not signed",
            Request::good().without_signing("x-amz-date"),
            invalid,
        ),
        (
            "the digest of another body",
            {
                let mut request = Request::good();
                request.signed.push(("x-amz-content-sha256", sha256(b"{}")));
                request
            },
            invalid,
        ),
        (
            "no digest wanted",
            {
                let mut request = Request::good();
                request
                    .signed
                    .push(("x-amz-content-sha256", "UNSIGNED-PAYLOAD".to_owned()));
                request
            },
            invalid,
        ),
        (
            "another day than the scope's",
            telling(|text| text.replacen("/20", "/19", 1)),
            invalid,
        ),
        (
            "a truncated signature",
            telling(|text| text[..text.len() - 1].to_owned()),
            invalid,
        ),
        (
            "an empty signature",
            telling(|text| {
                text.split("Signature=")
                    .next()
                    .unwrap_or_default()
                    .to_owned()
                    + "Signature="
            }),
            invalid,
        ),
        (
            "capital letters",
            telling(|text| {
                let (head, signature) = text.rsplit_once('=').unwrap_or_default();
                format!("{head}={}", signature.to_uppercase())
            }),
            invalid,
        ),
        (
            "no signed headers",
            telling(|text| text.replace("SignedHeaders=content-type;host;x-amz-date, ", "")),
            invalid,
        ),
        (
            "a header that was not sent",
            telling(|text| text.replace("content-type;", "content-type;digest;")),
            invalid,
        ),
        (
            "two signatures",
            telling(|text| format!("{text}, Signature=00")),
            invalid,
        ),
        (
            "nothing",
            telling(|_| "AWS4-HMAC-SHA256".to_owned()),
            invalid,
        ),
    ] {
        let (status, found, _) = request.send(&server).await;
        assert_eq!((status, found.as_str()), (403, error_type), "{name}");
    }
    let mut twice = Request::good();
    twice.unsigned.push(("x-amz-date", date(-3_600)));
    assert_eq!(twice.send(&server).await.0, 401, "two times");
    server.assert_intact().await;
}

fn flattened(signer: &Signer, path: &str, body: &str) -> Value {
    signer.credential("sync.example.org:8443", path, body)
}

async fn connect(server: &Server, credential: &Value) -> Socket {
    let text = BASE64_URL_SAFE_NO_PAD.encode(credential.to_string());
    let protocol = format!("graphql-ws, header-{text}");
    let headers = [("sec-websocket-protocol", protocol.as_str())];
    let socket = server.connect_with("/graphql/realtime", &headers).await;
    socket.expect("an upgrade")
}

#[tokio::test]
async fn sockets_are_signed_at_connect_in_both_ways_there_are() {
    let server = server().await;
    for path in ["/graphql/connect", "/graphql/realtime/connect"] {
        let mut socket = connect(&server, &flattened(&signer(), path, "{}")).await;
        socket.init().await;
    }
    for (path, body) in [("/graphql/connect", "{ }"), ("/graphql", "{}")] {
        let mut socket = connect(&server, &flattened(&signer(), path, body)).await;
        socket.send(json!({"type": "connection_init"})).await;
        let frame = socket.any_frame().await;
        assert_eq!(
            frame["payload"]["errors"][0]["errorCode"], 401,
            "{path} {body}"
        );
    }
}

#[tokio::test]
async fn every_start_is_signed_over_its_own_text() {
    let server = server().await;
    let mut socket = server.session().await;
    let query = "subscription { onCreatePost { id } }";
    let data = json!({"query": query, "variables": {}}).to_string();
    let good = flattened(&signer(), "/graphql", &data);
    let other = flattened(&signer(), "/graphql", &data.replace("id", "title"));
    socket.start("other", query, &other).await;
    let frame = socket.frame().await;
    assert_eq!(
        frame["payload"]["errors"][0]["errorType"], "Unauthorized",
        "{frame}"
    );
    socket.start("good", query, &good).await;
    let frame = socket.frame().await;
    // Whoever signs is known, but the example's rules let in keys only.
    let message = &frame["payload"]["errors"][0]["message"];
    assert_eq!(
        message,
        "Not Authorized to access onCreatePost on type Subscription"
    );
}
