//! Runs guest code under wasmtime: compile cache, grants, limits, instances. The only crate that does.
//!
//! Synchronous, and usable without the rest of the house. A guest that traps, loops or asks for too
//! much is the [`mobula_contract::Failure`] of its call, never a panic or a hang of the host.

mod actor;
mod bindings;
mod cache;
mod clock;
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
pub use engine::{Sandbox, SandboxConfig};
pub use error::SandboxError;
pub use limits::{
    AXES, COMPONENT_BYTES_MAX, FIELDS, FILES, HANDLES, INSTANCES, JSON_BYTES, LOG_BYTES, Limits,
    MEMORIES, MEMORY_BYTES, OUTPUT_BYTES, REPORTS, STACK_BYTES, TABLE_ELEMENTS, TABLES,
    TENSOR_BYTES, TEXT_BYTES, WALL,
};
pub use plugin::Plugin;
pub use state::{CallEnv, Grants};
