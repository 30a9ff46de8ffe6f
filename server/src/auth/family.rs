//! Which client library is talking (`errata.md`, "Family").

use driftless_resolvers::identity::Family;

/// What a client says it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserAgents {
    /// `User-Agent`.
    pub user_agent: Option<String>,
    /// `x-amz-user-agent`.
    pub amz_user_agent: Option<String>,
}

impl UserAgents {
    /// What is known from `self`, completed by what the connection said.
    #[must_use]
    pub fn or(self, connection: &UserAgents) -> UserAgents {
        UserAgents {
            user_agent: self.user_agent.or_else(|| connection.user_agent.clone()),
            amz_user_agent: self
                .amz_user_agent
                .or_else(|| connection.amz_user_agent.clone()),
        }
    }

    /// The family of the library.
    #[must_use]
    pub fn family(&self) -> Family {
        let native = |name: &str| {
            let agents = [&self.user_agent, &self.amz_user_agent];
            agents
                .into_iter()
                .flatten()
                .any(|agent| agent.contains(name))
        };
        // Flutter before the others: on a device its requests may pass through the native library.
        if native("amplify-flutter") {
            Family::Flutter
        } else if native("amplify-android") {
            Family::Android
        } else if native("amplify-swift") {
            Family::Swift
        } else if self.amz_agent().starts_with("aws-amplify/") {
            Family::JavaScript
        } else {
            Family::Unknown
        }
    }

    /// Whether DataStore is talking rather than the plain API client.
    #[must_use]
    pub fn datastore(&self) -> bool {
        self.amz_agent().contains("datastore/")
    }

    fn amz_agent(&self) -> &str {
        self.amz_user_agent.as_deref().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agents(user: &str, amz: &str) -> UserAgents {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        UserAgents {
            user_agent: some(user),
            amz_user_agent: some(amz),
        }
    }

    #[test]
    fn each_library_is_known_by_its_header() {
        let cases = [
            (
                "node",
                "aws-amplify/6.22.1 datastore/2 framework/0",
                Family::JavaScript,
                true,
            ),
            (
                "Mozilla",
                "aws-amplify/6.22.1 api/1 framework/1",
                Family::JavaScript,
                false,
            ),
            (
                "amplify-android:2.23.0 md/Android",
                "",
                Family::Android,
                false,
            ),
            ("amplify-swift:2.33.0", "", Family::Swift, false),
            ("amplify-flutter/2.4.0", "", Family::Flutter, false),
            ("curl/8.0", "", Family::Unknown, false),
        ];
        for (user, amz, family, datastore) in cases {
            let agents = agents(user, amz);
            assert_eq!(
                (agents.family(), agents.datastore()),
                (family, datastore),
                "{user} {amz}"
            );
        }
    }

    #[test]
    fn a_start_without_user_agent_is_told_by_its_connection() {
        let connection = agents("amplify-android:2.23.0", "");
        assert_eq!(
            UserAgents::default().or(&connection).family(),
            Family::Android
        );
    }
}
