//! Who may do what while others do something else: file locks, which the system takes back when their
//! process dies.
//!
//! - `locks/<run>`: one process works on a run.
//! - `locks/writing`: one process changes the database; the others queue here, since SQLite itself
//!   would have
//!   them ask again and again, and give up after a while. Who empties the log or shrinks the
//!   database takes it too.
//! - `locks/blobs`: shared by those who write files of checkpoints, from the first file to the commit,
//!   and by
//!   those who read some; exclusive for those who remove files that no row names.
//!
//! Whoever needs both takes `blobs` before `writing`.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use mobula_contract::RunId;

use crate::error::StoreError;
use crate::open::{BUSY, BUSY_POLL, Store};

/// Held while a process works on a run.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

/// Held while something must not be done by another.
#[derive(Debug)]
pub(crate) struct Held {
    _file: File,
}

impl Store {
    /// Takes the run for this process.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while another process has it.
    pub fn lock_run(&self, run: &RunId) -> Result<RunLock, StoreError> {
        let (path, file) = self.lock_file(run.as_str())?;
        match file.try_lock() {
            Ok(()) => Ok(RunLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Busy(run.to_string())),
            Err(TryLockError::Error(e)) => Err(StoreError::io(&path)(e)),
        }
    }

    /// Whether a process works on the run.
    pub(crate) fn is_locked(&self, run: &str) -> bool {
        let file = File::open(self.home.join("locks").join(run));
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// The turn to change the database.
    pub(crate) fn turn(&self) -> Result<Held, StoreError> {
        self.wait_for("writing", File::lock)
    }

    /// Files of checkpoints are written or read: none is removed meanwhile.
    pub(crate) fn use_blobs(&self) -> Result<Held, StoreError> {
        self.wait_for("blobs", File::lock_shared)
    }

    /// Files of checkpoints may be removed: nobody writes or reads any. `None` while someone does.
    pub(crate) fn own_blobs(&self) -> Result<Option<Held>, StoreError> {
        let (path, file) = self.lock_file("blobs")?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Held { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(StoreError::io(&path)(e)),
        }
    }

    /// As [`Store::own_blobs`], after waiting for a while.
    pub(crate) fn wait_to_own_blobs(&self) -> Result<Option<Held>, StoreError> {
        let until = Instant::now() + BUSY;
        loop {
            let held = self.own_blobs()?;
            if held.is_some() || Instant::now() > until {
                return Ok(held);
            }
            std::thread::sleep(BUSY_POLL);
        }
    }

    fn wait_for(
        &self,
        name: &str,
        lock: impl Fn(&File) -> io::Result<()>,
    ) -> Result<Held, StoreError> {
        let (path, file) = self.lock_file(name)?;
        loop {
            match lock(&file) {
                Ok(()) => return Ok(Held { _file: file }),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(StoreError::io(&path)(e)),
            }
        }
    }

    fn lock_file(&self, name: &str) -> Result<(PathBuf, File), StoreError> {
        let folder = self.home.join("locks");
        let path = folder.join(name);
        let open = |path: &Path| File::options().create(true).append(true).open(path);
        let file = open(&path).or_else(|e| match e.kind() {
            io::ErrorKind::NotFound => {
                fs::create_dir_all(&folder)?;
                open(&path)
            }
            _ => Err(e),
        });
        Ok((path.clone(), file.map_err(StoreError::io(&path))?))
    }
}
