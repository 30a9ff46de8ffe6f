//! What a schema means for a database: what changes since the last one, and whether somebody has to agree.

use driftless_resolvers::schema::diff::{Change, Class, Kind, render};
use driftless_resolvers::schema::{Diagnostic, Options, Schema, load_with};
use driftless_resolvers::storage::StorageError;

use crate::schema;
use crate::storage::Store;

/// Whose consent a server has when it takes a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// Nobody's: only what is safe is taken (production).
    Nobody,
    /// That of whoever edits the schema: what takes away is taken, too, since no record is lost by it (development).
    Author,
}

/// The way of a database to a schema.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What changes; nothing if the database was never prepared.
    pub changes: Vec<Change>,
    /// Whether the database was prepared for this very schema before: then somebody has agreed already. So a rolling
    /// upgrade goes back, and nodes with the former schema may start again.
    pub known: bool,
}

impl Plan {
    /// Compares a schema with the one that a database was prepared for last.
    pub async fn of(
        store: &Store,
        schema: &Schema,
        options: &Options,
    ) -> Result<Self, StorageError> {
        let Some(prepared) = store.prepared().await? else {
            return Ok(Plan {
                changes: Vec::new(),
                known: false,
            });
        };
        if prepared.source == *schema.source {
            return Ok(Plan {
                changes: Vec::new(),
                known: true,
            });
        }
        let mut changes = match former(&prepared.source, options) {
            Ok(former) => schema::changes(&former, schema),
            Err(problems) => vec![unreadable(&problems)],
        };
        if changes.iter().any(|change| change.class == Class::Refused) {
            let empty = store.look(schema).await?.empty;
            for change in &mut changes {
                relax(change, empty.contains(&change.subject));
            }
        }
        let known = store.knows(schema).await?;
        Ok(Plan { changes, known })
    }

    /// The changes that cannot be made with this consent.
    #[must_use]
    pub fn refused(&self, consent: Consent) -> Vec<Change> {
        let allowed = match consent {
            Consent::Nobody if !self.known => Class::Safe,
            Consent::Nobody | Consent::Author => Class::Confirm,
        };
        let refused = self.changes.iter().filter(|change| change.class > allowed);
        refused.cloned().collect()
    }
}

/// What to say of changes that are not made.
#[must_use]
pub fn refusal(refused: &[Change]) -> String {
    let rows = render(refused);
    if refused.iter().any(|change| change.class == Class::Refused) {
        return format!("the schema does not fit the records that are stored:\n{rows}");
    }
    format!(
        "the database was prepared for another schema, and somebody has to agree to these changes:\n{rows}\
         help: look at all of them with `driftless migrate --dry-run`, then run `driftless migrate` and start again. \
         It removes no record."
    )
}

/// The former schema, as it is read today.
fn former(source: &str, options: &Options) -> Result<Schema, Vec<Diagnostic>> {
    // Other ways to authenticate may be configured since.
    load_with(source, options)
        .or_else(|_| load_with(source, &Options::default()))
        .map(|loaded| loaded.schema)
}

fn unreadable(problems: &[Diagnostic]) -> Change {
    let problem = problems
        .first()
        .map_or("", |problem| problem.message.as_str());
    Change {
        kind: Kind::ModelsChanged,
        subject: "schema".to_owned(),
        class: Class::Confirm,
        resync: true,
        message: format!(
            "The schema that the database was prepared for is not accepted any more, so what changes is not known: {problem}"
        ),
        help: None,
    }
}

/// A model without records may get any key.
fn relax(change: &mut Change, is_empty: bool) {
    if change.kind == Kind::KeyChanged && is_empty {
        change.class = Class::Safe;
        change.message.push_str(" There are none.");
        change.help = None;
    }
}
