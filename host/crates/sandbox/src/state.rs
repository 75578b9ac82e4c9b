//! What the host keeps for one instance: its grants, its limits, the call under way.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use mobula_contract::{Charge, Level, StageContext, Used};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use crate::clock::{FixedWall, Virtual};
use crate::limits::{Limits, REPORTS, Stop, TABLE_ELEMENTS};
use crate::logs::Logs;

/// What an instance is allowed beyond computing; nothing by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Name and host folder; the guest reads it as `/name` and writes nothing.
    pub mounts: Vec<(String, PathBuf)>,
    /// Environment names and values.
    pub env: Vec<(String, String)>,
}

/// Everything around one call.
#[derive(Clone)]
pub struct CallEnv {
    /// Takes logs, progress, metrics, streams and receipts; knows the seed, whether to stop, and how much
    /// memory there is.
    pub context: Arc<dyn StageContext>,
    /// What is allowed. An actor keeps those of its creation.
    pub grants: Grants,
    /// What may be used.
    pub limits: Limits,
    /// What messages call it.
    pub stage: String,
}

impl std::fmt::Debug for CallEnv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallEnv").field("stage", &self.stage).finish_non_exhaustive()
    }
}

/// The data of a wasmtime store.
pub(crate) struct State {
    wasi: WasiCtx,
    pub(crate) table: ResourceTable,
    pub(crate) context: Arc<dyn StageContext>,
    pub(crate) limits: Limits,
    pub(crate) logs: Logs,
    /// Guest memory, which an instance never gives back while it lives: so it is also the peak.
    memory_bytes: u64,
    memory: Charge,
    tensor_bytes_left: u64,
    reports_left: u32,
    /// Bytes that this call moved into the guest.
    pub(crate) bytes_in: u64,
    /// Bytes that this call moved out of it.
    pub(crate) bytes_out: u64,
    clock_ns: u64,
    deadline: Option<Instant>,
}

impl State {
    /// Fails when a mount is no folder.
    pub(crate) fn new(env: &CallEnv) -> wasmtime::Result<Self> {
        let logs = Logs::new(Arc::clone(&env.context), env.limits.log_bytes);
        let seed = env.context.seed();
        let mut wasi = WasiCtxBuilder::new();
        wasi.stdout(logs.stream(Level::Info))
            .stderr(logs.stream(Level::Warn))
            .wall_clock(FixedWall)
            .secure_random(StdRng::seed_from_u64(seed))
            .insecure_random(StdRng::seed_from_u64(!seed))
            .insecure_random_seed(u128::from(seed))
            .allow_blocking_current_thread(true)
            .allow_tcp(false)
            .allow_udp(false)
            .envs(&env.grants.env);
        for (name, folder) in &env.grants.mounts {
            wasi.preopened_dir(folder, format!("/{name}"), FsPerms::ReadOnly).map_err(|e| {
                wasmtime::Error::msg(format!("mount `{name}`: {}: {e}", folder.display()))
            })?;
        }
        let mut table = ResourceTable::new();
        table.set_max_capacity(env.limits.handles as usize);
        Ok(Self {
            wasi: wasi.build(),
            table,
            context: Arc::clone(&env.context),
            tensor_bytes_left: env.limits.tensor_bytes,
            limits: env.limits.clone(),
            logs,
            memory_bytes: 0,
            memory: Charge::default(),
            reports_left: REPORTS,
            bytes_in: 0,
            bytes_out: 0,
            clock_ns: 0,
            deadline: Instant::now().checked_add(env.limits.wall),
        })
    }

    /// Begins another call of the same instance.
    pub(crate) fn renew(&mut self, env: &CallEnv) {
        self.logs.renew(Arc::clone(&env.context), env.limits.log_bytes);
        self.context = Arc::clone(&env.context);
        self.tensor_bytes_left = env.limits.tensor_bytes;
        self.reports_left = REPORTS;
        (self.bytes_in, self.bytes_out) = (0, 0);
        self.limits = Limits { memory_bytes: self.limits.memory_bytes, ..env.limits.clone() };
        self.restart_deadline();
    }

    /// Gives the next entry into the guest its whole time.
    pub(crate) fn restart_deadline(&mut self) {
        self.deadline = Instant::now().checked_add(self.limits.wall);
    }

    pub(crate) fn clock(&mut self) -> Virtual<'_> {
        Virtual { now_ns: &mut self.clock_ns, table: &mut self.table }
    }

    /// Whether the call under way has to end.
    pub(crate) fn stop(&self) -> Option<Stop> {
        if self.context.cancelled() {
            return Some(Stop::Cancelled);
        }
        let late = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        late.then(|| Stop::Limit("time", format!("{} s", self.limits.wall.as_secs_f64())))
    }

    /// Asks the context for something that may have to wait: time which is not the guest's.
    pub(crate) fn wait<T>(&mut self, ask: impl FnOnce(&dyn StageContext) -> T) -> T {
        let start = Instant::now();
        let answer = ask(&*self.context);
        let later = |deadline: Instant| deadline.checked_add(start.elapsed());
        self.deadline = self.deadline.and_then(later);
        answer
    }

    /// Takes memory of the process, before it is allocated.
    pub(crate) fn reserve(&mut self, bytes: u64) -> Result<Charge, Stop> {
        self.wait(|context| context.reserve(bytes)).map_err(Stop::Failed)
    }

    /// Takes tensor bytes: of what the call may make, and of the process's memory.
    pub(crate) fn reserve_tensor(&mut self, bytes: u64) -> Result<Charge, Stop> {
        let Some(left) = self.tensor_bytes_left.checked_sub(bytes) else {
            return Err(Stop::bytes("tensor bytes", self.limits.tensor_bytes));
        };
        self.tensor_bytes_left = left;
        self.reserve(bytes)
    }

    /// Whether one more point of a curve or of progress may go to the context. Says once when not.
    pub(crate) fn may_report(&mut self) -> bool {
        let Some(left) = self.reports_left.checked_sub(1) else { return false };
        self.reports_left = left;
        if left == 0 {
            let text = format!("limit reports ({REPORTS}) reached: the rest is dropped");
            self.logs.line(Level::Warn, &text);
        }
        left > 0
    }

    /// What the call used so far. That it was the first one, its caller knows.
    pub(crate) fn used(&self) -> Used {
        Used {
            helpers_cpu_s: 0.0,
            memory_peak_bytes: self.memory_bytes,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            cold: false,
        }
    }
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
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let (limit, more) = (self.limits.memory_bytes, desired.saturating_sub(current) as u64);
        let after = self.memory_bytes.saturating_add(more);
        if after > limit {
            return Err(wasmtime::Error::new(Stop::bytes("memory", limit)));
        }
        let charge = self.reserve(more).map_err(wasmtime::Error::new)?;
        self.memory.absorb(charge);
        self.memory_bytes = after;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > TABLE_ELEMENTS {
            let stop = Stop::Limit("table", format!("{TABLE_ELEMENTS} elements"));
            return Err(wasmtime::Error::new(stop));
        }
        Ok(true)
    }
}
