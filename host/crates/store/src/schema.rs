//! The tables, and how older ones become these. Whether the file is sound is not asked here.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::error::StoreError;

/// Changes of the format, in order; `user_version` counts those that were made.
const MIGRATIONS: [&str; 2] = [
    "
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
",
    "
ALTER TABLE run ADD COLUMN ended_ms INTEGER;    -- NULL while it runs, and in runs of format 1
ALTER TABLE chunk ADD COLUMN digest TEXT;       -- of this content; NULL in chunks of format 1
ALTER TABLE plugin ADD COLUMN manifest TEXT;    -- as JSON, where the push came with it
",
];

/// Brings the database to the newest format; one of a later program is refused and left alone.
pub(crate) fn migrate(db: &mut Connection, file: &Path) -> Result<(), StoreError> {
    let fail = StoreError::sqlite(file);
    let known = i64::try_from(MIGRATIONS.len()).expect("a short list");
    if version(db).map_err(&fail)? == known {
        return Ok(());
    }
    let changes = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&fail)?;
    // Only now is it certain that no other process is changing the format as well.
    let found = version(&changes).map_err(&fail)?;
    let missing = usize::try_from(found).ok().and_then(|found| MIGRATIONS.get(found..));
    let Some(missing) = missing else {
        return Err(StoreError::Newer { file: file.to_owned(), found, known });
    };
    for migration in missing {
        changes.execute_batch(migration).map_err(&fail)?;
    }
    changes.pragma_update(None, "user_version", known).map_err(&fail)?;
    changes.commit().map_err(fail)
}

fn version(db: &Connection) -> rusqlite::Result<i64> {
    db.query_row("PRAGMA user_version", [], |row| row.get(0))
}
