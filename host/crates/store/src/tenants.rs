//! Who shares the machine: tenants, their quotas, the folders they may mount, and the log of who changed
//! what of it.

use mobula_contract::Quota;
use rusqlite::{OptionalExtension as _, params};
use serde::Serialize;

use crate::error::StoreError;
use crate::open::{Store, now_ms};

/// The tenant whose home is the home folder itself.
pub const DEFAULT_TENANT: &str = "default";
const HINT: &str = "`mobula tenant list` shows those there are";

/// A tenant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TenantRow {
    /// Its name.
    pub name: String,
    /// Milliseconds since 1970.
    pub created_ms: u64,
    /// What it may use.
    pub quota: Quota,
}

/// Something that somebody did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    /// In the order of what was done, from 1.
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

impl Store {
    /// Enters a tenant.
    ///
    /// # Errors
    /// [`StoreError::TenantExists`] where the name is taken.
    pub fn add_tenant(&self, name: &str, quota: &Quota) -> Result<(), StoreError> {
        let quota = serde_json::to_string(quota).expect("numbers become JSON");
        let query = "INSERT OR IGNORE INTO tenant (name, created_ms, quota) VALUES (?1, ?2, ?3)";
        self.write(|db| match db.execute(query, params![name, now_ms().cast_signed(), quota])? {
            0 => Err(StoreError::TenantExists(name.to_owned()).into()),
            _ => Ok(()),
        })
    }

    /// Enters the tenant whose home is the home folder, without limits, unless it is there.
    pub fn found_default_tenant(&self) -> Result<(), StoreError> {
        match self.tenant(DEFAULT_TENANT) {
            Err(StoreError::NotFound { .. }) => {}
            found => return found.map(drop),
        }
        match self.add_tenant(DEFAULT_TENANT, &Quota::none()) {
            Err(StoreError::TenantExists(_)) => Ok(()),
            added => added,
        }
    }

    /// All tenants, by name.
    pub fn tenants(&self) -> Result<Vec<TenantRow>, StoreError> {
        self.rows("SELECT name, created_ms, quota FROM tenant ORDER BY name", [], read)
    }

    /// The tenant of this name.
    pub fn tenant(&self, name: &str) -> Result<TenantRow, StoreError> {
        let query = "SELECT name, created_ms, quota FROM tenant WHERE name = ?1";
        let found = self.read(|db| Ok(db.query_row(query, [name], read).optional()?))?;
        found.ok_or_else(|| none(name))
    }

    /// Says anew what a tenant may use.
    pub fn set_quota(&self, name: &str, quota: &Quota) -> Result<(), StoreError> {
        let quota = serde_json::to_string(quota).expect("numbers become JSON");
        let query = "UPDATE tenant SET quota = ?2 WHERE name = ?1";
        self.write(|db| match db.execute(query, params![name, quota])? {
            0 => Err(none(name).into()),
            _ => Ok(()),
        })
    }

    /// Forgets a tenant, its tokens and its mounts. What is in its home stays.
    pub fn remove_tenant(&self, name: &str) -> Result<(), StoreError> {
        self.write(|db| match db.execute("DELETE FROM tenant WHERE name = ?1", [name])? {
            0 => Err(none(name).into()),
            _ => Ok(()),
        })
    }

    /// Lets pipelines of a tenant mount a folder, under a name.
    pub fn set_mount(&self, tenant: &str, name: &str, folder: &str) -> Result<(), StoreError> {
        self.tenant(tenant)?;
        let query = "INSERT INTO mount (tenant, name, folder) VALUES (?1, ?2, ?3)
            ON CONFLICT (tenant, name) DO UPDATE SET folder = ?3";
        self.write(|db| Ok(db.execute(query, [tenant, name, folder]).map(drop)?))
    }

    /// Takes the folder back; runs that have it keep it.
    pub fn remove_mount(&self, tenant: &str, name: &str) -> Result<(), StoreError> {
        let query = "DELETE FROM mount WHERE tenant = ?1 AND name = ?2";
        self.write(|db| match db.execute(query, [tenant, name])? {
            0 => {
                Err(StoreError::NotFound { what: "mount", id: name.to_owned(), hint: HINT }.into())
            }
            _ => Ok(()),
        })
    }

    /// Names and folders that a tenant may mount.
    pub fn mounts(&self, tenant: &str) -> Result<Vec<(String, String)>, StoreError> {
        let query = "SELECT name, folder FROM mount WHERE tenant = ?1 ORDER BY name";
        self.rows(query, [tenant], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// Notes what somebody did.
    pub fn note_act(
        &self,
        by: &str,
        act: &str,
        subject: &str,
        detail: &str,
    ) -> Result<(), StoreError> {
        let query = "INSERT INTO audit (at_ms, author, act, subject, detail)
            VALUES (?1, ?2, ?3, ?4, ?5)";
        let values = params![now_ms().cast_signed(), by, act, subject, detail];
        self.write(|db| Ok(db.execute(query, values).map(drop)?))
    }

    /// What was done last, newest first.
    pub fn audit(&self, limit: usize) -> Result<Vec<AuditEntry>, StoreError> {
        let query = "SELECT number, at_ms, author, act, subject, detail FROM audit
            ORDER BY number DESC LIMIT ?1";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.rows(query, [limit], |row| {
            Ok(AuditEntry {
                number: row.get::<_, i64>(0)?.cast_unsigned(),
                at_ms: row.get::<_, i64>(1)?.cast_unsigned(),
                by: row.get(2)?,
                act: row.get(3)?,
                subject: row.get(4)?,
                detail: row.get(5)?,
            })
        })
    }
}

fn none(name: &str) -> StoreError {
    StoreError::NotFound { what: "tenant", id: name.to_owned(), hint: HINT }
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<TenantRow> {
    let quota: String = row.get(2)?;
    let bad = |e: serde_json::Error| {
        rusqlite::Error::FromSqlConversionFailure(2, rusqlite::types::Type::Text, Box::new(e))
    };
    Ok(TenantRow {
        name: row.get(0)?,
        created_ms: row.get::<_, i64>(1)?.cast_unsigned(),
        quota: serde_json::from_str(&quota).map_err(bad)?,
    })
}
