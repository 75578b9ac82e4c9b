//! A store as the first release wrote it: frozen, whatever the store makes today.

use std::path::Path;

use mobula_contract::{CheckpointId, RunEvent, RunId};
use rusqlite::{Connection, params};

use crate::world::{Kept, Seen, Who, ended, metric, pipeline};

const SCHEMA: &str = "
PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA auto_vacuum = INCREMENTAL;
CREATE TABLE run (id TEXT PRIMARY KEY, pipeline TEXT NOT NULL, spec TEXT NOT NULL, seed INTEGER NOT NULL,
    status TEXT NOT NULL, started_ms INTEGER NOT NULL, wall_s REAL NOT NULL DEFAULT 0, error TEXT) STRICT;
CREATE TABLE event (run TEXT NOT NULL REFERENCES run(id) ON DELETE CASCADE, number INTEGER NOT NULL,
    body TEXT NOT NULL, PRIMARY KEY (run, number)) STRICT, WITHOUT ROWID;
CREATE TABLE checkpoint (id TEXT PRIMARY KEY, run TEXT NOT NULL REFERENCES run(id) ON DELETE CASCADE,
    number INTEGER NOT NULL, stage TEXT NOT NULL, stage_index INTEGER NOT NULL, actor TEXT,
    position INTEGER NOT NULL, bytes INTEGER NOT NULL, digest TEXT NOT NULL, created_ms INTEGER NOT NULL,
    damaged TEXT) STRICT;
CREATE INDEX checkpoint_of_run ON checkpoint (run, number);
CREATE TABLE chunk (checkpoint TEXT NOT NULL REFERENCES checkpoint(id) ON DELETE CASCADE,
    number INTEGER NOT NULL, content BLOB NOT NULL, PRIMARY KEY (checkpoint, number)) STRICT;
CREATE TABLE plugin (name TEXT NOT NULL, version TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL,
    enabled INTEGER NOT NULL DEFAULT 1, pushed_ms INTEGER NOT NULL, PRIMARY KEY (name, version)) STRICT;
PRAGMA user_version = 1;
";

/// Makes one, with two runs, and says what is in it.
pub(crate) fn make(home: &Path) -> Seen {
    let db = Connection::open(home.join("mobula.db")).expect("a database");
    // Two steps: the page layout is settled before the journal is.
    db.execute_batch("PRAGMA auto_vacuum = INCREMENTAL").expect("a setting");
    db.execute_batch(SCHEMA).expect("the schema of version 1");
    let mut seen = Seen::default();
    let saves = [
        (Who::Trainer, 10_000, 1),
        (Who::Trainer, 30_000, 2),
        (Who::Stats, 700, 3),
        (Who::Output(0), 20_000, 4),
        (Who::Stats, 10_000, 1),
    ];
    let mut number = 0;
    for which in 0..2 {
        let run = RunId::new(1_000 + which, 1);
        let events: Vec<RunEvent> = (0..5).map(metric).chain((which == 0).then(ended)).collect();
        enter(&db, &run, if which == 0 { "succeeded" } else { "running" }, &events);
        for (who, len, seed) in saves {
            number += 1;
            let kept = Kept { run: run.clone(), who, number, len, seed };
            let id = CheckpointId::new(&run, number).as_str().to_owned();
            save(&db, &id, &kept);
            seen.checkpoints.insert(id, kept);
        }
        seen.runs.insert(run, events);
    }
    seen
}

fn enter(db: &Connection, run: &RunId, status: &str, events: &[RunEvent]) {
    let spec = serde_json::to_string(&pipeline()).expect("a pipeline becomes JSON");
    let insert = "INSERT INTO run (id, pipeline, spec, seed, status, started_ms)
        VALUES (?1, 'p', ?2, 7, ?3, 1000)";
    db.execute(insert, params![run.as_str(), spec, status]).expect("a run");
    for (number, event) in (1_i64..).zip(events) {
        let body = serde_json::to_string(event).expect("an event becomes JSON");
        let insert = "INSERT INTO event (run, number, body) VALUES (?1, ?2, ?3)";
        db.execute(insert, params![run.as_str(), number, body]).expect("an event");
    }
}

fn save(db: &Connection, id: &str, kept: &Kept) {
    let bytes = kept.bytes();
    let digest = format!("blake3:{}", blake3::hash(&bytes).to_hex());
    let (stage, actor) = match kept.who {
        Who::Trainer => ("train", Some("trainer")),
        Who::Stats => ("measure", Some("stats")),
        Who::Output(_) => ("load", None),
    };
    let number = kept.number.cast_signed();
    let len = (bytes.len() as u64).cast_signed();
    let insert = "INSERT INTO checkpoint (id, run, number, stage, stage_index, actor, position, bytes, digest,
        created_ms) VALUES (?1, ?2, ?3, ?4, 0, ?5, ?3, ?6, ?7, ?8)";
    // The clock was set back between any two: what is newest goes by the number.
    let created_ms = 1_700_000_000_000 - number * 31_536_000_000;
    let values = params![id, kept.run.as_str(), number, stage, actor, len, digest, created_ms];
    db.execute(insert, values).expect("a checkpoint");
    for (number, piece) in (0_i64..).zip(bytes.chunks(1 << 20)) {
        let insert = "INSERT INTO chunk (checkpoint, number, content) VALUES (?1, ?2, ?3)";
        db.execute(insert, params![id, number, piece]).expect("a chunk");
    }
}
