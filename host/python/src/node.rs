//! A machine of a cluster: carries out the calls of a run that another process drives.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use mobula::engine::Call as EngineCall;
use mobula_contract::{ActorSpec, Failure, FailureKind, StageRef, StageSpec};
use mobula_sandbox::Compiler;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use serde::de::DeserializeOwned;

use crate::context::Call;
use crate::errors::{invalid, of_call};
use crate::wire::{from_wire, near, to_wire};

/// Components by digest, and their calls.
#[pyclass(frozen, module = "mobula")]
pub(crate) struct Node {
    inner: mobula::Node,
}

/// An actor that lives on this machine.
#[pyclass(frozen, module = "mobula")]
pub(crate) struct NodeActor {
    inner: Mutex<Option<Box<dyn mobula::engine::Actor>>>,
}

fn read<T: DeserializeOwned>(text: &str) -> PyResult<T> {
    serde_json::from_str(text).map_err(|e| invalid(format!("what the driver sent: {e}")))
}

#[pymethods]
impl Node {
    #[new]
    #[pyo3(signature = (cache_dir, compiler = None))]
    fn new(cache_dir: PathBuf, compiler: Option<Vec<String>>) -> PyResult<Self> {
        let compiler = compiler.and_then(compiler_of);
        Ok(Self { inner: mobula::Node::new(cache_dir, compiler).map_err(of_call)? })
    }

    /// Whether a component of this digest was admitted.
    fn has(&self, digest: &str) -> bool {
        self.inner.has(digest)
    }

    /// Takes a component, if its bytes have this digest.
    fn admit(&self, py: Python<'_>, digest: &str, component: &[u8]) -> PyResult<()> {
        py.detach(|| self.inner.admit(digest, component)).map_err(of_call)
    }

    fn run_task<'py>(
        &self,
        py: Python<'py>,
        digest: &str,
        spec: &str,
        stage: &str,
        inputs: &Bound<'py, PyList>,
        call: &Call,
    ) -> PyResult<Bound<'py, PyList>> {
        let (spec, stage): (StageSpec, StageRef) = (read(spec)?, read(stage)?);
        let inputs = from_wire(inputs.as_any(), near)?;
        let context = call.context();
        let made = EngineCall { spec: &spec, stage: &stage, inputs, context };
        let result = py.detach(|| self.inner.run_task(digest, made));
        to_wire(py, call.settle(result)?, |_| None)
    }

    #[pyo3(signature = (digest, spec, state, call))]
    fn create_actor(
        &self,
        py: Python<'_>,
        digest: Option<&str>,
        spec: &str,
        state: Option<Vec<u8>>,
        call: &Call,
    ) -> PyResult<NodeActor> {
        let (spec, context): (ActorSpec, _) = (read(spec)?, call.context());
        let made = py.detach(|| self.inner.create_actor(digest, &spec, state, context));
        Ok(NodeActor { inner: Mutex::new(Some(call.settle(made)?)) })
    }
}

/// A program with its arguments, as what compiles.
pub(crate) fn compiler_of(words: Vec<String>) -> Option<Compiler> {
    let mut words = words.into_iter();
    let program = words.next()?;
    Some(Compiler::new(PathBuf::from(program), words.map(Into::into).collect()))
}

impl NodeActor {
    fn enter<T: Send>(
        &self,
        py: Python<'_>,
        what: impl FnOnce(&mut dyn mobula::engine::Actor) -> Result<T, Failure> + Send,
    ) -> Result<T, Failure> {
        py.detach(|| {
            let mut held = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut *held {
                Some(actor) => what(&mut **actor),
                None => Err(Failure::new(FailureKind::WorkerLost, "the actor was ended")),
            }
        })
    }
}

#[pymethods]
impl NodeActor {
    fn call<'py>(
        &self,
        py: Python<'py>,
        spec: &str,
        stage: &str,
        inputs: &Bound<'py, PyList>,
        call: &Call,
    ) -> PyResult<Bound<'py, PyList>> {
        let (spec, stage): (StageSpec, StageRef) = (read(spec)?, read(stage)?);
        let inputs = from_wire(inputs.as_any(), near)?;
        let context = call.context();
        let made = EngineCall { spec: &spec, stage: &stage, inputs, context };
        let result = self.enter(py, |actor| actor.call(made));
        to_wire(py, call.settle(result)?, |_| None)
    }

    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let state = self.enter(py, |actor| actor.snapshot()).map_err(of_call)?;
        Ok(PyBytes::new(py, &state))
    }

    fn state_digest(&self, py: Python<'_>) -> PyResult<String> {
        self.enter(py, |actor| actor.state_digest()).map_err(of_call)
    }

    #[getter]
    fn alive(&self, py: Python<'_>) -> bool {
        self.enter(py, |actor| Ok(actor.is_alive())).unwrap_or(false)
    }
}
