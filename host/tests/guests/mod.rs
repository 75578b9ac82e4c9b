//! The engine with real guests, without the program around it: `hostile`, which does what plugins should
//! not, and `subset`, which takes rows of tensors.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(dead_code, reason = "each test file uses a part")]

#[path = "../../crates/engine/tests/common/dice.rs"]
mod dice;
#[path = "../../crates/engine/tests/common/policy.rs"]
#[allow(dead_code, reason = "each test program uses a part")]
mod policy;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mobula_contract::{
    ActorSource, ActorSpec, DType, Failure, Limits as Asked, Object, StageContext, StageKind,
    Tensor, Value,
};
use mobula_engine::{Actor, Call, Engine, Stages};
use mobula_sandbox::{CallEnv, Grants, Limits, Plugin, Sandbox, SandboxConfig};

/// Runs what tests name, as the program would.
#[derive(Clone)]
pub(crate) struct Guests {
    plugins: Arc<BTreeMap<&'static str, Plugin>>,
}

impl Guests {
    /// Needs the plugins beside the tests.
    pub(crate) fn load() -> Self {
        let sandbox = Sandbox::new(SandboxConfig::default()).unwrap();
        let tests = std::env::current_exe().unwrap();
        let folder = tests.parent().unwrap().parent().unwrap();
        let load = |(name, file): (&'static str, &str)| {
            let path = folder.join(file);
            let bytes = std::fs::read(&path)
                .unwrap_or_else(|e| panic!("{}: {e}: run `cargo xtask plugins`", path.display()));
            (name, sandbox.load(&bytes, file).unwrap())
        };
        let files = [("hostile", "test-plugins/hostile.wasm"), ("subset", "plugins/subset.wasm")];
        Self { plugins: Arc::new(files.into_iter().map(load).collect()) }
    }
}

impl Stages for Guests {
    fn run_task(&self, call: Call<'_>) -> Result<Object, Failure> {
        let StageKind::Task { plugin, export, .. } = &call.spec.kind else {
            unreachable!("the engine runs methods on their actors");
        };
        let env = env(&call.spec.limits, &call.context, call.stage.to_string());
        self.plugins[&**plugin].run_task(export, &arguments(&call.spec.args), call.inputs, &env)
    }

    fn create_actor(
        &self,
        spec: &ActorSpec,
        state: Option<Vec<u8>>,
        context: Arc<dyn StageContext>,
    ) -> Result<Box<dyn Actor>, Failure> {
        let ActorSource::Plugin { plugin, class, .. } = &spec.source else {
            unreachable!("no native actors here");
        };
        let (plugin, env) =
            (&self.plugins[&**plugin], env(&spec.limits, &context, spec.name.clone()));
        let actor = match state {
            Some(state) => plugin.restore_actor(class, &state, &env)?,
            None => plugin.create_actor(class, &arguments(&spec.args), Object::default(), &env)?,
        };
        Ok(Box::new(Guest { actor, limits: spec.limits.clone() }))
    }
}

struct Guest {
    actor: mobula_sandbox::Actor,
    limits: Asked,
}

impl Actor for Guest {
    fn call(&mut self, call: Call<'_>) -> Result<Object, Failure> {
        let StageKind::Method { method, .. } = &call.spec.kind else {
            unreachable!("the engine sends an actor only its methods");
        };
        let env = env(&self.limits, &call.context, call.stage.to_string());
        self.actor.call(method, &arguments(&call.spec.args), call.inputs, &env)
    }

    fn is_alive(&self) -> bool {
        self.actor.is_alive()
    }

    fn snapshot(&mut self) -> Result<Vec<u8>, Failure> {
        self.actor.snapshot()
    }

    fn state_digest(&mut self) -> Result<String, Failure> {
        Ok(blake3::hash(&self.actor.snapshot()?).to_hex().to_string())
    }
}

fn arguments(args: &serde_json::Map<String, serde_json::Value>) -> String {
    serde_json::to_string(args).unwrap()
}

fn env(asked: &Asked, context: &Arc<dyn StageContext>, stage: String) -> CallEnv {
    let default = Limits::default();
    let limits = Limits {
        wall: asked.timeout_s.map_or(default.wall, Duration::from_secs_f64),
        memory_bytes: asked.memory_bytes.unwrap_or(default.memory_bytes),
        ..default
    };
    CallEnv { context: Arc::clone(context) as _, grants: Grants::default(), limits, stage }
}

/// What a task of `hostile` found out.
pub(crate) fn found(object: &Object) -> &str {
    match object.get("found") {
        Some(Value::Json(text)) => text.as_str().unwrap(),
        other => panic!("{other:?}"),
    }
}

/// So many numbered images of so many bytes, and their numbers as labels.
pub(crate) fn images(count: u32, row_bytes: usize) -> Object {
    let mut bytes = Vec::with_capacity(count as usize * row_bytes);
    for number in 0..count {
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.resize((number as usize + 1) * row_bytes, fill(number));
    }
    let rows = u64::from(count);
    let images = Tensor::new(DType::U8, vec![rows, row_bytes as u64], bytes).unwrap();
    let labels = (0..count).flat_map(u32::to_le_bytes).collect();
    let labels = Tensor::new(DType::S32, vec![rows], labels).unwrap();
    Object::default().with("images", Value::Tensor(images)).with("labels", Value::Tensor(labels))
}

fn fill(number: u32) -> u8 {
    (number % 251) as u8
}

/// The numbers of images; why not, where a byte of them is wrong.
pub(crate) fn numbers(object: &Object) -> Result<Vec<u32>, String> {
    let images = object.tensor("images").ok_or("no images")?;
    let row = |row: &[u8]| {
        let number = u32::from_le_bytes(row[..4].try_into().unwrap());
        let whole = row[4..].iter().all(|byte| *byte == fill(number));
        whole.then_some(number).ok_or_else(|| format!("image {number} is damaged"))
    };
    let numbers: Vec<u32> =
        images.bytes().chunks(images.row_len()).map(row).collect::<Result<_, _>>()?;
    if let Some(labels) = object.tensor("labels") {
        let labels =
            labels.bytes().as_chunks::<4>().0.iter().map(|label| u32::from_le_bytes(*label));
        if !labels.eq(numbers.iter().copied()) {
            return Err("labels of other images".to_owned());
        }
    }
    Ok(numbers)
}

pub(crate) use dice::Dice;
#[allow(unused_imports, reason = "each test program uses a part")]
pub(crate) use policy::By;

/// Waits until the engine remembers nothing but its open sessions.
#[track_caller]
pub(crate) fn is_empty_but_for(engine: &Engine, sessions: usize) {
    for _ in 0..10_000 {
        if engine.remembered() == sessions {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("{} things are left over: {engine:#?}", engine.remembered());
}

impl Dice {
    /// One of these.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }
}
