//! Whether the claims of a token whose signature is good let its bearer in (`auth` 1.3). Pure: the time comes from
//! outside.

use driftless_conflict_handlers::Timestamp;
use regex::Regex;
use serde_json::{Map, Value};

use super::Kind;
use crate::auth::Rejection;

/// What is asked of a token beyond its signature.
#[derive(Debug, Clone)]
pub struct Demands {
    /// Whose token it is.
    pub kind: Kind,
    /// `iss`.
    pub issuer: String,
    /// What the audience must match; any, if `None`.
    pub audience: Option<Regex>,
    /// How many milliseconds a token lives after `iat`, whatever `exp` says.
    pub iat_ttl: Option<i64>,
    /// How many milliseconds a token lives after `auth_time`.
    pub auth_ttl: Option<i64>,
    /// How many milliseconds the clocks of issuer and server may differ.
    pub leeway: i64,
}

impl Demands {
    /// Whether the token is good at this time.
    pub fn judge(&self, claims: &Map<String, Value>, now: Timestamp) -> Result<(), Rejection> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        if !text("iss").is_some_and(|issuer| same_issuer(issuer, &self.issuer)) {
            return Err(Rejection::Missing);
        }
        if text("sub").is_none_or(str::is_empty) {
            return Err(Rejection::Refused);
        }
        self.judge_time(claims, now)?;
        if self.kind == Kind::UserPool && !matches!(text("token_use"), Some("id" | "access")) {
            return Err(Rejection::Refused);
        }
        match &self.audience {
            Some(wanted) if !self.audiences(claims).any(|name| wanted.is_match(name)) => {
                Err(Rejection::Refused)
            }
            _ => Ok(()),
        }
    }

    /// Only what depends on the time; the rest of a token never changes.
    pub fn judge_time(&self, claims: &Map<String, Value>, now: Timestamp) -> Result<(), Rejection> {
        let instant = |name: &str| match claims.get(name) {
            None => Ok(None),
            Some(value) => milliseconds(value).map(Some).ok_or(Rejection::Refused),
        };
        let Some(expires) = instant("exp")? else {
            return Err(Rejection::Refused);
        };
        let now = now.0;
        let over = |end: i64| end.saturating_add(self.leeway) <= now;
        if over(expires) {
            return Err(Rejection::Expired);
        }
        if instant("nbf")?.is_some_and(|begins| begins > now.saturating_add(self.leeway)) {
            return Err(Rejection::Refused);
        }
        let issued = instant("iat")?;
        for (ttl, since) in [
            (self.iat_ttl, issued),
            // Without `auth_time` the sign-in is at most as old as the token, so the token's age is what counts.
            (self.auth_ttl, instant("auth_time")?.or(issued)),
        ] {
            let Some(ttl) = ttl else { continue };
            let since = since.ok_or(Rejection::Refused)?;
            if over(since.saturating_add(ttl)) {
                return Err(Rejection::Expired);
            }
        }
        Ok(())
    }

    /// The names that say whom a token is for: `aud` and `client_id` of a user pool, `aud` and `azp` elsewhere.
    fn audiences<'a>(&self, claims: &'a Map<String, Value>) -> impl Iterator<Item = &'a str> {
        let other = match self.kind {
            Kind::UserPool => "client_id",
            Kind::Oidc => "azp",
        };
        let several = match claims.get("aud") {
            Some(Value::Array(several)) => several.as_slice(),
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        several
            .iter()
            .chain(claims.get(other))
            .filter_map(Value::as_str)
    }
}

/// Whether two issuers are one. One trailing slash makes no difference (`auth` 1.2).
pub fn same_issuer(one: &str, other: &str) -> bool {
    let bare = |text: &'_ str| text.strip_suffix('/').unwrap_or(text).len();
    one[..bare(one)] == other[..bare(other)]
}

/// A NumericDate: seconds, perhaps with a fraction.
fn milliseconds(value: &Value) -> Option<i64> {
    let seconds = value.as_f64().filter(|seconds| seconds.is_finite())?;
    // Far beyond any date; the cast saturates.
    #[allow(clippy::cast_possible_truncation)]
    Some((seconds * 1000.0) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: i64 = 1_700_000_000_000;
    const S: i64 = NOW / 1000;

    fn demands(kind: Kind) -> Demands {
        Demands {
            kind,
            issuer: "https://issuer".to_owned(),
            audience: Some(Regex::new("^app$").expect("a pattern")),
            iat_ttl: None,
            auth_ttl: None,
            leeway: 0,
        }
    }

    fn judged(demands: &Demands, more: &Value) -> Result<(), Rejection> {
        let mut claims = json!({
            "iss": "https://issuer", "sub": "s", "exp": S + 1, "aud": "app", "token_use": "id"});
        for (name, value) in more.as_object().expect("claims") {
            claims[name] = value.clone();
        }
        let claims: Map<String, Value> = claims
            .as_object()
            .expect("claims")
            .clone()
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .collect();
        demands.judge(&claims, Timestamp(NOW))
    }

    #[test]
    fn each_claim_is_judged() {
        let pool = demands(Kind::UserPool);
        let (expired, refused) = (Err(Rejection::Expired), Err(Rejection::Refused));
        let cases = [
            (json!({}), Ok(())),
            (
                json!({"token_use": "access", "aud": null, "client_id": "app"}),
                Ok(()),
            ),
            (json!({"token_use": "refresh"}), refused),
            (json!({"token_use": null}), refused),
            (json!({"exp": S}), expired),
            (json!({"exp": null}), refused),
            (json!({"exp": "soon"}), refused),
            (json!({"exp": 1.5e300}), Ok(())),
            (json!({"nbf": S + 1}), refused),
            (json!({"nbf": S}), Ok(())),
            (json!({"sub": null}), refused),
            (json!({"sub": ""}), refused),
            (json!({"iss": "https://issuer/"}), Ok(())),
            (
                json!({"iss": "https://issuer.evil"}),
                Err(Rejection::Missing),
            ),
            (json!({"iss": null}), Err(Rejection::Missing)),
            (json!({"aud": "app2"}), refused),
            (json!({"aud": ["x", "app"]}), Ok(())),
            (json!({"aud": null}), refused),
        ];
        for (more, expected) in cases {
            assert_eq!(judged(&pool, &more), expected, "{more}");
        }
    }

    #[test]
    fn an_issuer_may_limit_the_age_of_tokens_and_of_sign_ins() {
        let limited = Demands {
            iat_ttl: Some(60_000),
            auth_ttl: Some(300_000),
            ..demands(Kind::Oidc)
        };
        let cases = [
            (json!({"iat": S - 59, "auth_time": S - 299}), Ok(())),
            (
                json!({"iat": S - 60, "auth_time": S}),
                Err(Rejection::Expired),
            ),
            (
                json!({"iat": S, "auth_time": S - 300}),
                Err(Rejection::Expired),
            ),
            (json!({"iat": S - 59}), Ok(())),
            (json!({"auth_time": S}), Err(Rejection::Refused)),
        ];
        for (more, expected) in cases {
            assert_eq!(judged(&limited, &more), expected, "{more}");
        }
    }

    #[test]
    fn clocks_may_differ_by_the_leeway() {
        let patient = Demands {
            leeway: 60_000,
            ..demands(Kind::UserPool)
        };
        for (more, expected) in [
            (json!({"exp": S - 59}), Ok(())),
            (json!({"exp": S - 60}), Err(Rejection::Expired)),
            (json!({"nbf": S + 60}), Ok(())),
            (json!({"nbf": S + 61}), Err(Rejection::Refused)),
        ] {
            assert_eq!(judged(&patient, &more), expected, "{more}");
        }
    }
}
