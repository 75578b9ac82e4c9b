//! What is no plugin.

use std::path::{Path, PathBuf};

use super::*;
use mobula_sandbox::SandboxError;

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
