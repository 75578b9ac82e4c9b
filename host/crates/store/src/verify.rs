//! Reads everything there is and names what is wrong: pages, rows, chunks, files.

use std::fmt;

use mobula_contract::{CheckpointId, RunId};

use crate::blobs::is_named;
use crate::checkpoints::CheckpointRow;
use crate::error::StoreError;
use crate::files::Entry;
use crate::open::{Store, faults};

/// Faults of one kind that are named, at most.
const FAULTS_MAX: u32 = 100;

/// A checkpoint that does not prove good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which.
    pub id: CheckpointId,
    /// What is wrong with it.
    pub detail: String,
    /// The newest older one of the same subject that is good, which is used instead.
    pub instead: Option<CheckpointId>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "checkpoint {} is damaged: {}: ", self.id, self.detail)?;
        match &self.instead {
            Some(instead) => write!(f, "{instead} is used instead"),
            None => f.write_str("there is no older one to be used instead"),
        }
    }
}

/// What a verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// Checkpoints that were read.
    pub checked: u64,
    /// Those that are good.
    pub good: u64,
    /// Bytes that were read of them.
    pub bytes: u64,
    /// Those that are damaged, newest first.
    pub damaged: Vec<Finding>,
    /// What is wrong beside them.
    pub faults: Vec<String>,
    /// Files of no checkpoint, which do no harm: the next collection removes them.
    pub orphans: Vec<Entry>,
}

impl Verification {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.damaged.is_empty() && self.faults.is_empty()
    }
}

impl Store {
    /// Reads every checkpoint (of one run only, where it is given) and checks it. Without a run also the
    /// database itself, the history, plugins, what was learned, and files that belong to nothing.
    pub fn verify(&self, run: Option<&RunId>) -> Result<Verification, StoreError> {
        let mut found = Verification::default();
        let mut read = Vec::new();
        for row in self.checkpoints(run)? {
            let detail = match self.check_checkpoint(&row.id) {
                Ok(()) => row.damaged.clone(),
                // Dropped by another process since it was listed.
                Err(StoreError::NotFound { .. }) => continue,
                Err(StoreError::Damaged { detail, .. }) => Some(detail),
                Err(e) => Some(e.to_string()),
            };
            found.checked += 1;
            found.bytes += row.bytes;
            found.good += u64::from(detail.is_none());
            read.push((row, detail));
        }
        for (row, detail) in &read {
            let Some(detail) = detail else { continue };
            let mut good = read.iter().filter(|(_, detail)| detail.is_none());
            let instead = good.find(|(other, _)| replaces(other, row));
            let instead = instead.map(|(other, _)| other.id.clone());
            found.damaged.push(Finding { id: row.id.clone(), detail: detail.clone(), instead });
        }
        if run.is_none() {
            self.verify_rest(&mut found)?;
        }
        Ok(found)
    }

    fn verify_rest(&self, found: &mut Verification) -> Result<(), StoreError> {
        match self.read(|db| Ok(faults(db, "integrity_check", FAULTS_MAX)?)) {
            Ok(faults) => found.faults.extend(faults),
            Err(e) => found.faults.push(e.to_string()),
        }
        let query = "SELECT DISTINCT \"table\", parent FROM pragma_foreign_key_check";
        let read =
            |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
        for (table, parent) in self.rows(query, [], read)? {
            found.faults.push(format!("table {table} names what is not in table {parent}"));
        }
        let query = "SELECT DISTINCT checkpoint FROM piece
            WHERE NOT EXISTS (SELECT 1 FROM chunk WHERE chunk.id = piece.chunk)";
        for id in self.rows(query, [], |row| row.get::<_, String>(0))? {
            found.faults.push(format!("checkpoint {id} names a chunk that is not there"));
        }
        for run in self.runs()? {
            let history = self.run_pipeline(&run.run).and_then(|_| self.events(&run.run, 0));
            match history {
                Err(e @ StoreError::Unreadable { .. }) => found.faults.push(e.to_string()),
                Err(e) => return Err(e),
                Ok(_) => {}
            }
        }
        for plugin in self.plugins()? {
            let file = self.plugin_file(&plugin.digest);
            let good = std::fs::read(&file).is_ok_and(|bytes| {
                format!("blake3:{}", blake3::hash(&bytes).to_hex()) == plugin.digest
            });
            if !good {
                let file = file.display();
                found.faults.push(format!(
                    "plugin {} {}: {file} is not what was pushed",
                    plugin.name, plugin.version
                ));
            }
        }
        for subject in self.damaged_learned()? {
            found.faults.push(format!("what was learned of {subject} is damaged; it is not used"));
        }
        for entry in self.blob_files()? {
            if !self.read(|db| Ok(is_named(db, &entry.path)?))? {
                found.orphans.push(entry);
            }
        }
        Ok(())
    }
}

/// Whether one is used where another cannot be.
fn replaces(row: &CheckpointRow, other: &CheckpointRow) -> bool {
    row.run.is_some()
        && row.run == other.run
        && row.subject() == other.subject()
        && row.number < other.number
}
