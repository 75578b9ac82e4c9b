//! What the host keeps for one instance: its handles, its meters, and who listens to the call that
//! runs. Also answers the `context` interface, which is only a way to that listener.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use mobula_contract::{Failure, FailureKind, Level, StageContext};
use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime::{ResourceLimiter, StoreContextMut, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::bindings::Plugin as World;
use crate::bindings::mobula::plugin::{context, types, values};
use crate::env::{CallEnv, Grants};
use crate::limits::{LimitHit, Limits};
use crate::logbook::Logbook;
use crate::tensors::{HostError, TensorMeter};
use crate::wasi::{self, VirtualClock, VirtualRandom};

/// The longest name of a metric; a curve's name is a word or two.
const METRIC_NAME_BYTES: usize = 256;

/// Everything that one instance has on the host's side.
pub(crate) struct State {
    pub(crate) table: ResourceTable,
    pub(crate) wasi: WasiCtx,
    pub(crate) clock: VirtualClock,
    pub(crate) random: VirtualRandom,
    pub(crate) tensors: TensorMeter,
    pub(crate) book: Arc<Mutex<Logbook>>,
    pub(crate) call: Call,
    /// The limit that the guest was last told of; explains a trap that follows.
    pub(crate) refused: Option<LimitHit>,
    memory_used: u64,
    reports_left: u32,
}

/// The call that runs.
pub(crate) struct Call {
    /// How messages name it, such as "task subset" or "actor Stats.update".
    pub(crate) subject: String,
    pub(crate) stage: String,
    pub(crate) context: Arc<dyn StageContext>,
    pub(crate) limits: Limits,
    deadline: Option<Instant>,
    /// Whether a cancelled run ends it; a snapshot is wanted even then.
    stoppable: bool,
}

impl Call {
    pub(crate) fn new(subject: String, env: &CallEnv) -> Self {
        Self {
            subject,
            stage: env.stage.clone(),
            context: Arc::clone(&env.context),
            limits: env.limits.clone(),
            deadline: Instant::now().checked_add(env.limits.wall),
            stoppable: true,
        }
    }

    /// Why the call must end now, if it must.
    fn must_end(&self) -> Option<wasmtime::Error> {
        if self.is_cancelled() {
            return Some(Cancelled.into());
        }
        let over = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        over.then(|| LimitHit::Time(self.limits.wall).into())
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.stoppable && self.context.cancelled()
    }
}

/// The run was cancelled while the guest ran.
#[derive(Debug, thiserror::Error)]
#[error("cancelled")]
pub(crate) struct Cancelled;

impl State {
    pub(crate) fn new(call: Call, grants: &Grants) -> Result<Self, Failure> {
        let wasi = wasi::context(grants).map_err(|why| {
            Failure::new(FailureKind::Invalid, format!("{}: {why}", call.subject))
        })?;
        let mut table = ResourceTable::new();
        table.set_max_capacity(usize::try_from(call.limits.handles).unwrap_or(usize::MAX));
        let book = Logbook::new(Arc::clone(&call.context), call.limits.log_bytes);
        Ok(Self {
            table,
            wasi,
            clock: VirtualClock::default(),
            random: VirtualRandom::new(call.context.seed()),
            tensors: TensorMeter::new(call.limits.tensor_bytes),
            book: Arc::new(Mutex::new(book)),
            reports_left: call.limits.reports,
            call,
            refused: None,
            memory_used: 0,
        })
    }

    /// Makes ready for another call of the same instance: what it draws and when it starts depend
    /// on the call alone, so that a call that is replayed after a restore gives the same.
    pub(crate) fn begin(&mut self, call: Call) {
        self.table.set_max_capacity(usize::try_from(call.limits.handles).unwrap_or(usize::MAX));
        self.clock.reset();
        self.random = VirtualRandom::new(call.context.seed());
        self.tensors.set_max(call.limits.tensor_bytes);
        *self.book() = Logbook::new(Arc::clone(&call.context), call.limits.log_bytes);
        self.reports_left = call.limits.reports;
        self.refused = None;
        self.call = call;
    }

    /// Makes ready for a snapshot: like another call of the last caller, but not to be cancelled.
    pub(crate) fn begin_snapshot(&mut self, subject: String) {
        self.call.subject = subject;
        self.call.deadline = Instant::now().checked_add(self.call.limits.wall);
        self.call.stoppable = false;
        self.refused = None;
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Logbook> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The error that tells the guest of a limit, remembered in case it stumbles over it.
    pub(crate) fn refuse(&mut self, hit: LimitHit) -> HostError {
        self.refused = Some(hit);
        HostError::Report(types::Error::Quota(format!("{hit} reached in {}", self.call.subject)))
    }

    /// Refuses to copy more into the guest than its memory could ever hold.
    pub(crate) fn check_transfer(&self, len: u64) -> Result<(), LimitHit> {
        let max = self.call.limits.memory_bytes;
        if len > max { Err(LimitHit::Memory(max)) } else { Ok(()) }
    }

    fn report_left(&mut self) -> bool {
        let Some(left) = self.reports_left.checked_sub(1) else { return false };
        self.reports_left = left;
        if left == 0 {
            let text = "report limit reached: further progress and metrics are dropped";
            self.book().log(Level::Warn, text);
        }
        true
    }
}

/// Everything that a guest may import.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasi::add_to_linker(linker)?;
    World::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

/// Called once per epoch while a guest runs.
pub(crate) fn on_epoch(store: StoreContextMut<'_, State>) -> wasmtime::Result<UpdateDeadline> {
    store.data().call.must_end().map_or(Ok(UpdateDeadline::Continue(1)), Err)
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl ResourceLimiter for State {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let used = self.memory_used.saturating_sub(current as u64).saturating_add(desired as u64);
        let max = self.call.limits.memory_bytes;
        if used > max {
            return Err(LimitHit::Memory(max).into());
        }
        self.memory_used = used;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let max = self.call.limits.table_elements;
        if desired as u64 > u64::from(max) {
            return Err(LimitHit::TableElements(max).into());
        }
        Ok(true)
    }
}

impl types::Host for State {
    fn convert_error(&mut self, err: HostError) -> wasmtime::Result<types::Error> {
        match err {
            HostError::Report(err) => Ok(err),
            HostError::Trap(err) => Err(err),
        }
    }
}

impl values::Host for State {}

impl context::Host for State {
    fn log(&mut self, level: context::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            context::Level::Trace => Level::Trace,
            context::Level::Debug => Level::Debug,
            context::Level::Info => Level::Info,
            context::Level::Warn => Level::Warn,
            context::Level::Error => Level::Error,
        };
        self.book().log(level, &message);
        Ok(())
    }

    fn progress(&mut self, done: u64, total: Option<u64>) -> wasmtime::Result<()> {
        if self.report_left() {
            self.call.context.progress(done, total);
        }
        Ok(())
    }

    fn metric(&mut self, name: String, step: u64, value: f64) -> wasmtime::Result<()> {
        if self.report_left() {
            let name = &name[..name.floor_char_boundary(METRIC_NAME_BYTES)];
            self.call.context.metric(name, step, value);
        }
        Ok(())
    }

    fn seed(&mut self) -> wasmtime::Result<u64> {
        Ok(self.call.context.seed())
    }

    fn cancelled(&mut self) -> wasmtime::Result<bool> {
        Ok(self.call.context.cancelled())
    }
}
