//! Rows 1 to 14, 27 and 40 to 45 of the table: owners, nobody and anybody.

use serde_json::json;

use super::*;
use crate::support::site::on_both_stores;

async fn note_of_alice(site: &Site) {
    create(site, A, "Note", r#"id: "r1", title: "t""#)
        .await
        .value();
}

on_both_stores! { RULES;

/// Row 1.
async fn a_model_without_rules_is_nobodys(site: &Site) {
    for who in [A, G, K, Oidc] {
        create(site, who, "Plain", r#"id: "r1""#).await.is_unauthorized();
        get(site, who, "Plain", "r1").await.is_unauthorized();
        list(site, who, "Plains").await.is_unauthorized();
        sync(site, who, "Plains").await.is_unauthorized();
        update(site, who, "Plain", r#"id: "r1", _version: 1"#).await.is_unauthorized();
        delete(site, who, "Plain", "r1", 1).await.is_unauthorized();
    }
    assert_eq!(site.server.ask("{ getPlain(id: \"r1\") { id } }", &[]).await.status(), 401);
}

/// Row 2.
async fn who_creates_a_record_owns_it(site: &Site) {
    let query = r#"mutation { createNote(input: {id: "r1"}) { id owner } }"#;
    assert_eq!(A.asks(site, query).await.value(), json!({"id": "r1", "owner": "alice"}));
    let stored = r#"{ listNotes(filter: {owner: {beginsWith: "sA::alice"}}) { items { id } } }"#;
    assert_eq!(A.asks(site, stored).await.ids(), ["r1"]);
}

/// Row 3.
async fn owners_may_name_themselves_by_any_form(site: &Site) {
    for (id, owner) in [("1", "alice"), ("2", "sA"), ("3", "sA::alice")] {
        let input = format!("id: \"{id}\", owner: \"{owner}\"");
        create(site, A, "Note", &input).await.value();
        get(site, A, "Note", id).await.value();
        get(site, B, "Note", id).await.is_unauthorized();
    }
}

/// Rows 4 and 5.
async fn nobody_creates_for_somebody_else_or_for_nobody(site: &Site) {
    create(site, A, "Note", r#"id: "r1", owner: "bob""#).await.is_unauthorized();
    create(site, A, "Note", r#"id: "r1", owner: null"#).await.is_unauthorized();
    assert_eq!(get(site, A, "Note", "r1").await.value(), Value::Null);
}

/// Rows 6 and 7.
async fn only_the_owner_gets_a_record(site: &Site) {
    note_of_alice(site).await;
    get(site, A, "Note", "r1").await.value();
    for who in [B, G, K, Oidc] {
        get(site, who, "Note", "r1").await.is_unauthorized();
    }
    assert_eq!(site.server.ask("{ getNote(id: \"r1\") { id } }", &[]).await.status(), 401);
    for who in [A, B] {
        assert_eq!(get(site, who, "Note", "unknown").await.value(), Value::Null);
    }
}

/// Row 8.
async fn lists_and_syncs_hold_the_owners_records(site: &Site) {
    note_of_alice(site).await;
    create(site, B, "Note", r#"id: "r2""#).await.value();
    create(site, G, "Note", r#"id: "r3""#).await.value();
    for (who, ids) in [(A, vec!["r1"]), (B, vec!["r2"]), (D, vec![])] {
        assert_eq!(list(site, who, "Notes").await.ids(), ids, "{who:?}");
        assert_eq!(sync(site, who, "Notes").await.ids(), ids, "{who:?}");
    }
}

/// Rows 9 and 14.
async fn only_the_owner_changes_and_deletes_a_record(site: &Site) {
    note_of_alice(site).await;
    let change = r#"id: "r1", title: "new", _version: 1"#;
    update(site, B, "Note", change).await.is_unauthorized();
    delete(site, B, "Note", "r1", 1).await.is_unauthorized();
    update(site, A, "Note", change).await.value();
    for who in [A, B] {
        update(site, who, "Note", r#"id: "unknown", title: "x", _version: 1"#).await.is_unauthorized();
        delete(site, who, "Note", "unknown", 1).await.is_unauthorized();
    }
    delete(site, A, "Note", "r1", 2).await.value();
}

/// Row 10.
async fn an_owner_may_give_a_record_away(site: &Site) {
    note_of_alice(site).await;
    update(site, A, "Note", r#"id: "r1", owner: "bob", _version: 1"#).await.value();
    get(site, A, "Note", "r1").await.is_unauthorized();
    get(site, B, "Note", "r1").await.value();
    assert_eq!(sync(site, B, "Notes").await.ids(), ["r1"]);
    assert_eq!(sync(site, A, "Notes").await.ids(), [""; 0]);
}

/// Row 11.
async fn an_owner_field_with_its_own_rule_stays_with_its_owner(site: &Site) {
    create(site, A, "Guarded", r#"id: "r1", title: "t""#).await.value();
    let away = r#"id: "r1", owner: "bob", _version: 1"#;
    update(site, A, "Guarded", away).await.is_unauthorized_on("owner");
    update(site, A, "Guarded", r#"id: "r1", title: "u", _version: 1"#).await.value();
    create(site, A, "Guarded", r#"id: "r2", owner: "alice""#).await.is_unauthorized_on("owner");
}

/// Rows 12 and 13.
async fn who_may_not_delete_erases_nothing(site: &Site) {
    create(site, A, "Kept", r#"id: "r1", title: "t""#).await.value();
    let erase = r#"id: "r1", title: null, _version: 1"#;
    update(site, A, "Kept", erase).await.is_unauthorized_on("title");
    delete(site, A, "Kept", "r1", 1).await.is_unauthorized();
    update(site, A, "Kept", r#"id: "r1", title: "u", _version: 1"#).await.value();
}

/// Row 23.
async fn signed_in_users_do_everything_where_private_is_allowed(site: &Site) {
    create(site, A, "Forum", r#"id: "r1""#).await.value();
    update(site, B, "Forum", r#"id: "r1", title: "b", _version: 1"#).await.value();
    for who in [A, B, G] {
        get(site, who, "Forum", "r1").await.value();
        assert_eq!(list(site, who, "Forums").await.ids(), ["r1"]);
        assert_eq!(sync(site, who, "Forums").await.ids(), ["r1"]);
    }
    for who in [K, Oidc] {
        list(site, who, "Forums").await.is_unauthorized();
        sync(site, who, "Forums").await.is_unauthorized();
        delete(site, who, "Forum", "r1", 2).await.is_unauthorized();
    }
    delete(site, G, "Forum", "r1", 2).await.value();
    assert_eq!(site.server.ask("{ listForums { items { id } } }", &[]).await.status(), 401);
}

/// Row 25.
async fn keys_do_everything_where_public_is_allowed(site: &Site) {
    create(site, K, "Public", r#"id: "r1""#).await.value();
    assert_eq!(sync(site, K, "Publics").await.ids(), ["r1"]);
    update(site, K, "Public", r#"id: "r1", title: "x", _version: 1"#).await.value();
    delete(site, K, "Public", "r1", 2).await.value();
    for who in [A, G, Oidc] {
        create(site, who, "Public", r#"id: "r2""#).await.is_unauthorized();
        get(site, who, "Public", "r1").await.is_unauthorized();
        sync(site, who, "Publics").await.is_unauthorized();
    }
}

/// Row 27.
async fn the_rules_of_another_provider_give_a_user_nothing(site: &Site) {
    create(site, A, "Poster", r#"id: "r1""#).await.value();
    create(site, B, "Poster", r#"id: "r2""#).await.value();
    for (who, ids) in [(K, vec!["r1", "r2"]), (A, vec!["r1"]), (D, vec![])] {
        assert_eq!(list(site, who, "Posters").await.ids(), ids, "{who:?}");
        assert_eq!(sync(site, who, "Posters").await.ids(), ids, "{who:?}");
    }
    create(site, K, "Poster", r#"id: "r3""#).await.is_unauthorized();
}

/// Row 40.
async fn a_legacy_claim_stores_the_name_alone(site: &Site) {
    let query = r#"mutation { createLegacy(input: {id: "r1"}) { owner } }"#;
    assert_eq!(A.asks(site, query).await.value(), json!({"owner": "alice"}));
    let stored = r#"{ listLegacies(filter: {owner: {eq: "alice"}}) { items { id } } }"#;
    assert_eq!(A.asks(site, stored).await.ids(), ["r1"]);
    get(site, B, "Legacy", "r1").await.is_unauthorized();
    assert_eq!(sync(site, A, "Legacies").await.ids(), ["r1"]);
    assert_eq!(sync(site, B, "Legacies").await.ids(), [""; 0]);
}

/// Row 41: an access token has no `email`.
async fn a_token_without_a_part_of_the_claim_owns_nothing_and_finds_by_the_rest(site: &Site) {
    create(site, A, "Mailed", r#"id: "r1""#).await.is_unauthorized();
    create(site, AliceById, "Mailed", r#"id: "r2""#).await.value();
    create(site, AliceById, "Mailed", r#"id: "r3", owner: "sA""#).await.value();
    assert_eq!(list(site, AliceById, "Maileds").await.ids(), ["r2", "r3"]);
    assert_eq!(list(site, A, "Maileds").await.ids(), ["r3"]);
    assert_eq!(sync(site, A, "Maileds").await.ids(), ["r3"]);
    update(site, A, "Mailed", r#"id: "r3", title: "x", _version: 1"#).await.is_unauthorized();
}

/// Row 42.
async fn a_record_may_have_several_owners(site: &Site) {
    let query = r#"mutation { createPaper(input: {id: "r1"}) { editors } }"#;
    assert_eq!(A.asks(site, query).await.value(), json!({"editors": ["alice"]}));
    create(site, A, "Paper", r#"id: "r2", editors: ["alice", "bob"]"#).await.value();
    create(site, A, "Paper", r#"id: "r3", editors: ["bobby"]"#).await.is_unauthorized();
    assert_eq!(list(site, A, "Papers").await.ids(), ["r1", "r2"]);
    assert_eq!(list(site, B, "Papers").await.ids(), ["r2"]);
    assert_eq!(sync(site, B, "Papers").await.ids(), ["r2"]);
    update(site, B, "Paper", r#"id: "r2", title: "b", _version: 1"#).await.value();
    update(site, B, "Paper", r#"id: "r1", title: "b", _version: 1"#).await.is_unauthorized();
}

/// `errata.md` row 43, for lists: clients know owners by the last part.
async fn an_owner_in_a_list_may_be_named_by_any_form(site: &Site) {
    create(site, A, "Paper", r#"id: "1""#).await.value();
    create(site, A, "Paper", r#"id: "2", editors: ["alice", "bob"]"#).await.value();
    create(site, B, "Paper", r#"id: "3", editors: ["sA::alice", "sB::bob"]"#).await.value();
    for name in ["alice", "sA", "sA::alice"] {
        for field in ["listPapers", "syncPapers"] {
            let of = |test: &str| format!("{{ {field}(filter: {{editors: {{{test}: \"{name}\"}}}}) {{ items {{ id }} }} }}");
            assert_eq!(A.asks(site, &of("contains")).await.ids(), ["1", "2", "3"], "{name}");
            assert_eq!(A.asks(site, &of("notContains")).await.ids(), [""; 0], "{name}");
        }
    }
    for (name, ids) in [("bob", vec!["2", "3"]), ("sB", vec!["3"]), ("bo", vec![]), ("::bob", vec![])] {
        let query = format!("{{ listPapers(filter: {{editors: {{contains: \"{name}\"}}}}) {{ items {{ id }} }} }}");
        assert_eq!(A.asks(site, &query).await.ids(), ids, "{name}");
    }
}

/// Row 43.
async fn users_of_another_issuer_own_by_their_subject(site: &Site) {
    create(site, Oidc, "Abroad", r#"id: "r1""#).await.value();
    create(site, Oidc, "Abroad", r#"id: "r2", owner: "olga""#).await.is_unauthorized();
    let query = r#"{ getAbroad(id: "r1") { owner } }"#;
    assert_eq!(Oidc.asks(site, query).await.value(), json!({"owner": "sO"}));
    get(site, A, "Abroad", "r1").await.is_unauthorized();
    assert_eq!(sync(site, Oidc, "Abroads").await.ids(), ["r1"]);
    sync(site, A, "Abroads").await.is_unauthorized();
}

/// Row 44.
async fn who_comes_too_late_is_told_so_in_the_header(site: &Site) {
    let token = site.server.token_of(Kind::UserPool, &A.user(), Use::Access, -3_600);
    let response = site.server.ask("{ listNotes { items { id } } }", &[("authorization", &token)]).await;
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["x-amzn-errortype"], "UnauthorizedException");
}

/// Row 45.
async fn both_tokens_of_a_user_have_the_same_rights(site: &Site) {
    note_of_alice(site).await;
    create(site, AliceById, "Note", r#"id: "r2""#).await.value();
    for who in [A, AliceById] {
        assert_eq!(list(site, who, "Notes").await.ids(), ["r1", "r2"]);
        get(site, who, "Note", "r1").await.value();
    }
    update(site, AliceById, "Note", r#"id: "r1", title: "x", _version: 1"#).await.value();
}
}

/// Row 1, the sandbox.
mod in_a_sandbox {
    use super::*;

    const SANDBOX: &str = "input AMPLIFY { globalAuthRule: AuthRule = { allow: public } }
        type Plain @model { id: ID! }
        type Note @model @auth(rules: [{ allow: owner }]) { id: ID! }";

    on_both_stores! { Plan::of(SANDBOX).configured(users_first);

    async fn keys_do_everything_with_models_without_rules_and_nothing_else(site: &Site) {
        create(site, K, "Plain", r#"id: "r1""#).await.value();
        assert_eq!(list(site, K, "Plains").await.ids(), ["r1"]);
        assert_eq!(sync(site, K, "Plains").await.ids(), ["r1"]);
        delete(site, K, "Plain", "r1", 1).await.value();
        create(site, A, "Plain", r#"id: "r2""#).await.is_unauthorized();
        create(site, K, "Note", r#"id: "r1""#).await.is_unauthorized();
        list(site, K, "Notes").await.is_unauthorized();
    }
    }
}
