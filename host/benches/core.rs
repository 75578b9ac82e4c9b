//! What a task, an actor call and a hand-off cost, through the whole engine and in the sandbox alone, and
//! what it costs that guests can be stopped. Prints one JSON document; with `--serve [CACHE]`, it
//! measures what it is asked for on standard input instead, for `cargo xtask bench core --peers`, which
//! sets it beside Ray. Needs the plugins beside the benchmark (`cargo xtask plugins`).

use std::cell::OnceCell;
use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mobula_contract::{
    ActorSpec, DType, Failure, Level, Object, StageContext, StageKind, Tensor, Value,
};
use mobula_engine::{
    Actor, ActorHandle, Call, Engine, EngineConfig, ObjectRef, Session, SessionConfig, Stages, wait,
};
use mobula_sandbox::{CallEnv, Grants, Limits, Plugin, Sandbox, SandboxConfig};
use serde_json::{Value as Json, json};

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// What the document tells: a name, what is measured for it, rounds, and calls of a round. Of the rounds it
/// tells the median, so of an odd number of them.
const ROWS: [(&str, &str, usize, usize); 11] = [
    ("task_alone_us", "task_alone_us", 9, 1000),
    ("task_us", "task_us", 9, 1000),
    ("tasks_per_s", "tasks_per_s", 9, 5000),
    ("actor_us", "actor_us", 9, 1000),
    ("actor_calls_per_s", "actor_calls_per_s", 9, 50_000),
    ("hand_off_ms", "hand_off_ms", 9, 1),
    ("tasks_per_s_of_1000", "tasks_per_s", 9, 1000),
    ("tasks_per_s_of_10000", "tasks_per_s", 3, 10_000),
    ("tasks_per_s_of_100000", "tasks_per_s", 3, 100_000),
    ("interruption_actor_percent", "interruption_actor_percent", 5, 20),
    ("interruption_task_percent", "interruption_task_percent", 5, 20),
];
/// Processors that tasks share; Ray gets as many.
const CPUS: f64 = 2.0;
/// The training images of CIFAR-10 are so many, 150 MB.
const HANDED_OVER: usize = 50_000;
/// Enough to compute on for a while, and so few that pages for what comes out cost little.
const COMPUTED_ON: usize = 10_000;

fn main() -> Fallible<()> {
    // Cargo adds one of its own.
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        [] => print_all(&Bench::new(None)?),
        ["--serve"] => serve(&Bench::new(None)?),
        ["--serve", cache] => serve(&Bench::new(Some(cache.into()))?),
        _ => Err("usage: core [--serve [CACHE]]".into()),
    }
}

fn print_all(bench: &Bench) -> Fallible<()> {
    let row = |(name, what, rounds, count)| -> Fallible<Json> {
        let found =
            (0..rounds).map(|_| bench.measure(what, count)).collect::<Fallible<Vec<_>>>()?;
        let found = sorted(found);
        let [median, min, max] = [found[rounds / 2], found[0], found[rounds - 1]].map(round);
        Ok(json!({ "what": name, "median": median, "min": min, "max": max }))
    };
    let rows = ROWS.map(row).into_iter().collect::<Fallible<Vec<_>>>()?;
    let document = json!({ "$type": "bench.core", "rows": rows });
    writeln!(std::io::stdout(), "{document:#}")?;
    Ok(())
}

/// Answers requests, one JSON object a line like `{"do": "task_us", "count": 1000}`, until there are no more.
fn serve(bench: &Bench) -> Fallible<()> {
    for line in std::io::stdin().lock().lines() {
        let request: Json = serde_json::from_str(&line?)?;
        let what = request["do"].as_str().ok_or("a request without `do`")?;
        let count = request["count"].as_u64().ok_or("a request without `count`")?;
        let value = bench.measure(what, usize::try_from(count)?)?;
        writeln!(std::io::stdout(), "{}", json!({ "value": value }))?;
    }
    Ok(())
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn sorted(mut found: Vec<f64>) -> Vec<f64> {
    found.sort_by(f64::total_cmp);
    found
}

fn median(found: Vec<f64>) -> f64 {
    let found = sorted(found);
    found[found.len() / 2]
}

/// An engine with a plugin and an actor, and what else is measured, made when it is asked for.
struct Bench {
    folder: PathBuf,
    noop: Plugin,
    session: Session,
    counter: OnceCell<ActorHandle>,
    images: OnceCell<ObjectRef>,
    stoppable: OnceCell<Computing>,
    unstoppable: OnceCell<Computing>,
    _engine: Engine,
}

impl Bench {
    fn new(cache_dir: Option<PathBuf>) -> Fallible<Self> {
        let folder = std::env::current_exe()?;
        let folder = folder.parent().and_then(Path::parent).ok_or("no folder")?.to_owned();
        let sandbox = Sandbox::new(SandboxConfig { cache_dir })?;
        let noop = load(&sandbox, &folder.join("test-plugins/hostile.wasm"))?;
        let subset = load(&sandbox, &folder.join("plugins/subset.wasm"))?;
        let plugins = Plugins { noop: noop.clone(), subset };
        let config = EngineConfig { cpus: CPUS, ..EngineConfig::new(Arc::new(plugins)) };
        let engine = Engine::start(config)?;
        Ok(Self {
            folder,
            noop,
            session: engine.session(SessionConfig::default()),
            counter: OnceCell::new(),
            images: OnceCell::new(),
            stoppable: OnceCell::new(),
            unstoppable: OnceCell::new(),
            _engine: engine,
        })
    }

    /// One figure out of `count` calls: the median of what is timed call by call.
    fn measure(&self, what: &str, count: usize) -> Fallible<f64> {
        let task = self.session.task("hostile/nothing");
        match what {
            "task_alone_us" => bare(&self.noop, count),
            "task_us" => latency(count, || task.submit()),
            "tasks_per_s" => throughput(count, || task.submit()),
            "actor_us" => {
                let next = self.counter()?.method(&self.session, "add");
                let next = next.args(json!({ "amount": 1 }));
                latency(count, || next.submit())
            }
            "actor_calls_per_s" => {
                let next = self.counter()?.method(&self.session, "add");
                let next = next.args(json!({ "amount": 1 }));
                throughput(count, || next.submit())
            }
            "hand_off_ms" => self.hand_off(count),
            "interruption_actor_percent" => self.interruption(count, Computing::running_stats),
            "interruption_task_percent" => self.interruption(count, Computing::augment),
            _ => Err(format!("nobody can measure `{what}`").into()),
        }
    }

    fn counter(&self) -> Fallible<&ActorHandle> {
        kept(&self.counter, || {
            Ok(self.session.actor("counter").plugin("hostile/Counter").create()?)
        })
    }

    /// Milliseconds from submit to result: 50,000 images go in by reference, 5,000 random ones come out.
    fn hand_off(&self, count: usize) -> Fallible<f64> {
        let images = kept(&self.images, || {
            let object = Object::default().with("images", Value::Tensor(images(HANDED_OVER)?));
            Ok(self.session.put(object)?)
        })?;
        let subset = self.session.task("subset/subset").args(json!({ "size": 5000 }));
        let subset = subset.input("images", images.field("images"));
        let mut found = Vec::new();
        for _ in 0..count {
            let begun = Instant::now();
            let taken = subset.submit()?.get()?;
            found.push(begun.elapsed().as_secs_f64() * 1e3);
            assert_eq!(taken.tensor("images").map(Tensor::rows), Some(5000));
        }
        Ok(median(found))
    }

    /// How much longer a plugin computes because it can be stopped, in percent. Of each kind the fastest
    /// call counts, since whatever disturbs one can only slow it down; they take turns, so that a machine
    /// that changes its speed does so for both.
    fn interruption(
        &self,
        pairs: usize,
        call: impl Fn(&Computing) -> Fallible<f64>,
    ) -> Fallible<f64> {
        let on = kept(&self.stoppable, || {
            Computing::new(&Sandbox::new(SandboxConfig::default())?, &self.folder)
        })?;
        let off = kept(&self.unstoppable, || {
            Computing::new(&Sandbox::unstoppable(SandboxConfig::default())?, &self.folder)
        })?;
        let (mut on_s, mut off_s) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..pairs {
            on_s = on_s.min(call(on)?);
            off_s = off_s.min(call(off)?);
        }
        Ok((on_s / off_s - 1.0) * 100.0)
    }
}

fn load(sandbox: &Sandbox, file: &Path) -> Fallible<Plugin> {
    let name = file.display().to_string();
    let bytes =
        std::fs::read(file).map_err(|e| format!("{name}: {e}: run `cargo xtask plugins`"))?;
    Ok(sandbox.load(&bytes, &name)?)
}

fn images(count: usize) -> Fallible<Tensor> {
    Ok(Tensor::new(DType::U8, vec![count as u64, 32, 32, 3], vec![7; count * 3072])?)
}

/// What the cell holds; `make` fills it.
fn kept<T>(cell: &OnceCell<T>, make: impl FnOnce() -> Fallible<T>) -> Fallible<&T> {
    if cell.get().is_none() {
        let _ = cell.set(make()?);
    }
    cell.get().ok_or_else(|| "an empty cell".into())
}

/// The task in the sandbox without the engine, in microseconds.
fn bare(plugin: &Plugin, count: usize) -> Fallible<f64> {
    let env = env(Arc::new(Nobody));
    let mut found = Vec::new();
    for _ in 0..count {
        let begun = Instant::now();
        plugin.run_task("nothing", "{}", Object::default(), &env)?;
        found.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(found))
}

/// Microseconds from submit to result, one at a time.
fn latency(count: usize, submit: impl Fn() -> Result<ObjectRef, Failure>) -> Fallible<f64> {
    let mut found = Vec::new();
    for _ in 0..count {
        let begun = Instant::now();
        submit()?.get()?;
        found.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(found))
}

/// Calls a second, all submitted before any is waited for.
fn throughput(count: usize, submit: impl Fn() -> Result<ObjectRef, Failure>) -> Fallible<f64> {
    let begun = Instant::now();
    let all = (0..count).map(|_| submit()).collect::<Result<Vec<_>, _>>()?;
    let (ready, _) = wait(&all, all.len(), Some(Duration::from_secs(600)));
    assert_eq!(ready.len(), all.len(), "every call ends");
    for object in &all {
        object.get()?;
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of calls")]
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}

/// The shipped plugins that compute, with much to do.
struct Computing {
    running_stats: Plugin,
    augment: Plugin,
    images: Object,
}

impl Computing {
    fn new(sandbox: &Sandbox, folder: &Path) -> Fallible<Self> {
        Ok(Self {
            running_stats: load(sandbox, &folder.join("plugins/running-stats.wasm"))?,
            augment: load(sandbox, &folder.join("plugins/augment.wasm"))?,
            images: Object::default().with("images", Value::Tensor(images(COMPUTED_ON)?)),
        })
    }

    /// Seconds of an update.
    fn running_stats(&self) -> Fallible<f64> {
        let env = env(Arc::new(Nobody));
        let (class, nothing) = ("RunningStats", Object::default());
        let mut actor = self.running_stats.create_actor(class, "{}", nothing, &env)?;
        let begun = Instant::now();
        actor.call("update", "{}", self.images.clone(), &env)?;
        Ok(begun.elapsed().as_secs_f64())
    }

    fn augment(&self) -> Fallible<f64> {
        let env = env(Arc::new(Nobody));
        let begun = Instant::now();
        self.augment.run_task("augment", "{}", self.images.clone(), &env)?;
        Ok(begun.elapsed().as_secs_f64())
    }
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

struct Plugins {
    noop: Plugin,
    subset: Plugin,
}

fn env(context: Arc<dyn StageContext>) -> CallEnv {
    CallEnv { context, grants: Grants::default(), limits: Limits::default(), stage: "s".to_owned() }
}

fn args(call: &Call<'_>) -> String {
    Json::Object(call.spec.args.clone()).to_string()
}

impl Stages for Plugins {
    fn run_task(&self, call: Call<'_>) -> Result<Object, Failure> {
        let env = env(call.context.clone());
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
        context: Arc<dyn StageContext>,
    ) -> Result<Box<dyn Actor>, Failure> {
        let actor = self.noop.create_actor("Counter", "{}", Object::default(), &env(context))?;
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
        let (args, env) = (args(&call), env(call.context.clone()));
        self.actor.call(method, &args, call.inputs, &env)
    }

    fn snapshot(&mut self) -> Result<Vec<u8>, Failure> {
        self.actor.snapshot()
    }

    fn state_digest(&mut self) -> Result<String, Failure> {
        Ok(String::new())
    }
}
