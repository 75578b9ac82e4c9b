//! Runs guest code under wasmtime: compile cache, grants, limits, instances. The only crate that does.
//!
//! Synchronous, and usable without the rest of the house. A guest that traps, loops or asks for too
//! much is the [`mobula_contract::Failure`] of its call, never a panic or a hang of the host.

mod actor;
mod bindings;
mod cache;
mod clock;
mod compile;
mod context;
mod engine;
mod error;
mod failure;
mod files;
mod instance;
mod limits;
mod logs;
mod plugin;
mod state;
mod tensors;
mod text;
mod values;
mod world;

pub use actor::Actor;
pub use compile::{Compiler, compile_child, has_debug_info};
pub use engine::{Sandbox, SandboxConfig};
pub use error::SandboxError;
pub use limits::{
    AXES, BODY_BYTES, COMPILE_CPU_S, COMPILE_MEMORY_BYTES, COMPONENT_BYTES_MAX, FIELDS, FILES,
    FUNCTIONS, HANDLES, INSTANCES, JSON_BYTES, LOCALS, LOG_BYTES, Limits, MEMORIES, MEMORY_BYTES,
    NESTING, OUTPUT_BYTES, REPORTS, STACK_BYTES, TABLE_ELEMENTS, TABLES, TENSOR_BYTES, TEXT_BYTES,
    WALL,
};
pub use plugin::Plugin;
pub use state::{CallEnv, Grants};
