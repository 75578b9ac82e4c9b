//! `mobula run` and `mobula runs resume`: one run in this process, from its file or from where an earlier
//! process left it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use mobula_contract::{
    ActorSource, CheckpointId, EventBody, Folders, Override, Pipeline, RunEvent, RunId, RunStatus,
    StageRef, Value, parse_pipeline,
};
use mobula_engine::{CancelHandle, Fault, Left, Outcome, Run, SessionConfig, misfits};
use mobula_store::{NewRun, Store};
use serde_json::{Map, Value as Json};

use crate::args::{RunArgs, RunHow};
use crate::check::check;
use crate::embed::engine_over;
use crate::exit::{Ended, Exit};
use crate::home;
use crate::journal::StoreJournal;
use crate::learned;
use crate::live::Live;
use crate::origin;
use crate::output::Output;
use crate::plugins::Catalogue;
use crate::policy::RunPolicy;
use crate::probe::probe;
use crate::resume::{last_number, take_up};
use crate::signals::{self, Asked};
use crate::stages::{HostStages, Kept};

/// Runs a pipeline file.
pub(crate) fn start(args: &RunArgs, home: Option<PathBuf>, output: Output) -> anyhow::Result<()> {
    let mut pipeline = read(&args.file, &args.sets)?;
    check_faults(&pipeline, &args.faults)?;
    let store = home::store(home)?;
    let mut catalogue = Catalogue::open(&store, args.how.plugin_dir.as_deref())?;
    catalogue.pin(&pipeline.plugins);
    check(&pipeline, &catalogue)?;
    // The run is bound to what it begins with.
    pipeline.plugins = catalogue.pins_of(&pipeline)?;
    catalogue.keep(&pipeline.plugins, &store)?;
    catalogue.pin(&pipeline.plugins);
    if !args.fresh {
        mention_interrupted(&store, &pipeline, output)?;
    }
    let states = origin::read(&store, &pipeline, &args.from)?;
    let run = new_id();
    store.create_run(&NewRun { id: &run, pipeline: &pipeline }).map_err(home::coded)?;
    let origin = origin::enter(&store, &run, &states)?;
    let (faults, before) = (args.faults.clone(), Vec::new());
    let job = RunJob { run, pipeline, faults, before, origin };
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
        let report = super::runs::report_of(&store, &row.run, pipeline.seed, row.status)?;
        return output.result(&report, || super::runs::prose(&report));
    }
    let mut catalogue = Catalogue::open(&store, how.plugin_dir.as_deref())?;
    catalogue.pin_again(&pipeline.plugins);
    check(&pipeline, &catalogue)?;
    let (faults, origin) = (Vec::new(), None);
    let job = RunJob { run: row.run, pipeline, faults, before, origin };
    job.perform(store, catalogue, how, output)
}

/// Reads a pipeline file, and the network files that it names.
pub(crate) fn read(path: &Path, sets: &[Override]) -> anyhow::Result<Pipeline> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|e| {
        let exit = match e.kind() {
            std::io::ErrorKind::NotFound => Exit::NotFound,
            _ => Exit::Invalid,
        };
        Ended::error(exit, format!("cannot read the pipeline file {file}: {e}"))
    })?;
    let current = std::env::current_dir().context("there is no current folder")?;
    let base = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let base = std::path::absolute(base).unwrap_or_else(|_| base.to_owned());
    let folders = Folders { base: &base, current: &current };
    let mut pipeline = parse_pipeline(&file, &text, folders, sets)
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
    /// What a new run begins with.
    origin: Option<Left>,
}

impl RunJob {
    fn perform(
        self,
        store: Store,
        catalogue: Catalogue,
        how: &RunHow,
        output: Output,
    ) -> anyhow::Result<()> {
        let Self { run, pipeline, faults, before, origin } = self;
        let folder = store.home().join("failed").join(run.as_str());
        let kept = how.keep_inputs.then(|| Kept::new(folder));
        let stages = HostStages { catalogue: Arc::new(catalogue), kept };
        let engine = engine_over(stages, how.workers.map(f64::from), how.memory)?;
        let misfits = misfits(&engine, &pipeline);
        if !misfits.is_empty() {
            return Err(Ended::error(Exit::Invalid, misfits.join("\n")));
        }
        let _lock = store.lock_run(&run).map_err(home::coded)?;
        let left = match before.is_empty() {
            true => origin,
            false => Some(take_up(&store, &run, &pipeline, &before, &mut |aside| {
                let (id, reason) = (&aside.id, &aside.reason);
                output.note(&format!("checkpoint {id} is damaged and not used: {reason}"));
            })?),
        };
        let (seed, name) = (pipeline.seed, pipeline.name.clone());
        let mut number = last_number(&store, &run, &before)?;
        let mut live = Live::new(&pipeline, output.json);
        let tell = Box::new(move |text: &str| output.note(text));
        let journal = StoreJournal::open(&store, &run, &pipeline.checkpoint, tell);
        let controller = controller(&store, &run, &pipeline, &before, &mut live)?;
        let named = run.clone();
        let config = SessionConfig {
            journal: Some(Box::new(journal.map_err(home::coded)?)),
            policy: Some(Box::new(controller.clone())),
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
        stop_on_signal(engine_run.cancel_handle(), how.notice)?;
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
        learned::keep(&store, &name, &controller.learned()).map_err(home::coded)?;
        let report = super::runs::report_of(&store, &run, seed, outcome.status)?;
        output.result(&report, || super::runs::prose(&report))?;
        close(&run, &outcome)
    }
}

/// The policy of a run: with what earlier runs of the pipeline learned, which the first process of the
/// run writes down, so that a later one starts from the same.
fn controller(
    store: &Store,
    run: &RunId,
    pipeline: &Pipeline,
    before: &[RunEvent],
    live: &mut Live,
) -> anyhow::Result<RunPolicy> {
    let home = store.home().to_owned();
    if !before.is_empty() {
        let remembered = before.iter().find_map(|event| match &event.body {
            EventBody::Remembered { learned, .. } => Some(learned),
            _ => None,
        });
        return Ok(RunPolicy::new(pipeline, remembered, before, Some(home), None));
    }
    let Some(learned) = learned::recall(store, &pipeline.name).map_err(home::coded)? else {
        let probe = probe(&home);
        return Ok(RunPolicy::new(pipeline, None, before, Some(home), probe));
    };
    let note = learned::read(&learned).map(|learned| learned.to_string()).unwrap_or_default();
    let body = EventBody::Remembered { note, learned: learned.clone() };
    let event = RunEvent { at_s: 0.0, body };
    live.see(&event);
    store.append(run, &[event]).map_err(home::coded)?;
    Ok(RunPolicy::new(pipeline, Some(&learned), before, Some(home), None))
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

/// SIGTERM is how machines say that they go away: where that leaves time, it is used for saving.
fn stop_on_signal(handle: CancelHandle, notice_s: Option<f64>) -> anyhow::Result<()> {
    signals::on_first(move |asked| match notice_s.filter(|_| asked == Asked::ByMachine) {
        Some(left_s) => handle.notice(left_s),
        None => handle.cancel(),
    })
}

fn kill_host() {
    let own = rustix::process::getpid();
    // Nothing is left to answer if it succeeds.
    let _ = rustix::process::kill_process(own, rustix::process::Signal::KILL);
    std::process::abort();
}
