//! `driftless auth explain`: which rule decides.

use driftless::config::{SchemaSource, Secret};
use driftless_resolvers::identity::AuthMode;

use super::{run, stderr, stdout};
use crate::support::server::Server;

#[tokio::test]
async fn auth_explain_names_the_rule_that_decides_and_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let schema =
        "type Note @model @auth(rules: [\n  { allow: owner }\n]) { id: ID! text: String }\n";
    std::fs::write(folder.path().join("schema.graphql"), schema).expect("a file");
    let ask = [
        "auth",
        "explain",
        "--schema",
        "schema.graphql",
        "--user",
        "alice",
        "--operation",
        "getNote",
        "--record",
    ];
    let with = |record: &'static str| [ask.as_slice(), &[record]].concat();
    let mine = run(folder.path(), &with(r#"{"id": "n", "owner": "alice"}"#)).await;
    let said = stdout(&mine);
    assert!(said.starts_with("allowed:"), "{said}{}", stderr(&mine));
    assert!(
        said.contains("+ schema.graphql:2:3: owner is \"alice\""),
        "{said}"
    );
    let foreign = run(folder.path(), &with(r#"{"id": "n", "owner": "bob"}"#)).await;
    assert!(
        stdout(&foreign).starts_with("refused:"),
        "{}",
        stdout(&foreign)
    );
    let unknown = run(
        folder.path(),
        &[
            "auth",
            "explain",
            "--schema",
            "schema.graphql",
            "--operation",
            "getX",
        ],
    )
    .await;
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("getX"), "{}", stderr(&unknown));
}

/// A server whose schema has rules, and what an operator shows it.
async fn operated() -> (Server, tempfile::TempDir) {
    const SECRET: &str = "the-secret-of-the-operator";
    let schema = "type Note @model @auth(rules: [\n  { allow: owner }\n  { allow: groups, groups: [\"Admin\"], operations: [read] }\n]) { id: ID! text: String }\n\
         type Seat @model @auth(rules: [{ allow: private }]) { row: ID! @primaryKey(sortKeyFields: [\"number\"]) number: Int! }\n";
    let server = Server::start_with(|config| {
        config.schema = SchemaSource::Text(schema.to_owned());
        config.auth.default = Some(AuthMode::UserPool);
        config.admin = Some(Secret(SECRET.to_owned()));
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("secret"), SECRET).expect("a file");
    (server, folder)
}

#[tokio::test]
async fn auth_explain_asks_a_running_server_about_stored_records() {
    let (server, folder) = operated().await;
    let alice = server.token("alice", &[]);
    for query in [
        r#"mutation { createNote(input: {id: "n"}) { id } }"#,
        r#"mutation { createSeat(input: {row: "a", number: 7}) { row } }"#,
    ] {
        let made = server.ask(query, &[("authorization", &alice)]).await;
        let text = made.text().await.expect("a body");
        assert!(!text.contains("errors"), "{text}");
    }
    let url = server.url("");
    let explain = async |arguments: &[&str]| {
        let common = [
            "auth",
            "explain",
            "--server",
            &url,
            "--secret-file",
            "secret",
        ];
        let output = run(folder.path(), &[common.as_slice(), arguments].concat()).await;
        (stdout(&output), stderr(&output))
    };
    let (said, error) = explain(&[
        "--user",
        "alice",
        "--operation",
        "updateNote",
        "--record",
        "n",
    ])
    .await;
    let first = said.lines().next().unwrap_or_default();
    assert_eq!(
        first, "allowed: this record, decided by schema:2:3",
        "{said}{error}"
    );
    let (said, _) = explain(&["--user", "bob", "--operation", "getNote", "--record", "n"]).await;
    assert!(said.starts_with("refused: not this record"), "{said}");
    assert!(said.contains("for no rule lets the caller"), "{said}");
    let group = [
        "--user",
        "gina",
        "--group",
        "Admin",
        "--operation",
        "getNote",
        "--record",
        "n",
    ];
    let (said, _) = explain(&group).await;
    assert!(said.contains("decided by schema:3:3"), "{said}");
    let seat = [
        "--user",
        "bob",
        "--operation",
        "deleteSeat",
        "--record",
        r#"["a", 7]"#,
    ];
    assert!(explain(&seat).await.0.starts_with("allowed:"));
    let (said, _) = explain(&["--user", "bob", "--operation", "getNote", "--record", "x"]).await;
    assert!(said.contains("there is no such record"), "{said}");
    let (_, error) = explain(&["--user", "bob", "--operation", "getSeat", "--record", "a"]).await;
    assert!(
        error.contains("a list of the values of row, number"),
        "{error}"
    );
    let (_, error) = explain(&["--operation", "getNothing"]).await;
    assert!(
        error.contains("no model has the operation getNothing"),
        "{error}"
    );
}

#[tokio::test]
async fn auth_explain_judges_the_fields_of_an_update() {
    let folder = tempfile::tempdir().expect("a folder");
    let schema = "type Note @model @auth(rules: [\n  { allow: owner, operations: [create, read, update] }\n]) {\n  id: ID!\n  text: String\n  \
         owner: String @auth(rules: [\n    { allow: owner, operations: [read] }\n  ])\n}\n";
    std::fs::write(folder.path().join("schema.graphql"), schema).expect("a file");
    let explain = async |input: &str| {
        let arguments = [
            "auth",
            "explain",
            "--schema",
            "schema.graphql",
            "--user",
            "alice",
            "--operation",
            "updateNote",
            "--record",
            r#"{"id": "n", "owner": "alice"}"#,
            "--input",
            input,
        ];
        stdout(&run(folder.path(), &arguments).await)
    };
    let said = explain(r#"{"id": "n", "text": "t"}"#).await;
    assert!(
        said.starts_with("allowed: this record, decided by schema.graphql:2:3"),
        "{said}"
    );
    let said = explain(r#"{"id": "n", "owner": "bob"}"#).await;
    assert!(
        said.starts_with("refused: not the fields owner, decided by schema.graphql:7:5"),
        "{said}"
    );
    let said = explain(r#"{"id": "n", "text": null}"#).await;
    assert!(
        said.contains("to erase text is to delete it, of which it does not speak"),
        "{said}"
    );
}
