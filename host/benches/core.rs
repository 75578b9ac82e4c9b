//! Latency of tasks and actors through the whole engine, and the hand-off of a large object, as one JSON
//! document. Every task runs in a fresh sandbox instance; events go to a journal that keeps nothing.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use mobula_contract::{
    ActorSpec, CheckpointId, DType, Failure, Folders, Level, Object, RunEvent, RunId, StageContext,
    StageKind, Tensor, Value, parse_pipeline,
};
use mobula_engine::{
    Actor, Call, CallContext, Journal, Policy, Run, RunConfig, Save, Seen, Stages, Verdict,
};
use mobula_sandbox::{CallEnv, Grants, Limits, Plugin, Sandbox, SandboxConfig};
use serde_json::json;

/// Calls of one measurement.
const CALLS: u32 = 2000;
/// Measurements, of which the median counts.
const ROUNDS: usize = 7;

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Fallible<()> {
    let sandbox = Sandbox::new(SandboxConfig::default())?;
    let exe = std::env::current_exe()?;
    let release = exe.parent().and_then(Path::parent).ok_or("no target folder")?;
    let load = |file: &str| -> Fallible<Plugin> {
        Ok(sandbox.load(&std::fs::read(release.join(file))?, file)?)
    };
    let hostile = load("test-plugins/hostile.wasm")?;
    let subset = load("plugins/subset.wasm")?;

    let one_task = "[[stage]]\nname = \"s\"\ntask = \"hostile/nothing\"\nrepeat = 2000\n";
    let task_us = median(|| Ok(timed(&hostile, one_task, 1)? * 1e6 / f64::from(CALLS)))?;
    let many: String = (0..CALLS)
        .map(|i| format!("[[stage]]\nname = \"s{i}\"\ntask = \"hostile/nothing\"\n"))
        .collect();
    let tasks_per_s = median(|| Ok(f64::from(CALLS) / timed(&hostile, &many, 2)?))?;
    let actor = "[[actor]]\nname = \"a\"\nplugin = \"hostile/Counter\"\n\
        [[stage]]\nname = \"s\"\nactor = \"a\"\nmethod = \"add\"\nargs = { amount = 1 }\nrepeat = 2000\n";
    let actor_us = median(|| Ok(timed(&hostile, actor, 1)? * 1e6 / f64::from(CALLS)))?;

    let context = Arc::new(Nobody) as Arc<dyn StageContext>;
    let env = CallEnv {
        context,
        grants: Grants::default(),
        limits: Limits::default(),
        stage: "s".into(),
    };
    let bare_us = median(|| {
        let begun = Instant::now();
        for _ in 0..CALLS {
            hostile.run_task("nothing", "{}", Object::default(), &env)?;
        }
        Ok(begun.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS))
    })?;
    let images = Tensor::new(DType::U8, vec![50_000, 32, 32, 3], vec![7; 50_000 * 3072])?;
    let object = Object::default().with("images", Value::Tensor(images));
    let handoff_ms = median(|| {
        let begun = Instant::now();
        subset.run_task("subset", r#"{"size":5000}"#, object.clone(), &env)?;
        Ok(begun.elapsed().as_secs_f64() * 1e3)
    })?;
    let document = json!({
        "$type": "bench.core",
        "rows": [
            { "what": "no-op task, one after another, through the engine", "us": round(task_us) },
            { "what": "no-op task in the sandbox alone, fresh instance", "us": round(bare_us) },
            { "what": "no-op tasks on two workers", "per_s": tasks_per_s.round() },
            { "what": "actor call, one after another, through the engine", "us": round(actor_us) },
            { "what": "150 MB object to a task that returns 5,000 random rows", "ms": round(handoff_ms) },
        ],
    });
    writeln!(std::io::stdout(), "{document:#}")?;
    Ok(())
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn median(mut once: impl FnMut() -> Fallible<f64>) -> Fallible<f64> {
    let mut found = (0..ROUNDS).map(|_| once()).collect::<Fallible<Vec<f64>>>()?;
    found.sort_by(f64::total_cmp);
    Ok(found[ROUNDS / 2])
}

/// Seconds of a whole run.
fn timed(plugin: &Plugin, stages: &str, workers: usize) -> Fallible<f64> {
    let text = format!("[pipeline]\nname = \"bench\"\n{stages}");
    let here = Path::new(".");
    let pipeline = parse_pipeline("bench", &text, Folders { base: here, current: here }, &[])?;
    let mut number = 0;
    let run = Run::new(RunConfig {
        pipeline,
        workers,
        stages: Arc::new(OnePlugin { plugin: plugin.clone() }),
        journal: Box::new(Forgets),
        policy: Box::new(NeverSaves),
        name_checkpoint: Box::new(move || {
            number += 1;
            CheckpointId::new(&RunId::new(0, 0), number)
        }),
        faults: Vec::new(),
        kill_host: || (),
        begun_s: 0.0,
        resumed: None,
    });
    let begun = Instant::now();
    let outcome = run.finish(&mut |_| ());
    let seconds = begun.elapsed().as_secs_f64();
    outcome.error.map_or(Ok(seconds), |error| Err(error.into()))
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

struct OnePlugin {
    plugin: Plugin,
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
    serde_json::Value::Object(call.spec.args.clone()).to_string()
}

impl Stages for OnePlugin {
    fn run_task(&self, call: Call<'_>) -> Result<Object, Failure> {
        let env = env(&call.context);
        self.plugin.run_task("nothing", &args(&call), call.inputs, &env)
    }

    fn create_actor(
        &self,
        _spec: &ActorSpec,
        _state: Option<Vec<u8>>,
        context: Arc<CallContext>,
    ) -> Result<Box<dyn Actor>, Failure> {
        let actor = self.plugin.create_actor("Counter", "{}", Object::default(), &env(&context))?;
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

struct Forgets;

impl Journal for Forgets {
    fn record(&mut self, _events: &[RunEvent]) -> Result<(), Failure> {
        Ok(())
    }

    fn save(&mut self, _save: Save<'_>) -> Result<String, Failure> {
        Ok(String::new())
    }

    fn load(&mut self, _id: &CheckpointId) -> Result<Vec<u8>, Failure> {
        Ok(Vec::new())
    }
}

struct NeverSaves;

impl Policy for NeverSaves {
    fn decide(&mut self, _seen: Seen) -> Verdict {
        Verdict {
            checkpoint: false,
            reason: String::new(),
            ratio: 0.0,
            threshold: 1.0,
            budget_left: None,
            expected_loss_s: 0.0,
            cost_s: 0.0,
        }
    }

    fn saved(&mut self, _cost_s: f64, _bytes: u64) {}

    fn recovered(&mut self, _benefit_s: f64) -> (f64, f64) {
        (1.0, 1.0)
    }
}
