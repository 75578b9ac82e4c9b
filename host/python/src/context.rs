//! What a call may say to Python and ask of it: logs, curves, progress, a stream, and whether to stop.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mobula_contract::{Failure, FailureKind, Level, Object, StageContext, Used, parse_bytes};
use mobula_sandbox::{CallEnv, Grants, Limits};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use serde_json::Value as Json;

use crate::errors::{self, invalid};
use crate::json::to_json;
use crate::values::dict;

/// How often a running call looks whether Python wants to interrupt it: Ctrl-C seems immediate.
const LOOK: Duration = Duration::from_millis(100);

/// Ends calls early, from any thread.
#[pyclass(frozen, module = "mobula")]
#[derive(Debug, Default)]
pub(crate) struct Stop {
    asked: Arc<AtomicBool>,
}

#[pymethods]
impl Stop {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Asks every call that was given this to end; they raise `Cancelled`.
    fn set(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

/// Everything around one call.
#[pyclass(frozen, module = "mobula")]
pub(crate) struct Call {
    env: CallEnv,
    context: Arc<Context>,
}

#[pymethods]
impl Call {
    #[new]
    #[pyo3(signature = (
        stage, *, seed = 0, mounts = None, env = None, limits = None, log = None, progress = None,
        metric = None, emit = None, stop = None
    ))]
    #[expect(clippy::too_many_arguments, reason = "keywords of Python")]
    fn new(
        py: Python<'_>,
        stage: String,
        seed: u64,
        mounts: Option<BTreeMap<String, PathBuf>>,
        env: Option<BTreeMap<String, String>>,
        limits: Option<&Bound<'_, PyDict>>,
        log: Option<Py<PyAny>>,
        progress: Option<Py<PyAny>>,
        metric: Option<Py<PyAny>>,
        emit: Option<Py<PyAny>>,
        stop: Option<&Stop>,
    ) -> PyResult<Self> {
        let context = Arc::new(Context {
            seed,
            log,
            progress,
            metric,
            emit,
            stop: stop.map(|stop| Arc::clone(&stop.asked)).unwrap_or_default(),
            raised: Mutex::default(),
            looked: in_main_thread(py)?.then(|| Mutex::new(Instant::now())),
            used: Mutex::default(),
        });
        let grants = Grants {
            mounts: mounts.unwrap_or_default().into_iter().collect(),
            env: env.unwrap_or_default().into_iter().collect(),
        };
        let limits = limits.map(limits_of).transpose()?.unwrap_or_default();
        let env = CallEnv { context: Arc::clone(&context) as _, grants, limits, stage };
        Ok(Self { env, context })
    }

    /// What the call used: bytes in and out, the most memory, and whether it was the first of its plugin.
    #[getter]
    fn used<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let used = *lock(&self.context.used);
        let fields = PyDict::new(py);
        fields.set_item("helpers_cpu_s", used.helpers_cpu_s)?;
        fields.set_item("memory_peak_bytes", used.memory_peak_bytes)?;
        fields.set_item("bytes_in", used.bytes_in)?;
        fields.set_item("bytes_out", used.bytes_out)?;
        fields.set_item("cold", used.cold)?;
        Ok(fields)
    }
}

impl Call {
    pub(crate) fn env(&self) -> &CallEnv {
        &self.env
    }

    pub(crate) fn context(&self) -> Arc<dyn StageContext> {
        Arc::clone(&self.context) as _
    }

    /// The failure of the call; what Python raised meanwhile comes first.
    pub(crate) fn settle<T>(&self, result: Result<T, Failure>) -> PyResult<T> {
        self.context.settle(result.map_err(errors::of_call))
    }
}

/// The context of a call that Python made.
pub(crate) struct Context {
    seed: u64,
    log: Option<Py<PyAny>>,
    progress: Option<Py<PyAny>>,
    metric: Option<Py<PyAny>>,
    emit: Option<Py<PyAny>>,
    stop: Arc<AtomicBool>,
    /// What a callback or a signal raised; it ends the call.
    raised: Mutex<Option<PyErr>>,
    /// When it was looked for signals; only Python's main thread gets any.
    looked: Option<Mutex<Instant>>,
    used: Mutex<Used>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn in_main_thread(py: Python<'_>) -> PyResult<bool> {
    static CURRENT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static MAIN: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let current = CURRENT.import(py, "threading", "current_thread")?.call0()?;
    let main = MAIN.import(py, "threading", "main_thread")?.call0()?;
    Ok(current.is(&main))
}

impl Context {
    /// One that only listens for signals and `progress`.
    pub(crate) fn quiet(py: Python<'_>, progress: Option<Py<PyAny>>) -> PyResult<Self> {
        Ok(Self {
            seed: 0,
            log: None,
            progress,
            metric: None,
            emit: None,
            stop: Arc::default(),
            raised: Mutex::default(),
            looked: in_main_thread(py)?.then(|| Mutex::new(Instant::now())),
            used: Mutex::default(),
        })
    }

    pub(crate) fn settle<T>(&self, result: PyResult<T>) -> PyResult<T> {
        match lock(&self.raised).take() {
            Some(raised) => Err(raised),
            None => result,
        }
    }

    /// Calls back; what is raised ends the call.
    fn tell<A>(&self, callback: Option<&Py<PyAny>>, arguments: A)
    where
        A: for<'py> pyo3::call::PyCallArgs<'py>,
    {
        if let Some(callback) = callback {
            Python::attach(|py| self.keep(callback.call1(py, arguments).map(drop)));
        }
    }

    fn keep(&self, result: PyResult<()>) {
        if let Err(raised) = result {
            lock(&self.raised).get_or_insert(raised);
        }
    }

    fn look_for_signals(&self) {
        let Some(looked) = &self.looked else { return };
        let due = {
            let mut looked = lock(looked);
            let due = looked.elapsed() >= LOOK;
            if due {
                *looked = Instant::now();
            }
            due
        };
        if due {
            Python::attach(|py| self.keep(py.check_signals()));
        }
    }
}

impl StageContext for Context {
    fn log(&self, level: Level, message: &str) {
        self.tell(self.log.as_ref(), (level_name(level), message));
    }

    fn progress(&self, done: u64, total: Option<u64>) {
        self.tell(self.progress.as_ref(), (done, total));
    }

    fn metric(&self, name: &str, step: u64, value: f64) {
        self.tell(self.metric.as_ref(), (name, step, value));
    }

    fn seed(&self) -> u64 {
        self.seed
    }

    fn cancelled(&self) -> bool {
        self.look_for_signals();
        self.stop.load(Ordering::Relaxed) || lock(&self.raised).is_some()
    }

    fn emit(&self, object: Object) -> Result<(), Failure> {
        let Some(emit) = &self.emit else {
            return Err(Failure::new(FailureKind::Invalid, "nobody asked this stage for a stream"));
        };
        Python::attach(|py| {
            let told = dict(py, object).and_then(|fields| emit.call1(py, (fields,)).map(drop));
            self.keep(told);
        });
        match self.cancelled() {
            true => Err(Failure::new(FailureKind::Cancelled, "the call was cancelled")),
            false => Ok(()),
        }
    }

    fn used(&self, used: Used) {
        *lock(&self.used) = used;
    }
}

/// The name of a level in events.
pub(crate) fn level_name(level: Level) -> &'static str {
    match level {
        Level::Trace => "trace",
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

/// Limits by the names that pipeline files and messages use.
fn limits_of(given: &Bound<'_, PyDict>) -> PyResult<Limits> {
    let mut limits = Limits::default();
    for (name, value) in given {
        let name: String = name.extract()?;
        let value = to_json(&value)?;
        let bytes = || bytes_of(&name, &value);
        match name.as_str() {
            "memory" => limits.memory_bytes = bytes()?,
            "output_bytes" => limits.output_bytes = bytes()?,
            "log_bytes" => limits.log_bytes = bytes()?,
            "tensor_bytes" => limits.tensor_bytes = bytes()?,
            "timeout_s" => {
                let seconds = value.as_f64().and_then(|s| Duration::try_from_secs_f64(s).ok());
                limits.wall = seconds.ok_or_else(|| {
                    invalid(format!("limit `timeout_s` is {value}: give seconds, such as 300"))
                })?;
            }
            "handles" => {
                let count = value.as_u64().and_then(|count| u32::try_from(count).ok());
                limits.handles = count.ok_or_else(|| {
                    invalid(format!("limit `handles` is {value}: give a number, such as 4096"))
                })?;
            }
            _ => {
                return Err(invalid(format!(
                    "no limit `{name}`: there are memory, timeout_s, output_bytes, log_bytes, \
                     tensor_bytes, handles"
                )));
            }
        }
    }
    Ok(limits)
}

fn bytes_of(name: &str, value: &Json) -> PyResult<u64> {
    let found = match value {
        Json::String(text) => parse_bytes(text),
        other => other.as_u64(),
    };
    found.ok_or_else(|| {
        invalid(format!("limit `{name}` is {value}: give bytes, or text such as \"512MiB\""))
    })
}
