//! Actors in the core: calls in order, checkpoints after them, restart with restore and replay.

use mobula_contract::{DecisionReport, EventBody, Failure, FailureKind, RecoveryReport, RunStatus};

use super::state::{ActorId, Durable, Phase, SaveId, Saving, WorkerId};
use super::{Core, Effect};
use crate::plan::UnitId;
use crate::port::{Seen, Verdict};

impl Core {
    pub(super) fn dispatch_actors(&mut self) {
        for at in 0..self.actors.len() {
            let actor = ActorId(at);
            if self.actors[at].phase == Phase::Lost && self.actors[at].in_flight.is_none() {
                self.recover(actor);
            }
            let next = self.plan.actors[at].calls.get(self.actors[at].next).copied();
            let may_go = next.is_none_or(|unit| self.has_inputs(unit));
            match (self.actors[at].phase, next) {
                (Phase::Absent, _) if may_go => self.start_actor(actor),
                (Phase::Idle, Some(unit)) if may_go => {
                    let worker = self.actors[at].worker.expect("an idle actor has a worker");
                    self.actors[at].phase = Phase::Busy;
                    self.call(unit, worker);
                }
                (Phase::Idle, None) => {
                    let worker = self.actors[at].worker.expect("an idle actor has a worker");
                    self.actors[at].phase = Phase::Finishing;
                    self.effects.push(Effect::FinishActor { actor, worker });
                }
                _ => {}
            }
        }
    }

    fn start_actor(&mut self, actor: ActorId) {
        let worker = self.new_worker();
        let state = &mut self.actors[actor.0];
        state.phase = Phase::Starting;
        state.worker = Some(worker);
        let from = state.durables.last().map(|durable| durable.id.clone());
        self.effects.push(Effect::StartActor { actor, worker, from });
    }

    pub(super) fn actor_started(
        &mut self,
        actor: ActorId,
        worker: WorkerId,
        result: Result<(), Failure>,
    ) {
        if self.actors[actor.0].worker != Some(worker) {
            return;
        }
        match result {
            Ok(()) => {
                self.actors[actor.0].phase = Phase::Idle;
                self.record(EventBody::ActorStarted {
                    actor: self.plan.actors[actor.0].name.clone(),
                    worker: worker.to_string(),
                    restarts: self.actors[actor.0].restarts,
                });
            }
            Err(failure) => self.lose_actor(actor, worker, &failure),
        }
    }

    pub(super) fn actor_finished(
        &mut self,
        actor: ActorId,
        worker: WorkerId,
        result: Result<String, Failure>,
    ) {
        if self.actors[actor.0].worker != Some(worker) {
            return;
        }
        match result {
            Ok(digest) => {
                self.actors[actor.0].phase = Phase::Over;
                self.actors[actor.0].worker = None;
                for unit in self.plan.actors[actor.0].calls.clone() {
                    self.settle(unit);
                }
                let actor = self.plan.actors[actor.0].name.clone();
                self.record(EventBody::ActorFinished { actor, state_digest: Some(digest) });
            }
            Err(failure) => self.lose_actor(actor, worker, &failure),
        }
    }

    pub(super) fn call_succeeded(&mut self, actor: ActorId, id: UnitId, runtime_s: f64) {
        let state = &mut self.actors[actor.0];
        state.phase = Phase::Idle;
        state.next += 1;
        self.units[id.0].replay = false;
        let seen = Seen {
            runtime_s,
            unsaved_s: self.unsaved_s(actor),
            bytes: self.actors[actor.0].bytes,
            in_flight: self.actors[actor.0].in_flight.is_some(),
            last: self.actors[actor.0].next == self.plan.actors[actor.0].calls.len(),
        };
        let verdict = self.policy.decide(seen);
        let save = verdict.checkpoint && !seen.in_flight;
        self.record_decision(id, runtime_s, verdict, save);
        if save {
            self.save_state(actor, id);
        }
    }

    fn save_state(&mut self, actor: ActorId, after: UnitId) {
        let id = (self.name_checkpoint)();
        let position = self.actors[actor.0].next;
        let save = self.begin_save(Saving {
            id: id.clone(),
            after,
            unit: None,
            actor: Some(actor),
            position,
            blocking_s: 0.0,
            bytes: 0,
            taken: false,
            ended: false,
        });
        self.actors[actor.0].in_flight = Some(save);
        let worker = self.actors[actor.0].worker.expect("an actor that was called has a worker");
        self.effects.push(Effect::SaveState { save, actor, worker, after, id, position });
    }

    fn begin_save(&mut self, saving: Saving) -> SaveId {
        self.saves.push(saving);
        SaveId(self.saves.len() - 1)
    }

    pub(super) fn decide_object(&mut self, id: UnitId, runtime_s: f64, bytes: u64) {
        let last = self.units[id.0].readers == 0;
        let seen =
            Seen { runtime_s, unsaved_s: runtime_s, bytes: Some(bytes), in_flight: false, last };
        let verdict = self.policy.decide(seen);
        let save = verdict.checkpoint && self.units[id.0].held;
        self.record_decision(id, runtime_s, verdict, save);
        if save {
            let name = (self.name_checkpoint)();
            let save = self.begin_save(Saving {
                id: name.clone(),
                after: id,
                unit: Some(id),
                actor: None,
                position: 0,
                blocking_s: 0.0,
                bytes,
                taken: true,
                ended: false,
            });
            self.effects.push(Effect::SaveObject { save, unit: id, id: name });
        }
    }

    fn record_decision(&mut self, id: UnitId, runtime_s: f64, verdict: Verdict, save: bool) {
        let stage = &self.plan.unit(id).stage;
        let decision = DecisionReport {
            stage: stage.name.clone(),
            index: stage.index,
            checkpoint: save,
            reason: verdict.reason,
            runtime_s,
            ratio: verdict.ratio,
            threshold: verdict.threshold,
            budget_left: verdict.budget_left,
            expected_loss_s: verdict.expected_loss_s,
            cost_s: verdict.cost_s,
        };
        self.record(EventBody::Decided { decision });
    }

    pub(super) fn state_is_durable(&mut self, actor: ActorId, saving: &Saving) {
        let state = &mut self.actors[actor.0];
        state.in_flight = None;
        state.bytes = Some(saving.bytes);
        state.spent_s += saving.blocking_s;
        state.durables.push(Durable { id: saving.id.clone(), position: saving.position });
        for call in 0..saving.position {
            self.settle(self.plan.actors[actor.0].calls[call]);
        }
    }

    pub(super) fn save_failed(&mut self, actor: ActorId) {
        self.actors[actor.0].in_flight = None;
    }

    pub(super) fn actor_call_failed(
        &mut self,
        actor: ActorId,
        id: UnitId,
        worker: WorkerId,
        failure: Failure,
    ) {
        let retried = self.may_restart(actor, &failure);
        self.record_failure(id, worker, &failure, retried);
        if retried {
            self.lose_actor(actor, worker, &failure);
        } else {
            self.actors[actor.0].phase = Phase::Over;
            self.give_up(id, &failure);
        }
    }

    pub(super) fn actor_worker_lost(
        &mut self,
        actor: ActorId,
        worker: WorkerId,
        failure: &Failure,
    ) {
        let busy = (0..self.units.len()).find(|i| self.units[*i].on == Some(worker));
        if let Some(id) = busy.map(UnitId) {
            self.units[id.0].on = None;
            self.running -= 1;
            let retried = self.may_restart(actor, failure);
            self.record_failure(id, worker, failure, retried);
        }
        self.lose_actor(actor, worker, failure);
    }

    fn may_restart(&self, actor: ActorId, failure: &Failure) -> bool {
        failure.kind.is_retried()
            && self.actors[actor.0].failures < self.plan.actors[actor.0].restarts
            && self.ending.is_none()
    }

    fn lose_actor(&mut self, actor: ActorId, worker: WorkerId, failure: &Failure) {
        let again = self.may_restart(actor, failure);
        let name = self.plan.actors[actor.0].name.clone();
        self.record(EventBody::ActorLost {
            actor: name.clone(),
            worker: worker.to_string(),
            message: failure.message.clone(),
        });
        if let Some(save) = self.actors[actor.0].in_flight
            && !self.saves[save.0].taken
        {
            self.saves[save.0].ended = true;
            self.actors[actor.0].in_flight = None;
        }
        let state = &mut self.actors[actor.0];
        state.worker = None;
        state.phase = if again { Phase::Lost } else { Phase::Over };
        if again {
            return;
        }
        if failure.kind == FailureKind::Cancelled {
            return self.end(RunStatus::Interrupted, None);
        }
        let restarts = state.failures;
        let tries =
            if restarts > 0 { format!(" after {restarts} restarts") } else { String::new() };
        self.end(RunStatus::Failed, Some(format!("actor {name} failed{tries}: {failure}")));
    }

    /// Goes back to the newest durable checkpoint and lines up the calls since.
    fn recover(&mut self, actor: ActorId) {
        let calls = self.plan.actors[actor.0].calls.clone();
        let state = &mut self.actors[actor.0];
        let (was, position) = (state.next, state.durable_position());
        state.next = position;
        state.restarts += 1;
        state.failures += 1;
        state.phase = Phase::Absent;
        for unit in &calls[position..was] {
            self.units[unit.0].replay = true;
        }
        let failed = calls[was.min(calls.len() - 1)];
        self.record_recovery(actor, failed, position);
    }

    pub(super) fn record_recovery(&mut self, actor: ActorId, failed: UnitId, position: usize) {
        let calls = &self.plan.actors[actor.0].calls;
        let state = &self.actors[actor.0];
        let before = state.durables.iter().rev().find(|durable| durable.position < position);
        let from = before.map_or(0, |durable| durable.position);
        let kept_s: f64 =
            calls[from..position].iter().map(|unit| self.units[unit.0].runtime_s).sum();
        let benefit_s = kept_s - state.spent_s;
        let from_checkpoint = state.durables.last().map(|durable| durable.id.clone());
        let restored_to = position.checked_sub(1).map(|i| self.plan.unit(calls[i]).stage.index);
        let stage = self.plan.unit(failed).stage.clone();
        let (threshold_before, threshold_after) = self.policy.recovered(benefit_s);
        self.actors[actor.0].spent_s = 0.0;
        let recovery = RecoveryReport {
            stage: stage.name,
            index: stage.index,
            from_checkpoint,
            restored_to,
            benefit_s,
            threshold_before,
            threshold_after,
        };
        self.record(EventBody::Recovered { recovery });
    }

    fn unsaved_s(&self, actor: ActorId) -> f64 {
        let (calls, state) = (&self.plan.actors[actor.0].calls, &self.actors[actor.0]);
        let unsaved = &calls[state.durable_position()..state.next];
        unsaved.iter().map(|unit| self.units[unit.0].runtime_s).sum()
    }
}
