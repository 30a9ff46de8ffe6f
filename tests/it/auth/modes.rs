//! The modes of a server that is configured like this, and what its schema may say.

use driftless::app::{App, StartError};
use driftless::auth::token::Kind;
use driftless::auth::token::issuer::{Use, User};
use driftless::config::{Config, SchemaSource};
use driftless::schema::SchemaError;
use serde_json::{Value, json};

use super::{WHO, refusal};
use crate::support::server::{DATASTORE, Server, configured, refused};

#[tokio::test]
async fn the_local_cloud_takes_its_own_tokens_with_and_without_a_scheme() {
    let server = Server::start().await;
    let alice = User {
        name: "alice".to_owned(),
        ..User::default()
    };
    for kind in [Kind::UserPool, Kind::Oidc] {
        for purpose in [Use::Access, Use::Id] {
            let token = server.token_of(kind, &alice, purpose, 60);
            for header in [
                token.clone(),
                format!("Bearer {token}"),
                format!("bearer {token}"),
            ] {
                let response = server.ask(WHO, &[("authorization", &header)]).await;
                assert_eq!(response.status(), 200, "{kind:?} {purpose:?}");
            }
        }
    }
    let token = server.token_of(Kind::UserPool, &alice, Use::Access, -1);
    let response = server.ask(WHO, &[("authorization", &token)]).await;
    let expected = (
        401,
        "UnauthorizedException".to_owned(),
        "Token has expired.".to_owned(),
    );
    assert_eq!(refusal(response).await, expected);
}

#[tokio::test]
async fn a_token_of_another_local_cloud_is_refused() {
    let (one, other) = (Server::start().await, Server::start().await);
    let token = other.token("alice", &[]);
    let response = one.ask(WHO, &[("authorization", &token)]).await;
    let message = "Valid authorization header not provided.";
    let expected = (401, "UnauthorizedException".to_owned(), message.to_owned());
    assert_eq!(refusal(response).await, expected);
}

#[tokio::test]
async fn a_socket_takes_tokens_at_connect_and_at_every_start() {
    let server = Server::start().await;
    let token = server.token("alice", &[]);
    let mut socket = server
        .connect_with("/graphql/realtime", &[("authorization", &token)])
        .await
        .expect("an upgrade");
    socket.init().await;
    let with = |token: &str| json!({"host": "localhost", "Authorization": token, "x-amz-user-agent": DATASTORE});
    let query = "subscription { onCreatePost { id } }";
    socket.start("a", query, &with("no.token.atall")).await;
    let frame = socket.frame().await;
    assert_eq!(frame["type"], "error", "{frame}");
    assert_eq!(
        frame["payload"]["errors"][0]["errorType"],
        "OperationDisabled"
    );
    socket
        .subscribe("b", query, &server.authorization(DATASTORE))
        .await;
}

#[tokio::test]
async fn other_services_find_the_keys_of_the_development_issuer() {
    let server = Server::start().await;
    let paths = ["/local_user-pool", "/oidc"];
    for path in paths {
        let url = server.url(&format!("{path}/.well-known/openid-configuration"));
        let discovery = reqwest::get(url)
            .await
            .expect("an answer")
            .text()
            .await
            .expect("a body");
        let discovery: Value = serde_json::from_str(&discovery).expect("JSON");
        let keys = discovery["jwks_uri"].as_str().expect("a URL");
        let keys = keys.replace("http://driftless.localhost", &server.url(""));
        let keys = reqwest::get(keys)
            .await
            .expect("an answer")
            .text()
            .await
            .expect("a body");
        let keys: Value = serde_json::from_str(&keys).expect("JSON");
        assert_eq!(keys["keys"][0]["kty"], "EC");
        assert!(keys["keys"][0].get("d").is_none(), "no private part");
    }
}

/// What a server for production says to a schema.
async fn started(schema: &str, file: &str) -> Result<(), StartError> {
    let mut config = configured(&Config::production(), file);
    config.schema = SchemaSource::Text(schema.to_owned());
    config.listen.address = ([127, 0, 0, 1], 0).into();
    config.database = driftless::config::Database::memory();
    App::start(config).await.map(|_| ())
}

#[tokio::test]
async fn production_takes_no_token_of_the_development_issuer() {
    let server = Server::start_with(|config| config.auth.development = None).await;
    let folder = Server::start().await;
    let token = folder.token("alice", &[]);
    let response = server.ask(WHO, &[("authorization", &token)]).await;
    assert_eq!(response.status(), 401);
    let keys = server.url("/oidc/.well-known/jwks.json");
    assert_eq!(reqwest::get(keys).await.expect("an answer").status(), 404);
    let schema = "type Todo @model @auth(rules: [{ allow: public }]) { id: ID! }";
    let keys =
        "[auth.providers.k]\ntype = \"api_key\"\nkeys = [\"da2-abcdefghijklmnopqrstuvwxyz\"]\n";
    started(schema, keys)
        .await
        .expect("a schema whose rules are served");
}

#[tokio::test]
async fn a_rule_whose_provider_is_not_configured_keeps_the_server_from_starting() {
    let schema = "type Todo @model @auth(rules: [{ allow: owner }]) { id: ID! }";
    let keys =
        "[auth.providers.k]\ntype = \"api_key\"\nkeys = [\"da2-abcdefghijklmnopqrstuvwxyz\"]\n";
    let pool = "[auth]\ndefault = \"k\"\n[auth.providers.pool]\ntype = \"user_pool\"\nissuer = \"http://127.0.0.1:9/p\"\n";
    match started(schema, keys).await {
        Err(StartError::Schema(SchemaError::Wrong { diagnostics, .. })) => {
            let text = format!("{diagnostics:?}");
            assert!(text.contains("not configured"), "{text}");
        }
        other => panic!("{other:?}"),
    }
    let both = format!("{pool}{keys}");
    started(schema, &both)
        .await
        .expect("a schema whose rules are served");
}

#[tokio::test]
async fn the_local_cloud_serves_rules_about_users_without_any_configuration() {
    let schema = "type Todo @model @auth(rules: [{ allow: owner }, { allow: groups, groups: [\"Admin\"] }]) {
        id: ID! title: String }";
    let server = Server::start_with(|config| {
        config.schema = SchemaSource::Text(schema.to_owned());
    })
    .await;
    let create = r#"mutation { createTodo(input: {title: "t"}) { title owner } }"#;
    let list = "{ listTodos { items { title } } }";
    let shown = async |query: &str, token: String| -> Value {
        let response = server.ask(query, &[("authorization", &token)]).await;
        serde_json::from_str(&response.text().await.expect("a body")).expect("JSON")
    };
    let made = shown(create, server.token("alice", &[])).await;
    assert_eq!(
        made["data"]["createTodo"],
        json!({"title": "t", "owner": "alice"}),
        "{made}"
    );
    for (token, count) in [
        (server.token("alice", &[]), 1),
        (server.token("bob", &[]), 0),
        (server.token("gina", &["Admin"]), 1),
    ] {
        let seen = shown(list, token).await;
        let items = seen["data"]["listTodos"]["items"].as_array();
        assert_eq!(items.map(Vec::len), Some(count), "{seen}");
    }
}

#[test]
fn mistakes_in_the_configuration_are_told_with_their_place() {
    let pool = "[auth.providers.p]\ntype = \"user_pool\"\n";
    let cases = [
        ("[auth]\ndefault = \"x\"\n", "auth.default"),
        (pool, "either issuer, or region and pool_id"),
        (
            &format!("{pool}issuer = \"nowhere\"\n"),
            "auth.providers.p.issuer",
        ),
        (
            &format!("{pool}issuer = \"http://a\"\nclient_id_regex = \"(\"\n"),
            "client_id_regex",
        ),
        (
            &format!("{pool}issuer = \"http://a\"\nclient_id = \"x\"\n"),
            "client_id_regex",
        ),
        ("[auth.providers.p]\ntype = \"magic\"\n", "api_key"),
        (
            "[auth.providers.k]\ntype = \"api_key\"\nkeys = [\"x\"]\n",
            "auth.providers.k: an API key is",
        ),
        (
            "[auth.providers.k]\ntype = \"api_key\"\nkeys = [{ sha256 = \"0\" }]\n",
            "64 hexadecimal digits",
        ),
        (
            "[auth.providers.k]\ntype = \"api_key\"\nkeys = [{ value_env = \"NO_SUCH_VARIABLE\" }]\n",
            "NO_SUCH_VARIABLE is not set",
        ),
        (
            "[auth.providers.s]\ntype = \"iam\"\n[[auth.providers.s.principals]]\naccess_key = \"A\"\nkind = \"admin\"\n",
            "auth.providers.s.principals.A",
        ),
        (
            "[auth.providers.f]\ntype = \"lambda\"\ntarget = { http = \"ftp://x\" }\n",
            "auth.providers.f.target.http",
        ),
        (
            "[auth.providers.a]\ntype = \"oidc\"\nissuer = \"http://a\"\n[auth.providers.b]\ntype = \"oidc\"\nissuer = \"http://a/\"\n",
            "is configured already",
        ),
        (
            "[auth]\ndefault = \"k\"\n[auth.providers.k]\ntype = \"api_key\"\nkeys = [\"da2-abcdefghijklmnopqrstuvwxyz\"]\n\
             [auth.providers.p]\ntype = \"user_pool\"\nissuer = \"http://a\"\ndefault_action = \"DENY\"\n",
            "auth.providers.p: default_action is for the pool that is the default provider",
        ),
        (
            "[auth.providers.s]\ntype = \"iam\"\n[[auth.providers.s.principals]]\naccess_key = \"A\"\nsecret = \"s\"\nkind = \"admin\"\nallow_fields = [\"Note.title\"]\n",
            "allow_fields lists fields like Query.getNote",
        ),
        ("[auth]\nleway_s = 1\n", "did you mean `leeway_s`?"),
        (
            "[auth.rules]\nstrict_owners = true\n",
            "did you mean `strict_owner`?",
        ),
        (
            "[auth.users.alice]\ngroup = [\"A\"]\n",
            "did you mean `groups`?",
        ),
        (
            "[auth.providers.p]\ntype = \"user_pol\"\n",
            "did you mean `user_pool`?",
        ),
        (
            "[auth.providers.p]\ntype = \"oidc\"\nissuer = \"http://a\"\njwks_uri = \"http://a\"\n",
            "did you mean `jwks_url`?",
        ),
        (
            "[auth.providers.k]\ntype = \"api_key\"\nkeys = [{ sha265 = \"0\" }]\n",
            "did you mean `sha256`?",
        ),
        (
            "[auth.providers.s]\ntype = \"iam\"\n[[auth.providers.s.principals]]\naccess_key = \"A\"\nsecret = \"s\"\nkind = \"servise\"\n",
            "did you mean `service`?",
        ),
    ];
    for (file, told) in cases {
        let error = refused(file);
        assert!(error.contains(told), "{file}\n{error}");
    }
    let two = "[auth.providers.a]\ntype = \"oidc\"\nissuer = \"http://a\"\n[auth.providers.b]\ntype = \"user_pool\"\nissuer = \"http://b\"\n";
    assert!(
        refused(two).contains("default"),
        "several modes need a default"
    );
}
