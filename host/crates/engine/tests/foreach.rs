//! Pipelines whose stages run once for each of several things: lists, rows, streams; whatever fails, and
//! when the host dies in between.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::Path;
use std::sync::{Arc, Mutex};

use common::{engine, is_empty_but_for, number};
use mobula_contract::{
    CheckpointId, EventBody, Failure, FailureKind, Folders, OutputNote, Pipeline, RunEvent, RunId,
    RunStatus, Value, parse_pipeline,
};
use mobula_engine::{Engine, Journal, Left, Outcome, Run, Save, SessionConfig, misfits};

const PIPELINE: &str = r#"
[[stage]]
name = "rows"
task = "t/rows"
args = { count = 10 }
[[stage]]
name = "part"
task = "t/sum_rows"
foreach = { over = "rows.rows", as = "rows", rows = 4 }
[[stage]]
name = "all"
task = "t/sum_list"
inputs = { x = "part.x" }
[[stage]]
name = "list"
task = "t/list"
args = { count = 5 }
[[stage]]
name = "each"
task = "t/add"
foreach = { over = "list.list", as = "x" }
inputs = { y = "all.x" }
[[stage]]
name = "named"
task = "t/give"
foreach = { over = [7, 8], as = "x" }
[[stage]]
name = "second"
task = "t/add"
inputs = { x = "named[1].x" }
[[stage]]
name = "count"
task = "t/count_up"
args = { count = 200 }
[[actor]]
name = "sum"
native = "sum"
[[stage]]
name = "sum_up"
actor = "sum"
method = "add"
foreach = "count"
[[stage]]
name = "after"
actor = "sum"
method = "add"
inputs = { x = "second.x" }
[[stage]]
name = "total"
task = "t/sum_list"
inputs = { x = "each.x" }
"#;

fn pipeline(text: &str) -> Pipeline {
    let here = Path::new("/");
    parse_pipeline("p.toml", text, Folders { base: here, current: here }, &[]).unwrap()
}

#[derive(Default, Clone)]
struct Kept {
    events: Arc<Mutex<Vec<EventBody>>>,
    /// Nothing is kept after so many events: the host died there.
    dies_after: Option<usize>,
}

impl Journal for Kept {
    fn record(&mut self, events: &[RunEvent]) -> Result<(), Failure> {
        let mut kept = self.events.lock().unwrap();
        for event in events {
            if self.dies_after.is_none_or(|limit| kept.len() < limit) {
                kept.push(event.body.clone());
            }
        }
        Ok(())
    }

    fn save(&mut self, _: Save<'_>) -> Result<String, Failure> {
        Ok("blake3:0".to_owned())
    }

    fn load(&mut self, id: &CheckpointId) -> Result<Vec<u8>, Failure> {
        Err(Failure::new(FailureKind::Host, format!("no checkpoint {}", id.as_str())))
    }
}

fn run(engine: &Engine, kept: &Kept, faults: &[&str], left: Option<Left>) -> Outcome {
    let config = SessionConfig {
        journal: Some(Box::new(kept.clone())),
        faults: faults.iter().map(|spec| spec.parse().unwrap()).collect(),
        names: Some(Box::new(|| CheckpointId::new(&RunId::new(1, 1), 1))),
        ..SessionConfig::default()
    };
    Run::new(engine, pipeline(PIPELINE), left, config).finish(&mut |_| ())
}

fn result(outcome: &Outcome, stage: &str) -> u64 {
    assert_eq!(outcome.status, RunStatus::Succeeded, "{:?}", outcome.error);
    let found = outcome.results.iter().rfind(|(found, _)| found.name == stage);
    number(&found.unwrap().1)
}

#[track_caller]
fn check(outcome: &Outcome) {
    // Rows 0 to 9 add up to 45; each of 0 to 4 adds it; 0 to 199 and the second of 7 and 8 go to the actor.
    assert_eq!(result(outcome, "total"), 5 * 45 + 10);
    assert_eq!(result(outcome, "after"), 199 * 100 + 8);
}

#[test]
fn lists_rows_and_streams_give_what_they_should() {
    let engine = engine(2.0);
    let kept = Kept::default();
    check(&run(&engine, &kept, &[], None));
    let events = kept.events.lock().unwrap();
    let whole = events.iter().filter_map(|event| match event {
        EventBody::Expanded { stage, count, whole: true } => Some((stage.as_str(), *count)),
        _ => None,
    });
    let mut whole: Vec<_> = whole.collect();
    whole.sort_unstable();
    assert_eq!(whole, [("each", 5), ("named", 2), ("part", 3), ("sum_up", 200)]);
    is_empty_but_for(&engine, 0);
}

#[test]
fn failures_change_nothing() {
    let engine = engine(2.0);
    for fault in
        ["part[1]:trap", "count:worker-crash@1", "sum_up[150]:actor-crash", "each[4]:worker-crash"]
    {
        check(&run(&engine, &Kept::default(), &[fault], None));
        is_empty_but_for(&engine, 0);
    }
}

fn left_by(kept: &Kept) -> Left {
    let mut left = Left::default();
    for event in &*kept.events.lock().unwrap() {
        match event {
            EventBody::StageFinished { stage, outputs, runtime_s, .. } => {
                let object = match &outputs[..] {
                    [(name, OutputNote::Json { value })] => Some(
                        mobula_contract::Object::default().with(name, Value::Json(value.clone())),
                    ),
                    _ => None,
                };
                left.finished.insert(stage.clone(), (object, *runtime_s));
            }
            EventBody::Expanded { stage, count, whole } => {
                left.expanded.insert(stage.clone(), (*count, *whole));
            }
            _ => {}
        }
    }
    left
}

#[test]
fn a_host_that_dies_anywhere_is_resumed_to_the_same_results() {
    let engine = engine(2.0);
    let whole = Kept::default();
    run(&engine, &whole, &[], None);
    let events = whole.events.lock().unwrap().len();
    for dies_after in (0..=events).step_by(7) {
        let kept = Kept { dies_after: Some(dies_after), ..Kept::default() };
        run(&engine, &kept, &[], None);
        let left = left_by(&kept);
        let outcome = run(&engine, &Kept::default(), &[], Some(left));
        assert_eq!(result(&outcome, "total"), 235, "died after {dies_after}");
        assert_eq!(result(&outcome, "after"), 19_908, "died after {dies_after}");
        is_empty_but_for(&engine, 0);
    }
}

#[test]
fn what_cannot_be_iterated_or_never_fits_is_named() {
    let engine = engine(2.0);
    let text = "[[stage]]\nname = \"one\"\ntask = \"t/give\"\nargs = { x = 1 }\n\
                [[stage]]\nname = \"each\"\ntask = \"t/add\"\nforeach = \"one.x\"\n";
    let outcome = Run::new(&engine, pipeline(text), None, SessionConfig::default());
    let outcome = outcome.finish(&mut |_| ());
    let error = outcome.error.unwrap();
    assert_eq!(error, "`foreach` of stage each: `x` is json, neither a list nor a tensor");
    let text = "[[stage]]\nname = \"wide\"\ntask = \"t/give\"\ncpus = 2.5\n";
    assert_eq!(misfits(&engine, &pipeline(text)), ["stage `wide` needs 2.5 cpus, but there are 2"]);
}
