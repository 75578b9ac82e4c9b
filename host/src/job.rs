//! One run on an engine, from what is known of it to its last event: the same for the command line and the
//! server. Who watches it, and what becomes of its report, is theirs.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use mobula_contract::{CheckpointId, EventBody, Pipeline, RunEvent, RunId, StageRef, Value};
use mobula_engine::{CancelHandle, Engine, Fault, Left, Outcome, Run, SessionConfig, misfits};
use mobula_store::{RunLock, Store};
use serde_json::{Map, Value as Json};

use crate::exit::{Ended, Exit};
use crate::home;
use crate::journal::{Ears, StoreJournal};
use crate::learned;
use crate::policy::RunPolicy;
use crate::probe::probe;
use crate::resume::{last_number, take_up};
use crate::stop::Ear;

/// A run about to be performed by this process.
pub(crate) struct RunJob {
    pub(crate) run: RunId,
    pub(crate) pipeline: Pipeline,
    pub(crate) faults: Vec<Fault>,
    /// What earlier processes wrote of it.
    pub(crate) before: Vec<RunEvent>,
    /// What a new run begins with.
    pub(crate) origin: Option<Left>,
}

/// Who is told of what, and what the run may do.
pub(crate) struct Hooks {
    /// Remarks for the user.
    pub(crate) tell: Arc<dyn Fn(&str) + Send + Sync>,
    /// Events were written.
    pub(crate) written: Box<dyn Fn() + Send>,
    /// Kills this process, for the fault `host-kill`.
    pub(crate) kill_host: Option<fn()>,
    /// Bytes that the store may take on the disk.
    pub(crate) bytes_max: Option<u64>,
}

/// A run that is this process's, and ready.
pub(crate) struct Begun {
    run: RunId,
    name: String,
    controller: RunPolicy,
    engine_run: Run,
    /// What was written of it already.
    first: Option<RunEvent>,
    ear: Ear,
    _lock: RunLock,
}

/// A name that no other run has.
pub(crate) fn new_id() -> RunId {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    // Two processes that start in the same millisecond differ in one of these.
    let salt = std::process::id() ^ since.subsec_nanos().rotate_left(7);
    RunId::new(ms, (salt & 0xffff) as u16)
}

impl RunJob {
    /// Takes the run for this process, and makes it ready; nothing runs yet.
    pub(crate) fn begin(
        self,
        store: &Store,
        engine: &Engine,
        hooks: Hooks,
    ) -> anyhow::Result<Begun> {
        let Self { run, pipeline, faults, before, origin } = self;
        let misfits = misfits(engine, &pipeline);
        if !misfits.is_empty() {
            return Err(Ended::error(Exit::Invalid, misfits.join("\n")));
        }
        let lock = store.lock_run(&run).map_err(home::coded)?;
        let ear = Ear::open(store.home(), &run)?;
        let left = match before.is_empty() {
            true => origin,
            false => Some(take_up(store, &run, &pipeline, &before, &mut |aside| {
                let (id, reason) = (&aside.id, &aside.reason);
                (hooks.tell)(&format!("checkpoint {id} is damaged and not used: {reason}"));
            })?),
        };
        let name = pipeline.name.clone();
        let mut number = last_number(store, &run, &before)?;
        let tell = Arc::clone(&hooks.tell);
        let ears = Ears {
            tell: Box::new(move |text| tell(text)),
            written: hooks.written,
            bytes_max: hooks.bytes_max,
        };
        let journal = StoreJournal::open(store, &run, &pipeline.checkpoint, ears);
        let (controller, first) = controller(store, &run, &pipeline, &before)?;
        let named = run.clone();
        let config = SessionConfig {
            journal: Some(Box::new(journal.map_err(home::coded)?)),
            policy: Some(Box::new(controller.clone())),
            names: Some(Box::new(move || {
                number += 1;
                CheckpointId::new(&named, number)
            })),
            faults,
            kill_host: hooks.kill_host,
            begun_s: before.last().map_or(0.0, |event| event.at_s),
            ..SessionConfig::default()
        };
        let engine_run = Run::new(engine, pipeline, left, config);
        Ok(Begun { run, name, controller, engine_run, first, ear, _lock: lock })
    }
}

impl Begun {
    /// For stopping the run from elsewhere.
    pub(crate) fn cancel_handle(&self) -> CancelHandle {
        self.engine_run.cancel_handle()
    }

    /// Runs to the end. `see` sees every event as it happens, progress included.
    pub(crate) fn finish(
        self,
        store: &Store,
        see: &mut dyn FnMut(&RunEvent),
    ) -> anyhow::Result<Outcome> {
        // What is named last is dropped first: the ear is closed while the run is still ours.
        let Self { _lock, run, name, controller, engine_run, first, mut ear } = self;
        if let Some(first) = &first {
            see(first);
        }
        let handle = engine_run.cancel_handle();
        let outcome = engine_run.finish(&mut |event| {
            // From here on somebody sees its end.
            if matches!(event.body, EventBody::RunStarted { .. }) {
                ear.listen(handle.clone());
            }
            see(event);
        });
        let body = EventBody::RunEnded {
            status: outcome.status,
            result: numbers(&outcome),
            error: outcome.error.clone(),
        };
        let ended = RunEvent { at_s: outcome.wall_s, body };
        see(&ended);
        store.append(&run, &[ended]).map_err(home::coded)?;
        learned::keep(store, &name, &controller.learned()).map_err(home::coded)?;
        Ok(outcome)
    }
}

/// The policy of a run: with what earlier runs of the pipeline learned, which the first process of the
/// run writes down, so that a later one starts from the same.
fn controller(
    store: &Store,
    run: &RunId,
    pipeline: &Pipeline,
    before: &[RunEvent],
) -> anyhow::Result<(RunPolicy, Option<RunEvent>)> {
    let home = store.home().to_owned();
    if !before.is_empty() {
        let remembered = before.iter().find_map(|event| match &event.body {
            EventBody::Remembered { learned, .. } => Some(learned),
            _ => None,
        });
        return Ok((RunPolicy::new(pipeline, remembered, before, Some(home), None), None));
    }
    let Some(learned) = learned::recall(store, &pipeline.name).map_err(home::coded)? else {
        let probe = probe(&home);
        return Ok((RunPolicy::new(pipeline, None, before, Some(home), probe), None));
    };
    let note = learned::read(&learned).map(|learned| learned.to_string()).unwrap_or_default();
    let body = EventBody::Remembered { note, learned: learned.clone() };
    let event = RunEvent { at_s: 0.0, body };
    store.append(run, std::slice::from_ref(&event)).map_err(home::coded)?;
    Ok((RunPolicy::new(pipeline, Some(&learned), before, Some(home), None), Some(event)))
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
