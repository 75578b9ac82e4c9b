//! Every limit and every wall of the sandbox, hit by a real guest. After each attack the host lives, another
//! call works, and what the attacker took has been given back.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod calls;
mod components;
mod files;
mod lies;
mod limits;
mod memory;
mod mutants;
mod outside;
mod raw;
mod streams;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use mobula_contract::{
    Budget, Charge, DType, Failure, FailureKind, Level, Object, StageContext, Tensor, Used, Value,
};
use mobula_sandbox::{CallEnv, Grants, Limits, Plugin, Sandbox, SandboxConfig};

/// Keeps what a guest says, and lends it memory.
struct Ear {
    lines: Mutex<Vec<String>>,
    reports: Mutex<u64>,
    emitted: Mutex<Vec<Object>>,
    used: Mutex<Vec<Used>>,
    cancelled: AtomicBool,
    budget: Budget,
    /// How many objects of a stream anybody wants, and how slowly each is taken.
    wanted: (usize, Duration),
}

/// No double holds it, and each half is a negative number when it is taken for an i32.
const SEED: u64 = 0xfedc_ba98_8765_4321;

impl StageContext for Ear {
    fn log(&self, _level: Level, message: &str) {
        self.lines.lock().unwrap().push(message.to_owned());
    }
    fn progress(&self, _done: u64, _total: Option<u64>) {
        *self.reports.lock().unwrap() += 1;
    }
    fn metric(&self, _name: &str, _step: u64, value: f64) {
        assert!(value.is_finite());
        *self.reports.lock().unwrap() += 1;
    }
    fn seed(&self) -> u64 {
        SEED
    }
    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
    fn reserve(&self, bytes: u64) -> Result<Charge, Failure> {
        let none =
            || Failure::new(FailureKind::Memory, format!("no memory left for {bytes} bytes"));
        self.budget.take(bytes).ok_or_else(none)
    }
    fn emit(&self, object: Object) -> Result<(), Failure> {
        std::thread::sleep(self.wanted.1);
        let mut emitted = self.emitted.lock().unwrap();
        if emitted.len() == self.wanted.0 {
            return Err(Failure::new(FailureKind::Invalid, "nobody reads this stream"));
        }
        emitted.push(object);
        Ok(())
    }
    fn used(&self, used: Used) {
        self.used.lock().unwrap().push(used);
    }
}

/// One attack: a task, how it is called, and what it may use.
struct Attack {
    plugin: Plugin,
    task: &'static str,
    args: String,
    limits: Limits,
    grants: Grants,
    budget: Budget,
    wanted: (usize, Duration),
}

fn attack(task: &'static str) -> Attack {
    Attack {
        plugin: plugin(),
        task,
        args: "{}".to_owned(),
        limits: Limits::default(),
        grants: Grants::default(),
        budget: Budget::unlimited(),
        wanted: (0, Duration::ZERO),
    }
}

impl Attack {
    fn amount(mut self, amount: u64) -> Self {
        self.args = format!(r#"{{"amount":{amount}}}"#);
        self
    }

    fn kind(mut self, kind: &str) -> Self {
        self.args = serde_json::json!({ "kind": kind }).to_string();
        self
    }

    fn within(mut self, set: impl FnOnce(&mut Limits)) -> Self {
        set(&mut self.limits);
        self
    }

    fn granted(mut self, grants: &Grants) -> Self {
        self.grants = grants.clone();
        self
    }

    fn ear(&self) -> (CallEnv, Arc<Ear>) {
        let ear = Arc::new(Ear {
            lines: Mutex::default(),
            reports: Mutex::default(),
            emitted: Mutex::default(),
            used: Mutex::default(),
            cancelled: AtomicBool::new(false),
            budget: self.budget.clone(),
            wanted: self.wanted,
        });
        let context = Arc::clone(&ear) as Arc<dyn StageContext>;
        let (grants, limits) = (self.grants.clone(), self.limits.clone());
        (CallEnv { context, grants, limits, stage: "evil".to_owned() }, ear)
    }

    /// Makes the attack, then a call that is none, and looks whether everything was given back.
    fn hear(&self) -> (Result<Object, Failure>, Arc<Ear>) {
        let (env, ear) = self.ear();
        let takes_images = ["tensors", "many_handles"].contains(&self.task);
        let inputs = if takes_images { images() } else { Object::default() };
        let result = self.plugin.run_task(self.task, &self.args, inputs, &env);
        assert_eq!(ear.used.lock().unwrap().len(), 1, "one receipt for each call");
        if result.is_err()
            && self.budget.limit() == u64::MAX
            && ear.emitted.lock().unwrap().is_empty()
        {
            assert_eq!(self.budget.used(), 0, "{}: all memory is given back", self.task);
        }
        let good = self.plugin.run_task("nothing", "{}", Object::default(), &quiet());
        good.unwrap_or_else(|e| panic!("after {}: {e}", self.task));
        (result, ear)
    }

    fn run(&self) -> Result<Object, Failure> {
        self.hear().0
    }

    fn found(&self) -> String {
        found(self.run())
    }

    #[track_caller]
    fn fails(&self, kind: FailureKind, message: &str) -> Failure {
        let failure = self.run().unwrap_err();
        assert!(failure.kind == kind && failure.message.contains(message), "{failure:?}");
        failure
    }

    /// Reaches a limit, which is named with its size.
    #[track_caller]
    fn reaches(&self, limit: &str) {
        let failure = self.run().unwrap_err();
        let wanted = format!("limit {limit} reached in task evil");
        assert_eq!((failure.kind, failure.message), (FailureKind::Quota, wanted));
    }
}

/// An environment in which nothing is listened to.
fn quiet() -> CallEnv {
    attack("nothing").ear().0
}

fn component() -> Vec<u8> {
    let folder = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
    let file = folder.join("test-plugins/hostile.wasm");
    std::fs::read(&file)
        .unwrap_or_else(|e| panic!("{}: {e}: run `cargo xtask plugins`", file.display()))
}

/// One sandbox for all attacks: each has to leave it as it was.
fn sandbox() -> Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::new(SandboxConfig::default()).unwrap()).clone()
}

fn plugin() -> Plugin {
    static PLUGIN: OnceLock<Plugin> = OnceLock::new();
    PLUGIN.get_or_init(|| sandbox().load(&component(), "hostile.wasm").unwrap()).clone()
}

fn images() -> Object {
    let tensor = Tensor::new(DType::U8, vec![3, 2], vec![1, 2, 3, 4, 5, 6]).unwrap();
    Object::default().with("images", Value::Tensor(tensor))
}

fn found(result: Result<Object, Failure>) -> String {
    match result.unwrap().get("found") {
        Some(Value::Json(text)) => text.as_str().unwrap().to_owned(),
        other => panic!("{other:?}"),
    }
}
