//! What the host keeps for one instance: its grants, its limits, the call under way.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use mobula_contract::{Level, StageContext};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use crate::clock::{FixedWall, Virtual};
use crate::limits::{Limits, Stop, TABLE_ELEMENTS};
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
    /// Takes logs, progress and metrics; knows the seed and whether to stop.
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
    pub(crate) tensor_bytes_left: u64,
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
            clock_ns: 0,
            deadline: Instant::now().checked_add(env.limits.wall),
        })
    }

    /// Begins another call of the same instance.
    pub(crate) fn renew(&mut self, env: &CallEnv) {
        self.logs.renew(Arc::clone(&env.context), env.limits.log_bytes);
        self.context = Arc::clone(&env.context);
        self.tensor_bytes_left = env.limits.tensor_bytes;
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

    /// Takes tensor bytes from the budget of the call, before they are allocated.
    pub(crate) fn charge(&mut self, bytes: u64) -> Result<(), Stop> {
        match self.tensor_bytes_left.checked_sub(bytes) {
            Some(left) => {
                self.tensor_bytes_left = left;
                Ok(())
            }
            None => Err(Stop::bytes("tensor bytes", self.limits.tensor_bytes)),
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
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let limit = self.limits.memory_bytes;
        if desired as u64 > limit {
            return Err(wasmtime::Error::new(Stop::bytes("memory", limit)));
        }
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
