//! The native trainer: networks that learn from arrays, without a sandbox.

use std::ops::ControlFlow;

use mobula_trainer::{EpochArgs, Images, Progress, Recipe, TrainerSettings};
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use serde_json::json;

use crate::context::Context;
use crate::errors::{Damaged, of_trainer};
use crate::json::{from_json, settings};
use crate::values::bytes_of;
use mobula_contract::StageContext as _;

/// A network in training.
#[pyclass(module = "mobula")]
pub(crate) struct Trainer {
    inner: mobula_trainer::Trainer,
}

#[pymethods]
impl Trainer {
    /// The keywords are those of `args` of a native actor `cnn`.
    #[new]
    #[pyo3(signature = (model = None, **given))]
    fn new(
        py: Python<'_>,
        model: Option<String>,
        given: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let mut asked: TrainerSettings = settings(given.map(|given| given.as_any()))?;
        asked.model = model.or(asked.model);
        let made = py.detach(|| mobula_trainer::Trainer::new(asked.resolved()));
        Ok(Self { inner: made.map_err(of_trainer)? })
    }

    /// The trainer of a snapshot, on any number of threads.
    #[staticmethod]
    #[pyo3(signature = (state, threads = None))]
    fn restore(py: Python<'_>, state: &[u8], threads: Option<usize>) -> PyResult<Self> {
        let made = py.detach(|| mobula_trainer::Trainer::restore(state, threads));
        Ok(Self { inner: made.map_err(|e| Damaged::new_err(e.to_string()))? })
    }

    /// Trains one epoch; `progress` is called with images done, images in all and the mean loss.
    #[pyo3(signature = (images, labels, *, progress = None, **given))]
    fn train_epoch<'py>(
        &mut self,
        py: Python<'py>,
        images: &Bound<'py, PyAny>,
        labels: &Bound<'py, PyAny>,
        progress: Option<Py<PyAny>>,
        given: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut args: EpochArgs = settings(given.map(|given| given.as_any()))?;
        let recipe: Recipe = self.inner.config().recipe;
        if !given.is_some_and(|given| given.contains("batch_size").unwrap_or(false)) {
            args.batch_size = recipe.batch_size();
        }
        let (pixels, labels) = (bytes_of(images, "images")?, bytes_of(labels, "labels")?);
        let context = Context::quiet(py, progress)?;
        let trained = py.detach(|| {
            let images = Images::new(pixels.bytes(), labels.bytes())?;
            let mut seen = |seen: Progress| {
                context.progress(seen.done as u64, Some(seen.total as u64));
                if context.cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            self.inner.train_epoch(images, &args, &mut seen)
        });
        from_json(py, &context.settle(trained.map_err(of_trainer))?)
    }

    /// Loss and accuracy of labelled images.
    fn evaluate<'py>(
        &mut self,
        py: Python<'py>,
        images: &Bound<'py, PyAny>,
        labels: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (pixels, labels) = (bytes_of(images, "images")?, bytes_of(labels, "labels")?);
        let found = py.detach(|| self.inner.evaluate(Images::new(pixels.bytes(), labels.bytes())?));
        from_json(py, &found.map_err(of_trainer)?)
    }

    /// Probabilities, a row of classes for each image.
    fn predict<'py>(
        &mut self,
        py: Python<'py>,
        images: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let pixels = bytes_of(images, "images")?;
        let rows = pixels.rows();
        let found = py.detach(|| self.inner.predict(pixels.bytes())).map_err(of_trainer)?;
        let classes = (found.len() as u64).checked_div(rows).unwrap_or(0);
        PyArray1::from_vec(py, found).call_method1("reshape", (rows, classes))
    }

    /// The whole state, from which `restore` goes on as if nothing had been between.
    fn snapshot<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &py.detach(|| self.inner.snapshot()))
    }

    /// `blake3:…` of the state.
    fn state_digest(&self, py: Python<'_>) -> String {
        py.detach(|| self.inner.state_digest())
    }

    /// The weights as a safetensors file.
    fn weights<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &py.detach(|| self.inner.weights()))
    }

    /// Takes the weights of a safetensors file.
    fn load_weights(&mut self, py: Python<'_>, weights: &[u8]) -> PyResult<()> {
        py.detach(|| self.inner.load_weights(weights)).map_err(of_trainer)
    }

    #[getter]
    fn parameters(&self) -> usize {
        self.inner.parameters()
    }

    #[getter]
    fn epochs(&self) -> u64 {
        self.inner.epochs()
    }

    #[getter]
    fn steps(&self) -> u64 {
        self.inner.steps_done()
    }

    #[getter]
    fn instruction_set(&self) -> &'static str {
        self.inner.instruction_set()
    }

    #[getter]
    fn history<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        from_json(py, &self.inner.history())
    }

    #[getter]
    fn config<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        from_json(py, self.inner.config())
    }

    /// Bytes that training takes in all, at this batch size.
    #[pyo3(signature = (batch_size = 64))]
    fn memory_bytes(&self, batch_size: usize) -> u64 {
        self.inner.memory(batch_size).total_bytes()
    }

    fn __repr__(&self) -> String {
        let (parameters, epochs) = (self.inner.parameters(), self.inner.epochs());
        format!("Trainer({})", json!({ "parameters": parameters, "epochs": epochs }))
    }
}
