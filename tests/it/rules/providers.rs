//! Rows 24, 26, 28 and 29 of the table, and those who pass every rule: signers and callers of an authorizer function.

use std::sync::LazyLock;

use axum::Router;
use axum::routing::post;
use serde_json::json;

use super::subscriptions::{assert_refused, event, start, subscribe};
use super::*;
use crate::support::server::configured;
use crate::support::signer::Signer;
use crate::support::site::on_both_stores;

/// The URL of an authorizer function that knows two words. It outlives the test that called it first.
static FUNCTION: LazyLock<String> = LazyLock::new(|| {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
                .await
                .expect("a port");
            let address = listener.local_addr().expect("an address");
            tell.send(format!("http://{address}/ask"))
                .expect("somebody waits");
            let router = Router::new().route("/ask", post(decide));
            axum::serve(listener, router).await.expect("a server");
        });
    });
    told.recv().expect("a URL")
});

async fn decide(body: String) -> String {
    let event: Value = serde_json::from_str(&body).expect("an event is JSON");
    let answer = match event["authorizationToken"].as_str() {
        Some("open sesame") => json!({"isAuthorized": true}),
        Some("open a bit") => {
            json!({"isAuthorized": true, "deniedFields": ["Note.note", "Mutation.deleteNote", "Subscription.onDeleteNote"]})
        }
        Some("hear nothing") => {
            json!({"isAuthorized": true, "deniedFields": ["Subscription.onCreateNote", "Query.listNotes"]})
        }
        _ => json!({"isAuthorized": false}),
    };
    answer.to_string()
}

const HOST: &str = "sync.example.org";

/// Signers of every kind, and the function.
fn providers(config: &mut Config) {
    let file = format!(
        r#"
        [listen]
        public_hosts = ["{HOST}"]
        [auth.providers.function]
        type = "lambda"
        target = {{ http = "{}" }}
        [auth.providers.signers]
        type = "iam"
        {}
        "#,
        *FUNCTION,
        ["authenticated", "unauthenticated", "admin", "service"]
            .map(principal)
            .concat()
            + LIMITED
    );
    *config = configured(config, &file);
    config.auth.default = Some(AuthMode::UserPool);
}

/// A signed-in user of an identity pool who may ask for little.
const LIMITED: &str = r#"
    [[auth.providers.signers.principals]]
    access_key = "AKlimited"
    secret = "secret of limited"
    kind = "authenticated"
    allow_fields = ["Query.syncDevices", "Subscription.*"]
"#;

fn principal(kind: &str) -> String {
    format!(
        "[[auth.providers.signers.principals]]\naccess_key = \"AK{kind}\"\nsecret = \"secret of {kind}\"\nkind = \"{kind}\"\n"
    )
}

fn signing(kind: &str) -> Signer {
    Signer {
        access_key: format!("AK{kind}"),
        secret: format!("secret of {kind}"),
        region: "us-east-1".to_owned(),
        service: "appsync".to_owned(),
        date: jiff::Timestamp::now()
            .strftime("%Y%m%dT%H%M%SZ")
            .to_string(),
    }
}

/// What a start of this subscription is signed with.
fn signed(kind: &str, query: &str) -> Value {
    let data = json!({"query": query, "variables": {}}).to_string();
    signing(kind).credential(HOST, "/graphql", &data)
}

/// A start with a word for the function.
fn spoken(word: &str) -> Value {
    json!({"host": "localhost", "Authorization": word})
}

/// Asks as a signer of this kind.
async fn signer(site: &Site, kind: &str, query: &str) -> Reply {
    let signer = signing(kind);
    let body = json!({"query": query, "variables": {}}).to_string();
    let headers = [("host", HOST), ("x-amz-date", &signer.date)];
    let authorization = signer.authorization("POST", "/graphql", &headers, &body);
    let mut headers = headers.to_vec();
    headers.push(("authorization", &authorization));
    reply(site, query, &headers).await
}

async fn reply(site: &Site, query: &str, headers: &[(&str, &str)]) -> Reply {
    let response = site.server.ask(query, headers).await;
    let status = response.status();
    let text = response.text().await.expect("a body");
    assert_eq!(status, 200, "{query}: {text}");
    Reply {
        body: serde_json::from_str(&text).expect("JSON"),
        query: query.to_owned(),
    }
}

/// Asks with a word that the function judges.
async fn word(site: &Site, word: &str, query: &str) -> Reply {
    reply(site, query, &[("authorization", word)]).await
}

const CREATE_DEVICE: &str = r#"mutation { createDevice(input: {id: "r1"}) { id } }"#;
const SYNC_DEVICES: &str = "{ syncDevices { items { id } } }";
const LEAFLETS: [&str; 2] = [
    "{ listLeaflets { items { id } } }",
    "{ syncLeaflets { items { id } } }",
];
const CREATE_NOTE: &str = r#"mutation { createNote(input: {id: "r1", note: "n"}) { id } }"#;

on_both_stores! { Plan::of(include_str!("../../schemas/providers.graphql")).configured(providers);

/// Row 24.
async fn signed_in_users_of_an_identity_pool_are_private(site: &Site) {
    signer(site, "authenticated", CREATE_DEVICE).await.value();
    assert_eq!(signer(site, "authenticated", SYNC_DEVICES).await.ids(), ["r1"]);
    for kind in ["unauthenticated", "service", "admin"] {
        signer(site, kind, SYNC_DEVICES).await.is_unauthorized();
        signer(site, kind, CREATE_DEVICE).await.is_unauthorized();
    }
    A.asks(site, SYNC_DEVICES).await.is_unauthorized();
    K.asks(site, SYNC_DEVICES).await.is_unauthorized();
}

/// Row 26.
async fn guests_of_an_identity_pool_are_public_and_its_users_are_not(site: &Site) {
    create(site, A, "Leaflet", r#"id: "r1""#).await.value();
    for query in LEAFLETS {
        assert_eq!(signer(site, "unauthenticated", query).await.ids(), ["r1"]);
        signer(site, "authenticated", query).await.is_unauthorized();
        signer(site, "service", query).await.is_unauthorized();
        assert_eq!(A.asks(site, query).await.ids(), ["r1"]);
    }
    let create = r#"mutation { createLeaflet(input: {id: "r2"}) { id } }"#;
    signer(site, "unauthenticated", create).await.is_unauthorized();
}

/// `auth` 1.5: what the function denies to one caller is not in its events either, whoever listens beside it.
async fn what_the_function_denies_is_not_told_in_events(site: &Site) {
    let start = async |word: &str, query: &str| {
        let mut socket = site.server.session().await;
        let authorization = json!({"host": "localhost", "Authorization": word});
        socket.start("s", query, &authorization).await;
        let frame = socket.frame().await;
        (socket, frame)
    };
    let query = "subscription { onCreateNote { id note } }";
    let mut listeners = Vec::new();
    for word in ["open sesame", "open a bit"] {
        let (socket, frame) = start(word, query).await;
        assert_eq!(frame["type"], "start_ack", "{frame}");
        listeners.push(socket);
    }
    for id in 0..10 {
        let query = format!("mutation {{ createNote(input: {{id: \"{id}\", note: \"n\"}}) {{ id }} }}");
        word(site, "open sesame", &query).await.value();
        for (socket, note) in listeners.iter_mut().zip([json!("n"), Value::Null]) {
            let frame = socket.frame().await;
            let expected = json!({"onCreateNote": {"id": id.to_string(), "note": note}});
            assert_eq!(frame["payload"], json!({"data": expected}));
        }
    }
    let (_, frame) = start("open a bit", "subscription { onDeleteNote { id } }").await;
    assert_eq!(
        frame["payload"]["errors"][0]["message"],
        "Not Authorized to access onDeleteNote on type Subscription"
    );
}

/// Row 28.
async fn whom_the_function_lets_in_is_custom(site: &Site) {
    word(site, "open sesame", CREATE_NOTE).await.value();
    for query in ["{ listNotes { items { id } } }", "{ syncNotes { items { id } } }"] {
        assert_eq!(word(site, "open sesame", query).await.ids(), ["r1"]);
        A.asks(site, query).await.is_unauthorized();
        signer(site, "authenticated", query).await.is_unauthorized();
    }
    word(site, "open sesame", SYNC_DEVICES).await.is_unauthorized();
    let closed = site.server.ask("{ listNotes { items { id } } }", &[("authorization", "guess")]).await;
    assert_eq!(closed.status(), 401);
}

/// Row 29.
async fn a_field_the_function_denies_is_null_wherever_it_stands(site: &Site) {
    word(site, "open sesame", CREATE_NOTE).await.value();
    let get = r#"{ getNote(id: "r1") { id note } }"#;
    assert_eq!(word(site, "open sesame", get).await.value(), json!({"id": "r1", "note": "n"}));
    let denied = word(site, "open a bit", get).await;
    assert_eq!(denied.data()["getNote"], json!({"id": "r1", "note": null}));
    assert_eq!(denied.errors()[0]["message"], "Not Authorized to access note on type Note");
    assert_eq!(denied.errors()[0]["errorType"], "Unauthorized");
    let guess = r#"{ listNotes(filter: {note: {eq: "n"}}) { items { id } } }"#;
    assert_eq!(word(site, "open a bit", guess).await.ids(), [""; 0]);
    let delete = r#"mutation { deleteNote(input: {id: "r1", _version: 1}) { id } }"#;
    word(site, "open a bit", delete).await.is_unauthorized();
    assert_eq!(word(site, "open sesame", get).await.value()["note"], "n");
}

/// Row 1.
async fn signers_and_the_function_open_no_model_without_rules(site: &Site) {
    let query = "{ listPlains { items { id } } }";
    let events = "subscription { onCreatePlain { id } }";
    for kind in ["authenticated", "unauthenticated", "service", "admin"] {
        signer(site, kind, query).await.is_unauthorized();
        assert_refused(start(site, events, &signed(kind, events)).await, "onCreatePlain");
    }
    word(site, "open sesame", query).await.is_unauthorized();
    assert_refused(start(site, events, &spoken("open sesame")).await, "onCreatePlain");
}

/// Row 24, for events.
async fn signed_in_users_of_an_identity_pool_hear_of_what_is_private(site: &Site) {
    let query = "subscription { onCreateDevice { id } }";
    let mut socket = start(site, query, &signed("authenticated", query)).await.expect("an ack");
    for kind in ["unauthenticated", "service", "admin"] {
        assert_refused(start(site, query, &signed(kind, query)).await, "onCreateDevice");
    }
    for who in [A, K] {
        assert_refused(subscribe(site, who, query).await, "onCreateDevice");
    }
    assert_refused(start(site, query, &spoken("open sesame")).await, "onCreateDevice");
    signer(site, "authenticated", CREATE_DEVICE).await.value();
    assert_eq!(event(&mut socket).await, json!({"id": "r1"}));
}

/// As a policy of AWS would have it: rules say what a principal may do, and the configuration what of it.
async fn a_principal_asks_for_the_fields_it_is_allowed_and_for_no_others(site: &Site) {
    signer(site, "limited", CREATE_DEVICE).await.is_unauthorized();
    signer(site, "authenticated", CREATE_DEVICE).await.value();
    assert_eq!(signer(site, "limited", SYNC_DEVICES).await.ids(), ["r1"]);
    signer(site, "limited", "{ listDevices { items { id } } }").await.is_unauthorized();
    signer(site, "limited", r#"{ getDevice(id: "r1") { id } }"#).await.is_unauthorized();
    let alias = "{ syncDevices: listDevices { items { id } } }";
    assert_eq!(signer(site, "limited", alias).await.data()["syncDevices"], Value::Null);
    let query = "subscription { onDeleteDevice { id } }";
    start(site, query, &signed("limited", query)).await.expect("an ack");
    // What is allowed here is no rule: others' models stay closed.
    signer(site, "limited", "{ syncLeaflets { items { id } } }").await.is_unauthorized();
}

/// Row 26, for events.
async fn guests_of_an_identity_pool_hear_of_what_is_public(site: &Site) {
    let query = "subscription { onCreateLeaflet { id } }";
    let guest = start(site, query, &signed("unauthenticated", query)).await;
    let user = subscribe(site, A, query).await;
    for kind in ["authenticated", "service"] {
        assert_refused(start(site, query, &signed(kind, query)).await, "onCreateLeaflet");
    }
    create(site, A, "Leaflet", r#"id: "r1""#).await.value();
    for socket in [guest, user] {
        assert_eq!(event(&mut socket.expect("an ack")).await, json!({"id": "r1"}));
    }
}

/// Rows 28 and 29, for sync and events.
async fn whom_the_function_lets_in_hears_what_it_is_not_denied(site: &Site) {
    let query = "subscription { onCreateNote { id note } }";
    let whole = start(site, query, &spoken("open sesame")).await;
    let partly = start(site, query, &spoken("open a bit")).await;
    assert_refused(subscribe(site, A, query).await, "onCreateNote");
    let signature = signed("authenticated", query);
    assert_refused(start(site, query, &signature).await, "onCreateNote");
    assert_refused(start(site, query, &spoken("hear nothing")).await, "onCreateNote");
    let unknown = start(site, query, &spoken("guess")).await.err().expect("a refusal");
    assert_eq!(unknown["errorType"], "Unauthorized", "{unknown}");
    word(site, "open sesame", CREATE_NOTE).await.value();
    assert_eq!(event(&mut whole.expect("an ack")).await, json!({"id": "r1", "note": "n"}));
    assert_eq!(event(&mut partly.expect("an ack")).await, json!({"id": "r1", "note": null}));

    let sync = "{ syncNotes { items { id note } } }";
    let page = |note: Value| json!({"items": [{"id": "r1", "note": note}]});
    assert_eq!(word(site, "open sesame", sync).await.value(), page(json!("n")));
    assert_eq!(word(site, "open a bit", sync).await.value(), page(Value::Null));
    let list = "{ listNotes { items { id } } }";
    word(site, "hear nothing", list).await.is_unauthorized();
}
}

/// Switches that let signers pass every rule (`transformer` 8.8).
mod who_passes_every_rule {
    use super::*;

    fn admins(config: &mut Config) {
        providers(config);
        config.engine.authz.admin_roles = vec!["admin".to_owned()];
    }

    fn services(config: &mut Config) {
        providers(config);
        config.engine.authz.enable_iam_access = true;
    }

    const EVENTS: &str = "subscription { onCreatePlain { id } }";

    const EVERYTHING: [&str; 4] = [
        "{ listPlains { items { id } } }",
        SYNC_DEVICES,
        "{ listNotes { items { id } } }",
        r#"mutation { createPlain(input: {id: "r1"}) { id } }"#,
    ];

    mod named_as_administrator {
        use super::*;

        on_both_stores! { Plan::of(include_str!("../../schemas/providers.graphql")).configured(admins);

        async fn an_admin_role_passes_and_nobody_else(site: &Site) {
            for query in EVERYTHING {
                signer(site, "admin", query).await.value();
            }
            for kind in ["service", "unauthenticated"] {
                signer(site, kind, SYNC_DEVICES).await.is_unauthorized();
                assert_refused(start(site, EVENTS, &signed(kind, EVENTS)).await, "onCreatePlain");
            }
            let mut socket = start(site, EVENTS, &signed("admin", EVENTS)).await.expect("an ack");
            let create = r#"mutation { createPlain(input: {id: "r2"}) { id } }"#;
            signer(site, "admin", create).await.value();
            assert_eq!(event(&mut socket).await, json!({"id": "r2"}));
            A.asks(site, "{ listPlains { items { id } } }").await.is_unauthorized();
        }
        }
    }

    mod from_no_identity_pool {
        use super::*;

        on_both_stores! { Plan::of(include_str!("../../schemas/providers.graphql")).configured(services);

        async fn services_pass_and_users_of_a_pool_do_not(site: &Site) {
            for query in EVERYTHING {
                signer(site, "service", query).await.value();
            }
            let mut socket = start(site, EVENTS, &signed("service", EVENTS)).await.expect("an ack");
            let create = r#"mutation { createPlain(input: {id: "r2"}) { id } }"#;
            signer(site, "service", create).await.value();
            assert_eq!(event(&mut socket).await, json!({"id": "r2"}));
            assert_refused(start(site, EVENTS, &signed("authenticated", EVENTS)).await, "onCreatePlain");
            signer(site, "unauthenticated", SYNC_DEVICES).await.is_unauthorized();
            signer(site, "authenticated", "{ listPlains { items { id } } }").await.is_unauthorized();
            A.asks(site, "{ listPlains { items { id } } }").await.is_unauthorized();
        }
        }
    }
}
