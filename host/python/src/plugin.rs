//! Components in the sandbox: plugins, their tasks, and living actors.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use mobula_contract::{Failure, FailureKind, Object};
use mobula_sandbox::{Compiler, SandboxConfig};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::context::Call;
use crate::errors::{of_call, of_sandbox};
use crate::json::from_json;
use crate::values::{dict, object_of};

/// Compiles components and makes instances of them. Everything in a process usually shares one.
#[pyclass(frozen, module = "mobula")]
pub(crate) struct Sandbox {
    inner: mobula_sandbox::Sandbox,
}

#[pymethods]
impl Sandbox {
    /// `cache_dir` keeps compiled components; `compiler` is the program, with its arguments, that compiles
    /// one in a process of its own, within limits.
    #[new]
    #[pyo3(signature = (cache_dir = None, compiler = None))]
    fn new(cache_dir: Option<PathBuf>, compiler: Option<Vec<String>>) -> PyResult<Self> {
        let config = SandboxConfig { cache_dir };
        let made = match compiler.as_deref() {
            Some([program, args @ ..]) => {
                let args = args.iter().map(Into::into).collect();
                let compiler = Compiler::new(PathBuf::from(program), args);
                mobula_sandbox::Sandbox::with_compiler(config, compiler)
            }
            _ => mobula_sandbox::Sandbox::new(config),
        };
        Ok(Self { inner: made.map_err(of_sandbox)? })
    }

    /// Compiles a component, or takes it from the cache; `label` is what messages call it.
    fn load(&self, py: Python<'_>, component: &[u8], label: &str) -> PyResult<Plugin> {
        let loaded = py.detach(|| self.inner.load(component, label)).map_err(of_sandbox)?;
        Ok(Plugin { inner: loaded })
    }
}

/// What a compiler's process does: reads a component, writes its machine code. Gives its exit code.
#[pyfunction]
pub(crate) fn compile_child(py: Python<'_>) -> u8 {
    let code = py.detach(mobula_sandbox::compile_child);
    u8::from(code != ExitCode::SUCCESS)
}

/// A component in use.
#[pyclass(frozen, module = "mobula")]
pub(crate) struct Plugin {
    inner: mobula_sandbox::Plugin,
}

#[pymethods]
impl Plugin {
    #[getter]
    fn label(&self) -> &str {
        self.inner.label()
    }

    #[getter]
    fn digest(&self) -> &str {
        self.inner.digest()
    }

    #[getter]
    fn size(&self) -> u64 {
        self.inner.size()
    }

    #[getter]
    fn imports(&self) -> Vec<String> {
        self.inner.imports().to_vec()
    }

    #[getter]
    fn exports(&self) -> Vec<String> {
        self.inner.exports().to_vec()
    }

    fn manifest<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        from_json(py, self.inner.manifest())
    }

    fn run_task<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        args: &str,
        inputs: &Bound<'py, PyDict>,
        call: &Call,
    ) -> PyResult<Bound<'py, PyDict>> {
        let inputs = object_of(inputs)?;
        let result = py.detach(|| self.inner.run_task(name, args, inputs, call.env()));
        dict(py, call.settle(result)?)
    }

    fn create_actor(
        &self,
        py: Python<'_>,
        class: &str,
        args: &str,
        call: &Call,
    ) -> PyResult<Actor> {
        let none = Object::default();
        let made = py.detach(|| self.inner.create_actor(class, args, none, call.env()));
        call.settle(made).map(Actor::new)
    }

    fn restore_actor(
        &self,
        py: Python<'_>,
        class: &str,
        state: &[u8],
        call: &Call,
    ) -> PyResult<Actor> {
        let made = py.detach(|| self.inner.restore_actor(class, state, call.env()));
        call.settle(made).map(Actor::new)
    }
}

/// A living actor; one call at a time.
#[pyclass(frozen, module = "mobula")]
pub(crate) struct Actor {
    /// Absent since it was closed.
    inner: Mutex<Option<mobula_sandbox::Actor>>,
}

impl Actor {
    fn new(actor: mobula_sandbox::Actor) -> Self {
        Self { inner: Mutex::new(Some(actor)) }
    }

    /// Waits for its turn without the GIL, and uses the actor.
    fn enter<T: Send>(
        &self,
        py: Python<'_>,
        what: impl FnOnce(&mut mobula_sandbox::Actor) -> Result<T, Failure> + Send,
    ) -> Result<T, Failure> {
        py.detach(|| {
            let mut held = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut *held {
                Some(actor) => what(actor),
                None => Err(Failure::new(FailureKind::Invalid, "the actor was closed")),
            }
        })
    }
}

#[pymethods]
impl Actor {
    fn call<'py>(
        &self,
        py: Python<'py>,
        method: &str,
        args: &str,
        inputs: &Bound<'py, PyDict>,
        call: &Call,
    ) -> PyResult<Bound<'py, PyDict>> {
        let inputs = object_of(inputs)?;
        let result = self.enter(py, |actor| actor.call(method, args, inputs, call.env()));
        dict(py, call.settle(result)?)
    }

    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let state = self.enter(py, mobula_sandbox::Actor::snapshot).map_err(of_call)?;
        Ok(PyBytes::new(py, &state))
    }

    #[getter]
    fn alive(&self, py: Python<'_>) -> bool {
        self.enter(py, |actor| Ok(actor.is_alive())).unwrap_or(false)
    }

    /// Lets go of the instance and its memory.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.inner.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}
