//! From what a client sends to who it is.
//!
//! * [`credentials`] – what is shown, and what for; [`family`] – which library shows it;
//! * [`authenticator`] – the configured modes, in the order in which a credential is looked at;
//! * [`api_key`], [`token`], [`iam`], [`lambda`] – one mode each; [`settings`] – what is configured;
//! * [`inquiry`] – what an operator asks about rules;
//! * [`documents`] – key sets of issuers on the network.

pub mod api_key;
pub mod authenticator;
pub mod credentials;
pub mod documents;
pub mod family;
pub mod iam;
pub mod inquiry;
pub mod lambda;
mod recall;
pub mod roster;
pub mod settings;
pub mod token;

pub use api_key::{ApiKeys, KeySetting};
pub use authenticator::{Authenticator, Rejection, World};
pub use credentials::{Credentials, Presented, Signed};
pub use family::UserAgents;
pub use settings::Settings;
