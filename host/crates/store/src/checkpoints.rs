//! Checkpoints: bytes in chunks, written whole or not at all, checked whenever they are read.

use mobula_contract::{CheckpointId, RunId};
use rusqlite::{OptionalExtension as _, params};
use serde::Serialize;

use crate::error::StoreError;
use crate::open::{Store, now_ms};

/// Bytes of a chunk: small enough to be copied in cache, large enough that rows do not count.
const CHUNK_BYTES: usize = 1 << 20;
const COLUMNS: &str = "SELECT id, run, stage, stage_index, actor, position, bytes, digest,
    created_ms, damaged FROM checkpoint";

/// Whose state a checkpoint holds; the newest of each is what a resume needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// An actor.
    Actor(&'a str),
    /// The output of a task: stage and index.
    Output(&'a str, u32),
}

/// A checkpoint to be written.
#[derive(Debug)]
pub struct NewCheckpoint<'a> {
    /// Its name.
    pub id: &'a CheckpointId,
    /// Its run.
    pub run: &'a RunId,
    /// The stage after which it was taken.
    pub stage: &'a str,
    /// Which repetition.
    pub index: u32,
    /// The actor whose state it is; absent for a task's output.
    pub actor: Option<&'a str>,
    /// Calls of the actor that it contains.
    pub position: u64,
    /// The state, or the encoded object.
    pub bytes: &'a [u8],
}

/// A checkpoint, without its bytes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckpointRow {
    /// Its name.
    pub id: CheckpointId,
    /// Its run.
    pub run: String,
    /// The stage after which it was taken.
    pub stage: String,
    /// Which repetition.
    pub index: u32,
    /// The actor whose state it is; absent for a task's output.
    pub actor: Option<String>,
    /// Calls of the actor that it contains.
    pub position: u64,
    /// Length.
    pub bytes: u64,
    /// `blake3:` and the digest of the bytes.
    pub digest: String,
    /// Milliseconds since 1970.
    pub created_ms: u64,
    /// Why it is not to be used; absent while it is good.
    pub damaged: Option<String>,
}

/// What a collection freed, or would free.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Collected {
    /// The checkpoints.
    pub checkpoints: Vec<CheckpointId>,
    /// Their bytes.
    pub bytes: u64,
}

fn digest(bytes: &[u8]) -> String {
    format!("blake3:{}", blake3::hash(bytes).to_hex())
}

impl Store {
    /// Writes a checkpoint, then drops the oldest good ones of its subject beyond `keep` (at least
    /// one is kept). Gives the digest.
    pub fn save_checkpoint(
        &mut self,
        new: &NewCheckpoint<'_>,
        keep: u32,
    ) -> Result<String, StoreError> {
        let (fail, digest) = (self.failed(), digest(new.bytes));
        let save = |db: &mut rusqlite::Connection| {
            let changes = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let query = "INSERT INTO checkpoint (id, run, number, stage, stage_index, actor,
                position, bytes, digest, created_ms) VALUES (?1, ?2,
                (SELECT COALESCE(MAX(number), 0) + 1 FROM checkpoint WHERE run = ?2),
                ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
            changes.execute(
                query,
                params![
                    new.id.as_str(),
                    new.run.as_str(),
                    new.stage,
                    new.index,
                    new.actor,
                    new.position.cast_signed(),
                    (new.bytes.len() as u64).cast_signed(),
                    digest,
                    now_ms().cast_signed(),
                ],
            )?;
            let query = "INSERT INTO chunk (checkpoint, number, content) VALUES (?1, ?2, ?3)";
            let mut insert = changes.prepare_cached(query)?;
            for (number, content) in (0_i64..).zip(new.bytes.chunks(CHUNK_BYTES)) {
                insert.execute(params![new.id.as_str(), number, content])?;
            }
            drop(insert);
            let query = "DELETE FROM checkpoint WHERE run = ?1 AND actor IS ?2
                AND (?2 IS NOT NULL OR (stage = ?3 AND stage_index = ?4))
                AND damaged IS NULL AND id NOT IN (
                    SELECT id FROM checkpoint WHERE run = ?1 AND actor IS ?2
                    AND (?2 IS NOT NULL OR (stage = ?3 AND stage_index = ?4))
                    AND damaged IS NULL ORDER BY number DESC LIMIT ?5)";
            changes.execute(
                query,
                params![new.run.as_str(), new.actor, new.stage, new.index, keep.max(1)],
            )?;
            changes.commit()
        };
        save(&mut self.db).map_err(fail)?;
        Ok(digest)
    }

    /// The bytes of a checkpoint, checked against its digest. One that is damaged is marked so.
    pub fn load_checkpoint(&self, id: &CheckpointId) -> Result<Vec<u8>, StoreError> {
        let row = self.checkpoint(id.as_str())?;
        let query = "SELECT content FROM chunk WHERE checkpoint = ?1 ORDER BY number";
        let chunks: Vec<Vec<u8>> = self.rows(query, [id.as_str()], |row| row.get(0))?;
        let bytes = chunks.concat();
        let found = digest(&bytes);
        if found == row.digest {
            return Ok(bytes);
        }
        let detail = format!(
            "{} bytes of {found} instead of {} bytes of {}",
            bytes.len(),
            row.bytes,
            row.digest
        );
        let query = "UPDATE checkpoint SET damaged = ?2 WHERE id = ?1";
        self.db.execute(query, params![id.as_str(), detail]).map_err(self.failed())?;
        Err(StoreError::Damaged { id: id.to_string(), detail })
    }

    /// A checkpoint by its name.
    pub fn checkpoint(&self, id: &str) -> Result<CheckpointRow, StoreError> {
        let query = format!("{COLUMNS} WHERE id = ?1");
        let found = self.db.query_row(&query, [id], read).optional().map_err(self.failed())?;
        let hint = "`mobula checkpoints list` shows those there are";
        found.ok_or_else(|| StoreError::NotFound { what: "checkpoint", id: id.to_owned(), hint })
    }

    /// Checkpoints, newest first; of one run only, where it is given.
    pub fn checkpoints(&self, run: Option<&RunId>) -> Result<Vec<CheckpointRow>, StoreError> {
        let query = format!(
            "{COLUMNS} WHERE ?1 IS NULL OR run = ?1 ORDER BY created_ms DESC, run DESC, number DESC"
        );
        self.rows(&query, [run.map(RunId::as_str)], read)
    }

    /// The newest checkpoint of a subject that proves good.
    pub fn newest_valid(
        &self,
        run: &RunId,
        subject: Subject<'_>,
    ) -> Result<Option<(CheckpointRow, Vec<u8>)>, StoreError> {
        for row in self.checkpoints(Some(run))? {
            let fits = row.damaged.is_none()
                && match subject {
                    Subject::Actor(actor) => row.actor.as_deref() == Some(actor),
                    Subject::Output(stage, index) => {
                        row.actor.is_none() && row.stage == stage && row.index == index
                    }
                };
            if !fits {
                continue;
            }
            match self.load_checkpoint(&row.id) {
                Ok(bytes) => return Ok(Some((row, bytes))),
                Err(StoreError::Damaged { .. }) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(None)
    }

    /// Drops the checkpoints of runs that succeeded, but for the newest of each actor, and the
    /// damaged ones of all; says which. With `dry_run` nothing is changed.
    pub fn collect(&mut self, dry_run: bool) -> Result<Collected, StoreError> {
        let query = "SELECT c.id, c.bytes FROM checkpoint c JOIN run r ON r.id = c.run
            WHERE c.damaged IS NOT NULL OR (r.status = 'succeeded' AND (c.actor IS NULL OR
            c.number < (SELECT MAX(number) FROM checkpoint n WHERE n.run = c.run
                AND n.actor = c.actor AND n.damaged IS NULL)))
            ORDER BY c.run, c.number";
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?));
        let found = self.rows(query, [], read)?;
        if !dry_run {
            let fail = self.failed();
            let drop_all = |db: &mut rusqlite::Connection| {
                let changes = db.transaction()?;
                for (id, _) in &found {
                    changes.execute("DELETE FROM checkpoint WHERE id = ?1", [id])?;
                }
                changes.commit()?;
                db.execute_batch("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE);")
            };
            drop_all(&mut self.db).map_err(fail)?;
        }
        Ok(Collected {
            bytes: found.iter().map(|(_, bytes)| bytes.cast_unsigned()).sum(),
            checkpoints: found.into_iter().map(|(id, _)| CheckpointId::from_text(&id)).collect(),
        })
    }
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<CheckpointRow> {
    Ok(CheckpointRow {
        id: CheckpointId::from_text(&row.get::<_, String>(0)?),
        run: row.get(1)?,
        stage: row.get(2)?,
        index: row.get(3)?,
        actor: row.get(4)?,
        position: row.get::<_, i64>(5)?.cast_unsigned(),
        bytes: row.get::<_, i64>(6)?.cast_unsigned(),
        digest: row.get(7)?,
        created_ms: row.get::<_, i64>(8)?.cast_unsigned(),
        damaged: row.get(9)?,
    })
}
