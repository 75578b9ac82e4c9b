//! What a task, an actor call and a hand-off cost, through the whole engine and in the sandbox alone, and
//! what the process costs. Prints one JSON document; `cargo xtask bench core` shows it beside Ray.
//! Needs the plugins beside the benchmark (`cargo xtask plugins`).

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mobula_contract::{
    ActorSpec, DType, Failure, Level, Object, StageContext, StageKind, Tensor, Value,
};
use mobula_engine::{
    Actor, ActorHandle, Call, CallContext, Engine, EngineConfig, ObjectRef, Session, SessionConfig,
    Stages, wait,
};
use mobula_sandbox::{CallEnv, Grants, Limits, Plugin, Sandbox, SandboxConfig};
use serde_json::{Value as Json, json};

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// Rounds; the median of each measure is told.
const ROUNDS: usize = 9;
/// Calls of a round, one at a time.
const ONE_BY_ONE: usize = 1000;
/// Calls of a round, all at once; `ray_core.py` takes as many.
const AT_ONCE: usize = 5000;
/// Tasks that wait at the same time, for the slowdown of a long queue.
const QUEUES: [usize; 3] = [1_000, 10_000, 100_000];

fn main() -> Fallible<()> {
    let folder =
        std::env::current_exe()?.parent().and_then(Path::parent).ok_or("no folder")?.to_owned();
    let sandbox = Sandbox::new(SandboxConfig::default())?;
    let load = |file: &str| -> Fallible<Plugin> {
        let path = folder.join(file);
        let missing = |e| format!("{}: {e}: run `cargo xtask plugins`", path.display());
        Ok(sandbox.load(&std::fs::read(&path).map_err(missing)?, file)?)
    };
    let plugins =
        Plugins { noop: load("test-plugins/hostile.wasm")?, subset: load("plugins/subset.wasm")? };
    let bare_us = bare(&plugins.noop)?;
    let engine = |cpus: f64| {
        Engine::start(EngineConfig { cpus, ..EngineConfig::new(Arc::new(plugins.clone())) })
    };
    let two = engine(2.0)?;
    let session = two.session(SessionConfig::default());
    let mut rows = vec![
        json!({ "what": "task_alone_us", "median": bare_us }),
        latency("task_us", || session.task("hostile/nothing").submit())?,
        throughput("tasks_per_s", AT_ONCE, &session)?,
    ];
    let counter = session.actor("counter").plugin("hostile/Counter").create()?;
    let next = counter.method(&session, "add").args(json!({ "amount": 1 }));
    rows.push(latency("actor_us", || next.submit())?);
    rows.push(actor_throughput(&session, &counter)?);
    rows.push(hand_off(&session)?);
    for waiting in QUEUES {
        rows.push(throughput(&format!("tasks_per_s_of_{waiting}"), waiting, &session)?);
    }
    let document = json!({ "$type": "bench.core", "rows": rows });
    writeln!(std::io::stdout(), "{document:#}")?;
    Ok(())
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn sorted(mut found: Vec<f64>) -> Vec<f64> {
    found.sort_by(f64::total_cmp);
    found
}

fn row(what: &str, found: Vec<f64>) -> Json {
    let found = sorted(found);
    json!({
        "what": what, "median": round(found[found.len() / 2]), "min": round(found[0]),
        "max": round(found[found.len() - 1]),
    })
}

/// The task in the sandbox without the engine, in microseconds.
fn bare(plugin: &Plugin) -> Fallible<f64> {
    let env = CallEnv {
        context: Arc::new(Nobody),
        grants: Grants::default(),
        limits: Limits::default(),
        stage: "s".to_owned(),
    };
    let mut found = Vec::new();
    for _ in 0..ROUNDS * ONE_BY_ONE {
        let begun = Instant::now();
        plugin.run_task("nothing", "{}", Object::default(), &env)?;
        found.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    Ok(round(sorted(found)[ROUNDS * ONE_BY_ONE / 2]))
}

/// Microseconds from submit to result, one at a time.
fn latency(what: &str, submit: impl Fn() -> Result<ObjectRef, Failure>) -> Fallible<Json> {
    let mut found = Vec::new();
    for _ in 0..ROUNDS * ONE_BY_ONE {
        let begun = Instant::now();
        submit()?.get()?;
        found.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    Ok(row(what, found))
}

fn throughput(what: &str, count: usize, session: &Session) -> Fallible<Json> {
    let task = session.task("hostile/nothing");
    let rounds = if count > AT_ONCE { 3 } else { ROUNDS };
    let mut found = Vec::new();
    for _ in 0..rounds {
        let begun = Instant::now();
        all_of((0..count).map(|_| task.submit()))?;
        #[expect(clippy::cast_precision_loss, reason = "a count of calls")]
        found.push(count as f64 / begun.elapsed().as_secs_f64());
    }
    Ok(row(what, found))
}

fn actor_throughput(session: &Session, counter: &ActorHandle) -> Fallible<Json> {
    let next = counter.method(session, "add").args(json!({ "amount": 1 }));
    let mut found = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        all_of((0..10 * AT_ONCE).map(|_| next.submit()))?;
        #[expect(clippy::cast_precision_loss, reason = "a count of calls")]
        found.push((10 * AT_ONCE) as f64 / begun.elapsed().as_secs_f64());
    }
    Ok(row("actor_calls_per_s", found))
}

fn all_of(submitted: impl Iterator<Item = Result<ObjectRef, Failure>>) -> Fallible<()> {
    let all = submitted.collect::<Result<Vec<_>, _>>()?;
    let (ready, _) = wait(&all, all.len(), Some(Duration::from_secs(600)));
    assert_eq!(ready.len(), all.len(), "every call ends");
    for object in &all {
        object.get()?;
    }
    Ok(())
}

/// Milliseconds from submit to result: 50,000 images go in by reference, 5,000 random ones come out.
fn hand_off(session: &Session) -> Fallible<Json> {
    let images = Tensor::new(DType::U8, vec![50_000, 32, 32, 3], vec![7; 50_000 * 3072])?;
    let images = session.put(Object::default().with("images", Value::Tensor(images)))?;
    let subset = session.task("subset/subset").args(json!({ "size": 5000 }));
    let subset = subset.input("images", images.field("images"));
    let mut found = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let taken = subset.submit()?.get()?;
        found.push(begun.elapsed().as_secs_f64() * 1e3);
        assert_eq!(taken.tensor("images").map(Tensor::rows), Some(5000));
    }
    Ok(row("hand_off_ms", found))
}

struct Nobody;

impl StageContext for Nobody {
    fn log(&self, _level: Level, _message: &str) {}
    fn progress(&self, _done: u64, _total: Option<u64>) {}
    fn metric(&self, _name: &str, _step: u64, _value: f64) {}
    fn seed(&self) -> u64 {
        7
    }
    fn cancelled(&self) -> bool {
        false
    }
}

#[derive(Clone)]
struct Plugins {
    noop: Plugin,
    subset: Plugin,
}

fn env(context: &Arc<CallContext>) -> CallEnv {
    CallEnv {
        context: Arc::clone(context) as _,
        grants: Grants::default(),
        limits: Limits::default(),
        stage: "s".to_owned(),
    }
}

fn args(call: &Call<'_>) -> String {
    Json::Object(call.spec.args.clone()).to_string()
}

impl Stages for Plugins {
    fn run_task(&self, call: Call<'_>) -> Result<Object, Failure> {
        let env = env(&call.context);
        let (plugin, task) = match &call.spec.kind {
            StageKind::Task { plugin, export, .. } if plugin == "subset" => (&self.subset, export),
            StageKind::Task { export, .. } => (&self.noop, export),
            StageKind::Method { .. } => unreachable!("methods go to their actors"),
        };
        plugin.run_task(task, &args(&call), call.inputs, &env)
    }

    fn create_actor(
        &self,
        _spec: &ActorSpec,
        _state: Option<Vec<u8>>,
        context: Arc<CallContext>,
    ) -> Result<Box<dyn Actor>, Failure> {
        let actor = self.noop.create_actor("Counter", "{}", Object::default(), &env(&context))?;
        Ok(Box::new(Counter { actor }))
    }
}

struct Counter {
    actor: mobula_sandbox::Actor,
}

impl Actor for Counter {
    fn call(&mut self, call: Call<'_>) -> Result<Object, Failure> {
        let StageKind::Method { method, .. } = &call.spec.kind else {
            unreachable!("no tasks here")
        };
        let (args, env) = (args(&call), env(&call.context));
        self.actor.call(method, &args, call.inputs, &env)
    }

    fn snapshot(&mut self) -> Result<Vec<u8>, Failure> {
        self.actor.snapshot()
    }

    fn state_digest(&mut self) -> Result<String, Failure> {
        Ok(String::new())
    }
}
