//! The engine's journal port, filled with the store.

use mobula_contract::{CheckpointId, Failure, FailureKind, RunEvent, RunId};
use mobula_engine::{Journal, Save};
use mobula_store::{Keeper, NewCheckpoint, Retention, Store, StoreError};

/// Keeps the events and checkpoints of one run.
pub(crate) struct StoreJournal {
    pub(crate) store: Store,
    /// Moves the log into the database when nothing is to be written.
    pub(crate) keeper: Keeper,
    pub(crate) run: RunId,
    pub(crate) keep: u32,
}

impl Journal for StoreJournal {
    fn record(&mut self, events: &[RunEvent]) -> Result<(), Failure> {
        self.store.append(&self.run, events).map_err(failure)?;
        self.keeper.nudge();
        Ok(())
    }

    fn save(&mut self, save: Save<'_>) -> Result<String, Failure> {
        let new = NewCheckpoint {
            id: save.id,
            run: Some(&self.run),
            name: None,
            stage: &save.stage.name,
            index: save.stage.index,
            actor: save.actor,
            position: save.position as u64,
            metric: None,
            pinned: false,
            bytes: save.bytes,
        };
        let keep = Retention { newest: self.keep, ..Retention::default() };
        let saved = self.store.save_checkpoint(&new, &keep).map_err(failure)?;
        self.keeper.nudge();
        Ok(saved.digest)
    }

    fn load(&mut self, id: &CheckpointId) -> Result<Vec<u8>, Failure> {
        self.store.load_checkpoint(id).map_err(failure)
    }
}

fn failure(error: StoreError) -> Failure {
    Failure::new(FailureKind::Host, error.to_string())
}
