//! Seeded random runs: how often clients do what, and the traces drawn from that.

use clap::ValueEnum;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Map, Value, json};

use crate::{
    engine::Traits,
    family::Family,
    schema::{Field, Kind, Model, Schema},
    trace::{Action, Edit, Fault, Slot, Step, Trace},
};

/// A named choice of frequencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mix {
    /// Something of everything.
    Mixed,
    /// Everybody edits the same few records at the same time, all online.
    Hot,
    /// Long offline edits, then everybody comes back.
    Offline,
    /// Connections break all the time.
    Lossy,
    /// Records come and go.
    Churn,
}

/// Out of a hundred steps, how many are of each kind; the rest are updates.
struct Weights {
    create: u32,
    delete: u32,
    offline: u32,
    online: u32,
    sync: u32,
    answer: u32,
    drained: u32,
    fault: u32,
    hot: f64,
}

impl Mix {
    fn weights(self) -> Weights {
        let mixed = Weights {
            create: 10,
            delete: 4,
            offline: 3,
            online: 6,
            sync: 3,
            answer: 20,
            drained: 10,
            fault: 4,
            hot: 0.7,
        };
        match self {
            Self::Mixed => mixed,
            Self::Hot => Weights {
                create: 2,
                delete: 1,
                offline: 0,
                fault: 0,
                sync: 0,
                answer: 30,
                hot: 0.95,
                ..mixed
            },
            Self::Offline => Weights {
                offline: 8,
                online: 5,
                answer: 5,
                drained: 5,
                ..mixed
            },
            Self::Lossy => Weights {
                fault: 20,
                offline: 5,
                ..mixed
            },
            Self::Churn => Weights {
                create: 25,
                delete: 20,
                hot: 0.2,
                ..mixed
            },
        }
    }
}

/// How large a run is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Number of clients.
    pub clients: usize,
    /// Steps per client.
    pub steps: usize,
}

/// Draws a run from a seed; the same seed, mix, size and schema give the same run.
pub fn draw(seed: u64, mix: Mix, size: Size, schema: &Schema, families: &[Family]) -> Trace {
    let mut draw = Draw {
        rng: StdRng::seed_from_u64(seed),
        weights: mix.weights(),
        schema,
        slots: Vec::new(),
        hot: 0,
        tokens: 0,
    };
    let clients: Vec<Traits> = (0..size.clients)
        .map(|number| draw.client(number, families))
        .collect();
    let mut steps = draw.opening(size.clients);
    for _ in 0..size.steps * size.clients {
        let client = draw.rng.random_range(0..size.clients);
        steps.push(Step::Act(client, draw.action()));
    }
    Trace {
        seed,
        clients,
        steps,
    }
}

struct Draw<'a> {
    rng: StdRng,
    weights: Weights,
    schema: &'a Schema,
    slots: Vec<Slot>,
    hot: usize,
    tokens: u32,
}

impl Draw<'_> {
    fn client(&mut self, number: usize, families: &[Family]) -> Traits {
        let family = families.choose(&mut self.rng).copied();
        let family = family.unwrap_or(Family::Js);
        Traits {
            name: format!("c{number}-{family:?}"),
            family,
            insists: self.rng.random_bool(0.5),
            page: *[7, 50, 1000].choose(&mut self.rng).unwrap_or(&50),
            clock_ahead: 0,
            away: 0,
        }
    }

    /// The first client makes the hot records, then everybody comes online and finds them.
    fn opening(&mut self, clients: usize) -> Vec<Step> {
        let mut steps = vec![Step::Act(0, Action::Online)];
        for model in &self.schema.models {
            let action = self.create(model);
            steps.push(Step::Act(0, action));
        }
        self.hot = self.slots.len();
        steps.push(Step::Act(0, Action::AwaitDrained));
        steps.push(Step::Barrier);
        steps.extend((1..clients).map(|client| Step::Act(client, Action::Online)));
        steps
    }

    fn action(&mut self) -> Action {
        let weights = &self.weights;
        let kinds = [
            weights.create,
            weights.delete,
            weights.offline,
            weights.online,
            weights.sync,
            weights.answer,
            weights.drained,
            weights.fault,
        ];
        let mut roll = self.rng.random_range(0..100_u32);
        for (kind, weight) in kinds.into_iter().enumerate() {
            if roll < weight {
                return self.action_of(kind);
            }
            roll -= weight;
        }
        self.update()
    }

    fn action_of(&mut self, kind: usize) -> Action {
        match kind {
            0 => {
                let model = self.schema.models.choose(&mut self.rng);
                match model {
                    Some(model) => self.create(model),
                    None => Action::Sync,
                }
            }
            1 => Action::Delete(self.slot()),
            2 => Action::Offline(self.rng.random_bool(0.5)),
            3 => Action::Online,
            4 => Action::Sync,
            5 => Action::AwaitAnswer,
            6 => Action::AwaitDrained,
            _ => Action::Break(self.fault()),
        }
    }

    fn slot(&mut self) -> Slot {
        let among = if self.rng.random_bool(self.weights.hot) {
            self.hot
        } else {
            self.slots.len()
        };
        self.slots[self.rng.random_range(0..among.max(1))].clone()
    }

    fn create(&mut self, model: &Model) -> Action {
        let mut edits = Vec::new();
        for field in model.editable() {
            if field.required || self.rng.random_bool(0.6) {
                edits.push(self.edit(field));
            }
        }
        let number = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        let slot = Slot {
            model: model.name.clone(),
            number,
        };
        self.slots.push(slot.clone());
        Action::Create(slot, edits)
    }

    fn update(&mut self) -> Action {
        let slot = self.slot();
        let Some(model) = self.schema.model(&slot.model) else {
            return Action::Sync;
        };
        let fields: Vec<&Field> = model.editable().collect();
        let number = self.rng.random_range(1..=fields.len().min(3));
        let chosen: Vec<&Field> = fields
            .choose_multiple(&mut self.rng, number)
            .copied()
            .collect();
        let edits = chosen.into_iter().map(|field| self.change(field)).collect();
        Action::Update(slot, edits)
    }

    fn change(&mut self, field: &Field) -> Edit {
        if !field.required && self.rng.random_bool(0.1) {
            return Edit::Set(field.name.clone(), Value::Null);
        }
        self.edit(field)
    }

    fn edit(&mut self, field: &Field) -> Edit {
        let name = field.name.clone();
        match &field.kind {
            Kind::List if self.rng.random_bool(0.9) => Edit::Append(name, self.token()),
            Kind::Reference(model) => {
                let parents: Vec<&Slot> = self
                    .slots
                    .iter()
                    .filter(|slot| slot.model == *model)
                    .collect();
                match parents.choose(&mut self.rng) {
                    Some(slot) => Edit::Refer(name, (*slot).clone()),
                    None => Edit::Set(name, Value::Null),
                }
            }
            kind => Edit::Set(name, self.value(kind)),
        }
    }

    fn value(&mut self, kind: &Kind) -> Value {
        match kind {
            Kind::Text | Kind::Reference(_) => self.text().into(),
            Kind::Int => self.rng.random_range(i32::MIN..=i32::MAX).into(),
            Kind::Timestamp => self.rng.random_range(0..=4_102_444_800_u32).into(),
            Kind::Json => self.json().into(),
            Kind::Boolean => self.rng.random_bool(0.5).into(),
            Kind::Enum(names) => names.choose(&mut self.rng).cloned().into(),
            Kind::List => json!([]),
            Kind::Object(fields) => {
                let mut object = Map::new();
                for field in fields {
                    if field.required || self.rng.random_bool(0.7) {
                        let value = match field.kind {
                            Kind::List => json!([self.token()]),
                            ref kind => self.value(kind),
                        };
                        object.insert(field.name.clone(), value);
                    }
                }
                object.into()
            }
        }
    }

    /// A text that occurs once in the run, now and then with characters that encodings trip over.
    fn text(&mut self) -> String {
        const TAILS: [&str; 6] = [
            "",
            "",
            "",
            " ☂ \u{1f9d1}\u{200d}\u{1f680}",
            " \"quoted\\\" \n\t",
            " '; --",
        ];
        let tail = TAILS.choose(&mut self.rng).unwrap_or(&"");
        format!("{}{tail}", self.token())
    }

    /// JSON in one of the ways to write it. Members meet in merges: some are of the same kind, some are not.
    fn json(&mut self) -> String {
        if self.rng.random_bool(0.1) {
            return ["null", "[]", "{ }"]
                .choose(&mut self.rng)
                .map_or_else(String::new, |text| (*text).to_owned());
        }
        let mut object = Map::new();
        for name in ["same", "other", "list", "inner"] {
            if self.rng.random_bool(0.5) {
                let value = match (name, self.rng.random_bool(0.9)) {
                    ("list", true) => json!([self.token(), 1.5]),
                    ("inner", true) => {
                        json!({(*["a", "b"].choose(&mut self.rng).unwrap_or(&"a")): self.token()})
                    }
                    _ => self.rng.random_range(-9..=9).into(),
                };
                object.insert(name.to_owned(), value);
            }
        }
        let value = match self.rng.random_bool(0.9) {
            true => Value::Object(object),
            false => json!([object]),
        };
        match self.rng.random_bool(0.5) {
            true => value.to_string(),
            false => format!("{value:#}"),
        }
    }

    fn token(&mut self) -> String {
        self.tokens += 1;
        format!("t{}", self.tokens)
    }

    fn fault(&mut self) -> Fault {
        match self.rng.random_range(0..10) {
            0..3 => Fault::LoseAnswer,
            3 => Fault::CutAfterRequest,
            4 => Fault::CutHttp,
            5 => Fault::CutSocket,
            6 => Fault::HalfCloseSocket,
            7 => Fault::LoseFrame,
            8 => Fault::SlowHttp(self.rng.random_range(0..30)),
            _ => Fault::SlowSocket(self.rng.random_range(0..30)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(seed: u64) -> String {
        let size = Size {
            clients: 3,
            steps: 40,
        };
        draw(seed, Mix::Mixed, size, &Schema::whitepaper(), &Family::ALL).to_string()
    }

    #[test]
    fn the_same_seed_draws_the_same_run() {
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
    }
}
