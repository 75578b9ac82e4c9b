//! Files of long checkpoints: `blobs/ab/<hash>`, one a chunk, written before the row that names it and removed
//! after it. What no row names is an orphan: of a save that never ended, or of a removal that could
//! not be done yet.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;

use crate::chunks::{self, Hash, Tree, cut};
use crate::error::StoreError;
use crate::files::{Entry, write_whole};
use crate::lock::Held;
use crate::open::{Store, now_ms};

/// Tells parts of one process and millisecond apart.
static PARTS: AtomicU64 = AtomicU64::new(0);

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
        let (mut changed, mut written) = (BTreeSet::new(), 0);
        let tree = cut(bytes, self.options.file_bytes_max, |chunk, hash| {
            let path = self.blob(hash);
            if files.open(&path).is_ok_and(|mut file| chunks::same(&mut *file, chunk)) {
                return Ok(());
            }
            let folder = path.parent().expect("it is in a folder").to_owned();
            files.make_folder(&folder).map_err(StoreError::io(&folder))?;
            let number = PARTS.fetch_add(1, Ordering::Relaxed);
            let part = format!("{}-{:x}-{number}.part", std::process::id(), now_ms());
            let part = path.with_extension(part);
            // Before it is written, so that a later try to remove it knows of it.
            self.leftovers.borrow_mut().push(path.clone());
            write_whole(files, &part, &path, chunk).map_err(StoreError::io(&path))?;
            changed.insert(folder);
            written += chunk.len() as u64;
            Ok(())
        })?;
        if !changed.is_empty() {
            // Those above may be new as well.
            for folder in changed.iter().chain([&top, &self.home]) {
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
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
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
