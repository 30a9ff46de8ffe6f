//! Documents exactly as the native clients of Amplify and plain AppSync clients send them.
//!
//! [`documents`] holds documents of our own in the style of each client, with exact answers. Where the large collection of
//! recorded documents lies beside the checkout, every one of it is run as well: its answer has to have the recorded shape.

mod case;
mod documents;
mod recorded;
mod sample;
mod shape;
