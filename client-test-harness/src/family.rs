//! The client families whose rules differ on the wire: what they send, how they merge, how they remember a sync.

use clap::ValueEnum;

/// A client family; every rule that differs between them is a method here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub enum Family {
    /// JavaScript rules with the user agent of plain API traffic: every frame must be live and come once.
    Js,
    /// JavaScript DataStore: additionally gets replay and settle frames.
    Datastore,
    /// iOS.
    Swift,
    /// Android.
    Android,
}

/// How remote records enter the local store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeRule {
    /// The last message wins, whatever its version (`client-js` 12.1).
    Blind,
    /// Only a strictly greater version is taken (`client-native` 1.5, 2.6).
    VersionGate,
}

/// Where a client puts its credentials on the upgrade request (`realtime` 1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialStyle {
    /// `Sec-WebSocket-Protocol: graphql-ws, header-<base64url>`.
    Subprotocol,
    /// Plain request headers.
    Headers,
}

impl Family {
    /// All families, in a fixed order for seeded choice.
    pub const ALL: [Self; 4] = [Self::Js, Self::Datastore, Self::Swift, Self::Android];

    /// How remote records enter the local store.
    pub fn merge_rule(self) -> MergeRule {
        match self {
            Self::Js | Self::Datastore => MergeRule::Blind,
            Self::Swift | Self::Android => MergeRule::VersionGate,
        }
    }

    /// Native clients send every writable field in an update (`sync-semantics` MUT-2a).
    pub fn sends_whole_model(self) -> bool {
        self.merge_rule() == MergeRule::VersionGate
    }

    /// iOS sends the key of a record to delete as texts, numbers too (`client-native` R25).
    pub fn deletes_by_text(self) -> bool {
        self == Self::Swift
    }

    /// Android remembers its own clock at the end of a sync instead of `startedAt` (`sync-semantics` 4.4).
    pub fn remembers_own_clock(self) -> bool {
        self == Self::Android
    }

    /// JS sends `lastSync: 0` for a full sync, the others leave it out.
    pub fn sends_zero_last_sync(self) -> bool {
        self.merge_rule() == MergeRule::Blind
    }

    /// JS DataStore syncs without waiting for its subscriptions (`client-js` 12.4); the others wait for every ack.
    pub fn syncs_before_subscribing(self) -> bool {
        self == Self::Datastore
    }

    /// Whether the server may repeat a version it already delivered (replay and settle frames).
    pub fn gets_repeated_frames(self) -> bool {
        self == Self::Datastore
    }

    /// Where credentials go on the upgrade request.
    pub fn credential_style(self) -> CredentialStyle {
        match self {
            Self::Js | Self::Datastore => CredentialStyle::Subprotocol,
            Self::Swift | Self::Android => CredentialStyle::Headers,
        }
    }

    /// The header by which the server tells families apart, on HTTP and (native) on the upgrade.
    pub fn agent_header(self) -> (&'static str, &'static str) {
        match self {
            Self::Js => ("x-amz-user-agent", "aws-amplify/6.22.1 api/1 framework/0"),
            Self::Datastore => (
                "x-amz-user-agent",
                "aws-amplify/6.22.1 datastore/2 framework/0",
            ),
            Self::Swift => ("user-agent", "amplify-swift/2.50.0 iOS/18.0"),
            Self::Android => ("user-agent", "amplify-android:2.30.0 (Pixel 9; Android 15)"),
        }
    }

    /// The user agent inside each `start`'s authorization, where the family sends one.
    pub fn start_agent(self) -> Option<&'static str> {
        match self {
            Self::Js => Some("aws-amplify/6.22.1 api/1 framework/0"),
            Self::Datastore => Some("aws-amplify/6.22.1 datastore/1 framework/0"),
            Self::Swift | Self::Android => None,
        }
    }
}
