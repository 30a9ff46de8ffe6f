//! Tokens of issuers that lie, err, rotate their keys or are away: what each of them is answered over HTTP, when a
//! socket connects and when it starts a subscription.

use serde_json::{Value, json};

use super::{WHO, refusal};
use crate::support::issuer::{Issuers, Key, signed, token};
use crate::support::server::{Server, configured};

const UNAUTHORIZED: &str = "UnauthorizedException";
const NO_PROVIDER: &str = "Valid authorization header not provided.";
const UNPARSABLE: &str = "Unable to parse JWT token.";
const REFUSED: &str = "You are not authorized to make this call.";
const EXPIRED: &str = "Token has expired.";

/// A user pool and another issuer, and a server that takes their tokens.
struct Stage {
    issuers: Issuers,
    server: Server,
}

/// What an issuer's key set holds in these tests.
fn keys() -> Vec<Value> {
    let encrypting = {
        let mut key = Key::Rsa(1).public("encrypting");
        key["use"] = "enc".into();
        key
    };
    vec![
        Key::Rsa(0).public("rsa"),
        Key::P256.public("p256"),
        Key::None.public("secret"),
        encrypting,
    ]
}

impl Stage {
    async fn start() -> Stage {
        let issuers = Issuers::start(&keys()).await;
        let server = server(&issuers).await;
        Stage { issuers, server }
    }

    fn pool(&self) -> String {
        self.issuers.issuer("pool")
    }

    /// The claims of a good access token, changed; null takes a claim away.
    fn claims(&self, change: Value) -> Value {
        let claims = json!({
            "iss": self.pool(), "sub": "s", "username": "alice", "token_use": "access",
            "client_id": "app", "exp": now() + 60, "iat": now(), "auth_time": now()});
        changed(claims, change)
    }

    /// The same for the other issuer.
    fn idp_claims(&self, change: Value) -> Value {
        let claims = json!({
            "iss": self.issuers.issuer("idp"), "sub": "s", "aud": ["other", "app"],
            "exp": now() + 600, "iat": now(), "auth_time": now()});
        changed(claims, change)
    }

    fn good(&self) -> String {
        token(Key::Rsa(0), &header(json!({})), &self.claims(json!({})))
    }

    /// Fails unless a token is refused everywhere, in the form of each place.
    async fn assert_refused(&self, name: &str, token: &str, message: &str) {
        let response = self.server.ask(WHO, &[("authorization", token)]).await;
        let cors = response.headers().get("access-control-expose-headers");
        let cors = cors.map_or("", |value| value.to_str().expect("a text"));
        assert!(cors.contains("x-amzn-errortype"), "{name}");
        let expected = (401, UNAUTHORIZED.to_owned(), message.to_owned());
        assert_eq!(refusal(response).await, expected, "{name}");

        let headers = [("authorization", token)];
        let socket = self
            .server
            .connect_with("/graphql/realtime", &headers)
            .await;
        let mut socket = socket.unwrap_or_else(|error| panic!("{name}: {error}"));
        socket.send(json!({"type": "connection_init"})).await;
        let frame = socket.any_frame().await;
        assert_eq!(frame["type"], "connection_error", "{name}");
        let entry = &frame["payload"]["errors"][0];
        let shown = (&entry["errorType"], &entry["errorCode"]);
        assert_eq!(shown, (&json!(UNAUTHORIZED), &json!(401)), "{name}");

        let mut socket = self.server.session().await;
        let authorization = json!({"host": "h", "Authorization": token});
        let query = "subscription { onCreatePost { id } }";
        socket.start("a", query, &authorization).await;
        let frame = socket.frame().await;
        assert_eq!(frame["type"], "error", "{name}: {frame}");
        let entry = &frame["payload"]["errors"][0];
        assert_eq!(entry["errorType"], "Unauthorized", "{name}");
    }

    async fn assert_taken(&self, name: &str, token: &str) {
        let response = self.server.ask(WHO, &[("authorization", token)]).await;
        assert_eq!(refusal(response).await.0, 200, "{name}");
    }
}

async fn server(issuers: &Issuers) -> Server {
    let file = format!(
        r#"
        [auth]
        leeway_s = 0
        [auth.providers.pool]
        type = "user_pool"
        issuer = "{pool}"
        client_id_regex = "app|web-.*"
        [auth.providers.idp]
        type = "oidc"
        issuer = "{idp}/"
        client_id_regex = "app"
        iat_ttl_ms = 300000
        auth_ttl_ms = 3600000
        "#,
        pool = issuers.issuer("pool"),
        idp = issuers.issuer("idp"),
    );
    Server::start_with(|config| *config = configured(config, &file)).await
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.expect("a time after 1970").as_secs()).expect("a small number")
}

fn header(change: Value) -> Value {
    changed(json!({"alg": "RS256", "typ": "JWT", "kid": "rsa"}), change)
}

fn changed(object: Value, change: Value) -> Value {
    let (Value::Object(mut object), Value::Object(change)) = (object, change) else {
        panic!("objects are changed by objects");
    };
    for (name, value) in change {
        if value.is_null() {
            object.remove(&name);
        } else {
            object.insert(name, value);
        }
    }
    Value::Object(object)
}

#[tokio::test]
async fn good_tokens_are_taken_whatever_their_issuer_may_vary() {
    let stage = Stage::start().await;
    let rs256 = header(json!({}));
    let pool = |change| token(Key::Rsa(0), &rs256, &stage.claims(change));
    let idp = |key, head, change| token(key, &header(head), &stage.idp_claims(change));
    let id = json!({"token_use": "id", "client_id": null, "aud": "web-1", "cognito:username": "a"});
    let es256 = json!({"alg": "ES256", "kid": "p256"});
    for (name, token) in [
        ("an access token", pool(json!({}))),
        ("an id token", pool(id)),
        (
            "no typ",
            token(
                Key::Rsa(0),
                &header(json!({"typ": null})),
                &stage.claims(json!({})),
            ),
        ),
        ("several audiences", idp(Key::Rsa(0), json!({}), json!({}))),
        (
            "one audience",
            idp(Key::Rsa(0), json!({}), json!({"aud": "app"})),
        ),
        (
            "azp",
            idp(Key::Rsa(0), json!({}), json!({"aud": "x", "azp": "app"})),
        ),
        (
            "RS384",
            idp(Key::Rsa(0), json!({"alg": "RS384"}), json!({})),
        ),
        (
            "RS512",
            idp(Key::Rsa(0), json!({"alg": "RS512"}), json!({})),
        ),
        (
            "PS256",
            idp(Key::Rsa(0), json!({"alg": "PS256"}), json!({})),
        ),
        ("ES256", idp(Key::P256, es256, json!({}))),
        (
            "the only key of its kind",
            idp(Key::Rsa(0), json!({"kid": null}), json!({})),
        ),
        (
            "no auth_time",
            idp(Key::Rsa(0), json!({}), json!({"auth_time": null})),
        ),
    ] {
        stage.assert_taken(name, &token).await;
        stage.assert_taken(name, &format!("Bearer {token}")).await;
    }
}

#[tokio::test]
async fn claims_that_are_not_good_are_refused() {
    let stage = Stage::start().await;
    let pool = |change| token(Key::Rsa(0), &header(json!({})), &stage.claims(change));
    let idp = |change| token(Key::Rsa(0), &header(json!({})), &stage.idp_claims(change));
    for (name, token, message) in [
        ("expired", pool(json!({"exp": now() - 1})), EXPIRED),
        ("expired this second", pool(json!({"exp": now()})), EXPIRED),
        ("no end", pool(json!({"exp": null})), REFUSED),
        (
            "an end that is no time",
            pool(json!({"exp": "2099-01-01"})),
            REFUSED,
        ),
        (
            "an end before all time",
            pool(json!({"exp": -1e300})),
            EXPIRED,
        ),
        ("not valid yet", pool(json!({"nbf": now() + 100})), REFUSED),
        (
            "another issuer",
            pool(json!({"iss": "https://issuer.example"})),
            NO_PROVIDER,
        ),
        (
            "a longer issuer",
            pool(json!({"iss": format!("{}x", stage.pool())})),
            NO_PROVIDER,
        ),
        (
            "two slashes",
            pool(json!({"iss": format!("{}//", stage.pool())})),
            NO_PROVIDER,
        ),
        ("no issuer", pool(json!({"iss": null})), NO_PROVIDER),
        (
            "several issuers",
            pool(json!({"iss": [stage.pool()]})),
            NO_PROVIDER,
        ),
        ("no subject", pool(json!({"sub": null})), REFUSED),
        ("an empty subject", pool(json!({"sub": ""})), REFUSED),
        (
            "another application",
            pool(json!({"client_id": "other"})),
            REFUSED,
        ),
        (
            "nearly the application",
            pool(json!({"client_id": "app2"})),
            REFUSED,
        ),
        ("no application", pool(json!({"client_id": null})), REFUSED),
        (
            "another audience",
            pool(json!({"client_id": null, "aud": "x"})),
            REFUSED,
        ),
        ("no use", pool(json!({"token_use": null})), REFUSED),
        (
            "a refresh token",
            pool(json!({"token_use": "refresh"})),
            REFUSED,
        ),
        ("another audience", idp(json!({"aud": ["x", "y"]})), REFUSED),
        ("no audience", idp(json!({"aud": null})), REFUSED),
        ("too old", idp(json!({"iat": now() - 301})), EXPIRED),
        ("no age", idp(json!({"iat": null})), REFUSED),
        (
            "an old sign-in",
            idp(json!({"auth_time": now() - 3_601})),
            EXPIRED,
        ),
    ] {
        stage.assert_refused(name, &token, message).await;
    }
    stage.server.assert_intact().await;
}

#[tokio::test]
async fn signatures_that_are_not_the_issuers_are_refused() {
    let stage = Stage::start().await;
    let claims = stage.claims(json!({}));
    let with = |key, change| token(key, &header(change), &claims);
    let other_claims = stage.claims(json!({"username": "bob"}));
    let part =
        |token: &str, number: usize| token.split('.').nth(number).expect("a part").to_owned();
    let good = stage.good();
    let bob = token(Key::Rsa(1), &header(json!({})), &other_claims);
    let spliced = format!("{}.{}.{}", part(&good, 0), part(&bob, 1), part(&good, 2));
    let (cut, _) = good.split_at(good.len() - 8);
    let flipped = {
        let place = good.len() - 20..good.len() - 19;
        let other = if &good[place.clone()] == "A" {
            "Q"
        } else {
            "A"
        };
        let mut text = good.clone();
        text.replace_range(place, other);
        text
    };
    for (name, token) in [
        ("another key", with(Key::Rsa(1), json!({}))),
        ("another kind of key", with(Key::P256, json!({}))),
        ("the claims of another token", spliced),
        ("a truncated signature", cut.to_owned()),
        ("a changed signature", flipped),
        (
            "no signature",
            format!("{}.{}.", part(&good, 0), part(&good, 1)),
        ),
        (
            "a public key as secret",
            with(Key::PublicAsSecret(0), json!({"alg": "HS256"})),
        ),
        (
            "a secret of the key set",
            with(Key::None, json!({"alg": "HS256", "kid": "secret"})),
        ),
        (
            "an algorithm pools do not use",
            with(Key::Rsa(0), json!({"alg": "RS384"})),
        ),
        (
            "an elliptic key pools do not use",
            with(Key::P256, json!({"alg": "ES256", "kid": "p256"})),
        ),
        (
            "another algorithm than told",
            with(Key::P256, json!({"kid": "p256"})),
        ),
        (
            "a key for encryption",
            with(Key::Rsa(1), json!({"kid": "encrypting"})),
        ),
        (
            "conditions nobody knows",
            with(Key::Rsa(0), json!({"crit": ["exp"], "exp": 1})),
        ),
        ("compressed", with(Key::Rsa(0), json!({"zip": "DEF"}))),
    ] {
        stage.assert_refused(name, &token, NO_PROVIDER).await;
    }
    stage.assert_taken("the good one", &good).await;
}

#[tokio::test]
async fn keys_that_a_token_brings_along_are_never_used_nor_fetched() {
    let attacker = Issuers::start(&[Key::Rsa(1).public("rsa")]).await;
    let url = format!("{}/evil/.well-known/jwks.json", attacker.url);
    let stage = Stage::start().await;
    let claims = stage.claims(json!({}));
    let certificate = "MIIBszCCARygAwIBAgIUAAAA";
    for (name, change) in [
        ("jku", json!({"jku": url})),
        ("x5u", json!({"x5u": url})),
        ("jwk", json!({"jwk": Key::Rsa(1).public("rsa")})),
        ("x5c", json!({"x5c": [certificate]})),
        (
            "jku and jwk",
            json!({"jku": url, "jwk": Key::Rsa(1).public("rsa")}),
        ),
    ] {
        let forged = token(Key::Rsa(1), &header(change), &claims);
        stage.assert_refused(name, &forged, NO_PROVIDER).await;
    }
    assert_eq!(attacker.asked(), 0);
}

#[tokio::test]
async fn key_names_that_the_issuer_does_not_know_are_refused() {
    let names = ["../../keys", "'; drop table keys", "", "RSA", "rsa\u{0}"];
    for name in names {
        // Each at a server of its own: how often one asks an issuer for keys is bounded.
        let stage = Stage::start().await;
        let forged = token(
            Key::Rsa(0),
            &header(json!({"kid": name})),
            &stage.claims(json!({})),
        );
        stage.assert_refused(name, &forged, NO_PROVIDER).await;
    }
}

#[tokio::test]
async fn texts_that_are_no_tokens_are_refused() {
    let stage = Stage::start().await;
    let good = stage.good();
    let parts: Vec<&str> = good.split('.').collect();
    let (head, body, mark) = (parts[0], parts[1], parts[2]);
    let huge = stage.claims(json!({"custom:x": "x".repeat(20_000)}));
    let number = token(
        Key::Rsa(0),
        &header(json!({"kid": 7})),
        &stage.claims(json!({})),
    );
    let unsigned = |name: &str| {
        token(
            Key::None,
            &header(json!({"alg": name})),
            &stage.claims(json!({})),
        )
    };
    for (name, text) in [
        ("one word", "token".to_owned()),
        ("two parts", format!("{head}.{body}")),
        ("four parts", format!("{good}.{mark}")),
        ("five parts", format!("{head}.{body}.{mark}.{head}.{body}")),
        ("empty parts", "..".to_owned()),
        ("another scheme", format!("Basic {good}")),
        ("Bearer and nothing", "Bearer ".to_owned()),
        ("padding", format!("{head}=.{body}=.{mark}=")),
        (
            "another alphabet",
            format!("{head}.{}+/.{mark}", &body[..8]),
        ),
        ("a space inside", format!("{head}. {body}.{mark}")),
        (
            "claims that are no JSON",
            signed(Key::Rsa(0), &header(json!({})), "{"),
        ),
        (
            "claims that are a list",
            signed(Key::Rsa(0), &header(json!({})), "[]"),
        ),
        (
            "larger than anybody needs",
            token(Key::Rsa(0), &header(json!({})), &huge),
        ),
        ("alg none", unsigned("none")),
        ("alg None", unsigned("None")),
        ("alg nOnE", unsigned("nOnE")),
        ("an unknown algorithm", unsigned("RS1")),
        (
            "no algorithm",
            token(
                Key::Rsa(0),
                &header(json!({"alg": null})),
                &stage.claims(json!({})),
            ),
        ),
        ("a key name that is a number", number),
    ] {
        stage.assert_refused(name, &text, UNPARSABLE).await;
    }
    stage.server.assert_intact().await;
}

#[tokio::test]
async fn a_request_with_two_tokens_is_refused_whichever_is_good() {
    let stage = Stage::start().await;
    let (good, forged) = (
        stage.good(),
        token(Key::Rsa(1), &header(json!({})), &stage.claims(json!({}))),
    );
    for pair in [[&good, &forged], [&forged, &good]] {
        let headers = pair.map(|token| ("authorization", token.as_str()));
        let response = stage.server.ask(WHO, &headers).await;
        let expected = (401, UNAUTHORIZED.to_owned(), REFUSED.to_owned());
        assert_eq!(refusal(response).await, expected);
    }
    let key = stage.server.key.clone();
    let both = [
        ("authorization", forged.as_str()),
        ("x-api-key", key.as_str()),
    ];
    assert_eq!(
        stage.server.ask(WHO, &both).await.status(),
        200,
        "the key counts"
    );
}

#[tokio::test]
async fn a_new_key_of_the_issuer_is_found_and_a_known_token_needs_no_issuer() {
    let stage = Stage::start().await;
    let old = stage.good();
    stage.assert_taken("the old key", &old).await;
    stage.issuers.rotate(&[Key::Rsa(1).public("new")]);
    let new = token(
        Key::Rsa(1),
        &header(json!({"kid": "new"})),
        &stage.claims(json!({})),
    );
    stage.assert_taken("the new key", &new).await;
    stage.issuers.be_away(true);
    let asked = stage.issuers.asked();
    for _ in 0..20 {
        stage.assert_taken("known", &new).await;
    }
    let another = stage.claims(json!({"username": "bob"}));
    let another = token(Key::Rsa(1), &header(json!({"kid": "new"})), &another);
    stage
        .assert_taken("another token under a known key", &another)
        .await;
    assert_eq!(stage.issuers.asked(), asked);
}

/// `errata` rows 1, 10 and 33.
#[tokio::test]
async fn while_an_issuer_is_away_clients_are_told_to_come_back_and_lose_nothing() {
    let issuers = Issuers::start(&keys()).await;
    issuers.be_away(true);
    let server = server(&issuers).await;
    let stage = Stage { issuers, server };
    let token = stage.good();
    let response = stage.server.ask(WHO, &[("authorization", &token)]).await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    assert!(!response.headers().contains_key("x-amzn-errortype"));
    let body = response.text().await.expect("a body");
    assert_eq!(
        body,
        r#"{"message":"Network Error","errors":"unavailable"}"#
    );
    let headers = [("authorization", token.as_str())];
    match stage
        .server
        .connect_with("/graphql/realtime", &headers)
        .await
    {
        Err(tokio_tungstenite::tungstenite::Error::Http(response)) => {
            assert_eq!(response.status(), 503);
        }
        other => panic!("a refusal before the upgrade, not {}", other.is_ok()),
    }
    let mut socket = stage.server.session().await;
    let authorization = json!({"host": "h", "Authorization": token});
    let query = "subscription { onCreatePost { id } }";
    socket.start("a", query, &authorization).await;
    assert_eq!(
        socket.end().await.map(|frame| u16::from(frame.code)),
        Some(1011)
    );
}
