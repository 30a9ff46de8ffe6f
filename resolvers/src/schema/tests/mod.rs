//! Whole schemas: good ones in full, broken ones as the user sees them, hostile ones, and the recorded ones of the
//! original transformer where they are at hand.

mod broken;
mod golden;
mod hostile;
mod mutated;
mod recorded;
mod served;
mod shown;

const WHITEPAPER: &str = include_str!("../../../../examples/whitepaper/schema.graphql");
