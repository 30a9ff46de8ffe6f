//! The caller as AppSync shows it to functions (`auth` 1.4).

use serde_json::{Value, json};

use crate::authz::Settings;
use crate::identity::{Identity, TokenIdentity};

/// The identity object; null for API keys.
pub(super) fn appsync(identity: &Identity, settings: &Settings) -> Value {
    match identity {
        Identity::ApiKey { .. } => Value::Null,
        Identity::UserPool(token) => json!({
            "sub": token.subject,
            "issuer": token.issuer,
            "username": token.username(),
            "groups": groups(token),
            "claims": token.claims,
            "defaultAuthStrategy": if settings.closes_unnamed { "DENY" } else { "ALLOW" },
        }),
        Identity::Oidc(token) => json!({
            "sub": token.subject,
            "issuer": token.issuer,
            "claims": token.claims,
        }),
        Identity::Iam(signer) => json!({
            "accountId": signer.account_id,
            "username": signer.username,
            "userArn": signer.user_arn,
            "cognitoIdentityId": signer.identity_id,
            "cognitoIdentityPoolId": signer.identity_pool_id,
            "cognitoIdentityAuthType": signer.authenticated.map(|signed_in| {
                if signed_in { "authenticated" } else { "unauthenticated" }
            }),
        }),
        Identity::Lambda(caller) => json!({"resolverContext": caller.resolver_context}),
    }
}

fn groups(token: &TokenIdentity) -> Value {
    let groups = token.claims.get("cognito:groups");
    groups.cloned().unwrap_or(Value::Null)
}
