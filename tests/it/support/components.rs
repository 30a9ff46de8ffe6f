//! Components for tests: core modules in text form, made components of the worlds of `wit/`.

use std::path::{Path, PathBuf};

use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

/// The folder of the published interface.
pub(crate) fn wit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")
}

/// A core module as a component of a world.
pub(crate) fn component(world: &str, mut module: Vec<u8>) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit()).expect("a package");
    let world = resolve
        .select_world(&[package], Some(world))
        .expect("a world");
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("metadata");
    encoded(&module)
}

/// A core module that knows its world already, as `wit-bindgen` makes them, as a component.
pub(crate) fn encoded(module: &[u8]) -> Vec<u8> {
    ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|mut encoder| encoder.encode())
        .expect("a component")
}

/// Where guests keep texts they answer with.
pub(crate) const TEXT: usize = 4_096;

/// A handler with this body of `resolve`, which leaves the address of its answer; `imports` and `data` as text.
/// Addresses below 1024 are for answers; what it is told is put behind 65536.
pub(crate) fn guest(imports: &str, data: &str, resolve: &str) -> Vec<u8> {
    handler(
        imports,
        data,
        "(i32.store8 (i32.const 16) (i32.const 0)) (i32.store (i32.const 20) (i32.const 1)) (i32.const 16)",
        resolve,
    )
}

/// The same, with a body of `init`.
pub(crate) fn handler(imports: &str, data: &str, init: &str, resolve: &str) -> Vec<u8> {
    let data = data.replace('\\', "\\\\").replace('"', "\\\"");
    let text = format!(
        r#"(module
          {imports}
          (memory (export "memory") 32)
          (global $next (mut i32) (i32.const 65536))
          (global $calls (mut i32) (i32.const 0))
          (data (i32.const {TEXT}) "{data}")
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
            (local $at i32)
            (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
            (global.set $next (i32.add (local.get $at) (local.get 3)))
            (local.get $at))
          (func (export "init") (result i32) {init})
          (func $resolve (export "resolve") (param i32) (result i32) {resolve}))"#
    );
    let module = wat::parse_str(text).expect("a module");
    component("granted-handler", module)
}

/// Leaves an answer that is a case without a payload, by its number in the variant.
pub(crate) fn plain_answer(case: u8) -> String {
    format!(
        "(i32.store8 (i32.const 32) (i32.const 0)) (i32.store8 (i32.const 36) (i32.const {case})) (i32.const 32)"
    )
}

/// Leaves `resolve` with so many bytes of the guest's text.
pub(crate) fn resolved(length: usize) -> String {
    format!(
        "(i32.store (i32.const 40) (i32.const {TEXT})) (i32.store (i32.const 44) (i32.const {length})) {}",
        plain_answer(0)
    )
}
