//! The store: runs and their events, checkpoints, plugins.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use mobula_contract::{CheckpointId, RunId};
use mobula_store::{NewCheckpoint, Retention, StoreError as Failure};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::{invalid, of_store};
use crate::json::from_json;

/// The home folder and its database. Any number of them, in any number of processes, may have one folder.
#[pyclass(frozen, subclass, module = "mobula")]
pub(crate) struct Store {
    inner: Mutex<mobula_store::Store>,
}

impl Store {
    /// Waits for its turn without the GIL, and uses the store.
    fn enter<T: Send>(
        &self,
        py: Python<'_>,
        what: impl FnOnce(&mobula_store::Store) -> Result<T, Failure> + Send,
    ) -> PyResult<T> {
        let result = py.detach(|| {
            let held = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            what(&held)
        });
        result.map_err(of_store)
    }
}

#[pymethods]
impl Store {
    /// Opens the store of a home folder; makes it where it is missing.
    #[new]
    fn new(py: Python<'_>, home: PathBuf) -> PyResult<Self> {
        let opened = py.detach(|| mobula_store::Store::open(&home)).map_err(of_store)?;
        Ok(Self { inner: Mutex::new(opened) })
    }

    /// All runs, newest first.
    fn runs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        from_json(py, &self.enter(py, mobula_store::Store::runs)?)
    }

    /// The run of this name, or the only one whose name begins so; `last` is the newest.
    fn run<'py>(&self, py: Python<'py>, run: &str) -> PyResult<Bound<'py, PyAny>> {
        from_json(py, &self.enter(py, |store| store.find_run(run))?)
    }

    /// What a run was asked to do.
    fn pipeline<'py>(&self, py: Python<'py>, run: &str) -> PyResult<Bound<'py, PyAny>> {
        let found = self.enter(py, |store| store.run_pipeline(&store.find_run(run)?.run))?;
        from_json(py, &found)
    }

    /// What happened in a run, beyond the first `after` events.
    #[pyo3(signature = (run, after = 0))]
    fn events<'py>(&self, py: Python<'py>, run: &str, after: u64) -> PyResult<Bound<'py, PyAny>> {
        let found = self.enter(py, |store| store.events(&store.find_run(run)?.run, after))?;
        let events: Vec<_> = found.into_iter().map(|(_, event)| event).collect();
        from_json(py, &events)
    }

    /// Checkpoints of a run, or all.
    #[pyo3(signature = (run = None))]
    fn checkpoints<'py>(&self, py: Python<'py>, run: Option<&str>) -> PyResult<Bound<'py, PyAny>> {
        let found = self.enter(py, |store| {
            let run = run.map(|run| store.find_run(run)).transpose()?;
            store.checkpoints(run.as_ref().map(|row| &row.run))
        })?;
        from_json(py, &found)
    }

    /// The bytes of a checkpoint, by its name or the beginning of one, after they proved good.
    fn load_checkpoint<'py>(
        &self,
        py: Python<'py>,
        checkpoint: &str,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = self.enter(py, |store| {
            let row = store.find_checkpoint(checkpoint)?;
            store.load_checkpoint(&row.id)
        })?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Makes a checkpoint durable, under a name of the caller's. Gives the digest of its bytes.
    #[pyo3(signature = (id, state, *, stage, index = 0, actor = None, position = 0, name = None))]
    #[expect(clippy::too_many_arguments, reason = "keywords of Python")]
    fn save_checkpoint(
        &self,
        py: Python<'_>,
        id: &str,
        state: &[u8],
        stage: &str,
        index: u32,
        actor: Option<&str>,
        position: u64,
        name: Option<&str>,
    ) -> PyResult<String> {
        if id.is_empty() {
            return Err(invalid("a checkpoint needs a name"));
        }
        let id = CheckpointId::from_text(id);
        let saved = self.enter(py, |store| {
            let new = NewCheckpoint {
                id: &id,
                run: None::<&RunId>,
                name,
                stage,
                index,
                actor,
                position,
                metric: None,
                pinned: false,
                bytes: state,
            };
            store.save_checkpoint(&new, &Retention::default())
        })?;
        Ok(saved.digest)
    }

    /// Removes a checkpoint.
    fn remove_checkpoint(&self, py: Python<'_>, checkpoint: &str) -> PyResult<()> {
        self.enter(py, |store| store.remove_checkpoint(&store.find_checkpoint(checkpoint)?.id))
    }

    /// Pushed plugins.
    fn plugins<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        from_json(py, &self.enter(py, mobula_store::Store::plugins)?)
    }

    /// Reads everything, and gives what is wrong in words; nothing where all is good.
    fn verify(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let found = self.enter(py, |store| store.verify(None))?;
        let damaged = found.damaged.iter().map(|one| format!("{}: {}", one.id, one.detail));
        Ok(damaged.chain(found.faults.iter().cloned()).collect())
    }

    #[getter]
    fn home(&self, py: Python<'_>) -> PyResult<PathBuf> {
        self.enter(py, |store| Ok(store.home().to_owned()))
    }
}
