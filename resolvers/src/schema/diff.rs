//! What changes from one schema to another, and what that means for stored records and for installed apps.
//!
//! Nothing here reads a database: which changes the stored records allow is decided by values alone, on the safe side.

mod declared;
mod fields;
mod models;
mod operations;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::model::{Model, Schema};

/// One change, a row of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What changed.
    pub kind: Kind,
    /// Where: `Model`, `Model.field`, `Type.field`, `Enum.VALUE`, or a model's index or operation.
    pub subject: String,
    /// Who has to agree.
    pub class: Class,
    /// Whether apps that are built with the new models clear their local store and sync anew: the version of the models
    /// covers it.
    pub resync: bool,
    /// What it means, one sentence.
    pub message: String,
    /// What to do about it, if there is anything.
    pub help: Option<String>,
}

/// Who has to agree to a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Nobody: stored records and installed apps are as good as before.
    Safe,
    /// A person: callers lose something, or stored records may not be what the new schema promises. No record is lost.
    Confirm,
    /// It cannot be done with the records that are stored.
    Refused,
}

/// The kinds of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is what its code says")]
pub enum Kind {
    ModelAdded,
    ModelRemoved,
    ModelRenamed,
    KeyChanged,
    FieldAdded,
    FieldRemoved,
    FieldChanged,
    RelationAdded,
    RelationRemoved,
    RelationChanged,
    DefaultChanged,
    IndexAdded,
    IndexRemoved,
    IndexChanged,
    OperationAdded,
    OperationRemoved,
    OperationChanged,
    RulesChanged,
    ValidationChanged,
    TypeAdded,
    TypeRemoved,
    InputAdded,
    InputRemoved,
    InputFieldAdded,
    InputFieldRemoved,
    InputFieldChanged,
    UnionChanged,
    InterfacesChanged,
    ValueAdded,
    ValueRemoved,
    ModelsChanged,
}

impl Class {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Class::Safe => "safe",
            Class::Confirm => "confirm",
            Class::Refused => "refused",
        }
    }
}

impl Kind {
    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Kind::ModelAdded => "model-added",
            Kind::ModelRemoved => "model-removed",
            Kind::ModelRenamed => "model-renamed",
            Kind::KeyChanged => "key-changed",
            Kind::FieldAdded => "field-added",
            Kind::FieldRemoved => "field-removed",
            Kind::FieldChanged => "field-changed",
            Kind::RelationAdded => "relation-added",
            Kind::RelationRemoved => "relation-removed",
            Kind::RelationChanged => "relation-changed",
            Kind::DefaultChanged => "default-changed",
            Kind::IndexAdded => "index-added",
            Kind::IndexRemoved => "index-removed",
            Kind::IndexChanged => "index-changed",
            Kind::OperationAdded => "operation-added",
            Kind::OperationRemoved => "operation-removed",
            Kind::OperationChanged => "operation-changed",
            Kind::ValidationChanged => "validation-changed",
            Kind::RulesChanged => "rules-changed",
            Kind::TypeAdded => "type-added",
            Kind::TypeRemoved => "type-removed",
            Kind::InputAdded => "input-added",
            Kind::InputRemoved => "input-removed",
            Kind::InputFieldAdded => "input-field-added",
            Kind::InputFieldRemoved => "input-field-removed",
            Kind::InputFieldChanged => "input-field-changed",
            Kind::UnionChanged => "union-changed",
            Kind::InterfacesChanged => "interfaces-changed",
            Kind::ValueAdded => "value-added",
            Kind::ValueRemoved => "value-removed",
            Kind::ModelsChanged => "models-changed",
        }
    }
}

impl Change {
    fn new(
        kind: Kind,
        subject: impl Into<String>,
        class: Class,
        message: impl Into<String>,
    ) -> Self {
        Change {
            kind,
            subject: subject.into(),
            class,
            resync: false,
            message: message.into(),
            help: None,
        }
    }

    fn resyncing(self) -> Self {
        Change {
            resync: true,
            ..self
        }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Change {
            help: Some(help.into()),
            ..self
        }
    }

    /// The row for programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "change": self.kind.code(),
            "subject": self.subject,
            "class": self.class.name(),
            "resync": self.resync,
            "message": self.message,
            "help": self.help,
        })
    }
}

/// Every change, model by model in the order of the new schema, what is gone after what is there. `same_models` says
/// whether the version of the client's models is the same for both, so that no row promises otherwise.
#[must_use]
pub fn diff(old: &Schema, new: &Schema, same_models: bool) -> Vec<Change> {
    let mut changes = Vec::new();
    for model in new.models.values() {
        match same_records(old, model) {
            Some(former) => models::changed(former, model, &mut changes),
            None => changes.push(models::added(model)),
        }
    }
    let gone = old.models.values();
    changes.extend(
        gone.filter(|model| same_records(new, model).is_none())
            .map(|model| models::removed(model)),
    );
    operations::changed(&old.operations, &new.operations, &mut changes);
    fields::types(old, new, &mut changes);
    declared::changed(old, new, &mut changes);
    fields::enums(old, new, &mut changes);
    if same_models {
        changes.iter_mut().for_each(|change| change.resync = false);
    } else if !changes.iter().any(|change| change.resync) {
        let message = "The models that apps are built with are described differently.";
        changes.push(Change::new(Kind::ModelsChanged, "models", Class::Safe, message).resyncing());
    }
    changes
}

/// The model of a schema with the same records; it may have another name (`@mapsTo`).
fn same_records<'a>(schema: &'a Schema, model: &Model) -> Option<&'a Model> {
    let models = schema.models.values().map(AsRef::as_ref);
    models
        .into_iter()
        .find(|other: &&Model| other.stored_name() == model.stored_name())
}

/// The gravest class among changes.
#[must_use]
pub fn gravest(changes: &[Change]) -> Class {
    changes
        .iter()
        .map(|change| change.class)
        .max()
        .unwrap_or(Class::Safe)
}

/// The rows as text, aligned, with the way out below a row that needs one.
#[must_use]
pub fn render(changes: &[Change]) -> String {
    let width = |of: fn(&Change) -> usize| changes.iter().map(of).max().unwrap_or(0);
    let subjects = width(|change| change.subject.chars().count());
    let codes = width(|change| change.kind.code().len());
    let mut text = String::new();
    for change in changes {
        let Change {
            subject, message, ..
        } = change;
        let (class, code) = (change.class.name(), change.kind.code());
        let resync = if change.resync { "resync" } else { "" };
        // Writing to a text has no way to fail.
        let _ = writeln!(
            text,
            "{class:<8} {resync:<6}  {code:<codes$}  {subject:<subjects$}  {message}"
        );
        if let Some(help) = &change.help {
            let indent = 8 + 1 + 6 + 2 + codes + 2 + subjects + 2;
            let _ = writeln!(text, "{:indent$}help: {help}", "");
        }
    }
    text
}
