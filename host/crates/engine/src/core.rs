//! The scheduler's state and its one rule: `step(event, now) -> effects`. Never waits, never reads a
//! clock, holds no object's bytes; the same events at the same times give the same effects.

mod actor;
mod lineage;
mod message;
mod ready;
mod recovery;
mod save;
mod session;
mod state;
mod unit;

use std::collections::BTreeMap;

use mobula_contract::{CheckpointId, EventBody, Failure, FailureKind};
use rustc_hash::FxHashMap;

use crate::policy::Policy;

pub use lineage::Item as StreamItem;
pub use message::{
    ActorId, Due, Effect, Event, LeftActor, Need, NewActor, SaveId, SessionId, Submit, UnitId,
    WorkerId,
};
use ready::{Item, Ready, fits};
use state::{Actor, Body, Job, Life, Pause, Phase, Saving, Session, Unit, Writing};

/// Names the checkpoints of a session.
pub type Names = Box<dyn FnMut() -> CheckpointId + Send>;

/// What holds for a session as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Somebody keeps what happens.
    pub recorded: bool,
    /// The first unit that fails for good ends the session; otherwise only what reads it fails.
    pub stops_on_failure: bool,
}

/// The whole state of an engine's scheduling.
pub struct Core {
    total: Need,
    /// What is admitted at one time.
    room: Need,
    free: Need,
    sessions: BTreeMap<SessionId, Session>,
    units: FxHashMap<UnitId, Unit>,
    actors: BTreeMap<ActorId, Actor>,
    saves: BTreeMap<SaveId, Saving>,
    ready: Ready,
    workers: FxHashMap<WorkerId, Job>,
    idle: Vec<WorkerId>,
    workers_ever: u32,
    saves_ever: u64,
    /// Seconds on the clock of who brings the events.
    now_s: f64,
    /// Sessions that may have come to their end by this event.
    touched: Vec<SessionId>,
    effects: Vec<Effect>,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let open = self.units.iter().filter(|(_, unit)| !unit.is_over());
        let mut open: Vec<_> = open.collect();
        open.sort_unstable_by_key(|(id, _)| **id);
        f.debug_struct("Core")
            .field("units", &self.units.len())
            .field("open", &open)
            .field("actors", &self.actors)
            .field("free", &self.free)
            .finish_non_exhaustive()
    }
}

impl Core {
    /// A core without sessions that admits no more than `total` at one time.
    #[must_use]
    pub fn new(total: Need) -> Self {
        Self::admitting(total, total)
    }

    /// One that admits as much as `room` at one time, while nothing may take more than `total`.
    #[must_use]
    pub fn admitting(total: Need, room: Need) -> Self {
        Self {
            total,
            room,
            free: room,
            sessions: BTreeMap::new(),
            units: FxHashMap::default(),
            actors: BTreeMap::new(),
            saves: BTreeMap::new(),
            ready: Ready::default(),
            workers: FxHashMap::default(),
            idle: Vec::new(),
            workers_ever: 0,
            saves_ever: 0,
            now_s: 0.0,
            touched: Vec::new(),
            effects: Vec::new(),
        }
    }

    /// What is there in all.
    #[must_use]
    pub fn total(&self) -> Need {
        self.total
    }

    /// What is not taken now.
    #[must_use]
    pub fn free(&self) -> Need {
        self.free
    }

    /// Units, actors and saves that are remembered: none when nobody asks for anything any more.
    #[must_use]
    pub fn remembered(&self) -> (usize, usize, usize) {
        (self.units.len(), self.actors.len(), self.saves.len())
    }

    /// Calls of an actor that have come and not been made; 0 for one that is gone.
    #[must_use]
    pub fn mailbox(&self, actor: ActorId) -> usize {
        self.actors.get(&actor).map_or(0, Actor::waiting)
    }

    /// Units of a session that are not over.
    #[must_use]
    pub fn pending(&self, session: SessionId) -> usize {
        self.sessions.get(&session).map_or(0, |session| session.units_left)
    }

    /// Whether this much is ever there.
    #[must_use]
    pub fn can_ever_fit(&self, need: Need) -> bool {
        fits(need, self.total)
    }

    /// Begins a session. Checkpoints are taken only with a policy and names for them.
    pub fn open_session(
        &mut self,
        id: SessionId,
        rules: Rules,
        policy: Option<Box<dyn Policy>>,
        names: Option<Names>,
    ) {
        let session = Session {
            rules,
            policy,
            names,
            open: true,
            units_left: 0,
            actors_left: 0,
            running: 0,
            saving: 0,
            ending: None,
            writing: Writing::default(),
            notice_until_s: None,
        };
        let before = self.sessions.insert(id, session);
        assert!(before.is_none(), "numbers of sessions are used once");
    }

    /// Takes in what happened and says what to do, in this order. `now_s` are seconds on a clock that
    /// only goes forwards.
    pub fn step(&mut self, event: Event, now_s: f64) -> Vec<Effect> {
        self.now_s = self.now_s.max(now_s);
        match event {
            Event::Submitted(units) => units.into_iter().for_each(|unit| self.submit(unit)),
            Event::ActorCreated(actor) => self.create_actor(*actor),
            Event::ActorSealed(actor) => self.seal_actor(actor),
            Event::ActorKilled(actor) => self.kill_actor(actor),
            Event::SessionSealed(session) => self.seal_session(session),
            Event::SessionCancelled(session) => self.cancel_session(session),
            Event::SessionFailed(session, why) => self.fail_session(session, why),
            Event::Dropped(unit) => self.dropped(unit),
            Event::Cancelled(unit) => self.cancel(unit),
            Event::CallEnded { unit, worker, receipt, alive, result } => {
                self.call_ended(unit, worker, &receipt, alive, result);
            }
            Event::Paused(unit) => self.pause(unit),
            Event::Resuming(unit) => self.ask_to_resume(unit),
            Event::Emitted { unit, index, item } => self.emitted(unit, index, item),
            Event::Lost(unit) => self.lost(unit),
            Event::TriedAgain { unit, message } => self.tried_again(unit, &message),
            Event::ActorStarted { actor, worker, result } => {
                self.actor_started(actor, worker, result);
            }
            Event::ActorFinished { actor, worker, result } => {
                self.actor_finished(actor, worker, result);
            }
            Event::WorkerLost { worker, message } => self.worker_lost(worker, &message),
            Event::SessionNoticed(session, left_s) => self.notice(session, left_s),
            Event::SaveTaken { save, blocking_s, bytes } => {
                self.save_taken(save, blocking_s, bytes);
            }
            Event::SaveReplaced(save) => self.save_replaced(save),
            Event::SaveEnded { save, result } => self.save_ended(save, result),
            Event::Due(Due::Retry(unit)) => self.retry_due(unit),
            Event::Due(Due::Restart(actor)) => self.restart_due(actor),
            Event::Due(Due::Notice(session)) => self.cancel_session(session),
        }
        self.dispatch();
        self.finish_sessions();
        std::mem::take(&mut self.effects)
    }

    fn record(&mut self, session: SessionId, body: Body<'_>) {
        if self.sessions.get(&session).is_some_and(|session| session.rules.recorded) {
            self.effects.push(Effect::Record(session, body()));
        }
    }

    fn is_ending(&self, session: SessionId) -> bool {
        self.sessions.get(&session).is_none_or(|session| session.ending.is_some())
    }

    /// Starts what fits.
    fn dispatch(&mut self) {
        loop {
            let (sessions, units, actors) = (&self.sessions, &self.units, &self.actors);
            let goes_on =
                |id: &SessionId| sessions.get(id).is_some_and(|session| session.ending.is_none());
            let valid = |ticket: u64, item: Item| match item {
                Item::Unit(id) => units.get(&id).is_some_and(|unit| {
                    unit.phase == Phase::Ready(ticket) && goes_on(&unit.session)
                }),
                // It goes on even when its session ends, so that it can come to its end.
                Item::Resume(id) => {
                    units.get(&id).is_some_and(|unit| unit.pause == Pause::Resuming(ticket))
                }
                Item::Start(id) => actors
                    .get(&id)
                    .is_some_and(|actor| actor.life == Life::Queued && goes_on(&actor.session)),
            };
            match self.ready.pop(self.free, valid) {
                None => return,
                Some((_, Item::Unit(id))) => self.begin(id),
                Some((_, Item::Start(id))) => self.start_actor(id),
                Some((_, Item::Resume(id))) => self.resume(id),
            }
        }
    }

    fn begin(&mut self, id: UnitId) {
        match self.units[&id].actor {
            None => {
                let worker = self.pool_worker(self.units[&id].failed_on);
                self.workers.insert(worker, Job::Task(id));
                self.call(id, worker);
            }
            Some(on) => {
                let actor = self.actors.get_mut(&on).expect("its call was ready");
                actor.life = Life::Busy;
                let worker = actor.worker.expect("an actor that is called has a worker");
                self.workers.insert(worker, Job::Actor(on, Some(id)));
                self.call(id, worker);
            }
        }
    }

    /// The worker that was busy last and is not to be avoided; a new one where there is none.
    fn pool_worker(&mut self, avoided: Option<WorkerId>) -> WorkerId {
        match self.idle.iter().rposition(|worker| Some(*worker) != avoided) {
            Some(at) => self.idle.remove(at),
            None => {
                let worker = self.new_worker(Job::Idle);
                self.effects.push(Effect::SpawnWorker(worker));
                worker
            }
        }
    }

    fn new_worker(&mut self, job: Job) -> WorkerId {
        let worker = WorkerId(self.workers_ever);
        self.workers_ever += 1;
        self.workers.insert(worker, job);
        worker
    }

    fn call(&mut self, id: UnitId, worker: WorkerId) {
        let unit = self.units.get_mut(&id).expect("it was ready");
        unit.phase = Phase::Running(worker);
        unit.attempt += 1;
        let (session, attempt) = (unit.session, unit.attempt);
        self.free.cpus_milli -= unit.need.cpus_milli;
        self.free.memory_bytes -= unit.need.memory_bytes;
        let entry = self.sessions.get_mut(&session).expect("its units can run");
        entry.running += 1;
        unit.started_s = self.now_s;
        unit.written_before_s = entry.writing.total_s(self.now_s);
        let unit = &self.units[&id];
        let (stage, on_actor, replay) = (unit.stage.clone(), unit.actor.is_some(), unit.replay);
        self.record(session, &|| EventBody::StageStarted {
            stage: stage.clone(),
            worker: worker.to_string(),
            attempt,
            on_actor,
            replay,
        });
        self.effects.push(Effect::Call { unit: id, worker, attempt });
    }

    fn pause(&mut self, id: UnitId) {
        let running = |unit: &&mut Unit| matches!(unit.phase, Phase::Running(_));
        let Some(unit) = self.units.get_mut(&id).filter(running) else { return };
        if std::mem::replace(&mut unit.pause, Pause::Paused) == Pause::No {
            let need = unit.need;
            self.give_back(need);
        }
    }

    fn ask_to_resume(&mut self, id: UnitId) {
        let paused = |unit: &&mut Unit| unit.pause == Pause::Paused;
        if let Some(unit) = self.units.get_mut(&id).filter(paused) {
            unit.pause = Pause::Resuming(self.ready.push(unit.need, Item::Resume(id)));
        }
    }

    fn resume(&mut self, id: UnitId) {
        let unit = self.units.get_mut(&id).expect("it was in the queue");
        unit.pause = Pause::No;
        self.free.cpus_milli -= unit.need.cpus_milli;
        self.free.memory_bytes -= unit.need.memory_bytes;
        self.effects.push(Effect::Resume(id));
    }

    /// Gives back what a call had taken.
    fn call_is_over(&mut self, id: UnitId) {
        let unit = self.units.get_mut(&id).expect("it ran");
        let need = unit.need;
        if std::mem::replace(&mut unit.pause, Pause::No) == Pause::No {
            self.give_back(need);
        }
        let session = self.units[&id].session;
        self.sessions.get_mut(&session).expect("it waits for running calls").running -= 1;
        self.touched.push(session);
    }

    fn give_back(&mut self, need: Need) {
        self.free.cpus_milli += need.cpus_milli;
        self.free.memory_bytes += need.memory_bytes;
        assert!(fits(self.free, self.room), "nothing is given back twice");
    }

    fn worker_lost(&mut self, worker: WorkerId, message: &str) {
        let failure = Failure::new(FailureKind::WorkerLost, message);
        match self.workers.remove(&worker) {
            None => {}
            Some(Job::Idle) => self.idle.retain(|idle| *idle != worker),
            Some(Job::Task(id)) => {
                self.call_is_over(id);
                self.task_failed(id, worker, failure, None);
            }
            Some(Job::Actor(actor, call)) => self.actor_worker_lost(actor, call, worker, failure),
        }
    }
}
