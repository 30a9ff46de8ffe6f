//! Get, list and their pages (`sync-semantics` 3, `transformer.md` 5).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::site::{Plan, Site, on_both_stores};

const PLAN: Plan = Plan::of(include_str!("../../schemas/keys.graphql"));

async fn coupons(site: &Site, count: usize) {
    for n in 0..count {
        let input = json!({"code": format!("c{n:03}"), "percent": n});
        site.mutate("createCoupon", input, "code").await.value();
    }
}

async fn delete(site: &Site, code: &str) {
    let input = json!({"code": code, "_version": 1});
    site.mutate("deleteCoupon", input, "code").await.value();
}

fn codes(items: &[Value]) -> BTreeSet<String> {
    let codes: BTreeSet<String> = items.iter().map(|item| item["code"].to_string()).collect();
    assert_eq!(codes.len(), items.len(), "a record comes twice: {items:?}");
    codes
}

async fn listed(site: &Site, arguments: &str) -> Vec<Value> {
    let query = format!(
        "{{ listCoupons({arguments} {{next}}) {{ items {{ code percent _deleted }} nextToken }} }}"
    );
    site.walk(&query).await
}

on_both_stores! { PLAN;

/// `client-native` R15: every shape of `variables` that a client sends.
async fn variables_may_be_absent_null_empty_or_undeclared(site: &Site) {
    coupons(site, 1).await;
    for rest in [
        "",
        r#","variables":null"#,
        r#","variables":{}"#,
        r#","variables":{"code":null,"other":[1]}"#,
        r#","operationName":null,"variables":{}"#,
        r#","operationName":"Q","extensions":{}"#,
    ] {
        let body = format!(r#"{{"query":"query Q {{ getCoupon(code: \"c000\") {{ percent }} }}"{rest}}}"#);
        let (status, kind, answer) = site.post(body).await;
        assert_eq!((status, kind), (200, None), "{rest}");
        assert_eq!(answer, json!({"data": {"getCoupon": {"percent": 0}}}), "{rest}");
    }
}

/// Q-1: DataStore's DISCARD adopts what get answers, so a tombstone is shown.
async fn q1_get_shows_a_tombstone_with_its_attributes(site: &Site) {
    coupons(site, 2).await;
    delete(site, "c001").await;
    assert_eq!(
        site.read("{ getCoupon(code: \"c001\") { code percent _version _deleted } }").await,
        json!({"code": "c001", "percent": 1, "_version": 2, "_deleted": true})
    );
}

/// Q-2: what is not there is null and no error.
async fn q2_a_missing_record_is_null(site: &Site) {
    assert_eq!(site.read("{ getCoupon(code: \"c\") { code } }").await, Value::Null);
}

/// Q-3, Q-4: tombstones are listed among the others, and `_deleted` filters them as AppSync's clients are used to.
async fn q3_q4_lists_hold_tombstones_unless_filtered_out(site: &Site) {
    coupons(site, 4).await;
    delete(site, "c002").await;
    let all = listed(site, "").await;
    assert_eq!(all.len(), 4);
    let dead: Vec<_> = all.iter().filter(|item| item["_deleted"] == true).collect();
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0]["code"], "c002");
    for filter in ["{ne: true}", "{attributeExists: false}"] {
        let live = listed(site, &format!("filter: {{_deleted: {filter}}}")).await;
        assert_eq!(codes(&live).len(), 3, "{filter}");
        assert!(live.iter().all(|item| item["_deleted"].is_null()), "{filter}");
    }
    let dead = listed(site, "filter: {_deleted: {eq: true}}").await;
    assert_eq!(codes(&dead), BTreeSet::from(["\"c002\"".to_owned()]));
    let none = listed(site, "filter: {_deleted: {eq: false}}").await;
    assert!(none.is_empty(), "{none:?}");
}

/// Q-6: a page has 100 records unless told otherwise; all pages together hold every record once.
async fn q6_pages_have_a_default_size_and_lose_and_repeat_nothing(site: &Site) {
    coupons(site, 103).await;
    let page = site.read("{ listCoupons { items { code } nextToken } }").await;
    assert_eq!(page["items"].as_array().expect("items").len(), 100);
    assert!(page["nextToken"].is_string());
    let whole = codes(&listed(site, "").await);
    assert_eq!(whole.len(), 103);
    for limit in [1, 7, 103, 1_000_000] {
        assert_eq!(codes(&listed(site, &format!("limit: {limit}")).await), whole, "{limit}");
    }
    let odd = listed(site, "limit: 2, filter: {percent: {ge: 100}}").await;
    assert_eq!(codes(&odd).len(), 3);
}

/// SYNC-3 holds for lists too: the end is an explicit null, also on a last page that is full.
async fn the_last_page_says_null(site: &Site) {
    coupons(site, 2).await;
    for limit in [2, 3] {
        let mut page = site.read(&format!("{{ listCoupons(limit: {limit}) {{ nextToken }} }}")).await;
        while let Some(token) = page["nextToken"].as_str() {
            page = site
                .read(&format!("{{ listCoupons(limit: {limit}, nextToken: \"{token}\") {{ nextToken items {{ code }} }} }}"))
                .await;
            assert_eq!(page["items"], json!([]));
        }
        assert_eq!(page.get("nextToken"), Some(&Value::Null));
    }
}

/// `errata.md` 2.1: a limit below one is refused.
async fn a_limit_below_one_is_refused(site: &Site) {
    for limit in [0, -5] {
        let answer = site.ask(&format!("{{ listCoupons(limit: {limit}) {{ nextToken }} }}"), json!({})).await;
        assert_eq!(answer.refusal()["errorType"], "InvalidArgumentsError", "{limit}");
    }
}

/// Q-7, Q-8: a token is opaque and belongs to its query, its arguments and its field.
async fn q7_q8_a_token_of_another_query_is_invalid(site: &Site) {
    coupons(site, 3).await;
    let page = site.read("{ listCoupons(limit: 1) { nextToken } }").await;
    let token = page["nextToken"].as_str().expect("a token").to_owned();
    assert!(!token.contains("c00"));
    let last = token.len() - 1;
    let forged = format!("{}{}", &token[..last], if token.ends_with('A') { 'B' } else { 'A' });
    for query in [
        format!("listCoupons(nextToken: \"{token}\", filter: {{percent: {{eq: 1}}}})"),
        format!("syncCoupons(nextToken: \"{token}\")"),
        format!("listShelves(nextToken: \"{token}\")"),
        format!("listCoupons(nextToken: \"{forged}\")"),
        "listCoupons(nextToken: \"\")".to_owned(),
        "syncCoupons(nextToken: \"nonsense\")".to_owned(),
    ] {
        let error = site.ask(&format!("{{ {query} {{ nextToken }} }}"), json!({})).await.refusal();
        assert_eq!(error["errorType"], "DynamoDB:UserIllegalArgumentException", "{query}");
        assert_eq!(
            error["message"],
            "com.amazonaws.deepdish.common.pagination.InvalidPaginationTokenException: Invalid pagination token given."
        );
    }
    // Another page size continues (`errata.md` row 18).
    let rest = site.read(&format!("{{ listCoupons(limit: 9, nextToken: \"{token}\") {{ items {{ code }} }} }}")).await;
    assert_eq!(rest["items"].as_array().expect("items").len(), 2);
}

/// A page is a place in the data: what is written behind it is seen, what is before it does not come again.
async fn a_token_goes_on_although_records_come_and_go(site: &Site) {
    coupons(site, 6).await;
    let query = "{ listCoupons(limit: 3) { items { code } nextToken } }";
    let page = site.read(query).await;
    let seen = page["items"].as_array().expect("items").clone();
    for item in &seen {
        delete(site, item["code"].as_str().expect("a code")).await;
    }
    let token = &page["nextToken"];
    let rest = site.read(&format!("{{ listCoupons(limit: 10, nextToken: {token}) {{ items {{ code _deleted }} nextToken }} }}")).await;
    let rest = rest["items"].as_array().expect("items");
    assert_eq!(rest.len(), 3);
    let both: Vec<Value> = seen.iter().chain(rest).cloned().collect();
    assert_eq!(codes(&both).len(), 6);
}

/// Aliases ask for several pages at once, each for itself.
async fn one_request_may_ask_for_several_pages(site: &Site) {
    coupons(site, 3).await;
    let query = "query q($low: Int) {
        low: listCoupons(filter: {percent: {lt: $low}}) { items { percent } }
        one: getCoupon(code: \"c002\") { ...it }
        none: getCoupon(code: \"x\") { ...it }
    } fragment it on Coupon { id: code __typename }";
    let answer = site.ask(query, json!({"low": 1})).await.0;
    assert_eq!(
        answer,
        json!({"data": {"low": {"items": [{"percent": 0}]},
            "one": {"id": "c002", "__typename": "Coupon"}, "none": null}})
    );
}
}
