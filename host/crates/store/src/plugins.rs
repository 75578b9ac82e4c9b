//! Plugins that were pushed: a row each, the component in a file named by its digest.

use std::io::Write as _;
use std::path::PathBuf;

use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;

use crate::error::StoreError;
use crate::open::{Store, now_ms};

/// A plugin that was pushed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PluginRow {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// `blake3:` and the digest of the component.
    pub digest: String,
    /// Bytes of the component.
    pub size: u64,
    /// Whether pipelines may use it.
    pub enabled: bool,
    /// Milliseconds since 1970.
    pub pushed_ms: u64,
}

impl Store {
    /// Keeps a component. The same one again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::PluginExists`] for other content under a name and version that are taken.
    pub fn push_plugin(
        &self,
        name: &str,
        version: &str,
        component: &[u8],
    ) -> Result<String, StoreError> {
        let digest = format!("blake3:{}", blake3::hash(component).to_hex());
        let query = "SELECT digest FROM plugin WHERE name = ?1 AND version = ?2";
        let find = |db: &Connection| {
            Ok(db.query_row(query, [name, version], |row| row.get(0)).optional()?)
        };
        let there: Option<String> = self.read(find)?;
        if there.is_some_and(|there| there != digest) {
            let (name, version) = (name.to_owned(), version.to_owned());
            return Err(StoreError::PluginExists { name, version });
        }
        let path = self.plugin_file(&digest);
        let folder = self.home.join("plugins");
        let write = || {
            std::fs::create_dir_all(&folder)?;
            let mut file = tempfile::NamedTempFile::new_in(&folder)?;
            file.write_all(component)?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(StoreError::io(&path))?;
        let query = "INSERT OR IGNORE INTO plugin (name, version, digest, size, pushed_ms)
            VALUES (?1, ?2, ?3, ?4, ?5)";
        let size = (component.len() as u64).cast_signed();
        let values = params![name, version, digest, size, now_ms().cast_signed()];
        self.write(|db| Ok(db.execute(query, values)?))?;
        Ok(digest)
    }

    /// All pushed plugins, by name, the newest push of each first.
    pub fn plugins(&self) -> Result<Vec<PluginRow>, StoreError> {
        let query = "SELECT name, version, digest, size, enabled, pushed_ms FROM plugin
            ORDER BY name, pushed_ms DESC, rowid DESC";
        self.rows(query, [], |row| {
            Ok(PluginRow {
                name: row.get(0)?,
                version: row.get(1)?,
                digest: row.get(2)?,
                size: row.get::<_, i64>(3)?.cast_unsigned(),
                enabled: row.get(4)?,
                pushed_ms: row.get::<_, i64>(5)?.cast_unsigned(),
            })
        })
    }

    /// Lets pipelines use a plugin, or not.
    pub fn enable_plugin(
        &self,
        name: &str,
        version: &str,
        enabled: bool,
    ) -> Result<(), StoreError> {
        let query = "UPDATE plugin SET enabled = ?3 WHERE name = ?1 AND version = ?2";
        self.write(|db| match db.execute(query, params![name, version, enabled])? {
            0 => Err(none(name, version).into()),
            _ => Ok(()),
        })
    }

    /// Forgets a plugin, and its component where no other has the same.
    pub fn remove_plugin(&self, name: &str, version: &str) -> Result<(), StoreError> {
        let unneeded: Option<String> = self.write(|db| {
            let query = "DELETE FROM plugin WHERE name = ?1 AND version = ?2 RETURNING digest";
            let digest: Option<String> =
                db.query_row(query, [name, version], |row| row.get(0)).optional()?;
            let digest = digest.ok_or_else(|| none(name, version))?;
            let query = "SELECT COUNT(*) FROM plugin WHERE digest = ?1";
            let others: i64 = db.query_row(query, [&digest], |row| row.get(0))?;
            Ok((others == 0).then_some(digest))
        })?;
        let Some(digest) = unneeded else { return Ok(()) };
        let path = self.plugin_file(&digest);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(StoreError::io(&path)(e)),
            _ => Ok(()),
        }
    }

    /// Where the component of this digest is kept.
    #[must_use]
    pub fn plugin_file(&self, digest: &str) -> PathBuf {
        let name = digest.strip_prefix("blake3:").unwrap_or(digest);
        self.home.join("plugins").join(format!("{name}.wasm"))
    }
}

fn none(name: &str, version: &str) -> StoreError {
    let (what, id) = ("plugin", format!("{name}@{version}"));
    StoreError::NotFound { what, id, hint: "`mobula plugin list` shows those there are" }
}
