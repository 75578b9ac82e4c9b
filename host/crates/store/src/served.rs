//! Which runs a server performs: what it was told of each, and which are to be taken up when it starts.

use mobula_contract::RunId;
use rusqlite::{OptionalExtension as _, params};

use crate::error::StoreError;
use crate::open::Store;

/// A run that was started through a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The pipeline file.
    pub text: String,
    /// What was set besides, each `PATH=VALUE`.
    pub sets: Vec<String>,
    /// Whether failures may be made in it.
    pub chaos: bool,
}

impl Store {
    /// Notes that a server performs the run, which is entered already.
    pub fn serve_run(&self, run: &RunId, served: &Served) -> Result<(), StoreError> {
        let sets = serde_json::to_string(&served.sets).expect("texts become JSON");
        let query = "INSERT INTO served (run, text, sets, chaos) VALUES (?1, ?2, ?3, ?4)";
        let values = params![run.as_str(), served.text, sets, served.chaos];
        self.write(|db| Ok(db.execute(query, values).map(drop)?))
    }

    /// Whether the run is to be taken up when the server starts.
    pub fn leave_open(&self, run: &RunId, open: bool) -> Result<(), StoreError> {
        let query = "UPDATE served SET open = ?2 WHERE run = ?1";
        self.write(|db| Ok(db.execute(query, params![run.as_str(), open]).map(drop)?))
    }

    /// What a server was told of a run, if it performed it.
    pub fn served(&self, run: &RunId) -> Result<Option<Served>, StoreError> {
        let query = "SELECT text, sets, chaos FROM served WHERE run = ?1";
        let read = |row: &rusqlite::Row<'_>| {
            let sets: String = row.get(1)?;
            let sets = serde_json::from_str(&sets).unwrap_or_default();
            Ok(Served { text: row.get(0)?, sets, chaos: row.get(2)? })
        };
        self.read(|db| Ok(db.query_row(query, [run.as_str()], read).optional()?))
    }

    /// Runs that a server was performing when it ended, oldest first.
    pub fn open_runs(&self) -> Result<Vec<RunId>, StoreError> {
        let query = "SELECT run FROM served WHERE open = 1 ORDER BY run";
        let rows = self.rows(query, [], |row| row.get::<_, String>(0))?;
        Ok(rows.iter().filter_map(|id| RunId::parse(id)).collect())
    }
}
