//! Who may do what with which field of a model: the rules of the type and of its fields in one table, from which
//! everything else about rules follows (`transformer` 8.1).

use indexmap::IndexMap;

use super::model::{Allow, AuthRule, Model, ModelOperation};
use crate::identity::AuthMode;

/// The callers of one provider that a rule speaks of. A rule with several groups has a role for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Who; `Groups` names exactly one.
    pub allow: Allow,
    /// How they prove it.
    pub provider: AuthMode,
}

impl Role {
    /// Whether no record has to be read to know who is meant.
    #[must_use]
    pub fn is_static(&self) -> bool {
        !matches!(self.allow, Allow::Owner { .. } | Allow::GroupsField { .. })
    }

    /// The field an owner role compares.
    #[must_use]
    pub fn owner_field(&self) -> Option<&str> {
        match &self.allow {
            Allow::Owner { field, .. } => Some(field),
            _ => None,
        }
    }

    fn is_private(&self) -> bool {
        self.allow == Allow::Private && matches!(self.provider, AuthMode::UserPool | AuthMode::Oidc)
    }
}

/// The roles of one rule.
pub(crate) fn of_rule(rule: &AuthRule) -> Vec<Role> {
    let role = |allow: Allow| Role {
        allow,
        provider: rule.provider,
    };
    match &rule.allow {
        Allow::Groups { groups, claim } => groups
            .iter()
            .map(|group| {
                role(Allow::Groups {
                    groups: vec![group.clone()],
                    claim: claim.clone(),
                })
            })
            .collect(),
        other => vec![role(other.clone())],
    }
}

/// Whether a rule speaks of callers that one of these rules speaks of already.
pub(crate) fn overlap(rules: &[AuthRule], rule: &AuthRule) -> bool {
    let new = of_rule(rule);
    rules
        .iter()
        .flat_map(of_rule)
        .any(|role| new.contains(&role))
}

/// What READ stands for.
const READ: [ModelOperation; 5] = [
    ModelOperation::Get,
    ModelOperation::List,
    ModelOperation::Search,
    ModelOperation::Listen,
    ModelOperation::Sync,
];

/// The table: for each role, what it may do with each field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matrix {
    /// The fields that rules can be about: those the schema declares.
    fields: Vec<String>,
    rows: Vec<(Role, Vec<Vec<ModelOperation>>)>,
}

impl Matrix {
    /// The table of a model. A field's own rules replace those of the type.
    #[must_use]
    pub fn of(model: &Model) -> Matrix {
        let declared = model
            .fields
            .values()
            .filter(|field| field.origin.is_written());
        let declared: Vec<_> = declared.collect();
        let mut rights: IndexMap<usize, Vec<(Role, Vec<ModelOperation>)>> = IndexMap::new();
        for (at, field) in declared.iter().enumerate() {
            let rules = field.auth.as_ref().unwrap_or(&model.auth);
            let of_field = rules.iter().flat_map(|rule| {
                let operations = rule.operations.clone();
                of_rule(rule)
                    .into_iter()
                    .map(move |role| (role, operations.clone()))
            });
            rights.insert(at, of_field.collect());
        }
        let mut matrix = Matrix {
            fields: declared.iter().map(|field| field.name.clone()).collect(),
            rows: Vec::new(),
        };
        // The type's roles exist even where every field has rules of its own.
        for role in model.auth.iter().flat_map(of_rule) {
            matrix.row(role);
        }
        for (at, rights) in rights {
            for (role, operations) in rights {
                matrix.row(role)[at] = operations;
            }
        }
        matrix
    }

    fn row(&mut self, role: Role) -> &mut Vec<Vec<ModelOperation>> {
        let at = match self.rows.iter().position(|(known, _)| *known == role) {
            Some(at) => at,
            None => {
                self.rows.push((role, vec![Vec::new(); self.fields.len()]));
                self.rows.len() - 1
            }
        };
        &mut self.rows[at].1
    }

    /// The fields, in schema order.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(String::as_str)
    }

    /// Every role, with what it may do with each of the fields.
    pub fn rows(&self) -> impl Iterator<Item = (&Role, &[Vec<ModelOperation>])> {
        self.rows.iter().map(|(role, row)| (role, row.as_slice()))
    }

    /// Every role that any rule names.
    pub fn roles(&self) -> impl Iterator<Item = &Role> {
        self.rows.iter().map(|(role, _)| role)
    }

    /// The roles that may do this: with any field; deleting takes all of them.
    pub fn allowed(&self, operation: ModelOperation) -> impl Iterator<Item = &Role> {
        let may = move |rights: &Vec<ModelOperation>| rights.contains(&operation);
        let rows = self.rows.iter().filter(move |(_, row)| match operation {
            ModelOperation::Delete => row.iter().all(may),
            _ => row.iter().any(may),
        });
        rows.map(|(role, _)| role)
    }

    /// Whether a role may do this with a field; fields nobody declared go with the record.
    #[must_use]
    pub fn allows(&self, role: &Role, field: &str, operation: ModelOperation) -> bool {
        let Some((_, row)) = self.rows.iter().find(|(known, _)| known == role) else {
            return false;
        };
        match self.fields.iter().position(|name| name == field) {
            Some(at) => row[at].contains(&operation),
            None => row.iter().any(|rights| rights.contains(&operation)),
        }
    }

    fn may_read(&self, role: &Role, field: &str) -> bool {
        READ.iter()
            .any(|operation| self.allows(role, field, *operation))
    }

    /// Whether somebody who may get the model's records may not read this field (`transformer` 8.6). If everyone of a
    /// provider may read it, that provider's other roles do not count.
    #[must_use]
    pub fn is_hidden_from_some_reader(&self, field: &str) -> bool {
        let readers: Vec<&Role> = self.allowed(ModelOperation::Get).collect();
        let open: Vec<AuthMode> = readers
            .iter()
            .filter(|role| role.is_private())
            .filter(|role| READ.iter().all(|read| self.allows(role, field, *read)))
            .map(|role| role.provider)
            .collect();
        readers
            .iter()
            .filter(|role| role.is_private() || !open.contains(&role.provider))
            .any(|role| !self.may_read(role, field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::model::ModelOperation::{Create, Delete, Get, Update};
    use crate::schema::testing::model;

    fn matrix(text: &str) -> Matrix {
        Matrix::of(&model(text, "A"))
    }

    fn names(matrix: &Matrix, operation: ModelOperation) -> Vec<String> {
        matrix
            .allowed(operation)
            .map(|role| match &role.allow {
                Allow::Groups { groups, .. } => groups.join("+"),
                Allow::Owner { field, .. } => field.clone(),
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn a_rule_of_several_groups_has_a_role_for_each() {
        let matrix = matrix(
            r#"type A @model @auth(rules: [{allow: groups, groups: ["x", "y"], operations: [create]}, {allow: owner}]) { id: ID! }"#,
        );
        assert_eq!(names(&matrix, Create), ["x", "y", "owner"]);
        assert_eq!(names(&matrix, Get), ["owner"]);
    }

    #[test]
    fn the_rules_of_a_field_replace_those_of_the_type() {
        let matrix = matrix(
            r#"type A @model @auth(rules: [{allow: private}]) {
                a: String
                b: String @auth(rules: [{allow: owner, operations: [create, read]}, {allow: private, operations: [read]}])
            }"#,
        );
        assert_eq!(names(&matrix, Delete), [""; 0], "nobody may delete b");
        assert_eq!(names(&matrix, Update), ["Private"]);
        assert_eq!(names(&matrix, Create), ["Private", "owner"]);
        let owner = matrix.roles().last().expect("the owner");
        assert!(!owner.is_static());
        assert!(matrix.allows(owner, "b", Create));
        assert!(!matrix.allows(owner, "a", Create));
        assert!(
            !matrix.is_hidden_from_some_reader("a"),
            "signed-in users may read it, the owner is one"
        );
    }
}
