//! Rules: who may do what.

use super::Model;
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

    /// Whether it lets in every caller of its provider.
    fn is_for_all(&self) -> bool {
        matches!(self.allow, Allow::Public | Allow::Private | Allow::Custom)
    }

    /// Whether both speak of the same callers (`transformer` 8.1: a role).
    #[must_use]
    pub fn same_role(&self, other: &AuthRule) -> bool {
        self.provider == other.provider && self.allow == other.allow
    }
}

impl Model {
    /// The fields by which rules divide the records among those who sync them: each caller finds the records that name
    /// it. Fields that are lists divide nothing, and where everybody of the provider finds everything nobody's part is
    /// asked for.
    pub fn dividing_fields(&self) -> impl Iterator<Item = &str> {
        let syncs = |rule: &&AuthRule| rule.operations.contains(&ModelOperation::Sync);
        let divides = move |rule: &&AuthRule| {
            let mut others = self.auth.iter().filter(syncs);
            !others.any(|other| other.provider == rule.provider && other.is_for_all())
        };
        let dividing = self.auth.iter().filter(syncs).filter(divides);
        let fields = dividing.filter_map(|rule| match &rule.allow {
            Allow::Owner { field, .. } | Allow::GroupsField { field, .. } => Some(field.as_str()),
            _ => None,
        });
        fields.filter(|field| {
            let field = self.fields.get(*field);
            field.is_some_and(|field| field.ty.list.is_none())
        })
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

#[cfg(test)]
mod tests {
    use crate::schema::testing::model;

    fn dividing(rules: &str) -> Vec<String> {
        let fields = "id: ID! owner: String sender: String team: String readers: [String]";
        let source = format!("type Post @model @auth(rules: [{rules}]) {{ {fields} }}");
        let post = model(&source, "Post");
        post.dividing_fields().map(str::to_owned).collect()
    }

    #[test]
    fn records_are_divided_by_who_they_name() {
        let owner = "{allow: owner}";
        let sender = "{allow: owner, ownerField: \"sender\"}";
        let team = "{allow: groups, groupsField: \"team\"}";
        assert_eq!(
            dividing(&format!("{owner}, {sender}, {team}")),
            ["owner", "sender", "team"]
        );
        // Others have a provider of their own, or are found by their groups.
        let admins = "{allow: groups, groups: [\"Admin\"]}";
        assert_eq!(
            dividing(&format!("{owner}, {admins}, {{allow: public}}")),
            ["owner"]
        );
    }

    #[test]
    fn nothing_is_divided_where_nobodys_part_is_synced() {
        for rules in [
            "{allow: public}",
            "{allow: owner}, {allow: private, operations: [read]}",
            "{allow: owner, operations: [create, update]}, {allow: public}",
            "{allow: owner, ownerField: \"readers\"}, {allow: groups, groupsField: \"readers\"}",
        ] {
            assert_eq!(dividing(rules), [""; 0], "{rules}");
        }
    }
}
