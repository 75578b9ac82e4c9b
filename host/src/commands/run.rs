//! `mobula run` and `mobula runs resume`: one run in this process, from its file or from where an earlier
//! process left it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use mobula_contract::{
    ActorSource, CheckpointId, EventBody, Folders, Pipeline, RunEvent, RunId, RunReport, RunStatus,
    StageRef, Value, parse_pipeline,
};
use mobula_engine::{CancelHandle, Fault, Outcome, Run, SessionConfig, misfits};
use mobula_store::{Keeper, NewRun, OpenOptions, Store};
use serde_json::{Map, Value as Json};

use crate::args::{RunArgs, RunHow};
use crate::check::check;
use crate::embed::engine_over;
use crate::exit::{Ended, Exit};
use crate::home;
use crate::journal::StoreJournal;
use crate::live::Live;
use crate::output::Output;
use crate::plugins::Catalogue;
use crate::policy::policy;
use crate::resume::{last_number, take_up};

/// Runs a pipeline file.
pub(crate) fn start(args: &RunArgs, home: Option<PathBuf>, output: Output) -> anyhow::Result<()> {
    let pipeline = read(args)?;
    check_faults(&pipeline, &args.faults)?;
    let store = home::store(home)?;
    let catalogue = Catalogue::open(&store, args.how.plugin_dir.as_deref())?;
    check(&pipeline, &catalogue)?;
    if !args.fresh {
        mention_interrupted(&store, &pipeline, output)?;
    }
    let run = new_id();
    store.create_run(&NewRun { id: &run, pipeline: &pipeline }).map_err(home::coded)?;
    let job = RunJob { run, pipeline, faults: args.faults.clone(), before: Vec::new() };
    job.perform(store, catalogue, &args.how, output)
}

/// Takes up a run that was interrupted.
pub(crate) fn resume(
    run: &str,
    how: &RunHow,
    home: Option<PathBuf>,
    output: Output,
) -> anyhow::Result<()> {
    let store = home::store(home)?;
    let row = home::run(&store, run)?;
    let pipeline = store.run_pipeline(&row.run).map_err(home::coded)?;
    let events = store.events(&row.run, 0).map_err(home::coded)?;
    let before: Vec<RunEvent> = events.into_iter().map(|(_, event)| event).collect();
    if row.status == RunStatus::Succeeded {
        output.note(&format!("run {} is already done", row.run));
        let report = RunReport::from_events(row.run, pipeline.seed, row.status, &before);
        return output.result(&report, || super::runs::prose(&report));
    }
    let catalogue = Catalogue::open(&store, how.plugin_dir.as_deref())?;
    check(&pipeline, &catalogue)?;
    let job = RunJob { run: row.run, pipeline, faults: Vec::new(), before };
    job.perform(store, catalogue, how, output)
}

fn read(args: &RunArgs) -> anyhow::Result<Pipeline> {
    let file = args.file.display().to_string();
    let text = std::fs::read_to_string(&args.file).map_err(|e| {
        let exit = match e.kind() {
            std::io::ErrorKind::NotFound => Exit::NotFound,
            _ => Exit::Invalid,
        };
        Ended::error(exit, format!("cannot read the pipeline file {file}: {e}"))
    })?;
    let current = std::env::current_dir().context("there is no current folder")?;
    let base = args.file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let base = std::path::absolute(base).unwrap_or_else(|_| base.to_owned());
    let folders = Folders { base: &base, current: &current };
    let mut pipeline = parse_pipeline(&file, &text, folders, &args.sets)
        .map_err(|e| Ended::error(Exit::Invalid, e.to_string()))?;
    take_in_models(&mut pipeline, &base)?;
    Ok(pipeline)
}

/// Puts the text of a network file in the place of its name, so that a run needs the file only once.
fn take_in_models(pipeline: &mut Pipeline, base: &Path) -> anyhow::Result<()> {
    for actor in &mut pipeline.actors {
        let native = matches!(&actor.source, ActorSource::Native { .. });
        if let Some(Json::String(model)) = actor.args.get_mut("model").filter(|_| native)
            && model.ends_with(".toml")
        {
            let file = base.join(&*model);
            *model = std::fs::read_to_string(&file).map_err(|e| {
                let message =
                    format!("actor `{}`: network file {}: {e}", actor.name, file.display());
                Ended::error(Exit::NotFound, message)
            })?;
        }
    }
    Ok(())
}

fn check_faults(pipeline: &Pipeline, faults: &[Fault]) -> anyhow::Result<()> {
    for fault in faults {
        let stage = pipeline.stage(&fault.stage);
        // How often a stage with `foreach` runs is known only when it does.
        if stage.is_some_and(|stage| stage.foreach.is_some()) {
            continue;
        }
        let repeat = stage.map(|stage| stage.repeat.unwrap_or(1));
        if repeat.is_none_or(|repeat| fault.index >= repeat) {
            let names: Vec<&str> = pipeline.stages.iter().map(|s| s.name.as_str()).collect();
            let why = match repeat {
                None => format!("no stage `{}`: there is {}", fault.stage, names.join(", ")),
                Some(n) => format!("stage `{}` has {n} repetitions, from 0", fault.stage),
            };
            let message = format!("--inject {}[{}]: {why}", fault.stage, fault.index);
            return Err(Ended::error(Exit::Invalid, message));
        }
    }
    Ok(())
}

/// A second start of the same thing is often a resume that was forgotten.
fn mention_interrupted(store: &Store, pipeline: &Pipeline, output: Output) -> anyhow::Result<()> {
    let newest =
        store.runs().map_err(home::coded)?.into_iter().find(|r| r.pipeline == pipeline.name);
    if let Some(row) = newest.filter(|row| row.status == RunStatus::Interrupted)
        && store.run_pipeline(&row.run).is_ok_and(|before| before == *pipeline)
    {
        let run = row.run;
        output.note(&format!(
            "run {run} of this pipeline was interrupted: `mobula runs resume {run}` \
             would continue it (this is a new run; --fresh hides this remark)"
        ));
    }
    Ok(())
}

fn new_id() -> RunId {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    // Two processes that start in the same millisecond differ in one of these.
    let salt = std::process::id() ^ since.subsec_nanos().rotate_left(7);
    RunId::new(ms, (salt & 0xffff) as u16)
}

/// A run about to be performed by this process.
struct RunJob {
    run: RunId,
    pipeline: Pipeline,
    faults: Vec<Fault>,
    before: Vec<RunEvent>,
}

impl RunJob {
    fn perform(
        self,
        store: Store,
        catalogue: Catalogue,
        how: &RunHow,
        output: Output,
    ) -> anyhow::Result<()> {
        let Self { run, pipeline, faults, before } = self;
        let engine = engine_over(catalogue, how.workers.map(f64::from), how.memory)?;
        let misfits = misfits(&engine, &pipeline);
        if !misfits.is_empty() {
            return Err(Ended::error(Exit::Invalid, misfits.join("\n")));
        }
        let _lock = store.lock_run(&run).map_err(home::coded)?;
        let left = match before.is_empty() {
            true => None,
            false => Some(take_up(&store, &run, &pipeline, &before, &mut |aside| {
                let (id, reason) = (&aside.id, &aside.reason);
                output.note(&format!("checkpoint {id} is damaged and not used: {reason}"));
            })?),
        };
        let seed = pipeline.seed;
        let mut number = last_number(&store, &run, &before)?;
        let mut live = Live::new(&pipeline, output.json);
        let journal_store = Store::open(store.home()).map_err(home::coded)?;
        let keep = pipeline.checkpoint.keep;
        let keeper = Keeper::start(store.home(), &OpenOptions::default()).map_err(home::coded)?;
        let journal = StoreJournal { store: journal_store, keeper, run: run.clone(), keep };
        let named = run.clone();
        let config = SessionConfig {
            journal: Some(Box::new(journal)),
            policy: Some(policy(&pipeline.checkpoint, &before)),
            names: Some(Box::new(move || {
                number += 1;
                CheckpointId::new(&named, number)
            })),
            faults,
            kill_host: Some(kill_host),
            begun_s: before.last().map_or(0.0, |event| event.at_s),
            ..SessionConfig::default()
        };
        let engine_run = Run::new(&engine, pipeline, left, config);
        cancel_on_signal(engine_run.cancel_handle())?;
        if !output.json {
            output.note(&format!("run {run}"));
        }
        let outcome = engine_run.finish(&mut |event| live.see(event));
        let body = EventBody::RunEnded {
            status: outcome.status,
            result: numbers(&outcome),
            error: outcome.error.clone(),
        };
        let ended = RunEvent { at_s: outcome.wall_s, body };
        live.see(&ended);
        store.append(&run, &[ended]).map_err(home::coded)?;
        let events = store.events(&run, 0).map_err(home::coded)?;
        let events: Vec<RunEvent> = events.into_iter().map(|(_, event)| event).collect();
        let report = RunReport::from_events(run.clone(), seed, outcome.status, &events);
        output.result(&report, || super::runs::prose(&report))?;
        close(&run, &outcome)
    }
}

/// The command's end, after its document.
fn close(run: &RunId, outcome: &Outcome) -> anyhow::Result<()> {
    match outcome.status {
        RunStatus::Succeeded => Ok(()),
        RunStatus::Interrupted => {
            let message = format!("interrupted; `mobula runs resume {run}` continues it");
            Err(Ended::error(Exit::Interrupted, message))
        }
        RunStatus::Failed | RunStatus::Running => {
            let why = outcome.error.as_deref().unwrap_or("it did not come to an end");
            let message = format!(
                "run {run} failed: {why}\nwhat is saved is kept: `mobula runs resume {run}` tries again"
            );
            Err(Ended::error(Exit::Failed, message))
        }
    }
}

/// The number fields that nobody in the pipeline reads: what the run was for.
fn numbers(outcome: &Outcome) -> Map<String, Json> {
    let mut numbers = Map::new();
    for (stage, object) in &outcome.results {
        let StageRef { name: stage, repeated, .. } = stage;
        for (field, value) in object.fields.iter().filter(|_| !repeated) {
            if let Value::Json(value @ Json::Number(_)) = value {
                let taken = numbers.contains_key(field);
                let key = if taken { format!("{stage}.{field}") } else { field.clone() };
                numbers.insert(key, value.clone());
            }
        }
    }
    numbers
}

/// The first signal ends the run in order; a second one at once, which loses only what is not saved.
fn cancel_on_signal(handle: CancelHandle) -> anyhow::Result<()> {
    let asked = AtomicBool::new(false);
    ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::Relaxed) {
            std::process::exit(Exit::Interrupted as i32);
        }
        handle.cancel();
    })
    .context("cannot listen for Ctrl-C")
}

fn kill_host() {
    let own = rustix::process::getpid();
    // Nothing is left to answer if it succeeds.
    let _ = rustix::process::kill_process(own, rustix::process::Signal::KILL);
    std::process::abort();
}
