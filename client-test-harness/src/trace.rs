//! A run as data: which client does what in which order, so that it can be repeated, printed and cut down.

use serde_json::Value;

use crate::{
    engine::Traits,
    record::{Fields, RecordId},
    schema::{Kind, Model, Schema},
};

/// A record of a run before it has an id; ids differ from run to run because deleted ones stay taken.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    /// Model name.
    pub model: String,
    /// Number within the run.
    pub number: u32,
}

/// One change of one field.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// A new value, null to clear.
    Set(String, Value),
    /// One more element at the end of a list.
    Append(String, String),
    /// The key of another record.
    Refer(String, Slot),
}

/// A fault of one client's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The next HTTP answer is lost.
    LoseAnswer,
    /// The HTTP connection breaks right after the next request.
    CutAfterRequest,
    /// All HTTP connections break.
    CutHttp,
    /// The socket breaks.
    CutSocket,
    /// The socket's server side ends.
    HalfCloseSocket,
    /// The next frame breaks the socket instead of arriving.
    LoseFrame,
    /// HTTP answers arrive late, by milliseconds.
    SlowHttp(u16),
    /// Frames arrive late, by milliseconds.
    SlowSocket(u16),
}

/// What one client does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Creates the record with these fields (without its key).
    Create(Slot, Vec<Edit>),
    /// Changes the record if the client has it.
    Update(Slot, Vec<Edit>),
    /// Deletes the record if the client has it.
    Delete(Slot),
    /// Goes offline, with or without a goodbye.
    Offline(bool),
    /// Comes online.
    Online,
    /// Syncs on demand.
    Sync,
    /// Waits for the answer of the mutation in flight.
    AwaitAnswer,
    /// Waits until the outbox is empty, unless offline.
    AwaitDrained,
    /// Breaks something.
    Break(Fault),
}

/// One step of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A client acts, after its own earlier steps and at the same time as the others.
    Act(usize, Action),
    /// All clients wait for each other.
    Barrier,
}

/// A whole run.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Where every choice came from.
    pub seed: u64,
    /// The clients.
    pub clients: Vec<Traits>,
    /// What they do.
    pub steps: Vec<Step>,
}

/// Gives the slots of one run their ids.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    nonce: u64,
}

impl std::fmt::Display for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "seed {}", self.seed)?;
        for client in &self.clients {
            writeln!(f, "  {client:?}")?;
        }
        for (number, step) in self.steps.iter().enumerate() {
            writeln!(f, "  {number:4} {step:?}")?;
        }
        Ok(())
    }
}

impl Names {
    /// Names that no earlier run has used.
    pub fn fresh() -> Self {
        Self {
            nonce: rand::random(),
        }
    }

    /// Names that are the same whenever the run is played, for servers that begin empty.
    pub fn repeatable() -> Self {
        Self { nonce: 1 }
    }

    /// The id of a slot in this run. Texts after the first part are such as key encodings could trip over.
    pub fn id(self, model: &Model, slot: &Slot) -> RecordId {
        const AWKWARD: [&str; 5] = ["plain", "with space", "ha#sh", "co::lon", "ünï☂"];
        let high = self.nonce >> 32;
        let low = self.nonce & 0xffff_ffff;
        let first = format!(
            "{high:08x}-{:04x}-4000-8000-{low:012x}",
            slot.number & 0xffff
        );
        let number = slot.number as usize;
        let part = |(at, name): (usize, &String)| match model.field(name).map(|field| &field.kind) {
            Some(Kind::Int) if at == 0 => (self.nonce as i32)
                .wrapping_add_unsigned(slot.number)
                .to_string(),
            // Below and above zero, and as texts in another order than as numbers.
            Some(Kind::Int) => (i64::from(slot.number) * 7 - 20).to_string(),
            Some(Kind::Enum(names)) => names[number % names.len()].clone(),
            _ if at == 0 => first.clone(),
            _ => AWKWARD[number % AWKWARD.len()].to_owned(),
        };
        RecordId {
            model: model.name.clone(),
            key: model.key.iter().enumerate().map(part).collect(),
        }
    }

    /// The field values that edits lead to, given what the client has now.
    pub fn apply(self, schema: &Schema, edits: &[Edit], row: Option<&Fields>) -> Fields {
        let mut changes = Fields::new();
        for edit in edits {
            let (name, value) = match edit {
                Edit::Set(name, value) => (name, value.clone()),
                Edit::Append(name, token) => {
                    (name, appended(row.and_then(|row| row.get(name)), token))
                }
                Edit::Refer(name, slot) => (name, self.reference(schema, slot)),
            };
            changes.insert(name.clone(), value);
        }
        changes
    }

    fn reference(self, schema: &Schema, slot: &Slot) -> Value {
        let model = schema.model(&slot.model);
        model.map_or(Value::Null, |model| {
            self.id(model, slot).key[0].clone().into()
        })
    }
}

/// Lists are kept short by dropping their oldest half, or conflicting appends would double them for ever.
fn appended(list: Option<&Value>, token: &str) -> Value {
    const MOST: usize = 6;
    let mut items = list.and_then(Value::as_array).cloned().unwrap_or_default();
    if items.len() > MOST {
        items.drain(..items.len() - MOST / 2);
    }
    items.push(token.into());
    items.into()
}

/// The fields whose lists or JSON have outgrown what whole-model updates should keep sending.
pub fn overgrown(model: &Model, row: &Fields) -> Vec<String> {
    const MOST: usize = 12;
    const MOST_JSON: usize = 200;
    let long = |value: Option<&Value>| {
        value
            .and_then(Value::as_array)
            .is_some_and(|list| list.len() > MOST)
    };
    let mut names = Vec::new();
    for field in model.editable() {
        let value = row.get(&field.name);
        let over = match &field.kind {
            Kind::List => long(value),
            Kind::Json => value
                .and_then(Value::as_str)
                .is_some_and(|text| text.len() > MOST_JSON),
            Kind::Object(inner) => inner
                .iter()
                .any(|field| long(value.and_then(|value| value.get(&field.name)))),
            _ => false,
        };
        if over {
            names.push(field.name.clone());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn slots_of_two_runs_never_share_an_id() {
        let schema = Schema::whitepaper();
        let model = schema.model("Stock").unwrap();
        let slot = |number| Slot {
            model: "Stock".into(),
            number,
        };
        let (one, other) = (Names { nonce: 1 }, Names { nonce: 2 });
        assert_ne!(one.id(model, &slot(1)), other.id(model, &slot(1)));
        assert_ne!(one.id(model, &slot(1)), one.id(model, &slot(2)));
    }

    #[test]
    fn appending_keeps_the_newest_elements_of_a_long_list() {
        let row = json!({"tags": ["1", "2", "3", "4", "5", "6", "7"]});
        let edits = [Edit::Append("tags".into(), "8".into())];
        let names = Names { nonce: 1 };
        let changes = names.apply(&Schema::whitepaper(), &edits, row.as_object());
        assert_eq!(
            Value::Object(changes),
            json!({"tags": ["5", "6", "7", "8"]})
        );
    }
}
