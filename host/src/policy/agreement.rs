//! The simulator and the engine's core, held against each other: the same units, costs and failures at the
//! same seconds bring the same decisions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use mobula_adaptive::simulate::{
    Decider, Failure as Process, Happened, JOB, JOB_BYTES, Job, controller_at_start, traced,
};
use mobula_adaptive::{Config, Cost, PolicyKind};
use mobula_contract::{CheckpointId, Failure, FailureKind, Receipt, RunId, StageRef};
use mobula_engine::Retry;
use mobula_engine::core::{
    ActorId, Core, Due, Effect, Event, Need, NewActor, Rules, SaveId, SessionId, Submit, UnitId,
    WorkerId,
};

use super::*;

const SESSION: SessionId = SessionId(1);
const ACTOR: ActorId = ActorId(2);

/// A core with one actor, whose calls are the units of a job.
struct Desk {
    core: Core,
    policy: Heard,
    worker: Option<WorkerId>,
    call: Option<UnitId>,
    save: Option<SaveId>,
    due: Option<Due>,
}

/// The policy, and what it decided last.
#[derive(Clone)]
struct Heard(RunPolicy, Arc<Mutex<Option<Verdict>>>);

impl Policy for Heard {
    fn decide(&mut self, seen: Seen<'_>) -> Verdict {
        let verdict = self.0.decide(seen);
        *self.1.lock().unwrap() = Some(verdict.clone());
        verdict
    }

    fn saved(&mut self, saved: Saved<'_>) {
        self.0.saved(saved);
    }

    fn save_failed(&mut self, of: Subject<'_>, spent_s: f64) {
        self.0.save_failed(of, spent_s);
    }

    fn save_dropped(&mut self, of: Subject<'_>) {
        self.0.save_dropped(of);
    }

    fn lost(&mut self, lost: Lost<'_>) {
        self.0.lost(lost);
    }

    fn restored(&mut self, restored: Restored<'_>) -> Learned {
        self.0.restored(restored)
    }
}

impl Desk {
    fn new(job: &Job, config: Config, seed: u64) -> Self {
        let (controller, _) = controller_at_start(job, config, seed);
        let inner = Inner {
            controller,
            readers: BTreeMap::new(),
            before_s: 0.0,
            host_counted: false,
            home: None,
        };
        let policy = Heard(RunPolicy(Arc::new(Mutex::new(inner))), Arc::default());
        let mut core = Core::new(Need { cpus_milli: 1000, memory_bytes: 0 });
        let mut number = 0;
        let names = Box::new(move || {
            number += 1;
            CheckpointId::new(&RunId::new(0, 0), number)
        });
        let rules = Rules { recorded: true, stops_on_failure: true };
        core.open_session(SESSION, rules, Some(Box::new(policy.clone())), Some(names));
        let mut desk = Self { core, policy, worker: None, call: None, save: None, due: None };
        // Failures are no business of the core's limits here.
        let retry = || Retry { delay_ms: 1, ..Retry::times(1_000_000) };
        let new = NewActor {
            actor: ACTOR,
            session: SESSION,
            name: JOB.to_owned(),
            need: Need::default(),
            retry: retry(),
            eager: false,
            left: None,
        };
        desk.at(0.0, Event::ActorCreated(Box::new(new)));
        let submit = |unit| Submit {
            unit: UnitId(unit),
            session: SESSION,
            stage: StageRef { name: "unit".to_owned(), index: 0, repeated: true },
            sources: Vec::new(),
            actor: Some(ACTOR),
            need: Need::default(),
            retry: retry(),
            done: None,
            given: false,
        };
        let calls = (10..10 + job.units_s.len() as u64).map(submit).collect();
        desk.at(0.0, Event::Submitted(calls));
        desk.at(0.0, Event::ActorSealed(ACTOR));
        desk.stands(0.0);
        desk
    }

    fn at(&mut self, now_s: f64, event: Event) {
        for effect in self.core.step(event, now_s) {
            match effect {
                Effect::Call { unit, worker, .. } => {
                    (self.call, self.worker) = (Some(unit), Some(worker));
                }
                Effect::StartActor { worker, .. } => self.worker = Some(worker),
                Effect::SaveState { save, .. } => self.save = Some(save),
                Effect::Wake { due, .. } => self.due = Some(due),
                _ => {}
            }
        }
    }

    fn stands(&mut self, now_s: f64) {
        let worker = self.worker.unwrap();
        self.at(now_s, Event::ActorStarted { actor: ACTOR, worker, result: Ok(()) });
    }

    fn ends(&mut self, now_s: f64, result: Result<f64, ()>) {
        let (unit, worker) = (self.call.take().unwrap(), self.worker.unwrap());
        let receipt = Receipt { wall_s: result.unwrap_or(0.0), ..Receipt::default() };
        let trap = |()| Failure::new(FailureKind::Trap, "a trap");
        let alive = result.is_ok();
        let result = result.map(|_| (Vec::new(), 1)).map_err(trap);
        self.at(now_s, Event::CallEnded { unit, worker, receipt, alive, result });
    }

    /// What was decided by the last event.
    fn decided(&self) -> Option<Verdict> {
        self.policy.1.lock().unwrap().take()
    }
}

/// Takes the core through what a simulated job went through; gives how many decisions agreed. Nothing where
/// the two are not meant to be alike: the engine finishes a save whose actor was lost meanwhile.
fn compare(job: &Job, process: &Process, kind: PolicyKind, seed: u64) -> Option<usize> {
    let config = Config::of(kind);
    let (_, trace) = traced(job, process, Decider::Controller(config), seed);
    let alike = |(_, happened): &(f64, Happened)| {
        !matches!(happened, Happened::Failed { writing: true } | Happened::FailedAgain)
    };
    if !trace.iter().all(alike) {
        return None;
    }
    let mut desk = Desk::new(job, config, seed);
    let mut decisions = 0;
    for (at_s, happened) in trace {
        match happened {
            Happened::Unit { runtime_s, decision } => {
                desk.ends(at_s, Ok(runtime_s));
                let Some(decision) = decision else { break };
                let verdict = desk.decided().unwrap();
                let case = format!("{kind} seed {seed} at {at_s}");
                // The forecast is rounded up, and may fall to either side of a whole number.
                let known = |said: &str| said.split(" · would save").next().map(str::to_owned);
                assert_eq!(known(&verdict.reason), known(&decision.to_string()), "{case}");
                let saves = decision.checkpoint();
                decisions += 1;
                if let Some(save) = desk.save.filter(|_| saves) {
                    desk.at(at_s, Event::SaveTaken { save, blocking_s: 0.0, bytes: JOB_BYTES });
                }
            }
            Happened::Durable { background_s, .. } => {
                let save = desk.save.take().unwrap();
                let result = Ok((background_s, "blake3:0".to_owned()));
                desk.at(at_s, Event::SaveEnded { save, result });
            }
            Happened::Failed { .. } => desk.ends(at_s, Err(())),
            Happened::Stands { restore_s } => {
                let due = desk.due.take().unwrap();
                desk.at(at_s - restore_s, Event::Due(due));
                desk.stands(at_s);
            }
            Happened::FailedAgain => unreachable!("such traces were left out"),
        }
    }
    Some(decisions)
}

#[test]
fn simulator_and_engine_decide_alike() {
    let cost = Cost { blocking_s: 0.0, background_s: 0.5, slowdown: 0.0 };
    let job = Job {
        units_s: (0..400).map(|unit| 10.0 + f64::from(unit % 7)).collect(),
        cost,
        cost_end: Cost { background_s: 3.0, ..cost },
        guess: None,
        cost_noise: 0.15,
        downtime_s: 2.0,
        restore_s: 0.5,
    };
    let processes = [
        Process::Exponential { mtbf_s: 900.0 },
        Process::Weibull { shape: 0.6, mtbf_s: 700.0 },
        Process::Exponential { mtbf_s: 20_000.0 },
    ];
    let kinds = ["adaptive", "threshold", "young-daly", "every=5", "never"];
    for kind in kinds.map(|name| name.parse::<PolicyKind>().unwrap()) {
        let mut compared = 0;
        for process in &processes {
            let found = (0..40).filter_map(|seed| compare(&job, process, kind, seed));
            compared += found.sum::<usize>();
        }
        assert!(compared > 4000, "{kind}: {compared} decisions");
    }
}
