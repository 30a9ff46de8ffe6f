//! `driftless schema`, and the names that a configuration gives.

use serde_json::{Value, json};

use super::{Dev, TODO, folder_with, provide_tls, run, stderr, stdout};

#[tokio::test]
async fn schema_check_has_exit_codes_and_json() {
    let folder = folder_with(TODO);
    let good = run(folder.path(), &["schema", "check", "schema.graphql"]).await;
    assert_eq!(good.status.code(), Some(0));
    std::fs::write(
        folder.path().join("wrong.graphql"),
        "type A @model { a: B }",
    )
    .expect("a file");
    let wrong = run(folder.path(), &["schema", "check", "wrong.graphql"]).await;
    assert_eq!(wrong.status.code(), Some(1));
    assert!(
        stderr(&wrong).starts_with("wrong.graphql:1:"),
        "{}",
        stderr(&wrong)
    );
    let wrong = run(
        folder.path(),
        &["schema", "check", "wrong.graphql", "--format", "json"],
    )
    .await;
    assert_eq!(wrong.status.code(), Some(1));
    let problems: Value = serde_json::from_str(&stdout(&wrong)).expect("JSON");
    let problems = problems.as_array().expect("a list");
    assert!(
        problems
            .iter()
            .any(|problem| problem["severity"] == "error"),
        "{problems:?}"
    );
    let missing = run(folder.path(), &["schema", "check", "nothing.graphql"]).await;
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr(&missing).contains("nothing.graphql"));
}

#[tokio::test]
async fn schema_prints_the_api_and_the_models_of_clients() {
    let folder = folder_with(TODO);
    let sdl = run(folder.path(), &["schema", "sdl", "schema.graphql"]).await;
    assert!(stdout(&sdl).contains("syncTodos("), "{}", stdout(&sdl));
    let models = run(folder.path(), &["schema", "models", "schema.graphql"]).await;
    let models: Value = serde_json::from_str(&stdout(&models)).expect("JSON");
    assert_eq!(models["models"]["Todo"]["syncable"], true);
    let arguments = ["schema", "models", "schema.graphql", "--introspection"];
    let outputs = run(folder.path(), &arguments).await;
    let outputs: Value = serde_json::from_str(&stdout(&outputs)).expect("JSON");
    let key = &outputs["models"]["Todo"]["primaryKeyInfo"];
    assert_eq!(key["primaryKeyFieldName"], "id");
}

#[tokio::test]
async fn schema_takes_other_plurals_than_the_transformers() {
    let folder = folder_with(TODO);
    let plural = "--plural=Todo=Todoes";
    let sdl = run(folder.path(), &["schema", "sdl", "schema.graphql", plural]).await;
    assert!(stdout(&sdl).contains("syncTodoes("), "{}", stdout(&sdl));
    let models = run(
        folder.path(),
        &["schema", "models", "schema.graphql", plural],
    )
    .await;
    let models: Value = serde_json::from_str(&stdout(&models)).expect("JSON");
    assert_eq!(models["models"]["Todo"]["pluralName"], "Todoes");
    let wrong = ["schema", "check", "schema.graphql", "--plural=Tood=Todoes"];
    let complaint = stderr(&run(folder.path(), &wrong).await);
    assert!(complaint.contains("Did you mean `Todo`?"), "{complaint}");
}

#[tokio::test]
async fn schema_shows_the_api_of_other_modes_and_strategies() {
    let folder = folder_with(
        "type Todo @model @auth(rules: [{ allow: owner }, { allow: public }]) { id: ID! text: String }",
    );
    let sdl = async |arguments: &[&str]| {
        let command = [&["schema", "sdl", "schema.graphql"], arguments].concat();
        let answer = run(folder.path(), &command).await;
        (stdout(&answer), stderr(&answer))
    };
    let (plain, _) = sdl(&[]).await;
    assert!(
        plain.contains("syncTodos(") && !plain.contains('@'),
        "{plain}"
    );
    let (without, _) = sdl(&["--conflict", "none"]).await;
    assert!(
        !without.contains("_version") && without.contains("listTodos("),
        "{without}"
    );
    let (directives, _) = sdl(&["--directives", "--auth", "api_key,user_pool"]).await;
    let line = "type Todo @aws_api_key @aws_cognito_user_pools {";
    assert!(directives.contains(line), "{directives}");
    let (_, complaint) = sdl(&["--auth", "api_key"]).await;
    assert!(complaint.contains("auth-mode-missing"), "{complaint}");
    let (_, complaint) = sdl(&["--auth", "keys"]).await;
    assert!(
        complaint.contains("api_key, user_pool, oidc, iam, lambda"),
        "{complaint}"
    );
    let command = ["schema", "check", "schema.graphql", "--auth", "oidc"];
    let checked = run(folder.path(), &command).await;
    assert!(stderr(&checked).contains("auth-mode-missing"));
}

#[tokio::test]
async fn schema_diff_has_a_row_for_every_change() {
    let folder = folder_with(TODO);
    let new = TODO.replace("title: String!", "name: String");
    std::fs::write(folder.path().join("new.graphql"), new).expect("a file");
    let arguments = ["schema", "diff", "schema.graphql", "new.graphql"];
    let output = run(folder.path(), &arguments).await;
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    assert!(text.contains("field-removed  Todo.title"), "{text}");
    assert!(text.contains("1 safe, 1 to confirm, 0 refused"), "{text}");
    let json = run(
        folder.path(),
        &[&arguments as &[&str], &["--json"]].concat(),
    )
    .await;
    let json: Value = serde_json::from_str(&stdout(&json)).expect("JSON");
    assert_eq!(json["resync"], true);
    let rows = json["changes"].as_array().expect("a list");
    let classes: Vec<_> = rows
        .iter()
        .map(|row| (&row["subject"], &row["class"]))
        .collect();
    assert_eq!(
        classes,
        [
            (&json!("Todo.name"), &json!("safe")),
            (&json!("Todo.title"), &json!("confirm"))
        ]
    );
    let same = run(
        folder.path(),
        &["schema", "diff", "schema.graphql", "schema.graphql"],
    )
    .await;
    assert_eq!(stdout(&same).trim(), "nothing changes");
}

#[tokio::test]
async fn a_server_answers_by_the_names_its_configuration_gives() {
    provide_tls();
    let folder = folder_with(TODO);
    let names = "[models.Todo]\nplural = \"Todoes\"\nsync = \"syncAllTodos\"\n";
    std::fs::write(folder.path().join("driftless.toml"), names).expect("a file");
    let dev = Dev::start(folder.path(), &[]).await;
    let query = "{ listTodoes { items { id } } syncAllTodos { items { id } } }";
    let response = reqwest::Client::new()
        .post(dev.text("http_endpoint"))
        .header("x-api-key", dev.text("api_key"))
        .body(json!({ "query": query }).to_string());
    let answer = response.send().await.expect("an answer");
    let answer: Value = answer.json().await.expect("JSON");
    let nothing = json!({ "items": [] });
    assert_eq!(
        answer["data"],
        json!({ "listTodoes": nothing, "syncAllTodos": nothing }),
        "{answer}"
    );
}
