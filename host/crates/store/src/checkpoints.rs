//! Checkpoints: what is known of each, and how one becomes durable. They are written whole or not at all.
//!
//! A save is acknowledged after its commit, when its row was read back. How one is read, see `load`; which
//! ones go, see `retention`.

use mobula_contract::{CheckpointId, RunId};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;

use crate::chunks::{self, CHUNK_BYTES, Hash, Tree, cut};
use crate::error::{StoreError, Trouble};
use crate::lock::Held;
use crate::open::{Store, now_ms, rows};
use crate::retention::Retention;

pub(crate) const COLUMNS: &str =
    "SELECT id, run, stage, stage_index, actor, position, bytes, digest,
    created_ms, damaged, number, name, metric, better, pinned, root FROM checkpoint";
pub(crate) const HINT: &str = "`mobula checkpoints list` shows those there are";

/// Whose state a checkpoint holds; the newest of each is what a resume needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// An actor.
    Actor(&'a str),
    /// The output of a task: stage and index.
    Output(&'a str, u32),
}

/// Which of two metrics is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// The higher, such as of accuracy.
    Higher,
    /// The lower, such as of loss.
    Lower,
}

impl Better {
    fn name(self) -> &'static str {
        match self {
            Self::Higher => "higher",
            Self::Lower => "lower",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Higher, Self::Lower].into_iter().find(|better| better.name() == text)
    }
}

/// How good a state is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// The figure; one that is no number counts as none.
    pub value: f64,
    /// What it means.
    pub better: Better,
}

/// A checkpoint to be written.
#[derive(Debug, Clone, Copy)]
pub struct NewCheckpoint<'a> {
    /// Its name.
    pub id: &'a CheckpointId,
    /// Its run; absent for what comes from elsewhere.
    pub run: Option<&'a RunId>,
    /// How its user calls it.
    pub name: Option<&'a str>,
    /// The stage after which it was taken.
    pub stage: &'a str,
    /// Which repetition.
    pub index: u32,
    /// The actor whose state it is; absent for a task's output.
    pub actor: Option<&'a str>,
    /// Calls of the actor that it contains.
    pub position: u64,
    /// How good it is, where that is known.
    pub metric: Option<Metric>,
    /// Whether nothing but its user may drop it.
    pub pinned: bool,
    /// The state, or the encoded object.
    pub bytes: &'a [u8],
}

/// What came of a save.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// `blake3:` and the digest of the bytes.
    pub digest: String,
    /// Bytes that were written; the others are in chunks that were there.
    pub written: u64,
    /// Older ones that went.
    pub dropped: Vec<CheckpointId>,
}

/// A checkpoint, without its bytes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckpointRow {
    /// Its name.
    pub id: CheckpointId,
    /// Its run; absent for what was imported.
    pub run: Option<String>,
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
    /// Its number in the run, in order of creation.
    pub number: u64,
    /// How its user calls it.
    pub name: Option<String>,
    /// How good it is.
    pub metric: Option<f64>,
    /// Which metric is the better one.
    pub better: Option<Better>,
    /// Whether nothing but its user drops it.
    pub pinned: bool,
    /// Digest of everything above that does not change, and of the chunks; hexadecimal.
    pub root: String,
}

/// How a checkpoint lies in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// Chunks that make it.
    pub chunks: u64,
    /// Bytes of chunks that other checkpoints have too.
    pub shared_bytes: u64,
    /// Bytes that are in files beside the database.
    pub file_bytes: u64,
}

impl CheckpointRow {
    /// Whose state it holds.
    #[must_use]
    pub fn subject(&self) -> Subject<'_> {
        match &self.actor {
            Some(actor) => Subject::Actor(actor),
            None => Subject::Output(&self.stage, self.index),
        }
    }

    pub(crate) fn header(&self) -> Header<'_> {
        Header {
            id: self.id.as_str(),
            run: self.run.as_deref(),
            name: self.name.as_deref(),
            number: self.number.cast_signed(),
            stage: &self.stage,
            index: self.index.into(),
            actor: self.actor.as_deref(),
            position: self.position.cast_signed(),
            bytes: self.bytes.cast_signed(),
            digest: &self.digest,
            metric: self.metric,
            better: self.better,
            created_ms: self.created_ms.cast_signed(),
        }
    }
}

/// What is known of a checkpoint when it is written, and never changes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header<'a> {
    pub(crate) id: &'a str,
    pub(crate) run: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
    pub(crate) number: i64,
    pub(crate) stage: &'a str,
    pub(crate) index: i64,
    pub(crate) actor: Option<&'a str>,
    pub(crate) position: i64,
    pub(crate) bytes: i64,
    pub(crate) digest: &'a str,
    pub(crate) metric: Option<f64>,
    pub(crate) better: Option<Better>,
    pub(crate) created_ms: i64,
}

impl Header<'_> {
    pub(crate) fn insert(
        &self,
        db: &Connection,
        root: &Hash,
        pinned: bool,
        damaged: Option<&str>,
    ) -> rusqlite::Result<()> {
        let query = "INSERT INTO checkpoint (id, run, name, number, stage, stage_index, actor,
            position, bytes, digest, metric, better, created_ms, root, pinned, damaged)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
        let values = params![
            self.id,
            self.run,
            self.name,
            self.number,
            self.stage,
            self.index,
            self.actor,
            self.position,
            self.bytes,
            self.digest,
            self.metric,
            self.better.map(Better::name),
            self.created_ms,
            root,
            pinned,
            damaged,
        ];
        db.prepare_cached(query)?.execute(values).map(drop)
    }
}

/// The digest of a header and the hashes of the chunks. Part of the format: each field with its length
/// before it, absent ones as the length 2⁶⁴ − 1, numbers as 8 bytes, all little endian.
pub(crate) fn root(header: &Header<'_>, chunks: &[Hash]) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"mobula checkpoint 2");
    let mut field = |bytes: Option<&[u8]>| {
        let len = bytes.map_or(u64::MAX, |bytes| bytes.len() as u64);
        hasher.update(&len.to_le_bytes()).update(bytes.unwrap_or_default());
    };
    let texts = [Some(header.id), header.run, header.name, Some(header.stage), header.actor];
    texts.into_iter().for_each(|text| field(text.map(str::as_bytes)));
    let numbers = [header.number, header.index, header.position, header.bytes, header.created_ms];
    numbers.into_iter().for_each(|number| field(Some(&number.to_le_bytes())));
    field(Some(header.digest.as_bytes()));
    field(header.metric.map(f64::to_le_bytes).as_ref().map(<[u8; 8]>::as_slice));
    field(header.better.map(|better| better.name().as_bytes()));
    field(Some(chunks.as_flattened()));
    *hasher.finalize().as_bytes()
}

impl Store {
    /// Makes a checkpoint durable, then drops those of its subject that are not to be kept. A good one
    /// always remains.
    pub fn save_checkpoint(
        &self,
        new: &NewCheckpoint<'_>,
        keep: &Retention,
    ) -> Result<Saved, StoreError> {
        let long = new.bytes.len() as u64 > self.options.inline_bytes_max;
        if long {
            // Of the saves before, if nobody did since; what cannot be removed now goes later.
            let _ = self.remove_leftovers();
        }
        let held = long.then(|| self.use_blobs()).transpose()?;
        let in_files = held.as_ref().map(|held| self.write_files(held, new.bytes)).transpose()?;
        if !long {
            self.make_room(new.bytes.len() as u64)?;
        }
        let (saved, root) = self.write(|db| {
            let mut names = Vec::new();
            let (tree, written) = match in_files {
                Some((tree, written)) => {
                    let chunks = new.bytes.chunks(self.options.file_bytes_max);
                    for (hash, chunk) in tree.hashes().iter().zip(chunks) {
                        names.push(self.name_file(db, hash, chunk)?);
                    }
                    (tree, written)
                }
                None => self.keep_inline(db, new.bytes, &mut names)?,
            };
            let root = enter(db, new, &tree, &names)?;
            let (dropped, files) = match new.run {
                Some(run) => self.drop_older(db, run, new, keep)?,
                None => Default::default(),
            };
            self.leftovers.borrow_mut().extend(files);
            Ok((Saved { digest: tree.digest(), written, dropped }, root))
        })?;
        self.confirm(new, &saved.digest, &root)?;
        Ok(saved)
    }

    fn write_files(&self, held: &Held, bytes: &[u8]) -> Result<(Tree, u64), StoreError> {
        let written = self.write_blobs(held, bytes);
        if matches!(written, Err(StoreError::Io { .. })) {
            self.distrust();
        }
        written
    }

    fn keep_inline(
        &self,
        db: &Connection,
        bytes: &[u8],
        names: &mut Vec<i64>,
    ) -> Result<(Tree, u64), Trouble> {
        let mut written = 0;
        let tree = cut(bytes, CHUNK_BYTES, |chunk, hash| {
            let (name, new) = self.keep_chunk(db, hash, chunk)?;
            names.push(name);
            written += if new { chunk.len() as u64 } else { 0 };
            Ok::<_, Trouble>(())
        })?;
        Ok((tree, written))
    }

    /// The row of a chunk that was written as a file.
    fn name_file(&self, db: &Connection, hash: &Hash, bytes: &[u8]) -> Result<i64, Trouble> {
        if let Some(chunk) = chunks::find(db, hash)? {
            if chunk.inline && !self.holds(db, &chunk, bytes) {
                let query = "UPDATE chunk SET content = NULL, len = ?2 WHERE id = ?1";
                db.execute(query, params![chunk.id, (bytes.len() as u64).cast_signed()])?;
            }
            return Ok(chunk.id);
        }
        let query = "INSERT INTO chunk (hash, len) VALUES (?1, ?2)";
        db.prepare_cached(query)?.execute(params![hash, (bytes.len() as u64).cast_signed()])?;
        Ok(db.last_insert_rowid())
    }

    /// Reads back what was committed.
    fn confirm(
        &self,
        new: &NewCheckpoint<'_>,
        digest: &str,
        root: &Hash,
    ) -> Result<(), StoreError> {
        let query = "SELECT digest, root, (SELECT COALESCE(SUM(len), 0) FROM piece
            JOIN chunk ON chunk.id = piece.chunk WHERE piece.checkpoint = checkpoint.id)
            FROM checkpoint WHERE id = ?1";
        let found: Option<(String, Hash, i64)> = self.read(|db| {
            let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            Ok(db.prepare_cached(query)?.query_row([new.id.as_str()], row).optional()?)
        })?;
        let bytes = (new.bytes.len() as u64).cast_signed();
        if found == Some((digest.to_owned(), *root, bytes)) {
            return Ok(());
        }
        self.distrust();
        let detail = "what was read back is not what was written".to_owned();
        Err(StoreError::Damaged { id: new.id.to_string(), detail })
    }

    /// A checkpoint by its name.
    pub fn checkpoint(&self, id: &str) -> Result<CheckpointRow, StoreError> {
        let query = format!("{COLUMNS} WHERE id = ?1");
        let found = self.read(|db| Ok(db.query_row(&query, [id], read).optional()?))?;
        let (what, id) = ("checkpoint", id.to_owned());
        found.ok_or(StoreError::NotFound { what, id, hint: HINT })
    }

    /// The checkpoint of this name, or the only one whose name begins so; `last` is the newest.
    pub fn find_checkpoint(&self, text: &str) -> Result<CheckpointRow, StoreError> {
        let none = |text: &str| {
            let (what, id) = ("checkpoint", text.to_owned());
            StoreError::NotFound { what, id, hint: HINT }
        };
        if text == "last" {
            return self.checkpoints(None)?.into_iter().next().ok_or_else(|| none(text));
        }
        match self.checkpoint(text) {
            Err(StoreError::NotFound { .. }) => {}
            other => return other,
        }
        let query = format!("{COLUMNS} WHERE ?1 <> '' AND substr(id, 1, length(?1)) = ?1");
        let mut found = self.rows(&query, [text], read)?;
        match found.len() {
            0 => Err(none(text)),
            1 => Ok(found.remove(0)),
            count => Err(StoreError::Ambiguous { what: "checkpoint", id: text.to_owned(), count }),
        }
    }

    /// Checkpoints, newest first; of one run only, where it is given.
    pub fn checkpoints(&self, run: Option<&RunId>) -> Result<Vec<CheckpointRow>, StoreError> {
        let query = format!(
            "{COLUMNS} WHERE ?1 IS NULL OR run = ?1 ORDER BY created_ms DESC, run DESC, number DESC"
        );
        self.rows(&query, [run.map(RunId::as_str)], read)
    }

    /// How a checkpoint lies in the store.
    pub fn parts(&self, id: &CheckpointId) -> Result<Parts, StoreError> {
        let query = "SELECT COUNT(*), COALESCE(SUM(len) FILTER (WHERE EXISTS (
                SELECT 1 FROM piece other WHERE other.chunk = chunk.id
                AND other.checkpoint <> ?1)), 0),
            COALESCE(SUM(len) FILTER (WHERE typeof(content) = 'null'), 0)
            FROM piece JOIN chunk ON chunk.id = piece.chunk WHERE checkpoint = ?1";
        let read = |row: &rusqlite::Row<'_>| {
            let [chunks, shared_bytes, file_bytes] =
                [row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?].map(i64::cast_unsigned);
            Ok(Parts { chunks, shared_bytes, file_bytes })
        };
        self.read(|db| Ok(db.query_row(query, [id.as_str()], read)?))
    }

    /// Has a checkpoint kept whatever the retention says, or no longer.
    pub fn pin(&self, id: &CheckpointId, pinned: bool) -> Result<(), StoreError> {
        let query = "UPDATE checkpoint SET pinned = ?2 WHERE id = ?1";
        match self.write(|db| Ok(db.execute(query, params![id.as_str(), pinned])?))? {
            0 => Err(StoreError::NotFound { what: "checkpoint", id: id.to_string(), hint: HINT }),
            _ => Ok(()),
        }
    }
}

/// Enters the row and which chunks make it.
fn enter(
    db: &Connection,
    new: &NewCheckpoint<'_>,
    tree: &Tree,
    chunks: &[i64],
) -> Result<Hash, Trouble> {
    let run = new.run.map(RunId::as_str);
    let query = "SELECT COALESCE(MAX(number), 0) + 1 FROM checkpoint WHERE run IS ?1";
    let number = db.prepare_cached(query)?.query_row([run], |row| row.get(0))?;
    let metric = new.metric.filter(|metric| !metric.value.is_nan());
    let digest = tree.digest();
    let header = Header {
        id: new.id.as_str(),
        run,
        name: new.name,
        number,
        stage: new.stage,
        index: new.index.into(),
        actor: new.actor,
        position: new.position.cast_signed(),
        bytes: tree.len().cast_signed(),
        digest: &digest,
        metric: metric.map(|metric| metric.value),
        better: metric.map(|metric| metric.better),
        created_ms: now_ms().cast_signed(),
    };
    let root = root(&header, tree.hashes());
    header.insert(db, &root, new.pinned, None)?;
    let query = "INSERT INTO piece (checkpoint, number, chunk) VALUES (?1, ?2, ?3)";
    let mut insert = db.prepare_cached(query)?;
    for (number, chunk) in (0_i64..).zip(chunks) {
        insert.execute(params![header.id, number, chunk])?;
    }
    Ok(root)
}

/// Checkpoints of a subject of a run, newest first.
pub(crate) fn of_subject(
    db: &Connection,
    run: &RunId,
    subject: Subject<'_>,
) -> rusqlite::Result<Vec<CheckpointRow>> {
    let (actor, stage, index) = match subject {
        Subject::Actor(actor) => (Some(actor), "", 0),
        Subject::Output(stage, index) => (None, stage, index),
    };
    // Without the index: there are few, and damage to it would hide those that are good.
    let query = format!(
        "{COLUMNS} NOT INDEXED WHERE run = ?1 AND actor IS ?2
         AND (?2 IS NOT NULL OR (stage = ?3 AND stage_index = ?4)) ORDER BY number DESC"
    );
    rows(db, &query, params![run.as_str(), actor, stage, index], read)
}

pub(crate) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<CheckpointRow> {
    let better: Option<String> = row.get(13)?;
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
        number: row.get::<_, i64>(10)?.cast_unsigned(),
        name: row.get(11)?,
        metric: row.get(12)?,
        better: better.as_deref().and_then(Better::parse),
        pinned: row.get(14)?,
        root: hex(&row.get::<_, Vec<u8>>(15)?),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
