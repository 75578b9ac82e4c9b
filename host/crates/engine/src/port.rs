//! What the engine asks of others: the ports that the host fills with adapters.

use std::sync::Arc;

use mobula_contract::{
    ActorSpec, CheckpointId, Failure, Object, RunEvent, StageContext, StageRef, StageSpec,
};

/// One call of a task or method.
pub struct Call<'a> {
    /// The stage as the pipeline has it, with the argument of this call for the list that it runs over.
    pub spec: &'a StageSpec,
    /// Which repetition.
    pub stage: &'a StageRef,
    /// What it reads.
    pub inputs: Object,
    /// What it may say to and ask of its host.
    pub context: Arc<dyn StageContext>,
}

impl std::fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("stage", self.stage).finish_non_exhaustive()
    }
}

/// Makes tasks run and actors live.
pub trait Stages: Send + Sync {
    /// Runs a task to its end.
    fn run_task(&self, call: Call<'_>) -> Result<Object, Failure>;
    /// Makes an actor, from its state where there is one. It stays on the thread that made it.
    fn create_actor(
        &self,
        spec: &ActorSpec,
        state: Option<Vec<u8>>,
        context: Arc<dyn StageContext>,
    ) -> Result<Box<dyn Actor>, Failure>;
}

/// A living actor.
pub trait Actor: Send {
    /// Runs a method to its end.
    fn call(&mut self, call: Call<'_>) -> Result<Object, Failure>;
    /// Whether the state is whole after a call that failed, so that the next call can come.
    fn is_alive(&self) -> bool {
        false
    }
    /// The whole state, in memory.
    fn snapshot(&mut self) -> Result<Vec<u8>, Failure>;
    /// `blake3:…` of the state.
    fn state_digest(&mut self) -> Result<String, Failure>;
}

/// A checkpoint on its way to the journal.
#[derive(Debug)]
pub struct Save<'a> {
    /// Its name.
    pub id: &'a CheckpointId,
    /// The stage after which it was decided.
    pub stage: &'a StageRef,
    /// The actor whose state it is; absent for a task's output.
    pub actor: Option<&'a str>,
    /// Calls of the actor that it contains.
    pub position: usize,
    /// The state, or the encoded object.
    pub bytes: &'a [u8],
    /// Seconds that the worker was held up.
    pub blocking_s: f64,
}

/// Keeps a run's events and checkpoints. Called from one thread, in order.
pub trait Journal: Send {
    /// Makes events durable.
    fn record(&mut self, events: &[RunEvent]) -> Result<(), Failure>;
    /// Makes a checkpoint durable; gives `blake3:…` of its bytes.
    fn save(&mut self, save: Save<'_>) -> Result<String, Failure>;
    /// The verified bytes of a checkpoint.
    fn load(&mut self, id: &CheckpointId) -> Result<Vec<u8>, Failure>;
}
