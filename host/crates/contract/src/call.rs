//! What a running stage says to its host, and how a call can fail.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How loud a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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

/// What a stage may say to and ask of its host during one call.
pub trait StageContext: Send + Sync {
    /// A log line.
    fn log(&self, level: Level, message: &str);
    /// How much of the call is done, in units of the stage's choice.
    fn progress(&self, done: u64, total: Option<u64>);
    /// A point of a live curve.
    fn metric(&self, name: &str, step: u64, value: f64);
    /// The seed of this stage in this run.
    fn seed(&self) -> u64;
    /// Whether the call should end early.
    fn cancelled(&self) -> bool;
}

/// What went wrong, as far as it decides what happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The caller's mistake.
    Invalid,
    /// A row or offset that is not there.
    OutOfBounds,
    /// A limit of the host.
    Quota,
    /// No grant allows it.
    Denied,
    /// The run was cancelled.
    Cancelled,
    /// The stage's own failure.
    Failed,
    /// The guest trapped.
    Trap,
    /// The worker that ran it is gone.
    WorkerLost,
    /// The host itself failed, such as a full disk.
    Host,
}

impl FailureKind {
    /// Whether another attempt may help.
    #[must_use]
    pub fn is_retried(self) -> bool {
        matches!(self, Self::Failed | Self::Trap | Self::WorkerLost | Self::Host)
    }
}

/// A call that did not return.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// Lower case, names the thing and what to do.
    pub message: String,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
