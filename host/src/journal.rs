//! The engine's journal port, filled with the store. While the store takes nothing, as on a full disk, the
//! run goes on: its events wait in memory, and checkpoints are refused until they are written.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mobula_contract::{
    CheckpointId, CheckpointPlan, EventBody, Failure, FailureKind, OutputNote, RunEvent, RunId,
};
use mobula_engine::{Journal, Save};
use mobula_store::{
    Better, Keeper, Metric, NewCheckpoint, OpenOptions, Retention, Store, StoreError,
};

/// Events that wait in memory before the run is stopped: some hundred bytes each, hours of most runs.
const WAITING_MAX: usize = 100_000;
/// How often a store that takes nothing is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// Tries at the end of a run, before what waits is given up.
const LAST_TRIES: u32 = 5;

/// Keeps the events and checkpoints of one run.
pub(crate) struct StoreJournal {
    store: Store,
    /// Moves the log into the database when nothing is to be written.
    keeper: Keeper,
    run: RunId,
    retention: Retention,
    /// The number by which a checkpoint is the best.
    best: Option<(String, Better)>,
    /// Its newest value in the outputs of each stage, and of which repetition it is.
    metrics: BTreeMap<String, (u32, f64)>,
    /// Events that the store has not taken, since when, and when it was tried last.
    waiting: Vec<RunEvent>,
    tried: Option<Instant>,
    ears: Ears,
}

/// Who is told of what the journal does, and how much it may keep.
pub(crate) struct Ears {
    /// Remarks for the user.
    pub(crate) tell: Box<dyn Fn(&str) + Send>,
    /// Events were written.
    pub(crate) written: Box<dyn Fn() + Send>,
    /// Bytes that the store may take on the disk: beyond them checkpoints are refused.
    pub(crate) bytes_max: Option<u64>,
}

impl StoreJournal {
    /// The journal of a run, on connections of its own.
    pub(crate) fn open(
        store: &Store,
        run: &RunId,
        plan: &CheckpointPlan,
        ears: Ears,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            store: Store::open(store.home())?,
            keeper: Keeper::start(store.home(), &OpenOptions::default())?,
            run: run.clone(),
            retention: Retention {
                newest: plan.keep,
                best: u32::from(plan.best.is_some()),
                by_age: false,
            },
            best: plan.best.as_ref().map(|field| (field.clone(), better(field))),
            metrics: BTreeMap::new(),
            waiting: Vec::new(),
            tried: None,
            ears,
        })
    }

    /// Notes the number by which checkpoints are compared.
    fn note_metrics(&mut self, events: &[RunEvent]) {
        let Some((field, _)) = &self.best else { return };
        for event in events {
            if let EventBody::StageFinished { stage, outputs, .. } = &event.body
                && let Some((_, OutputNote::Json { value })) =
                    outputs.iter().find(|(name, _)| name == field)
                && let Some(value) = value.as_f64()
            {
                self.metrics.insert(stage.name.clone(), (stage.index, value));
            }
        }
    }

    fn metric(&self, save: &Save<'_>) -> Option<Metric> {
        let (_, better) = self.best.as_ref()?;
        let (index, value) = *self.metrics.get(&save.stage.name)?;
        (index == save.stage.index).then_some(Metric { value, better: *better })
    }

    fn refuse_beyond_quota(&self, bytes: u64) -> Result<(), Failure> {
        let Some(most) = self.ears.bytes_max else { return Ok(()) };
        let mut used = self.store.disk_bytes().map_err(failure)?;
        if used.saturating_add(bytes) > most {
            // What nobody needs makes room.
            self.store.collect(false).map_err(failure)?;
            used = self.store.disk_bytes().map_err(failure)?;
        }
        if used.saturating_add(bytes) <= most {
            return Ok(());
        }
        let message = format!(
            "{bytes} bytes more than the {used} that are stored are beyond the quota of {most}: \
             remove checkpoints that are not needed"
        );
        Err(Failure::new(FailureKind::Quota, message))
    }

    /// Writes what waits; whether nothing waits any more.
    fn write_waiting(&mut self) -> Result<(), StoreError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.tried = Some(Instant::now());
        self.store.append(&self.run, &self.waiting)?;
        let count = self.waiting.len();
        self.waiting.clear();
        (self.ears.written)();
        (self.ears.tell)(&format!("the history is written again ({count} events had waited)"));
        Ok(())
    }
}

impl Journal for StoreJournal {
    fn record(&mut self, events: &[RunEvent]) -> Result<(), Failure> {
        self.note_metrics(events);
        if self.waiting.is_empty() {
            match self.store.append(&self.run, events) {
                Ok(()) => {
                    self.keeper.nudge();
                    (self.ears.written)();
                    return Ok(());
                }
                Err(error) if error.may_pass() => {
                    self.tried = Some(Instant::now());
                    (self.ears.tell)(&format!(
                        "the run goes on, but nothing of it is saved: {error}"
                    ));
                }
                Err(error) => return Err(failure(error)),
            }
        }
        self.waiting.extend_from_slice(events);
        let rested = self.tried.is_none_or(|tried| tried.elapsed() >= TRY_AGAIN);
        let full = self.waiting.len() > WAITING_MAX;
        match if rested || full { self.write_waiting() } else { Ok(()) } {
            Err(error) if full => Err(failure(error)),
            _ => Ok(()),
        }
    }

    fn save(&mut self, save: Save<'_>) -> Result<String, Failure> {
        // No checkpoint before the events that lead to it.
        self.write_waiting().map_err(failure)?;
        self.refuse_beyond_quota(save.bytes.len() as u64)?;
        let new = NewCheckpoint {
            id: save.id,
            run: Some(&self.run),
            name: None,
            stage: &save.stage.name,
            index: save.stage.index,
            actor: save.actor,
            position: save.position as u64,
            metric: self.metric(&save),
            pinned: false,
            bytes: save.bytes,
        };
        let saved = self.store.save_checkpoint(&new, &self.retention);
        if let Err(StoreError::Full { .. }) = &saved {
            // What nobody needs makes room for the next.
            let _ = self.store.collect(false);
        }
        let saved = saved.map_err(failure)?;
        self.keeper.nudge();
        Ok(saved.digest)
    }

    fn load(&mut self, id: &CheckpointId) -> Result<Vec<u8>, Failure> {
        self.store.load_checkpoint(id).map_err(failure)
    }
}

impl Drop for StoreJournal {
    fn drop(&mut self) {
        for _ in 0..LAST_TRIES {
            match self.write_waiting() {
                Ok(()) => return,
                Err(_) => std::thread::sleep(TRY_AGAIN / LAST_TRIES),
            }
        }
        let count = self.waiting.len();
        (self.ears.tell)(&format!(
            "{count} events could not be written: the history ends before them"
        ));
    }
}

/// Of losses and errors the lower is the better.
fn better(field: &str) -> Better {
    if field.contains("loss") || field.contains("error") { Better::Lower } else { Better::Higher }
}

fn failure(error: StoreError) -> Failure {
    let kind = match error {
        StoreError::Damaged { .. } => FailureKind::Damaged,
        _ => FailureKind::Host,
    };
    Failure::new(kind, error.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use mobula_contract::{Level, Pipeline, StageRef};
    use mobula_store::NewRun;

    use super::*;

    fn line(text: &str) -> RunEvent {
        let stage = StageRef { name: "s".to_owned(), index: 0, repeated: false };
        let body = EventBody::Log { stage, level: Level::Info, message: text.to_owned() };
        RunEvent { at_s: 0.0, body }
    }

    #[test]
    fn a_run_goes_on_while_the_disk_is_full_and_loses_no_event() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path()).unwrap();
        let run = RunId::new(1, 1);
        let checkpoint = CheckpointPlan::default();
        let pipeline = Pipeline {
            name: "p".to_owned(),
            seed: 0,
            stages: Vec::new(),
            actors: Vec::new(),
            checkpoint: checkpoint.clone(),
            plugins: Vec::new(),
        };
        store.create_run(&NewRun { id: &run, pipeline: &pipeline }).unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let ears = Ears {
            tell: Box::new(move |text: &str| heard.lock().unwrap().push(text.to_owned())),
            written: Box::new(|| {}),
            bytes_max: None,
        };
        let mut journal = StoreJournal::open(&store, &run, &checkpoint, ears).unwrap();
        journal.record(&[line("first")]).unwrap();
        // Not a page more than there is.
        journal.store.limit_bytes(65_536).unwrap();
        let long = "x".repeat(1 << 20);
        for text in [&long, "third", "fourth"] {
            journal.record(&[line(text)]).unwrap();
        }
        let stage = StageRef { name: "s".to_owned(), index: 0, repeated: false };
        let id = CheckpointId::new(&run, 1);
        let (actor, position, bytes, blocking_s) = (Some("a"), 1, &[1, 2, 3][..], 0.0);
        let save = || Save { id: &id, stage: &stage, actor, position, bytes, blocking_s };
        let refused = journal.save(save()).unwrap_err();
        assert!(refused.message.contains("no room left"), "{refused}");
        journal.store.limit_bytes(1 << 40).unwrap();
        journal.save(save()).unwrap();
        journal.record(&[line("fifth")]).unwrap();
        drop(journal);
        let events = store.events(&run, 0).unwrap();
        let lines = events.into_iter().map(|(_, event)| match event.body {
            EventBody::Log { message, .. } => message,
            other => panic!("{other:?}"),
        });
        assert_eq!(lines.collect::<Vec<_>>(), ["first", &long, "third", "fourth", "fifth"]);
        let told = told.lock().unwrap();
        assert!(told[0].contains("nothing of it is saved: no room left"), "{told:?}");
        assert!(told[1].contains("is written again (3 events had waited)"), "{told:?}");
    }
}
