//! A client's side of the story of a crash: what it was told is done, and what it never heard of again.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::server::{DATASTORE, PATIENCE};
use super::victim::{Door, Victim};

const SELECTION: &str = "id title rating status _version _lastChangedAt _deleted";

/// What a client wrote to a victim.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    acknowledged: BTreeMap<String, Value>,
}

/// A mutation that can be sent again as it is.
#[derive(Debug, Clone)]
pub(crate) struct Mutation {
    query: String,
    variables: Value,
    /// The version it makes.
    pub(crate) version: u64,
    /// The record it writes.
    pub(crate) id: String,
}

/// The create of a post.
pub(crate) fn create(id: &str) -> Mutation {
    titled(id, &format!("post {id}"))
}

/// The create of a post with this title.
pub(crate) fn titled(id: &str, title: &str) -> Mutation {
    let input = json!({"id": id, "title": title, "rating": 1, "status": "ACTIVE"});
    mutation("create", "CreatePostInput!", &input, 1)
}

/// An update of a post that is at a version.
pub(crate) fn update(id: &str, version: u64) -> Mutation {
    let input = json!({"id": id, "rating": version + 1, "_version": version});
    mutation("update", "UpdatePostInput!", &input, version + 1)
}

/// The delete of a post that is at a version.
pub(crate) fn delete(id: &str, version: u64) -> Mutation {
    let input = json!({"id": id, "_version": version});
    mutation("delete", "DeletePostInput!", &input, version + 1)
}

fn mutation(name: &str, ty: &str, input: &Value, version: u64) -> Mutation {
    Mutation {
        query: format!(
            "mutation operation($input: {ty}) {{ {name}Post(input: $input) {{ {SELECTION} }} }}"
        ),
        id: input["id"].as_str().expect("a key").to_owned(),
        variables: json!({ "input": input }),
        version,
    }
}

impl Mutation {
    /// One of a record of any model, which is answered with these fields of it.
    pub(crate) fn of(name: &str, model: &str, input: &Value, fields: &str) -> Mutation {
        let kind = format!("{}{}{model}Input!", name[..1].to_uppercase(), &name[1..]);
        Mutation {
            query: format!(
                "mutation operation($input: {kind}) {{ {name}{model}(input: $input) {{ id {fields} _version }} }}"
            ),
            id: input["id"].as_str().expect("a key").to_owned(),
            variables: json!({ "input": input }),
            version: 1,
        }
    }

    /// Sends it; the answer may never come.
    pub(crate) fn send(
        &self,
        victim: &Victim,
    ) -> impl Future<Output = Result<(u16, Value), String>> + Send + 'static {
        self.send_to(&victim.door)
    }

    /// Sends it to any server.
    pub(crate) fn send_to(
        &self,
        door: &Door,
    ) -> impl Future<Output = Result<(u16, Value), String>> + Send + 'static {
        self.send_as(DATASTORE, door)
    }

    /// Sends it as the client of this user agent does.
    pub(crate) fn send_as(
        &self,
        agent: &str,
        door: &Door,
    ) -> impl Future<Output = Result<(u16, Value), String>> + Send + 'static {
        door.request(agent, &self.query, &self.variables)
    }
}

impl Accounts {
    /// Sends a mutation that must succeed, and keeps what the answer says.
    pub(crate) async fn settle(&mut self, victim: &Victim, mutation: &Mutation) {
        let record = victim.value(&mutation.query, &mutation.variables).await;
        self.note(mutation, record);
    }

    fn note(&mut self, mutation: &Mutation, record: Value) {
        assert_eq!(record["_version"], mutation.version, "{record}");
        self.acknowledged.insert(mutation.id.clone(), record);
    }

    /// Some posts in several versions, one of them deleted.
    pub(crate) async fn open(&mut self, victim: &Victim) {
        for id in ["a", "b", "c"] {
            self.settle(victim, &create(id)).await;
        }
        self.settle(victim, &update("a", 1)).await;
        self.settle(victim, &delete("b", 1)).await;
    }

    /// Fails unless everything that was acknowledged is stored as it was answered.
    pub(crate) async fn assert_kept(&self, victim: &Victim) {
        let mut stored = everything(victim).await;
        for (id, record) in &self.acknowledged {
            assert_eq!(stored.remove(id).as_ref(), Some(record), "{id}");
        }
    }
}

/// Sends a mutation until it is answered with success, as clients do that are told to try again.
pub(crate) async fn persist(accounts: &mut Accounts, victim: &Victim, mutation: &Mutation) {
    let trying = async {
        loop {
            match mutation.send(victim).await {
                Ok((503, body)) => assert_try_again(&body),
                Ok((200, body)) => {
                    assert!(body.get("errors").is_none(), "{body}");
                    let data = body["data"].as_object().expect("data");
                    let record = data.values().next().expect("one field").clone();
                    return accounts.note(mutation, record);
                }
                other => panic!("{other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let tried = tokio::time::timeout(PATIENCE, trying).await;
    tried.expect("the server comes back");
}

/// `errata.md` row 1: the body that makes every client keep its mutation.
pub(crate) fn assert_try_again(body: &Value) {
    assert_eq!(
        *body,
        json!({"message": "Network Error", "errors": "unavailable"})
    );
}

/// Writes until something is refused, and tells what.
pub(crate) async fn fill(accounts: &mut Accounts, victim: &Victim) -> Mutation {
    // Text that cannot be made smaller.
    let filler: String = (0..600).map(|_| uuid::Uuid::new_v4().to_string()).collect();
    for _ in 0..500 {
        let mutation = titled(&uuid::Uuid::new_v4().to_string(), &filler);
        match mutation.send(victim).await.expect("an answer") {
            (200, body) if body.get("errors").is_none() => accounts.settle(victim, &mutation).await,
            (503, body) => {
                assert_try_again(&body);
                return mutation;
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("the disk does not fill")
}

/// Every post that a base sync brings, by its key.
pub(crate) async fn everything(victim: &Victim) -> BTreeMap<String, Value> {
    let query = format!(
        "query operation($next: String) {{ \
         syncPosts(limit: 1000, lastSync: 0, nextToken: $next) {{ items {{ {SELECTION} }} nextToken }} }}"
    );
    let mut found = BTreeMap::new();
    let mut next = Value::Null;
    loop {
        let page = victim.value(&query, &json!({ "next": next })).await;
        for item in page["items"].as_array().expect("items") {
            found.insert(item["id"].as_str().expect("a key").to_owned(), item.clone());
        }
        next = page["nextToken"].clone();
        if next.is_null() {
            return found;
        }
    }
}
