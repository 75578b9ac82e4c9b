//! What one call may use. Each limit is reported by its name when a guest reaches it.

use std::fmt;
use std::time::Duration;

use mobula_contract::Failure;

/// Guest memory: a batch of large images and a runtime such as Python's fit.
pub const MEMORY_BYTES: u64 = 512 << 20;
/// Time of one call: long enough for a slow disk, short enough to notice a loop.
pub const WALL: Duration = Duration::from_secs(300);
/// Bytes that cross to the host at one time: JSON, `bytes` and state; tensors go by handle.
pub const OUTPUT_BYTES: u64 = 64 << 20;
/// Log lines of one call: several screens.
pub const LOG_BYTES: u64 = 64 << 10;
/// Tensor bytes that one call may make in the host: CIFAR-10 as f64 four times over.
pub const TENSOR_BYTES: u64 = 8 << 30;
/// Handles that are open at one time: tensors, builders, files.
pub const HANDLES: u32 = 4096;
/// Native stack of guest code: wasmtime's own choice, deep enough for recursive parsers.
pub const STACK_BYTES: usize = 512 << 10;
/// Entries of function tables: the largest known component (a JavaScript engine) has a tenth.
pub const TABLE_ELEMENTS: usize = 200_000;

/// Open files and folders: a process may often have 1,024, and workers share them.
pub const FILES: usize = 64;
/// Points of curves and of progress in one call: each becomes an event that is kept or drawn.
pub const REPORTS: u32 = 100_000;
/// Fields of one object: they are looked up one after another.
pub const FIELDS: usize = 1024;
/// JSON of one object; as values in memory it takes up to twenty times as much.
pub const JSON_BYTES: u64 = 8 << 20;
/// Axes of a tensor: nobody needs more, and each handle keeps them.
pub const AXES: usize = 16;
/// Text of an error, of a log line and of each line that a trap repeats; longer ones are cut.
pub const TEXT_BYTES: usize = 4096;
/// Linear memories of a component together with those of its parts.
pub const MEMORIES: u32 = 4;
/// Function tables of a component: one, and one for each module that joins it to the world.
pub const TABLES: u32 = 8;
/// Instances that are alive at one time in a sandbox.
pub const INSTANCES: u32 = 256;

/// Bytes of a component, at most: the largest known one, a Python runtime, three times over.
pub const COMPONENT_BYTES_MAX: usize = 64 << 20;
/// Functions of a component: the largest known one has a third of them.
pub const FUNCTIONS: u64 = 60_000;
/// Code of one function: an interpreter's main loop, twice over. Compiling takes more than its share of time.
pub const BODY_BYTES: u64 = 512 << 10;
/// Locals of one function: a compiler that optimises leaves some hundreds at most.
pub const LOCALS: u64 = 10_000;
/// Modules and components within each other: a component has modules, and may wrap a component.
pub const NESTING: u64 = 8;
/// Seconds of processor time for compiling, in a process of its own: five times the slowest known component.
pub const COMPILE_CPU_S: u64 = 120;
/// Address space for compiling, in a process of its own.
pub const COMPILE_MEMORY_BYTES: u64 = 4 << 30;

/// The limits of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Guest memory in bytes; of an actor for its life.
    pub memory_bytes: u64,
    /// Time of one call.
    pub wall: Duration,
    /// Bytes that cross to the host at one time.
    pub output_bytes: u64,
    /// Bytes of log lines.
    pub log_bytes: u64,
    /// Bytes of tensors made in the host.
    pub tensor_bytes: u64,
    /// Open handles.
    pub handles: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: MEMORY_BYTES,
            wall: WALL,
            output_bytes: OUTPUT_BYTES,
            log_bytes: LOG_BYTES,
            tensor_bytes: TENSOR_BYTES,
            handles: HANDLES,
        }
    }
}

/// Why the host ended a call. Travels through wasmtime as an error of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// A limit, and how large it is in words.
    Limit(&'static str, String),
    /// The run was cancelled.
    Cancelled,
    /// The host refused or failed, and said how.
    Failed(Failure),
}

impl Stop {
    pub(crate) fn bytes(name: &'static str, limit: u64) -> Self {
        Self::Limit(name, size(limit))
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(name, size) => write!(f, "limit {name} ({size}) reached"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Failed(failure) => failure.fmt(f),
        }
    }
}

impl std::error::Error for Stop {}

/// Bytes in the largest unit that divides them.
pub(crate) fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let fits =
        units.iter().find(|(shift, _)| bytes >> shift > 0 && bytes.is_multiple_of(1 << shift));
    fits.map_or(format!("{bytes} B"), |(shift, unit)| format!("{} {unit}", bytes >> shift))
}
