//! Files of long checkpoints: `blobs/ab/<hash>`, one a chunk, written before the row that names it and
//! removed
//! after it. What no row names is an orphan: of a save that never ended, or of a removal that could
//! not be done yet.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;

use crate::chunks::{self, Hash, Tree, cut};
use crate::error::StoreError;
use crate::files::{Entry, Files, NewFile, WRITE_BYTES_MAX};
use crate::lock::Held;
use crate::open::{Store, now_ms};

/// Files that are open at one time, at most: processes have 1024 by default.
const PARTS_MAX: usize = 64;
/// Tells parts of one process and millisecond apart.
static PARTS: AtomicU64 = AtomicU64::new(0);

/// Files under names of their own, until they are durable. All are written before the first is synced, so
/// that the disk has enough to do. What is left when one fails is taken away again.
struct Parts<'a> {
    files: &'a dyn Files,
    /// Each with the name it has, and the one it gets.
    written: Vec<(Box<dyn NewFile>, PathBuf, PathBuf)>,
    changed: BTreeSet<PathBuf>,
}

impl Parts<'_> {
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let folder = path.parent().expect("it is in a folder").to_owned();
        self.files.make_folder(&folder)?;
        self.changed.insert(folder);
        let number = PARTS.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{:x}-{number}.part", std::process::id(), now_ms());
        let part = path.with_extension(name);
        let file = self.files.create(&part)?;
        self.written.push((file, part, path.to_owned()));
        let (file, ..) = self.written.last_mut().expect("one was pushed");
        bytes.chunks(WRITE_BYTES_MAX).try_for_each(|piece| file.write(piece))
    }

    /// Makes what was written durable, and gives each its name.
    fn settle(&mut self) -> Result<(), StoreError> {
        for (file, part, _) in &mut self.written {
            file.sync().map_err(StoreError::io(part))?;
        }
        while let Some((_, part, path)) = self.written.last() {
            self.files.rename(part, path).map_err(StoreError::io(path))?;
            self.written.pop();
        }
        Ok(())
    }
}

impl Drop for Parts<'_> {
    fn drop(&mut self) {
        for (_, part, _) in &self.written {
            // The first error is the one to be told; a rest is found by the next collection.
            let _ = self.files.remove(part);
        }
    }
}

impl Store {
    /// Where the bytes of a chunk are, if a file has them.
    pub(crate) fn blob(&self, hash: &Hash) -> PathBuf {
        let name = blake3::Hash::from(*hash).to_hex();
        self.home.join("blobs").join(&name[..2]).join(name.as_str())
    }

    /// Writes the chunks of a long checkpoint, durably; those that are there are compared. The lock of
    /// those who write is held.
    pub(crate) fn write_blobs(&self, _use: &Held, bytes: &[u8]) -> Result<(Tree, u64), StoreError> {
        let (files, top) = (&*self.options.files, self.home.join("blobs"));
        let mut parts = Parts { files, written: Vec::new(), changed: BTreeSet::new() };
        let mut written = 0;
        let tree = cut(bytes, self.options.file_bytes_max, |chunk, hash| {
            let path = self.blob(hash);
            if files.open(&path).is_ok_and(|mut file| chunks::same(&mut *file, chunk)) {
                return Ok(());
            }
            // Before it is written, so that a later try to remove it knows of it.
            self.leftovers.borrow_mut().push(path.clone());
            parts.write(&path, chunk).map_err(StoreError::io(&path))?;
            written += chunk.len() as u64;
            match parts.written.len() {
                PARTS_MAX => parts.settle(),
                _ => Ok(()),
            }
        })?;
        parts.settle()?;
        if !parts.changed.is_empty() {
            // Those above may be new as well.
            for folder in parts.changed.iter().chain([&top, &self.home]) {
                files.sync_folder(folder).map_err(StoreError::io(folder))?;
            }
        }
        Ok((tree, written))
    }

    /// Removes files that no row names any more, unless somebody writes or reads files just now: then
    /// the next save or collection does it.
    pub(crate) fn remove_leftovers(&self) -> Result<(), StoreError> {
        if self.leftovers.borrow().is_empty() {
            return Ok(());
        }
        if let Some(own) = self.own_blobs()? {
            let paths = self.leftovers.take();
            self.remove_unnamed(&own, paths)?;
        }
        Ok(())
    }

    /// Removes those of some files that no row names; says which, and their bytes. Nobody writes or
    /// reads files meanwhile.
    pub(crate) fn remove_unnamed(
        &self,
        _own: &Held,
        paths: impl IntoIterator<Item = PathBuf>,
    ) -> Result<u64, StoreError> {
        let files = &*self.options.files;
        let mut count = 0;
        for path in paths {
            let named = self.read(|db| Ok(is_named(db, &path)?))?;
            if named {
                continue;
            }
            match files.remove(&path) {
                Ok(()) => count += 1,
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(StoreError::io(&path)(e)),
            }
        }
        Ok(count)
    }

    /// Every file of chunks, and what is left of those that were being written.
    pub(crate) fn blob_files(&self) -> Result<Vec<Entry>, StoreError> {
        let (files, top) = (&*self.options.files, self.home.join("blobs"));
        let mut found = Vec::new();
        for entry in files.list(&top).map_err(StoreError::io(&top))? {
            if entry.folder {
                found.extend(files.list(&entry.path).map_err(StoreError::io(&entry.path))?);
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }
}

/// Whether a row says that its bytes are in this file.
pub(crate) fn is_named(db: &Connection, path: &Path) -> rusqlite::Result<bool> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Ok(hash) = blake3::Hash::from_hex(name) else { return Ok(false) };
    let chunk = chunks::find(db, hash.as_bytes())?;
    Ok(chunk.is_some_and(|chunk| !chunk.inline))
}
