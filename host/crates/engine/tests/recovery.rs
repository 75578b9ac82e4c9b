//! Whatever fails, a run ends with the state and outputs of a run where nothing failed.

mod common;

use std::path::Path;
use std::sync::{Arc, Mutex};

use common::By;
use mobula_contract::{
    ActorSpec, CheckpointId, EventBody, Failure, FailureKind, Folders, Object, Pipeline, RunEvent,
    RunId, RunStatus, StageContext, Value, parse_pipeline,
};
use mobula_engine::{
    Actor, Call, Engine, EngineConfig, Fault, Journal, Left, Outcome, Policy, Run, Save, Seen,
    SessionConfig, Stages,
};

const PIPELINE: &str = r#"
[pipeline]
seed = 7
[[stage]]
name = "load"
task = "p/load"
[[stage]]
name = "left"
task = "p/left"
inputs = { x = "load.x" }
[[stage]]
name = "right"
task = "p/right"
inputs = { x = "load.x" }
[[actor]]
name = "sum"
native = "sum"
[[stage]]
name = "add"
actor = "sum"
method = "add"
repeat = 6
inputs = { x = "left.x" }
[[stage]]
name = "last"
actor = "sum"
method = "add"
inputs = { x = "right.x" }
"#;

fn pipeline(text: &str) -> Pipeline {
    let here = Path::new("/");
    parse_pipeline("p.toml", text, Folders { base: here, current: here }, &[]).expect("good")
}

fn number(object: &Object) -> u64 {
    let Some(Value::Json(json)) = object.get("x") else { panic!("no x") };
    json.as_u64().expect("a number")
}

fn object(x: u64) -> Object {
    Object::default().with("x", Value::Json(x.into()))
}

/// Tasks hash their name and input; the actor mixes its inputs into a number.
struct Fake;

impl Stages for Fake {
    fn run_task(&self, call: Call<'_>) -> Result<Object, Failure> {
        call.context.progress(1, Some(2));
        if call.context.cancelled() {
            return Err(Failure::new(FailureKind::Cancelled, "stopped"));
        }
        if call.stage.name == "broken" {
            return Err(Failure::new(FailureKind::Failed, "always broken"));
        }
        let input = call.inputs.get("x").map_or(1, |_| number(&call.inputs));
        Ok(object(call.context.seed() % 1000 + input * 3))
    }

    fn create_actor(
        &self,
        _: &ActorSpec,
        state: Option<Vec<u8>>,
        _: Arc<dyn StageContext>,
    ) -> Result<Box<dyn Actor>, Failure> {
        let start = state.map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().expect("8")));
        Ok(Box::new(Sum(start)))
    }
}

struct Sum(u64);

impl Actor for Sum {
    fn call(&mut self, call: Call<'_>) -> Result<Object, Failure> {
        self.0 = self.0.wrapping_mul(31).wrapping_add(number(&call.inputs)) % 1_000_003;
        call.context.progress(1, Some(2));
        Ok(object(self.0))
    }

    fn snapshot(&mut self) -> Result<Vec<u8>, Failure> {
        Ok(self.0.to_le_bytes().to_vec())
    }

    fn state_digest(&mut self) -> Result<String, Failure> {
        Ok(format!("{}", self.0))
    }
}

#[derive(Default, Clone)]
struct Memory {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    events: Vec<EventBody>,
    states: Vec<(CheckpointId, usize, Vec<u8>)>,
    /// Nothing is kept after so many entries: the host died there.
    dies_after: Option<usize>,
    entries: usize,
}

impl Kept {
    fn is_dead(&mut self) -> bool {
        self.entries += 1;
        self.dies_after.is_some_and(|limit| self.entries > limit)
    }
}

impl Journal for Memory {
    fn record(&mut self, events: &[RunEvent]) -> Result<(), Failure> {
        let mut kept = self.kept.lock().expect("unpoisoned");
        for event in events {
            if !kept.is_dead() {
                kept.events.push(event.body.clone());
            }
        }
        Ok(())
    }

    fn save(&mut self, save: Save<'_>) -> Result<String, Failure> {
        let mut kept = self.kept.lock().expect("unpoisoned");
        if !kept.is_dead() && save.actor.is_some() {
            kept.states.push((save.id.clone(), save.position, save.bytes.to_vec()));
        }
        Ok("blake3:0".to_owned())
    }

    fn load(&mut self, id: &CheckpointId) -> Result<Vec<u8>, Failure> {
        let kept = self.kept.lock().expect("unpoisoned");
        let found = kept.states.iter().find(|(name, ..)| name == id);
        found
            .map(|(.., bytes)| bytes.clone())
            .ok_or_else(|| Failure::new(FailureKind::Host, format!("no checkpoint {id}")))
    }
}

fn every_other() -> Box<dyn Policy> {
    let mut units = 0_u32;
    Box::new(By(move |_: &Seen<'_>| {
        units += 1;
        units.is_multiple_of(2)
    }))
}

fn run(
    text: &str,
    journal: &Memory,
    faults: &[&str],
    left: Option<Left>,
) -> (Outcome, Vec<EventBody>) {
    let id = RunId::new(1, 1);
    let mut number = 100 * journal.kept.lock().expect("unpoisoned").states.len() as u64;
    let config = SessionConfig {
        journal: Some(Box::new(journal.clone())),
        policy: Some(every_other()),
        names: Some(Box::new(move || {
            number += 1;
            CheckpointId::new(&id, number)
        })),
        faults: faults.iter().map(|spec| spec.parse::<Fault>().expect("a fault")).collect(),
        ..SessionConfig::default()
    };
    let engine = EngineConfig { cpus: 2.0, ..EngineConfig::new(Arc::new(Fake)) };
    let engine = Engine::start(engine).expect("it starts");
    let run = Run::new(&engine, pipeline(text), left, config);
    let mut seen = Vec::new();
    let outcome = run.finish(&mut |event| seen.push(event.body.clone()));
    (outcome, seen)
}

fn digest(events: &[EventBody]) -> Option<String> {
    events.iter().rev().find_map(|event| match event {
        EventBody::ActorFinished { state_digest, .. } => state_digest.clone(),
        _ => None,
    })
}

fn undisturbed() -> Option<String> {
    let (outcome, events) = run(PIPELINE, &Memory::default(), &[], None);
    assert_eq!(outcome.status, RunStatus::Succeeded, "{:?}", outcome.error);
    assert_eq!(outcome.results.len(), 7, "six additions and the last: nobody reads them");
    digest(&events)
}

#[test]
fn every_fault_ends_with_the_digest_of_an_undisturbed_run() {
    let wanted = undisturbed();
    assert!(wanted.is_some());
    for stage in ["load", "left", "add[0]", "add[3]", "add[5]", "last"] {
        for kind in ["trap", "worker-crash", "actor-crash", "trap@0.5", "worker-crash@1"] {
            let spec = format!("{stage}:{kind}");
            let (outcome, events) = run(PIPELINE, &Memory::default(), &[&spec], None);
            assert_eq!(outcome.status, RunStatus::Succeeded, "{spec}: {:?}", outcome.error);
            assert_eq!(digest(&events), wanted, "{spec}");
            let failed = events.iter().any(|e| matches!(e, EventBody::StageFailed { .. }));
            assert!(failed, "{spec} happened");
        }
    }
}

#[test]
fn a_stage_that_always_fails_is_tried_four_times_on_both_workers() {
    let text = "[[stage]]\nname = \"broken\"\ntask = \"p/broken\"\n";
    let (outcome, events) = run(text, &Memory::default(), &[], None);
    assert_eq!(outcome.status, RunStatus::Failed);
    let error = outcome.error.expect("a reason");
    assert_eq!(error, "stage broken failed after 4 attempts: always broken");
    let workers: Vec<String> = events
        .iter()
        .filter_map(|e| match e {
            EventBody::StageFailed { worker, .. } => Some(worker.clone()),
            _ => None,
        })
        .collect();
    assert!(workers.windows(2).all(|pair| pair[0] != pair[1]), "{workers:?}");
}

/// What a store would give back of a dead host's run: JSON outputs are in the events.
fn left_by(journal: &Memory) -> Left {
    let kept = journal.kept.lock().expect("unpoisoned");
    let mut left = Left::default();
    for event in &kept.events {
        if let EventBody::StageFinished { stage, outputs: notes, runtime_s, .. } = event {
            let mobula_contract::OutputNote::Json { value } = &notes[0].1 else { panic!("JSON") };
            let output = object(value.as_u64().expect("a number"));
            let output = Some(output).filter(|_| stage.name != "load");
            left.finished.insert(stage.clone(), (output, *runtime_s));
        }
    }
    for (id, position, _) in &kept.states {
        left.states.entry("sum".to_owned()).or_default().push((id.clone(), *position));
    }
    left
}

#[test]
fn a_host_that_dies_at_any_entry_of_the_journal_is_resumed_to_the_same_digest() {
    let wanted = undisturbed();
    let whole = Memory::default();
    run(PIPELINE, &whole, &[], None);
    let entries = whole.kept.lock().expect("unpoisoned").entries;
    assert!(entries > 30);
    for dies_after in 0..entries {
        let journal = Memory::default();
        journal.kept.lock().expect("unpoisoned").dies_after = Some(dies_after);
        run(PIPELINE, &journal, &[], None);
        let left = left_by(&journal);
        journal.kept.lock().expect("unpoisoned").dies_after = None;
        let (outcome, events) = run(PIPELINE, &journal, &["add[5]:actor-crash"], Some(left));
        assert_eq!(outcome.status, RunStatus::Succeeded, "{dies_after}: {:?}", outcome.error);
        assert_eq!(digest(&events), wanted, "died after {dies_after} entries");
    }
}
