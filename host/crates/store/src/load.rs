//! How checkpoints are read: every chunk and the root are checked, and what does not prove good is set
//! aside, with
//! the reason, while the next older one is tried.

use std::collections::BTreeMap;
use std::io::Read;
use std::thread;

use mobula_contract::{CheckpointId, RunId};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::checkpoints::{COLUMNS, CheckpointRow, HINT, Subject, of_subject, read, root};
use crate::chunks::{self, CHUNK_BYTES, Chunk, Hash, Pieces, Tree, hasher_at, merged};
use crate::error::{StoreError, Trouble};
use crate::open::{Store, snapshot};

/// A checkpoint that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Which.
    pub id: CheckpointId,
    /// Why.
    pub reason: String,
}

/// What a search for a good checkpoint found.
#[derive(Debug, Default)]
pub struct Newest {
    /// The newest that proves good, with its bytes.
    pub found: Option<(CheckpointRow, Vec<u8>)>,
    /// Newer ones that do not, newest first; of those set aside earlier too.
    pub set_aside: Vec<SetAside>,
}

/// What is to be read: a row whose root was checked, and its chunks.
struct Plan {
    row: CheckpointRow,
    chunks: Vec<Chunk>,
}

impl Store {
    /// The bytes of a checkpoint, checked. One that is damaged is marked so.
    pub fn load_checkpoint(&self, id: &CheckpointId) -> Result<Vec<u8>, StoreError> {
        self.checked(id, |db, plan| self.read_whole(db, plan))
    }

    /// Hands the bytes of a checkpoint on as they are read, in pieces of at most 1 MiB. They are only to be
    /// used when this ends well.
    pub fn stream_checkpoint(
        &self,
        id: &CheckpointId,
        mut to: impl FnMut(&[u8]) -> std::io::Result<()>,
    ) -> Result<CheckpointRow, StoreError> {
        self.checked(id, |db, plan| {
            self.read_stream(db, plan, &mut to)?;
            Ok(plan.row.clone())
        })
    }

    /// Reads a checkpoint and checks it, in little memory. One that is damaged is marked so.
    pub fn check_checkpoint(&self, id: &CheckpointId) -> Result<(), StoreError> {
        self.stream_checkpoint(id, |_| Ok(())).map(drop)
    }

    /// The newest checkpoint of a subject that proves good.
    pub fn newest_valid(&self, run: &RunId, subject: Subject<'_>) -> Result<Newest, StoreError> {
        let mut newest = Newest::default();
        for row in self.read(|db| Ok(of_subject(db, run, subject)?))? {
            if let Some(reason) = row.damaged {
                newest.set_aside.push(SetAside { id: row.id, reason });
                continue;
            }
            match self.load_checkpoint(&row.id) {
                Ok(bytes) => {
                    newest.found = Some((row, bytes));
                    break;
                }
                Err(StoreError::Damaged { detail: reason, .. }) => {
                    newest.set_aside.push(SetAside { id: row.id, reason });
                }
                // Dropped by another process since it was listed: something newer is there.
                Err(StoreError::NotFound { .. }) => {}
                // Its part of the disk cannot be read now, or is damaged; an older one may lie elsewhere.
                Err(
                    e @ (StoreError::Io { .. }
                    | StoreError::Sqlite { .. }
                    | StoreError::Corrupt { .. }),
                ) => {
                    newest.set_aside.push(SetAside { id: row.id, reason: e.to_string() });
                }
                Err(e) => return Err(e),
            }
        }
        Ok(newest)
    }

    /// Has `use_it` read a checkpoint, all of one instant. What proves damaged is marked.
    fn checked<T>(
        &self,
        id: &CheckpointId,
        use_it: impl FnOnce(&Connection, &Plan) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        // Files are not removed meanwhile; a checkpoint in the database needs no such care.
        let has_files =
            |db: &Connection| Ok(chunks::of(db, id.as_str())?.iter().any(|chunk| !chunk.inline));
        let _use = if self.read(has_files)? { Some(self.use_blobs()?) } else { None };
        let result = self.read(|db| {
            let instant = snapshot(db)?;
            let plan = plan(&instant, id)?;
            use_it(&instant, &plan)
        });
        if let Err(StoreError::Damaged { detail, .. }) = &result {
            // The damage is to be told even where it cannot be written down.
            let query = "UPDATE checkpoint SET damaged = ?2 WHERE id = ?1 AND damaged IS NULL";
            let _ = self.write(|db| Ok(db.execute(query, params![id.as_str(), detail])?));
        }
        result
    }

    /// All bytes, in one buffer; another thread hashes what was read.
    fn read_whole(&self, db: &Connection, plan: &Plan) -> Result<Vec<u8>, Trouble> {
        let len = usize::try_from(plan.row.bytes).expect("the root was checked");
        let mut bytes = vec![0; len];
        let pieces = Pieces::new();
        let hashes: BTreeMap<u64, Hash> = thread::scope(|scope| {
            let builder = thread::Builder::new().name("hash".to_owned());
            // Where there is no thread to be had, this one hashes everything at the end.
            let other = (len > CHUNK_BYTES).then(|| builder.spawn_scoped(scope, || pieces.work()));
            let (mut rest, mut at) = (&mut bytes[..], 0);
            let mut read = || {
                for chunk in &plan.chunks {
                    let size = usize::try_from(chunk.len).expect("the root was checked");
                    let mut from = self.start(db, plan, chunk)?;
                    let (part, later) = std::mem::take(&mut rest).split_at_mut(size);
                    rest = later;
                    for piece in part.chunks_mut(CHUNK_BYTES) {
                        self.fill(plan, chunk, &mut *from, piece)?;
                        pieces.push(at, piece);
                        at += piece.len() as u64;
                    }
                    self.finish(plan, chunk, &mut *from)?;
                }
                Ok::<_, Trouble>(())
            };
            let ended = read();
            pieces.end();
            let mut hashes = pieces.work();
            if let Some(Ok(other)) = other {
                hashes.extend(other.join().expect("hashing does not fail"));
            }
            ended.map(|()| hashes.into_iter().collect())
        })?;
        let mut at = 0;
        for (number, chunk) in (0_u64..).zip(&plan.chunks) {
            let of_chunk: Vec<Hash> =
                hashes.range(at..at + chunk.len).map(|(_, hash)| *hash).collect();
            check(plan, number, chunk, &merged(&of_chunk))?;
            at += chunk.len;
        }
        Ok(bytes)
    }

    fn read_stream(
        &self,
        db: &Connection,
        plan: &Plan,
        to: &mut dyn FnMut(&[u8]) -> std::io::Result<()>,
    ) -> Result<(), Trouble> {
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut tree = Tree::default();
        for (number, chunk) in (0_u64..).zip(&plan.chunks) {
            let mut from = self.start(db, plan, chunk)?;
            let mut hasher = hasher_at(tree.len());
            let mut left = chunk.len;
            while left > 0 {
                let size = usize::try_from(left).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
                let piece = &mut buffer[..size];
                self.fill(plan, chunk, &mut *from, piece)?;
                hasher.update(piece);
                to(piece).map_err(StoreError::io(&self.home))?;
                left -= size as u64;
            }
            self.finish(plan, chunk, &mut *from)?;
            check(plan, number, chunk, tree.push_hashed(&hasher, chunk.len))?;
        }
        Ok(())
    }

    fn start<'a>(
        &self,
        db: &'a Connection,
        plan: &Plan,
        chunk: &Chunk,
    ) -> Result<Box<dyn Read + 'a>, Trouble> {
        self.open_chunk(db, chunk).map_err(|trouble| match trouble {
            Trouble::Store(StoreError::Io { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                damaged(plan, format!("{} is missing", self.blob(&chunk.hash).display()))
            }
            Trouble::Sqlite(e) if !is_of_disk(&e) => damaged(plan, e.to_string()),
            other => other,
        })
    }

    fn fill(
        &self,
        plan: &Plan,
        chunk: &Chunk,
        from: &mut dyn Read,
        into: &mut [u8],
    ) -> Result<(), Trouble> {
        from.read_exact(into).map_err(|e| self.unreadable(plan, chunk, e))
    }

    /// There must be nothing behind the end.
    fn finish(&self, plan: &Plan, chunk: &Chunk, from: &mut dyn Read) -> Result<(), Trouble> {
        match from.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(damaged(plan, format!("a chunk has more than {} bytes", chunk.len))),
            Err(e) => Err(self.unreadable(plan, chunk, e)),
        }
    }

    /// Whether bytes are not there, or cannot be had now.
    fn unreadable(&self, plan: &Plan, chunk: &Chunk, error: std::io::Error) -> Trouble {
        if error.kind() == std::io::ErrorKind::UnexpectedEof {
            return damaged(plan, format!("a chunk has fewer than {} bytes", chunk.len));
        }
        match error.downcast::<rusqlite::Error>() {
            Ok(e) if is_of_disk(&e) => e.into(),
            Ok(e) => damaged(plan, e.to_string()),
            Err(e) => StoreError::io(&self.blob(&chunk.hash))(e).into(),
        }
    }
}

fn is_of_disk(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{CannotOpen, SystemIoFailure};
    matches!(error.sqlite_error_code(), Some(SystemIoFailure | CannotOpen))
}

/// The row and the chunks, which belong together.
fn plan(db: &Connection, id: &CheckpointId) -> Result<Plan, Trouble> {
    let query = format!("{COLUMNS} WHERE id = ?1");
    let row = db.prepare_cached(&query)?.query_row([id.as_str()], read).optional()?;
    let none = StoreError::NotFound { what: "checkpoint", id: id.to_string(), hint: HINT };
    let plan = Plan { row: row.ok_or(none)?, chunks: chunks::of(db, id.as_str())? };
    let hashes: Vec<Hash> = plan.chunks.iter().map(|chunk| chunk.hash).collect();
    let found = blake3::Hash::from(root(&plan.row.header(), &hashes)).to_hex();
    if found.as_str() != plan.row.root {
        return Err(damaged(&plan, "its row or the list of its chunks changed".to_owned()));
    }
    let sum = plan.chunks.iter().try_fold(0_u64, |sum, chunk| sum.checked_add(chunk.len));
    if sum != Some(plan.row.bytes) || plan.chunks.iter().any(|chunk| chunk.len == 0) {
        return Err(damaged(&plan, format!("its chunks do not have {} bytes", plan.row.bytes)));
    }
    Ok(plan)
}

fn check(plan: &Plan, number: u64, chunk: &Chunk, found: &Hash) -> Result<(), Trouble> {
    if *found == chunk.hash {
        return Ok(());
    }
    let [found, hash] = [found, &chunk.hash].map(|hash| blake3::Hash::from(*hash).to_hex());
    let (found, hash) = (&found[..16], &hash[..16]);
    Err(damaged(plan, format!("chunk {number} has the hash {found}… instead of {hash}…")))
}

fn damaged(plan: &Plan, detail: String) -> Trouble {
    StoreError::Damaged { id: plan.row.id.to_string(), detail }.into()
}
