//! The bounds of an instance, with their defaults and reasons, and the one wording for a bound that
//! was hit. Enforces nothing itself.

use std::fmt;
use std::time::Duration;

/// Linear memory of an instance: room for an interpreter and a few batches, while eight instances
/// still fit a small machine.
pub const MEMORY_BYTES: u64 = 512 << 20;
/// Wall time of a call: an epoch of the slowest guest trainer we know, with room.
pub const WALL: Duration = Duration::from_secs(300);
/// JSON and bytes that one call may hand over at once: larger things are tensors.
pub const OUTPUT_BYTES: u64 = 64 << 20;
/// Log text of a call: about a thousand lines, all of which are stored with the run.
pub const LOG_BYTES: u64 = 64 << 10;
/// Bytes of the tensors that a call has made and still holds: CIFAR-10 as f32 is 737 MB.
pub const TENSOR_BYTES: u64 = 2 << 30;
/// Handles that an instance holds at once: inputs, outputs, files and streams are a few dozen.
pub const HANDLES: u32 = 1024;
/// Elements of an instance's function tables: an interpreter with its libraries has some 15,000.
pub const TABLE_ELEMENTS: u32 = 65_536;
/// Progress and metric reports of a call: each is an event that is stored and shown.
pub const REPORTS: u32 = 65_536;
/// The native stack of a guest; of the engine, so the same for all: a quarter of a thread's own.
pub const STACK_BYTES: usize = 512 << 10;
/// Wall time of `describe`: it only returns a string.
pub const DESCRIBE_WALL: Duration = Duration::from_secs(5);
/// The largest component: an embedded Python or JavaScript is 18 MB, and compiling is what costs.
pub const COMPONENT_BYTES: usize = 64 << 20;

/// What one call may use; hitting any of it fails the call and names the limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory, in bytes, of all memories of the instance.
    pub memory_bytes: u64,
    /// Wall time of the call.
    pub wall: Duration,
    /// JSON and bytes in one transfer out of the guest.
    pub output_bytes: u64,
    /// Log text, of `log` and of what the guest prints.
    pub log_bytes: u64,
    /// Tensors that the instance made and still holds.
    pub tensor_bytes: u64,
    /// Handles held at once.
    pub handles: u32,
    /// Elements of function tables.
    pub table_elements: u32,
    /// Calls of `progress` and `metric`; further ones are dropped.
    pub reports: u32,
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
            table_elements: TABLE_ELEMENTS,
            reports: REPORTS,
        }
    }
}

/// A limit that a guest has hit; its text is the part of the message before "reached".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LimitHit {
    #[error("limit memory ({})", Bytes(*.0))]
    Memory(u64),
    #[error("limit time ({} s)", .0.as_secs_f64())]
    Time(Duration),
    #[error("limit output ({})", Bytes(*.0))]
    Output(u64),
    #[error("limit tensors ({})", Bytes(*.0))]
    Tensors(u64),
    #[error("limit handles ({0})")]
    Handles(u32),
    #[error("limit table elements ({0})")]
    TableElements(u32),
    #[error("limit stack ({})", Bytes(STACK_BYTES as u64))]
    Stack,
    #[error("limit stack (the guest's own)")]
    GuestStack,
}

/// A number of bytes in the largest unit that divides it.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        match units.iter().find(|(unit, _)| self.0 >= *unit && self.0 % unit == 0) {
            Some((unit, name)) => write!(f, "{} {name}", self.0 / unit),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_named_with_their_size() {
        let check = |hit: LimitHit, text: &str| assert_eq!(hit.to_string(), text);
        check(LimitHit::Memory(MEMORY_BYTES), "limit memory (512 MiB)");
        check(LimitHit::Time(WALL), "limit time (300 s)");
        check(LimitHit::Time(Duration::from_millis(50)), "limit time (0.05 s)");
        check(LimitHit::Tensors(2 << 30), "limit tensors (2 GiB)");
        check(LimitHit::Output(1000), "limit output (1000 bytes)");
        check(LimitHit::Stack, "limit stack (512 KiB)");
    }
}
