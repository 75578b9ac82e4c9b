//! `mobula run` and `mobula runs resume`: one run in this process, from its file or from where an earlier
//! process left it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use mobula_contract::{
    ActorSource, Folders, Override, Pipeline, RunEvent, RunId, RunStatus, parse_pipeline,
};
use mobula_engine::{CancelHandle, Engine, EngineConfig, Outcome};
use mobula_store::{NewRun, Store};
use serde_json::Value as Json;

use crate::args::{EngineKind, RunArgs, RunHow};
use crate::check::{check, check_faults};
use crate::cluster::{Cluster, Components, hand_over};
use crate::embed::{self, engine_over};
use crate::exit::{Ended, Exit};
use crate::home;
use crate::job::{Hooks, RunJob, new_id};
use crate::live::Live;
use crate::origin;
use crate::output::Output;
use crate::plugins::Catalogue;
use crate::signals::{self, Asked};
use crate::stages::{HostStages, Kept};

/// Runs a pipeline file.
pub(crate) fn start(
    args: &RunArgs,
    home: Option<PathBuf>,
    cluster: Option<&dyn Cluster>,
    output: Output,
) -> anyhow::Result<()> {
    if cluster.is_none() && args.how.engine == EngineKind::Ray {
        return Err(hand_over(&args.how));
    }
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
    let engine = engine_for(catalogue, cluster, &args.how, failed(&store, &run))?;
    store.create_run(&NewRun { id: &run, pipeline: &pipeline }).map_err(home::coded)?;
    let origin = origin::enter(&store, &run, &states)?;
    let (faults, before) = (args.faults.clone(), Vec::new());
    let job = RunJob { run, pipeline, faults, before, origin };
    perform(job, &store, &engine, &args.how, output)
}

/// Takes up a run that was interrupted.
pub(crate) fn resume(
    run: &str,
    how: &RunHow,
    home: Option<PathBuf>,
    cluster: Option<&dyn Cluster>,
    output: Output,
) -> anyhow::Result<()> {
    if cluster.is_none() && how.engine == EngineKind::Ray {
        return Err(hand_over(how));
    }
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
    let engine = engine_for(catalogue, cluster, how, failed(&store, &row.run))?;
    let job = RunJob { run: row.run, pipeline, faults, before, origin };
    perform(job, &store, &engine, how, output)
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

/// Where inputs of failed calls are kept.
fn failed(store: &Store, run: &RunId) -> PathBuf {
    store.home().join("failed").join(run.as_str())
}

/// An engine whose calls are carried out here, or on a cluster.
fn engine_for(
    catalogue: Catalogue,
    cluster: Option<&dyn Cluster>,
    how: &RunHow,
    failed: PathBuf,
) -> anyhow::Result<Engine> {
    let (catalogue, cpus) = (Arc::new(catalogue), how.workers.map(f64::from));
    let Some(cluster) = cluster else {
        let kept = how.keep_inputs.then(|| Kept::new(failed));
        return engine_over(Arc::new(HostStages { catalogue, kept }), cpus, how.memory);
    };
    if how.keep_inputs {
        let message = "--keep-inputs keeps what is in this process: it goes with --engine embedded";
        return Err(Ended::error(Exit::Invalid, message));
    }
    let joined = cluster.join(how.address.as_deref(), Components { catalogue })?;
    // Who says how many workers there are means as many calls at one time.
    let (cpus, ahead) = cpus.map_or((joined.cpus, joined.ahead), |cpus| (cpus, 0.0));
    let config = EngineConfig::new(joined.stages);
    embed::start(EngineConfig { cpus, ahead, memory_bytes: how.memory, ..config })
}

fn perform(
    job: RunJob,
    store: &Store,
    engine: &Engine,
    how: &RunHow,
    output: Output,
) -> anyhow::Result<()> {
    let (run, seed) = (job.run.clone(), job.pipeline.seed);
    let mut live = Live::new(&job.pipeline, output.json);
    let hooks = Hooks {
        tell: Arc::new(move |text: &str| output.note(text)),
        written: Box::new(|| {}),
        kill_host: Some(kill_host),
        bytes_max: None,
    };
    let begun = job.begin(store, engine, hooks)?;
    stop_on_signal(begun.cancel_handle(), how.notice)?;
    if !output.json {
        output.note(&format!("run {run}"));
    }
    let outcome = begun.finish(store, &mut |event| live.see(event))?;
    let report = super::runs::report_of(store, &run, seed, outcome.status)?;
    output.result(&report, || super::runs::prose(&report))?;
    close(&run, &outcome)
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
