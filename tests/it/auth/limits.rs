//! What bounds a caller besides the rules: how often, how much at once, and whether the API describes itself.

use serde_json::{Value, json};

use super::{WHO, refusal};
use crate::support::server::{Server, configured};

async fn answer(server: &Server, query: &str) -> Value {
    server.graphql(query, json!({})).await
}

#[tokio::test]
async fn an_operation_has_so_many_root_fields_and_no_more_aliases_included() {
    let file = "[limits]\nroots = 3\n";
    let server = Server::start_with(|config| *config = configured(config, file)).await;
    let list = |number: usize| format!("a{number}: listPosts {{ items {{ id }} }} ");
    let query = |count: usize| format!("{{ {} }}", (0..count).map(list).collect::<String>());
    assert_eq!(answer(&server, &query(3)).await.get("errors"), None);
    let refused = answer(&server, &query(4)).await;
    assert_eq!(refused["data"], Value::Null);
    assert_eq!(
        refused["errors"][0]["errorType"],
        "ResolverExecutionLimitReached"
    );
    let create =
        |number: usize| format!("b{number}: createUser(input: {{username: \"u\"}}) {{ id }} ");
    let mutation = format!("mutation {{ {} }}", (0..4).map(create).collect::<String>());
    assert_eq!(answer(&server, &mutation).await["data"], Value::Null);
    let left = answer(&server, "{ listUsers { items { id } } }").await;
    assert_eq!(
        left["data"]["listUsers"]["items"],
        json!([]),
        "nothing of it is done"
    );
}

#[tokio::test]
async fn the_api_describes_itself_only_where_it_may() {
    let open = Server::start().await;
    let file = "[auth]\nintrospection = false\n";
    let closed = Server::start_with(|config| *config = configured(config, file)).await;
    for query in [
        "{ __schema { queryType { name } } }",
        "{ __type(name: \"Post\") { name } }",
    ] {
        assert_eq!(answer(&open, query).await.get("errors"), None);
        let refused = answer(&closed, query).await;
        let message = &refused["errors"][0]["message"];
        assert_eq!(message, "Introspection has been disabled for this request.");
    }
    assert_eq!(
        answer(&closed, WHO).await,
        json!({"data": {"__typename": "Query"}})
    );
    let production = driftless::config::Config::production();
    assert!(
        !production.engine.introspection,
        "serve describes itself to nobody by default"
    );
}

/// `errata` row 1.
#[tokio::test]
async fn whoever_asks_too_often_is_told_to_come_back_and_others_are_not() {
    let file = "[limits]\nrate_principal = 1\n";
    let server = Server::start_with(|config| *config = configured(config, file)).await;
    let (alice, bob) = (server.token("alice", &[]), server.token("bob", &[]));
    let headers = [("authorization", alice.as_str())];
    let many = (0..40).map(|_| server.ask(WHO, &headers));
    let answers = futures_util::future::join_all(many).await;
    let (good, refused): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .partition(|response| response.status() == 200);
    assert!(
        good.len() >= 11 && !refused.is_empty(),
        "{} of 40",
        good.len()
    );
    for response in refused {
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "1");
        let body = response.text().await.expect("a body");
        assert_eq!(
            body,
            r#"{"message":"Network Error","errors":"unavailable"}"#
        );
    }
    let other = server.ask(WHO, &[("authorization", &bob)]).await;
    assert_eq!(refusal(other).await.0, 200);
}
