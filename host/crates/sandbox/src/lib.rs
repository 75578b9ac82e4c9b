//! Runs guest code under wasmtime: compile cache, grants, limits, instances. The only crate that does.
//!
//! Synchronous, and usable without the rest of the house. A guest that traps, loops or asks for too
//! much is the [`mobula_contract::Failure`] of its call, never a panic or a hang of the host.

mod bindings;
mod cache;
mod clock;
mod context;
mod engine;
mod error;
mod failure;
mod limits;
mod logs;
mod plugin;
mod state;
mod tensors;
mod values;
mod world;

pub use engine::{COMPONENT_BYTES_MAX, Sandbox, SandboxConfig};
pub use error::SandboxError;
pub use limits::{
    HANDLES, LOG_BYTES, Limits, MEMORY_BYTES, OUTPUT_BYTES, STACK_BYTES, TABLE_ELEMENTS,
    TENSOR_BYTES, WALL,
};
pub use plugin::{Actor, Plugin};
pub use state::{CallEnv, Grants};
