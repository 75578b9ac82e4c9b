//! Guests written by hand, below every SDK: a core module of our world's shape, whose `run` is the attack.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::*;

/// The world as a core module has it. `%IMPORTS%`, `%BEFORE%` and `%RUN%` are filled in. In its memory: a
/// manifest at 16, its place at 8; zeros from 1024, which read as an answer are an object without fields.
const MODULE: &str = r#"(module
  (import "mobula:plugin/context@0.1.0" "log" (func $log (param i32 i32 i32)))
  (import "mobula:plugin/tensors@0.1.0" "[method]tensor.byte-len" (func $byte-len (param i32) (result i64)))
  (import "mobula:plugin/tensors@0.1.0" "[method]tensor.read" (func $read (param i32 i64 i32 i32)))
  (import "mobula:plugin/tensors@0.1.0" "[method]tensor.gather" (func $gather (param i32 i32 i32 i32)))
  (import "mobula:plugin/tensors@0.1.0" "[method]builder.append" (func $append (param i32 i32 i32 i32)))
  (import "mobula:plugin/tensors@0.1.0" "[static]builder.create" (func $create (param i32 i32 i32 i64 i32)))
  (import "mobula:plugin/tensors@0.1.0" "[static]builder.finish" (func $finish (param i32 i32)))
  (import "mobula:plugin/tensors@0.1.0" "[resource-drop]tensor" (func $drop-tensor (param i32)))
  %IMPORTS%
  (memory (export "memory") 2)
  (data (i32.const 8) "\10\00\00\00\22\00\00\00{\"name\":\"raw\",\"version\":\"0.1.0\"  }")
  (global $free (mut i32) (i32.const 65536))
  %BEFORE%
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (global.set $free (i32.and (i32.add (global.get $free) (i32.const 15)) (i32.const -16)))
    global.get $free
    (global.set $free (i32.add (global.get $free) (local.get 3))))
  (func (export "mobula:plugin/meta@0.1.0#describe") (result i32) i32.const 8)
  (func (export "mobula:plugin/task@0.1.0#run")
    (param $name i32) (param i32 i32 i32) (param $inputs i32) (param $count i32) (result i32)
    %RUN%
    i32.const 1024)
  (func (export "mobula:plugin/actor@0.1.0#[static]instance.create")
    (param i32 i32 i32 i32 i32 i32) (result i32) unreachable)
  (func (export "mobula:plugin/actor@0.1.0#[static]instance.restore")
    (param i32 i32 i32 i32 i32) (result i32) unreachable)
  (func (export "mobula:plugin/actor@0.1.0#[method]instance.call")
    (param i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)
  (func (export "mobula:plugin/actor@0.1.0#[method]instance.snapshot") (param i32) (result i32) unreachable))"#;

/// A component whose `run` does this.
pub(crate) fn component_of(before: &str, run: &str) -> Vec<u8> {
    component_in(&world(), "", before, run)
}

/// The world as authors have it.
pub(crate) fn world() -> String {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../guest-sdk/wit/plugin.wit");
    std::fs::read_to_string(file).unwrap()
}

/// The same in this text of a world, with more imports.
pub(crate) fn component_in(wit: &str, imports: &str, before: &str, run: &str) -> Vec<u8> {
    let text = MODULE.replace("%IMPORTS%", imports);
    let text = text.replace("%BEFORE%", before).replace("%RUN%", run);
    let mut module = wat::parse_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let mut resolve = Resolve::default();
    let package = resolve.push_str("plugin.wit", wit).unwrap();
    let world = resolve.select_world(&[package], Some("plugin")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap()
}

pub(crate) fn plugin_of(before: &str, run: &str) -> Plugin {
    sandbox().load(&component_of(before, run), "raw.wasm").unwrap()
}
