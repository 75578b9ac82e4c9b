//! One process per run: a file lock, which the system takes back when its process dies.

use std::fs::{File, TryLockError};

use mobula_contract::RunId;

use crate::error::StoreError;
use crate::open::Store;

/// Held while a process works on a run.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

impl Store {
    /// Takes the run for this process.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while another process has it.
    pub fn lock_run(&self, run: &RunId) -> Result<RunLock, StoreError> {
        let folder = self.home.join("locks");
        std::fs::create_dir_all(&folder).map_err(StoreError::io(&folder))?;
        let path = folder.join(run.as_str());
        let file = File::create(&path).map_err(StoreError::io(&path))?;
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
}
