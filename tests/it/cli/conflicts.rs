//! What the operator reads in the log about conflicts.

use super::{Dev, TODO, folder_with, provide_tls};
use crate::support::components::guest;

/// A record of version 2, and a write that names no version or an old one.
async fn conflict(dev: &Dev, version: &str) -> serde_json::Value {
    for mutation in [
        "createTodo(input: {id: \"t\", title: \"a\"})",
        "updateTodo(input: {id: \"t\", title: \"b\", _version: 1})",
    ] {
        let answer = dev
            .graphql(&format!("mutation {{ {mutation} {{ _version }} }}"))
            .await;
        assert!(answer.get("errors").is_none(), "{answer}");
    }
    dev.graphql(&format!(
        "mutation {{ updateTodo(input: {{id: \"t\", title: \"c\"{version}}}) {{ title _version }} }}"
    ))
    .await
}

/// P2: under Automerge nobody else would tell.
#[tokio::test]
async fn clients_that_send_no_version_are_named_in_the_log() {
    provide_tls();
    let folder = folder_with(TODO);
    let mut dev = Dev::start(folder.path(), &[]).await;
    let answer = conflict(&dev, "").await;
    assert_eq!(answer["data"]["updateTodo"]["title"], "b", "{answer}");
    let line = dev.complaint("sends no _version").await;
    for told in [
        "WARN",
        "api_key:",
        "Todo",
        "writes=1",
        "sync.missing_version",
    ] {
        assert!(line.contains(told), "{told}: {line}");
    }
    assert_eq!(dev.terminate().await, Some(0));
}

#[tokio::test]
async fn a_plugin_that_breaks_is_named_in_the_log_with_the_reason() {
    provide_tls();
    let folder = folder_with(TODO);
    let path = folder.path().join("broken.wasm");
    std::fs::write(&path, guest("", "", "unreachable")).expect("a file");
    let settings = "[conflict.models.Todo]\nplugin = \"broken.wasm\"\n";
    std::fs::write(folder.path().join("driftless.toml"), settings).expect("a file");
    let mut dev = Dev::start(folder.path(), &[]).await;
    let answer = conflict(&dev, ", _version: 1").await;
    let error = &answer["errors"][0];
    assert_eq!(error["errorType"], "ConflictError", "{answer}");
    assert_eq!(error["message"], "Conflict handler failed.");
    let line = dev.complaint("gave no answer that can be used").await;
    for told in [
        "WARN",
        "plugin:",
        "broken.wasm",
        "Todo",
        "attempt=1",
        "unreachable",
    ] {
        assert!(line.contains(told), "{told}: {line}");
    }
    assert_eq!(dev.terminate().await, Some(0));
}
