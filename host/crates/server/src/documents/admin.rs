//! What administrators see and say.

use crate::documents::Memory;
use mobula_contract::Quota;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use utoipa::ToSchema;

/// Tenants.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Tenants {
    /// By name.
    pub tenants: Vec<Tenant>,
}

/// A tenant.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Tenant {
    /// Its name.
    pub name: String,
    /// Milliseconds since 1970.
    pub created_ms: u64,
    /// What it may use.
    pub quota: Quota,
    /// What it uses.
    #[serde(rename = "use")]
    pub used: Use,
    /// Its tokens and sessions.
    pub tokens: Vec<Token>,
    /// Folders that it may mount.
    pub mounts: Vec<Mount>,
}

/// What a tenant uses.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct Use {
    /// Runs under way.
    pub runs: u64,
    /// Bytes on the disk.
    pub stored_bytes: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Requests of the minute that runs.
    pub requests_last_minute: u64,
}

/// A token, without its secret.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Token {
    /// The part that may be shown.
    pub id: String,
    /// What for.
    pub label: String,
    /// Whether it may administer.
    pub admin: bool,
    /// `token` or `session`.
    pub kind: String,
    /// Milliseconds since 1970.
    pub created_ms: u64,
    /// From when it is no good.
    pub expires_ms: Option<u64>,
    /// Since when it is no good.
    pub revoked_ms: Option<u64>,
    /// When it was used last, to a minute.
    pub used_ms: Option<u64>,
}

/// A folder.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Mount {
    /// How pipelines call it.
    pub name: String,
    /// Where it is.
    pub folder: String,
}

/// A tenant to enter.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTenant {
    /// Small letters, digits and `-`.
    pub name: String,
    /// What to change of the usual quota.
    #[serde(default)]
    pub quota: Option<Json>,
}

/// A token to give.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What for.
    #[serde(default)]
    pub label: String,
    /// After how many days it is no good.
    #[serde(default)]
    pub days: Option<u32>,
    /// Whether it may administer; only of the tenant `default`.
    #[serde(default)]
    pub admin: bool,
}

/// A new token; the only time that it is shown.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NewTokenDocument {
    /// The whole.
    pub token: String,
    /// The part that may be shown.
    pub id: String,
}

/// A folder to grant.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMount {
    /// Where it is.
    pub folder: String,
}

/// What was done.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Audit {
    /// Newest first.
    pub entries: Vec<AuditEntry>,
}

/// Something that somebody did.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuditEntry {
    /// From 1.
    pub number: u64,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// Tenant and token, or `cli`.
    pub by: String,
    /// Such as `tenant.add`.
    pub act: String,
    /// What it was done to.
    pub subject: String,
    /// In words.
    pub detail: String,
}

/// Who uses what just now.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Workers {
    /// Tenants with an engine.
    pub tenants: Vec<TenantWorkers>,
}

/// The engine of a tenant.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TenantWorkers {
    /// Whose.
    pub tenant: String,
    /// Processors.
    pub cpus: f64,
    /// Those of them that nobody has taken.
    pub cpus_free: f64,
    /// Runs under way.
    pub runs: Vec<String>,
    /// Memory.
    pub memory: Memory,
}
