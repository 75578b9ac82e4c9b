//! The checkpoint controller. Times and costs come in as numbers, decisions come out with all of theirs.

use mobula_adaptive::{
    Config, Feedback, OutputSeen, PolicyKind, Probe, Restored, Saved, StateSeen, SubjectKind, Use,
};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::invalid;

/// Decides when a checkpoint pays.
#[pyclass(module = "mobula")]
pub(crate) struct Controller {
    inner: mobula_adaptive::Controller,
}

/// An actor or a task, as its controller knows it.
#[pyclass(frozen, module = "mobula")]
#[derive(Clone, Copy)]
pub(crate) struct Subject {
    id: mobula_adaptive::SubjectId,
}

/// One decision with every number that led to it; its text tells it in a sentence.
#[pyclass(frozen, module = "mobula")]
pub(crate) struct Decision {
    inner: mobula_adaptive::Decision,
}

#[pymethods]
impl Controller {
    /// `probe` is what the store was measured to do: seconds of the smallest save, bytes written and bytes
    /// copied in a second.
    #[new]
    #[pyo3(signature = (
        policy = "adaptive", *, overhead = None, bytes_max = None, saves_max = None, probe = None
    ))]
    fn new(
        policy: &str,
        overhead: Option<f64>,
        bytes_max: Option<u64>,
        saves_max: Option<u32>,
        probe: Option<(f64, f64, f64)>,
    ) -> PyResult<Self> {
        let kind: PolicyKind = policy.parse().map_err(|e| invalid(format!("{e}")))?;
        let probe = probe.map(|(fixed_s, bytes_per_s, copied_per_s)| Probe {
            fixed_s,
            bytes_per_s,
            copied_per_s,
        });
        let config = Config { overhead, bytes_max, saves_max, probe, ..Config::of(kind) };
        Ok(Self { inner: mobula_adaptive::Controller::new(config, None) })
    }

    /// Registers a subject, or finds it again by its name; `kind` is `state` or `output`.
    #[pyo3(signature = (name, kind = "state"))]
    fn subject(&mut self, name: &str, kind: &str) -> PyResult<Subject> {
        let kind = match kind {
            "state" => SubjectKind::State,
            "output" => SubjectKind::Output,
            other => return Err(invalid(format!("no kind `{other}`: there are state, output"))),
        };
        Ok(Subject { id: self.inner.subject(name, kind) })
    }

    /// Observes a finished unit of an actor, and decides about its state.
    #[pyo3(signature = (
        subject, *, now_s, runtime_s, unsaved_s, overlap_s = 0.0, bytes = None, in_flight = false,
        remaining_s = None, notice_s = None, disk_free = None
    ))]
    #[expect(clippy::too_many_arguments, reason = "keywords of Python")]
    fn decide_state(
        &mut self,
        subject: &Subject,
        now_s: f64,
        runtime_s: f64,
        unsaved_s: f64,
        overlap_s: f64,
        bytes: Option<u64>,
        in_flight: bool,
        remaining_s: Option<f64>,
        notice_s: Option<f64>,
        disk_free: Option<u64>,
    ) -> Decision {
        let seen = StateSeen {
            now_s,
            runtime_s,
            overlap_s,
            unsaved_s,
            bytes,
            in_flight,
            remaining_s,
            notice_s,
            disk_free,
        };
        Decision { inner: self.inner.decide_state(subject.id, &seen) }
    }

    /// Observes a finished task, and decides about its output. Without `horizon_s` the output is for the
    /// next task of a chain; with it for several readers, the last of which ends in so many seconds.
    #[pyo3(signature = (
        subject, *, now_s, runtime_s, lineage_s, bytes, horizon_s = None, load_s = None,
        disk_free = None
    ))]
    #[expect(clippy::too_many_arguments, reason = "keywords of Python")]
    fn decide_output(
        &mut self,
        subject: &Subject,
        now_s: f64,
        runtime_s: f64,
        lineage_s: f64,
        bytes: u64,
        horizon_s: Option<f64>,
        load_s: Option<f64>,
        disk_free: Option<u64>,
    ) -> Decision {
        let used = horizon_s.map_or(Use::Chain, |horizon_s| Use::Until { horizon_s });
        let seen = OutputSeen { now_s, runtime_s, lineage_s, bytes, used, load_s, disk_free };
        Decision { inner: self.inner.decide_output(subject.id, &seen) }
    }

    /// A save became durable.
    #[pyo3(signature = (subject, *, blocking_s, background_s, durable_s, bytes))]
    fn saved(
        &mut self,
        subject: &Subject,
        blocking_s: f64,
        background_s: f64,
        durable_s: f64,
        bytes: u64,
    ) {
        let saved = Saved { blocking_s, background_s, durable_s, bytes };
        self.inner.saved(subject.id, &saved);
    }

    /// A save failed after so many seconds.
    fn save_failed(&mut self, subject: &Subject, spent_s: f64) {
        self.inner.save_failed(subject.id, spent_s);
    }

    /// A YES was not carried out.
    fn not_saved(&mut self, subject: &Subject) {
        self.inner.not_saved(subject.id);
    }

    /// State was lost, and so many useful seconds with it.
    #[pyo3(signature = (subject, *, now_s, lost_s))]
    fn failed(&mut self, subject: &Subject, now_s: f64, lost_s: f64) {
        self.inner.failed(subject.id, now_s, lost_s);
    }

    /// A subject stands again after a failure; gives what that has taught.
    #[pyo3(signature = (subject, *, now_s, restore_s, units_kept))]
    fn restored<'py>(
        &mut self,
        py: Python<'py>,
        subject: &Subject,
        now_s: f64,
        restore_s: f64,
        units_kept: u32,
    ) -> PyResult<Bound<'py, PyDict>> {
        let restored = Restored { now_s, restore_s, units_kept };
        let taught: Feedback = self.inner.restored(subject.id, &restored);
        let fields = PyDict::new(py);
        fields.set_item("lost_s", taught.lost_s)?;
        fields.set_item("kept_s", taught.kept_s)?;
        fields.set_item("benefit_s", taught.benefit_s)?;
        fields.set_item("threshold_before", taught.threshold_before)?;
        fields.set_item("threshold_after", taught.threshold_after)?;
        fields.set_item("text", taught.to_string())?;
        Ok(fields)
    }

    /// Failures per second that are believed in: the mean and the ends of the 90 % interval.
    #[getter]
    fn rate(&self) -> (f64, f64, f64) {
        let rate = self.inner.rate();
        (rate.mean, rate.low, rate.high)
    }
}

#[pymethods]
impl Decision {
    #[getter]
    fn checkpoint(&self) -> bool {
        self.inner.checkpoint()
    }

    #[getter]
    fn ratio(&self) -> f64 {
        self.inner.ratio
    }

    #[getter]
    fn threshold(&self) -> f64 {
        self.inner.threshold
    }

    #[getter]
    fn runtime_s(&self) -> f64 {
        self.inner.runtime_s
    }

    #[getter]
    fn unsaved_s(&self) -> f64 {
        self.inner.unsaved_s
    }

    #[getter]
    fn expected_loss_s(&self) -> f64 {
        self.inner.expected_loss_s
    }

    #[getter]
    fn cost_s(&self) -> f64 {
        self.inner.cost.charge_s()
    }

    #[getter]
    fn budget_left_s(&self) -> Option<f64> {
        self.inner.budget.left_s
    }

    /// Why not, if not.
    #[getter]
    fn refused(&self) -> Option<String> {
        self.inner.refused().map(|reason| reason.to_string())
    }

    fn __bool__(&self) -> bool {
        self.inner.checkpoint()
    }

    fn __str__(&self) -> String {
        self.inner.to_string()
    }

    fn __repr__(&self) -> String {
        format!("Decision({})", self.inner)
    }
}
