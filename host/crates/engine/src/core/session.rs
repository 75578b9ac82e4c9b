//! Sessions in the core: what belongs together, and ends together.

use mobula_contract::{Failure, FailureKind, RunStatus};

use super::Core;
use super::message::{ActorId, Due, Effect, SessionId, UnitId};
use super::state::{Phase, Session};

/// Part of a notice in which states are saved.
const NOTICE_SAVING: f64 = 0.8;
/// Part of it after which everything is stopped; the rest is for the process to end.
const NOTICE_USED: f64 = 0.95;
/// Seconds of the longest notice: no machine says more than a day ahead.
const NOTICE_MAX_S: f64 = 86_400.0;

impl Core {
    pub(super) fn seal_session(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.open = false;
            self.touched.push(id);
        }
    }

    pub(super) fn cancel_session(&mut self, id: SessionId) {
        self.end(id, RunStatus::Interrupted, None);
    }

    /// Saves what there is time for: each actor after the call under way. What is left then is stopped.
    pub(super) fn notice(&mut self, id: SessionId, left_s: f64) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let saves = session.policy.is_some() && session.running > 0 && left_s > 0.0;
        if !saves || session.ending.is_some() {
            return self.cancel_session(id);
        }
        session.notice_until_s = Some(self.now_s + left_s * NOTICE_SAVING);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a bounded number of seconds"
        )]
        let after_ms = (left_s.min(NOTICE_MAX_S) * NOTICE_USED * 1e3) as u64;
        self.effects.push(Effect::Wake { after_ms, due: Due::Notice(id) });
    }

    /// A checkpoint that was taken because the machine goes away is safe: the work stops here.
    pub(super) fn stop_after_save(&mut self, id: SessionId) {
        let session = self.sessions.get(&id);
        if session.is_some_and(|s| s.notice_until_s.is_some() && s.saving == 0) {
            self.cancel_session(id);
        }
    }

    pub(super) fn fail_session(&mut self, id: SessionId, why: String) {
        self.end(id, RunStatus::Failed, Some(why));
    }

    /// No new work from here on; what runs is told to stop. The first reason stays.
    fn end(&mut self, id: SessionId, status: RunStatus, error: Option<String>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.ending.is_some() {
            return;
        }
        session.ending = Some((status, error));
        self.touched.push(id);
        let mut running: Vec<UnitId> = self
            .units
            .iter()
            .filter(|(_, unit)| unit.session == id && matches!(unit.phase, Phase::Running(_)))
            .map(|(unit, _)| *unit)
            .collect();
        running.sort_unstable();
        for unit in running {
            self.units.get_mut(&unit).expect("just found").cancelled = true;
            self.effects.push(Effect::CancelCall(unit));
        }
    }

    pub(super) fn finish_sessions(&mut self) {
        while let Some(id) = self.touched.pop() {
            if self.sessions.get(&id).is_some_and(is_over) {
                self.finish(id);
            }
        }
    }

    fn finish(&mut self, id: SessionId) {
        let session = self.sessions.get_mut(&id).expect("just found");
        let (status, error) = session.ending.clone().unwrap_or((RunStatus::Succeeded, None));
        session.ending = Some((status, error.clone()));
        let gone = Failure::new(FailureKind::Cancelled, "the session has ended");
        let actors = self.actors.iter().filter(|(_, actor)| actor.session == id);
        let actors: Vec<ActorId> = actors.map(|(actor, _)| *actor).collect();
        for actor in actors {
            self.bury(actor, gone.clone());
        }
        let units = self.units.iter().filter(|(_, unit)| unit.session == id && !unit.is_over());
        let mut units: Vec<UnitId> = units.map(|(unit, _)| *unit).collect();
        units.sort_unstable();
        for unit in units {
            self.fail(unit, gone.clone());
        }
        self.sessions.remove(&id);
        self.effects.push(Effect::Finish { session: id, status, error });
    }
}

fn is_over(session: &Session) -> bool {
    let done = !session.open && session.units_left == 0 && session.actors_left == 0;
    (done || session.ending.is_some()) && session.running == 0 && session.saving == 0
}
