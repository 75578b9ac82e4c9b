//! Actors that lose their state, in the core: what is told of it, what is restored, and which calls are
//! made again.

use mobula_contract::{EventBody, Failure, RecoveryReport};

use super::Core;
use super::message::{ActorId, Due, Effect, UnitId, WorkerId};
use super::state::{Life, Phase, Recovery};
use crate::policy::{Cause, Learned, Lost, Restored, Subject};

impl Core {
    /// Its state is gone. `again` is false where the failure was the call's own, which is not repeated:
    /// then the actor is made anew all the same, as long as it may be.
    pub(super) fn lose_actor(
        &mut self,
        id: ActorId,
        worker: WorkerId,
        failure: &Failure,
        again: bool,
    ) {
        self.let_go(id, worker);
        let actor = self.actors.get_mut(&id).expect("it was on a worker");
        actor.failures += 1;
        actor.messages.push((worker, failure.message.clone()));
        let tries = actor.failures;
        let (session, name) = (actor.session, actor.name.clone());
        self.record(session, &|| EventBody::ActorLost {
            actor: name.clone(),
            worker: worker.to_string(),
            message: failure.message.clone(),
        });
        // Who is told to stop does not fail.
        if !self.is_ending(session) {
            let actor = &self.actors[&id];
            self.say_lost(id, actor.unsaved_s + actor.partial_s, Cause::Actor);
        }
        for save in self.actors[&id].in_flight.clone() {
            if self.saves.get(&save).is_some_and(|saving| !saving.taken) {
                self.drop_save(save);
            }
        }
        let actor = self.actors.get_mut(&id).expect("just found");
        let restarts = match again {
            true => actor.retry.again(failure, tries),
            false => tries <= actor.retry.max,
        };
        if !restarts || self.is_ending(session) {
            return self.mourn(id, failure);
        }
        let actor = self.actors.get_mut(&id).expect("just found");
        actor.life = Life::Lost;
        let after_ms = actor.retry.wait_ms(tries);
        actor.rested = after_ms == 0;
        match after_ms {
            0 => self.look_at(id),
            _ => self.effects.push(Effect::Wake { after_ms, due: Due::Restart(id) }),
        }
    }

    /// Its worker is gone, or goes, and what it took is given back.
    fn let_go(&mut self, id: ActorId, worker: WorkerId) {
        let actor = self.actors.get_mut(&id).expect("it was on a worker");
        if let Some(unit) = actor.at(actor.next).and_then(|unit| self.units.get_mut(&unit))
            && matches!(unit.phase, Phase::Ready(_))
        {
            unit.phase = Phase::Waiting;
        }
        actor.worker = None;
        let need = actor.need;
        if std::mem::take(&mut actor.admitted) {
            self.give_back(need);
        }
        self.workers.remove(&worker);
        self.effects.push(Effect::DismissWorker(worker));
    }

    pub(super) fn may_restart(&self, id: ActorId, failure: &Failure) -> bool {
        self.actors.get(&id).is_some_and(|actor| {
            actor.retry.again(failure, actor.failures + 1) && !self.is_ending(actor.session)
        })
    }

    pub(super) fn restart_due(&mut self, id: ActorId) {
        if let Some(actor) = self.actors.get_mut(&id) {
            actor.rested = true;
            self.look_at(id);
        }
    }

    /// Goes back to the newest durable checkpoint and lines up the calls since.
    pub(super) fn recover(&mut self, id: ActorId) {
        let actor = self.actors.get_mut(&id).expect("it was lost");
        actor.restarts += 1;
        let failed = actor.at(actor.next).or(actor.log.back().copied());
        let lost_s = actor.unsaved_s + std::mem::take(&mut actor.partial_s);
        let failed = failed.map(|failed| self.units[&failed].stage.clone());
        let actor = self.actors.get_mut(&id).expect("just found");
        // Where it did not even stand again, it is still the first loss.
        actor.recovery.get_or_insert(Recovery { failed, lost_s });
        let again = self.go_back(id);
        self.line_up(again);
    }

    /// Tells the policy that a state is gone, with so many useful seconds.
    pub(super) fn say_lost(&mut self, id: ActorId, lost_s: f64, cause: Cause) {
        let (at_s, actor) = (self.now_s, &self.actors[&id]);
        let lost = Lost { at_s, of: Subject::Actor(&actor.name), lost_s, cause };
        let entry = self.sessions.get_mut(&actor.session);
        if let Some(policy) = entry.and_then(|entry| entry.policy.as_mut()) {
            policy.lost(lost);
        }
    }

    /// To its newest checkpoint; gives the calls that it has to make again.
    fn go_back(&mut self, id: ActorId) -> Vec<UnitId> {
        let actor = self.actors.get_mut(&id).expect("it was lost");
        let (was, position) = (actor.next, actor.durable_position());
        actor.next = position;
        actor.unsaved_s = 0.0;
        actor.life = Life::Absent;
        let mut again: Vec<UnitId> = Vec::new();
        for unit in (position..was).filter_map(|call| actor.at(call)) {
            let entry = self.units.get_mut(&unit).expect("the log keeps it");
            if !matches!(entry.phase, Phase::Failed(_)) {
                entry.replay = true;
                again.push(unit);
            }
        }
        // The call that failed waits again as well.
        let current = actor.at(was);
        again.extend(current.filter(|unit| self.units[unit].phase == Phase::Waiting));
        again
    }

    fn line_up(&mut self, units: Vec<UnitId>) {
        units.into_iter().for_each(|unit| self.await_sources(unit));
    }

    /// The newest checkpoint cannot be read: the one before it is used, and the calls since are made again.
    pub(super) fn set_aside(&mut self, id: ActorId, worker: WorkerId, failure: &Failure) {
        self.let_go(id, worker);
        let actor = self.actors.get_mut(&id).expect("it was on a worker");
        let session = actor.session;
        let Some(damaged) = actor.durables.pop() else { return self.mourn(id, failure) };
        let there = actor.durable_position() >= actor.base;
        self.record(session, &|| EventBody::CheckpointSetAside {
            id: damaged.id.clone(),
            message: failure.message.clone(),
        });
        if !there {
            let message = format!("{failure}; `mobula runs resume` goes back to one before it");
            return self.mourn(id, &Failure::new(failure.kind, message));
        }
        let again = self.go_back(id);
        self.line_up(again);
        self.look_at(id);
    }

    /// After a failure it stands again: what the policy learns of it is written down.
    pub(super) fn is_restored(&mut self, id: ActorId) {
        let at_s = self.now_s;
        let actor = self.actors.get_mut(&id).expect("just found");
        let spent_s = std::mem::take(&mut actor.spent_s);
        let Some(Recovery { failed, lost_s }) = actor.recovery.take() else { return };
        let (kept_s, units_kept, session) = (actor.kept_s, actor.kept_units, actor.session);
        let newest = actor.durables.last();
        let restore_s = newest.map(|_| at_s - actor.restoring_since_s);
        let from_checkpoint = newest.map(|durable| durable.id.clone());
        let restored_to = newest.and_then(|durable| durable.index);
        let restored = Restored { at_s, of: Subject::Actor(&actor.name), restore_s, units_kept };
        let entry = self.sessions.get_mut(&session).and_then(|entry| entry.policy.as_mut());
        let benefit_s = kept_s - spent_s;
        let learned = entry.map(|policy| policy.restored(restored));
        let learned = learned.unwrap_or(Learned { benefit_s, ..Learned::default() });
        let Some(failed) = failed else { return };
        self.record(session, &|| EventBody::Recovered {
            recovery: RecoveryReport {
                stage: failed.name.clone(),
                index: failed.index,
                from_checkpoint: from_checkpoint.clone(),
                restored_to,
                benefit_s: learned.benefit_s,
                threshold_before: learned.threshold_before,
                threshold_after: learned.threshold_after,
                lost_s,
                kept_s,
            },
        });
    }
}
