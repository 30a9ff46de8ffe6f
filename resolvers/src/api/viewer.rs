//! Who looks at an answer, and what of it they may see.

use std::sync::Arc;

use crate::authz::{Redaction, Sight};
use crate::engine::Engine;
use crate::identity::{Caller, Identity};
use crate::schema::model::Model;

/// The types of the fields at the root of operations.
const ROOTS: [&str; 3] = ["Query", "Mutation", "Subscription"];

/// The reader of an answer.
#[derive(Clone, Copy)]
pub(crate) struct Viewer<'a> {
    /// What is served.
    pub(crate) engine: &'a Engine,
    /// Who reads.
    pub(crate) caller: &'a Caller,
}

impl Viewer<'_> {
    /// What the reader sees of a model's records.
    pub(crate) fn sight(&self, model: &Model) -> Sight {
        self.engine.rules.sight(&model.name, &self.caller.identity)
    }

    /// Whether there may be fields of this type that [`Viewer::is_denied`] denies.
    pub(crate) fn guards(&self, ty: &str) -> bool {
        let denied = match &self.caller.identity {
            Identity::Lambda(caller) => caller.denied_fields.iter().any(|(name, _)| name == ty),
            _ => false,
        };
        denied || self.engine.rules.guards(ty)
    }

    /// Whether the caller does not reach this field, wherever it stands: what the schema says by hand keeps it out, the
    /// authorizer function denied it, or the configuration allows its principal other ones (`auth` 1.5, 1.6, 2.1).
    pub(crate) fn is_denied(&self, ty: &str, field: &str) -> bool {
        let identity = &self.caller.identity;
        if !self.engine.rules.reaches(ty, field, identity) {
            return true;
        }
        match identity {
            Identity::Lambda(caller) => caller
                .denied_fields
                .iter()
                .any(|(denied_type, denied)| denied_type == ty && denied == field),
            Identity::Iam(signer) if ROOTS.contains(&ty) => !signer.may_ask(ty, field),
            _ => false,
        }
    }

    /// Whether a field that is refused in the answer of a mutation gets an error. The original gives one; it makes
    /// DataStore believe that the mutation was refused.
    pub(crate) fn is_told_of_refusals(&self) -> bool {
        self.engine.settings.authz.mutation_redaction == Redaction::AppSync
            && !self.caller.datastore
    }
}

/// The sights of one answer, each worked out once.
#[derive(Default)]
pub(super) struct Sights(Vec<(Arc<Model>, Option<Arc<Sight>>)>);

impl Sights {
    /// What the reader sees of a model's records; `None` is everything, as it is stored.
    pub(super) fn of(&mut self, viewer: Viewer<'_>, model: &Arc<Model>) -> Option<Arc<Sight>> {
        let known = self.0.iter().find(|(known, _)| Arc::ptr_eq(known, model));
        if let Some((_, sight)) = known {
            return sight.clone();
        }
        let sight = viewer.sight(model);
        let sight = (!sight.is_plain()).then(|| Arc::new(sight));
        self.0.push((Arc::clone(model), sight.clone()));
        sight
    }
}
