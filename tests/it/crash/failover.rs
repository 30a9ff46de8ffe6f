//! Postgres comes back without its last writes: a replica that lagged behind takes over, a backup is put back, a backup is
//! recovered. Clients hold versions that the server never heard of again (`sync-design.md` 10, T28, T29).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use driftless::storage;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::support::accounts::{Mutation, assert_try_again, create, delete, everything, update};
use crate::support::cluster::{Address, Cluster, Copied, execute};
use crate::support::server::{DATASTORE, PATIENCE};
use crate::support::victim::Victim;

const FIELDS: &str = "id title rating status _version _lastChangedAt _deleted";
/// No version from before may be as great.
pub(super) const EPOCH: u64 = 1_000_000;
/// What the server says of it.
pub(super) const SAID: &str = "a new epoch has begun";

/// A device's copy, with each of the rules by which clients take what a sync brings: whatever comes (JavaScript), or only
/// a greater version (iOS, Android).
#[derive(Default)]
pub(super) struct Device {
    pub(super) blind: BTreeMap<String, Value>,
    pub(super) gated: BTreeMap<String, Value>,
    last_sync: Option<u64>,
}

impl Device {
    /// Syncs, and tells which records were brought.
    pub(super) async fn sync(&mut self, victim: &Victim) -> BTreeSet<String> {
        let mut brought = BTreeSet::new();
        let query = format!(
            "query operation($last: AWSTimestamp) {{ \
             syncPosts(limit: 1000, lastSync: $last) {{ items {{ {FIELDS} }} nextToken startedAt }} }}"
        );
        let page = victim.value(&query, &json!({"last": self.last_sync})).await;
        assert!(page["nextToken"].is_null(), "{page}");
        for item in page["items"].as_array().expect("items") {
            let id = item["id"].as_str().expect("a key").to_owned();
            self.blind.insert(id.clone(), item.clone());
            let held = self.gated.get(&id).map(version);
            if held.is_none_or(|held| held < version(item)) {
                self.gated.insert(id.clone(), item.clone());
            }
            brought.insert(id);
        }
        self.last_sync = page["startedAt"].as_u64();
        brought
    }
}

pub(super) fn version(record: &Value) -> u64 {
    record["_version"].as_u64().expect("a version")
}

pub(super) async fn done(victim: &Victim, mutations: &[Mutation]) {
    for mutation in mutations {
        let body = answered(victim, mutation).await;
        assert!(body.get("errors").is_none(), "{body}");
    }
}

/// Sends a mutation until the server has found its database again.
pub(super) async fn answered(victim: &Victim, mutation: &Mutation) -> Value {
    let trying = async {
        loop {
            if let Ok((200, body)) = mutation.send(victim).await {
                return body;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let tried = tokio::time::timeout(PATIENCE, trying).await;
    tried.expect("the server comes back")
}

/// Everything that is on the server once its new epoch has begun.
async fn anew(victim: &Victim) -> BTreeMap<String, Value> {
    let waiting = async {
        loop {
            let mut fresh = Device::default();
            fresh.sync(victim).await;
            if fresh.blind.values().all(|record| version(record) > EPOCH) {
                return fresh.blind;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.expect("a new epoch begins")
}

/// Sets the clock of a database off by so many milliseconds.
async fn set_off(cluster: &Cluster, by: i64) {
    let sql = format!(
        "create or replace function wall_ms() returns bigint language sql volatile as \
         $$ select floor(extract(epoch from clock_timestamp()) * 1000)::bigint + ({by}) $$"
    );
    execute(&mut cluster.connect().await, &sql).await;
}

/// The last writes are lost in this way, under a running server or one that is down.
async fn writes_are_lost(copied: Copied, runs: bool, behind: i64) {
    let mut primary = Cluster::start().await;
    let mut replica = None;
    if copied == Copied::Replica {
        let mut follower = primary.copy(copied).await;
        follower.restart().await;
        replica = Some(follower);
    }
    let address = Address::of(&primary);
    let mut victim = Victim::start(&address.url, None).await.ready().await;
    let kept = [
        create("a"),
        create("b"),
        create("c"),
        update("a", 1),
        delete("b", 1),
    ];
    done(&victim, &kept).await;
    let mut copy = match replica {
        None => primary.copy(copied).await,
        Some(mut replica) => {
            primary.replicated(&replica).await;
            replica.stop();
            replica
        }
    };
    let mut device = Device::default();
    device.sync(&victim).await;
    let lost = [
        update("a", 2),
        update("c", 1),
        delete("c", 2),
        create("lost"),
        update("a", 3),
    ];
    done(&victim, &lost).await;
    device.sync(&victim).await;
    assert_eq!(version(&device.blind["a"]), 4);
    assert!(!victim.log().contains(SAID), "{}", victim.log());
    let mut socket = victim.session().await;
    let query = "subscription operation { onUpdatePost { id _version } }";
    socket.subscribe("u", query, &Victim::authorization()).await;

    if !runs {
        victim.kill().await;
    }
    primary.stop();
    copy.restart().await;
    if copied == Copied::Replica {
        copy.promote().await;
    }
    if behind > 0 {
        set_off(&copy, -behind).await;
    }
    address.lead_to(&copy);
    if runs {
        let end = socket.end().await.expect("a close frame");
        assert_eq!(u16::from(end.code), 1011);
    } else {
        victim = victim.again(None).await.ready().await;
    }

    // The device goes on with what it holds.
    let edit = answered(&victim, &update("a", 4)).await;
    assert!(edit.get("errors").is_none(), "the edit is merged: {edit}");
    // No version that was lost is given away again, not for a moment.
    assert!(version(&edit["data"]["updatePost"]) > EPOCH, "{edit}");
    let orphan = answered(&victim, &update("lost", 1)).await;
    assert_eq!(
        orphan["errors"][0]["errorType"], "ConditionalCheckFailedException",
        "{orphan}"
    );

    let stored = anew(&victim).await;
    assert_eq!(stored.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
    // An ordinary conflict: of plain fields Automerge keeps what is stored.
    assert_eq!(stored["a"]["rating"], 2);
    assert!(stored["c"]["_deleted"].is_null(), "its end was lost");
    device.sync(&victim).await;
    for replica in [&mut device.blind, &mut device.gated] {
        // What was created and lost stays on its device.
        replica.remove("lost").expect("only there");
        assert_eq!(*replica, stored);
    }
    assert!(victim.log().contains(SAID), "{}", victim.log());
    let store = storage::open(&address.url).await.expect("a store");
    let verdict = store.check().await.expect("a verdict");
    assert!(verdict.findings.is_empty(), "{:?}", verdict.findings);
    store.close().await;
}

#[tokio::test]
async fn t28_a_replica_that_takes_over_without_the_last_writes_begins_a_new_epoch_and_devices_converge()
 {
    writes_are_lost(Copied::Replica, true, 0).await;
}

/// F1. Devices hold times of the former primary that are in the future of the new one.
#[tokio::test]
async fn a_replica_whose_clock_is_behind_takes_over_without_the_last_writes_and_devices_converge() {
    writes_are_lost(Copied::Replica, true, 30_000).await;
}

#[tokio::test]
async fn t29_a_backup_that_is_put_back_under_a_server_begins_a_new_epoch_and_devices_converge() {
    writes_are_lost(Copied::Backup, true, 0).await;
}

#[tokio::test]
async fn a_backup_that_is_recovered_while_no_server_runs_begins_a_new_epoch_and_devices_converge() {
    writes_are_lost(Copied::Recovery, false, 0).await;
}

/// F2. A node that was stopped while the last write was acknowledged has not heard of it, and nobody else is left. It comes
/// back to the replica before that takes over, which ends no connection.
#[tokio::test]
async fn a_replica_that_is_reached_before_it_takes_over_gives_no_lost_version_away() {
    let mut primary = Cluster::start().await;
    let mut replica = primary.copy(Copied::Replica).await;
    replica.restart().await;
    let address = Address::of(&primary);
    let mut mortal = Victim::node(&address.url, None).await.ready().await;
    let survivor = Victim::node(&address.url, None).await.ready().await;
    done(&mortal, &[create("a")]).await;
    primary.replicated(&replica).await;
    replica.stop();
    survivor.pause();
    done(&mortal, &[update("a", 1)]).await;
    mortal.kill().await;
    primary.stop();
    replica.restart().await;
    address.lead_to(&replica);
    survivor.go_on();

    // It reads from the replica, which takes no write.
    let read = "query operation { getPost(id: \"a\") { _version } }";
    assert_eq!(version(&survivor.value(read, &json!({})).await), 1);
    let (status, body) = update("a", 2).send(&survivor).await.expect("an answer");
    assert_eq!(status, 503, "{body}");
    replica.promote().await;
    let edit = answered(&survivor, &update("a", 2)).await;
    assert!(version(&edit["data"]["updatePost"]) > EPOCH, "{edit}");
    let mut device = Device::default();
    device.sync(&survivor).await;
    assert_eq!(device.blind, device.gated);
    assert!(version(&device.blind["a"]) > EPOCH);
    assert!(survivor.log().contains(SAID), "{}", survivor.log());
}

/// A node that leads to a replica which does not show yet what its primary had last; the replica goes on when told to.
struct Lagging {
    replica: Cluster,
    lag: PgConnection,
    _address: Address,
    /// It has told clients of what is not shown.
    teller: Victim,
    /// It has not heard of it.
    stranger: Victim,
}

impl Lagging {
    /// Led there after these writes were replicated, and those are not shown. In between something is done.
    async fn after<T>(
        shown: &[Mutation],
        held_back: &[Mutation],
        between: impl AsyncFnOnce(&Victim) -> T,
    ) -> (Lagging, T) {
        let mut primary = Cluster::start().await;
        let mut replica = primary.copy(Copied::Replica).await;
        replica.restart().await;
        let address = Address::of(&primary);
        let teller = Victim::node(&address.url, None).await.ready().await;
        let stranger = Victim::node(&address.url, None).await.ready().await;
        done(&teller, shown).await;
        primary.replicated(&replica).await;
        let mut lag = replica.connect().await;
        execute(&mut lag, "select pg_wal_replay_pause()").await;
        stranger.pause();
        done(&teller, held_back).await;
        let seen = between(&teller).await;
        primary.received(&replica).await;
        primary.stop();
        address.lead_to(&replica);
        stranger.go_on();
        let lagging = Lagging {
            replica,
            lag,
            _address: address,
            teller,
            stranger,
        };
        (lagging, seen)
    }

    async fn catch_up(&mut self) {
        execute(&mut self.lag, "select pg_wal_replay_resume()").await;
        self.replica.caught_up().await;
    }
}

/// A page of one record.
const PAGE: &str = "query operation($next: String) { \
                    syncPosts(limit: 1, nextToken: $next) { items { id _version } nextToken startedAt } }";

/// S3 (`sync-design.md` 1.3): a node chooses no replica, but its address may lead to one. Who subscribed where others had been
/// told of what that does not show would never hear of it if a sync were answered from there, by whichever node.
#[tokio::test]
async fn t27_no_node_answers_a_sync_from_a_replica() {
    let shown = [create("a"), create("b")];
    let (mut lagging, ()) = Lagging::after(&shown, &[update("a", 1)], async |_| ()).await;
    let (teller, stranger) = (&lagging.teller, &lagging.stranger);
    let (told, untold, wrote) = tokio::join!(
        teller.door.request(DATASTORE, PAGE, &json!({})),
        stranger.door.request(DATASTORE, PAGE, &json!({})),
        update("b", 1).send(teller),
    );
    for answer in [told, untold, wrote] {
        let (status, body) = answer.expect("an answer");
        assert_eq!(status, 503, "{body}");
        assert_try_again(&body);
    }
    lagging.catch_up().await;
    lagging.replica.promote().await;
    for node in [&lagging.teller, &lagging.stranger] {
        let mut device = Device::default();
        device.sync(node).await;
        assert_eq!(version(&device.blind["a"]) % EPOCH, 2);
    }
}

/// The same of a list.
const LISTED: &str = "query operation($next: String) { \
                      listPosts(limit: 1, nextToken: $next) { items { id _version } nextToken } }";

/// D1. Of what changed before the first page, which decides what the next sync asks for, no later page may lack anything.
#[tokio::test]
async fn t27_a_sync_that_began_at_a_primary_is_not_continued_at_a_replica_that_lags() {
    is_not_continued_at_a_replica_that_lags(PAGE).await;
}

/// What was there at the first page, no later one may hide.
#[tokio::test]
async fn t27_a_list_that_began_at_a_primary_is_not_continued_at_a_replica_that_lags() {
    is_not_continued_at_a_replica_that_lags(LISTED).await;
}

async fn is_not_continued_at_a_replica_that_lags(pages: &str) {
    let shown = [create("a"), create("b"), create("c")];
    let held_back = [update("c", 1), update("a", 1), update("a", 2)];
    let (mut lagging, first) = Lagging::after(&shown, &held_back, async |teller: &Victim| {
        teller.value(pages, &json!({})).await
    })
    .await;
    let mut next = json!({ "next": first["nextToken"] });
    let (status, body) = lagging
        .stranger
        .door
        .request(DATASTORE, pages, &next)
        .await
        .expect("an answer");
    assert_eq!(status, 503, "{body}");
    assert_try_again(&body);
    lagging.catch_up().await;
    if pages == PAGE {
        lagging.replica.promote().await;
    }
    let mut found = vec![first["items"][0].clone()];
    while !next["next"].is_null() {
        let page = lagging.stranger.value(pages, &next).await;
        found.push(page["items"][0].clone());
        next = json!({ "next": page["nextToken"] });
    }
    let found: Vec<_> = found
        .iter()
        .map(|record| (&record["id"], version(record) % EPOCH))
        .collect();
    assert_eq!(
        found,
        [(&json!("a"), 3), (&json!("b"), 1), (&json!("c"), 2)]
    );
}

/// F1. Nothing is lost but a tick, from which a device has a time that the new primary has not reached.
#[tokio::test]
async fn t26_a_replica_that_takes_over_without_the_last_tick_begins_a_new_epoch_and_devices_converge()
 {
    let mut primary = Cluster::start().await;
    let mut replica = primary.copy(Copied::Replica).await;
    replica.restart().await;
    let address = Address::of(&primary);
    let victim = Victim::node(&address.url, None).await.ready().await;
    done(&victim, &[create("a"), update("a", 1)]).await;
    primary.replicated(&replica).await;
    replica.stop();
    // Long enough for the model to be idle, and short enough to be believed.
    set_off(&primary, 30_000).await;
    let mut device = Device::default();
    device.sync(&victim).await;
    let changed = device.blind["a"]["_lastChangedAt"].as_u64();
    let ticked = device.last_sync;
    assert!(ticked > changed.map(|changed| changed + 20_000), "no tick");

    primary.stop();
    replica.restart().await;
    replica.promote().await;
    address.lead_to(&replica);
    let new = answered(&victim, &create("new")).await;
    assert!(new.get("errors").is_none(), "{new}");
    let new = &new["data"]["createPost"];
    assert!(version(new) > EPOCH, "{new}");
    assert!(new["_lastChangedAt"].as_u64() > ticked, "{new}");
    let brought = device.sync(&victim).await;
    assert!(brought.iter().eq(["a", "new"]), "{brought:?}");
    assert_eq!(device.blind, device.gated);
    assert_eq!(device.blind, everything(&victim).await);
    assert!(victim.log().contains(SAID), "{}", victim.log());
}
