//! Components for tests: core modules in text form, made components of the worlds of `wit/`.

use std::path::{Path, PathBuf};
use std::process::Command;

use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

/// The folder of the published interface.
pub(crate) fn wit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")
}

/// A core module as a component of a world for conflict handlers.
pub(crate) fn component(world: &str, module: Vec<u8>) -> Vec<u8> {
    world_component(&wit(), world, module)
}

/// A core module as a component of a world of the package in a folder.
pub(crate) fn world_component(package: &Path, world: &str, mut module: Vec<u8>) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(package).expect("a package");
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

/// The committed component of an example.
pub(crate) fn committed(folder: &str, name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.join(folder).join(format!("{name}.wasm"))
}

/// Builds the guests below `FOLDER/rust` and compares them with the committed ones, if the compiler has the target.
/// `DRIFTLESS_TEST_UPDATE=1` writes them.
#[expect(clippy::print_stdout, reason = "part of a test")]
pub(crate) fn compare(folder: &str, guests: &[&str]) {
    const TARGET: &str = "wasm32-unknown-unknown";
    let installed = Command::new("rustup")
        .args(["target", "list", "--installed"])
        .output();
    if !installed.is_ok_and(|list| String::from_utf8_lossy(&list.stdout).contains(TARGET)) {
        println!("the target {TARGET} is not installed: the committed components are not compared");
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let root = root.canonicalize().expect("the repository");
    let target = root.join("target").join(folder.replace('/', "-"));
    let cargo_home = std::env::var("CARGO_HOME")
        .or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")))
        .expect("cargo's folder");
    // Panics name the files they happen in, and those lie elsewhere on every machine.
    let flags = format!(
        "--remap-path-prefix={cargo_home}=/cargo --remap-path-prefix={}=/driftless",
        root.display()
    );
    let mut build = Command::new("cargo");
    build.args(["build", "--quiet", "--release", "--locked"]);
    build
        .args(["--target", TARGET, "--target-dir"])
        .arg(&target);
    build.current_dir(root.join(folder).join("rust"));
    let built = build.env("RUSTFLAGS", flags).status();
    assert!(built.expect("cargo runs").success());
    for name in guests {
        let file = format!("{TARGET}/release/{}.wasm", name.replace('-', "_"));
        let module = std::fs::read(target.join(file)).expect("a module");
        let (made, place) = (encoded(&module), committed(folder, name));
        if std::env::var("DRIFTLESS_TEST_UPDATE").is_ok() {
            std::fs::write(&place, &made).expect("a component");
        }
        assert!(
            made == std::fs::read(&place).expect("a committed component"),
            "{name}.wasm is not what its sources make; set DRIFTLESS_TEST_UPDATE=1 to renew it"
        );
    }
}
