//! Failures as Python exceptions, with the texts that the command line shows.

use mobula_contract::{Failure as CallFailure, FailureKind};
use mobula_sandbox::SandboxError;
use mobula_store::StoreError as StoreFailure;
use mobula_trainer::TrainError;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::{PyTypeInfo, create_exception};

create_exception!(mobula, MobulaError, PyException, "What this package raises.");
create_exception!(mobula, PluginError, MobulaError, "A component cannot be used at all.");
create_exception!(mobula, StoreError, MobulaError, "The store could not do something.");
create_exception!(mobula, NotFound, StoreError, "There is no such run, checkpoint or plugin.");
create_exception!(mobula, Failure, MobulaError, "A call that did not return; `kind` says why.");
create_exception!(mobula, Invalid, Failure, "The caller's mistake.");
create_exception!(mobula, OutOfBounds, Failure, "A row or offset that is not there.");
create_exception!(mobula, Quota, Failure, "A limit of the host, named.");
create_exception!(mobula, Denied, Failure, "No grant allows it.");
create_exception!(mobula, Cancelled, Failure, "The call was cancelled.");
create_exception!(mobula, Failed, Failure, "The stage's own failure.");
create_exception!(mobula, Trap, Failure, "The guest trapped.");
create_exception!(mobula, WorkerLost, Failure, "The worker that ran it is gone.");
create_exception!(mobula, HostFailure, Failure, "The host itself failed, such as a full disk.");
create_exception!(mobula, OutOfMemory, Failure, "The process has no memory left for it.");
create_exception!(mobula, Damaged, Failure, "A checkpoint is not what was saved.");

/// Every kind of failure with its class.
const KINDS: [FailureKind; 11] = [
    FailureKind::Invalid,
    FailureKind::OutOfBounds,
    FailureKind::Quota,
    FailureKind::Denied,
    FailureKind::Cancelled,
    FailureKind::Failed,
    FailureKind::Trap,
    FailureKind::WorkerLost,
    FailureKind::Host,
    FailureKind::Memory,
    FailureKind::Damaged,
];

fn class<'py>(py: Python<'py>, kind: FailureKind) -> Bound<'py, PyAny> {
    match kind {
        FailureKind::Invalid => Invalid::type_object(py),
        FailureKind::OutOfBounds => OutOfBounds::type_object(py),
        FailureKind::Quota => Quota::type_object(py),
        FailureKind::Denied => Denied::type_object(py),
        FailureKind::Cancelled => Cancelled::type_object(py),
        FailureKind::Failed => Failed::type_object(py),
        FailureKind::Trap => Trap::type_object(py),
        FailureKind::WorkerLost => WorkerLost::type_object(py),
        FailureKind::Host => HostFailure::type_object(py),
        FailureKind::Memory => OutOfMemory::type_object(py),
        FailureKind::Damaged => Damaged::type_object(py),
    }
    .into_any()
}

/// Puts the classes into the module.
pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    for kind in KINDS {
        let class = class(py, kind);
        class.setattr("kind", name(kind))?;
        module.add(class.getattr("__name__")?.extract::<String>()?.as_str(), class)?;
    }
    module.add("MobulaError", py.get_type::<MobulaError>())?;
    module.add("PluginError", py.get_type::<PluginError>())?;
    module.add("StoreError", py.get_type::<StoreError>())?;
    module.add("NotFound", py.get_type::<NotFound>())?;
    module.add("Failure", py.get_type::<Failure>())
}

/// The name of a kind in events and JSON.
pub(crate) fn name(kind: FailureKind) -> String {
    let name = serde_json::to_value(kind).expect("a kind becomes text");
    name.as_str().expect("a kind is text").to_owned()
}

/// The kind of this name.
pub(crate) fn kind_named(text: &str) -> Option<FailureKind> {
    KINDS.into_iter().find(|kind| name(*kind) == text)
}

pub(crate) fn of_call(failure: CallFailure) -> PyErr {
    Python::attach(|py| match class(py, failure.kind).call1((failure.message,)) {
        Ok(exception) => PyErr::from_value(exception),
        Err(other) => other,
    })
}

pub(crate) fn of_sandbox(error: SandboxError) -> PyErr {
    PluginError::new_err(error.to_string())
}

pub(crate) fn of_store(error: StoreFailure) -> PyErr {
    match error {
        StoreFailure::NotFound { .. } => NotFound::new_err(error.to_string()),
        _ => StoreError::new_err(error.to_string()),
    }
}

/// The same kinds as when the trainer is an actor.
pub(crate) fn of_trainer(error: TrainError) -> PyErr {
    let message = error.to_string();
    match error {
        TrainError::Cancelled => Cancelled::new_err(message),
        TrainError::Diverged { .. } | TrainError::Snapshot(_) => Failed::new_err(message),
        TrainError::Thread(_) => HostFailure::new_err(message),
        _ => Invalid::new_err(message),
    }
}

pub(crate) fn invalid(message: impl Into<String>) -> PyErr {
    Invalid::new_err(message.into())
}
