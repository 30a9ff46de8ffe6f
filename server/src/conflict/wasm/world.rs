//! The world of `wit/conflict.wit` as Rust types.

#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "granted-handler",
});
