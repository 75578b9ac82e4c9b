//! Checkpoints in the core: when one is taken, and what it allows to forget once it is durable.

use mobula_contract::{CheckpointReport, DecisionReport, EventBody, Failure};

use super::Core;
use super::message::{ActorId, Effect, SaveId, SessionId, UnitId};
use super::state::{Durable, Saving};
use crate::policy::{Policy, Saved, Seen, Subject};

/// Calls of an actor that a restart would repeat at most: after so many a checkpoint is taken whatever
/// the policy says, so that a long life does not fill the memory.
pub(super) const REPLAY_MAX: usize = 10_000;

/// Tasks that are looked at to find what an output took to make.
const LINEAGE_LOOKED_AT: usize = 256;

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
        let calls = actor.next - actor.durable_position();
        let in_flight = !actor.in_flight.is_empty();
        let full = calls >= REPLAY_MAX && !in_flight;
        let (bytes, unsaved_s) = (actor.bytes, actor.unsaved_s);
        let left = actor.sealed.then(|| actor.waiting());
        let asked = self.sessions[&session].policy.is_some() && {
            let name = actor.name.clone();
            let of = Subject::Actor(&name);
            self.decide(session, unit, Question { of, unsaved_s, bytes, in_flight, left })
        };
        if (asked || full) && self.sessions[&session].names.is_some() {
            self.save_state(id, unit);
        }
    }

    /// After a task.
    pub(super) fn decide_object(&mut self, id: UnitId, bytes: u64) {
        let Some(unit) = self.units.get(&id).filter(|unit| unit.held) else { return };
        let session = unit.session;
        if self.is_ending(session) || self.sessions[&session].policy.is_none() {
            return;
        }
        let (left, bytes_seen) = (Some(unit.readers), Some(bytes));
        let (unsaved_s, name) = (self.lineage_s(id), unit.stage.name.clone());
        let of = Subject::Task(&name);
        let in_flight = false;
        let question = Question { of, unsaved_s, bytes: bytes_seen, in_flight, left };
        if self.decide(session, id, question) {
            self.save_object(id, bytes);
        }
    }

    /// Seconds to make this object again: its task, and those that led to it and are not saved.
    fn lineage_s(&self, id: UnitId) -> f64 {
        let (mut found, mut at) = (vec![id], 0);
        while at < found.len().min(LINEAGE_LOOKED_AT) {
            let unit = &self.units[&found[at]];
            at += 1;
            for source in unit.sources.iter().chain(&unit.item_of) {
                let task =
                    self.units.get(source).filter(|unit| !unit.saved && unit.actor.is_none());
                if task.is_some() && !found.contains(source) {
                    found.push(*source);
                }
            }
        }
        found[..at].iter().map(|unit| self.units[unit].runtime_s).sum()
    }

    fn decide(&mut self, session: SessionId, id: UnitId, question: Question<'_>) -> bool {
        let entry = self.sessions.get_mut(&session).expect("it is not ending");
        let Some(policy) = entry.policy.as_mut() else { return false };
        let unit = &self.units[&id];
        let Question { of, unsaved_s, bytes, in_flight, left } = question;
        let verdict = policy.decide(Seen {
            at_s: self.now_s,
            of,
            runtime_s: unit.runtime_s,
            beside_save_s: entry.writing.total_s(self.now_s) - unit.written_before_s,
            unsaved_s,
            bytes,
            in_flight,
            left,
            notice_s: entry.notice_until_s.map(|until_s| (until_s - self.now_s).max(0.0)),
        });
        let (stage, runtime_s, save) = (unit.stage.clone(), unit.runtime_s, verdict.checkpoint);
        self.record(session, &|| EventBody::Decided {
            decision: DecisionReport {
                stage: stage.name.clone(),
                index: stage.index,
                checkpoint: verdict.checkpoint,
                reason: verdict.reason.clone(),
                runtime_s,
                ratio: verdict.ratio,
                threshold: verdict.threshold,
                budget_left: verdict.budget_left,
                expected_loss_s: verdict.expected_loss_s,
                cost_s: verdict.cost_s,
                detail: verdict.detail.clone(),
            },
        });
        save
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
        self.actors.get_mut(&id).expect("just found").in_flight.push(save);
        let name = self.saves[&save].id.clone();
        self.effects.push(Effect::SaveState { save, actor: id, worker, after, id: name, position });
    }

    fn save_object(&mut self, id: UnitId, bytes: u64) {
        let unit = self.units.get_mut(&id).expect("it was just decided about");
        unit.saving += 1;
        let (session, stage) = (unit.session, unit.stage.clone());
        self.sessions.get_mut(&session).expect("it is not ending").writing.begin(self.now_s);
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
            if saving.taken {
                session.writing.end(self.now_s);
            }
            self.touched.push(saving.session);
        }
        if let Some(actor) = saving.actor.and_then(|actor| self.actors.get_mut(&actor)) {
            actor.in_flight.retain(|other| *other != save);
        }
        Some(saving)
    }

    /// The snapshot is in the writer's hands.
    pub(super) fn save_taken(&mut self, save: SaveId, blocking_s: f64, bytes: u64) {
        let Some(saving) = self.saves.get_mut(&save) else { return };
        saving.blocking_s = blocking_s;
        saving.bytes = bytes;
        saving.taken = true;
        if let Some(session) = self.sessions.get_mut(&saving.session) {
            session.writing.begin(self.now_s);
        }
    }

    /// A newer one of the same actor takes its place: the newest wins, and no queue grows.
    pub(super) fn save_replaced(&mut self, save: SaveId) {
        let Some(saving) = self.drop_save(save) else { return };
        let id = &saving.id;
        self.record(saving.session, &|| EventBody::CheckpointReplaced { id: id.clone() });
        self.say_dropped(&saving);
        if let Some(actor) = saving.actor {
            if let Some(actor) = self.actors.get_mut(&actor) {
                actor.spent_s += saving.blocking_s;
            }
            self.look_at(actor);
        }
    }

    pub(super) fn save_ended(&mut self, save: SaveId, result: Result<(f64, String), Failure>) {
        let Some(saving) = self.drop_save(save) else { return };
        let session = saving.session;
        match result {
            Ok((total_s, digest)) => {
                let actor = self.actor_name(&saving);
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
                let (at_s, of) = (self.now_s, subject(actor.as_deref(), &saving));
                let (blocking_s, bytes) = (saving.blocking_s, saving.bytes);
                let background_s = (total_s - blocking_s).max(0.0);
                if let Some(policy) = self.policy_of(session) {
                    policy.saved(Saved { at_s, of, blocking_s, background_s, bytes });
                }
                if let Some(unit) = saving.unit.and_then(|unit| self.units.get_mut(&unit)) {
                    unit.saved = true;
                }
                if let Some(actor) = saving.actor {
                    self.state_is_durable(actor, &saving);
                    self.stop_after_save(session);
                }
            }
            Err(failure) => {
                self.record(session, &|| EventBody::CheckpointFailed {
                    id: saving.id.clone(),
                    message: failure.message.clone(),
                });
                let actor = self.actor_name(&saving);
                if let Some(policy) = self.policy_of(session) {
                    policy.save_failed(subject(actor.as_deref(), &saving), saving.blocking_s);
                }
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

    /// Tells the policy that a save will not be made.
    fn say_dropped(&mut self, saving: &Saving) {
        let actor = self.actor_name(saving);
        if let Some(policy) = self.policy_of(saving.session) {
            policy.save_dropped(subject(actor.as_deref(), saving));
        }
    }

    fn actor_name(&self, saving: &Saving) -> Option<String> {
        Some(self.actors.get(&saving.actor?)?.name.clone())
    }

    fn policy_of(&mut self, session: SessionId) -> Option<&mut Box<dyn Policy>> {
        self.sessions.get_mut(&session)?.policy.as_mut()
    }

    fn state_is_durable(&mut self, id: ActorId, saving: &Saving) {
        let Some(actor) = self.actors.get_mut(&id) else { return };
        let runtime_s = |calls: std::ops::Range<usize>| -> f64 {
            calls.filter_map(|call| actor.at(call)).map(|unit| self.units[&unit].runtime_s).sum()
        };
        let kept = actor.durable_position()..saving.position;
        let kept_units = u32::try_from(kept.len()).unwrap_or(u32::MAX);
        let (kept_s, unsaved_s) = (runtime_s(kept), runtime_s(saving.position..actor.next));
        (actor.kept_s, actor.kept_units, actor.unsaved_s) = (kept_s, kept_units, unsaved_s);
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

/// What a decision is about.
struct Question<'a> {
    of: Subject<'a>,
    unsaved_s: f64,
    bytes: Option<u64>,
    in_flight: bool,
    left: Option<usize>,
}

fn subject<'a>(actor: Option<&'a str>, saving: &'a Saving) -> Subject<'a> {
    actor.map_or(Subject::Task(&saving.after.name), Subject::Actor)
}
