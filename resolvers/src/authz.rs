//! What a rule lets a caller do, and the permits without which no resolver reaches a record.
//!
//! [`Rules`] is worked out once per schema: for every model a matrix of roles, fields and operations. Its methods are
//! the decisions, pure functions of the rules, the caller and the values at hand; nothing else in this crate asks a rule.
//! [`Permit`] and [`WritePermit`] ask them and are the only way to the store that resolvers have, so that forgetting to
//! ask does not compile.

mod access;
mod claims;
mod explain;
mod gate;
mod matrix;
mod permit;
mod read;
mod role;
mod rules;
mod sight;
mod write;
mod written;

use serde_json::Value;

use crate::Fields;
use crate::api::outcome::Arguments;
use crate::filter::{Filter, Test};
use crate::identity::Identity;
use crate::schema::model::{Model, ModelOperation};

pub use access::Access;
pub use explain::{Explanation, Question, Reason, explain};
pub(crate) use permit::{Approved, Found, Permit, WritePermit, unauthorized};
pub use rules::Rules;
pub use sight::Sight;
pub use write::Refused;

/// How rules are applied where there is more than one way. The defaults are the original's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What the answer of a mutation shows of fields with rules of their own.
    pub mutation_redaction: Redaction,
    /// What `getX` answers for a record that exists but is not the caller's (`errata.md` row 54).
    pub hidden_get: HiddenGet,
    /// Whether only the whole of a composite identity (`sub::username`) names an owner, and none of its parts: for pools
    /// in which users choose their names.
    pub strict_owner: bool,
    /// Whether a record that a static group or everybody may create is given its creator as owner too.
    pub populate_owner_for_static_groups: bool,
    /// Signers whose ARN contains one of these pass every rule.
    pub admin_roles: Vec<String>,
    /// Whether signers that no identity pool speaks for pass every rule.
    pub enable_iam_access: bool,
    /// Whether hand-written operations that neither a rule nor a directive speaks of are closed, and not open to the
    /// default mode (a user pool's `defaultAction` of `DENY`, `auth` 2.1). Generated ones always are.
    pub closes_unnamed: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            mutation_redaction: Redaction::AppSync,
            hidden_get: HiddenGet::Unauthorized,
            strict_owner: false,
            populate_owner_for_static_groups: true,
            admin_roles: Vec::new(),
            enable_iam_access: false,
            closes_unnamed: false,
        }
    }
}

/// What the answer of a mutation shows of fields with rules of their own (`errata.md` row 22).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redaction {
    /// Nothing, not even to callers that may read them.
    AppSync,
    /// What the caller may read. Events show each subscriber what it may read in any case.
    PublishOnly,
}

/// What `getX` answers for a record that exists but is not the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HiddenGet {
    /// That it is not the caller's.
    Unauthorized,
    /// The same as for a record that does not exist.
    Null,
}

/// Something a caller asks to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading<'a> {
    /// Records, by an operation of the API. The values are those the request names key fields by.
    Operation(ModelOperation, &'a [(String, Value)]),
    /// Records that another one leads to.
    Relation,
}

impl Rules {
    /// The records of a model that a caller finds.
    #[must_use]
    pub fn read(&self, model: &str, reading: Reading<'_>, identity: &Identity) -> Access {
        let Some(model) = self.model(model) else {
            return Access::Deny;
        };
        match reading {
            Reading::Operation(operation, known) => {
                read::read(self, model, operation, identity).among(known)
            }
            Reading::Relation => read::read_related(self, model, identity),
        }
    }

    /// The records of whose events a subscriber gets to know.
    #[must_use]
    pub fn listen(&self, model: &str, identity: &Identity, args: &Arguments) -> Access {
        match self.model(model) {
            Some(model) => read::listen(self, model, identity, args),
            None => Access::Deny,
        }
    }

    /// Whether there can be a record of which the caller may make this mutation.
    #[must_use]
    pub fn hopes(&self, model: &str, operation: ModelOperation, identity: &Identity) -> bool {
        let model = self.model(model);
        model.is_some_and(|model| write::hopes(self, model, operation, identity))
    }

    /// Whether a caller may create a record from this input, to which defaults have been added; and the owners that are
    /// to be added to it.
    pub fn create(
        &self,
        model: &Model,
        identity: &Identity,
        input: &Fields,
    ) -> Result<Fields, Refused> {
        let known = self.model(&model.name).ok_or(Refused::Operation)?;
        write::create(self, model, known, identity, input)
    }

    /// Whether a caller may make this update of what is stored. The owner that counts is the stored one.
    pub fn update(
        &self,
        model: &Model,
        identity: &Identity,
        input: &Fields,
        stored: Option<&Fields>,
    ) -> Result<(), Refused> {
        let known = self.model(&model.name).ok_or(Refused::Operation)?;
        write::update(self, model, known, identity, input, stored)
    }

    /// Whether a caller may delete what is stored.
    pub fn delete(
        &self,
        model: &Model,
        identity: &Identity,
        stored: Option<&Fields>,
    ) -> Result<(), Refused> {
        let known = self.model(&model.name).ok_or(Refused::Operation)?;
        write::delete(self, known, identity, stored)
    }

    /// Whether a caller may put a new record in the place of a deleted one: one of the roles by which it creates must
    /// hold on what was stored there, or the record would be taken over from its owner.
    #[must_use]
    pub fn revive(&self, model: &str, identity: &Identity, stored: &Fields) -> bool {
        let model = self.model(model);
        model.is_some_and(|model| write::revive(self, model, identity, stored))
    }

    /// What a mutation's caller sends, where only whole identities name owners: the caller itself may still be named by
    /// a part, as clients see it, and is stored as a whole.
    #[must_use]
    pub(crate) fn in_whole(&self, model: &str, identity: &Identity, mut input: Fields) -> Fields {
        let (Identity::UserPool(token) | Identity::Oidc(token)) = identity else {
            return input;
        };
        let known = self.model(model).filter(|_| self.settings.strict_owner);
        for named in known
            .into_iter()
            .flat_map(|known| known.owned_by(identity.mode()))
        {
            if let Some(value) = input.get_mut(&named.field) {
                *value = claims::Identities::of(token, &named.claim, false).in_whole(value);
            }
        }
        input
    }

    /// What a caller sees of the records of a model that it may have.
    #[must_use]
    pub fn sight(&self, model: &str, identity: &Identity) -> Sight {
        match self.model(model) {
            Some(known) => sight::sight(self, model, known, identity),
            None => Sight::default(),
        }
    }

    /// Whether a caller's mode gets through to a model's type.
    #[must_use]
    pub fn reaches_type(&self, model: &str, identity: &Identity) -> bool {
        self.model(model)
            .is_some_and(|model| model.modes.model.contains(&identity.mode()))
    }

    /// Whether fields of a type have conditions that [`Rules::reaches`] knows.
    #[must_use]
    pub fn guards(&self, ty: &str) -> bool {
        self.written.contains_key(ty)
    }

    /// Whether a caller may reach a field that the schema writes by hand, or that has `@aws_…` directives. What is neither
    /// is open here.
    #[must_use]
    pub fn reaches(&self, ty: &str, field: &str, identity: &Identity) -> bool {
        let conditions = self.written.get(ty).and_then(|fields| fields.get(field));
        conditions.is_none_or(|conditions| {
            self.exempts(identity) || conditions.hold(identity, &self.settings)
        })
    }

    /// A client's filter or condition as this caller may use it: what it may not read is missing to it, and owners may be
    /// named by any form.
    #[must_use]
    pub(crate) fn usable(&self, model: &str, identity: &Identity, filter: Filter) -> Filter {
        let sight = self.sight(model, identity);
        if sight.is_plain() {
            return filter;
        }
        let filter = access::by_any_name(filter, &|field| self.own_names(model, identity, field));
        access::blinded(filter, &|field| sight.access(field))
    }

    /// The records that an owner argument of a subscription speaks of; null speaks of those without an owner
    /// (`errata.md` 2.12).
    #[must_use]
    pub(crate) fn argument(
        &self,
        model: &str,
        identity: &Identity,
        field: &str,
        value: &Value,
    ) -> Filter {
        let test = |test| Filter::Field {
            name: field.to_owned(),
            test,
        };
        let own = self.own_names(model, identity, field).unwrap_or_default();
        let named = access::named(field, std::slice::from_ref(value), &own);
        let filter = match value {
            Value::Null => Filter::Any(vec![named, test(Test::Exists(false))]),
            _ => named,
        };
        self.usable(model, identity, filter)
    }

    /// The records whose field equals the argument of the same name of a hand-written subscription. Owners may be named
    /// by any form; null speaks of records without a value (`realtime` 4.1).
    #[must_use]
    pub(crate) fn equal(
        &self,
        model: &str,
        identity: &Identity,
        field: &str,
        value: &Value,
    ) -> Filter {
        match self.own_names(model, identity, field) {
            Some(_) => self.argument(model, identity, field, value),
            None => self.usable(model, identity, Filter::equal(field, value)),
        }
    }

    /// The names by which a field of owners knows the caller; `None` if it is none, or one of a single form.
    fn own_names(&self, model: &str, identity: &Identity, field: &str) -> Option<Vec<String>> {
        let known = self.model(model)?;
        known.owners.iter().find(|owner| *owner == field)?;
        let rows = known.matrix.iter().flat_map(|matrix| &matrix.rows);
        let standings = rows.map(|row| row.role.standing(identity, &self.settings));
        let names = standings.filter_map(|standing| standing.names_for(field));
        Some(names.flatten().collect())
    }
}
