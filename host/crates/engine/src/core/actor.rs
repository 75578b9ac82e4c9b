//! Actors in the core: calls in order, restart with restore and replay, and their end.

use mobula_contract::{EventBody, Failure, FailureKind, Receipt};

use super::Core;
use super::message::{ActorId, Effect, NewActor, UnitId, WorkerId};
use super::ready::Item;
use super::state::{Actor, Durable, Job, Life, Phase, Recovery};
use super::unit::summary;
use crate::policy::Cause;

impl Core {
    pub(super) fn create_actor(&mut self, new: NewActor) {
        let NewActor { actor: id, session, name, need, retry, eager, left } = new;
        let left_before = left.unwrap_or_default();
        let ended = &left_before.ended;
        let index = |position: usize| Some(ended.get(position.checked_sub(1)?)?.0.index);
        let durable = |(id, position): &(_, usize)| Durable {
            id: Clone::clone(id),
            position: *position,
            index: index(*position),
        };
        let durables: Vec<Durable> = left_before.durables.iter().map(durable).collect();
        let position = durables.last().map_or(0, |durable| durable.position);
        let before = durables.len().checked_sub(2).map_or(0, |i| durables[i].position);
        let kept = ended.get(before..position.min(ended.len())).unwrap_or_default();
        let actor = Actor {
            session,
            name,
            need,
            retry,
            life: Life::Absent,
            worker: None,
            eager,
            sealed: false,
            admitted: false,
            rested: true,
            log: std::collections::VecDeque::new(),
            base: 0,
            next: position,
            restarts: left_before.restarts,
            failures: 0,
            messages: Vec::new(),
            durables,
            in_flight: Vec::new(),
            spent_s: 0.0,
            kept_units: u32::try_from(kept.len()).unwrap_or(u32::MAX),
            recovery: None,
            kept_s: kept.iter().map(|(_, runtime_s)| runtime_s).sum(),
            bytes: None,
            restoring_since_s: 0.0,
            unsaved_s: 0.0,
            partial_s: 0.0,
            dead: None,
        };
        self.actors.insert(id, actor);
        match self.sessions.get_mut(&session).filter(|entry| entry.ending.is_none()) {
            Some(entry) => entry.actors_left += 1,
            None => {
                return self
                    .bury(id, Failure::new(FailureKind::Cancelled, "the session has ended"));
            }
        }
        if let Some(failed) = left_before.under_way.clone() {
            self.actors.get_mut(&id).expect("just entered").restarts += 1;
            let lost_s = ended.iter().skip(position).map(|(_, runtime_s)| runtime_s).sum();
            let cause = if left_before.by_user { Cause::User } else { Cause::Host };
            let actor = self.actors.get_mut(&id).expect("just entered");
            actor.recovery = Some(Recovery { failed: Some(failed), lost_s });
            self.say_lost(id, lost_s, cause);
        }
        self.look_at(id);
    }

    /// A call that came.
    pub(super) fn enter_log(&mut self, actor: ActorId, id: UnitId) {
        match self.actors.get_mut(&actor) {
            Some(entry) if entry.dead.is_none() && !entry.sealed => {
                entry.log.push_back(id);
                self.units.get_mut(&id).expect("it was just entered").logged = true;
                self.await_sources(id);
                self.look_at(actor);
            }
            Some(entry) => {
                let gone = || Failure::new(FailureKind::Invalid, "the actor takes no more calls");
                let failure = entry.dead.clone().unwrap_or_else(gone);
                self.fail(id, failure);
            }
            None => {
                self.fail(id, Failure::new(FailureKind::Invalid, "there is no such actor"));
            }
        }
    }

    /// A call that an earlier process had made, and whose effect is part of what is restored.
    pub(super) fn pass_in_log(&mut self, actor: ActorId) {
        if let Some(entry) = self.actors.get_mut(&actor) {
            assert!(entry.log.is_empty(), "calls come in the order of the earlier process");
            entry.base += 1;
        }
    }

    pub(super) fn seal_actor(&mut self, id: ActorId) {
        if let Some(actor) = self.actors.get_mut(&id) {
            actor.sealed = true;
            self.look_at(id);
        }
    }

    pub(super) fn kill_actor(&mut self, id: ActorId) {
        let Some(actor) = self.actors.get(&id) else { return };
        let failure = Failure::new(FailureKind::Invalid, format!("actor {} was ended", actor.name));
        match actor.at(actor.next).filter(|_| actor.life == Life::Busy) {
            // The call is told to stop; with its end, and no more starts, the actor is gone.
            Some(call) => {
                let actor = self.actors.get_mut(&id).expect("just found");
                actor.dead = Some(failure);
                actor.retry.max = 0;
                self.cancel(call);
            }
            None => self.bury(id, failure),
        }
    }

    /// Does for an actor what can be done now.
    pub(super) fn look_at(&mut self, id: ActorId) {
        let Some(actor) = self.actors.get_mut(&id) else { return };
        if actor.life == Life::Lost && actor.in_flight.is_empty() && actor.rested {
            self.recover(id);
        }
        self.pass_failed_calls(id);
        let Some(actor) = self.actors.get(&id) else { return };
        // The call during which it was ended has come to its own end.
        if let Some(dead) = actor.dead.clone().filter(|_| actor.life == Life::Idle) {
            return self.bury(id, dead);
        }
        let next = actor.at(actor.next);
        let may_go = next.is_some_and(|unit| {
            let unit = &self.units[&unit];
            unit.phase == Phase::Waiting && unit.missing == 0
        });
        let done = next.is_none() && actor.sealed;
        match actor.life {
            Life::Absent if done && actor.next == 0 => self.end_actor(id),
            Life::Absent if may_go || done || actor.eager => {
                let need = actor.need;
                self.actors.get_mut(&id).expect("just found").life = Life::Queued;
                self.ready.push(need, Item::Start(id));
            }
            Life::Idle if may_go => {
                self.actors.get_mut(&id).expect("just found").life = Life::Called;
                self.enqueue(next.expect("it may go"));
            }
            Life::Idle
                if done && !self.sessions.get(&actor.session).is_some_and(|s| s.rules.recorded) =>
            {
                self.end_actor(id);
            }
            Life::Idle if done => {
                let worker = actor.worker.expect("an idle actor has a worker");
                self.actors.get_mut(&id).expect("just found").life = Life::Finishing;
                self.effects.push(Effect::FinishActor { actor: id, worker });
            }
            _ => {}
        }
    }

    /// Calls that will never be made lose their place.
    fn pass_failed_calls(&mut self, id: ActorId) {
        while let Some(actor) = self.actors.get(&id)
            && let Some(unit) = actor.at(actor.next)
            && matches!(self.units[&unit].phase, Phase::Failed(_))
        {
            let actor = self.actors.get_mut(&id).expect("just found");
            actor.next += 1;
            if actor.life == Life::Called {
                actor.life = Life::Idle;
            }
            self.shorten_log(id);
        }
    }

    /// Forgets the calls that no restart would repeat.
    pub(super) fn shorten_log(&mut self, id: ActorId) {
        let actor = &self.actors[&id];
        let recorded = self.sessions.get(&actor.session).is_some_and(|s| s.rules.recorded);
        let over = actor.dead.is_some() || matches!(actor.life, Life::Finishing | Life::Over);
        let until = match actor.retry.max {
            0 => actor.next,
            _ if over => actor.next,
            _ if recorded => actor.settled_position(),
            // What is kept in memory is not damaged.
            _ => actor.durable_position(),
        };
        while let Some(actor) = self.actors.get_mut(&id)
            && actor.base < until
            && let Some(unit) = actor.log.pop_front()
        {
            actor.base += 1;
            self.units.get_mut(&unit).expect("the log keeps it").logged = false;
            self.settle(unit);
            self.release_if_unneeded(unit);
        }
    }

    pub(super) fn start_actor(&mut self, id: ActorId) {
        let worker = self.new_worker(Job::Actor(id, None));
        let actor = self.actors.get_mut(&id).expect("it was queued");
        actor.life = Life::Starting;
        actor.worker = Some(worker);
        actor.admitted = true;
        actor.restoring_since_s = self.now_s;
        self.free.cpus_milli -= actor.need.cpus_milli;
        self.free.memory_bytes -= actor.need.memory_bytes;
        let from = actor.durables.last().map(|durable| durable.id.clone());
        self.effects.push(Effect::StartActor { actor: id, worker, from });
    }

    fn is_on(&self, id: ActorId, worker: WorkerId) -> bool {
        self.actors.get(&id).is_some_and(|actor| actor.worker == Some(worker))
    }

    pub(super) fn actor_started(
        &mut self,
        id: ActorId,
        worker: WorkerId,
        result: Result<(), Failure>,
    ) {
        if !self.is_on(id, worker) {
            return;
        }
        match result {
            Ok(()) => {
                self.is_restored(id);
                let actor = self.actors.get_mut(&id).expect("just found");
                actor.life = Life::Idle;
                let (session, name, restarts) = (actor.session, actor.name.clone(), actor.restarts);
                self.record(session, &|| EventBody::ActorStarted {
                    actor: name.clone(),
                    worker: worker.to_string(),
                    restarts,
                });
                self.look_at(id);
            }
            Err(failure) if failure.kind == FailureKind::Damaged => {
                self.set_aside(id, worker, &failure);
            }
            Err(failure) => self.lose_actor(id, worker, &failure, true),
        }
    }

    pub(super) fn actor_finished(
        &mut self,
        id: ActorId,
        worker: WorkerId,
        result: Result<String, Failure>,
    ) {
        if !self.is_on(id, worker) {
            return;
        }
        match result {
            Ok(digest) => {
                let actor = &self.actors[&id];
                let (session, name) = (actor.session, actor.name.clone());
                self.record(session, &|| EventBody::ActorFinished {
                    actor: name.clone(),
                    state_digest: Some(digest.clone()),
                });
                self.end_actor(id);
            }
            Err(failure) => self.lose_actor(id, worker, &failure, true),
        }
    }

    pub(super) fn call_succeeded(&mut self, id: ActorId, unit: UnitId) {
        let Some(actor) = self.actors.get_mut(&id) else { return };
        actor.life = Life::Idle;
        actor.next += 1;
        actor.partial_s = 0.0;
        let entry = self.units.get_mut(&unit).expect("it ran");
        entry.replay = false;
        actor.unsaved_s += entry.runtime_s;
        self.decide_state(id, unit);
        self.shorten_log(id);
        self.look_at(id);
    }

    pub(super) fn actor_call_failed(
        &mut self,
        id: ActorId,
        (unit, worker): (UnitId, WorkerId),
        alive: bool,
        failure: Failure,
        receipt: Receipt,
    ) {
        let retried = self.call_is_retried(id, unit, worker, &failure);
        self.record_failure(unit, worker, &failure, retried, Some(receipt));
        if !retried {
            self.give_up(unit, failure.clone());
        }
        if alive && !retried {
            if let Some(actor) = self.actors.get_mut(&id) {
                actor.life = Life::Idle;
            }
            return self.look_at(id);
        }
        self.lose_actor(id, worker, &failure, retried);
    }

    /// Whether a restart will make the call again; enters the failure.
    fn call_is_retried(
        &mut self,
        id: ActorId,
        unit: UnitId,
        worker: WorkerId,
        failure: &Failure,
    ) -> bool {
        let retried = self.may_restart(id, failure);
        let unit = self.units.get_mut(&unit).expect("it ran");
        if let Some(actor) = self.actors.get_mut(&id) {
            actor.partial_s = self.now_s - unit.started_s;
        }
        unit.phase = Phase::Waiting;
        unit.failed += 1;
        unit.failures.push((worker, failure.message.clone()));
        retried && !unit.cancelled
    }

    pub(super) fn actor_worker_lost(
        &mut self,
        id: ActorId,
        call: Option<UnitId>,
        worker: WorkerId,
        failure: Failure,
    ) {
        let mut retried = true;
        if let Some(unit) = call {
            self.call_is_over(unit);
            retried = self.call_is_retried(id, unit, worker, &failure);
            self.record_failure(unit, worker, &failure, retried, None);
            if !retried {
                self.give_up(unit, failure.clone());
            }
        }
        if self.is_on(id, worker) {
            self.lose_actor(id, worker, &failure, retried);
        }
    }

    /// No more starts: what waits for it fails, and with it the session where that is the rule.
    pub(super) fn mourn(&mut self, id: ActorId, failure: &Failure) {
        let actor = &self.actors[&id];
        let (session, before) = (actor.session, summary(&actor.messages));
        let message = format!("actor {} failed{before}: {failure}", actor.name);
        self.bury(id, Failure::new(failure.kind, message.clone()));
        let stops = self.sessions.get(&session).is_some_and(|s| s.rules.stops_on_failure);
        match (stops, failure.kind) {
            (true, FailureKind::Cancelled) => self.cancel_session(session),
            (true, _) => self.fail_session(session, message),
            (false, _) => {}
        }
    }

    /// Takes no more calls, and fails those that wait.
    pub(super) fn bury(&mut self, id: ActorId, failure: Failure) {
        let Some(actor) = self.actors.get_mut(&id) else { return };
        actor.dead = Some(failure.clone());
        actor.life = Life::Over;
        let waiting: Vec<UnitId> = actor.log.iter().copied().collect();
        for unit in waiting {
            if self.units.get(&unit).is_some_and(|unit| !unit.is_over()) {
                self.fail(unit, failure.clone());
            }
        }
        self.end_actor(id);
    }

    pub(super) fn end_actor(&mut self, id: ActorId) {
        let Some(actor) = self.actors.get_mut(&id) else { return };
        actor.life = Life::Over;
        actor.next = actor.base + actor.log.len();
        let (of, need, worker) = (actor.session, actor.need, actor.worker.take());
        if std::mem::take(&mut actor.admitted) {
            self.give_back(need);
        }
        if let Some(worker) = worker.filter(|worker| self.workers.remove(worker).is_some()) {
            self.effects.push(Effect::DismissWorker(worker));
        }
        self.shorten_log(id);
        if self.actors.remove(&id).is_some() {
            self.effects.push(Effect::ForgetActor(id));
            if let Some(session) = self.sessions.get_mut(&of) {
                session.actors_left = session.actors_left.saturating_sub(1);
            }
            self.touched.push(of);
        }
    }
}
