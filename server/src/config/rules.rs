//! `[auth.rules]` in the file: how rules are applied where there is more than one way (`auth` 8).

use driftless_resolvers::authz::{HiddenGet, Redaction};
use serde::Deserialize;

use super::Config;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Rules {
    identity_claim: Option<IdentityClaim>,
    mutation_redaction: Option<RedactionWord>,
    hidden_get: Option<HiddenGetWord>,
    strict_owner: Option<bool>,
    populate_owner_for_static_groups: Option<bool>,
    admin_roles: Option<Vec<String>>,
    enable_iam_access: Option<bool>,
}

/// The claim of owner rules that name none.
#[derive(Debug, Clone, Copy, Deserialize)]
enum IdentityClaim {
    #[serde(rename = "sub::username")]
    SubUsername,
    #[serde(rename = "username")]
    Username,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RedactionWord {
    #[serde(rename = "appsync")]
    AppSync,
    PublishOnly,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HiddenGetWord {
    Unauthorized,
    Null,
}

/// Lays the section over the settings.
pub(super) fn apply(config: &mut Config, rules: Rules) {
    let settings = &mut config.engine.authz;
    if let Some(claim) = rules.identity_claim {
        config.username_claim = matches!(claim, IdentityClaim::Username);
    }
    if let Some(word) = rules.mutation_redaction {
        settings.mutation_redaction = match word {
            RedactionWord::AppSync => Redaction::AppSync,
            RedactionWord::PublishOnly => Redaction::PublishOnly,
        };
    }
    if let Some(word) = rules.hidden_get {
        settings.hidden_get = match word {
            HiddenGetWord::Unauthorized => HiddenGet::Unauthorized,
            HiddenGetWord::Null => HiddenGet::Null,
        };
    }
    if let Some(strict) = rules.strict_owner {
        settings.strict_owner = strict;
    }
    if let Some(populate) = rules.populate_owner_for_static_groups {
        settings.populate_owner_for_static_groups = populate;
    }
    if let Some(roles) = rules.admin_roles {
        // An empty name would be a part of every ARN.
        settings.admin_roles = roles.into_iter().filter(|role| !role.is_empty()).collect();
    }
    if let Some(enabled) = rules.enable_iam_access {
        settings.enable_iam_access = enabled;
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Flags;

    fn load(text: &str) -> Result<Config, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("driftless.toml");
        std::fs::write(&file, text).expect("a file");
        let flags = Flags {
            file: Some(file),
            ..Flags::default()
        };
        Config::development(Path::new("."))
            .overlaid(&flags, [])
            .map_err(|error| error.to_string())
    }

    #[test]
    fn every_switch_of_rules_can_be_set() {
        let config = load(
            r#"
            [auth.rules]
            identity_claim = "username"
            mutation_redaction = "publish_only"
            hidden_get = "null"
            strict_owner = true
            populate_owner_for_static_groups = false
            admin_roles = ["console", ""]
            enable_iam_access = true
            "#,
        )
        .expect("all of it is known");
        assert!(config.schema_options().username_claim);
        let settings = config.engine.authz;
        assert_eq!(settings.mutation_redaction, Redaction::PublishOnly);
        assert_eq!(settings.hidden_get, HiddenGet::Null);
        assert!(settings.strict_owner && settings.enable_iam_access);
        assert!(!settings.populate_owner_for_static_groups);
        assert_eq!(settings.admin_roles, ["console"]);
    }

    #[test]
    fn rules_are_applied_as_the_original_applies_them_unless_told_otherwise() {
        let config = load("").expect("an empty file");
        assert_eq!(
            config.engine.authz,
            driftless_resolvers::authz::Settings::default()
        );
        assert!(!config.schema_options().username_claim);
    }

    #[test]
    fn words_that_nobody_knows_are_refused_where_they_stand() {
        for (line, word) in [
            ("identity_claim = \"email\"", "email"),
            ("mutation_redaction = \"none\"", "none"),
            ("strict = true", "strict"),
        ] {
            let error = load(&format!("[auth.rules]\n{line}")).expect_err(line);
            assert!(error.contains(word), "{error}");
        }
    }
}
