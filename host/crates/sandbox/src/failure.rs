//! What an error of wasmtime means for the caller: a limit by its name, a cancellation, or a trap with the
//! guest's own functions and last words.

use mobula_contract::{Failure, FailureKind};
use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};

use crate::limits::{INSTANCES, Limits, STACK_BYTES, Stop, size};
use crate::logs::Logs;
use crate::text::clean;

/// Functions of the guest that a trap's message names.
const FRAMES: usize = 6;

/// The failure of a call. `place` is such as `task subset`.
pub(crate) fn from_error(
    error: &wasmtime::Error,
    place: &str,
    limits: &Limits,
    logs: &Logs,
) -> Failure {
    let quota = |stop: &Stop| Failure::new(FailureKind::Quota, format!("{stop} in {place}"));
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return match stop {
            Stop::Cancelled => {
                Failure::new(FailureKind::Cancelled, format!("{place} was cancelled"))
            }
            Stop::Failed(failure) => failure.clone(),
            limit => quota(limit),
        };
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref::<ResourceTableError>() {
        return quota(&Stop::Limit("handles", limits.handles.to_string()));
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return quota(&Stop::Limit("instances", INSTANCES.to_string()));
    }
    let root = error.root_cause().to_string();
    if root.contains("fuel allocated for hostcalls") {
        return quota(&Stop::Limit("output", size(limits.output_bytes)));
    }
    if error.downcast_ref::<Trap>() == Some(&Trap::StackOverflow) {
        return quota(&Stop::Limit("stack", size(STACK_BYTES as u64)));
    }
    Failure::new(FailureKind::Trap, trap_message(error, &root, place, logs))
}

fn trap_message(error: &wasmtime::Error, root: &str, place: &str, logs: &Logs) -> String {
    let what = match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => "panic or abort".to_owned(),
        Some(Trap::MemoryOutOfBounds) => {
            "access outside of its memory, or stack overflow".to_owned()
        }
        Some(trap) => trap.to_string(),
        None if error.downcast_ref::<wasmtime_wasi::I32Exit>().is_some() => "exit".to_owned(),
        None => root.to_owned(),
    };
    let mut message = format!("trap in {place}: {what}");
    if let Some(trace) = error.downcast_ref::<WasmBacktrace>() {
        let names = trace.frames().iter().filter_map(|frame| frame.func_name());
        let names: Vec<&str> = names.filter(|name| !is_machinery(name)).take(FRAMES).collect();
        if !names.is_empty() {
            message += &format!("; in {}", clean(&names.join(" < ")));
        }
    }
    let last = logs.tail();
    if !last.is_empty() {
        message += &format!("; last lines: {}", last.join(" | "));
    }
    message
}

/// Frames of the panic itself, which say nothing of where it began.
fn is_machinery(name: &str) -> bool {
    [
        "core::panicking",
        "std::panicking",
        "std::sys",
        "__rust",
        "rust_panic",
        "abort",
        "alloc::raw_vec",
    ]
    .iter()
    .any(|part| name.contains(part))
}
