//! What is no plugin, or made to cost its compiler too much.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::*;
use mobula_sandbox::{BODY_BYTES, Compiler, FUNCTIONS, LOCALS, SandboxError};

fn refused(bytes: &[u8]) -> SandboxError {
    let error = sandbox().load(bytes, "x.wasm").unwrap_err();
    attack("nothing").run().unwrap();
    error
}

fn refused_text(text: &str) -> String {
    refused(&wat::parse_str(text).unwrap()).to_string()
}

#[test]
fn what_is_no_plugin_is_told_apart() {
    assert!(matches!(refused(b""), SandboxError::NotWasm { .. }));
    assert!(matches!(refused(b"#!/bin/sh\n"), SandboxError::NotWasm { .. }));
    let module = wat::parse_str("(module)").unwrap();
    assert!(matches!(refused(&module), SandboxError::CoreModule { .. }));
    let whole = component();
    assert!(matches!(refused(&whole[..whole.len() / 2]), SandboxError::Compile { .. }));
    let empty = refused_text("(component)");
    assert!(empty.contains("mobula:plugin/task@0.1.0, it has none"), "{empty}");
    let later = refused_text(r#"(component (import "mobula:plugin/tensors@0.2.0" (instance)))"#);
    assert!(later.contains("imports mobula:plugin/tensors@0.2.0"), "{later}");
    assert!(later.contains("this host has version 0.1.0"), "{later}");
    let other = refused_text(r#"(component (import "acme:rocket/launch@1.0.0" (instance)))"#);
    assert!(other.contains("acme:rocket/launch@1.0.0, which this host does not have"), "{other}");
    let types = r#"(component (import "mobula:plugin/context@0.1.0" (instance
        (export "seed" (func (result string))))))"#;
    assert!(refused_text(types).contains("it has none"));
}

#[test]
fn a_component_of_the_world_before_streams_still_loads() {
    let old = raw::plugin_of("", "");
    assert!(!old.imports().iter().any(|import| import.contains("stream")), "{:?}", old.imports());
    old.run_task("run", "{}", Object::default(), &quiet()).unwrap();
    let new = plugin();
    assert!(new.imports().iter().any(|import| import == "mobula:plugin/stream@0.1.0"));
}

/// Traps when what it imports does not give the seed of these tests.
fn asks_for_the_seed(wit: &str, imports: &str, wrong: &str) {
    let run = format!("(if {wrong} (then unreachable))");
    let component = raw::component_in(wit, imports, "", &run);
    let plugin = sandbox().load(&component, "seeds.wasm").unwrap();
    plugin.run_task("run", "{}", Object::default(), &quiet()).unwrap();
}

#[test]
fn the_seed_comes_whole_and_in_halves() {
    let halves =
        r#"(import "mobula:plugin/context@0.1.0" "seed-halves" (func $halves (param i32)))"#;
    // What was handed over is put together again: high in the first word, low in the second.
    let asked = "(call $halves (i32.const 2048))";
    let high = "(i64.shl (i64.load32_u (i32.const 2048)) (i64.const 32))";
    let whole = format!("(i64.or {high} (i64.load32_u (i32.const 2052)))");
    let wrong = format!("{asked} (i64.ne {whole} (i64.const {SEED}))");
    let world = raw::world();
    let load = format!("(block (result i32) {wrong})");
    asks_for_the_seed(&world, halves, &load);
    // A component that was built before there were halves.
    let before: Vec<&str> = world.lines().filter(|line| !line.contains("seed-halves:")).collect();
    let before = before.join("\n");
    assert!(before.len() < world.len());
    let seed = r#"(import "mobula:plugin/context@0.1.0" "seed" (func $seed (result i64)))"#;
    asks_for_the_seed(&before, seed, &format!("(i64.ne (call $seed) (i64.const {SEED}))"));
}

#[test]
fn too_many_functions_are_not_compiled() {
    let text = format!("(component (core module {}))", "(func)".repeat(100_000));
    let refusal = refused_text(&text);
    assert_eq!(refusal, format!("x.wasm: 100000 functions; a component may have {FUNCTIONS}"));
    let two = format!("(core module {})", "(func)".repeat(50_000)).repeat(2);
    assert!(refused_text(&format!("(component {two})")).contains("100000 functions"));
}

#[test]
fn giant_functions_are_not_compiled() {
    let body = "i32.const 1 drop ".repeat(200_000);
    let refusal = refused_text(&format!("(component (core module (func {body})))"));
    assert!(
        refusal.ends_with(&format!("bytes in one function; a component may have {BODY_BYTES}"))
    );
    let locals = "(local i32) ".repeat(20_000);
    let refusal = refused_text(&format!("(component (core module (func {locals})))"));
    assert_eq!(
        refusal,
        format!("x.wasm: 20000 locals in one function; a component may have {LOCALS}")
    );
}

#[test]
fn deep_and_wide_components_are_refused() {
    let deep = (0..100).fold(String::new(), |inner, _| format!("(component {inner})"));
    assert!(refused_text(&deep).contains("parts within parts"));
    let mut wide = "(component (core module $m (memory 1))".to_owned();
    for i in 0..200 {
        write!(wide, "(core instance $i{i} (instantiate $m))").unwrap();
    }
    assert!(refused_text(&format!("{wide})")).contains("exceeds the configured maximum"));
    let tables = "(table 1 funcref)".repeat(50);
    let refusal = refused_text(&format!(
        "(component (core module $m {tables}) (core instance (instantiate $m)))"
    ));
    assert!(refusal.contains("tables"), "{refusal}");
}

/// Loops within each other that all carry all locals: what it takes to compile grows as their product.
fn bomb() -> Vec<u8> {
    let (locals, loops) = (4000, 2000);
    let carried: String = (0..locals)
        .map(|i| format!("(local.set {i} (i32.add (local.get {i}) (i32.const 1)))"))
        .collect();
    let body =
        (0..loops).fold(carried, |inner, _| format!("loop {inner} (br_if 0 (local.get 0)) end"));
    let text = format!("(component (core module (func (local {}) {body})))", "i32 ".repeat(locals));
    wat::parse_str(text).unwrap()
}

/// The program that compiles for us: `examples/compiler.rs`, which cargo builds with the tests.
fn compiler() -> Compiler {
    let exe = std::env::current_exe().unwrap();
    let program = exe.parent().unwrap().parent().unwrap().join("examples/compiler");
    assert!(program.is_file(), "{}: run `cargo build --release --examples`", program.display());
    Compiler::new(program, vec!["--compile-component".into()])
}

fn compiling_with(compiler: Compiler, cache_dir: Option<PathBuf>) -> Sandbox {
    Sandbox::with_compiler(SandboxConfig { cache_dir }, compiler).unwrap()
}

#[test]
fn a_process_of_its_own_compiles_what_then_runs_here() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = compiling_with(compiler(), Some(folder.path().to_owned()));
    let plugin = sandbox.load(&component(), "hostile.wasm").unwrap();
    Attack { plugin, ..attack("nothing") }.run().unwrap();
    one_file(folder.path());
    let half = &component()[..1000];
    assert!(matches!(sandbox.load(half, "x.wasm"), Err(SandboxError::Compile { .. })));
    let invalid = wat::parse_str("(component (core module (func (result i32))))").unwrap();
    let error = sandbox.load(&invalid, "x.wasm").unwrap_err().to_string();
    assert!(error.contains("type mismatch: expected i32 but nothing on stack"), "{error}");
}

#[test]
fn what_costs_a_compiler_too_much_ends_it_alone() {
    let bomb = bomb();
    let slow = compiling_with(Compiler { cpu_s: 1, ..compiler() }, None);
    let error = slow.load(&bomb, "bomb.wasm").unwrap_err().to_string();
    assert!(
        error.contains("bomb.wasm cannot be compiled: compiling takes more than 1 s"),
        "{error}"
    );
    let small = compiling_with(Compiler { memory_bytes: 192 << 20, ..compiler() }, None);
    let error = small.load(&bomb, "bomb.wasm").unwrap_err().to_string();
    assert!(error.contains("192 MiB of memory"), "{error}");
    attack("nothing").run().unwrap();
}

#[test]
fn what_is_no_compiler_is_not_believed() {
    for (program, message) in [
        ("/no/such/program", "cannot start the compiler /no/such/program"),
        ("false", "the compiler ended with exit status: 1"),
        ("true", "cannot be compiled"),
        ("cat", "cannot be compiled"),
    ] {
        let sandbox = compiling_with(Compiler::new(program.into(), vec![]), None);
        let error = sandbox.load(&component(), "x.wasm").unwrap_err().to_string();
        assert!(error.contains(message), "{program}: {error}");
    }
}

fn one_file(folder: &Path) -> PathBuf {
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

#[test]
fn a_damaged_cache_is_compiled_anew() {
    let folder = tempfile::tempdir().unwrap();
    let cache_dir = Some(folder.path().to_owned());
    let sandbox = Sandbox::new(SandboxConfig { cache_dir }).unwrap();
    let bytes = component();
    sandbox.load(&bytes, "hostile").unwrap();
    let file = one_file(folder.path());
    let good = std::fs::read(&file).unwrap();
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    for damaged in [&flipped[..], &good[..good.len() / 3], b""] {
        std::fs::write(&file, damaged).unwrap();
        let plugin = sandbox.load(&bytes, "hostile").unwrap();
        Attack { plugin, ..attack("nothing") }.run().unwrap();
        assert!(std::fs::read(one_file(folder.path())).unwrap().len() == good.len(), "mended");
    }
}
