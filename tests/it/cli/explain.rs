//! `driftless auth explain`: which rule decides.

use super::{run, stderr, stdout};

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
