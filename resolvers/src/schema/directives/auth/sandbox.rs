//! `input AMPLIFY`: the global rule of a sandbox.

use crate::schema::diagnostic::Problems;
use crate::schema::document::{Document, Value};

/// The input that opens models without rules to every API key, as Gen 1 writes it.
const SANDBOX: &str = "AMPLIFY";

/// Takes `input AMPLIFY { globalAuthRule: AuthRule = { allow: public } }` out of the document.
pub(crate) fn take_sandbox(document: &mut Document, problems: &mut Problems) {
    let Some(input) = document.inputs.shift_remove(SANDBOX) else {
        return;
    };
    let rule = input
        .field("globalAuthRule")
        .filter(|_| input.fields.len() == 1)
        .and_then(|field| field.default.as_ref())
        .and_then(|rule| rule.get("allow"));
    // Also if the rule is wrong: then that is said once, not for every model.
    document.sandbox = true;
    if rule.and_then(Value::word) != Some("public") {
        problems.error(
            "sandbox-rule",
            input.span,
            "The only global rule there is lets in everyone who holds an API key.",
            "Write `input AMPLIFY { globalAuthRule: AuthRule = { allow: public } }`, or remove it.",
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::schema::load;
    use crate::schema::testing::{codes, warnings};

    #[test]
    fn a_model_without_rules_is_closed_unless_the_sandbox_is_on() {
        let text = "type A @model { id: ID! }";
        assert_eq!(warnings(text), ["auth-missing"]);
        let open =
            format!("{text} input AMPLIFY {{ globalAuthRule: AuthRule = {{ allow: public }} }}");
        assert_eq!(warnings(&open), [""; 0]);
        let schema = load(&open).expect("the sandbox is served").schema;
        assert!(schema.sandbox);
        assert!(schema.inputs.is_empty());
    }

    #[test]
    fn there_is_no_other_global_rule() {
        assert_eq!(
            codes(
                "input AMPLIFY { globalAuthRule: AuthRule = { allow: owner } } type A { b: Int }"
            ),
            ["sandbox-rule"]
        );
    }
}
