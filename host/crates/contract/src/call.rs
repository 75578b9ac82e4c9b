//! What a running stage says to its host, and how a call can fail.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::memory::Charge;
use crate::object::Object;

/// How loud a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
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
    /// Takes memory of the process, before it is allocated. Where the budget is used up the host makes
    /// room or waits for it; the failure says that there is none.
    fn reserve(&self, _bytes: u64) -> Result<Charge, Failure> {
        Ok(Charge::default())
    }
    /// Hands over one object of a stream. Waits while the readers lag behind; fails where nobody asked
    /// for a stream, and when the call is cancelled.
    fn emit(&self, _object: Object) -> Result<(), Failure> {
        Err(Failure::new(FailureKind::Invalid, "nobody asked this stage for a stream"))
    }
    /// Whether somebody asked this stage for a stream.
    fn streams(&self) -> bool {
        false
    }
    /// Who carries the call out lost it and began it anew, unasked: the attempt before is over.
    fn tried_again(&self, _why: &str) {}
    /// What the call used as far as its sandbox knows; said once, at the end, also after a failure.
    fn used(&self, _used: Used) {}
}

/// What one call used, as far as only its sandbox or its native actor knows.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Used {
    /// Seconds that threads beside the worker's computed for it.
    pub helpers_cpu_s: f64,
    /// Most bytes of guest memory at one time, those of earlier calls of the same actor included.
    pub memory_peak_bytes: u64,
    /// Bytes that went into the guest: arguments, JSON and bytes of inputs, and what it read of tensors.
    pub bytes_in: u64,
    /// Bytes that came out of it: JSON and bytes of outputs, and what it appended to tensors.
    pub bytes_out: u64,
    /// Whether it was the first call since this process took up the plugin.
    pub cold: bool,
}

/// What one call cost.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Receipt {
    /// Seconds from the worker's start of the call to its end.
    pub wall_s: f64,
    /// Seconds that the worker's thread, and those that worked for it, spent computing.
    pub cpu_s: f64,
    /// Most bytes of guest memory at one time; 0 for native actors.
    pub memory_peak_bytes: u64,
    /// Bytes that went into the guest.
    pub bytes_in: u64,
    /// Bytes that came out of it.
    pub bytes_out: u64,
    /// Whether it was the first call since the process took up the plugin.
    pub cold: bool,
}

impl Receipt {
    /// Adds another call: sums, the larger of the peaks, cold if one was.
    pub fn add(&mut self, other: &Self) {
        self.wall_s += other.wall_s;
        self.cpu_s += other.cpu_s;
        self.memory_peak_bytes = self.memory_peak_bytes.max(other.memory_peak_bytes);
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.cold |= other.cold;
    }
}

/// What went wrong, as far as it decides what happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
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
    /// The process has no memory left for it, for now.
    Memory,
    /// A checkpoint is not what was saved.
    Damaged,
}

impl FailureKind {
    /// Whether another attempt may help.
    #[must_use]
    pub fn is_retried(self) -> bool {
        matches!(self, Self::Failed | Self::Trap | Self::WorkerLost | Self::Host | Self::Memory)
    }
}

/// A call that did not return.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
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
