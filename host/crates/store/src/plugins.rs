//! Plugins that were pushed: a row each, the component in a file named by its digest.

use std::io::Write as _;
use std::path::PathBuf;

use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;

use crate::error::StoreError;
use crate::open::{Store, now_ms, rows};

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
        self.enter(name, version, component, "ON CONFLICT DO NOTHING")
    }

    /// Keeps a component under a name and version that other content may have: for a plugin that is still
    /// written. Runs that began with what was there go on with it.
    pub fn replace_plugin(
        &self,
        name: &str,
        version: &str,
        component: &[u8],
    ) -> Result<String, StoreError> {
        let newest = "ON CONFLICT DO UPDATE SET digest = excluded.digest, size = excluded.size,
            pushed_ms = excluded.pushed_ms";
        self.enter(name, version, component, newest)
    }

    fn enter(
        &self,
        name: &str,
        version: &str,
        component: &[u8],
        taken: &str,
    ) -> Result<String, StoreError> {
        let digest = self.keep_component(component)?;
        let query = format!(
            "INSERT INTO plugin (name, version, digest, size, pushed_ms)
             VALUES (?1, ?2, ?3, ?4, ?5) {taken}"
        );
        let size = (component.len() as u64).cast_signed();
        let values = params![name, version, digest, size, now_ms().cast_signed()];
        self.write(|db| Ok(db.execute(&query, values)?))?;
        Ok(digest)
    }

    /// Keeps a component without a name, for a run that began with it; gives its digest.
    pub fn keep_component(&self, component: &[u8]) -> Result<String, StoreError> {
        let digest = format!("blake3:{}", blake3::hash(component).to_hex());
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
        Ok(digest)
    }

    /// Shows or hides a plugin, of all versions where none is said; gives those that there are.
    pub fn enable_plugin(
        &self,
        name: &str,
        version: Option<&str>,
        enabled: bool,
    ) -> Result<Vec<String>, StoreError> {
        let query = "UPDATE plugin SET enabled = ?3
            WHERE name = ?1 AND (?2 IS NULL OR version = ?2) RETURNING name || '@' || version";
        self.write(|db| Ok(rows(db, query, params![name, version, enabled], |row| row.get(0))?))
    }

    /// Forgets a plugin, of all versions where none is said; gives those that there were. The components
    /// stay: whether a run still needs them, the caller knows.
    pub fn remove_plugin(
        &self,
        name: &str,
        version: Option<&str>,
    ) -> Result<Vec<String>, StoreError> {
        let query = "DELETE FROM plugin
            WHERE name = ?1 AND (?2 IS NULL OR version = ?2) RETURNING name || '@' || version";
        self.write(|db| Ok(rows(db, query, params![name, version], |row| row.get(0))?))
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

    /// Where the component of this digest is kept.
    #[must_use]
    pub fn plugin_file(&self, digest: &str) -> PathBuf {
        let name = digest.strip_prefix("blake3:").unwrap_or(digest);
        self.home.join("plugins").join(format!("{name}.wasm"))
    }
}
