//! How much of the machine a tenant may use. Who counts and refuses is the host's business.

use serde::{Deserialize, Serialize};

/// Runs at one time of a tenant that nothing was said about.
const RUNS: u32 = 2;
/// Processors.
const CPUS: f64 = 1.0;
/// Bytes of guests and objects in memory.
const MEMORY_BYTES: u64 = 1 << 30;
/// Bytes of history, checkpoints and plugins.
const STORED_BYTES: u64 = 4 << 30;
/// Bytes of one plugin.
const UPLOAD_BYTES: u64 = 64 << 20;
/// A dashboard asks some ten times a minute, a script that follows a run a hundred times.
const REQUESTS: u32 = 1200;

/// What a tenant may use; `null` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Quota {
    /// Runs at one time.
    pub runs: Option<u32>,
    /// Processors of all its runs together.
    pub cpus: Option<f64>,
    /// Bytes of objects and guests of all its runs together.
    pub memory_bytes: Option<u64>,
    /// Bytes that its history, checkpoints and plugins may take on the disk.
    pub stored_bytes: Option<u64>,
    /// Bytes of one plugin.
    pub upload_bytes: Option<u64>,
    /// Requests in a minute.
    pub requests_per_minute: Option<u32>,
}

impl Default for Quota {
    fn default() -> Self {
        Self {
            runs: Some(RUNS),
            cpus: Some(CPUS),
            memory_bytes: Some(MEMORY_BYTES),
            stored_bytes: Some(STORED_BYTES),
            upload_bytes: Some(UPLOAD_BYTES),
            requests_per_minute: Some(REQUESTS),
        }
    }
}

impl Quota {
    /// No limit at all.
    #[must_use]
    pub fn none() -> Self {
        Self {
            runs: None,
            cpus: None,
            memory_bytes: None,
            stored_bytes: None,
            upload_bytes: None,
            requests_per_minute: None,
        }
    }
}
