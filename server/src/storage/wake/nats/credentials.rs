//! What a node shows NATS instead of a password: it signs what the server says with a key of its own, and where there are
//! accounts it brings along what one of them says of that key.

use std::fmt;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use async_nats::{Auth, AuthError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::{KeyPair, KeyPairType};
use serde::Deserialize;

/// A user's key and, from a `.creds` file, what its account says of it.
pub struct Credentials {
    jwt: Option<String>,
    key: KeyPair,
}

impl fmt::Debug for Credentials {
    /// Never shows the key.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.key.public_key())
    }
}

/// The part of a JWT that tells whom it speaks of.
#[derive(Deserialize)]
struct Claims {
    sub: String,
}

impl Credentials {
    /// Reads a `.creds` file, or one that holds nothing but the seed of a key. Errors name the file and what to do, and show
    /// nothing of what is in it.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let place = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {place}"))?;
        Credentials::parse(&text).with_context(|| {
            format!(
                "{place} is neither a .creds file, as `nsc generate creds` writes it, nor the seed of a user's nkey (SU…)"
            )
        })
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let mut jwt = None;
        let mut seed = None;
        for word in text.lines().filter_map(word) {
            if word.contains('.') {
                jwt = jwt.or(Some(word));
            } else {
                seed = seed.or(Some(word));
            }
        }
        let key = KeyPair::from_seed(seed.context("there is no seed in it")?)
            .map_err(|error| anyhow::anyhow!("its seed cannot be read: {error}"))?;
        let kind = key.key_pair_type();
        ensure!(
            kind == KeyPairType::User,
            "its seed is not a user's, but that of another kind: {kind:?}"
        );
        if let Some(jwt) = jwt {
            let subject = subject(jwt).context("its JWT cannot be read")?;
            ensure!(
                subject == key.public_key(),
                "its JWT and its seed belong to two different users"
            );
        }
        Ok(Credentials {
            jwt: jwt.map(str::to_owned),
            key,
        })
    }

    /// What a server that says this `nonce` is answered.
    pub(super) fn answer(&self, nonce: &[u8]) -> Result<Auth, AuthError> {
        let mut auth = Auth::new();
        auth.signature = Some(self.key.sign(nonce).map_err(AuthError::new)?);
        match &self.jwt {
            Some(jwt) => auth.jwt = Some(jwt.clone()),
            None => auth.nkey = Some(self.key.public_key()),
        }
        Ok(auth)
    }
}

/// A line that holds a JWT or a seed: not one of those around them, which are dashes, stars and sentences.
fn word(line: &str) -> Option<&str> {
    let line = line.trim();
    let is_of_word = |letter: char| letter.is_ascii_alphanumeric() || "._-=".contains(letter);
    let is_word = !line.is_empty() && !line.starts_with("--") && line.chars().all(is_of_word);
    is_word.then_some(line)
}

/// Whom a JWT speaks of. Whether it is true is for the server to find out.
fn subject(jwt: &str) -> anyhow::Result<String> {
    let [_, claims, _] = jwt.split('.').collect::<Vec<_>>()[..] else {
        bail!("it does not have three parts");
    };
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims)?)?;
    Ok(claims.sub)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt_of(subject: &str) -> String {
        let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"sub":"{subject}","nats":{{}}}}"#));
        format!("e30.{claims}.c2ln")
    }

    /// As `nsc` writes it.
    fn creds(jwt: &str, seed: &str) -> String {
        format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
             ************************* IMPORTANT *************************\n\
             NKEY Seed printed below can be used to sign and prove identity.\n\
             NKEYs are sensitive and should be treated as secrets.\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n\n\
             *************************************************************\n"
        )
    }

    fn told(text: &str) -> String {
        format!(
            "{:#}",
            Credentials::parse(text).expect_err("no credentials")
        )
    }

    #[test]
    fn a_creds_file_is_a_jwt_and_the_key_that_signs() {
        let user = KeyPair::new_user();
        let jwt = jwt_of(&user.public_key());
        let text = creds(&jwt, &user.seed().unwrap());
        for text in [text.replace('\n', "\r\n"), text] {
            let auth = Credentials::parse(&text).unwrap().answer(b"nonce").unwrap();
            assert_eq!(auth.jwt.as_ref(), Some(&jwt));
            assert_eq!(auth.nkey, None, "the JWT names it");
            user.verify(b"nonce", &auth.signature.unwrap()).unwrap();
        }
    }

    #[test]
    fn a_seed_alone_is_a_key_that_the_server_knows() {
        let user = KeyPair::new_user();
        let text = format!("{}\n", user.seed().unwrap());
        let auth = Credentials::parse(&text).unwrap().answer(b"nonce").unwrap();
        assert_eq!((auth.jwt, auth.nkey), (None, Some(user.public_key())));
        user.verify(b"nonce", &auth.signature.unwrap()).unwrap();
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_and_nothing_of_it_shown() {
        let (user, other) = (KeyPair::new_user(), KeyPair::new_user());
        let (seed, jwt) = (user.seed().unwrap(), jwt_of(&user.public_key()));
        let account = KeyPair::new_account().seed().unwrap();
        for (text, reason) in [
            (String::new(), "there is no seed"),
            (
                "user: me\npassword: secret\n".to_owned(),
                "there is no seed",
            ),
            (jwt.clone(), "there is no seed"),
            (seed[..50].to_owned(), "its seed cannot be read"),
            (format!("{}7777", &seed[..54]), "its seed cannot be read"),
            (account, "is not a user's"),
            (creds("a.b", &seed), "its JWT cannot be read"),
            (creds(&jwt, &other.seed().unwrap()), "two different users"),
        ] {
            let told = told(&text);
            assert!(told.contains(reason), "{told}");
            assert!(!told.contains(&seed[..20]), "{told}");
        }
        let debug = format!("{:?}", Credentials::parse(&seed).unwrap());
        assert_eq!(debug, user.public_key());
    }
}
