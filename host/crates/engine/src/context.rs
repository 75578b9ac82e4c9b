//! What a call sees of its host: logs, metrics, seed, memory, its stream, and whether to stop.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use mobula_contract::{
    Charge, EventBody, Failure, FailureKind, Level, Object, StageContext, StageRef, Used,
};

use crate::core::{Event, UnitId};
use crate::fault::{Fault, FaultKind};
use crate::inner::Inner;
use crate::session::SessionShell;
use crate::slot::{Slot, lock};

/// What a call may say to and ask of its host.
pub(crate) struct CallContext {
    inner: Arc<Inner>,
    session: Arc<SessionShell>,
    stage: StageRef,
    seed: u64,
    cancelled: Arc<AtomicBool>,
    /// The unit whose call it is; none while an actor is made.
    unit: Option<UnitId>,
    stream: Option<Stream>,
    used: Mutex<Used>,
    fault: Option<Fault>,
    fault_due: AtomicBool,
}

/// Where the objects of a stream go.
pub(crate) struct Stream {
    pub(crate) unit: UnitId,
    pub(crate) slot: Arc<Slot>,
    pub(crate) next: AtomicUsize,
}

impl std::fmt::Debug for CallContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallContext").field("stage", &self.stage).finish_non_exhaustive()
    }
}

impl CallContext {
    pub(crate) fn new(
        inner: &Arc<Inner>,
        session: &Arc<SessionShell>,
        stage: &StageRef,
        cancelled: &Arc<AtomicBool>,
    ) -> Self {
        Self {
            inner: Arc::clone(inner),
            session: Arc::clone(session),
            stage: stage.clone(),
            seed: stage_seed(session.seed, stage),
            cancelled: Arc::clone(cancelled),
            unit: None,
            stream: None,
            used: Mutex::default(),
            fault: None,
            fault_due: AtomicBool::new(false),
        }
    }

    pub(crate) fn of_unit(mut self, unit: UnitId) -> Self {
        self.unit = Some(unit);
        self
    }

    /// The failure that is to be made in this attempt, if there is one.
    pub(crate) fn with_fault(mut self, attempt: u32) -> Self {
        let faults = lock(&self.session.faults);
        self.fault = faults.iter().find(|fault| attempt == 1 && fault.is_for(&self.stage)).cloned();
        drop(faults);
        self
    }

    pub(crate) fn with_stream(mut self, stream: Option<Stream>) -> Self {
        self.stream = stream;
        self
    }

    pub(crate) fn taken_use(&self) -> Used {
        *lock(&self.used)
    }

    pub(crate) fn reach(&self, share: f64) {
        let Some(fault) = self.fault.as_ref().filter(|fault| share >= fault.at) else { return };
        if fault.kind == FaultKind::HostKill {
            (self.session.kill_host)();
        }
        self.fault_due.store(true, Ordering::Relaxed);
    }

    pub(crate) fn fault_due(&self) -> Option<FaultKind> {
        let due = self.fault_due.load(Ordering::Relaxed);
        self.fault.as_ref().filter(|_| due).map(|fault| fault.kind)
    }

    fn say(&self, body: EventBody) {
        self.session.say(body);
    }
}

impl StageContext for CallContext {
    fn log(&self, level: Level, message: &str) {
        let (stage, message) = (self.stage.clone(), message.to_owned());
        self.say(EventBody::Log { stage, level, message });
    }

    fn progress(&self, done: u64, total: Option<u64>) {
        self.say(EventBody::Progress { stage: self.stage.clone(), done, total });
        if let Some(total) = total.filter(|total| *total > 0) {
            #[expect(clippy::cast_precision_loss, reason = "a share for a progress bar")]
            self.reach(done as f64 / total as f64);
        }
    }

    fn metric(&self, name: &str, step: u64, value: f64) {
        let (stage, name) = (self.stage.clone(), name.to_owned());
        self.say(EventBody::Metric { stage, name, step, value });
    }

    fn seed(&self) -> u64 {
        self.seed
    }

    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed) || self.fault_due().is_some()
    }

    fn reserve(&self, bytes: u64) -> Result<Charge, Failure> {
        self.inner.objects.reserve(bytes, || self.cancelled())
    }

    fn emit(&self, object: Object) -> Result<(), Failure> {
        let Some(stream) = &self.stream else {
            let message = format!("{}: nobody asked this stage for a stream", self.stage);
            return Err(Failure::new(FailureKind::Invalid, message));
        };
        let goes_on = stream.slot.has_room() || {
            // Others, the reader among them, may need what this call takes.
            self.inner.step(Event::Paused(stream.unit));
            let room = stream.slot.wait_for_room(|| self.cancelled());
            self.inner.step(Event::Resuming(stream.unit));
            room && stream.slot.wait_for_go(|| self.cancelled())
        };
        if !goes_on || self.cancelled() {
            let message = format!("{} was cancelled", self.stage);
            return Err(Failure::new(FailureKind::Cancelled, message));
        }
        let index = stream.next.fetch_add(1, Ordering::Relaxed);
        self.inner.emit(stream.unit, index, object)
    }

    fn streams(&self) -> bool {
        self.stream.is_some()
    }

    fn tried_again(&self, why: &str) {
        if let Some(unit) = self.unit {
            self.inner.step(Event::TriedAgain { unit, message: why.to_owned() });
        }
    }

    fn used(&self, used: Used) {
        *lock(&self.used) = used;
    }
}

/// The seed of a stage: FNV-1a over the run's seed, the stage's name and its index.
fn stage_seed(run: u64, stage: &StageRef) -> u64 {
    let bytes = run.to_le_bytes();
    let index = stage.index.to_le_bytes();
    let all = bytes.iter().chain(stage.name.as_bytes()).chain(&index);
    all.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
