//! Rules: who may do what.

use crate::identity::AuthMode;
use crate::schema::diagnostic::Span;

/// One rule of `@auth`: who, proven how, may do what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthRule {
    /// Who.
    pub allow: Allow,
    /// How they prove it (`provider`, with its default filled in).
    pub provider: AuthMode,
    /// What they may do.
    pub operations: Vec<ModelOperation>,
    /// Where it stands.
    pub span: Span,
}

impl AuthRule {
    /// Whether no record has to be read to know who is meant.
    #[must_use]
    pub fn is_static(&self) -> bool {
        !matches!(self.allow, Allow::Owner { .. } | Allow::GroupsField { .. })
    }

    /// Whether both speak of the same callers (`transformer` 8.1: a role).
    #[must_use]
    pub fn same_role(&self, other: &AuthRule) -> bool {
        self.provider == other.provider && self.allow == other.allow
    }
}

/// Who a rule lets in, among the callers of its provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allow {
    /// Anyone: who holds an API key, or IAM's unauthenticated role.
    Public,
    /// Whoever is signed in.
    Private,
    /// Whoever the Lambda authorizer lets in.
    Custom,
    /// Whoever the record names.
    Owner {
        /// The record's field: a text, or a list of texts.
        field: String,
        /// The claim that is compared, `sub::username` unless the rule says otherwise.
        claim: String,
    },
    /// The members of these groups.
    Groups {
        /// The groups.
        groups: Vec<String>,
        /// The claim that lists the caller's groups.
        claim: String,
    },
    /// The members of the groups that the record names.
    GroupsField {
        /// The record's field: a text, or a list of texts.
        field: String,
        /// The claim that lists the caller's groups.
        claim: String,
    },
}

/// The operations rules speak of; `read` stands for get, list, sync, listen and search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the directive's word")]
pub enum ModelOperation {
    Create,
    Update,
    Delete,
    Get,
    List,
    Sync,
    Listen,
    Search,
}
