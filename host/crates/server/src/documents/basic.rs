//! Who is asking, and how the house stands.

use mobula_contract::Quota;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A problem of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// From 1; absent where it is of no line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// From 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// What is wrong and what to do.
    pub message: String,
}

/// Who is logged in.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Session {
    /// The tenant.
    pub tenant: String,
    /// Whether it may administer.
    pub admin: bool,
    /// The part of the token that may be shown.
    pub token: String,
    /// Milliseconds since 1970.
    pub expires_ms: Option<u64>,
}

/// A token, to be exchanged for a session.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// `mt_…`
    pub token: String,
}

/// Memory of an engine.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct Memory {
    /// Of objects and guests.
    pub used_bytes: u64,
    /// What they may take together.
    pub limit_bytes: Option<u64>,
    /// Moved to disk since the start.
    pub spilled_bytes: u64,
}

/// Bytes on the disk.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Stored {
    /// History, checkpoints and plugins.
    pub used_bytes: u64,
    /// What they may take.
    pub limit_bytes: Option<u64>,
}

/// Runs by how they stand.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct RunCounts {
    /// Under way.
    pub running: u64,
    /// Done.
    pub succeeded: u64,
    /// Failed.
    pub failed: u64,
    /// Interrupted.
    pub interrupted: u64,
}

/// How the house stands.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Overview {
    /// Of the program.
    pub version: String,
    /// Since the server started.
    pub uptime_s: f64,
    /// Whose view it is.
    pub tenant: String,
    /// Workers for tasks.
    pub workers: u32,
    /// Processors.
    pub cpus: f64,
    /// Memory.
    pub memory: Memory,
    /// Disk.
    pub store: Stored,
    /// Runs.
    pub runs: RunCounts,
    /// What the tenant may use.
    pub quota: Quota,
}
