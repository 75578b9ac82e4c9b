//! Events: everything that happened in a run, numbered from 1 without a gap. A resume believes them, so
//! each has a sum that shows whether its text changed, and the run knows how many there are: the pages of a
//! table can be gone without one that SQLite would miss.

use mobula_contract::{EventBody, RunEvent, RunId};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::error::StoreError;
use crate::open::{Store, rows, snapshot};

impl Store {
    /// Adds events, all or none. The run's row follows its start and end.
    pub fn append(&self, run: &RunId, events: &[RunEvent]) -> Result<(), StoreError> {
        self.write(|db| {
            let before = count(db, run)?;
            for (number, event) in (before + 1..).zip(events) {
                let body = serde_json::to_string(event).expect("an event becomes JSON");
                let query = "INSERT INTO event (run, number, body, sum) VALUES (?1, ?2, ?3, ?4)";
                let sum = sum(&[run.as_str(), &number.to_string(), &body]);
                db.prepare_cached(query)?.execute(params![run.as_str(), number, body, sum])?;
                let (status, error) = match &event.body {
                    EventBody::RunStarted { .. } => (Some("running".to_owned()), None),
                    EventBody::RunEnded { status, error, .. } => {
                        (Some(status.to_string()), error.clone())
                    }
                    _ => (None, None),
                };
                if let Some(status) = status {
                    let query = "UPDATE run SET status = ?2, error = ?3 WHERE id = ?1";
                    db.execute(query, params![run.as_str(), status, error])?;
                }
            }
            if let Some(last) = events.last() {
                let count = before + (events.len() as u64).cast_signed();
                let query = "UPDATE run SET wall_s = ?2, events = ?3 WHERE id = ?1";
                db.prepare_cached(query)?.execute(params![run.as_str(), last.at_s, count])?;
            }
            Ok(())
        })?;
        // Files that the save before left: freeing them takes long, and nobody waits for it here.
        let _ = self.remove_leftovers();
        Ok(())
    }

    /// Events of a run with a number above `after`, with their numbers.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] where an event is not what was written, or is gone.
    pub fn events(&self, run: &RunId, after: u64) -> Result<Vec<(u64, RunEvent)>, StoreError> {
        self.events_page(run, after, usize::MAX)
    }

    /// The first of them, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] where an event is not what was written, or is gone.
    pub fn events_page(
        &self,
        run: &RunId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, RunEvent)>, StoreError> {
        let query = "SELECT number, body, sum FROM event WHERE run = ?1 AND number > ?2
            ORDER BY number LIMIT ?3";
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        // No run has so many.
        let after = after.min(u64::MAX >> 2).cast_signed();
        let (count, found) = self.read(|db| {
            let db = snapshot(db)?;
            Ok((count(&db, run)?, rows(&db, query, params![run.as_str(), after, most], row)?))
        })?;
        let full = found.len() >= limit;
        let last = found.last().map_or(after, |(number, ..)| *number);
        let events = (after + 1..).zip(found).map(|(next, row)| match row.0 == next {
            true => event(run, row),
            false => Err(gone(run, next, count)),
        });
        let events: Result<Vec<_>, _> = events.collect();
        if !full && last < count { events.and(Err(gone(run, last + 1, count))) } else { events }
    }

    /// The last event of a run.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] where it is not what was written, or is gone.
    pub fn last_event(&self, run: &RunId) -> Result<Option<(u64, RunEvent)>, StoreError> {
        let query = "SELECT number, body, sum FROM event WHERE run = ?1
            ORDER BY number DESC LIMIT 1";
        let (count, found) = self.read(|db| {
            let db = snapshot(db)?;
            Ok((count(&db, run)?, rows(&db, query, [run.as_str()], row)?))
        })?;
        match found.into_iter().next() {
            Some(row) if row.0 >= count => event(run, row).map(Some),
            None if count == 0 => Ok(None),
            _ => Err(gone(run, count, count)),
        }
    }
}

type Row = (i64, String, Option<i64>);

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

/// An event as it was written.
fn event(run: &RunId, (number, body, kept): Row) -> Result<(u64, RunEvent), StoreError> {
    // Those of version 1 have none.
    let found = sum(&[run.as_str(), &number.to_string(), &body]);
    if kept.is_some_and(|kept| kept != found) {
        return Err(wrong(run, number, "its text is not the one that was written".to_owned()));
    }
    let event = serde_json::from_str(&body).map_err(|e| wrong(run, number, e.to_string()))?;
    Ok((number.cast_unsigned(), event))
}

fn gone(run: &RunId, number: i64, count: i64) -> StoreError {
    wrong(run, number, format!("it is gone, one of {count} of this run"))
}

fn wrong(run: &RunId, number: i64, detail: String) -> StoreError {
    StoreError::Unreadable { what: "event", id: format!("{run} {number}"), detail }
}

/// How many events the run has had, whatever is found of them.
fn count(db: &Connection, run: &RunId) -> rusqlite::Result<i64> {
    let query = "SELECT events FROM run WHERE id = ?1";
    let found = db.prepare_cached(query)?.query_row([run.as_str()], |row| row.get(0)).optional()?;
    Ok(found.unwrap_or(0))
}

/// 63 bits of the digest of some texts, each with its length before it.
pub(crate) fn sum(texts: &[&str]) -> i64 {
    let mut hasher = blake3::Hasher::new();
    for text in texts {
        hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
    }
    let hash = hasher.finalize();
    let first = hash.as_bytes().first_chunk().expect("32 bytes");
    i64::from_le_bytes(*first) & i64::MAX
}
