//! What an error of wasmtime means for the caller: a limit by its name, a cancellation, or a trap with the
//! guest's own functions and last words.

use mobula_contract::{Failure, FailureKind};
use wasmtime::component::ResourceTableError;
use wasmtime::{FrameInfo, PoolConcurrencyLimitError, Trap, WasmBacktrace};

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
        let names: Vec<String> = trace.frames().iter().flat_map(places).take(FRAMES).collect();
        if !names.is_empty() {
            message += &format!("; in {}", clean(&names.join(" < ")));
        }
    }
    let mut last = logs.tail();
    last.retain(|line| {
        !line.trim().is_empty() && !line.starts_with("note: run with `RUST_BACKTRACE")
    });
    if !last.is_empty() {
        message += &format!("; last lines: {}", last.join(" | "));
    }
    message
}

/// The functions of a frame, the innermost first, with file and line where the component knows them.
fn places(frame: &FrameInfo) -> Vec<String> {
    let symbols = frame.symbols().iter().filter_map(|symbol| {
        let name = demangled(symbol.name()?);
        let (file, line) = (symbol.file()?, symbol.line()?);
        (!is_machinery(&name) && !is_foreign(file)).then(|| format!("{name} ({file}:{line})"))
    });
    let symbols: Vec<String> = symbols.collect();
    if !symbols.is_empty() {
        return symbols;
    }
    let name = frame.func_name().map(demangled);
    name.filter(|name| !is_machinery(name) && !is_library(name)).into_iter().collect()
}

/// A function's name as its author wrote it.
fn demangled(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

/// Sources of the language and of libraries: what went wrong is where they were called.
fn is_foreign(file: &str) -> bool {
    [
        "/rustc/",
        "/sdk/src/",
        "/guest-sdk/src/",
        "/library/core/",
        "/library/std/",
        "/library/alloc/",
        "/registry/src/",
    ]
    .iter()
    .any(|part| file.contains(part))
}

/// Functions of the language's own libraries.
fn is_library(name: &str) -> bool {
    let name = name.trim_start_matches('<');
    ["core::", "std::", "alloc::", "__"].iter().any(|part| name.starts_with(part))
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
        // Between the component's exports and the author's functions.
        "mobula_guest::",
        "export_method_",
        "mobula:plugin/",
        "_cabi",
    ]
    .iter()
    .any(|part| name.contains(part))
}
