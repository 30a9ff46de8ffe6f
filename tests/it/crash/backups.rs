//! Backups are put back under a running server, again and again, older ones and newer ones (`sync-design.md` F2).

use std::collections::BTreeMap;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::failover::{Device, EPOCH, answered, done, version};
use crate::support::accounts::{Mutation, create, update};
use crate::support::cluster::{Address, Cluster, Copied, execute};
use crate::support::victim::Victim;

/// A client that notes what every version of every record was when it was told of it.
#[derive(Default)]
struct Chronicle {
    device: Device,
    told: BTreeMap<(String, u64), Value>,
}

impl Chronicle {
    fn note(&mut self, record: &Value) {
        let id = record["id"].as_str().expect("a key").to_owned();
        let known = self.told.entry((id, version(record)));
        let known = known.or_insert_with(|| record.clone());
        assert_eq!(record, known, "a version was given away twice");
    }

    async fn sync(&mut self, victim: &Victim) {
        self.device.sync(victim).await;
        let records: Vec<Value> = self.device.blind.values().cloned().collect();
        for record in &records {
            self.note(record);
        }
    }

    /// Sends a mutation until it is answered, and notes what it has made.
    async fn send(&mut self, victim: &Victim, mutation: &Mutation) -> u64 {
        let body = answered(victim, mutation).await;
        assert!(body.get("errors").is_none(), "{body}");
        let data = body["data"].as_object().expect("data");
        let record = data.values().next().expect("one field");
        self.note(record);
        version(record)
    }

    /// Edits a record so many times, each time the version that it holds.
    async fn edit(&mut self, victim: &Victim, id: &str, times: usize) {
        let mut held = version(&self.device.blind[id]);
        for _ in 0..times {
            held = self.send(victim, &update(id, held)).await;
        }
        self.sync(victim).await;
    }
}

#[tokio::test]
async fn backups_that_are_put_back_again_under_a_server_give_no_version_away_twice_and_devices_converge()
 {
    let mut current = Cluster::start().await;
    let address = Address::of(&current);
    let nodes = [
        Victim::node(&address.url, None).await.ready().await,
        Victim::node(&address.url, None).await.ready().await,
    ];
    let mut victim = &nodes[0];
    done(victim, &[create("a"), create("b")]).await;
    let mut chronicle = Chronicle::default();
    chronicle.sync(victim).await;
    let mut backups = Vec::new();
    // The log of the newer one is longer than that of the older one and of all that is written after a restore.
    for edits in [1, 12] {
        chronicle.edit(victim, "a", edits).await;
        backups.push(current.copy(Copied::Backup).await);
    }
    chronicle.edit(victim, "a", 1).await;

    let mut highest = version(&chronicle.device.blind["a"]);
    let (older, newer) = (0, 1);
    for (round, backup) in [newer, newer, older, newer, older].into_iter().enumerate() {
        // Only the other node knows how far the log had come: there was no time to hear of it.
        victim = &nodes[(round + 1) % 2];
        let mut copy = backups[backup].copy(Copied::Backup).await;
        backups[backup].stop();
        current.stop();
        copy.restart().await;
        address.lead_to(&copy);
        current = copy;

        // The device goes on with what it holds, and makes a record anew that was lost each time.
        chronicle.edit(victim, "a", 1).await;
        let lowest = version(&chronicle.device.blind["a"]);
        assert!(lowest > EPOCH && lowest > highest, "{lowest} {highest}");
        chronicle.send(victim, &create("n")).await;
        chronicle.sync(victim).await;
        chronicle.edit(victim, "n", 1).await;
        chronicle.edit(victim, "a", 2).await;
        highest = version(&chronicle.device.blind["a"]);

        let mut fresh = Device::default();
        fresh.sync(victim).await;
        assert_eq!(fresh.blind.keys().collect::<Vec<_>>(), ["a", "b", "n"]);
        assert_eq!(chronicle.device.blind, fresh.blind);
        assert_eq!(chronicle.device.gated, fresh.blind);
    }
}

/// Two nodes, of which the first has just acknowledged a write that the second has not heard of when their database ends. The
/// copy is from before that; what comes last is the database as it was at its end.
async fn one_knows_more(chronicle: &mut Chronicle) -> (Address, [Victim; 2], Cluster, Cluster) {
    let mut current = Cluster::start().await;
    let address = Address::of(&current);
    let nodes = [
        Victim::node(&address.url, None).await.ready().await,
        Victim::node(&address.url, None).await.ready().await,
    ];
    done(&nodes[0], &[create("a")]).await;
    done(&nodes[1], &[create("b")]).await;
    let copy = current.copy(Copied::Backup).await;
    nodes[1].logs("every node has looked").await;
    chronicle.sync(&nodes[0]).await;
    nodes[1].pause();
    chronicle.edit(&nodes[0], "a", 1).await;
    current.stop();
    nodes[1].go_on();
    (address, nodes, copy, current)
}

#[tokio::test]
async fn a_node_that_finds_its_database_again_writes_nothing_before_the_others_have_looked_at_it() {
    let mut chronicle = Chronicle::default();
    let (address, [knowing, hasty], mut copy, _) = one_knows_more(&mut chronicle).await;
    knowing.pause();
    copy.restart().await;
    address.lead_to(&copy);
    let held = version(&chronicle.device.blind["a"]);
    let answer = update("a", held).send(&hasty).await;
    let (status, body) = answer.expect("an answer");
    assert_eq!(status, 503, "{body}");
    knowing.go_on();
    chronicle.edit(&hasty, "a", 1).await;
    let edited = version(&chronicle.device.blind["a"]);
    assert!(edited > EPOCH, "{edited}");
}

#[tokio::test]
async fn a_node_that_joins_at_a_copy_of_the_database_writes_nothing_before_the_others_have_looked_at_it()
 {
    let mut chronicle = Chronicle::default();
    let (address, [_knowing, mut former], mut copy, _) = one_knows_more(&mut chronicle).await;
    former.kill().await;
    copy.restart().await;
    address.lead_to(&copy);
    let joining = former.again(None).await.ready().await;
    chronicle.edit(&joining, "a", 1).await;
    let edited = version(&chronicle.device.blind["a"]);
    assert!(edited > EPOCH, "{edited}");
}

#[tokio::test]
async fn a_node_that_does_not_come_back_is_not_waited_for_for_ever() {
    let mut chronicle = Chronicle::default();
    let (_address, [mut dead, living], _, mut current) = one_knows_more(&mut chronicle).await;
    dead.kill().await;
    current.restart().await;
    chronicle.edit(&living, "a", 1).await;
    living.logs("are not waited for any longer").await;
}

#[tokio::test]
async fn a_backup_of_a_former_version_is_brought_up_to_date_under_a_server() {
    let mut chronicle = Chronicle::default();
    let (address, [node, _other], mut copy, _) = one_knows_more(&mut chronicle).await;
    copy.restart().await;
    let backdate = "drop table nodes; delete from _sqlx_migrations where version = 11";
    execute(&mut copy.connect().await, backdate).await;
    address.lead_to(&copy);
    chronicle.edit(&node, "a", 1).await;
    let edited = version(&chronicle.device.blind["a"]);
    assert!(edited > EPOCH, "{edited}");
}

/// The backup is older than two changes of the schema: what the nodes took for there is not, and what they make anew has
/// other numbers than before.
#[tokio::test]
async fn a_backup_from_before_a_change_of_the_schema_is_made_ready_under_a_server() {
    let schemas = tempfile::tempdir().expect("a folder");
    let schema = |name: &str, text: String| {
        let path = schemas.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    };
    let older = include_str!("../../../examples/whitepaper/schema.graphql");
    let model = |name: &str| {
        format!(
            "type {name} @model @auth(rules: [{{ allow: public }}]) {{ id: ID! note: String }}\n"
        )
    };
    let index =
        "rating: Int! @index(name: \"byRating\", queryField: \"postsByRating\")\n  blurb: String";
    let middle = older.replacen("rating: Int!", index, 1) + &model("Extra");
    let newer = schema("newer.graphql", model("Another") + &middle);
    let middle = schema("middle.graphql", middle);

    let mut current = Cluster::start().await;
    let address = Address::of(&current);
    let victim = Victim::start(&address.url, None).await.ready().await;
    done(&victim, &[create("a"), create("b")]).await;
    let mut copy = current.copy(Copied::Backup).await;
    victim.stop().await;
    let victim = Victim::of(&middle, &address.url, None).await.ready().await;
    victim.stop().await;
    let victim = Victim::of(&newer, &address.url, None).await.ready().await;
    let mut chronicle = Chronicle::default();
    chronicle.sync(&victim).await;
    chronicle.edit(&victim, "a", 2).await;
    let write = |model: &str, id: &str, note: &str| {
        Mutation::of("create", model, &json!({"id": id, "note": note}), "note")
    };
    let made = chronicle.send(&victim, &write("Extra", "e", "first")).await;
    let listening = async || {
        let mut socket = victim.session().await;
        let query = "subscription operation { onCreateExtra { id _version } }";
        socket.subscribe("e", query, &Victim::authorization()).await;
        socket
    };
    let mut socket = listening().await;

    current.stop();
    copy.restart().await;
    address.lead_to(&copy);
    chronicle.edit(&victim, "a", 2).await;
    // Nobody knows of the first one any more, but who holds it.
    let again = chronicle
        .send(&victim, &write("Extra", "e", "second"))
        .await;
    assert!(again > EPOCH && again > made, "{again}");
    let end = socket.end().await.expect("a close frame");
    assert_eq!(u16::from(end.code), 1011);
    let query = "{ postsByRating(rating: 1) { items { id } } }";
    let found = victim.value(query, &json!({})).await;
    assert_eq!(found["items"], json!([{"id": "b"}]));

    let mut socket = listening().await;
    for (model, id) in [
        ("Another", "x"),
        ("Extra", "f"),
        ("Another", "y"),
        ("Extra", "g"),
    ] {
        chronicle.send(&victim, &write(model, id, "anew")).await;
    }
    for id in ["f", "g"] {
        let frame = socket.frame().await;
        assert_eq!(
            frame["payload"]["data"]["onCreateExtra"]["id"], id,
            "{frame}"
        );
    }
}
