//! Checkpoints in the core: when one is taken, and what it allows to forget once it is durable.

use mobula_contract::{CheckpointReport, DecisionReport, EventBody, Failure};

use super::Core;
use super::message::{ActorId, Effect, SaveId, SessionId, UnitId};
use super::state::{Durable, Saving};
use crate::port::{Seen, Verdict};

/// Calls of an actor that a restart would repeat at most: after so many a checkpoint is taken whatever
/// the policy says, so that a long life does not fill the memory.
pub(super) const REPLAY_MAX: usize = 10_000;

impl Core {
    /// After a call of an actor.
    pub(super) fn decide_state(&mut self, id: ActorId, unit: UnitId) {
        let actor = &self.actors[&id];
        let session = actor.session;
        if self.is_ending(session)
            || actor.retry.max == 0 && self.sessions[&session].policy.is_none()
        {
            return;
        }
        let runtime_s = self.units[&unit].runtime_s;
        let since = actor.durable_position()..actor.next;
        let calls = since.len();
        let in_flight = actor.in_flight.is_some();
        let full = calls >= REPLAY_MAX && !in_flight;
        let policy_asks = self.sessions[&session].policy.is_some() && {
            let unsaved_s = since
                .filter_map(|call| actor.at(call))
                .map(|unit| self.units[&unit].runtime_s)
                .sum();
            let last = actor.sealed && actor.waiting() == 0;
            let seen = Seen { runtime_s, unsaved_s, bytes: actor.bytes, in_flight, last };
            self.decide(session, unit, seen, !in_flight)
        };
        if (policy_asks || full) && self.sessions[&session].names.is_some() {
            self.save_state(id, unit);
        }
    }

    /// After a task.
    pub(super) fn decide_object(&mut self, id: UnitId, bytes: u64) {
        let Some(unit) = self.units.get(&id) else { return };
        let (session, held) = (unit.session, unit.held);
        if self.is_ending(session) || self.sessions[&session].policy.is_none() {
            return;
        }
        let runtime_s = unit.runtime_s;
        let last = unit.readers == 0;
        let bytes_seen = Some(bytes);
        let seen =
            Seen { runtime_s, unsaved_s: runtime_s, bytes: bytes_seen, in_flight: false, last };
        if self.decide(session, id, seen, held) {
            self.save_object(id, bytes);
        }
    }

    fn decide(&mut self, session: SessionId, unit: UnitId, seen: Seen, possible: bool) -> bool {
        let entry = self.sessions.get_mut(&session).expect("it is not ending");
        let verdict = entry.policy.as_mut().expect("it has a policy").decide(seen);
        let save = verdict.checkpoint && possible;
        self.record_decision(session, unit, seen.runtime_s, &verdict, save);
        save
    }

    fn record_decision(
        &mut self,
        session: SessionId,
        unit: UnitId,
        runtime_s: f64,
        verdict: &Verdict,
        save: bool,
    ) {
        let stage = self.units[&unit].stage.clone();
        self.record(session, &|| EventBody::Decided {
            decision: DecisionReport {
                stage: stage.name.clone(),
                index: stage.index,
                checkpoint: save,
                reason: verdict.reason.clone(),
                runtime_s,
                ratio: verdict.ratio,
                threshold: verdict.threshold,
                budget_left: verdict.budget_left,
                expected_loss_s: verdict.expected_loss_s,
                cost_s: verdict.cost_s,
            },
        });
    }

    fn save_state(&mut self, id: ActorId, unit: UnitId) {
        let actor = &self.actors[&id];
        let (session, position) = (actor.session, actor.next);
        let worker = actor.worker.expect("an actor that was called has a worker");
        let after = self.units[&unit].stage.clone();
        let save = self.begin_save(session, |name| Saving {
            session,
            id: name,
            after: after.clone(),
            unit: None,
            actor: Some(id),
            position,
            blocking_s: 0.0,
            bytes: 0,
            taken: false,
        });
        self.actors.get_mut(&id).expect("just found").in_flight = Some(save);
        let name = self.saves[&save].id.clone();
        self.effects.push(Effect::SaveState { save, actor: id, worker, after, id: name, position });
    }

    fn save_object(&mut self, id: UnitId, bytes: u64) {
        let unit = self.units.get_mut(&id).expect("it was just decided about");
        unit.saving += 1;
        let (session, stage) = (unit.session, unit.stage.clone());
        let save = self.begin_save(session, |name| Saving {
            session,
            id: name,
            after: stage.clone(),
            unit: Some(id),
            actor: None,
            position: 0,
            blocking_s: 0.0,
            bytes,
            taken: true,
        });
        let name = self.saves[&save].id.clone();
        self.effects.push(Effect::SaveObject { save, unit: id, stage, id: name });
    }

    fn begin_save(
        &mut self,
        session: SessionId,
        saving: impl FnOnce(mobula_contract::CheckpointId) -> Saving,
    ) -> SaveId {
        let entry = self.sessions.get_mut(&session).expect("it is not ending");
        entry.saving += 1;
        let name = entry.names.as_mut().expect("a session that saves names its checkpoints")();
        let save = SaveId(self.saves_ever);
        self.saves_ever += 1;
        self.saves.insert(save, saving(name));
        save
    }

    /// A save that never came about.
    pub(super) fn drop_save(&mut self, save: SaveId) -> Option<Saving> {
        let saving = self.saves.remove(&save)?;
        if let Some(session) = self.sessions.get_mut(&saving.session) {
            session.saving -= 1;
            self.touched.push(saving.session);
        }
        if let Some(actor) = saving.actor.and_then(|actor| self.actors.get_mut(&actor)) {
            actor.in_flight = None;
        }
        Some(saving)
    }

    pub(super) fn save_ended(&mut self, save: SaveId, result: Result<(f64, String), Failure>) {
        let Some(saving) = self.drop_save(save) else { return };
        let session = saving.session;
        match result {
            Ok((total_s, digest)) => {
                let actor = saving.actor.and_then(|actor| self.actors.get(&actor));
                let actor = actor.map(|actor| actor.name.clone());
                self.record(session, &|| EventBody::CheckpointSaved {
                    checkpoint: CheckpointReport {
                        id: saving.id.clone(),
                        stage: saving.after.name.clone(),
                        index: saving.after.index,
                        bytes: saving.bytes,
                        blocking_s: saving.blocking_s,
                        total_s,
                        digest: digest.clone(),
                    },
                    actor: actor.clone(),
                });
                let entry = self.sessions.get_mut(&session);
                if let Some(policy) = entry.and_then(|session| session.policy.as_mut()) {
                    policy.saved(saving.blocking_s, saving.bytes);
                }
                if let Some(actor) = saving.actor {
                    self.state_is_durable(actor, &saving);
                }
            }
            Err(failure) => {
                self.record(session, &|| EventBody::CheckpointFailed {
                    id: saving.id.clone(),
                    message: failure.message.clone(),
                });
            }
        }
        if let Some(actor) = saving.actor {
            self.look_at(actor);
        }
        if let Some(unit) = saving.unit {
            if let Some(unit) = self.units.get_mut(&unit) {
                unit.saving -= 1;
            }
            self.release_if_unneeded(unit);
        }
    }

    fn state_is_durable(&mut self, id: ActorId, saving: &Saving) {
        let Some(actor) = self.actors.get_mut(&id) else { return };
        let since = actor.durable_position()..saving.position;
        let units: Vec<UnitId> = since.filter_map(|call| actor.at(call)).collect();
        actor.kept_s = units.iter().map(|unit| self.units[unit].runtime_s).sum();
        actor.bytes = Some(saving.bytes);
        actor.spent_s += saving.blocking_s;
        let index = Some(saving.after.index);
        actor.durables.push(Durable { id: saving.id.clone(), position: saving.position, index });
        // Only the newest is restored, and the one before it tells what the newest kept.
        let old = actor.durables.len().saturating_sub(2);
        actor.durables.drain(..old);
        self.shorten_log(id);
    }
}
