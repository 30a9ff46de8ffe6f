//! Who sits before a device.

use std::sync::Arc;

use driftless_resolvers::identity::{Caller, Family, Identity, TokenIdentity};
use serde_json::json;

/// Who somebody is for the server.
#[derive(Debug, Clone)]
pub(super) enum Person {
    /// All devices share one key, as those of one application do.
    Anybody,
    /// One of those who have records of their own, by number, with the number of the device they signed in on.
    User(usize, usize),
}

impl Person {
    /// This person's requests, from a browser without DataStore.
    pub(super) fn caller(&self) -> Caller {
        let identity = match self {
            Person::Anybody => Identity::ApiKey { id: "k".to_owned() },
            Person::User(user, device) => {
                let name = format!("user{user}");
                let claims =
                    json!({"sub": name, "username": name, "origin_jti": device.to_string()});
                Identity::UserPool(Arc::new(TokenIdentity {
                    issuer: "pool".to_owned(),
                    subject: name,
                    claims: claims.as_object().expect("an object").clone(),
                }))
            }
        };
        Caller {
            identity,
            family: Family::JavaScript,
            datastore: false,
            repeats: false,
        }
    }
}
