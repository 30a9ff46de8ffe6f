//! Every field of a generated API asks the rules: whoever has no rights gets nothing from any of them, also from those
//! that are added tomorrow.

use super::*;
use crate::support::site::on_both_stores;

const TYPE: &str = "kind name ofType { kind name ofType { kind name ofType { kind name } } }";

/// The root fields, the types they need, everything.
async fn api(site: &Site) -> Value {
    let query = format!(
        "{{ __schema {{ queryType {{ name }} types {{ name kind fields {{ name args {{ name type {{ {TYPE} }} }} type {{ {TYPE} }} }} \
         inputFields {{ name type {{ {TYPE} }} }} enumValues {{ name }} }} }} }}"
    );
    G.asks(site, &query).await.value()
}

fn named<'a>(api: &'a Value, name: &str) -> &'a Value {
    let types = api["types"].as_array().expect("types");
    let found = types.iter().find(|ty| ty["name"] == name);
    found.unwrap_or_else(|| panic!("no type {name}"))
}

/// A value that a required argument may have.
fn value(api: &Value, ty: &Value) -> String {
    let inner = &ty["ofType"];
    match (ty["kind"].as_str(), ty["name"].as_str()) {
        (Some("NON_NULL"), _) => value(api, inner),
        (Some("LIST"), _) => format!("[{}]", value(api, inner)),
        (_, Some("ID" | "String")) => "\"x\"".to_owned(),
        (_, Some("Int" | "Float")) => "1".to_owned(),
        (_, Some("Boolean")) => "true".to_owned(),
        (Some("INPUT_OBJECT"), Some(name)) => {
            let fields = named(api, name)["inputFields"].as_array().expect("fields");
            let mut given = required(api, fields);
            if fields.iter().any(|field| field["name"] == "id") && !given.contains("id:") {
                given.push_str("id: \"x\"");
            }
            format!("{{{given}}}")
        }
        _ => panic!("no value for {ty}"),
    }
}

fn required(api: &Value, arguments: &[Value]) -> String {
    let required = arguments
        .iter()
        .filter(|argument| argument["type"]["kind"] == "NON_NULL");
    required
        .map(|argument| {
            format!(
                "{}: {} ",
                argument["name"].as_str().expect("a name"),
                value(api, &argument["type"])
            )
        })
        .collect()
}

/// A document for a root field.
fn document(api: &Value, operation: &str, field: &Value) -> String {
    let name = field["name"].as_str().expect("a name");
    let arguments = required(api, field["args"].as_array().expect("arguments"));
    let arguments = if arguments.is_empty() {
        arguments
    } else {
        format!("({arguments})")
    };
    format!("{operation} {{ {name}{arguments} {{ __typename }} }}")
}

on_both_stores! { Plan::of(include_str!("../../schemas/secrets.graphql")).configured(users_first);

async fn every_root_field_refuses_a_caller_without_rights(site: &Site) {
    create(site, A, "Post", r#"id: "x""#).await.value();
    create(site, A, "Blog", r#"id: "x""#).await.value();
    create(site, G, "Worker", r#"id: "x""#).await.value();
    create(site, A, "Diary", r#"id: "x""#).await.value();
    let api = api(site).await;
    let mut asked = 0;
    for (root, operation) in [("Query", "query"), ("Mutation", "mutation")] {
        for field in named(&api, root)["fields"].as_array().expect("fields") {
            let reply = Oidc.asks(site, &document(&api, operation, field)).await;
            reply.is_unauthorized();
            asked += 1;
        }
    }
    let mut socket = site.server.session().await;
    for field in named(&api, "Subscription")["fields"].as_array().expect("fields") {
        let name = field["name"].as_str().expect("a name");
        let query = document(&api, "subscription", field);
        socket.start(name, &query, &authorization(site, Oidc)).await;
        let frame = socket.frame().await;
        assert_eq!((&frame["type"], &frame["id"]), (&json!("error"), &json!(name)), "{frame}");
        assert_eq!(frame["payload"]["errors"][0]["errorType"], "Unauthorized", "{frame}");
        asked += 1;
    }
    // Four models with three queries, three mutations and three subscriptions each, and an index.
    assert_eq!(asked, 4 * 9 + 1);
}
}
