//! Events: everything that happened in a run, numbered from 1 without a gap.

use mobula_contract::{EventBody, RunEvent, RunId};
use rusqlite::params;

use crate::error::StoreError;
use crate::open::Store;

impl Store {
    /// Adds events, all or none. The run's row follows its start and end.
    pub fn append(&mut self, run: &RunId, events: &[RunEvent]) -> Result<(), StoreError> {
        let fail = self.failed();
        let add = |db: &mut rusqlite::Connection| {
            let changes = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            for event in events {
                let body = serde_json::to_string(event).expect("an event becomes JSON");
                let query = "INSERT INTO event (run, number, body) VALUES (?1,
                    (SELECT COALESCE(MAX(number), 0) + 1 FROM event WHERE run = ?1), ?2)";
                changes.prepare_cached(query)?.execute(params![run.as_str(), body])?;
                let (status, error) = match &event.body {
                    EventBody::RunStarted { .. } => (Some("running".to_owned()), None),
                    EventBody::RunEnded { status, error, .. } => {
                        (Some(status.to_string()), error.clone())
                    }
                    _ => (None, None),
                };
                if let Some(status) = status {
                    let query = "UPDATE run SET status = ?2, error = ?3 WHERE id = ?1";
                    changes.execute(query, params![run.as_str(), status, error])?;
                }
            }
            if let Some(last) = events.last() {
                let query = "UPDATE run SET wall_s = ?2 WHERE id = ?1";
                changes.prepare_cached(query)?.execute(params![run.as_str(), last.at_s])?;
            }
            changes.commit()
        };
        add(&mut self.db).map_err(fail)
    }

    /// Events of a run with a number above `after`, with their numbers.
    pub fn events(&self, run: &RunId, after: u64) -> Result<Vec<(u64, RunEvent)>, StoreError> {
        let query = "SELECT number, body FROM event WHERE run = ?1 AND number > ?2 ORDER BY number";
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?));
        let rows = self.rows(query, params![run.as_str(), after.cast_signed()], read)?;
        let events = rows.into_iter().map(|(number, body)| {
            let event = serde_json::from_str(&body).map_err(|e| StoreError::Unreadable {
                what: "event",
                id: format!("{run} {number}"),
                detail: e.to_string(),
            })?;
            Ok((number.cast_unsigned(), event))
        });
        events.collect()
    }
}
