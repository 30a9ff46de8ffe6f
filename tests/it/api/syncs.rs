//! `syncXs`: base and delta (`sync-semantics` 4).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::site::{Plan, Site, on_both_stores};

const PLAN: Plan = Plan::of(include_str!("../../schemas/keys.graphql"));

async fn save(site: &Site, code: &str, percent: i64) -> Value {
    let input = json!({"code": code, "percent": percent});
    site.mutate("createCoupon", input, "_lastChangedAt")
        .await
        .value()
}

async fn change(site: &Site, code: &str, percent: i64, version: i64) {
    let input = json!({"code": code, "percent": percent, "_version": version});
    site.mutate("updateCoupon", input, "code").await.value();
}

async fn delete(site: &Site, code: &str, version: i64) {
    let input = json!({"code": code, "_version": version});
    site.mutate("deleteCoupon", input, "code").await.value();
}

/// One page.
async fn page(site: &Site, arguments: &str) -> Value {
    site.read(&format!(
        "{{ syncCoupons({arguments}) {{ items {{ code percent _version _deleted _lastChangedAt }} nextToken startedAt }} }}"
    ))
    .await
}

/// Every page as the JavaScript client reads them: the last state of each record, and when it began.
async fn synced(site: &Site, arguments: &str) -> (BTreeMap<String, Value>, Value) {
    let mut records: BTreeMap<String, Value> = BTreeMap::new();
    let mut started = None;
    let mut next = Value::Null;
    for _ in 0..100 {
        let page = page(site, &format!("{arguments} nextToken: {next}")).await;
        assert_eq!(
            *started.get_or_insert(page["startedAt"].clone()),
            page["startedAt"]
        );
        for item in page["items"].as_array().expect("items") {
            let code = item["code"].as_str().expect("a code").to_owned();
            let before = records.insert(code, item.clone());
            assert!(
                before
                    .is_none_or(|before| before["_version"].as_i64() <= item["_version"].as_i64())
            );
        }
        next = page["nextToken"].clone();
        if next.is_null() {
            return (records, started.expect("a page"));
        }
    }
    panic!("the pages do not end");
}

fn names(records: &BTreeMap<String, Value>) -> Vec<&str> {
    records.keys().map(String::as_str).collect()
}

on_both_stores! { PLAN;

/// Section 4.2, SYNC-5: without a time, with null, 0 or a negative one everything comes, tombstones included.
async fn without_a_time_everything_comes_tombstones_included(site: &Site) {
    for code in ["a", "b", "c"] {
        save(site, code, 1).await;
    }
    change(site, "a", 2, 1).await;
    delete(site, "b", 1).await;
    for last_sync in ["limit: 2", "lastSync: null", "lastSync: 0", "lastSync: -5"] {
        let (records, _) = synced(site, last_sync).await;
        assert_eq!(names(&records), ["a", "b", "c"], "{last_sync}");
        assert_eq!((&records["a"]["percent"], &records["a"]["_version"]), (&json!(2), &json!(2)));
        assert_eq!((&records["b"]["_deleted"], &records["b"]["percent"]), (&json!(true), &json!(1)));
        assert_eq!(records["c"]["_deleted"], Value::Null);
    }
}

/// Section 4.2, B3: with the last `startedAt` only what changed since comes, deletions included; and nothing is missed.
async fn with_a_time_only_what_changed_comes(site: &Site) {
    for code in ["a", "b", "c", "d"] {
        save(site, code, 1).await;
    }
    let barrier = save(site, "barrier", 0).await["_lastChangedAt"].as_i64().expect("a time");
    // Later writes must be told apart by the millisecond.
    let mut at = barrier;
    let mut n = 1;
    while at <= barrier {
        change(site, "barrier", n, n).await;
        n += 1;
        let record = site.read("{ getCoupon(code: \"barrier\") { _lastChangedAt } }").await;
        at = record["_lastChangedAt"].as_i64().expect("a time");
    }
    change(site, "a", 2, 1).await;
    change(site, "a", 3, 2).await;
    delete(site, "b", 1).await;
    save(site, "e", 1).await;
    let (records, _) = synced(site, &format!("lastSync: {barrier}, limit: 2,")).await;
    assert_eq!(names(&records), ["a", "b", "barrier", "e"]);
    assert_eq!(records["a"]["percent"], 3);
    assert_eq!(records["b"]["_deleted"], true);
}

/// SYNC-1, CL-1, CL-2: no change after a sync has a time at or below its `startedAt`, and that is near now.
async fn started_at_misses_nothing(site: &Site) {
    let mut last = json!(0);
    for n in 0..20 {
        let code = format!("c{n}");
        let changed = save(site, &code, n).await["_lastChangedAt"].clone();
        let (records, started) = synced(site, &format!("lastSync: {last}")).await;
        assert!(records.contains_key(&code), "{code} is missing after {last}");
        let (started_at, changed) = (started.as_i64().expect("a number"), changed.as_i64().expect("a number"));
        assert!((started_at - changed).abs() < 15_000, "{started_at} {changed}");
        last = started;
    }
}

/// What did not change is not sent again, whether the client's time is the last `startedAt` or a little ahead of us.
async fn a_delta_without_changes_holds_nothing_old(site: &Site) {
    let old = save(site, "old", 1).await["_lastChangedAt"].clone();
    let mut newest = save(site, "new", 0).await["_lastChangedAt"].clone();
    let mut version = 1;
    while newest.as_i64() <= old.as_i64().map(|old| old + 2) {
        change(site, "new", version, version).await;
        version += 1;
        newest = site.read("{ getCoupon(code: \"new\") { _lastChangedAt } }").await["_lastChangedAt"].clone();
    }
    let (_, started) = synced(site, "").await;
    let ahead = json!(newest.as_i64().expect("a time") + 30_000);
    for last_sync in [started, newest, ahead] {
        let (records, _) = synced(site, &format!("lastSync: {last_sync}")).await;
        assert!(!records.contains_key("old"), "{last_sync}: {records:?}");
    }
}

/// `client-js` rule 19: `lastSync` is in milliseconds, beyond 32 bits, also as a variable; `limit` goes to 1000.
async fn a_time_beyond_32_bits_is_taken(site: &Site) {
    save(site, "a", 1).await;
    let query = "query operation($limit: Int, $nextToken: String, $lastSync: AWSTimestamp, $filter: ModelCouponFilterInput) {
        syncCoupons(limit: $limit, nextToken: $nextToken, lastSync: $lastSync, filter: $filter) {
            items { code } nextToken startedAt } }";
    let variables = json!({"limit": 1000, "nextToken": null, "lastSync": 1_600_000_000_000_i64, "filter": null});
    let answer = site.ask(query, variables).await.value();
    assert_eq!(answer["items"], json!([{"code": "a"}]));
    assert_eq!(answer.get("nextToken"), Some(&Value::Null));
    assert!(answer["startedAt"].as_i64().expect("a number") > 1_600_000_000_000);
}

/// SYNC-2, SYNC-4: pages hold at most what is asked for and lead to the end, whatever the filter leaves.
async fn a_filtered_sync_is_complete_over_its_pages(site: &Site) {
    for n in 0..25 {
        save(site, &format!("c{n:02}"), n).await;
    }
    delete(site, "c03", 1).await;
    delete(site, "c20", 1).await;
    let first = page(site, "limit: 4").await;
    assert_eq!(first["items"].as_array().expect("items").len(), 4);
    let (records, _) = synced(site, "limit: 4, filter: {percent: {lt: 5}},").await;
    assert_eq!(names(&records), ["c00", "c01", "c02", "c03", "c04"]);
    // SYNC-5: the filter speaks of what tombstones keep.
    assert_eq!(records["c03"]["_deleted"], true);
    let (records, _) = synced(site, "filter: {and: [{code: {eq: \"c20\"}}, {percent: {gt: 1}}]},").await;
    assert_eq!(names(&records), ["c20"]);
}

/// SYNC-9: a record that leaves the filter is not mentioned, one that enters it is.
async fn a_delta_is_filtered_by_the_newest_image(site: &Site) {
    save(site, "leaves", 1).await;
    save(site, "enters", 9).await;
    let (_, started) = synced(site, "").await;
    change(site, "leaves", 9, 1).await;
    change(site, "enters", 1, 1).await;
    let (records, _) = synced(site, &format!("lastSync: {started}, filter: {{percent: {{lt: 5}}}},")).await;
    assert_eq!(names(&records), ["enters"]);
}

/// SYNC-7, CL-2: what is written between the pages of a base sync is in a later page or in the next delta.
async fn a_write_between_pages_is_not_lost(site: &Site) {
    for n in 0..9 {
        save(site, &format!("c{n}"), 0).await;
    }
    let first = page(site, "limit: 3").await;
    let started = first["startedAt"].clone();
    for n in 0..9 {
        change(site, &format!("c{n}"), 5, 1).await;
    }
    save(site, "c9", 5).await;
    let mut local: BTreeMap<String, Value> = BTreeMap::new();
    let mut pages = vec![first.clone()];
    let mut next = first["nextToken"].clone();
    while !next.is_null() {
        let page = page(site, &format!("limit: 3, nextToken: {next}")).await;
        assert_eq!(page["startedAt"], started);
        next = page["nextToken"].clone();
        pages.push(page);
    }
    for item in pages.iter().flat_map(|page| page["items"].as_array().expect("items")) {
        local.insert(item["code"].to_string(), item.clone());
    }
    let (delta, _) = synced(site, &format!("lastSync: {started},")).await;
    local.extend(delta.into_values().map(|item| (item["code"].to_string(), item)));
    assert_eq!(local.len(), 10);
    assert!(local.values().all(|item| item["percent"] == 5), "{local:?}");
}

/// `errata.md` row 51: clients that send their own clock get what may have been committed while it ran ahead.
async fn clients_with_their_own_clock_get_an_overlap(site: &mut Site) {
    let changed = save(site, "a", 1).await["_lastChangedAt"].as_i64().expect("a time");
    site.speak_as(&[("user-agent", "amplify-android/2.0.0 (Android 14)")]);
    let (records, _) = synced(site, &format!("lastSync: {}", changed + 60_000 - 1_000)).await;
    assert_eq!(names(&records), ["a"]);
}

/// `errata.md` row 51: a `lastSync` far in the future is no time of this server, so everything comes.
async fn a_time_far_in_the_future_brings_everything(site: &Site) {
    let changed = save(site, "a", 1).await["_lastChangedAt"].as_i64().expect("a time");
    save(site, "b", 1).await;
    let (records, _) = synced(site, &format!("lastSync: {}", changed + 3_600_000)).await;
    assert_eq!(names(&records), ["a", "b"]);
}

/// SYNC-11, `errata.md` row 18: a token belongs to its filter and its `lastSync`.
async fn a_sync_token_belongs_to_its_question(site: &Site) {
    for code in ["a", "b", "c"] {
        save(site, code, 1).await;
    }
    let token = page(site, "limit: 1").await["nextToken"].clone();
    assert!(token.is_string());
    for arguments in ["filter: {percent: {gt: 0}}", "lastSync: 1600000000000"] {
        let query = format!("{{ syncCoupons(nextToken: {token}, {arguments}) {{ nextToken }} }}");
        let error = site.ask(&query, json!({})).await.refusal();
        assert_eq!(error["errorType"], "DynamoDB:UserIllegalArgumentException", "{arguments}");
    }
}
}
