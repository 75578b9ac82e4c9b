//! What a stage may say to and ask of its host. Outside of a sandbox: lines go to standard error, the seed
//! is 0.

/// How loud a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Every step.
    Trace,
    /// For whoever writes the plugin.
    Debug,
    /// For whoever runs it.
    Info,
    /// Something is odd.
    Warn,
    /// Something failed.
    Error,
}

#[cfg(target_family = "wasm")]
mod host {
    use super::Level;
    use crate::bindings::mobula::plugin::context;

    pub(super) fn log(level: Level, message: &str) {
        let level = match level {
            Level::Trace => context::Level::Trace,
            Level::Debug => context::Level::Debug,
            Level::Info => context::Level::Info,
            Level::Warn => context::Level::Warn,
            Level::Error => context::Level::Error,
        };
        context::log(level, message);
    }

    pub(super) use context::{cancelled, metric, progress, seed};
}

#[cfg(not(target_family = "wasm"))]
mod host {
    use super::Level;

    pub(super) fn log(level: Level, message: &str) {
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "{level:?}: {message}");
    }

    pub(super) fn progress(_done: u64, _total: Option<u64>) {}

    pub(super) fn metric(_name: &str, _step: u64, _value: f64) {}

    pub(super) fn seed() -> u64 {
        0
    }

    pub(super) fn cancelled() -> bool {
        false
    }
}

/// A log line.
pub fn log(level: Level, message: &str) {
    host::log(level, message);
}

/// A log line for whoever runs the plugin.
pub fn info(message: &str) {
    log(Level::Info, message);
}

/// A log line about something odd.
pub fn warn(message: &str) {
    log(Level::Warn, message);
}

/// How much of the call is done, in units of your choice: a progress bar.
pub fn progress(done: u64, total: Option<u64>) {
    host::progress(done, total);
}

/// A point of a live curve.
pub fn metric(name: &str, step: u64, value: f64) {
    host::metric(name, step, value);
}

/// The seed of this stage in this run.
#[must_use]
pub fn seed() -> u64 {
    host::seed()
}

/// Whether the call should end early, with [`crate::Error::Cancelled`].
#[must_use]
pub fn cancelled() -> bool {
    host::cancelled()
}
