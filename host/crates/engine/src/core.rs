//! The scheduler's state and its one rule: `step(event, now) -> effects`. Never waits, never reads a
//! clock, holds no object's bytes; the same events give the same effects.

mod actor;
mod message;
mod resume;
mod state;

use mobula_contract::{
    CheckpointId, CheckpointReport, EventBody, Failure, FailureKind, OutputNote, RunStatus,
};

use crate::plan::{Plan, UnitId};
use crate::port::Policy;

pub use message::{Effect, Event};
pub use resume::{Left, Resume};
pub use state::{ActorId, SaveId, WorkerId};
use state::{ActorState, Phase, Saving, UnitState};

/// Names the checkpoints of a run.
pub type NameCheckpoint = Box<dyn FnMut() -> CheckpointId + Send>;

/// The whole state of a run's scheduling.
pub struct Core {
    plan: Plan,
    policy: Box<dyn Policy>,
    name_checkpoint: NameCheckpoint,
    units: Vec<UnitState>,
    actors: Vec<ActorState>,
    pool_size: usize,
    idle: Vec<WorkerId>,
    workers: u32,
    ready: Vec<UnitId>,
    saves: Vec<Saving>,
    running: usize,
    units_left: usize,
    ending: Option<(RunStatus, Option<String>)>,
    ended: bool,
    effects: Vec<Effect>,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("units", &self.units).field("actors", &self.actors).finish()
    }
}

impl Core {
    /// A run that has not begun. `pool_size` is at least 1.
    #[must_use]
    pub fn new(
        plan: Plan,
        pool_size: usize,
        policy: Box<dyn Policy>,
        name_checkpoint: NameCheckpoint,
    ) -> Self {
        assert!(pool_size > 0, "a pool has workers");
        let units: Vec<_> = plan.units.iter().map(UnitState::new).collect();
        let units_left = units.len();
        let actors = plan.actors.iter().map(ActorState::new).collect();
        Self {
            plan,
            policy,
            name_checkpoint,
            units,
            actors,
            pool_size,
            idle: Vec::new(),
            workers: 0,
            ready: Vec::new(),
            saves: Vec::new(),
            running: 0,
            units_left,
            ending: None,
            ended: false,
            effects: Vec::new(),
        }
    }

    /// The plan that is run.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Takes in what happened and says what to do, in this order.
    pub fn step(&mut self, event: Event) -> Vec<Effect> {
        assert!(!self.ended, "nothing happens after the end");
        match event {
            Event::Started => self.start(),
            Event::CallEnded { unit, worker, runtime_s, result } => {
                self.call_ended(unit, worker, runtime_s, result);
            }
            Event::ActorStarted { actor, worker, result } => {
                self.actor_started(actor, worker, result);
            }
            Event::ActorFinished { actor, worker, result } => {
                self.actor_finished(actor, worker, result);
            }
            Event::WorkerLost { worker, message } => self.worker_lost(worker, &message),
            Event::SaveTaken { save, blocking_s, bytes } => {
                self.saves[save.0].blocking_s = blocking_s;
                self.saves[save.0].bytes = bytes;
                self.saves[save.0].taken = true;
            }
            Event::SaveEnded { save, result } => self.save_ended(save, result),
            Event::Cancelled => self.end(RunStatus::Interrupted, None),
            Event::HostFailed(message) => self.end(RunStatus::Failed, Some(message)),
        }
        self.dispatch();
        self.finish_if_done();
        std::mem::take(&mut self.effects)
    }

    fn start(&mut self) {
        for _ in 0..self.pool_size {
            self.spawn_worker();
        }
        for id in (0..self.units.len()).map(UnitId) {
            self.queue_if_ready(id);
        }
    }

    fn spawn_worker(&mut self) {
        let worker = self.new_worker();
        self.idle.push(worker);
        self.effects.push(Effect::SpawnWorker(worker));
    }

    fn new_worker(&mut self) -> WorkerId {
        self.workers += 1;
        WorkerId(self.workers - 1)
    }

    fn record(&mut self, body: EventBody) {
        self.effects.push(Effect::Record(body));
    }

    /// A task whose sources are all there and that has not been started.
    fn is_ready(&self, id: UnitId) -> bool {
        let (unit, state) = (self.plan.unit(id), &self.units[id.0]);
        unit.call.is_none() && !state.queued && !state.done && self.has_inputs(id)
    }

    fn queue_if_ready(&mut self, id: UnitId) {
        if self.is_ready(id) {
            self.units[id.0].queued = true;
            self.ready.push(id);
        }
    }

    fn has_inputs(&self, id: UnitId) -> bool {
        self.plan.unit(id).sources.iter().all(|source| self.units[source.0].held)
    }

    fn dispatch(&mut self) {
        if self.ending.is_some() {
            return;
        }
        let mut waiting = Vec::new();
        for id in std::mem::take(&mut self.ready) {
            let avoid = self.units[id.0].failed_on.filter(|_| self.pool_size > 1);
            match self.idle.iter().position(|worker| Some(*worker) != avoid) {
                Some(at) => {
                    let worker = self.idle.remove(at);
                    self.call(id, worker);
                }
                None => waiting.push(id),
            }
        }
        self.ready = waiting;
        self.dispatch_actors();
    }

    fn call(&mut self, id: UnitId, worker: WorkerId) {
        let state = &mut self.units[id.0];
        state.attempt += 1;
        state.on = Some(worker);
        let (attempt, replay) = (state.attempt, state.replay);
        self.running += 1;
        let unit = self.plan.unit(id);
        let (stage, on_actor) = (unit.stage.clone(), unit.call.is_some());
        let worker_name = worker.to_string();
        self.record(EventBody::StageStarted {
            stage,
            worker: worker_name,
            attempt,
            on_actor,
            replay,
        });
        self.effects.push(Effect::Call { unit: id, worker, attempt });
    }

    fn call_ended(
        &mut self,
        id: UnitId,
        worker: WorkerId,
        runtime_s: f64,
        result: Result<(Vec<(String, OutputNote)>, u64), Failure>,
    ) {
        if self.units[id.0].on != Some(worker) {
            return;
        }
        self.units[id.0].on = None;
        self.running -= 1;
        let on_actor = self.plan.unit(id).call;
        if on_actor.is_none() {
            self.idle.push(worker);
        }
        match (result, on_actor) {
            (Ok((outputs, bytes)), _) => {
                self.unit_finished(id, worker, runtime_s, outputs);
                match on_actor {
                    None => self.decide_object(id, runtime_s, bytes),
                    Some((actor, _)) => self.call_succeeded(ActorId(actor), id, runtime_s),
                }
            }
            (Err(failure), None) => self.task_failed(id, worker, failure),
            (Err(failure), Some((actor, _))) => {
                self.actor_call_failed(ActorId(actor), id, worker, failure);
            }
        }
    }

    fn unit_finished(
        &mut self,
        id: UnitId,
        worker: WorkerId,
        runtime_s: f64,
        outputs: Vec<(String, OutputNote)>,
    ) {
        let state = &mut self.units[id.0];
        self.units_left -= usize::from(!state.done);
        state.done = true;
        state.held = true;
        state.failed_on = None;
        state.runtime_s = runtime_s;
        let attempt = state.attempt;
        let stage = self.plan.unit(id).stage.clone();
        let worker = worker.to_string();
        self.record(EventBody::StageFinished { stage, worker, attempt, runtime_s, outputs });
        if self.plan.unit(id).call.is_none() {
            self.settle(id);
        }
        for consumer in self.plan.unit(id).consumers.clone() {
            self.queue_if_ready(consumer);
        }
        self.release_if_unneeded(id);
    }

    /// The unit will not read its inputs again.
    fn settle(&mut self, id: UnitId) {
        if self.units[id.0].settled {
            return;
        }
        self.units[id.0].settled = true;
        for source in self.plan.unit(id).sources.clone() {
            self.units[source.0].readers -= 1;
            self.release_if_unneeded(source);
        }
    }

    fn release_if_unneeded(&mut self, id: UnitId) {
        let being_saved = self.saves.iter().any(|s| !s.ended && s.unit == Some(id));
        // What nobody in the pipeline reads is a result of the run.
        let is_result = self.plan.unit(id).consumers.is_empty();
        let state = &mut self.units[id.0];
        if state.held && state.readers == 0 && !is_result && !being_saved {
            state.held = false;
            self.effects.push(Effect::Release(id));
        }
    }

    fn task_failed(&mut self, id: UnitId, worker: WorkerId, failure: Failure) {
        let retries = self.plan.unit(id).retries;
        let attempt = self.units[id.0].attempt;
        let retried = failure.kind.is_retried() && attempt <= retries && self.ending.is_none();
        self.record_failure(id, worker, &failure, retried);
        if retried {
            self.units[id.0].failed_on = Some(worker);
            self.ready.push(id);
        } else {
            self.give_up(id, &failure);
        }
    }

    fn record_failure(&mut self, id: UnitId, worker: WorkerId, failure: &Failure, retried: bool) {
        self.record(EventBody::StageFailed {
            stage: self.plan.unit(id).stage.clone(),
            worker: worker.to_string(),
            attempt: self.units[id.0].attempt,
            kind: failure.kind,
            message: failure.message.clone(),
            retried,
        });
    }

    fn give_up(&mut self, id: UnitId, failure: &Failure) {
        if failure.kind == FailureKind::Cancelled {
            return self.end(RunStatus::Interrupted, None);
        }
        let stage = self.plan.unit(id).stage.clone();
        let attempt = self.units[id.0].attempt;
        let tries = if attempt > 1 { format!(" after {attempt} attempts") } else { String::new() };
        let error = format!("stage {stage} failed{tries}: {failure}");
        self.end(RunStatus::Failed, Some(error));
    }

    /// No new work from here on; what runs is told to stop. The first reason stays.
    fn end(&mut self, status: RunStatus, error: Option<String>) {
        if self.ending.is_none() {
            self.ending = Some((status, error));
            self.ready.clear();
            self.effects.push(Effect::CancelCalls);
        }
    }

    fn worker_lost(&mut self, worker: WorkerId, message: &str) {
        if let Some(actor) = self.actors.iter().position(|a| a.worker == Some(worker)) {
            let failure = Failure::new(FailureKind::WorkerLost, message);
            return self.actor_worker_lost(ActorId(actor), worker, &failure);
        }
        self.idle.retain(|idle| *idle != worker);
        if self.ending.is_none() {
            self.spawn_worker();
        }
        let lost = (0..self.units.len()).find(|i| self.units[*i].on == Some(worker));
        if let Some(id) = lost.map(UnitId) {
            self.units[id.0].on = None;
            self.running -= 1;
            self.task_failed(id, worker, Failure::new(FailureKind::WorkerLost, message));
        }
    }

    fn save_ended(&mut self, save: SaveId, result: Result<(f64, String), Failure>) {
        self.saves[save.0].ended = true;
        let saving = self.saves[save.0].clone();
        match result {
            Ok((total_s, digest)) => {
                let stage = &self.plan.unit(saving.after).stage;
                let checkpoint = CheckpointReport {
                    id: saving.id.clone(),
                    stage: stage.name.clone(),
                    index: stage.index,
                    bytes: saving.bytes,
                    blocking_s: saving.blocking_s,
                    total_s,
                    digest,
                };
                let actor = saving.actor.map(|actor| self.plan.actors[actor.0].name.clone());
                self.record(EventBody::CheckpointSaved { checkpoint, actor });
                self.policy.saved(saving.blocking_s, saving.bytes);
                if let Some(actor) = saving.actor {
                    self.state_is_durable(actor, &saving);
                }
            }
            Err(failure) => {
                let message = failure.message;
                self.record(EventBody::CheckpointFailed { id: saving.id.clone(), message });
                if let Some(actor) = saving.actor {
                    self.save_failed(actor);
                }
            }
        }
        if let Some(unit) = saving.unit {
            self.release_if_unneeded(unit);
        }
    }

    fn finish_if_done(&mut self) {
        let all_done =
            self.units_left == 0 && self.actors.iter().all(|actor| actor.phase == Phase::Over);
        if all_done && self.ending.is_none() {
            self.ending = Some((RunStatus::Succeeded, None));
        }
        let quiet = self.running == 0 && self.saves.iter().all(|save| save.ended);
        if let (Some((status, error)), true) = (&self.ending, quiet) {
            self.effects.push(Effect::Finish { status: *status, error: error.clone() });
            self.ended = true;
        }
    }
}
