//! The write-ahead log: moved into the database when nobody waits for it, and never longer than its bound.
//!
//! A save writes to the log alone. Once the log is moved, the next save begins it anew, in blocks of
//! the disk
//! that are there already, which is twice as fast as a longer file.

use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender, TrySendError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;

use crate::error::StoreError;
use crate::open::{OpenOptions, Store, move_log, pragma};

/// Bytes of the log, at most; but for the one transaction that brings an older database up to date.
pub const LOG_BYTES_MAX: u64 = 128 << 20;
/// Beside the bytes of a checkpoint: rows, inner pages, and events of others.
const LOG_BYTES_SPARE: u64 = 8 << 20;
/// From here on the log is moved in a pause. A shorter one is not worth it: the save that begins the
/// log anew
/// has to make its beginning durable first.
const LOG_BYTES_WORTH: u64 = 16 << 20;
/// From here on the log is moved although saves follow each other without a pause.
const LOG_BYTES_MUCH: u64 = 48 << 20;
/// A pause this long is one.
const PAUSE: Duration = Duration::from_millis(50);

impl Store {
    /// Moves the log into the database, and removes files that saves of this store left. Keeps nobody from
    /// reading or writing meanwhile; the thread of a [`Keeper`] moves the log.
    pub fn tend(&self) -> Result<(), StoreError> {
        self.remove_leftovers()?;
        self.read(|db| Ok(move_log(db, "PASSIVE")?)).map(drop)
    }

    /// Bytes of the log that the next transaction will be added to; 0 when it begins anew.
    pub fn log_bytes(&self) -> Result<u64, StoreError> {
        self.read(|db| Ok(log_bytes(db)?))
    }

    /// Before a save: has the log emptied, if it would become too long.
    pub(crate) fn make_room(&self, bytes: u64) -> Result<(), StoreError> {
        if self.log_bytes()? + bytes + bytes / 32 + LOG_BYTES_SPARE <= LOG_BYTES_MAX {
            return Ok(());
        }
        let _turn = self.turn()?;
        // It waits for those who read just now, for as long as one waits for anybody.
        self.read(|db| Ok(move_log(db, "RESTART")?)).map(drop)
    }
}

fn log_bytes(db: &Connection) -> rusqlite::Result<u64> {
    let (_, frames, moved) = move_log(db, "NOOP")?;
    if frames <= moved {
        return Ok(0);
    }
    let page: i64 = pragma(db, "page_size")?;
    Ok((frames * (page + 24)).cast_unsigned())
}

/// A thread that tends a store whenever there is a pause in its use, with a connection of its own.
#[derive(Debug)]
pub struct Keeper {
    nudge: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts the thread.
    ///
    /// # Errors
    /// The store cannot be opened.
    pub fn start(home: &Path, options: &OpenOptions) -> Result<Self, StoreError> {
        let store = Store::open_with(home, options)?;
        let (nudge, nudges) = mpsc::sync_channel(1);
        let keep = move || {
            while nudges.recv().is_ok() {
                let ended = loop {
                    // An error here is met again by who saves, and told there.
                    let much = store.log_bytes().is_ok_and(|bytes| bytes > LOG_BYTES_MUCH);
                    if much {
                        break false;
                    }
                    match nudges.recv_timeout(PAUSE) {
                        Ok(()) => {}
                        Err(RecvTimeoutError::Timeout) => break false,
                        Err(RecvTimeoutError::Disconnected) => break true,
                    }
                };
                let worth = store.log_bytes().is_ok_and(|bytes| bytes > LOG_BYTES_WORTH);
                if worth || ended {
                    let _ = store.tend();
                }
                if ended {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("keeper".to_owned()).spawn(keep);
        let thread = thread.map_err(StoreError::io(home))?;
        Ok(Self { nudge: Some(nudge), thread: Some(thread) })
    }

    /// Something was written. Never waits.
    pub fn nudge(&self) {
        if let Some(nudge) = &self.nudge {
            match nudge.try_send(()) {
                Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
            }
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.nudge.take();
        if let Some(thread) = self.thread.take() {
            // It has nothing to tell.
            let _ = thread.join();
        }
    }
}
