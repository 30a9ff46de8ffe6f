//! What a rule lets a caller do, and the permit without which no resolver reaches a record.
//!
//! [`decide`] is the pure decision. [`Permit::request`] asks for it and yields the only way to the store that
//! resolvers have, so that forgetting to ask does not compile.

mod permit;

use crate::identity::{AuthMode, Identity};
use crate::schema::Schema;
use crate::schema::model::{Allow, AuthRule, Model, ModelOperation};

pub(crate) use permit::Permit;

/// What a caller may do with a model's records. Row rules (owner, groups) add a variant that carries a
/// [`crate::filter::Filter`]; [`Permit`] is the one place that has to apply it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Every record.
    Allow,
    /// None.
    Deny,
}

/// Whether a caller may do this to a model's records (`transformer.md` 8).
///
/// A model without rules is closed to everybody, except to API keys in a sandbox (8.8).
#[must_use]
pub fn decide(
    schema: &Schema,
    model: &Model,
    operation: ModelOperation,
    identity: &Identity,
) -> Access {
    // Rules of single fields are not evaluated yet, so a model that has any is closed.
    if model.fields.values().any(|field| field.auth.is_some()) {
        return Access::Deny;
    }
    let allowed = if model.auth.is_empty() {
        schema.sandbox && matches!(identity, Identity::ApiKey { .. })
    } else {
        model
            .auth
            .iter()
            .any(|rule| applies(rule, operation, identity))
    };
    if allowed { Access::Allow } else { Access::Deny }
}

fn applies(rule: &AuthRule, operation: ModelOperation, identity: &Identity) -> bool {
    let for_caller = rule.allow == Allow::Public
        && rule.provider == AuthMode::ApiKey
        && matches!(identity, Identity::ApiKey { .. });
    for_caller && rule.operations.contains(&operation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::post;

    fn key() -> Identity {
        Identity::ApiKey {
            id: "k1".to_owned(),
        }
    }

    fn decided(sandbox: bool, auth: Vec<AuthRule>, operation: ModelOperation) -> Access {
        let schema = Schema {
            sandbox,
            ..Schema::default()
        };
        let model = Model { auth, ..post() };
        decide(&schema, &model, operation, &key())
    }

    fn rule(operations: &[ModelOperation]) -> AuthRule {
        AuthRule {
            allow: Allow::Public,
            provider: AuthMode::ApiKey,
            operations: operations.to_vec(),
            span: crate::schema::Span::default(),
        }
    }

    #[test]
    fn a_model_without_rules_is_closed() {
        assert_eq!(decided(false, vec![], ModelOperation::Get), Access::Deny);
    }

    #[test]
    fn a_sandbox_opens_models_without_rules_to_api_keys() {
        assert_eq!(decided(true, vec![], ModelOperation::Get), Access::Allow);
    }

    #[test]
    fn a_sandbox_does_not_widen_a_models_own_rules() {
        let rules = vec![rule(&[ModelOperation::Get])];
        assert_eq!(decided(true, rules, ModelOperation::Delete), Access::Deny);
    }

    #[test]
    fn a_rule_allows_its_operations_and_no_others() {
        let rules = || {
            vec![
                rule(&[ModelOperation::Create]),
                rule(&[ModelOperation::Sync]),
            ]
        };
        assert_eq!(
            decided(false, rules(), ModelOperation::Create),
            Access::Allow
        );
        assert_eq!(decided(false, rules(), ModelOperation::Sync), Access::Allow);
        assert_eq!(
            decided(false, rules(), ModelOperation::Update),
            Access::Deny
        );
    }
}
