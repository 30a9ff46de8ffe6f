//! Deployments that share a database, each in a schema of its own, and keep to themselves.

use super::*;

/// A node of the deployment in a schema that is called so; it is made if need be.
async fn node_in(cluster: &Cluster, schema: &str) -> Server {
    let mut connection = cluster.database.connect().await;
    let make = format!("create schema if not exists \"{schema}\"");
    sqlx::raw_sql(sqlx::AssertSqlSafe(make))
        .execute(&mut connection)
        .await
        .expect("a schema");
    let mut url: url::Url = cluster.url().parse().expect("the database's URL");
    let path = format!("-c search_path=\"{schema}\"");
    url.query_pairs_mut().append_pair("options", &path);
    cluster.node_at(url.into()).await
}

/// Also by names that only stand in quotes.
#[tokio::test(flavor = "multi_thread")]
async fn deployments_in_schemas_of_one_database_share_nothing() {
    let cluster = Cluster::start(Route::Notifications).await;
    let nodes = [
        node_in(&cluster, "Tenant-1").await,
        node_in(&cluster, "tenant_2").await,
    ];
    for node in &nodes {
        create(node, "same").await;
    }
    let again = node_in(&cluster, "Tenant-1").await;
    let answer = again
        .graphql("{ listPlayers { items { id } } }", json!({}))
        .await;
    assert_eq!(
        answer["data"]["listPlayers"]["items"],
        json!([{"id": "same"}]),
        "{answer}"
    );
    cluster
        .finish(nodes.into_iter().chain([again]).collect())
        .await;
}

/// They notify on one channel, and their models have the same numbers.
#[tokio::test(flavor = "multi_thread")]
async fn subscribers_hear_of_everything_beside_a_deployment_that_has_written_more() {
    let cluster = Cluster::start(Route::Notifications).await;
    let nodes = [
        node_in(&cluster, "busy").await,
        node_in(&cluster, "quiet").await,
        node_in(&cluster, "quiet").await,
    ];
    let [busy, quiet, other] = &nodes;
    hears(quiet).await;
    let mut socket = subscriber(quiet).await;
    // Heard by the time that a word after it is heard.
    for n in 0..20 {
        create(busy, &format!("theirs-{n}")).await;
    }
    create(other, "first").await;
    let mut seen = Seen::default();
    seen.until(&mut socket, "first").await;
    for n in 20..40 {
        create(busy, &format!("theirs-{n}")).await;
    }
    create(quiet, "second").await;
    create(other, "third").await;
    seen.until(&mut socket, "third").await;
    let ours = ["first", "second", "third"].map(|id| (id.to_owned(), 1));
    seen.are(&ours);
    assert_eq!(seen.0.len(), ours.len(), "{:?}", seen.0);
    cluster.finish(nodes.into()).await;
}
