//! Chunks: how bytes are cut, hashed, and kept once. Knows nothing of what they are.
//!
//! A chunk's hash is that of its subtree in the BLAKE3 tree of the whole, so that the digest of all
//! bytes comes
//! of the hashes of the chunks, and each byte is hashed once. Chunks are equal when their bytes and
//! their places are.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use blake3::Hasher;
use blake3::hazmat::{HasherExt as _, Mode, merge_subtrees_non_root, merge_subtrees_root};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::error::{StoreError, Trouble};
use crate::open::Store;

/// Bytes of a chunk in the database: large enough that rows do not count, small enough that SQLite's
/// copies of it stay in the processor's cache. A power of two, as the hashes need.
pub(crate) const CHUNK_BYTES: usize = 1 << 20;

pub(crate) type Hash = [u8; 32];

/// The hashes of the chunks of some bytes, in order. All chunks but the last have the same length,
/// which is a
/// power of two.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    hashes: Vec<Hash>,
    bytes: u64,
    /// The digest, if there is no second chunk.
    only: Option<Hash>,
}

impl Tree {
    /// The next chunk.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> &Hash {
        self.push_hashed(&hashed(self.bytes, chunk), chunk.len() as u64)
    }

    /// The next chunk, which a hasher for its place has taken in.
    pub(crate) fn push_hashed(&mut self, hasher: &Hasher, len: u64) -> &Hash {
        self.only = self.hashes.is_empty().then(|| *hasher.finalize().as_bytes());
        self.bytes += len;
        self.hashes.push(hasher.finalize_non_root());
        self.hashes.last().expect("one was pushed")
    }

    /// Bytes of all chunks.
    pub(crate) fn len(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// `blake3:` and the digest of all bytes.
    pub(crate) fn digest(&self) -> String {
        let digest = match (self.only, &self.hashes[..]) {
            (Some(only), _) => blake3::Hash::from(only),
            (None, []) => blake3::hash(&[]),
            (None, hashes) => {
                let (left, right) = hashes.split_at(left_of(hashes.len()));
                merge_subtrees_root(&merged(left), &merged(right), Mode::Hash)
            }
        };
        format!("blake3:{}", digest.to_hex())
    }
}

/// A hasher for a chunk that begins there.
pub(crate) fn hasher_at(offset: u64) -> Hasher {
    let mut hasher = Hasher::new();
    hasher.set_input_offset(offset);
    hasher
}

/// Chunks on the left side of a tree of so many: as in BLAKE3, the largest power of two that leaves some.
fn left_of(count: usize) -> usize {
    count.next_power_of_two() / 2
}

/// The hash of a part of a tree, of those of its chunks.
pub(crate) fn merged(hashes: &[Hash]) -> Hash {
    match hashes {
        [only] => *only,
        _ => {
            let (left, right) = hashes.split_at(left_of(hashes.len()));
            merge_subtrees_non_root(&merged(left), &merged(right), Mode::Hash)
        }
    }
}

/// The hash of a chunk that begins there.
fn hashed(offset: u64, chunk: &[u8]) -> Hasher {
    let mut hasher = hasher_at(offset);
    hasher.update(chunk);
    hasher
}

/// Cuts bytes into chunks of `size`, and has each kept when its hash is known. Another thread hashes
/// from the end
/// meanwhile, so that the two meet somewhere, and neither waits for the other to be given a processor.
pub(crate) fn cut<E>(
    bytes: &[u8],
    size: usize,
    mut keep: impl FnMut(&[u8], &Hash) -> Result<(), E>,
) -> Result<Tree, E> {
    let chunks: Vec<&[u8]> = bytes.chunks(size).collect();
    let taken: Vec<AtomicBool> = chunks.iter().map(|_| AtomicBool::new(false)).collect();
    let (send, ready) = mpsc::channel();
    thread::scope(|scope| {
        let (theirs, marks) = (&chunks, &taken);
        let from_end = move || {
            for number in (1..theirs.len()).rev() {
                if marks[number].swap(true, Ordering::Relaxed) {
                    return;
                }
                let hasher = hashed((number * size) as u64, theirs[number]);
                if send.send((number, hasher)).is_err() {
                    return;
                }
            }
        };
        if chunks.len() > 1 {
            // Where there is no thread to be had, it takes longer.
            let builder = thread::Builder::new().name("hash".to_owned());
            let _ = builder.spawn_scoped(scope, from_end);
        }
        let (mut tree, mut known) = (Tree::default(), BTreeMap::new());
        for (number, chunk) in chunks.iter().enumerate() {
            let len = chunk.len() as u64;
            let hash = if taken[number].swap(true, Ordering::Relaxed) {
                while !known.contains_key(&number) {
                    let (number, hasher) = ready.recv().expect("who takes a chunk hashes it");
                    known.insert(number, hasher);
                }
                tree.push_hashed(&known[&number], len)
            } else {
                tree.push_hashed(&hashed((number * size) as u64, chunk), len)
            };
            keep(chunk, hash)?;
        }
        Ok(tree)
    })
}

/// Hashes of pieces of chunks, each of [`CHUNK_BYTES`] but for the last of a chunk, while they are being
/// read: by another thread, and at the end by the reader too.
pub(crate) struct Pieces<'a> {
    queue: Mutex<Queue<'a>>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue<'a> {
    /// Where each begins, and its bytes.
    pieces: VecDeque<(u64, &'a [u8])>,
    ended: bool,
}

impl<'a> Pieces<'a> {
    pub(crate) fn new() -> Self {
        Self { queue: Mutex::default(), changed: Condvar::new() }
    }

    pub(crate) fn push(&self, offset: u64, piece: &'a [u8]) {
        self.lock().pieces.push_back((offset, piece));
        self.changed.notify_one();
    }

    /// There will be no more.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    /// Hashes until there are no more. Gives where each piece begins, and its hash.
    pub(crate) fn work(&self) -> Vec<(u64, Hash)> {
        let mut done = Vec::new();
        loop {
            let mut queue = self.lock();
            let (offset, piece) = loop {
                match queue.pieces.pop_front() {
                    Some(piece) => break piece,
                    None if queue.ended => return done,
                    None => {
                        queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner)
                    }
                }
            };
            drop(queue);
            done.push((offset, hashed(offset, piece).finalize_non_root()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue<'a>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A chunk that is there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunk {
    /// Its row.
    pub(crate) id: i64,
    pub(crate) hash: Hash,
    pub(crate) len: u64,
    /// Whether the database has its bytes; else a file.
    pub(crate) inline: bool,
}

/// The chunk of a hash. SQLite does not read a content for its type, while it would for `IS NULL`.
pub(crate) fn find(db: &Connection, hash: &Hash) -> rusqlite::Result<Option<Chunk>> {
    let query = "SELECT id, hash, len, typeof(content) <> 'null' FROM chunk WHERE hash = ?1";
    db.prepare_cached(query)?.query_row([hash], read).optional()
}

/// The chunks of a checkpoint, in order.
pub(crate) fn of(db: &Connection, checkpoint: &str) -> rusqlite::Result<Vec<Chunk>> {
    let query = "SELECT chunk.id, hash, len, typeof(content) <> 'null' FROM piece
        JOIN chunk ON chunk.id = piece.chunk WHERE checkpoint = ?1 ORDER BY number";
    crate::open::rows(db, query, [checkpoint], read)
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Chunk> {
    Ok(Chunk {
        id: row.get(0)?,
        hash: row.get(1)?,
        len: row.get::<_, i64>(2)?.cast_unsigned(),
        inline: row.get(3)?,
    })
}

impl Store {
    /// Keeps a chunk in the database. One that is there is not written again, but compared: what became
    /// of an older copy must not become of the new one. Gives its row, and whether it was written.
    pub(crate) fn keep_chunk(
        &self,
        db: &Connection,
        hash: &Hash,
        bytes: &[u8],
    ) -> Result<(i64, bool), Trouble> {
        if let Some(chunk) = find(db, hash)? {
            if !self.holds(db, &chunk, bytes) {
                let query = "UPDATE chunk SET content = ?2, len = ?3 WHERE id = ?1";
                let len = (bytes.len() as u64).cast_signed();
                db.prepare_cached(query)?.execute(params![chunk.id, bytes, len])?;
            }
            return Ok((chunk.id, false));
        }
        let query = "INSERT INTO chunk (hash, len, content) VALUES (?1, ?2, ?3)";
        let len = (bytes.len() as u64).cast_signed();
        db.prepare_cached(query)?.execute(params![hash, len, bytes])?;
        Ok((db.last_insert_rowid(), true))
    }

    /// Whether a chunk has exactly these bytes. What cannot be read is not the same.
    pub(crate) fn holds(&self, db: &Connection, chunk: &Chunk, bytes: &[u8]) -> bool {
        chunk.len == bytes.len() as u64
            && self.open_chunk(db, chunk).is_ok_and(|mut content| same(&mut *content, bytes))
    }

    /// The bytes of a chunk, to be read from their beginning.
    pub(crate) fn open_chunk<'a>(
        &self,
        db: &'a Connection,
        chunk: &Chunk,
    ) -> Result<Box<dyn Read + 'a>, Trouble> {
        if chunk.inline {
            return Ok(Box::new(db.blob_open("main", "chunk", "content", chunk.id, true)?));
        }
        let path = self.blob(&chunk.hash);
        Ok(self.options.files.open(&path).map_err(StoreError::io(&path))?)
    }
}

/// Whether a reader gives exactly these bytes.
pub(crate) fn same(from: &mut dyn Read, bytes: &[u8]) -> bool {
    let mut buffer = vec![0; CHUNK_BYTES.min(bytes.len())];
    for piece in bytes.chunks(CHUNK_BYTES) {
        let found = &mut buffer[..piece.len()];
        if from.read_exact(found).is_err() || *found != *piece {
            return false;
        }
    }
    matches!(from.read(&mut [0]), Ok(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_chunks_is_that_of_the_bytes() {
        let bytes: Vec<u8> =
            (0..100_003_u32).map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
        for size in [1024, 2048, 65_536, 1 << 17] {
            for len in [0, 1, 1023, 1024, 1025, 2048, 3 * 1024, 65_536, 65_537, 99_999, 100_003] {
                let (bytes, mut count) = (&bytes[..len], 0);
                let keep = |chunk: &[u8], _: &Hash| {
                    count += chunk.len();
                    Ok::<_, ()>(())
                };
                let tree = cut(bytes, size, keep).unwrap();
                let expected = format!("blake3:{}", blake3::hash(bytes).to_hex());
                assert_eq!(tree.digest(), expected, "{len} bytes in chunks of {size}");
                assert_eq!((count, tree.len()), (len, len as u64));
            }
        }
    }

    #[test]
    fn equal_bytes_at_other_places_are_other_chunks() {
        let tree = cut(&[5; 4096], 1024, |_, _| Ok::<_, ()>(())).unwrap();
        let hashes = tree.hashes();
        assert!(hashes.iter().enumerate().all(|(i, hash)| !hashes[..i].contains(hash)));
    }
}
