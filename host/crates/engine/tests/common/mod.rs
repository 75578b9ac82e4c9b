//! Stages for tests: tasks and an actor that do what their names say, on numbers.

#![allow(dead_code, reason = "each test program uses a part")]

mod dice;
mod policy;

use std::sync::Arc;
use std::time::Duration;

use mobula_contract::{
    ActorSpec, DType, Failure, FailureKind, Object, StageContext, StageKind, Tensor, Value,
};
use mobula_engine::{Actor, Call, Engine, EngineConfig, Policy, Seen, Stages};

pub(crate) use dice::Dice;
pub(crate) use policy::By;

/// The number in the field `x`.
pub(crate) fn number(object: &Object) -> u64 {
    let Some(Value::Json(json)) = object.get("x") else { panic!("no x in {object:?}") };
    json.as_u64().expect("a number")
}

/// An object that holds this number.
pub(crate) fn object(x: u64) -> Object {
    Object::default().with("x", Value::Json(x.into()))
}

/// An object that holds so many rows of one byte each, counted from `first`.
pub(crate) fn rows(first: u8, count: u8) -> Object {
    let bytes = (first..first + count).collect();
    let tensor = Tensor::new(DType::U8, vec![u64::from(count), 1], bytes).expect("it fits");
    Object::default().with("rows", Value::Tensor(tensor))
}

/// What the tests call.
pub(crate) struct Tested;

impl Stages for Tested {
    fn run_task(&self, call: Call<'_>) -> Result<Object, Failure> {
        let StageKind::Task { export, .. } = &call.spec.kind else { panic!("no task") };
        let argument = |name: &str| call.spec.args.get(name).and_then(|value| value.as_u64());
        let failed = |kind, message: &str| Err(Failure::new(kind, message));
        assert!(call.spec.foreach.is_none(), "no call has the whole list");
        match export.as_str() {
            "nothing" => Ok(Object::default()),
            "give" => Ok(object(argument("x").expect("an x"))),
            "add" => {
                let inputs = call.inputs.fields.iter().map(|(_, value)| match value {
                    Value::Json(json) => json.as_u64().expect("a number"),
                    _ => 0,
                });
                Ok(object(inputs.sum::<u64>() + argument("x").unwrap_or(0)))
            }
            "sum_list" => {
                let Some(Value::Json(list)) = call.inputs.get("x") else { panic!("no list") };
                let list = list.as_array().expect("a list");
                Ok(object(list.iter().filter_map(|x| x.as_u64()).sum()))
            }
            "sum_rows" => {
                let tensor = call.inputs.tensor("rows").expect("rows");
                Ok(object(tensor.bytes().iter().map(|x| u64::from(*x)).sum()))
            }
            "rows" => Ok(rows(0, u8::try_from(argument("count").expect("a count")).expect("few"))),
            "list" => {
                let list: Vec<u64> = (0..argument("count").expect("a count")).collect();
                Ok(Object::default().with("list", Value::Json(list.into())))
            }
            "big" => {
                let len = argument("bytes").expect("bytes");
                let charge = call.context.reserve(len)?;
                let fill = u8::try_from(argument("x").unwrap_or(0) % 251).expect("below 251");
                let bytes = vec![fill; usize::try_from(len).expect("it fits")];
                let tensor = Tensor::charged(DType::U8, vec![len], bytes, charge);
                Ok(Object::default().with("big", Value::Tensor(tensor.expect("it fits"))))
            }
            "first_byte" => {
                let tensor = call.inputs.tensor("big").expect("big");
                Ok(object(u64::from(tensor.bytes()[0])))
            }
            "sleep" => {
                for _ in 0..argument("ms").expect("ms") {
                    if call.context.cancelled() {
                        return failed(FailureKind::Cancelled, "stopped");
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
                Ok(Object::default())
            }
            "count_up" => {
                for x in 0..argument("count").expect("a count") {
                    call.context.emit(object(x))?;
                    if argument("fail_at") == Some(x) && call.context.seed().is_multiple_of(2) {
                        return failed(FailureKind::Invalid, "asked to fail");
                    }
                }
                Ok(object(argument("count").unwrap_or(0)))
            }
            "invalid" => failed(FailureKind::Invalid, "never right"),
            "panic" => std::panic::resume_unwind(Box::new("asked to panic")),
            _ => failed(FailureKind::Failed, "always broken"),
        }
    }

    fn create_actor(
        &self,
        spec: &ActorSpec,
        state: Option<Vec<u8>>,
        context: Arc<dyn StageContext>,
    ) -> Result<Box<dyn Actor>, Failure> {
        while spec.args.contains_key("endless") {
            if context.cancelled() {
                return Err(Failure::new(FailureKind::Cancelled, "stopped"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        if spec.args.contains_key("broken") {
            return Err(Failure::new(FailureKind::Failed, "cannot be made"));
        }
        let start = state.map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().expect("8")));
        let slow = spec.args.contains_key("slow");
        Ok(Box::new(Sum { sum: start, whole: true, slow }))
    }
}

/// Adds what it is told.
struct Sum {
    sum: u64,
    whole: bool,
    /// Snapshots take their time.
    slow: bool,
}

impl Actor for Sum {
    fn call(&mut self, call: Call<'_>) -> Result<Object, Failure> {
        let StageKind::Method { method, .. } = &call.spec.kind else { panic!("no method") };
        let argument = |name: &str| call.spec.args.get(name).and_then(|value| value.as_u64());
        match method.as_str() {
            "add" => {
                let input = call.inputs.get("x").map_or(0, |_| number(&call.inputs));
                self.sum += argument("x").unwrap_or(0) + input;
                Ok(object(self.sum))
            }
            "sleep" => {
                for _ in 0..argument("ms").expect("ms") {
                    if call.context.cancelled() {
                        self.whole = false;
                        return Err(Failure::new(FailureKind::Cancelled, "stopped"));
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
                Ok(object(self.sum))
            }
            // Does not look whether it is asked to stop.
            "nap" => {
                std::thread::sleep(Duration::from_millis(argument("ms").expect("ms")));
                Ok(object(self.sum))
            }
            "invalid" => Err(Failure::new(FailureKind::Invalid, "never right")),
            "panic" => std::panic::resume_unwind(Box::new("asked to panic")),
            _ => {
                self.whole = false;
                Err(Failure::new(FailureKind::Trap, "trapped"))
            }
        }
    }

    fn is_alive(&self) -> bool {
        self.whole
    }

    fn snapshot(&mut self) -> Result<Vec<u8>, Failure> {
        if self.slow {
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(self.sum.to_le_bytes().to_vec())
    }

    fn state_digest(&mut self) -> Result<String, Failure> {
        Ok(format!("{}", self.sum))
    }
}

/// An engine with so many processors.
pub(crate) fn engine(cpus: f64) -> Engine {
    let config = EngineConfig { cpus, ..EngineConfig::new(Arc::new(Tested)) };
    Engine::start(config).expect("it starts")
}

/// Waits until the engine remembers nothing but its open sessions.
#[track_caller]
pub(crate) fn is_empty_but_for(engine: &Engine, sessions: usize) {
    for _ in 0..2000 {
        if engine.remembered() == sessions {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("{} things are left over: {engine:#?}", engine.remembered());
}

impl Dice {
    /// One entry, if there is any.
    pub(crate) fn choose<K: Copy, V: Copy>(
        &mut self,
        from: &std::collections::BTreeMap<K, V>,
    ) -> Option<(K, V)> {
        let at = self.below(from.len().max(1) as u64);
        from.iter().nth(usize::try_from(at).expect("few")).map(|(key, value)| (*key, *value))
    }
}

/// Takes a checkpoint now and then.
pub(crate) fn sometimes(seed: u64) -> Box<dyn Policy> {
    let mut seed = seed;
    Box::new(By(move |_: &Seen<'_>| {
        seed += 1;
        Dice(seed - 1).below(3) == 0
    }))
}
