//! What callers try to find out about records that are not theirs, or not theirs any more, by asking for something else.

use driftless_resolvers::authz::HiddenGet;
use serde_json::json;

use super::*;
use crate::support::site::on_both_stores;

const GUESSES: Plan =
    Plan::of(include_str!("../../schemas/guesses.graphql")).configured(users_first);

/// Asks as some user of the pool.
async fn as_user(site: &Site, name: &str, subject: &str, query: &str) -> Reply {
    let user = User {
        name: name.to_owned(),
        subject: Some(subject.to_owned()),
        ..User::default()
    };
    let token = site
        .server
        .token_of(Kind::UserPool, &user, Use::Access, 3_600);
    let response = site.server.ask(query, &[("authorization", &token)]).await;
    let text = response.text().await.expect("a body");
    Reply {
        body: serde_json::from_str(&text).expect("JSON"),
        query: query.to_owned(),
    }
}

/// Links of somebody to a record of alice, to one that she deleted, and to none at all.
async fn links(site: &Site) {
    create(site, A, "Note", r#"id: "hidden", title: "secret""#)
        .await
        .value();
    create(site, A, "Note", r#"id: "gone", title: "secret""#)
        .await
        .value();
    delete(site, A, "Note", "gone", 1).await.value();
    for id in ["hidden", "gone", "missing"] {
        let input = format!("id: \"{id}\", linkNoteId: \"{id}\"");
        create(site, B, "Link", &input).await.value();
    }
}

/// What is told of each linked record, with its id left out.
async fn told(site: &Site, selection: &str) -> Vec<Value> {
    let mut told = Vec::new();
    for id in ["hidden", "gone", "missing"] {
        let query = format!("{{ getLink(id: \"{id}\") {{ note {{ {selection} }} }} }}");
        let body = B.asks(site, &query).await.body;
        assert!(!body.to_string().contains("secret"), "{body:#}");
        told.push(serde_json::from_str(&body.to_string().replace(id, "ID")).expect("JSON"));
    }
    told
}

/// What a refused create tells, without what tells requests apart.
fn blocked(reply: &Reply) -> (Value, Value) {
    let error = reply.refusal();
    (error["errorType"].clone(), error["data"].clone())
}

on_both_stores! { GUESSES;

/// `errata.md` row 14 answers a repeated create with the record: but not with what somebody else made of it.
async fn a_repeated_create_does_not_show_what_became_of_a_record(site: &Site) {
    let query = r#"mutation { createNote(input: {id: "p", title: "t"}) { id title _version } }"#;
    let made = A.asks(site, query).await.value();
    assert_eq!(A.asks(site, query).await.value(), made, "nothing has changed");
    update(site, A, "Note", r#"id: "p", owner: "bob", _version: 1"#).await.value();
    update(site, B, "Note", r#"id: "p", title: "secret", _version: 2"#).await.value();
    let reply = A.asks(site, query).await;
    assert_eq!(blocked(&reply), (json!("ConditionalCheckFailedException"), Value::Null));
}

async fn a_stale_write_after_a_change_of_owner_shows_nothing(site: &Site) {
    create(site, A, "Note", r#"id: "p", title: "t""#).await.value();
    update(site, A, "Note", r#"id: "p", owner: "bob", _version: 1"#).await.value();
    update(site, B, "Note", r#"id: "p", title: "secret", _version: 2"#).await.value();
    for version in [1, 2, 3] {
        update(site, A, "Note", &format!("id: \"p\", title: \"x\", _version: {version}")).await.is_unauthorized();
        delete(site, A, "Note", "p", version).await.is_unauthorized();
    }
    // A repetition of what was allowed once is none any more.
    update(site, A, "Note", r#"id: "p", owner: "bob", _version: 1"#).await.is_unauthorized();
}

async fn the_order_of_a_page_tells_nothing_of_a_field_its_caller_may_not_read(site: &Site) {
    create(site, A, "Team", r#"id: "t""#).await.value();
    for (id, salary) in [("rich", 9), ("poor", 1)] {
        let input = format!("id: \"{id}\", team: \"t\", salary: {salary}");
        create(site, G, "Member", &input).await.value();
    }
    for arguments in [r#"team: "t""#, r#"team: "t", sortDirection: DESC"#, r#"team: "t", salary: {gt: 0}"#] {
        let query = format!("{{ membersOfTeam({arguments}) {{ items {{ id }} }} }}");
        A.asks(site, &query).await.is_unauthorized();
        assert_eq!(G.asks(site, &query).await.ids(), ["poor", "rich"]);
    }
    let query = r#"{ getTeam(id: "t") { members { items { id } } } }"#;
    let refused = A.asks(site, query).await;
    assert_eq!(refused.data()["getTeam"], json!({"members": null}));
    assert_eq!(refused.errors()[0]["message"], "Not Authorized to access members on type Team");
    let ordered = G.asks(site, query).await.value();
    assert_eq!(ordered["members"]["items"], json!([{"id": "poor"}, {"id": "rich"}]));
}

/// `errata.md` row 6: the key is the record's own, whatever it leads to.
async fn a_key_leads_to_hidden_deleted_and_missing_records_alike(site: &Site) {
    links(site).await;
    let told = told(site, "id _deleted __typename").await;
    let note = json!({"id": "ID", "_deleted": null, "__typename": "Note"});
    assert_eq!(told, vec![json!({"data": {"getLink": {"note": note}}}); 3]);
}

async fn a_mutation_does_not_show_where_its_foreign_key_leads(site: &Site) {
    links(site).await;
    for id in ["hidden", "missing"] {
        let query = format!(
            "mutation {{ createLink(input: {{linkNoteId: \"{id}\"}}) {{ note {{ title owner }} }} }}"
        );
        assert_eq!(B.asks(site, &query).await.value(), json!({"note": null}), "{id}");
    }
}

async fn a_page_token_shows_nothing_of_what_was_taken_away_since(site: &Site) {
    for id in ["d1", "d2", "d3"] {
        let input = format!("id: \"{id}\", readers: [\"alice\", \"bob\"]");
        create(site, A, "Diary", &input).await.value();
    }
    let page = |field: &str, token: &str| format!("{{ {field}(limit: 1{token}) {{ items {{ id }} nextToken }} }}");
    let fields = ["listDiaries", "syncDiaries"];
    let mut tokens = Vec::new();
    for field in fields {
        let first = B.asks(site, &page(field, "")).await.value();
        assert_eq!(first["items"], json!([{"id": "d1"}]));
        tokens.push(format!(", nextToken: {}", first["nextToken"]));
    }
    for id in ["d2", "d3"] {
        let taken = format!("id: \"{id}\", readers: [\"alice\"], _version: 1");
        update(site, A, "Diary", &taken).await.value();
    }
    for (field, token) in fields.iter().zip(tokens) {
        let next = B.asks(site, &page(field, &token)).await.value();
        assert_eq!(next, json!({"items": [], "nextToken": null}));
    }
}

async fn who_gave_a_record_away_does_not_hear_of_its_end(site: &Site) {
    create(site, A, "Note", r#"id: "given""#).await.value();
    create(site, A, "Note", r#"id: "kept""#).await.value();
    let mut socket = site.server.session().await;
    let query = "subscription { onDeleteNote { id title } }";
    socket.subscribe("s", query, &authorization(site, A)).await;
    update(site, A, "Note", r#"id: "given", owner: "bob", _version: 1"#).await.value();
    update(site, B, "Note", r#"id: "given", title: "secret", _version: 2"#).await.value();
    delete(site, B, "Note", "given", 3).await.value();
    delete(site, A, "Note", "kept", 1).await.value();
    let frame = socket.frame().await;
    assert_eq!(frame["payload"]["data"]["onDeleteNote"]["id"], "kept", "{frame}");
}

/// Names that users may choose are not taken for identities of others.
async fn who_calls_itself_after_somebody_else_is_somebody_else(site: &Site) {
    create(site, B, "Note", r#"id: "p", title: "secret""#).await.value();
    for (name, subject) in [("sB::bob", "sM"), ("bob", "sM"), ("bob", "sM::sB"), ("sB", "sM")] {
        let get = as_user(site, name, subject, r#"{ getNote(id: "p") { title } }"#).await;
        get.is_unauthorized();
        let list = as_user(site, name, subject, "{ listNotes { items { id } } }").await;
        assert_eq!(list.ids(), [""; 0], "{name} {subject}");
        let steal = r#"mutation { updateNote(input: {id: "p", owner: "m", _version: 1}) { id } }"#;
        as_user(site, name, subject, steal).await.is_unauthorized();
    }
    let own = r#"mutation { createNote(input: {id: "own"}) { id } }"#;
    as_user(site, "sB::bob", "sM", own).await.value();
    get(site, B, "Note", "own").await.is_unauthorized();
}

/// Ids are unique among all records, so that a taken one cannot be told from the others; but that is all.
async fn a_taken_id_tells_nothing_but_that_it_is_taken(site: &Site) {
    links(site).await;
    let taken = blocked(&create(site, B, "Note", r#"id: "hidden""#).await);
    assert_eq!(taken, (json!("ConditionalCheckFailedException"), Value::Null));
    assert_eq!(blocked(&create(site, B, "Note", r#"id: "gone""#).await), taken);
    let guess = r#"mutation { createNote(input: {id: "hidden"}, condition: {title: {eq: "secret"}}) { id title } }"#;
    assert_eq!(blocked(&B.asks(site, guess).await), taken);
    // A name the caller may not give itself is refused before anybody looks.
    for id in ["hidden", "missing"] {
        create(site, B, "Note", &format!("id: \"{id}\", owner: \"alice\"")).await.is_unauthorized();
    }
}

/// Errors of nested records have a place and a reason, and name no record.
async fn errors_in_nested_relations_name_nothing_that_is_hidden(site: &Site) {
    links(site).await;
    let query = "{ listLinks { items { id note { title owner } } } }";
    let reply = B.asks(site, query).await;
    for error in reply.errors() {
        assert_eq!(error["message"], "Not Authorized to access note on type Link");
        assert_eq!((&error["data"], &error["errorInfo"]), (&Value::Null, &Value::Null));
    }
    assert!(!reply.body.to_string().contains("secret"), "{reply:#?}");
}
}

mod where_get_tells_nothing {
    use super::*;

    fn silent(config: &mut Config) {
        users_first(config);
        config.engine.authz.hidden_get = HiddenGet::Null;
    }

    on_both_stores! { GUESSES.configured(silent);

    async fn relations_to_hidden_and_missing_records_answer_alike(site: &Site) {
        links(site).await;
        let told = told(site, "id title").await;
        assert_eq!(told, vec![json!({"data": {"getLink": {"note": null}}}); 3]);
    }
    }
}

mod where_creates_revive {
    use super::*;

    fn reviving(config: &mut Config) {
        users_first(config);
        config.engine.revive = true;
    }

    on_both_stores! { GUESSES.configured(reviving);

    /// Whose record it was may take the id again, and an administrator; for everybody else it is taken.
    async fn nobody_takes_over_what_somebody_else_deleted(site: &Site) {
        links(site).await;
        let over_live = blocked(&create(site, B, "Note", r#"id: "hidden""#).await);
        let over_deleted = blocked(&create(site, B, "Note", r#"id: "gone""#).await);
        assert_eq!(over_deleted, over_live);
        assert_eq!(over_deleted, (json!("ConditionalCheckFailedException"), Value::Null));
        let again = |owner: &str| format!(
            "mutation {{ createNote(input: {{id: \"gone\", title: \"again\"{owner}}}) {{ title _version _deleted }} }}"
        );
        let revived = A.asks(site, &again("")).await.value();
        assert_eq!(revived, json!({"title": "again", "_version": 3, "_deleted": null}));
        delete(site, A, "Note", "gone", 3).await.value();
        let given = G.asks(site, &again(", owner: \"bob\"")).await.value();
        assert_eq!(given["_version"], 5);
        get(site, B, "Note", "gone").await.value();
        get(site, A, "Note", "gone").await.is_unauthorized();
    }
    }
}

mod where_only_whole_identities_own {
    use super::*;

    fn strict(config: &mut Config) {
        users_first(config);
        config.engine.authz.strict_owner = true;
    }

    on_both_stores! { GUESSES.configured(strict);

    async fn a_name_alone_owns_nothing_and_who_names_itself_is_stored_as_a_whole(site: &Site) {
        let whole = r#"{ listNotes(filter: {owner: {beginsWith: "sA::alice"}}) { items { id } } }"#;
        for (id, owner) in [("1", "alice"), ("2", "sA"), ("3", "sA::alice")] {
            create(site, A, "Note", &format!("id: \"{id}\", owner: \"{owner}\"")).await.value();
        }
        assert_eq!(A.asks(site, whole).await.ids(), ["1", "2", "3"]);
        update(site, A, "Note", r#"id: "1", owner: "alice", _version: 1"#).await.value();
        assert_eq!(A.asks(site, whole).await.ids(), ["1", "2", "3"], "a client sends back what it sees");
        create(site, A, "Diary", r#"id: "d", readers: ["alice", "sB::bob"]"#).await.value();
        for who in [A, B] {
            get(site, who, "Diary", "d").await.value();
        }
        create(site, B, "Note", r#"id: "4", owner: "alice""#).await.is_unauthorized();
        create(site, G, "Note", r#"id: "bare", owner: "alice""#).await.value();
        get(site, A, "Note", "bare").await.is_unauthorized();
        let namesake = as_user(site, "alice", "sX", "{ listNotes { items { id } } }").await;
        assert_eq!(namesake.ids(), [""; 0]);
    }
    }
}

/// `errata.md` row 18: a page token belongs to a user, not to the user's token, and to no other user.
async fn page_tokens_outlive_restarts_and_the_tokens_of_their_callers(site: Site) {
    for id in ["n1", "n2", "n3"] {
        create(&site, A, "Note", &format!("id: \"{id}\""))
            .await
            .value();
    }
    let page = |field: &str, token: &str| {
        format!("{{ {field}(limit: 1{token}) {{ items {{ id }} nextToken }} }}")
    };
    let mut pages = Vec::new();
    for field in ["listNotes", "syncNotes"] {
        let first = A.asks(&site, &page(field, "")).await.value();
        assert_eq!(first["items"], json!([{"id": "n1"}]));
        pages.push(page(field, &format!(", nextToken: {}", first["nextToken"])));
    }
    let site = site.restarted(GUESSES).await;
    for page in pages {
        let next = AliceById.asks(&site, &page).await.value();
        assert_eq!(next["items"], json!([{"id": "n2"}]), "{page}");
        let refused = B.asks(&site, &page).await;
        assert_eq!(
            refused.refusal()["errorType"],
            "DynamoDB:UserIllegalArgumentException"
        );
    }
    site.finish().await;
}

#[tokio::test]
async fn page_tokens_outlive_restarts_on_sqlite() {
    page_tokens_outlive_restarts_and_the_tokens_of_their_callers(Site::sqlite(GUESSES).await).await;
}

#[tokio::test]
async fn page_tokens_outlive_restarts_on_postgres() {
    page_tokens_outlive_restarts_and_the_tokens_of_their_callers(Site::postgres(GUESSES).await)
        .await;
}
