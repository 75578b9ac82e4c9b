//! The format of the database, and how older ones are brought to it.
//!
//! Version 1 kept the chunks of each checkpoint in a table of its own, `chunk(checkpoint, number, content)`,
//! in pages of 4096 bytes. Version 2 keeps equal chunks once, with a hash each, and knows roots, sums, pins,
//! metrics, imported checkpoints and what controllers learned. Version 3 counts the events of a run, and has
//! tenants, their tokens and mounts, the audit log, and which runs a server performs. A program refuses a
//! database of a later version. `tests/golden` has a database of each earlier one.

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use crate::checkpoints::{Header, root};
use crate::chunks::{Hash, Tree};
use crate::error::{StoreError, Trouble};
use crate::open::{PAGE_BYTES, Store, move_log, pragma, settle_journal};

/// `user_version` of the databases of this program.
pub(crate) const VERSION: i64 = 3;
/// `application_id` of our databases since version 2: `Mobu`.
const APPLICATION: i64 = 0x4d6f_6275;
/// A database up to here is rewritten at once when it is brought up to date; a longer one when it is
/// collected.
const REBUILD_BYTES_MAX: i64 = 1 << 30;

const TABLES: &str = "
CREATE TABLE run (
    id TEXT PRIMARY KEY,
    pipeline TEXT NOT NULL,
    spec TEXT NOT NULL,             -- the checked pipeline, as JSON
    seed INTEGER NOT NULL,
    status TEXT NOT NULL,
    started_ms INTEGER NOT NULL,
    wall_s REAL NOT NULL DEFAULT 0,
    error TEXT,
    sum INTEGER,                    -- of id and spec; NULL in what version 1 wrote
    events INTEGER NOT NULL DEFAULT 0   -- how many it has: whether all are there
) STRICT;
CREATE TABLE event (
    run TEXT NOT NULL REFERENCES run(id) ON DELETE CASCADE,
    number INTEGER NOT NULL,        -- from 1, without a gap
    body TEXT NOT NULL,
    sum INTEGER,                    -- of run, number and body; NULL in what version 1 wrote
    PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE plugin (
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    enabled INTEGER NOT NULL DEFAULT 1,
    pushed_ms INTEGER NOT NULL,
    PRIMARY KEY (name, version)
) STRICT;
";

const CHECKPOINT_TABLES: &str = "
CREATE TABLE checkpoint (
    id TEXT PRIMARY KEY,
    run TEXT REFERENCES run(id) ON DELETE CASCADE,  -- NULL for what was imported
    name TEXT,                      -- of what was imported
    number INTEGER NOT NULL,        -- in the run, in order of creation
    stage TEXT NOT NULL,
    stage_index INTEGER NOT NULL,
    actor TEXT,                     -- NULL for the output of a task
    position INTEGER NOT NULL,      -- calls of the actor that it contains
    bytes INTEGER NOT NULL,
    digest TEXT NOT NULL,           -- of all bytes
    root BLOB NOT NULL,             -- of everything above and below, but what may change, and the chunks
    metric REAL,
    better TEXT,                    -- higher or lower: which metric is the better one
    created_ms INTEGER NOT NULL,
    pinned INTEGER NOT NULL DEFAULT 0,
    damaged TEXT                    -- why it is not to be used
) STRICT;
CREATE INDEX checkpoint_of_run ON checkpoint (run, number);
CREATE TABLE chunk (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,      -- of the bytes and their place in the checkpoint
    len INTEGER NOT NULL,
    content BLOB                    -- NULL where it is in blobs/ab/<hash>
) STRICT;
CREATE TABLE piece (                -- which chunks make a checkpoint
    checkpoint TEXT NOT NULL REFERENCES checkpoint(id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    chunk INTEGER NOT NULL,         -- no REFERENCES: it costs much when a chunk goes
    PRIMARY KEY (checkpoint, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX piece_of_chunk ON piece (chunk);
CREATE TABLE learned (              -- by controllers, between runs
    pipeline TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,             -- JSON
    updated_ms INTEGER NOT NULL,
    sum INTEGER NOT NULL,           -- of pipeline, subject and body
    PRIMARY KEY (pipeline, subject)
) STRICT, WITHOUT ROWID;
";

const SERVER_TABLES: &str = "
CREATE INDEX run_by_start ON run (started_ms DESC, id DESC);
CREATE TABLE served (               -- runs that a server performs
    run TEXT PRIMARY KEY REFERENCES run(id) ON DELETE CASCADE,
    text TEXT NOT NULL,             -- the pipeline file
    sets TEXT NOT NULL,             -- what was set besides, as a JSON list
    chaos INTEGER NOT NULL,         -- failures may be made in it
    open INTEGER NOT NULL DEFAULT 1 -- to be taken up when the server starts
) STRICT;
CREATE TABLE tenant (
    name TEXT PRIMARY KEY,
    created_ms INTEGER NOT NULL,
    quota TEXT NOT NULL             -- JSON
) STRICT;
CREATE TABLE token (
    id TEXT PRIMARY KEY,            -- the part that may be shown
    tenant TEXT NOT NULL REFERENCES tenant(name) ON DELETE CASCADE,
    label TEXT NOT NULL,
    session INTEGER NOT NULL,       -- of a browser
    parent TEXT REFERENCES token(id) ON DELETE CASCADE,  -- the token that opened the session
    hash BLOB NOT NULL,             -- BLAKE3 of the whole token
    admin INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER,
    revoked_ms INTEGER,
    used_ms INTEGER
) STRICT;
CREATE INDEX token_of_tenant ON token (tenant, created_ms);
CREATE TABLE mount (                -- folders that pipelines of a tenant may name
    tenant TEXT NOT NULL REFERENCES tenant(name) ON DELETE CASCADE,
    name TEXT NOT NULL,
    folder TEXT NOT NULL,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE audit (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    author TEXT NOT NULL,
    act TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
";

/// Brings the database of a connection to this program's version. Either all of it is, or nothing.
pub(crate) fn migrate(store: &Store, mut db: Connection) -> Result<Connection, StoreError> {
    let change = |db: &mut Connection| {
        if pragma::<i64>(db, "user_version")? == VERSION {
            return Ok(false);
        }
        // Tables are dropped that others refer to; the setting has no effect within a transaction.
        db.pragma_update(None, "foreign_keys", false)?;
        let changes = Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
        // Another process may have been faster.
        let found: i64 = pragma(&changes, "user_version")?;
        match found {
            0 => found_new(store, &changes)?,
            1 => from_1(&changes).and_then(|()| from_2(&changes))?,
            2 => from_2(&changes)?,
            _ => {
                drop(changes);
                db.pragma_update(None, "foreign_keys", true)?;
                return Ok(false);
            }
        }
        changes.execute_batch(SERVER_TABLES)?;
        changes.pragma_update(None, "application_id", APPLICATION)?;
        changes.pragma_update(None, "user_version", VERSION)?;
        changes.commit()?;
        db.pragma_update(None, "foreign_keys", true)?;
        Ok(found == 1)
    };
    let turn = store.turn()?;
    let migrated = change(&mut db).map_err(|trouble: Trouble| trouble.of(&store.file))?;
    drop(turn);
    if !migrated {
        return Ok(db);
    }
    let fits = || -> rusqlite::Result<bool> {
        move_log(&db, "TRUNCATE")?;
        Ok(pragma::<i64>(&db, "page_count")? * pragma::<i64>(&db, "page_size")?
            <= REBUILD_BYTES_MAX)
    };
    let fits = fits().map_err(StoreError::sqlite(&store.file))?;
    if fits { rebuild(store, db) } else { Ok(db) }
}

/// Whether the database still has the pages of version 1, which make it slow.
pub(crate) fn is_old(db: &Connection) -> rusqlite::Result<bool> {
    Ok(pragma::<i64>(db, "page_size")? != PAGE_BYTES || pragma::<i64>(db, "auto_vacuum")? != 2)
}

/// Writes the database anew in pages of the right size, where nobody else has it open and the disk
/// has room for it twice; else it stays as it is, and good. SQLite does it with a journal, so that nothing
/// is lost whenever it ends.
pub(crate) fn rebuild(store: &Store, db: Connection) -> Result<Connection, StoreError> {
    let _turn = store.turn()?;
    let bytes = std::fs::metadata(&store.file).map_or(0, |about| about.len());
    let free = store.options.files.free_bytes(&store.home).unwrap_or(0);
    if free < 3 * bytes + (64 << 20) {
        return Ok(db);
    }
    let rewrite = || {
        db.busy_timeout(std::time::Duration::ZERO)?;
        // Only the one who has the database alone can end its log.
        let mode: String = pragma(&db, "journal_mode = DELETE")?;
        if mode == "delete" {
            db.pragma_update(None, "page_size", PAGE_BYTES)?;
            db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
            db.execute_batch("VACUUM")?;
        }
        Ok(())
    };
    let rewritten: rusqlite::Result<()> = rewrite();
    // Whatever came of it: a new connection finds the database whole, or says what is wrong with it.
    settle_journal(&db).map_err(StoreError::sqlite(&store.file))?;
    match rewritten {
        Err(e) if !in_the_way(&e) => Err(StoreError::sqlite(&store.file)(e)),
        _ => {
            drop(db);
            store.connect()
        }
    }
}

/// Others have it open, or there is no room: nothing that keeps the database from being used as it is.
fn in_the_way(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked, DiskFull};
    matches!(error.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked | DiskFull))
}

/// A database that nobody has put anything into.
fn found_new(store: &Store, db: &Connection) -> Result<(), Trouble> {
    let count: i64 = db.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if count > 0 {
        let detail = "it is the database of another program".to_owned();
        return Err(StoreError::Corrupt { file: store.file.clone(), detail }.into());
    }
    Ok(db.execute_batch(TABLES).and_then(|()| db.execute_batch(CHECKPOINT_TABLES))?)
}

/// Every checkpoint is read, checked against its digest, and written in chunks that are kept once.
fn from_1(db: &Connection) -> Result<(), Trouble> {
    db.execute_batch(
        "DROP INDEX checkpoint_of_run;
         ALTER TABLE checkpoint RENAME TO old_checkpoint;
         ALTER TABLE chunk RENAME TO old_chunk;
         ALTER TABLE run ADD COLUMN sum INTEGER;
         ALTER TABLE event ADD COLUMN sum INTEGER;",
    )?;
    db.execute_batch(CHECKPOINT_TABLES)?;
    let mut query = db.prepare(
        "SELECT id, run, number, stage, stage_index, actor, position, bytes, digest, created_ms,
            damaged FROM old_checkpoint ORDER BY run, number",
    )?;
    let mut found = query.query([])?;
    while let Some(row) = found.next()? {
        let (id, run, stage): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(3)?);
        let (actor, digest): (Option<String>, String) = (row.get(5)?, row.get(8)?);
        let (number, index, position): (i64, i64, i64) = (row.get(2)?, row.get(4)?, row.get(6)?);
        let (bytes, created_ms): (i64, i64) = (row.get(7)?, row.get(9)?);
        let damaged: Option<String> = row.get(10)?;
        let (chunks, tree) = move_chunks(db, &id)?;
        let whole = tree.len() == bytes.cast_unsigned() && tree.digest() == digest;
        let lost = || format!("{} bytes of {} instead of {digest}", tree.len(), tree.digest());
        let damaged = damaged.or_else(|| (!whole).then(lost));
        let header = Header {
            id: &id,
            run: Some(&run),
            name: None,
            number,
            stage: &stage,
            index,
            actor: actor.as_deref(),
            position,
            bytes,
            digest: &digest,
            metric: None,
            better: None,
            created_ms,
        };
        header.insert(db, &root(&header, tree.hashes()), false, damaged.as_deref())?;
        for (number, chunk) in (0_i64..).zip(chunks) {
            let query = "INSERT INTO piece (checkpoint, number, chunk) VALUES (?1, ?2, ?3)";
            db.prepare_cached(query)?.execute(params![id, number, chunk])?;
        }
    }
    drop(found);
    drop(query);
    Ok(db.execute_batch("DROP TABLE old_chunk; DROP TABLE old_checkpoint;")?)
}

/// The events of each run are counted.
fn from_2(db: &Connection) -> Result<(), Trouble> {
    Ok(db.execute_batch(
        "ALTER TABLE run ADD COLUMN events INTEGER NOT NULL DEFAULT 0;
         UPDATE run SET events =
            (SELECT COALESCE(MAX(number), 0) FROM event WHERE event.run = run.id);",
    )?)
}

/// The chunks of a checkpoint of version 1, in the new table: their names, and their hashes.
fn move_chunks(db: &Connection, id: &str) -> Result<(Vec<i64>, Tree), Trouble> {
    let mut query =
        db.prepare_cached("SELECT content FROM old_chunk WHERE checkpoint = ?1 ORDER BY number")?;
    let mut found = query.query([id])?;
    let (mut chunks, mut cut) = (Vec::new(), Recut::default());
    let mut keep = |content: &[u8], hash: &Hash| -> Result<(), Trouble> {
        let insert = "INSERT INTO chunk (hash, len, content) VALUES (?1, ?2, ?3)
            ON CONFLICT (hash) DO NOTHING";
        let len = (content.len() as u64).cast_signed();
        db.prepare_cached(insert)?.execute(params![hash, len, content])?;
        let query = "SELECT id FROM chunk WHERE hash = ?1";
        chunks.push(db.prepare_cached(query)?.query_row([hash], |row| row.get(0))?);
        Ok(())
    };
    while let Some(row) = found.next()? {
        cut.push(row.get_ref(0)?.as_blob().unwrap_or_default(), &mut keep)?;
    }
    let tree = cut.end(&mut keep)?;
    Ok((chunks, tree))
}

/// Cuts what comes in pieces of any length into chunks of the right one.
#[derive(Default)]
struct Recut {
    rest: Vec<u8>,
    tree: Tree,
}

type Keep<'a> = &'a mut dyn FnMut(&[u8], &Hash) -> Result<(), Trouble>;

impl Recut {
    fn push(&mut self, mut bytes: &[u8], keep: Keep<'_>) -> Result<(), Trouble> {
        while !bytes.is_empty() {
            let room = crate::chunks::CHUNK_BYTES - self.rest.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.rest.extend_from_slice(now);
            bytes = later;
            if self.rest.len() == crate::chunks::CHUNK_BYTES {
                self.flush(keep)?;
            }
        }
        Ok(())
    }

    fn end(mut self, keep: Keep<'_>) -> Result<Tree, Trouble> {
        if !self.rest.is_empty() {
            self.flush(keep)?;
        }
        Ok(self.tree)
    }

    fn flush(&mut self, keep: Keep<'_>) -> Result<(), Trouble> {
        let hash = *self.tree.push(&self.rest);
        keep(&self.rest, &hash)?;
        self.rest.clear();
        Ok(())
    }
}
