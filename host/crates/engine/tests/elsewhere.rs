//! Calls that are carried out elsewhere: objects that lie far away, and calls that were begun anew there.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use mobula_contract::{
    ActorSpec, CheckpointId, DType, EventBody, Failure, FailureKind, Folders, Lent, Object,
    Pipeline, RunEvent, RunStatus, StageContext, StageKind, Tensor, Value, parse_pipeline,
};
use mobula_engine::{
    Actor, Call, Engine, EngineConfig, Journal, Outcome, Run, Save, SessionConfig, Stages, misfits,
};

const PIPELINE: &str = r#"
[pipeline]
seed = 7
[[stage]]
name = "make"
task = "p/make"
[[stage]]
name = "read"
task = "p/read"
inputs = { far = "make.far" }
"#;

/// Two calls that need a processor each.
const MEETING: &str = r#"
[[stage]]
name = "one"
task = "p/meet"
[[stage]]
name = "other"
task = "p/meet"
"#;

/// Seven bytes in a place that is gone where it was the first.
struct Far {
    place: u32,
}

impl Lent for Far {
    fn len(&self) -> usize {
        7
    }

    fn bytes(&self) -> &[u8] {
        assert!(!self.is_lost(), "nobody reads what cannot be brought");
        b"far off"
    }

    fn bring(&self) -> Result<(), String> {
        if self.is_lost() { Err("it is nowhere".to_owned()) } else { Ok(()) }
    }

    fn is_lost(&self) -> bool {
        self.place == 1
    }
}

/// Makes the object in one place after another, and loses each reader once without a word.
#[derive(Default)]
struct Elsewhere {
    made: AtomicU32,
    /// How many calls have come to meet each other.
    met: (Mutex<u32>, Condvar),
}

impl Stages for Elsewhere {
    fn run_task(&self, call: Call<'_>) -> Result<Object, Failure> {
        let StageKind::Task { export, .. } = &call.spec.kind else { panic!("no task") };
        if export == "make" {
            let place = self.made.fetch_add(1, Ordering::Relaxed) + 1;
            let tensor = Tensor::lent(DType::U8, vec![7], Box::new(Far { place })).unwrap();
            return Ok(Object::default().with("far", Value::Tensor(tensor)));
        }
        if export == "meet" {
            let (met, come) = &self.met;
            *met.lock().unwrap() += 1;
            come.notify_all();
            let longest = Duration::from_secs(30);
            let waited = come.wait_timeout_while(met.lock().unwrap(), longest, |met| *met < 2);
            return match waited.unwrap().1.timed_out() {
                true => Err(Failure::new(FailureKind::Invalid, "nobody else came")),
                false => Ok(Object::default()),
            };
        }
        call.inputs
            .bring()
            .map_err(|why| Failure::new(FailureKind::Host, format!("an input was lost: {why}")))?;
        call.context.tried_again("its machine is gone");
        Ok(Object::default().with("bytes", Value::Json(call.inputs.byte_len().into())))
    }

    fn create_actor(
        &self,
        _: &ActorSpec,
        _: Option<Vec<u8>>,
        _: Arc<dyn StageContext>,
    ) -> Result<Box<dyn Actor>, Failure> {
        Err(Failure::new(FailureKind::Invalid, "there are none"))
    }
}

struct Kept(Arc<Mutex<Vec<EventBody>>>);

impl Journal for Kept {
    fn record(&mut self, events: &[RunEvent]) -> Result<(), Failure> {
        self.0.lock().unwrap().extend(events.iter().map(|event| event.body.clone()));
        Ok(())
    }

    fn save(&mut self, _: Save<'_>) -> Result<String, Failure> {
        Err(Failure::new(FailureKind::Host, "nothing is saved"))
    }

    fn load(&mut self, _: &CheckpointId) -> Result<Vec<u8>, Failure> {
        Err(Failure::new(FailureKind::Host, "nothing was saved"))
    }
}

fn pipeline(text: &str) -> Pipeline {
    let here = Path::new("/");
    parse_pipeline("p.toml", text, Folders { base: here, current: here }, &[]).unwrap()
}

/// One with one processor, and so many more for calls that wait.
fn engine(ahead: f64) -> Engine {
    let config = EngineConfig::new(Arc::new(Elsewhere::default()));
    Engine::start(EngineConfig { cpus: 1.0, ahead, ..config }).unwrap()
}

/// Runs a pipeline; gives what happened.
fn run(text: &str, ahead: f64) -> (Outcome, Vec<EventBody>) {
    let engine = engine(ahead);
    let events = Arc::default();
    let journal: Box<dyn Journal> = Box::new(Kept(Arc::clone(&events)));
    let session = SessionConfig { journal: Some(journal), ..SessionConfig::default() };
    let outcome = Run::new(&engine, pipeline(text), None, session).finish(&mut |_| {});
    let events = std::mem::take(&mut *events.lock().unwrap());
    (outcome, events)
}

#[test]
fn calls_that_wait_elsewhere_are_there_before_their_processor() {
    let (outcome, _) = run(MEETING, 1.0);
    assert_eq!(outcome.status, RunStatus::Succeeded, "{:?}", outcome.error);
    // Who waits does not add to what there is.
    let large = pipeline(&MEETING.replace("p/meet\"", "p/meet\"\ncpus = 2"));
    let lack = "stage `one` needs 2 cpus, but there are 1";
    assert_eq!(misfits(&engine(1.0), &large)[0], lack);
}

#[test]
fn what_is_lost_far_away_is_made_again_and_each_attempt_there_is_in_the_history() {
    let (outcome, events) = run(PIPELINE, 0.0);
    assert_eq!(outcome.status, RunStatus::Succeeded, "{:?}", outcome.error);
    let seen: Vec<String> = events
        .iter()
        .filter_map(|event| match event {
            EventBody::StageStarted { stage, attempt, .. } => {
                Some(format!("{stage} begins {attempt}"))
            }
            EventBody::StageFailed { stage, attempt, kind, retried: true, .. } => {
                Some(format!("{stage} fails {attempt} {kind:?}"))
            }
            EventBody::StageFinished { stage, attempt, .. } => {
                Some(format!("{stage} ends {attempt}"))
            }
            _ => None,
        })
        .collect();
    let wanted = [
        "make begins 1",
        "make ends 1",
        "read begins 1",
        "read fails 1 Host",
        "make begins 2",
        "make ends 2",
        "read begins 2",
        "read fails 2 WorkerLost",
        "read begins 3",
        "read ends 3",
    ];
    assert_eq!(seen, wanted);
}
