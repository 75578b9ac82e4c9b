//! The core against a small model: random streams of events, of which every failure prints its seed. The
//! model knows which objects are there, what each call may give, and in which order actors saw theirs.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::Dice;
use mobula_contract::{CheckpointId, Failure, FailureKind, Receipt, RunId, StageRef};
use mobula_engine::Retry;
use mobula_engine::core::{
    ActorId, Core, Due, Effect, Event, Need, NewActor, Rules, SaveId, SessionId, Submit, UnitId,
    WorkerId,
};

const SESSION: SessionId = SessionId(1);
const TOTAL: Need = Need { cpus_milli: 3000, memory_bytes: 100 };
const ROUNDS: u64 = 4000;
const STEPS: usize = 250;

#[derive(Default)]
struct UnitModel {
    sources: Vec<UnitId>,
    actor: Option<ActorId>,
    retries: u32,
    failed: u32,
    /// A failure that is not tried again, or the user's wish.
    may_fail: bool,
    outcome: Option<bool>,
    wanted: bool,
}

#[derive(Default)]
struct ActorModel {
    calls: Vec<UnitId>,
    /// The worker, and what it has done: the state.
    on: Option<(WorkerId, Vec<UnitId>)>,
    sealed: bool,
    gone: bool,
}

struct SaveModel {
    save: SaveId,
    id: CheckpointId,
    actor: Option<ActorId>,
    state: Vec<UnitId>,
    taken: bool,
}

struct World {
    core: Core,
    dice: Dice,
    units: BTreeMap<UnitId, UnitModel>,
    actors: BTreeMap<ActorId, ActorModel>,
    held: BTreeSet<UnitId>,
    running: BTreeMap<UnitId, WorkerId>,
    starting: Vec<(ActorId, WorkerId, Option<CheckpointId>)>,
    finishing: Vec<(ActorId, WorkerId)>,
    saves: Vec<SaveModel>,
    durable: BTreeMap<CheckpointId, Vec<UnitId>>,
    dues: Vec<Due>,
    needs: BTreeMap<UnitId, Need>,
    ids: u64,
    now_s: f64,
    finished: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut core = Core::new(TOTAL);
        let rules = Rules { recorded: true, stops_on_failure: false };
        let mut number = 0;
        let names = Box::new(move || {
            number += 1;
            CheckpointId::new(&RunId::new(0, 0), number)
        });
        core.open_session(SESSION, rules, Some(common::sometimes(seed)), Some(names));
        Self {
            core,
            dice: Dice(seed),
            units: BTreeMap::new(),
            actors: BTreeMap::new(),
            held: BTreeSet::new(),
            running: BTreeMap::new(),
            starting: Vec::new(),
            finishing: Vec::new(),
            saves: Vec::new(),
            durable: BTreeMap::new(),
            dues: Vec::new(),
            needs: BTreeMap::new(),
            ids: 10,
            now_s: 0.0,
            finished: false,
        }
    }

    fn step(&mut self, event: Event) {
        self.now_s += 0.001;
        for effect in self.core.step(event, self.now_s) {
            self.take_in(effect);
        }
        let free = self.core.free();
        let taken: u64 = self.running.keys().map(|unit| self.needs[unit].cpus_milli).sum();
        assert_eq!(free.cpus_milli + taken, TOTAL.cpus_milli, "what runs is what is taken");
    }

    fn take_in(&mut self, effect: Effect) {
        match effect {
            Effect::Call { unit, worker, .. } => {
                let model = &self.units[&unit];
                for source in &model.sources {
                    assert!(self.held.contains(source), "{unit:?} starts without {source:?}");
                }
                assert!(!self.running.values().any(|busy| *busy == worker), "{worker} is busy");
                if let Some(actor) = model.actor {
                    let (on, done) = self.actors[&actor].on.as_ref().expect("it lives");
                    assert_eq!(*on, worker);
                    assert!(!done.contains(&unit), "{unit:?} is made twice on one state");
                }
                self.running.insert(unit, worker);
            }
            Effect::StartActor { actor, worker, from } => {
                let state = from.as_ref().map_or(Vec::new(), |id| self.durable[id].clone());
                let model = self.actors.get_mut(&actor).expect("known");
                assert!(model.on.is_none(), "one instance at a time");
                model.on = Some((worker, state));
                self.starting.push((actor, worker, from));
            }
            Effect::FinishActor { actor, worker } => self.finishing.push((actor, worker)),
            Effect::DismissWorker(worker) => {
                for model in self.actors.values_mut() {
                    model.on.take_if(|(on, _)| *on == worker);
                }
                self.starting.retain(|(_, on, _)| *on != worker);
                self.finishing.retain(|(_, on)| *on != worker);
            }
            Effect::SaveState { save, actor, id, position, .. } => {
                let (_, state) = self.actors[&actor].on.as_ref().expect("it lives");
                let _ = position;
                let (actor, state, taken) = (Some(actor), state.clone(), false);
                self.saves.push(SaveModel { save, id, actor, state, taken });
            }
            Effect::SaveObject { save, unit, id, .. } => {
                assert!(self.held.contains(&unit), "only what is there is saved");
                let (actor, state, taken) = (None, Vec::new(), true);
                self.saves.push(SaveModel { save, id, actor, state, taken });
            }
            Effect::Resolved { unit, result } => {
                let model = self.units.get_mut(&unit).expect("known");
                model.outcome = Some(result.is_ok());
                if let Err(failure) = result {
                    self.check_failure(unit, &failure);
                }
            }
            Effect::Unresolved(unit) => self.units.get_mut(&unit).expect("known").outcome = None,
            Effect::Release(unit) => {
                assert!(self.held.remove(&unit), "{unit:?} is released once");
                let open = |model: &UnitModel| model.outcome.is_none();
                let read = self.units.values().filter(|model| open(model));
                let mut read = read.flat_map(|model| &model.sources);
                assert!(!read.any(|source| *source == unit), "{unit:?} is still to be read");
                assert!(!self.units[&unit].wanted, "{unit:?} is still wanted");
            }
            Effect::Forget(unit) => assert!(!self.units[&unit].wanted),
            Effect::ForgetActor(actor) => {
                self.actors.get_mut(&actor).expect("known").gone = true;
            }
            Effect::Wake { due, after_ms } => {
                assert!(after_ms > 0);
                self.dues.push(due);
            }
            Effect::Finish { .. } => self.finished = true,
            Effect::CancelCall(unit) => assert!(self.running.contains_key(&unit)),
            Effect::SpawnWorker(_)
            | Effect::Resume(_)
            | Effect::ItemResolved { .. }
            | Effect::Record(..) => {}
        }
    }

    /// A unit fails only for a reason of its own, of its actor, or of what it reads.
    fn check_failure(&self, unit: UnitId, failure: &Failure) {
        let model = &self.units[&unit];
        let own = model.may_fail || model.failed > model.retries;
        let source = model.sources.iter().any(|source| self.units[source].outcome == Some(false));
        let actor = model.actor.is_some();
        let lost = failure.message.contains("was lost");
        assert!(own || source || actor || lost, "{unit:?} fails without reason: {failure}");
    }

    fn new_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    fn submit(&mut self, actor: Option<ActorId>) {
        let unit = UnitId(self.new_id());
        let wanted: Vec<UnitId> =
            self.units.iter().filter(|(_, model)| model.wanted).map(|(id, _)| *id).collect();
        let mut sources: Vec<UnitId> = (0..self.dice.below(3))
            .filter_map(|_| wanted.get(self.dice.below(wanted.len().max(1) as u64) as usize))
            .copied()
            .collect();
        sources.sort_unstable();
        sources.dedup();
        let retries = self.dice.below(4) as u32;
        let cpus_milli = [10, 500, 1000, 3000][self.dice.below(4) as usize];
        // Actors take at most 5 · 8 for their life, so that everything fits at some time.
        let memory_bytes = if actor.is_some() { 0 } else { self.dice.below(60) };
        let need = Need { cpus_milli, memory_bytes };
        let model = UnitModel {
            sources: sources.clone(),
            actor,
            retries,
            wanted: true,
            ..UnitModel::default()
        };
        self.units.insert(unit, model);
        self.needs.insert(unit, need);
        if let Some(actor) = actor {
            self.actors.get_mut(&actor).expect("known").calls.push(unit);
        }
        let (index, session) = (0, SESSION);
        let stage = StageRef { name: format!("u{}", unit.0), index, repeated: false };
        let retry = Retry { max: retries, delay_ms: self.dice.below(2), on: None };
        let (done, given) = (None, false);
        let submit = Submit { unit, session, stage, sources, actor, need, retry, done, given };
        self.step(Event::Submitted(vec![submit]));
    }

    fn create_actor(&mut self) {
        let actor = ActorId(self.new_id());
        self.actors.insert(actor, ActorModel::default());
        let new = NewActor {
            actor,
            session: SESSION,
            name: format!("a{}", actor.0),
            need: Need { cpus_milli: 0, memory_bytes: self.dice.below(9) },
            retry: Retry { max: 3, delay_ms: self.dice.below(2), on: None },
            eager: self.dice.below(2) == 0,
            left: None,
        };
        self.step(Event::ActorCreated(Box::new(new)));
    }

    /// Ends a running call; how is chance, or success where `well`.
    fn end_call(&mut self, well: bool) {
        let Some((unit, worker)) = self.dice.choose(&self.running) else { return };
        let fate = if well { 9 } else { self.dice.below(10) };
        let actor = self.units[&unit].actor;
        let receipt = Receipt::default();
        let event = match fate {
            0 | 1 => {
                let kind = [FailureKind::Failed, FailureKind::Invalid][fate as usize];
                let model = self.units.get_mut(&unit).expect("known");
                model.failed += 1;
                model.may_fail |= kind == FailureKind::Invalid;
                let (result, alive) = (Err(Failure::new(kind, "chance")), self.dice.below(2) == 0);
                Event::CallEnded { unit, worker, receipt, alive, result }
            }
            2 => {
                self.units.get_mut(&unit).expect("known").failed += 1;
                Event::WorkerLost { worker, message: "died".to_owned() }
            }
            _ => {
                if let Some(actor) = actor {
                    let model = self.actors.get_mut(&actor).expect("known");
                    model.on.as_mut().expect("it lives").1.push(unit);
                }
                self.units.get_mut(&unit).expect("known").failed = 0;
                self.held.insert(unit);
                Event::CallEnded { unit, worker, receipt, alive: true, result: Ok((Vec::new(), 1)) }
            }
        };
        self.running.remove(&unit);
        self.step(event);
    }

    fn start_actors(&mut self) {
        for (actor, worker, from) in std::mem::take(&mut self.starting) {
            let damaged = from.filter(|_| self.dice.below(5) == 0);
            let result = damaged.map_or(Ok(()), |id| {
                // It is never restored again: the model no longer knows it.
                self.durable.remove(&id);
                Err(Failure::new(FailureKind::Damaged, "a flipped bit"))
            });
            self.step(Event::ActorStarted { actor, worker, result });
        }
        for (actor, worker) in std::mem::take(&mut self.finishing) {
            self.step(Event::ActorFinished { actor, worker, result: Ok("digest".to_owned()) });
        }
    }

    /// The writer takes snapshots and ends some of them; newer ones may take the place of those that wait.
    fn end_saves(&mut self, all: bool) {
        for mut save in std::mem::take(&mut self.saves) {
            if !std::mem::replace(&mut save.taken, true) {
                self.step(Event::SaveTaken { save: save.save, blocking_s: 0.0, bytes: 1 });
                let same = |other: &SaveModel| other.actor.is_some() && other.actor == save.actor;
                if let Some(at) = self.saves.iter().position(same)
                    && self.dice.below(2) == 0
                {
                    let before = self.saves.remove(at);
                    self.step(Event::SaveReplaced(before.save));
                }
            }
            // One thread writes them, in order.
            let waits = self.saves.iter().any(|other| other.actor == save.actor);
            if waits || !all && self.dice.below(2) == 0 {
                self.saves.push(save);
                continue;
            }
            let result = match self.dice.below(4) {
                0 => Err(Failure::new(FailureKind::Host, "the disk is full")),
                _ => {
                    self.durable.insert(save.id, save.state);
                    Ok((0.0, "blake3:0".to_owned()))
                }
            };
            self.step(Event::SaveEnded { save: save.save, result });
        }
    }

    fn anything(&mut self) {
        match self.dice.below(16) {
            0..4 => self.submit(None),
            4 | 5 => {
                let open = self.actors.iter().filter(|(_, model)| !model.sealed);
                let open: BTreeMap<ActorId, ()> = open.map(|(id, _)| (*id, ())).collect();
                if let Some((actor, ())) = self.dice.choose(&open) {
                    self.submit(Some(actor));
                }
            }
            6 if self.actors.len() < 5 => self.create_actor(),
            7..11 => self.end_call(false),
            11 => self.start_actors(),
            12 => self.end_saves(false),
            13 => {
                if let Some(due) = self.dues.pop() {
                    self.step(Event::Due(due));
                }
            }
            14 => {
                let held: BTreeMap<UnitId, ()> = self.held.iter().map(|id| (*id, ())).collect();
                if let Some((unit, ())) = self.dice.choose(&held)
                    && self.units[&unit].outcome == Some(true)
                {
                    self.held.remove(&unit);
                    self.step(Event::Lost(unit));
                }
            }
            _ => {
                let wanted = self.units.iter().filter(|(_, model)| model.wanted);
                let wanted: BTreeMap<UnitId, ()> = wanted.map(|(id, _)| (*id, ())).collect();
                let Some((unit, ())) = self.dice.choose(&wanted) else { return };
                if self.dice.below(3) == 0 {
                    self.units.get_mut(&unit).expect("known").may_fail = true;
                    self.step(Event::Cancelled(unit));
                } else {
                    self.units.get_mut(&unit).expect("known").wanted = false;
                    self.step(Event::Dropped(unit));
                }
            }
        }
    }

    /// Lets everything come to its end, and looks at what is left.
    fn settle(&mut self) {
        let actors: Vec<ActorId> = self.actors.keys().copied().collect();
        for actor in actors {
            self.actors.get_mut(&actor).expect("known").sealed = true;
            self.step(Event::ActorSealed(actor));
        }
        self.step(Event::SessionSealed(SESSION));
        for _ in 0..10_000 {
            self.start_actors();
            self.end_saves(true);
            while let Some(due) = self.dues.pop() {
                self.step(Event::Due(due));
            }
            self.end_call(true);
            if self.finished {
                break;
            }
        }
        assert!(self.finished, "it comes to its end: {:?}", self.core);
        let open = self.units.iter().filter(|(_, model)| model.outcome.is_none());
        assert_eq!(open.count(), 0, "every unit has an outcome");
        let wanted = self.units.iter().filter(|(_, model)| model.wanted).map(|(id, _)| *id);
        for unit in wanted.collect::<Vec<_>>() {
            self.units.get_mut(&unit).expect("known").wanted = false;
            self.step(Event::Dropped(unit));
        }
        assert_eq!(self.core.remembered(), (0, 0, 0), "{:?}", self.core);
        assert!(self.held.is_empty(), "{:?} are left", self.held);
        assert_eq!(self.core.free(), TOTAL);
        assert!(self.actors.values().all(|model| model.gone));
    }
}

#[test]
fn random_events_keep_every_promise() {
    for seed in 1..=ROUNDS {
        let run = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            (0..STEPS).for_each(|_| world.anything());
            world.settle();
        });
        assert!(run.is_ok(), "seed {seed}");
    }
}
