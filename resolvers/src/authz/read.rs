//! Which records a caller finds, and which events it gets (`transformer` 8.5, 8.7).

use serde_json::Value;

use super::Access;
use super::matrix::{Operations, Row};
use super::role::{Standing, Who};
use super::rules::{ModelRules, Rules};
use crate::api::outcome::Arguments;
use crate::identity::Identity;
use crate::schema::model::ModelOperation;

/// The records that the roles of an operation let a caller find.
pub(super) fn read(
    rules: &Rules,
    model: &ModelRules,
    operation: ModelOperation,
    identity: &Identity,
) -> Access {
    if !model.modes.reach(operation, identity.mode()) {
        return Access::Deny;
    }
    found_by(rules, model, identity, |row| row.some.has(operation))
}

/// The records of a related model that a caller finds: any right to read does (`auth` 4).
pub(super) fn read_related(rules: &Rules, model: &ModelRules, identity: &Identity) -> Access {
    if !model.modes.model.contains(&identity.mode()) {
        return Access::Deny;
    }
    found_by(rules, model, identity, |row| {
        row.some.has_any(&Operations::READ)
    })
}

fn found_by(
    rules: &Rules,
    model: &ModelRules,
    identity: &Identity,
    takes_part: impl Fn(&Row) -> bool,
) -> Access {
    let Some(matrix) = allowing(rules, model, identity) else {
        return whole(rules, model, identity);
    };
    let rows = matrix.rows.iter().filter(|row| takes_part(row));
    let standings = rows.map(|row| row.role.standing(identity, &rules.settings));
    Access::any(standings.filter_map(|standing| standing.found()))
}

/// The matrix, where it is what decides.
fn allowing<'m>(
    rules: &Rules,
    model: &'m ModelRules,
    identity: &Identity,
) -> Option<&'m super::matrix::Matrix> {
    model.matrix.as_ref().filter(|_| !rules.exempts(identity))
}

/// What a caller may do where the matrix does not decide.
pub(super) fn whole(rules: &Rules, model: &ModelRules, identity: &Identity) -> Access {
    if rules.exempts(identity) || model.passes_without_rules(identity) {
        Access::Allow
    } else {
        Access::Deny
    }
}

/// The records of whose events a subscriber gets to know, whatever the kind of event. An owner argument that is not the
/// caller's refuses the subscription, unless a static rule lets the caller have everything.
pub(super) fn listen(
    rules: &Rules,
    model: &ModelRules,
    identity: &Identity,
    args: &Arguments,
) -> Access {
    if model.open_subscriptions {
        return match model.modes.unruled.contains(&identity.mode()) || rules.exempts(identity) {
            true => Access::Allow,
            false => Access::Deny,
        };
    }
    if !model.modes.reach(ModelOperation::Listen, identity.mode()) {
        return Access::Deny;
    }
    let Some(matrix) = allowing(rules, model, identity) else {
        return whole(rules, model, identity);
    };
    let rows = matrix.taking_part(ModelOperation::Listen);
    let standings: Vec<_> = rows
        .map(|row| (row, row.role.standing(identity, &rules.settings)))
        .collect();
    if standings
        .iter()
        .any(|(_, standing)| *standing == Standing::Inside)
    {
        return Access::Allow;
    }
    if !owner_argument_is_own(&standings, args) {
        return Access::Deny;
    }
    Access::any(standings.iter().filter_map(|(_, standing)| standing.held()))
}

/// Whether the first owner argument that is given is one of the caller's identities.
fn owner_argument_is_own(standings: &[(&Row, Standing<'_>)], args: &Arguments) -> bool {
    let given = standings.iter().find_map(|(row, standing)| {
        let (Who::Owner(named), Standing::Owner(_, identities)) = (&row.role.who, standing) else {
            return None;
        };
        let argument = args.get(&named.field).and_then(Value::as_str);
        let argument = argument.filter(|argument| !argument.is_empty())?;
        let knows = !named.list && identities.whole.is_some();
        knows.then(|| identities.include(argument))
    });
    given.unwrap_or(true)
}
