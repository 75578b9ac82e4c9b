//! What controllers learned, kept between runs: for each pipeline and subject a document that only they
//! understand.

use rusqlite::params;

use crate::error::StoreError;
use crate::events::sum;
use crate::open::{Store, now_ms};

/// What is kept for a subject of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learned {
    /// Such as the name of a stage, or of an actor.
    pub subject: String,
    /// JSON.
    pub body: String,
    /// Milliseconds since 1970.
    pub updated_ms: u64,
}

impl Store {
    /// Keeps documents for subjects of a pipeline, all or none, in place of those that are there.
    pub fn keep_learned(
        &self,
        pipeline: &str,
        documents: &[(&str, &str)],
    ) -> Result<(), StoreError> {
        self.write(|db| {
            for (subject, body) in documents {
                let query = "INSERT INTO learned (pipeline, subject, body, updated_ms, sum)
                    VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE
                    SET body = excluded.body, updated_ms = excluded.updated_ms, sum = excluded.sum";
                let sum = sum(&[pipeline, subject, body]);
                let values = params![pipeline, subject, body, now_ms().cast_signed(), sum];
                db.prepare_cached(query)?.execute(values)?;
            }
            Ok(())
        })
    }

    /// All that is kept for a pipeline, by subject. What proves damaged is left out: it is learned again.
    pub fn learned(&self, pipeline: &str) -> Result<Vec<Learned>, StoreError> {
        let query = "SELECT subject, body, updated_ms, sum FROM learned WHERE pipeline = ?1
            ORDER BY subject";
        let read = |row: &rusqlite::Row<'_>| {
            let updated_ms = row.get::<_, i64>(2)?.cast_unsigned();
            let learned = Learned { subject: row.get(0)?, body: row.get(1)?, updated_ms };
            Ok((learned, row.get::<_, i64>(3)?))
        };
        let found = self.rows(query, [pipeline], read)?;
        let good = found
            .into_iter()
            .filter(|(learned, kept)| *kept == sum(&[pipeline, &learned.subject, &learned.body]));
        Ok(good.map(|(learned, _)| learned).collect())
    }

    /// As [`Store::learned`], of one subject.
    pub fn learned_of(&self, pipeline: &str, subject: &str) -> Result<Option<Learned>, StoreError> {
        Ok(self.learned(pipeline)?.into_iter().find(|learned| learned.subject == subject))
    }

    /// How many documents are damaged.
    pub(crate) fn damaged_learned(&self) -> Result<Vec<String>, StoreError> {
        let query = "SELECT pipeline, subject, body, sum FROM learned";
        let read = |row: &rusqlite::Row<'_>| {
            Ok((
                [row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?],
                row.get::<_, i64>(3)?,
            ))
        };
        let found = self.rows(query, [], read)?;
        let bad = found
            .into_iter()
            .filter(|([pipeline, subject, body], kept)| *kept != sum(&[pipeline, subject, body]));
        Ok(bad.map(|([pipeline, subject, _], _)| format!("{pipeline}: {subject}")).collect())
    }
}
