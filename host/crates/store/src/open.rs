//! The database as a whole: how it is opened and set, who may write to it, and what happens after an
//! error of
//! the disk. What is in it is the business of the other modules.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::error::{StoreError, Trouble};
use crate::files::{Disk, Files};
use crate::migrate;

/// How long one process waits for another's transaction: far longer than a checkpoint takes to write.
pub(crate) const BUSY: Duration = Duration::from_secs(30);
/// How often the lock is tried that SQLite itself does not wait for.
pub(crate) const BUSY_POLL: Duration = Duration::from_millis(2);
/// Bytes of a page: a checkpoint is written 2.5 times as fast as with 4096 (`cargo xtask bench
/// checkpoint`).
pub(crate) const PAGE_BYTES: i64 = 65_536;
/// SQLite before this one could lose a commit that it had acknowledged, when a second connection moved the
/// write-ahead log into the database at the wrong instant.
const SQLITE_MIN: i32 = 3_051_003;

/// How a store is opened; the default is what programs want.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// The name of a VFS that was registered with SQLite; the system's when absent.
    pub vfs: Option<String>,
    /// The files beside the database.
    pub files: Arc<dyn Files>,
    /// Checkpoints of up to this many bytes are kept in the database itself, longer ones in files.
    pub inline_bytes_max: u64,
    /// Bytes of a file of a longer checkpoint, at most: a power of two, at least 1 MiB.
    pub file_bytes_max: usize,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            vfs: None,
            files: Arc::new(Disk),
            inline_bytes_max: 64 << 20,
            file_bytes_max: 32 << 20,
        }
    }
}

/// The home folder and its database, open.
#[derive(Debug)]
pub struct Store {
    pub(crate) home: PathBuf,
    pub(crate) file: PathBuf,
    pub(crate) options: OpenOptions,
    /// Absent after an error of the disk, until the next use.
    db: RefCell<Option<Connection>>,
    /// A write went wrong: what the system says of the file may not be on the disk.
    doubt: Cell<bool>,
    /// Pages that the database may have, where a limit was set.
    pages_max: Cell<Option<i64>>,
    /// Files that nothing needed any more while another process was writing some.
    pub(crate) leftovers: RefCell<Vec<PathBuf>>,
}

impl Store {
    /// Opens the database of a home folder; makes both where they are missing, and brings an older
    /// database up to date.
    ///
    /// # Errors
    /// The folder cannot be written, or the file is damaged, no database, or too new. It is never
    /// changed then.
    pub fn open(home: &Path) -> Result<Self, StoreError> {
        Self::open_with(home, &OpenOptions::default())
    }

    /// As [`Store::open`], with another disk under it or other sizes.
    pub fn open_with(home: &Path, options: &OpenOptions) -> Result<Self, StoreError> {
        let version = rusqlite::version_number();
        assert!(version >= SQLITE_MIN, "SQLite {version} is bundled, and loses commits");
        let size = options.file_bytes_max;
        assert!(size.is_power_of_two() && size >= 1 << 20, "{size} bytes are no size of files");
        options.files.make_folder(home).map_err(StoreError::io(home))?;
        let store = Self {
            home: home.to_owned(),
            file: home.join("mobula.db"),
            options: options.clone(),
            db: RefCell::new(None),
            doubt: Cell::new(false),
            pages_max: Cell::new(None),
            leftovers: RefCell::default(),
        };
        let new = !store.file.exists();
        let db = store.connect()?;
        if new {
            // SQLite makes the names of its logs durable, not that of the database.
            options.files.sync_folder(home).map_err(StoreError::io(home))?;
        }
        let db = migrate::migrate(&store, db)?;
        store.db.replace(Some(db));
        Ok(store)
    }

    /// The home folder.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Reads the whole database and names the first thing that is wrong with it.
    pub fn check(&self) -> Result<(), StoreError> {
        match self.read(|db| Ok(faults(db, "integrity_check", 1)?))?.into_iter().next() {
            None => Ok(()),
            Some(detail) => Err(StoreError::Corrupt { file: self.file.clone(), detail }),
        }
    }

    /// Lets the database grow no further than this; whole pages are counted.
    pub fn limit_bytes(&self, bytes: u64) -> Result<(), StoreError> {
        self.read(|db| {
            let size: i64 = pragma(db, "page_size")?;
            let pages = bytes.cast_signed() / size;
            self.pages_max.set(Some(pages));
            Ok(limit_pages(db, pages)?)
        })
    }

    /// A connection as it has to be, to a database of whatever version.
    pub(crate) fn connect(&self) -> Result<Connection, StoreError> {
        let open = || {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
                | OpenFlags::SQLITE_OPEN_CREATE
                | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let db = match &self.options.vfs {
                None => Connection::open_with_flags(&self.file, flags),
                Some(vfs) => Connection::open_with_flags_and_vfs(&self.file, flags, vfs.as_str()),
            }?;
            db.busy_timeout(BUSY)?;
            let found: i64 = pragma(&db, "user_version")?;
            if found > migrate::VERSION {
                let (file, known) = (self.file.clone(), migrate::VERSION);
                return Err(StoreError::Newer { file, found, known }.into());
            }
            // These two say what a new database becomes, and have to come before the journal, whose
            // setting makes it. In one that is there they would be a change, outside of any turn.
            if pragma::<i64>(&db, "page_count")? == 0 {
                db.pragma_update(None, "page_size", PAGE_BYTES)?;
                db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
            }
            settle_journal(&db)?;
            // FULL: what was said to be durable is on the disk even if the power fails. The log is moved
            // into the database by `tend`, never within a save. The cache bounds what a save takes of
            // memory beside the snapshot.
            db.execute_batch(
                "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;
                 PRAGMA cell_size_check = ON; PRAGMA wal_autocheckpoint = 0;
                 PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -4096;",
            )?;
            db.set_prepared_statement_cache_capacity(64);
            if let Some(pages) = self.pages_max.get() {
                limit_pages(&db, pages)?;
            }
            Ok(db)
        };
        open().map_err(|trouble: Trouble| trouble.of(&self.file))
    }

    /// Reads. What is read is of one instant only within a transaction, see [`snapshot`].
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        let mut held = self.db.borrow_mut();
        let db = match held.take() {
            Some(db) => db,
            None => self.connect()?,
        };
        let result = read(&db);
        match &result {
            // Whatever the connection holds of the file is not to be used again.
            Err(trouble) if trouble.is_of_disk() => drop(db),
            _ => *held = Some(db),
        }
        result.map_err(|trouble| trouble.of(&self.file))
    }

    /// Changes the database, wholly or not at all. Processes take turns; when this gives `Ok`, the
    /// change is durable.
    pub(crate) fn write<T>(
        &self,
        write: impl FnOnce(&Connection) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        let _turn = self.turn()?;
        self.resolve_doubt()?;
        self.read(|db| {
            let change = || {
                let changes = Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
                let value = write(&changes)?;
                changes.commit()?;
                Ok(value)
            };
            let result: Result<T, Trouble> = change();
            if let Err(trouble) = &result {
                self.doubt.set(self.doubt.get() || trouble.is_of_disk());
            }
            result
        })
    }

    /// Puts another connection in the place of the present one.
    pub(crate) fn replace(
        &self,
        make: impl FnOnce(Connection) -> Result<Connection, StoreError>,
    ) -> Result<(), StoreError> {
        let db = match self.db.take() {
            Some(db) => db,
            None => self.connect()?,
        };
        self.db.replace(Some(make(db)?));
        Ok(())
    }

    /// Notes that the files of a save could not be written.
    pub(crate) fn distrust(&self) {
        self.db.replace(None);
        self.doubt.set(true);
    }

    /// After an error of the disk: the system may take pages for written that are not, in the log
    /// too, where they would cut off everything that follows. A new connection reads what there is, all
    /// of it is written once more, into the database, which is then checked.
    ///
    /// "Can Applications Recover from fsync Failures?", ATC 2020.
    fn resolve_doubt(&self) -> Result<(), StoreError> {
        if !self.doubt.get() {
            return Ok(());
        }
        self.db.replace(None);
        self.read(|db| {
            let (busy, _, _) = move_log(db, "TRUNCATE")?;
            if busy {
                let why = "the log could not be moved into the database after an error of the disk";
                return Err(rusqlite::Error::SqliteFailure(
                    rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
                    Some(why.to_owned()),
                )
                .into());
            }
            match faults(db, "quick_check", 1)?.into_iter().next() {
                None => Ok(()),
                Some(detail) => Err(StoreError::Corrupt { file: self.file.clone(), detail }.into()),
            }
        })?;
        self.doubt.set(false);
        Ok(())
    }

    /// Rows of a query, each read by `read`.
    pub(crate) fn rows<T>(
        &self,
        query: &str,
        params: impl rusqlite::Params,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.read(|db| Ok(rows(db, query, params, read)?))
    }
}

/// Rows of a query, each read by `read`.
pub(crate) fn rows<T>(
    db: &Connection,
    query: &str,
    params: impl rusqlite::Params,
    read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    db.prepare_cached(query)?.query_map(params, read)?.collect()
}

/// A transaction that only reads: all of it is of one instant.
pub(crate) fn snapshot(db: &Connection) -> rusqlite::Result<Transaction<'_>> {
    Transaction::new_unchecked(db, TransactionBehavior::Deferred)
}

pub(crate) fn pragma<T: rusqlite::types::FromSql>(
    db: &Connection,
    name: &str,
) -> rusqlite::Result<T> {
    db.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
}

/// What SQLite's own check finds wrong, at most `most` of it.
pub(crate) fn faults(db: &Connection, check: &str, most: u32) -> rusqlite::Result<Vec<String>> {
    let mut found = rows(db, &format!("PRAGMA {check}({most})"), [], |row| row.get(0))?;
    found.retain(|fault: &String| fault != "ok");
    Ok(found)
}

/// Moves the log into the database. Gives whether others were in the way, the frames of the log and
/// those of them that are moved.
pub(crate) fn move_log(db: &Connection, how: &str) -> rusqlite::Result<(bool, i64, i64)> {
    let query = format!("PRAGMA wal_checkpoint({how})");
    db.query_row(&query, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
}

fn limit_pages(db: &Connection, pages: i64) -> rusqlite::Result<()> {
    db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
}

/// Makes the journal a write-ahead log. SQLite does not wait for a lock here, whatever its timeout, so
/// that two processes which make a home folder at the same instant would disturb each other.
pub(crate) fn settle_journal(db: &Connection) -> rusqlite::Result<()> {
    let until = Instant::now() + BUSY;
    loop {
        match journal_of(db) {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => {
                return Err(rusqlite::Error::SqliteFailure(
                    rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR),
                    Some(format!("its journal cannot be made a write-ahead log, but is `{mode}`")),
                ));
            }
            Err(rusqlite::Error::SqliteFailure(error, _))
                if error.code == rusqlite::ErrorCode::DatabaseBusy && Instant::now() < until =>
            {
                std::thread::sleep(BUSY_POLL);
            }
            Err(e) => return Err(e),
        }
    }
}

/// Asks for a write-ahead log. SQLite answers, and only then does what it said: who does not ask on is not
/// told that it failed, and works with a journal whose last commit a power failure may undo.
fn journal_of(db: &Connection) -> rusqlite::Result<String> {
    let mut statement = db.prepare("PRAGMA journal_mode = WAL")?;
    let mut answer = statement.query([])?;
    while answer.next()?.is_some() {}
    pragma(db, "journal_mode")
}

pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
