//! How long a big schema takes: `cargo run --release -p driftless-resolvers --example load_speed [MODELS]`.
//!
//! The limit is what no server can do without: the time the GraphQL parser alone needs for the same text in the same run.

#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::fmt::Write;
use std::time::{Duration, Instant};

use driftless_resolvers::api::client_models::client_models;
use driftless_resolvers::api::generate::generate;
use driftless_resolvers::api::introspection::Introspection;
use driftless_resolvers::api::sdl::sdl;
use driftless_resolvers::schema::load;

const RUNS: usize = 7;

fn main() {
    let models = std::env::args().nth(1).and_then(|count| count.parse().ok());
    let models = models.unwrap_or(200);
    let text = schema(models);
    let Ok(loaded) = load(&text) else {
        println!("the schema does not load");
        return;
    };
    let types = generate(&loaded.schema);
    let limit = median(|| drop(async_graphql::parser::parse_schema(&text)));
    println!(
        "{models} models, {} bytes; parsing alone: {limit:.1?}",
        text.len()
    );
    for (what, time) in [
        ("loading", median(|| drop(load(&text)))),
        (
            "generating the API",
            median(|| drop(generate(&loaded.schema))),
        ),
        ("printing the API", median(|| drop(sdl(&types)))),
        (
            "describing it to clients",
            median(|| drop(client_models(&text))),
        ),
        (
            "the first introspection",
            median(|| {
                let query = "{ __schema { types { name fields { name } } } }";
                drop(Introspection::default().answer(&types, query, None, &Default::default()));
            }),
        ),
    ] {
        let ratio = time.as_secs_f64() / limit.as_secs_f64();
        println!("{what}: {time:.1?}, {ratio:.1} times parsing");
    }
}

/// The middle of several measurements.
fn median(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[RUNS / 2]
}

/// Models in a ring: each with rules, indexes, a nested type, and relations to the next one.
fn schema(models: usize) -> String {
    let mut text =
        "enum Level { LOW HIGH }\ntype Place { city: String lines: [String!] }\n".to_owned();
    for at in 0..models {
        let next = (at + 1) % models;
        let before = (at + models - 1) % models;
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            r#"type Item{at} @model @auth(rules: [{{ allow: owner }}, {{ allow: groups, groups: ["Admin"] }}, {{ allow: public, operations: [read] }}]) {{
  id: ID!
  name: String! @index(name: "byName", sortKeyFields: ["level", "at"])
  level: Level!
  at: AWSDateTime!
  count: Int @default(value: "5")
  score: Float
  tags: [String]
  place: Place
  beforeID: ID @index(name: "byBefore")
  before: Item{before} @belongsTo(fields: ["beforeID"])
  next: [Item{next}] @hasMany(indexName: "byBefore", fields: ["id"])
}}"#
        );
    }
    text
}
