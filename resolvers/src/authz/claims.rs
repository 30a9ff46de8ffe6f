//! What a token says about its bearer: the names a record may know them by, and their groups (`auth` 3.1).

use serde_json::Value;

use crate::identity::TokenIdentity;

/// Between the parts of a composite claim, and of the identities made from it.
const DELIMITER: &str = "::";

/// The claim that lists groups, unless a rule names another.
pub(super) const GROUPS: &str = "cognito:groups";

/// Whom an owner rule takes a caller for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identities {
    /// All parts of the claim, joined as a created record stores them; `None` if the token lacks one.
    pub(super) whole: Option<String>,
    /// The parts of a composite claim that the token has, each of which stands for the caller too: older records name
    /// one alone.
    pub(super) parts: Vec<String>,
}

impl Identities {
    /// What the token says for this claim. `strict` leaves the parts out.
    ///
    /// Where users choose their names, one may call itself `SUB::NAME` after somebody else. So a part with the delimiter
    /// in it never stands for its bearer alone, and in front of another part it makes no whole identity.
    pub(super) fn of(token: &TokenIdentity, claim: &str, strict: bool) -> Self {
        let names: Vec<&str> = claim.split(DELIMITER).collect();
        let values: Vec<Option<&str>> = names.iter().map(|name| text(token, name)).collect();
        let whole: Option<Vec<&str>> = values.iter().copied().collect();
        let whole = whole.filter(|parts| {
            let front = parts.split_last().map_or(&[][..], |(_, front)| front);
            front.iter().all(|part| !part.contains(DELIMITER))
        });
        let parts = match names.len() {
            1 => Vec::new(),
            _ if strict => Vec::new(),
            _ => values
                .into_iter()
                .flatten()
                .filter(|part| !part.contains(DELIMITER))
                .map(str::to_owned)
                .collect(),
        };
        Identities {
            whole: whole.map(|parts| parts.join(DELIMITER)),
            parts,
        }
    }

    /// An owner, or a list of some, in which the bearer is named as a whole where it was named by a part.
    pub(super) fn in_whole(&self, owner: &Value) -> Value {
        match (owner, &self.whole) {
            (Value::String(name), Some(whole)) if self.include(name) => whole.as_str().into(),
            (Value::Array(owners), _) => owners.iter().map(|owner| self.in_whole(owner)).collect(),
            (other, _) => other.clone(),
        }
    }

    /// Every text by which a record may name the caller.
    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        let parts = self.parts.iter().map(String::as_str);
        self.whole.as_deref().into_iter().chain(parts)
    }

    /// Whether this text names the caller.
    pub(super) fn include(&self, text: &str) -> bool {
        self.all().any(|identity| identity == text)
    }
}

/// A claim that is a text. The empty text names nobody: it would match every record whose owner was erased so.
fn text<'a>(token: &'a TokenIdentity, claim: &str) -> Option<&'a str> {
    let value = match claim {
        "username" => token.username(),
        _ => token.claims.get(claim).and_then(Value::as_str),
    };
    value.filter(|value| !value.is_empty())
}

/// The groups a claim lists: a list, the JSON text of one, or the name of a single group.
pub(super) fn groups(token: &TokenIdentity, claim: &str) -> Vec<String> {
    let listed = |values: &[Value]| -> Vec<String> {
        let names = values.iter().filter_map(Value::as_str);
        names
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect()
    };
    match token.claims.get(claim) {
        Some(Value::Array(groups)) => listed(groups),
        Some(Value::String(text)) => match serde_json::from_str(text) {
            Ok(Value::Array(groups)) => listed(&groups),
            _ if text.is_empty() => Vec::new(),
            _ => vec![text.clone()],
        },
        _ => Vec::new(),
    }
}

/// What clients see of an owner: the last part of a composite identity, of every element of a list (`auth` 3.1).
pub(crate) fn visible(owner: &Value) -> Value {
    match owner {
        Value::String(text) => Value::String(last_part(text).to_owned()),
        Value::Array(owners) => owners.iter().map(visible).collect(),
        other => other.clone(),
    }
}

fn last_part(text: &str) -> &str {
    text.rsplit(DELIMITER).next().unwrap_or(text)
}

/// Whether records name the callers of this claim by several parts.
pub(super) fn is_composite(claim: &str) -> bool {
    claim.contains(DELIMITER)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixtures::object;

    fn token(claims: Value) -> TokenIdentity {
        TokenIdentity {
            issuer: "i".to_owned(),
            subject: "s".to_owned(),
            claims: object(claims),
        }
    }

    #[test]
    fn a_composite_claim_names_the_caller_as_a_whole_and_by_each_part() {
        let alice = token(json!({"sub": "sA", "cognito:username": "alice"}));
        let known = Identities::of(&alice, "sub::username", false);
        assert_eq!(
            known.all().collect::<Vec<_>>(),
            ["sA::alice", "sA", "alice"]
        );
        let strict = Identities::of(&alice, "sub::username", true);
        assert_eq!(strict.all().collect::<Vec<_>>(), ["sA::alice"]);
    }

    #[test]
    fn a_token_without_a_part_has_the_other_parts_only() {
        let known = Identities::of(&token(json!({"sub": "sA"})), "sub::email", false);
        assert_eq!(known.whole, None);
        assert_eq!(known.all().collect::<Vec<_>>(), ["sA"]);
    }

    #[test]
    fn who_calls_itself_after_somebody_elses_identity_is_not_taken_for_it() {
        let known = |claims| {
            let known = Identities::of(&token(claims), "sub::username", false);
            known.all().map(str::to_owned).collect::<Vec<_>>()
        };
        let mallory = json!({"sub": "sM", "username": "sA::alice"});
        assert_eq!(known(mallory), ["sM::sA::alice", "sM"]);
        let composed = json!({"sub": "sM::sA", "username": "alice"});
        assert_eq!(known(composed), ["alice"]);
    }

    #[test]
    fn claims_that_are_no_text_or_empty_name_nobody() {
        for claims in [json!({"sub": 7}), json!({"sub": ""}), json!({"sub": null})] {
            let known = Identities::of(&token(claims), "sub", false);
            assert_eq!(known.all().count(), 0);
        }
    }

    #[test]
    fn groups_come_as_list_as_json_or_alone() {
        for (claim, expected) in [
            (json!(["A", "B"]), vec!["A", "B"]),
            (json!("[\"A\",\"B\"]"), vec!["A", "B"]),
            (json!("A"), vec!["A"]),
            (json!(["A", 7, "", null]), vec!["A"]),
            (json!(""), vec![]),
            (json!(null), vec![]),
            (json!({"A": true}), vec![]),
        ] {
            assert_eq!(
                groups(&token(json!({"g": claim})), "g"),
                expected,
                "{claim}"
            );
        }
        assert_eq!(groups(&token(json!({})), "g"), Vec::<String>::new());
    }

    #[test]
    fn clients_see_the_last_part_of_an_owner() {
        assert_eq!(visible(&json!("s::a::alice")), "alice");
        assert_eq!(visible(&json!("alice")), "alice");
        assert_eq!(
            visible(&json!(["s::alice", "bob", null])),
            json!(["alice", "bob", null])
        );
        assert_eq!(visible(&Value::Null), Value::Null);
    }
}
