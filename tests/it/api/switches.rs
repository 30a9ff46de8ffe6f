//! The switches of syncs, each in both positions: as it comes, all the better ones, and the profile of AppSync.

use driftless::config::Compat;
use driftless_resolvers::engine::MissingVersion;
use serde_json::{Value, json};

use crate::support::server::DATASTORE;
use crate::support::site::{Plan, Site, on_both_stores};

const PLAIN: Plan = Plan::of(include_str!("../../schemas/keys.graphql"));
const BETTER: Plan = PLAIN.configured(|config| {
    config.engine.revive = true;
    config.engine.hide_tombstones = true;
    config.engine.missing_version = MissingVersion::Latest;
});
const APPSYNC: Plan = PLAIN.configured(|config| Compat::AppSync.apply(config));

/// What a client can tell of the switches.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    /// A repeated create succeeds.
    replays: bool,
    /// A repeated update succeeds and makes no version.
    replays_updates: bool,
    /// A create over another record shows that.
    explains: bool,
    /// A DataStore client whose start is refused keeps its other subscriptions.
    denies_gently: bool,
    /// A record of 300 KB is told to subscribers.
    tells_large_records: bool,
    /// Subscribers are told what the mutation did not select.
    tells_whole_records: bool,
    /// A create over a tombstone succeeds.
    revives: bool,
    /// Lists and index queries leave tombstones out.
    hides: bool,
    /// A device that was away for an hour gets only what changed.
    delta_after_an_hour: bool,
    /// What changed a moment ago is told to a device that has just subscribed.
    repairs: bool,
    /// A write without a version counts.
    takes_unversioned: bool,
    /// A device that sends the time of its own clock gets what changed before that time, too.
    reaches_back: bool,
    /// A client that repeats a refused delete, or asks for the same page again and again, is answered later and later.
    slows_down: bool,
}

/// A client without a store.
const PLAIN_CLIENT: &str = "aws-amplify/6.22.1 api/1 framework/0";

const ORDER: &str = "id customer _version _deleted";

async fn look(site: &Site) -> Seen {
    let order = json!({"id": "o1", "customer": "c"});
    let create = |input: Value| site.mutate("createOrder", input, ORDER);
    create(order.clone()).await.value();
    let replays = succeeds(&create(order).await.0);
    let gone = json!({"id": "o1", "_version": 1});
    site.mutate("deleteOrder", gone, ORDER).await.value();
    let hides = hides(site).await;
    let revives = succeeds(&create(json!({"id": "o1", "customer": "d"})).await.0);
    Seen {
        replays,
        replays_updates: replays_updates(site).await,
        explains: explains(site).await,
        denies_gently: denies_gently(site).await,
        tells_large_records: tells_large_records(site).await,
        revives,
        hides,
        delta_after_an_hour: delta_after_an_hour(site).await,
        repairs: repairs(site).await,
        tells_whole_records: tells_whole_records(site).await,
        takes_unversioned: takes_unversioned(site).await,
        reaches_back: reaches_back(site).await,
        slows_down: slows_down(site).await,
    }
}

fn succeeds(answer: &Value) -> bool {
    answer.get("errors").is_none()
}

async fn hides(site: &Site) -> bool {
    let get = site.read("{ getOrder(id: \"o1\") { _deleted } }").await;
    assert_eq!(get["_deleted"], true, "get shows it in every position");
    let synced = site.read("{ syncOrders { items { id } } }").await;
    assert_eq!(synced["items"], json!([{"id": "o1"}]), "sync as well");
    let asked = "{ listOrders(filter: {_deleted: {eq: true}}) { items { id } } }";
    assert_eq!(site.read(asked).await["items"], json!([{"id": "o1"}]));
    let listed = site.read("{ listOrders { items { id } } }").await;
    let indexed = "{ ordersByCustomer(customer: \"c\") { items { id } } }";
    let indexed = site.read(indexed).await;
    assert_eq!(listed, indexed);
    listed["items"] == json!([])
}

/// A base sync is in the order of keys, a delta in the order of changes.
async fn delta_after_an_hour(site: &Site) -> bool {
    let mut last = 0;
    for code in ["b", "a"] {
        let input = json!({"code": code});
        let coupon = site.mutate("createCoupon", input, "_lastChangedAt").await;
        last = coupon.value()["_lastChangedAt"].as_i64().expect("a time");
    }
    let an_hour_ago = last - 3_600_000;
    let query = format!("{{ syncCoupons(lastSync: {an_hour_ago}) {{ items {{ code }} }} }}");
    site.read(&query).await["items"] == json!([{"code": "b"}, {"code": "a"}])
}

async fn replays_updates(site: &Site) -> bool {
    let reading =
        |value: i64| json!({"device": "d", "day": "2026-01-01", "hour": 1, "value": value});
    let created = site.mutate("createReading", reading(1), "device").await;
    created.value();
    let mut version = Value::Null;
    for _ in 0..2 {
        let mut input = reading(2);
        input["_version"] = json!(1);
        let updated = site.mutate("updateReading", input, "_version").await;
        version = updated.value()["_version"].clone();
    }
    version == 2
}

async fn explains(site: &Site) -> bool {
    let other = json!({"device": "d", "day": "2026-01-01", "hour": 1, "value": 9});
    let answer = site.mutate("createReading", other, "device value").await.0;
    let error = &answer["errors"][0];
    assert_eq!(error["errorType"], "ConditionalCheckFailedException");
    error["data"]["device"] == "d"
}

async fn denies_gently(site: &Site) -> bool {
    let mut socket = site.server.session().await;
    let mut authorization = site.server.authorization(DATASTORE);
    authorization["x-api-key"] = json!("da2-00000000000000000000000000");
    let query = "subscription operation { onCreateShelf { row } }";
    socket.start("a", query, &authorization).await;
    let frame = socket.frame().await;
    match frame["payload"]["errors"][0]["errorType"].as_str() {
        Some("OperationDisabled") => true,
        Some("Unauthorized") => false,
        _ => panic!("{frame}"),
    }
}

async fn tells_large_records(site: &Site) -> bool {
    let mut socket = site.server.session().await;
    let authorization = site.server.authorization(PLAIN_CLIENT);
    let query = "subscription operation { onCreateOrder { number note } }";
    socket.subscribe("a", query, &authorization).await;
    let order = |number: i64, note: &str| json!({"customer": "z", "state": "OPEN", "number": number, "note": note});
    for order in [order(1, &"x".repeat(300_000)), order(2, "small")] {
        site.mutate("createOrder", order, "id number note")
            .await
            .value();
    }
    let frame = socket.frame().await;
    frame["payload"]["data"]["onCreateOrder"]["number"] == 1
}

async fn takes_unversioned(site: &Site) -> bool {
    for mutation in ["createCoupon", "updateCoupon"] {
        let percent = i64::from(mutation == "updateCoupon");
        let coupon = json!({"code": "u", "percent": percent});
        site.mutate(mutation, coupon, "code").await.value();
    }
    let stored = site.read("{ getCoupon(code: \"u\") { percent } }").await;
    stored["percent"] == 1
}

async fn reaches_back(site: &Site) -> bool {
    let coupon = site.read("{ getCoupon(code: \"u\") { _lastChangedAt } }");
    let last = coupon.await["_lastChangedAt"].clone();
    let query = format!("{{ syncCoupons(lastSync: {last}) {{ items {{ code }} }} }}");
    let headers = [
        ("user-agent", "amplify-android/2.40.0 (Android 14)"),
        ("x-api-key", &site.server.key),
    ];
    let answer = site.server.ask(&query, &headers).await.text().await;
    answer.expect("an answer").contains("\"u\"")
}

/// The fifth and the sixth time it takes 400 and 800 milliseconds.
async fn slows_down(site: &Site) -> bool {
    let mut took = Vec::new();
    for _ in 0..6 {
        let begun = std::time::Instant::now();
        let stale = json!({"code": "u", "_version": 1});
        let error = site.mutate("deleteCoupon", stale, "code").await.refusal();
        assert_eq!(error["errorType"], "ConflictUnhandled");
        took.push(begun.elapsed().as_millis());
    }
    let refusals = took[4..].iter().all(|took| *took >= 400);
    assert_eq!(slows_pages(site).await, refusals);
    refusals
}

/// After lost answers a page is asked for again twice; the seventh and the eighth time it takes 400 and 800 milliseconds.
async fn slows_pages(site: &Site) -> bool {
    let first = site
        .read("{ syncCoupons(limit: 1) { items { code } nextToken } }")
        .await;
    let next = &first["nextToken"];
    let query = format!("{{ syncCoupons(limit: 1, nextToken: {next}) {{ items {{ code }} }} }}");
    let mut took = Vec::new();
    for _ in 0..8 {
        let begun = std::time::Instant::now();
        site.read(&query).await;
        took.push(begun.elapsed().as_millis());
    }
    took[6..].iter().all(|took| *took >= 400)
}

async fn tells_whole_records(site: &Site) -> bool {
    let mut socket = site.server.session().await;
    let authorization = site.server.authorization(PLAIN_CLIENT);
    let query = "subscription operation { onCreateCoupon { code percent } }";
    socket.subscribe("a", query, &authorization).await;
    let coupon = json!({"code": "z", "percent": 5});
    site.mutate("createCoupon", coupon, "code").await.value();
    let frame = socket.frame().await;
    let told = &frame["payload"]["data"]["onCreateCoupon"];
    assert_eq!(told["code"], "z", "{frame}");
    told["percent"] == 5
}

async fn repairs(site: &Site) -> bool {
    let shelf = |row: i64| json!({"aisle": "x", "row": row});
    site.mutate("createShelf", shelf(1), "row").await.value();
    let mut socket = site.server.session().await;
    let authorization = site.server.authorization(DATASTORE);
    // A replay, if there is one, is of kind update.
    for field in ["onCreateShelf", "onUpdateShelf"] {
        let query = format!("subscription operation {{ {field} {{ row }} }}");
        socket.subscribe(field, &query, &authorization).await;
    }
    site.mutate("createShelf", shelf(2), "row").await.value();
    let frame = socket.frame().await;
    frame["payload"]["data"]["onUpdateShelf"]["row"] == 1
}

on_both_stores! { PLAIN;

/// `errata.md` row 31: what loses nothing is on, what a client could trip over is off.
async fn as_it_comes_repetitions_and_repairs_are_on(site: &Site) {
    let seen = Seen { replays: true, replays_updates: true, explains: true, denies_gently: true, tells_large_records: true, tells_whole_records: true, revives: false, hides: false, delta_after_an_hour: true, repairs: true, takes_unversioned: false, reaches_back: true, slows_down: true };
    assert_eq!(look(site).await, seen);
}
}

on_both_stores! { BETTER;

/// `create_on_tombstone = "revive"`, `hide_tombstones = true` and `missing_version = "latest"`.
async fn deleted_records_can_be_hidden_and_their_ids_used_again(site: &Site) {
    let seen = Seen { replays: true, replays_updates: true, explains: true, denies_gently: true, tells_large_records: true, tells_whole_records: true, revives: true, hides: true, delta_after_an_hour: true, repairs: true, takes_unversioned: true, reaches_back: true, slows_down: true };
    assert_eq!(look(site).await, seen);
}
}

on_both_stores! { APPSYNC;

/// `compat = "appsync"` (`errata.md` 2.15).
async fn the_profile_of_appsync_has_its_side_of_every_switch(site: &Site) {
    let seen = Seen { replays: false, replays_updates: false, explains: false, denies_gently: false, tells_large_records: false, tells_whole_records: false, revives: false, hides: false, delta_after_an_hour: false, repairs: false, takes_unversioned: false, reaches_back: false, slows_down: false };
    assert_eq!(look(site).await, seen);
}
}
