//! The world of `wit/authorizer/authorizer.wit` as Rust types.

#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]

wasmtime::component::bindgen!({
    path: "../wit/authorizer",
    world: "granted-authorizer",
});
