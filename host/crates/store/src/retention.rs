//! Which checkpoints stay. What a run that can be resumed needs is never dropped: the newest good one
//! of each
//! actor, and the output of each task.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mobula_contract::{CheckpointId, RunId};
use rusqlite::{Connection, params};

use crate::checkpoints::{
    Better, COLUMNS, CheckpointRow, NewCheckpoint, Subject, of_subject, read,
};
use crate::chunks;
use crate::error::{StoreError, Trouble};
use crate::migrate;
use crate::open::{Store, move_log, pragma, rows};

/// The youngest doubling of age: all that is younger is of one age.
const AGE_FIRST_MS: u64 = 60_000;
/// Pages that are given back in one transaction, so that others get their turn.
const PAGES_AT_ONCE: i64 = 256;

/// Which checkpoints of a subject stay when a new one was saved. Those that are pinned always do, and
/// those set aside as damaged, until they are collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// So many of the newest good ones; at least one.
    pub newest: u32,
    /// So many of those with the best metric.
    pub best: u32,
    /// Of each doubling of age, from a minute on, the oldest.
    pub by_age: bool,
}

impl Default for Retention {
    fn default() -> Self {
        Self { newest: 3, best: 1, by_age: false }
    }
}

impl Retention {
    /// Which of some checkpoints of one subject, newest first, are to go.
    #[must_use]
    pub fn drops(&self, rows: &[CheckpointRow]) -> Vec<bool> {
        let good: Vec<usize> = (0..rows.len()).filter(|i| rows[*i].damaged.is_none()).collect();
        let mut drops: Vec<bool> =
            rows.iter().map(|row| row.damaged.is_none() && !row.pinned).collect();
        let newest = usize::try_from(self.newest.max(1)).unwrap_or(usize::MAX);
        let mut stay = good.iter().copied().take(newest).collect::<Vec<_>>();
        stay.extend(best(rows, &good).into_iter().take(self.best as usize));
        if let (true, Some(first)) = (self.by_age, good.first()) {
            let now = rows[*first].created_ms;
            let age =
                |i: usize| (now.saturating_sub(rows[i].created_ms) / AGE_FIRST_MS + 1).ilog2();
            // The later ones are older, and take the place.
            let ages: BTreeMap<u32, usize> = good.iter().map(|i| (age(*i), *i)).collect();
            stay.extend(ages.into_values());
        }
        stay.into_iter().for_each(|i| drops[i] = false);
        drops
    }
}

/// Good ones with a metric, the best first; of equal ones the newer.
fn best(rows: &[CheckpointRow], good: &[usize]) -> Vec<usize> {
    let figure = |i: &usize| {
        let row = &rows[*i];
        Some((*i, if row.better? == Better::Higher { -row.metric? } else { row.metric? }))
    };
    let mut found: Vec<(usize, f64)> = good.iter().filter_map(figure).collect();
    found.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    found.into_iter().map(|(i, _)| i).collect()
}

/// What a collection freed, or would free.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// The checkpoints.
    pub checkpoints: Vec<CheckpointId>,
    /// Their bytes.
    pub bytes: u64,
    /// Files that belonged to no checkpoint.
    pub orphans: u64,
    /// Bytes that the home folder's disk got back.
    pub freed: u64,
}

impl Store {
    /// After a save: drops what is not to be kept of its subject. Gives which, and files that may not be
    /// needed any more.
    pub(crate) fn drop_older(
        &self,
        db: &Connection,
        run: &RunId,
        new: &NewCheckpoint<'_>,
        keep: &Retention,
    ) -> Result<(Vec<CheckpointId>, Vec<PathBuf>), Trouble> {
        let subject = match new.actor {
            Some(actor) => Subject::Actor(actor),
            None => Subject::Output(new.stage, new.index),
        };
        let found = of_subject(db, run, subject)?;
        let drops = keep.drops(&found);
        let gone: Vec<CheckpointId> =
            found.into_iter().zip(drops).filter_map(|(row, drop)| drop.then_some(row.id)).collect();
        let files = self.forget(db, &gone)?;
        Ok((gone, files))
    }

    /// Drops checkpoints, and the chunks that no other one has; gives those of their files.
    fn forget(&self, db: &Connection, gone: &[CheckpointId]) -> Result<Vec<PathBuf>, Trouble> {
        let mut files = Vec::new();
        for id in gone {
            let chunks = chunks::of(db, id.as_str())?;
            db.prepare_cached("DELETE FROM checkpoint WHERE id = ?1")?.execute([id.as_str()])?;
            for chunk in chunks {
                let query = "SELECT EXISTS (SELECT 1 FROM piece WHERE chunk = ?1)";
                if db.prepare_cached(query)?.query_row([chunk.id], |row| row.get(0))? {
                    continue;
                }
                db.prepare_cached("DELETE FROM chunk WHERE id = ?1")?.execute([chunk.id])?;
                if !chunk.inline {
                    files.push(self.blob(&chunk.hash));
                }
            }
        }
        Ok(files)
    }

    /// Drops one checkpoint, whatever it is.
    pub fn remove_checkpoint(&self, id: &CheckpointId) -> Result<(), StoreError> {
        self.checkpoint(id.as_str())?;
        let files = self.write(|db| self.forget(db, std::slice::from_ref(id)))?;
        self.leftovers.borrow_mut().extend(files);
        self.remove_leftovers()
    }

    /// Drops the checkpoints of runs that succeeded, but for the newest and the best of each actor and
    /// those
    /// pinned, and the damaged ones of all; gives the space back to the disk. With `dry_run` nothing
    /// is changed.
    pub fn collect(&self, dry_run: bool) -> Result<Collected, StoreError> {
        if dry_run {
            let found = self.read(|db| Ok(needless(db)?))?;
            return Ok(summed(&found));
        }
        let before = self.disk_bytes()?;
        // Files are removed before anyone can write them anew.
        let own = self.wait_to_own_blobs()?;
        let (found, files) = self.write(|db| {
            let found = needless(db)?;
            let gone: Vec<CheckpointId> = found.iter().map(|row| row.id.clone()).collect();
            let files = self.forget(db, &gone)?;
            // What a row of no checkpoint names, from whatever time.
            db.execute(
                "DELETE FROM chunk WHERE NOT EXISTS (SELECT 1 FROM piece WHERE chunk = chunk.id)",
                [],
            )?;
            Ok((found, files))
        })?;
        let mut collected = summed(&found);
        match &own {
            Some(own) => {
                self.remove_unnamed(own, files)?;
                let all = self.blob_files()?.into_iter().map(|entry| entry.path);
                collected.orphans = self.remove_unnamed(own, all)?;
                self.leftovers.take();
            }
            None => self.leftovers.borrow_mut().extend(files),
        }
        drop(own);
        self.shrink()?;
        collected.freed = before.saturating_sub(self.disk_bytes()?);
        Ok(collected)
    }

    /// Gives free pages of the database and its log back to the disk.
    fn shrink(&self) -> Result<(), StoreError> {
        self.rebuild_old()?;
        loop {
            let left = self.write(|db| {
                let query = format!("PRAGMA incremental_vacuum({PAGES_AT_ONCE})");
                let mut vacuum = db.prepare(&query)?;
                let mut pages = vacuum.query([])?;
                // SQLite frees one page a step.
                while pages.next()?.is_some() {}
                let incremental = pragma::<i64>(db, "auto_vacuum")? == 2;
                Ok(if incremental { pragma::<i64>(db, "freelist_count")? } else { 0 })
            })?;
            self.tend()?;
            if left == 0 {
                break;
            }
        }
        let _turn = self.turn()?;
        // Whoever reads just now keeps the log; the next one gives it back.
        self.read(|db| Ok(move_log(db, "TRUNCATE")?)).map(drop)
    }

    /// A database of version 1 is brought to pages of the right size.
    fn rebuild_old(&self) -> Result<(), StoreError> {
        if !self.read(|db| Ok(migrate::is_old(db)?))? {
            return Ok(());
        }
        self.replace(|db| migrate::rebuild(self, db))
    }

    /// Bytes that checkpoints and the history take on the disk.
    pub fn disk_bytes(&self) -> Result<u64, StoreError> {
        let mut sum: u64 = self.blob_files()?.iter().map(|entry| entry.bytes).sum();
        for end in ["", "-wal"] {
            let mut file = self.file.clone().into_os_string();
            file.push(end);
            sum += std::fs::metadata(file).map_or(0, |about| about.len());
        }
        Ok(sum)
    }
}

fn summed(rows: &[CheckpointRow]) -> Collected {
    Collected {
        checkpoints: rows.iter().map(|row| row.id.clone()).collect(),
        bytes: rows.iter().map(|row| row.bytes).sum(),
        ..Collected::default()
    }
}

/// What nothing needs any more.
fn needless(db: &Connection) -> rusqlite::Result<Vec<CheckpointRow>> {
    let query = format!(
        "{COLUMNS} WHERE pinned = 0 AND (damaged IS NOT NULL OR
         run IN (SELECT id FROM run WHERE status = 'succeeded')) ORDER BY run, number DESC"
    );
    let mut found = rows(db, &query, params![], read)?;
    let all = rows(db, &format!("{COLUMNS} WHERE run IS NOT NULL ORDER BY number DESC"), [], read)?;
    let stays = Retention { newest: 1, best: 1, by_age: false };
    let mut subjects: BTreeMap<(&str, &str), Vec<CheckpointRow>> = BTreeMap::new();
    for row in &all {
        if let (Some(run), Some(actor)) = (&row.run, &row.actor) {
            subjects.entry((run, actor)).or_default().push(row.clone());
        }
    }
    let mut kept = Vec::new();
    for rows in subjects.into_values() {
        let drops = stays.drops(&rows);
        kept.extend(rows.into_iter().zip(drops).filter(|(_, drop)| !drop).map(|(row, _)| row.id));
    }
    found.retain(|row| row.damaged.is_some() || !kept.contains(&row.id));
    Ok(found)
}
