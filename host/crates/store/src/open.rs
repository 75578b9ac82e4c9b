//! Opens the database: where it is, how it is set, what is in it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rusqlite::Connection;

use crate::error::StoreError;

/// Changes of the format, in order; `user_version` counts those that were made.
const MIGRATIONS: [&str; 1] = ["
CREATE TABLE run (
    id TEXT PRIMARY KEY,
    pipeline TEXT NOT NULL,
    spec TEXT NOT NULL,             -- the checked pipeline, as JSON
    seed INTEGER NOT NULL,
    status TEXT NOT NULL,
    started_ms INTEGER NOT NULL,
    wall_s REAL NOT NULL DEFAULT 0,
    error TEXT
) STRICT;
CREATE TABLE event (
    run TEXT NOT NULL REFERENCES run(id) ON DELETE CASCADE,
    number INTEGER NOT NULL,        -- from 1, without a gap
    body TEXT NOT NULL,
    PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE checkpoint (
    id TEXT PRIMARY KEY,
    run TEXT NOT NULL REFERENCES run(id) ON DELETE CASCADE,
    number INTEGER NOT NULL,        -- in the run, in order of creation
    stage TEXT NOT NULL,
    stage_index INTEGER NOT NULL,
    actor TEXT,                     -- NULL for the output of a task
    position INTEGER NOT NULL,      -- calls of the actor that it contains
    bytes INTEGER NOT NULL,
    digest TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    damaged TEXT                    -- why it is not to be used
) STRICT;
CREATE INDEX checkpoint_of_run ON checkpoint (run, number);
CREATE TABLE chunk (
    checkpoint TEXT NOT NULL REFERENCES checkpoint(id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (checkpoint, number)
) STRICT;
CREATE TABLE plugin (
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    enabled INTEGER NOT NULL DEFAULT 1,
    pushed_ms INTEGER NOT NULL,
    PRIMARY KEY (name, version)
) STRICT;
"];
/// How long one process waits for another's transaction: far longer than a checkpoint takes to write.
const BUSY: Duration = Duration::from_secs(30);
/// How often the lock is tried that SQLite itself does not wait for.
const BUSY_POLL: Duration = Duration::from_millis(2);

/// The home folder and its database, open.
#[derive(Debug)]
pub struct Store {
    pub(crate) home: PathBuf,
    pub(crate) file: PathBuf,
    pub(crate) db: Connection,
}

impl Store {
    /// Opens the database of a home folder; makes both where they are missing.
    ///
    /// # Errors
    /// The folder cannot be written, or the file is damaged, no database, or too new. It is never
    /// changed then.
    pub fn open(home: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(home).map_err(StoreError::io(home))?;
        let file = home.join("mobula.db");
        let fail = StoreError::sqlite(&file);
        let mut db = Connection::open(&file).map_err(&fail)?;
        db.busy_timeout(BUSY).map_err(&fail)?;
        settle_journal(&db).map_err(&fail)?;
        // FULL: what was said to be durable is on the disk even if the power fails.
        db.execute_batch(
            "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA auto_vacuum = INCREMENTAL;",
        )
        .map_err(&fail)?;
        migrate(&mut db, &file)?;
        Ok(Self { home: home.to_owned(), file, db })
    }

    /// The home folder.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Reads the whole database and names the first thing that is wrong with it.
    pub fn check(&self) -> Result<(), StoreError> {
        let query = "PRAGMA integrity_check(1)";
        let found: String =
            self.db.query_row(query, [], |row| row.get(0)).map_err(self.failed())?;
        if found == "ok" {
            return Ok(());
        }
        Err(StoreError::Corrupt { file: self.file.clone(), detail: found })
    }

    /// Lets the database grow no further than this; whole pages are counted.
    pub fn limit_bytes(&self, bytes: u64) -> Result<(), StoreError> {
        let fail = self.failed();
        let size: u64 =
            self.db.query_row("PRAGMA page_size", [], |row| row.get(0)).map_err(&fail)?;
        let pages = bytes / size;
        let set = |_: &rusqlite::Row<'_>| Ok(());
        self.db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], set).map_err(fail)
    }

    pub(crate) fn failed(&self) -> impl Fn(rusqlite::Error) -> StoreError + use<> {
        StoreError::sqlite(&self.file)
    }

    /// Rows of a query, each read by `read`.
    pub(crate) fn rows<T>(
        &self,
        query: &str,
        params: impl rusqlite::Params,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let fail = self.failed();
        let mut statement = self.db.prepare_cached(query).map_err(&fail)?;
        let rows = statement.query_map(params, read).map_err(&fail)?;
        rows.collect::<rusqlite::Result<_>>().map_err(fail)
    }
}

/// Makes the journal a write-ahead log. SQLite does not wait for a lock here, whatever its timeout, so
/// that two processes which make a home folder at the same instant would disturb each other.
fn settle_journal(db: &Connection) -> rusqlite::Result<()> {
    let until = Instant::now() + BUSY;
    loop {
        match db.execute_batch("PRAGMA journal_mode = WAL") {
            Err(rusqlite::Error::SqliteFailure(error, _))
                if error.code == rusqlite::ErrorCode::DatabaseBusy && Instant::now() < until =>
            {
                std::thread::sleep(BUSY_POLL);
            }
            other => return other,
        }
    }
}

fn migrate(db: &mut Connection, file: &Path) -> Result<(), StoreError> {
    let fail = StoreError::sqlite(file);
    let known = i64::try_from(MIGRATIONS.len()).expect("a short list");
    let version = |db: &Connection| db.query_row("PRAGMA user_version", [], |row| row.get(0));
    let found: i64 = version(db).map_err(&fail)?;
    if found > known {
        return Err(StoreError::Newer { file: file.to_owned(), found, known });
    }
    if found == known {
        return Ok(());
    }
    let mut change = || {
        let changes = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        // Another process may have been faster.
        let found: i64 = version(&changes)?;
        for migration in &MIGRATIONS[usize::try_from(found).unwrap_or(0)..] {
            changes.execute_batch(migration)?;
        }
        changes.pragma_update(None, "user_version", known)?;
        changes.commit()
    };
    change().map_err(fail)
}

pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
