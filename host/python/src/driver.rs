//! The command line with a cluster that Python reaches: the engine stays here, its calls are carried out
//! there. Each call waits in a thread of the engine, without the GIL.

use std::any::Any;
use std::ffi::OsString;
use std::io::Write as _;
use std::sync::{Arc, OnceLock};

use mobula::engine::{Actor, Call, Stages};
use mobula::{Cluster, Component, Components, Joined};
use mobula_contract::{
    ActorSource, ActorSpec, DType, Failure, FailureKind, Lent, Level, Object, PortKind,
    StageContext, StageKind, Tensor, Used, Value,
};
use numpy::PyUntypedArray;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use serde::Serialize;

use crate::context::level_name;
use crate::errors::kind_named;
use crate::node::compiler_of;
use crate::values::{borrow, numpy_name};
use crate::wire::{from_wire, to_wire};

/// Runs a command of the command line; `join` is called with the address and gives who carries out calls.
#[pyfunction]
pub(crate) fn run_on(
    py: Python<'_>,
    arguments: Vec<OsString>,
    join: Py<PyAny>,
    compiler: Vec<String>,
) -> u8 {
    if let Some(compiler) = compiler_of(compiler) {
        mobula::compile_with(compiler);
    }
    py.detach(|| {
        let code = mobula::main_on(&PythonCluster { join }, arguments);
        // Python does not know of this buffer.
        let _ = std::io::stdout().flush();
        code
    })
}

/// Calls that wait in Ray, for each of its processors, and at most: with two processors 1,000 small tasks
/// end in a second when three more wait for each, and 550 when none do, since Ray keeps a worker for
/// the next of a kind (`RAY.md`); each waits in a thread here.
const AHEAD: f64 = 3.0;
const AHEAD_MAX: f64 = 64.0;

struct PythonCluster {
    join: Py<PyAny>,
}

impl Cluster for PythonCluster {
    fn join(&self, address: Option<&str>, components: Components) -> anyhow::Result<Joined> {
        let (executor, cpus) = Python::attach(|py| {
            let executor = self.join.call1(py, (address,))?;
            let cpus: f64 = executor.getattr(py, "cpus")?.extract(py)?;
            PyResult::Ok((executor, cpus))
        })
        .map_err(|e| anyhow::anyhow!("{}", words(&e)))?;
        let executor = Arc::new(executor);
        let stages = Arc::new(Executor { executor, components });
        Ok(Joined { stages, cpus, ahead: (AHEAD * cpus).min(AHEAD_MAX) })
    }
}

/// What an exception says.
fn words(error: &PyErr) -> String {
    Python::attach(|py| error.value(py).to_string())
}

/// An exception as the failure of a call: one of this package keeps its kind.
fn failure(error: &PyErr) -> Failure {
    Python::attach(|py| {
        let value = error.value(py);
        let kind = value.getattr("kind").and_then(|kind| kind.extract::<String>()).ok();
        match kind.as_deref().and_then(kind_named) {
            Some(kind) => Failure::new(kind, value.to_string()),
            None => Failure::new(FailureKind::Host, error.to_string()),
        }
    })
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("a part of a pipeline becomes JSON")
}

/// A tensor in the object store of the cluster.
struct Far {
    /// What Python knows it by: where it is, and whether it is lost.
    part: Py<PyAny>,
    executor: Arc<Py<PyAny>>,
    len: usize,
    near: OnceLock<Tensor>,
}

impl Lent for Far {
    fn len(&self) -> usize {
        self.len
    }

    fn bytes(&self) -> &[u8] {
        self.bring().expect("what lies far away is brought before it is read");
        self.near.get().expect("it was just brought").bytes()
    }

    fn bring(&self) -> Result<(), String> {
        if self.near.get().is_some() {
            return Ok(());
        }
        let brought = Python::attach(|py| {
            let array = self.executor.call_method1(py, "bring", (&self.part,))?;
            borrow(array.bind(py).cast::<PyUntypedArray>()?, "an object of the cluster")
        });
        let tensor = brought.map_err(|e| words(&e))?;
        if tensor.byte_len() != self.len as u64 {
            return Err(format!("{} bytes came, but {} were there", tensor.byte_len(), self.len));
        }
        let _ = self.near.set(tensor);
        Ok(())
    }

    fn is_lost(&self) -> bool {
        let lost = Python::attach(|py| self.part.getattr(py, "lost")?.extract(py));
        lost.unwrap_or(false)
    }
}

/// Who carries out calls, as Python knows it.
struct Executor {
    executor: Arc<Py<PyAny>>,
    components: Components,
}

impl Executor {
    fn component(&self, plugin: &str, version: Option<&str>) -> Result<Component, Failure> {
        self.components.find(plugin, version)
    }
}

/// Inputs as they are sent: what lies in the cluster by its place, and which bytes of it are meant.
fn inputs_of(py: Python<'_>, inputs: Object) -> PyResult<Bound<'_, PyList>> {
    to_wire(py, inputs, |tensor| {
        let (lent, start) = tensor.lender()?;
        let lent: &dyn Any = lent;
        let far = lent.downcast_ref::<Far>()?;
        let place = (
            far.part.clone_ref(py),
            start,
            tensor.byte_len(),
            numpy_name(tensor.dtype()),
            tensor.shape().to_vec(),
        );
        Some(place.into_pyobject(py).map(Bound::into_any))
    })
}

/// What a call gave: tensors stay where they are.
fn outputs_of(executor: &Arc<Py<PyAny>>, fields: &Bound<'_, PyAny>) -> PyResult<Object> {
    from_wire(fields, |_, payload| {
        let (part, dtype, shape): (Py<PyAny>, String, Vec<u64>) = payload.extract()?;
        let dtypes = [DType::Bool, DType::U8, DType::S32, DType::S64, DType::F32, DType::F64];
        let dtype = dtypes.into_iter().find(|one| numpy_name(*one) == dtype);
        let dtype = dtype.ok_or_else(|| crate::errors::invalid("a tensor of an unknown type"))?;
        let len = shape.iter().product::<u64>() * dtype.size();
        let far = Far {
            part,
            executor: Arc::clone(executor),
            len: usize::try_from(len)?,
            near: OnceLock::new(),
        };
        let tensor = Tensor::lent(dtype, shape, Box::new(far));
        tensor.map(Value::Tensor).map_err(|e| crate::errors::invalid(e.to_string()))
    })
}

impl Stages for Executor {
    fn run_task(&self, call: Call<'_>) -> Result<Object, Failure> {
        let StageKind::Task { plugin, version, export } = &call.spec.kind else {
            unreachable!("the engine runs methods on their actors");
        };
        let component = self.component(plugin, version.as_deref())?;
        let outputs = component.manifest.task(export).map_or(&[][..], |task| &task.outputs);
        let limits = &call.spec.limits;
        let declared = outputs.iter().filter(|port| port.kind == PortKind::Tensor).count();
        let result = Python::attach(|py| {
            let told =
                Told { context: Arc::clone(&call.context), executor: Arc::clone(&self.executor) };
            let fields = self.executor.call_method1(
                py,
                "run_task",
                (
                    component.digest,
                    component.file,
                    text(call.spec),
                    text(call.stage),
                    call.stage.to_string(),
                    (limits.cpus.unwrap_or(1.0), limits.retries, limits.memory_bytes),
                    declared,
                    inputs_of(py, call.inputs)?,
                    told,
                ),
            )?;
            outputs_of(&self.executor, fields.bind(py))
        });
        result.map_err(|e| failure(&e))
    }

    fn create_actor(
        &self,
        spec: &ActorSpec,
        state: Option<Vec<u8>>,
        context: Arc<dyn StageContext>,
    ) -> Result<Box<dyn Actor>, Failure> {
        let component = match &spec.source {
            ActorSource::Native { .. } => None,
            ActorSource::Plugin { plugin, version, .. } => {
                let found = self.component(plugin, version.as_deref())?;
                Some((found.digest, found.file))
            }
        };
        let made = Python::attach(|py| {
            let told = Told { context, executor: Arc::clone(&self.executor) };
            let state = state.map(|state| PyBytes::new(py, &state));
            self.executor.call_method1(py, "create_actor", (component, text(spec), state, told))
        });
        let actor = made.map_err(|e| failure(&e))?;
        Ok(Box::new(FarActor { actor, executor: Arc::clone(&self.executor), whole: true }))
    }
}

/// An actor that lives in the cluster.
struct FarActor {
    actor: Py<PyAny>,
    executor: Arc<Py<PyAny>>,
    /// Whether it can be called again.
    whole: bool,
}

impl FarActor {
    fn ask<T: for<'a, 'py> FromPyObject<'a, 'py, Error = PyErr>>(
        &mut self,
        what: &str,
    ) -> Result<T, Failure> {
        let answer = Python::attach(|py| self.actor.call_method0(py, what)?.extract(py));
        answer.map_err(|e| failure(&e))
    }
}

impl Actor for FarActor {
    fn call(&mut self, call: Call<'_>) -> Result<Object, Failure> {
        let result = Python::attach(|py| {
            let told =
                Told { context: Arc::clone(&call.context), executor: Arc::clone(&self.executor) };
            let inputs = inputs_of(py, call.inputs)?;
            let (spec, stage) = (text(call.spec), text(call.stage));
            let sent = (spec, stage, call.stage.to_string(), inputs, told);
            let fields = self.actor.call_method1(py, "call", sent)?;
            outputs_of(&self.executor, fields.bind(py))
        });
        if result.is_err() {
            let whole = Python::attach(|py| self.actor.getattr(py, "whole")?.extract(py));
            self.whole = whole.unwrap_or(false);
        }
        result.map_err(|e| failure(&e))
    }

    fn is_alive(&self) -> bool {
        self.whole
    }

    fn snapshot(&mut self) -> Result<Vec<u8>, Failure> {
        self.ask("snapshot")
    }

    fn state_digest(&mut self) -> Result<String, Failure> {
        self.ask("state_digest")
    }
}

impl Drop for FarActor {
    fn drop(&mut self) {
        // It is gone, or goes with the run, all the same.
        Python::attach(|py| drop(self.actor.call_method0(py, "close")));
    }
}

/// What Python tells the engine of a call.
#[pyclass(frozen, module = "mobula")]
pub(crate) struct Told {
    context: Arc<dyn StageContext>,
    executor: Arc<Py<PyAny>>,
}

#[pymethods]
impl Told {
    fn log(&self, py: Python<'_>, level: &str, message: &str) {
        let levels = [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error];
        let level = levels.into_iter().find(|one| level_name(*one) == level);
        py.detach(|| self.context.log(level.unwrap_or(Level::Info), message));
    }

    #[pyo3(signature = (done, total))]
    fn progress(&self, py: Python<'_>, done: u64, total: Option<u64>) {
        py.detach(|| self.context.progress(done, total));
    }

    fn metric(&self, py: Python<'_>, name: &str, step: u64, value: f64) {
        py.detach(|| self.context.metric(name, step, value));
    }

    /// Hands over one object of the stream; waits while its readers lag behind.
    fn emit(&self, py: Python<'_>, fields: &Bound<'_, PyAny>) -> PyResult<()> {
        let object = outputs_of(&self.executor, fields)?;
        py.detach(|| self.context.emit(object)).map_err(crate::errors::of_call)
    }

    fn tried_again(&self, py: Python<'_>, why: &str) {
        py.detach(|| self.context.tried_again(why));
    }

    fn cancelled(&self, py: Python<'_>) -> bool {
        py.detach(|| self.context.cancelled())
    }

    fn used(
        &self,
        helpers_cpu_s: f64,
        memory_peak_bytes: u64,
        bytes_in: u64,
        bytes_out: u64,
        cold: bool,
    ) {
        self.context.used(Used { helpers_cpu_s, memory_peak_bytes, bytes_in, bytes_out, cold });
    }

    #[getter]
    fn seed(&self) -> u64 {
        self.context.seed()
    }

    #[getter]
    fn streams(&self) -> bool {
        self.context.streams()
    }
}
