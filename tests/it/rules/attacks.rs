//! What callers try to learn or change against the rules, and what it gets them: nothing.

use driftless_resolvers::authz::HiddenGet;
use serde_json::json;

use super::*;
use crate::support::server::DATASTORE;
use crate::support::site::on_both_stores;

const SECRETS: Plan =
    Plan::of(include_str!("../../schemas/secrets.graphql")).configured(users_first);

/// Two workers: `w1` of alice who earns 7, `w2` of bob who earns nothing that is known.
async fn workers(site: &Site) {
    create(
        site,
        G,
        "Worker",
        r#"id: "w1", name: "a", owner: "alice", salary: 7"#,
    )
    .await
    .value();
    create(site, G, "Worker", r#"id: "w2", name: "b", owner: "bob""#)
        .await
        .value();
}

/// A blog with a post of alice and one of bob.
async fn blog(site: &Site) {
    let pin = r#"id: "b", name: "n", blogPinnedId: "pa""#;
    create(site, A, "Blog", pin).await.value();
    create(
        site,
        A,
        "Post",
        r#"id: "pa", title: "secret", blogPostsId: "b""#,
    )
    .await
    .value();
    create(
        site,
        B,
        "Post",
        r#"id: "pb", title: "open", blogPostsId: "b""#,
    )
    .await
    .value();
}

/// An answer without what tells requests apart.
fn shape(reply: &Reply) -> Value {
    let mut body = reply.body.clone();
    for error in body["errors"].as_array_mut().into_iter().flatten() {
        error["locations"] = Value::Null;
    }
    body
}

on_both_stores! { SECRETS;

async fn a_filter_finds_nothing_by_a_field_its_caller_may_not_read(site: &Site) {
    workers(site).await;
    let every = ["w1", "w2"];
    for (filter, seen_by_all, seen_by_admins) in [
        ("salary: {eq: 7}", vec![], vec!["w1"]),
        ("salary: {gt: 0}", vec![], vec!["w1"]),
        ("not: {salary: {eq: 7}}", every.to_vec(), vec!["w2"]),
        ("salary: {ne: 7}", every.to_vec(), vec!["w2"]),
        ("salary: {attributeExists: true}", vec![], vec!["w1"]),
        ("salary: {attributeExists: false}", every.to_vec(), vec!["w2"]),
        ("or: [{name: {eq: \"b\"}}, {salary: {between: [1, 9]}}]", vec!["w2"], every.to_vec()),
        ("and: [{not: {not: {salary: {le: 7}}}}]", vec![], vec!["w1"]),
    ] {
        for field in ["listWorkers", "syncWorkers"] {
            let query = format!("{{ {field}(filter: {{{filter}}}) {{ items {{ id }} }} }}");
            assert_eq!(A.asks(site, &query).await.ids(), seen_by_all, "{query}");
            assert_eq!(G.asks(site, &query).await.ids(), seen_by_admins, "{query}");
        }
    }
}

async fn a_condition_tells_nothing_of_a_field_its_caller_may_not_read(site: &Site) {
    workers(site).await;
    let guess = |salary: u32| format!(
        "mutation {{ updateWorker(input: {{id: \"w1\", name: \"x\", _version: 1}}, condition: {{salary: {{eq: {salary}}}}}) {{ id }} }}"
    );
    for salary in [7, 8] {
        A.asks(site, &guess(salary)).await.is_refused_as("ConditionalCheckFailedException");
    }
    G.asks(site, &guess(7)).await.value();
}

async fn an_index_is_not_asked_by_a_field_its_caller_may_not_read(site: &Site) {
    workers(site).await;
    let query = "{ workersBySalary(salary: 7) { items { id } } }";
    for who in [A, B] {
        who.asks(site, query).await.is_unauthorized();
    }
    assert_eq!(G.asks(site, query).await.ids(), ["w1"]);
}

async fn other_names_and_fragments_open_no_field(site: &Site) {
    workers(site).await;
    for query in [
        r#"{ getWorker(id: "w1") { name: salary } }"#,
        r#"{ getWorker(id: "w1") { ... { salary } } }"#,
        r#"{ getWorker(id: "w1") { ... on Worker { id x: salary } } }"#,
        r#"query Q { getWorker(id: "w1") { ...F } } fragment F on Worker { salary }"#,
        r#"{ a: getWorker(id: "w1") { id } getWorker(id: "w1") { b: salary c: salary } }"#,
        r#"query Q { getWorker(id: "w1") { salary @include(if: true) } }"#,
    ] {
        let reply = A.asks(site, query).await;
        assert!(!reply.errors().is_empty(), "{reply:#?}");
        for error in reply.errors() {
            assert_eq!(error["message"], "Not Authorized to access salary on type Worker", "{reply:#?}");
        }
        assert!(!reply.body.to_string().contains('7'), "{reply:#?}");
    }
    let alias = r#"{ anything: getPost(id: "unknown") { id } listPosts: listDiaries { items { id } } }"#;
    assert_eq!(A.asks(site, alias).await.data()["anything"], Value::Null);
}

async fn a_token_of_another_callers_page_is_refused(site: &Site) {
    for n in 1..=3 {
        create(site, A, "Post", &format!("id: \"a{n}\"")).await.value();
        create(site, B, "Post", &format!("id: \"b{n}\"")).await.value();
    }
    for field in ["listPosts", "syncPosts"] {
        let page = |token: &str| format!("{{ {field}(limit: 1{token}) {{ items {{ id }} nextToken }} }}");
        let first = A.asks(site, &page("")).await.value();
        let token = format!(", nextToken: {}", first["nextToken"]);
        let second = A.asks(site, &page(&token)).await;
        assert_eq!(second.ids(), ["a2"]);
        B.asks(site, &page(&token)).await.is_refused_as("DynamoDB:UserIllegalArgumentException");
        let other = format!("{{ list{}(limit: 1{token}) {{ items {{ id }} }} }}", "Diaries");
        A.asks(site, &other).await.is_refused_as("DynamoDB:UserIllegalArgumentException");
    }
}

async fn pages_are_full_and_tell_nothing_of_what_is_left_out(site: &Site) {
    for n in 1..=9 {
        create(site, A, "Post", &format!("id: \"a{n}\"")).await.value();
    }
    create(site, B, "Post", r#"id: "z""#).await.value();
    for field in ["listPosts", "syncPosts"] {
        let page = B.asks(site, &format!("{{ {field}(limit: 1) {{ items {{ id }} nextToken }} }}")).await.value();
        assert_eq!(page, json!({"items": [{"id": "z"}], "nextToken": null}));
    }
}

async fn relations_lead_to_no_record_the_caller_may_not_read(site: &Site) {
    blog(site).await;
    let posts = r#"{ getBlog(id: "b") { name posts { items { id title } nextToken } } }"#;
    let refused = K.asks(site, posts).await;
    assert_eq!(refused.data()["getBlog"], json!({"name": "n", "posts": null}));
    assert_eq!(refused.errors()[0]["message"], "Not Authorized to access posts on type Blog");
    let own = B.asks(site, posts).await.value();
    assert_eq!(own["posts"], json!({"items": [{"id": "pb", "title": "open"}], "nextToken": null}));
    let pinned = r#"{ getBlog(id: "b") { pinned { id title } } }"#;
    for who in [B, K] {
        let reply = who.asks(site, pinned).await;
        assert_eq!(reply.data()["getBlog"], json!({"pinned": null}), "{who:?}");
        assert_eq!(reply.errors()[0]["message"], "Not Authorized to access pinned on type Blog");
    }
    assert_eq!(A.asks(site, pinned).await.value()["pinned"]["title"], "secret");
    // A key a record holds itself is no secret: DataStore keeps its foreign keys by it (`errata.md` row 6).
    let key = B.asks(site, r#"{ getBlog(id: "b") { pinned { id _deleted } } }"#).await.value();
    assert_eq!(key["pinned"], json!({"id": "pa", "_deleted": null}));
}

async fn relations_in_a_sync_hide_without_an_error(site: &Site) {
    blog(site).await;
    let query = "{ syncBlogs { items { id posts { items { title } } pinned { title } } } }";
    let reply = K.asks(site, query).await.value();
    assert_eq!(reply["items"][0], json!({"id": "b", "posts": null, "pinned": null}));
    assert_eq!(B.asks(site, query).await.value()["items"][0]["posts"], json!({"items": [{"title": "open"}]}));
}

async fn a_create_over_a_hidden_record_shows_nothing_of_it(site: &Site) {
    create(site, A, "Post", r#"id: "p", title: "secret""#).await.value();
    for input in [r#"id: "p", title: "mine""#, r#"id: "p", title: "secret""#] {
        let reply = create(site, B, "Post", input).await;
        reply.is_refused_as("ConditionalCheckFailedException");
        assert_eq!(reply.refusal()["data"], Value::Null, "{reply:#?}");
    }
    assert_eq!(get(site, A, "Post", "p").await.value(), json!({"id": "p"}));
}

async fn the_record_in_a_rejection_shows_what_the_caller_may_read(site: &Site) {
    workers(site).await;
    let query = r#"mutation { updateWorker(input: {id: "w1", name: "x", _version: 1}, condition: {name: {eq: "?"}}) { id name salary } }"#;
    let reply = A.asks(site, query).await;
    let data = &reply.refusal()["data"];
    assert_eq!((&data["id"], &data["name"], &data["salary"]), (&json!("w1"), &json!("a"), &Value::Null));
    assert_eq!(G.asks(site, query).await.refusal()["data"]["salary"], 7);
}

async fn hidden_and_missing_records_answer_writes_alike(site: &Site) {
    create(site, A, "Post", r#"id: "p""#).await.value();
    for version in [1, 2] {
        let (hidden, missing) = (delete(site, B, "Post", "p", version).await, delete(site, B, "Post", "q", version).await);
        assert_eq!(shape(&hidden), shape(&missing));
        let change = |id: &str| format!("id: \"{id}\", title: \"x\", _version: {version}");
        let (hidden, missing) = (update(site, B, "Post", &change("p")).await, update(site, B, "Post", &change("q")).await);
        assert_eq!(shape(&hidden), shape(&missing));
        hidden.is_unauthorized();
    }
}

async fn a_name_that_contains_the_callers_is_not_the_callers(site: &Site) {
    create(site, A, "Diary", r#"id: "d1", readers: ["alice", "bobby"]"#).await.value();
    create(site, A, "Diary", r#"id: "d2", readers: ["alice"], groups: ["Devs-Admin"]"#).await.value();
    for who in [B, D, G] {
        assert_eq!(list(site, who, "Diaries").await.ids(), [""; 0], "{who:?}");
        assert_eq!(sync(site, who, "Diaries").await.ids(), [""; 0], "{who:?}");
        for id in ["d1", "d2"] {
            get(site, who, "Diary", id).await.is_unauthorized();
            update(site, who, "Diary", &format!("id: \"{id}\", text: \"x\", _version: 1")).await.is_unauthorized();
        }
    }
}

async fn an_answer_does_not_show_what_others_own(site: &Site) {
    blog(site).await;
    let query = r#"mutation { updateBlog(input: {id: "b", name: "m", _version: 1}) { name pinned { title } posts { items { title } } } }"#;
    let reply = B.asks(site, query).await;
    assert!(!reply.body.to_string().contains("secret"), "{reply:#?}");
    assert_eq!(reply.data()["updateBlog"]["name"], "m");
}

async fn events_do_not_come_by_a_filter_on_a_field_the_subscriber_may_not_read(site: &Site) {
    workers(site).await;
    let mut socket = site.server.session().await;
    let query = "subscription { onUpdateWorker(filter: {salary: {gt: 1}}) { id name } }";
    socket.subscribe("guess", query, &authorization(site, A)).await;
    let all = "subscription { onUpdateWorker { id name salary } }";
    socket.subscribe("all", all, &authorization(site, A)).await;
    update(site, G, "Worker", r#"id: "w1", name: "raised", salary: 9, _version: 1"#).await.value();
    update(site, G, "Worker", r#"id: "w2", name: "end", _version: 1"#).await.value();
    for name in ["raised", "end"] {
        let frame = socket.frame().await;
        assert_eq!(frame["id"], "all", "{frame}");
        let record = &frame["payload"]["data"]["onUpdateWorker"];
        assert_eq!((&record["name"], &record["salary"]), (&json!(name), &Value::Null));
    }
}

/// What DataStore is shown again after it subscribed is what it may see.
async fn repeated_events_follow_the_same_rules(site: &Site) {
    workers(site).await;
    let mut authorization = authorization(site, A);
    authorization["x-amz-user-agent"] = DATASTORE.into();
    let mut socket = site.server.session().await;
    // Somebody has to listen for records to be remembered.
    socket.subscribe("first", "subscription { onUpdatePost { id } }", &authorization).await;
    socket.subscribe("workers", "subscription { onUpdateWorker { id } }", &authorization).await;
    create(site, B, "Post", r#"id: "p", title: "b""#).await.value();
    update(site, B, "Post", r#"id: "p", title: "secret", _version: 1"#).await.value();
    update(site, G, "Worker", r#"id: "w1", salary: 99, _version: 1"#).await.value();
    assert_eq!(socket.frame().await["id"], "workers");
    let mut late = site.server.session().await;
    late.subscribe("posts", "subscription { onUpdatePost { id title } }", &authorization).await;
    late.subscribe("workers", "subscription { onUpdateWorker { id salary } }", &authorization).await;
    update(site, G, "Worker", r#"id: "w2", name: "end", _version: 1"#).await.value();
    loop {
        let frame = late.frame().await;
        assert_eq!(frame["id"], "workers", "{frame}");
        let record = &frame["payload"]["data"]["onUpdateWorker"];
        assert_eq!(record["salary"], Value::Null);
        if record["id"] == "w2" {
            break;
        }
    }
}

async fn introspection_needs_a_credential_and_shows_no_record(site: &Site) {
    create(site, A, "Post", r#"id: "p", title: "secret""#).await.value();
    let query = "{ __schema { types { name fields { name } } } }";
    assert_eq!(site.server.ask(query, &[]).await.status(), 401);
    let reply = Oidc.asks(site, query).await;
    assert!(!reply.body.to_string().contains("secret"));
}

/// A client that syncs every model goes on with the others where one is refused (`auth` 6).
async fn a_denied_model_is_skipped_while_the_others_sync(site: &Site) {
    blog(site).await;
    let blogs = K.asks_as(DATASTORE, site, "{ syncBlogs { items { id } startedAt } }").await;
    assert_eq!(blogs.ids(), ["b"]);
    let posts = K.asks_as(DATASTORE, site, "{ syncPosts { items { id } startedAt } }").await;
    posts.is_unauthorized();
}
}

mod where_get_tells_nothing {
    use super::*;

    fn silent(config: &mut Config) {
        users_first(config);
        config.engine.authz.hidden_get = HiddenGet::Null;
    }

    on_both_stores! { SECRETS.configured(silent);

    async fn hidden_and_missing_records_answer_gets_alike(site: &Site) {
        create(site, A, "Post", r#"id: "p""#).await.value();
        for id in ["p", "q"] {
            assert_eq!(get(site, B, "Post", id).await.value(), Value::Null);
        }
        get(site, K, "Post", "p").await.is_unauthorized();
    }
    }
}

mod where_writes_conflict {
    use super::*;

    on_both_stores! { Plan::optimistic(include_str!("../../schemas/secrets.graphql")).configured(users_first);

    async fn the_record_in_a_conflict_shows_what_the_caller_may_read(site: &Site) {
        workers(site).await;
        update(site, G, "Worker", r#"id: "w1", salary: 9, _version: 1"#).await.value();
        let stale = r#"mutation { updateWorker(input: {id: "w1", name: "x", _version: 1}) { id name salary } }"#;
        let reply = A.asks(site, stale).await;
        reply.is_refused_as("ConflictUnhandled");
        let data = &reply.refusal()["data"];
        assert_eq!((&data["name"], &data["salary"], &data["_version"]), (&json!("a"), &Value::Null, &json!(2)));
        B.asks(site, stale).await.is_unauthorized();
    }
    }
}
