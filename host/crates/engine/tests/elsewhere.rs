//! Calls that are carried out elsewhere: objects that lie far away, and calls that were begun anew there.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use mobula_contract::{
    ActorSpec, CheckpointId, DType, EventBody, Failure, FailureKind, Folders, Lent, Object,
    RunEvent, RunStatus, StageContext, StageKind, Tensor, Value, parse_pipeline,
};
use mobula_engine::{Actor, Call, Engine, EngineConfig, Journal, Run, Save, SessionConfig, Stages};

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
}

impl Stages for Elsewhere {
    fn run_task(&self, call: Call<'_>) -> Result<Object, Failure> {
        let StageKind::Task { export, .. } = &call.spec.kind else { panic!("no task") };
        if export == "make" {
            let place = self.made.fetch_add(1, Ordering::Relaxed) + 1;
            let tensor = Tensor::lent(DType::U8, vec![7], Box::new(Far { place })).unwrap();
            return Ok(Object::default().with("far", Value::Tensor(tensor)));
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

#[test]
fn what_is_lost_far_away_is_made_again_and_each_attempt_there_is_in_the_history() {
    let here = Path::new("/");
    let folders = Folders { base: here, current: here };
    let pipeline = parse_pipeline("p.toml", PIPELINE, folders, &[]).unwrap();
    let config = EngineConfig::new(Arc::new(Elsewhere::default()));
    let engine = Engine::start(EngineConfig { cpus: 1.0, ..config }).unwrap();
    let events = Arc::default();
    let journal: Box<dyn Journal> = Box::new(Kept(Arc::clone(&events)));
    let session = SessionConfig { journal: Some(journal), ..SessionConfig::default() };
    let outcome = Run::new(&engine, pipeline, None, session).finish(&mut |_| {});
    assert_eq!(outcome.status, RunStatus::Succeeded, "{:?}", outcome.error);
    let events = events.lock().unwrap();
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
