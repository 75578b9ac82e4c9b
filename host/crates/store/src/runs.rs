//! Runs: what was asked for, and how it stands.

use mobula_contract::{Pipeline, RunId, RunStatus};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;

use crate::error::StoreError;
use crate::events::sum;
use crate::open::{Store, now_ms};

const COLUMNS: &str = "SELECT id, pipeline, seed, status, started_ms, wall_s, error FROM run";
const HINT: &str = "`mobula runs list` shows those there are";

/// Which runs are asked for.
#[derive(Debug, Clone, Default)]
pub struct RunsAsked {
    /// Only those that stand so.
    pub status: Option<RunStatus>,
    /// Only those of this pipeline.
    pub pipeline: Option<String>,
    /// Only those whose name, pipeline or error has this text in it, whatever the case.
    pub text: Option<String>,
    /// Only those that come after this one in the list: its start and its name.
    pub after: Option<(u64, String)>,
    /// At most so many.
    pub limit: usize,
}

/// A run to be entered.
#[derive(Debug)]
pub struct NewRun<'a> {
    /// Its name.
    pub id: &'a RunId,
    /// The checked pipeline.
    pub pipeline: &'a Pipeline,
}

/// A run, without its events.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunRow {
    /// Its name.
    pub run: RunId,
    /// The pipeline's name.
    pub pipeline: String,
    /// How it stands; `interrupted` also when its process died.
    pub status: RunStatus,
    /// The seed.
    pub seed: u64,
    /// Milliseconds since 1970.
    pub started_ms: u64,
    /// Seconds from the first start to the last event.
    pub wall_s: f64,
    /// Why it failed.
    pub error: Option<String>,
}

impl Store {
    /// Enters a run, as running.
    pub fn create_run(&self, run: &NewRun<'_>) -> Result<(), StoreError> {
        let spec = serde_json::to_string(run.pipeline).expect("a pipeline becomes JSON");
        let query = "INSERT INTO run (id, pipeline, spec, seed, status, started_ms, sum)
                     VALUES (?1, ?2, ?3, ?4, 'running', ?5, ?6)";
        let sum = sum(&[run.id.as_str(), &spec]);
        let seed = run.pipeline.seed.cast_signed();
        let values =
            params![run.id.as_str(), run.pipeline.name, spec, seed, now_ms().cast_signed(), sum];
        self.write(|db| Ok(db.execute(query, values).map(drop)?))
    }

    /// All runs, newest first.
    pub fn runs(&self) -> Result<Vec<RunRow>, StoreError> {
        let query = format!("{COLUMNS} ORDER BY started_ms DESC, id DESC");
        Ok(self.rows(&query, [], read)?.into_iter().map(|row| self.seen(row)).collect())
    }

    /// A part of the runs, newest first: as long as asked for, unless there are no more.
    pub fn runs_page(&self, asked: &RunsAsked) -> Result<Vec<RunRow>, StoreError> {
        let query = format!(
            "{COLUMNS} WHERE (started_ms, id) < (?1, ?2)
             AND (?3 IS NULL OR status = ?3 OR (?3 = 'interrupted' AND status = 'running'))
             AND (?4 IS NULL OR pipeline = ?4)
             AND (?5 IS NULL OR instr(lower(id || ' ' || pipeline || ' ' || coalesce(error, '')), ?5) > 0)
             ORDER BY started_ms DESC, id DESC LIMIT ?6"
        );
        let status = asked.status.map(|status| status.to_string());
        let text = asked.text.as_ref().map(|text| text.to_lowercase());
        let first = || (u64::MAX >> 1, String::new());
        let mut after = asked.after.clone().unwrap_or_else(first);
        let mut found = Vec::new();
        loop {
            let wanted = asked.limit - found.len();
            let limit = i64::try_from(wanted).unwrap_or(i64::MAX);
            let values =
                params![after.0.cast_signed(), after.1, status, asked.pipeline, text, limit];
            let page = self.rows(&query, values, read)?;
            let last = page.last().map(|row| (row.started_ms, row.run.to_string()));
            let more = page.len() == wanted && wanted > 0;
            let seen = page.into_iter().map(|row| self.seen(row));
            found.extend(seen.filter(|row| asked.status.is_none_or(|status| row.status == status)));
            match last {
                Some(last) if more && found.len() < asked.limit => after = last,
                _ => return Ok(found),
            }
        }
    }

    /// How many runs stand how, as their rows say.
    pub fn count_runs(&self) -> Result<Vec<(RunStatus, u64)>, StoreError> {
        let query = "SELECT status, COUNT(*) FROM run GROUP BY status";
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?));
        let rows = self.rows(query, [], read)?.into_iter();
        let status = |text: String| serde_json::from_value::<RunStatus>(text.into()).ok();
        Ok(rows.filter_map(|(text, n)| Some((status(text)?, n.cast_unsigned()))).collect())
    }

    /// The run of exactly this name.
    pub fn run_row(&self, id: &str) -> Result<RunRow, StoreError> {
        let query = format!("{COLUMNS} WHERE id = ?1");
        let found = self.rows(&query, [id], read)?.into_iter().next();
        let none = StoreError::NotFound { what: "run", id: id.to_owned(), hint: HINT };
        found.map(|row| self.seen(row)).ok_or(none)
    }

    /// The run of this name, or the only one whose name begins so; `last` is the newest.
    pub fn find_run(&self, text: &str) -> Result<RunRow, StoreError> {
        let mut rows = self.runs()?;
        if text != "last" {
            let exact = rows.iter().any(|row| row.run.as_str() == text);
            let fits = |row: &RunRow| match exact {
                true => row.run.as_str() == text,
                false => !text.is_empty() && row.run.as_str().starts_with(text),
            };
            rows.retain(fits);
            if rows.len() > 1 {
                let (id, count) = (text.to_owned(), rows.len());
                return Err(StoreError::Ambiguous { what: "run", id, count });
            }
        }
        let none = StoreError::NotFound { what: "run", id: text.to_owned(), hint: HINT };
        rows.into_iter().next().ok_or(none)
    }

    /// What the run was asked to do.
    pub fn run_pipeline(&self, run: &RunId) -> Result<Pipeline, StoreError> {
        let query = "SELECT spec, sum FROM run WHERE id = ?1";
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let find = |db: &Connection| Ok(db.query_row(query, [run.as_str()], read).optional()?);
        let found: Option<(String, Option<i64>)> = self.read(find)?;
        let none = StoreError::NotFound { what: "run", id: run.to_string(), hint: HINT };
        let (spec, kept) = found.ok_or(none)?;
        let wrong =
            |detail: String| StoreError::Unreadable { what: "run", id: run.to_string(), detail };
        // Those of version 1 have none.
        if kept.is_some_and(|kept| kept != sum(&[run.as_str(), &spec])) {
            return Err(wrong("its pipeline is not the one that was written".to_owned()));
        }
        serde_json::from_str(&spec).map_err(|e| wrong(e.to_string()))
    }

    /// A run that says it is running, but whose process is gone, was interrupted.
    fn seen(&self, mut row: RunRow) -> RunRow {
        if row.status == RunStatus::Running && !self.is_locked(row.run.as_str()) {
            row.status = RunStatus::Interrupted;
        }
        row
    }
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<RunRow> {
    let (id, status): (String, String) = (row.get(0)?, row.get(3)?);
    let bad = |column: usize, text: &str| {
        let error = format!("`{text}` is not one of ours").into();
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error)
    };
    Ok(RunRow {
        run: RunId::parse(&id).ok_or_else(|| bad(0, &id))?,
        pipeline: row.get(1)?,
        seed: row.get::<_, i64>(2)?.cast_unsigned(),
        status: serde_json::from_value(status.clone().into()).map_err(|_| bad(3, &status))?,
        started_ms: row.get::<_, i64>(4)?.cast_unsigned(),
        wall_s: row.get(5)?,
        error: row.get(6)?,
    })
}
