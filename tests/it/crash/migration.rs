//! The server's process is killed in every step of a migration.

use serde_json::json;
use tempfile::TempDir;

use crate::support::accounts::Accounts;
use crate::support::audit::audit;
use crate::support::postgres::Database;
use crate::support::victim::Victim;

/// Posts before and after: the second schema walks them by their rating.
const BEFORE: &str = "enum PostStatus { ACTIVE INACTIVE }
type Post @model @auth(rules: [{ allow: public }]) {
  id: ID! title: String! rating: Int! status: PostStatus!
}";
const AFTER: &str = r#"enum PostStatus { ACTIVE INACTIVE }
type Post @model @auth(rules: [{ allow: public }]) {
  id: ID! title: String! rating: Int! @index(name: "byRating", queryField: "postsByRating", sortKeyFields: ["title"])
  status: PostStatus!
}
type Note @model @auth(rules: [{ allow: public }]) { id: ID! text: String }"#;

/// More steps than a migration of two models has.
const MANY: usize = 40;

async fn survives(url: &str) {
    let mut accounts = Accounts::default();
    let schemas = TempDir::new().expect("a folder");
    let schema = schemas.path().join("schema.graphql");
    std::fs::write(&schema, BEFORE).expect("a file");
    let mut victim = Victim::of(&schema, url, None).await.ready().await;
    accounts.open(&victim).await;
    std::fs::write(&schema, AFTER).expect("a file");

    let mut deaths = 0;
    loop {
        victim.kill().await;
        victim = victim.again(Some(("prepared", deaths))).await;
        if !victim.held_or_ready().await {
            break;
        }
        deaths += 1;
        assert!(deaths < MANY, "the migration does not end");
        victim.kill().await;
        assert_eq!(audit(url).await, [""; 0], "killed in step {deaths}");
    }
    assert!(deaths >= 2, "a step was left out");
    accounts.assert_kept(&victim).await;
    let query = "{ postsByRating(rating: 2) { items { id } } }";
    let found = victim.value(query, &json!({})).await;
    assert_eq!(
        found,
        json!({"items": [{"id": "a"}]}),
        "the new index holds old records"
    );
    assert!(victim.stop().await.success());
}

#[tokio::test]
async fn a_migration_that_is_killed_in_every_step_is_gone_on_with_in_sqlite() {
    let folder = TempDir::new().expect("a folder");
    survives(&format!(
        "sqlite:{}",
        folder.path().join("data.db").display()
    ))
    .await;
}

#[tokio::test]
async fn a_migration_that_is_killed_in_every_step_is_gone_on_with_in_postgres() {
    let database = Database::create().await;
    survives(&database.url).await;
    database.remove().await;
}
