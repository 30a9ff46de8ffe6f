//! `driftless token`: a user of the local cloud, without a sign-in.

use std::time::Duration;

use driftless_resolvers::clock::{Clock, System};
use serde_json::{Value, json};

use super::{Failure, output, project::Project};
use crate::auth::token::Kind;
use crate::auth::token::issuer::{Use, User};
use crate::config::{Config, Flags};

#[derive(Debug, clap::Args)]
pub(super) struct Token {
    /// The user's name; groups and claims of [auth.users.NAME] in driftless.toml are taken too
    name: String,
    /// A group the user is in; several are allowed
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// A further claim; the value is JSON, or else a text
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = claim)]
    claims: Vec<(String, Value)>,
    /// How long the token is good: 90s, 30m, 1h, 7d
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = duration)]
    expires: Duration,
    /// Who issues it
    #[arg(long, value_enum, default_value_t = Issuer::UserPool)]
    issuer: Issuer,
    /// The id token; clients send the access token
    #[arg(long)]
    id: bool,
    /// Print both tokens as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
enum Issuer {
    /// A Cognito user pool
    UserPool,
    /// Another OpenID Connect issuer
    Oidc,
}

impl Token {
    pub(super) fn run(self) -> Result<(), Failure> {
        let project = Project::here();
        let issuer = project.issuer()?;
        let kind = match self.issuer {
            Issuer::UserPool => Kind::UserPool,
            Issuer::Oidc => Kind::Oidc,
        };
        let seconds = i64::try_from(self.expires.as_secs()).unwrap_or(i64::MAX);
        let (id, json) = (self.id, self.json);
        let user = self.user(&project)?;
        let made = |purpose| issuer.token(kind, &user, purpose, System.now(), seconds);
        if json {
            let tokens = json!({
                "access_token": made(Use::Access)?,
                "id_token": made(Use::Id)?,
                "expires_in": seconds,
            });
            output::say(&tokens.to_string());
        } else {
            output::say(&made(if id { Use::Id } else { Use::Access })?);
        }
        Ok(())
    }

    /// What the configuration knows of the user, and what the command line adds.
    fn user(self, project: &Project) -> Result<User, Failure> {
        let config = Config::development(project.folder())
            .load(&Flags::default())
            .map_err(|error| Failure::Usage(error.to_string()))?;
        let mut user = match config.auth.users.get(&self.name) {
            Some(user) => user.clone(),
            None => User {
                name: self.name,
                ..User::default()
            },
        };
        for group in self.groups {
            if !user.groups.contains(&group) {
                user.groups.push(group);
            }
        }
        user.claims.extend(self.claims);
        Ok(user)
    }
}

pub(super) fn claim(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("a claim is NAME=VALUE")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    Ok((name.to_owned(), value))
}

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err("a time is a number with s, m, h or d".to_owned()),
    };
    let number: u32 = digits
        .parse()
        .map_err(|_| "a time is a number with s, m, h or d".to_owned())?;
    Ok(Duration::from_secs(u64::from(number) * unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_claims_are_read() {
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7_200)));
        for wrong in ["", "h", "1w", "-1h", "1.5h", "99999999999d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert_eq!(claim("n=1"), Ok(("n".to_owned(), json!(1))));
        assert_eq!(claim("a=b=c"), Ok(("a".to_owned(), json!("b=c"))));
        assert!(claim("n").is_err());
    }
}
