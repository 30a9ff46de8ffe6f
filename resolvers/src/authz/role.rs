//! Who a rule speaks of, and whether a caller is one of them.

use serde_json::Value;

use super::Settings;
use super::claims::{self, Identities};
use crate::filter::{AttributeType, Filter, Test};
use crate::identity::{AuthMode, Identity};
use crate::schema::model::{Allow, Model};
use crate::schema::roles;

/// Some of the callers of one mode (`transformer` 8.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Role {
    /// How they prove who they are.
    pub(super) provider: AuthMode,
    /// Which of them.
    pub(super) who: Who,
}

/// Which callers of a mode ([`Allow`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    Public,
    Private,
    Custom,
    Groups { groups: Vec<String>, claim: String },
    Owner(Named),
    GroupsField(Named),
}

/// Callers that a record names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    /// The field of the record.
    pub(super) field: String,
    /// The claim of the token.
    pub(super) claim: String,
    /// Whether the field is a list.
    pub(super) list: bool,
}

impl Role {
    /// A role of the schema. What a record names its callers by is looked up in the model.
    pub(super) fn of(model: &Model, role: &roles::Role) -> Role {
        let named = |field: &str, claim: &str| Named {
            field: field.to_owned(),
            claim: claim.to_owned(),
            list: model
                .fields
                .get(field)
                .is_some_and(|field| field.ty.list.is_some()),
        };
        let who = match &role.allow {
            Allow::Public => Who::Public,
            Allow::Private => Who::Private,
            Allow::Custom => Who::Custom,
            Allow::Owner { field, claim } => Who::Owner(named(field, claim)),
            Allow::GroupsField { field, claim } => Who::GroupsField(named(field, claim)),
            Allow::Groups { groups, claim } => Who::Groups {
                groups: groups.clone(),
                claim: claim.clone(),
            },
        };
        Role {
            provider: role.provider,
            who,
        }
    }

    /// Whether a record decides who has the role.
    pub(super) fn is_dynamic(&self) -> bool {
        matches!(self.who, Who::Owner(_) | Who::GroupsField(_))
    }

    /// Whether a caller has the role.
    pub(super) fn standing<'r>(&'r self, identity: &Identity, settings: &Settings) -> Standing<'r> {
        if self.provider != identity.mode() {
            return Standing::Outside;
        }
        let has = match (&self.who, identity) {
            (Who::Public, Identity::ApiKey { .. }) | (Who::Custom, Identity::Lambda(_)) => true,
            (Who::Public, Identity::Iam(signer)) => signer.authenticated == Some(false),
            (Who::Private, Identity::Iam(signer)) => signer.authenticated == Some(true),
            (Who::Private, Identity::UserPool(_) | Identity::Oidc(_)) => true,
            (Who::Groups { groups, claim }, Identity::UserPool(token) | Identity::Oidc(token)) => {
                let known = claims::groups(token, claim);
                groups.iter().any(|group| known.contains(group))
            }
            (Who::Owner(named), Identity::UserPool(token) | Identity::Oidc(token)) => {
                let identities = Identities::of(token, &named.claim, settings.strict_owner);
                return Standing::Owner(named, identities);
            }
            (Who::GroupsField(named), Identity::UserPool(token) | Identity::Oidc(token)) => {
                let groups = claims::groups(token, &named.claim);
                return match groups.as_slice() {
                    [] => Standing::Outside,
                    _ => Standing::Groups(named, groups),
                };
            }
            _ => false,
        };
        if has {
            Standing::Inside
        } else {
            Standing::Outside
        }
    }
}

/// Whether a caller has a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing<'r> {
    /// No.
    Outside,
    /// Yes.
    Inside,
    /// On records that name one of these.
    Owner(&'r Named, Identities),
    /// On records that name one of these groups.
    Groups(&'r Named, Vec<String>),
}

impl Standing<'_> {
    /// The records on which the caller has the role, for list, get and sync: a token that lacks a part of the claim
    /// finds what the other parts own (`auth` 3.1). `None` is none.
    pub(super) fn found(&self) -> Option<Filter> {
        match self {
            Standing::Outside => None,
            Standing::Inside => Some(Filter::everything()),
            Standing::Owner(named, identities) => names(named, identities.all()),
            Standing::Groups(named, groups) => names(named, groups.iter().map(String::as_str)),
        }
    }

    /// The records on which the caller has the role, for everything else: a token that lacks a part of the claim owns
    /// nothing. `None` is none.
    pub(super) fn held(&self) -> Option<Filter> {
        match self {
            Standing::Owner(_, identities) if identities.whole.is_none() => None,
            _ => self.found(),
        }
    }

    /// The names by which records know the caller in this field.
    pub(super) fn names_for(&self, field: &str) -> Option<Vec<String>> {
        match self {
            Standing::Owner(named, identities) if named.field == field => {
                Some(identities.all().map(str::to_owned).collect())
            }
            _ => None,
        }
    }

    /// Whether the caller has the role on a record with this document ([`Standing::held`]).
    pub(super) fn holds_on(&self, fields: &crate::Fields) -> bool {
        match self {
            Standing::Outside => false,
            Standing::Inside => true,
            Standing::Owner(named, identities) => {
                identities.whole.is_some()
                    && is_named(named, fields, |text| identities.include(text))
            }
            Standing::Groups(named, groups) => is_named(named, fields, |text| {
                groups.iter().any(|group| group == text)
            }),
        }
    }
}

/// Whether the field names somebody.
fn is_named(named: &Named, fields: &crate::Fields, is_one: impl Fn(&str) -> bool) -> bool {
    match fields.get(&named.field) {
        Some(Value::Array(names)) if named.list => {
            names.iter().filter_map(Value::as_str).any(is_one)
        }
        Some(Value::String(name)) if !named.list => is_one(name),
        _ => false,
    }
}

/// The records whose field holds one of these texts.
fn names<'t>(named: &Named, texts: impl Iterator<Item = &'t str>) -> Option<Filter> {
    let mut values: Vec<Value> = Vec::new();
    for text in texts {
        if !values.iter().any(|value| value == text) {
            values.push(text.into());
        }
    }
    if values.is_empty() {
        return None;
    }
    let field = |test| Filter::Field {
        name: named.field.clone(),
        test,
    };
    Some(if named.list {
        // In a text `contains` would find parts of names.
        let contains = values.into_iter().map(|value| field(Test::Contains(value)));
        Filter::All(vec![
            field(Test::Type(AttributeType::List)),
            Filter::Any(contains.collect()),
        ])
    } else {
        field(Test::In(values))
    })
}
