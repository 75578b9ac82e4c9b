//! The engine that all components share: how it is set, and how a component gets into it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wasmtime::component::Linker;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig,
    WasmBacktraceDetails,
};

use crate::bindings::{Plugin as World, PluginPre};
use crate::cache::Cache;
use crate::clock;
use crate::compile::{Compiler, compile};
use crate::error::SandboxError;
use crate::files;
use crate::limits::{
    COMPONENT_BYTES_MAX, INSTANCES, MEMORIES, STACK_BYTES, TABLE_ELEMENTS, TABLES,
};
use crate::plugin::{Compiled, Plugin};
use crate::state::State;
use crate::world;

/// How often running guests look whether they have to stop.
const TICK: Duration = Duration::from_millis(5);
/// Core modules of one component: Python's, the most cut up one, has some thirty.
const MODULES: u32 = 64;
/// Linear memory that an instance can ever have; its limit is usually lower.
const MEMORY_MAX: usize = 4 << 30;
/// Memory that a place for an instance keeps from one to the next: what ordinary tasks write to.
const MEMORY_KEPT: usize = 1 << 20;
/// The same of each table: a plugin's has some thousand entries.
const TABLE_KEPT: usize = 64 << 10;
/// Places that are free and keep memory: as many as tasks of different plugins could run side by side.
const WARM: u32 = 32;
/// Bytes of tables and globals: what the largest known component needs, twice.
const INSTANCE_BYTES: usize = 4 << 20;

/// How to make a sandbox.
#[derive(Debug, Clone, Default)]
pub struct SandboxConfig {
    /// Where compiled components are kept; compiled anew each time when not said.
    pub cache_dir: Option<PathBuf>,
}

/// Compiles components and makes instances of them. Clones share everything.
#[derive(Clone)]
pub struct Sandbox {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Engine,
    linker: Linker<State>,
    cache: Option<Cache>,
    compiler: Option<Compiler>,
    _ticker: Ticker,
}

/// Ends its thread with the sandbox.
struct Ticker {
    stop: Arc<AtomicBool>,
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sandbox")
    }
}

impl Sandbox {
    /// An engine with its ticker thread. It compiles in this process, where only the parts of a component can
    /// be bounded, not the time and the memory that compiling them takes.
    pub fn new(config: SandboxConfig) -> Result<Self, SandboxError> {
        Self::make(&running(), config, None)
    }

    /// The same, but it compiles in processes of their own, which have limits of their own.
    pub fn with_compiler(config: SandboxConfig, compiler: Compiler) -> Result<Self, SandboxError> {
        Self::make(&running(), config, Some(compiler))
    }

    /// One whose guests nothing can stop: for measuring what it costs that they can be stopped.
    #[doc(hidden)]
    pub fn unstoppable(config: SandboxConfig) -> Result<Self, SandboxError> {
        Self::make(running().epoch_interruption(false), config, None)
    }

    fn make(
        settings: &Config,
        config: SandboxConfig,
        compiler: Option<Compiler>,
    ) -> Result<Self, SandboxError> {
        let failed = |e: wasmtime::Error| SandboxError::Engine(format!("{e:#}"));
        let cache = config.cache_dir.map(Cache::open).transpose()?;
        let engine = Engine::new(settings).map_err(failed)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_sync(&mut linker).map_err(failed)?;
        clock::add_to_linker(&mut linker).map_err(failed)?;
        files::add_to_linker(&mut linker).map_err(failed)?;
        World::add_to_linker::<State, wasmtime::component::HasSelf<State>>(&mut linker, |s| s)
            .map_err(failed)?;
        let ticker = tick(&engine)?;
        let shared = Shared { engine, linker, cache, compiler, _ticker: ticker };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Compiles a component, or takes it from the cache, and asks it what it offers. `label` is what
    /// messages call it.
    pub fn load(&self, bytes: &[u8], label: &str) -> Result<Plugin, SandboxError> {
        let label = label.to_owned();
        if bytes.len() > COMPONENT_BYTES_MAX {
            let (bytes, limit) = (bytes.len(), COMPONENT_BYTES_MAX);
            return Err(SandboxError::TooLarge { label, bytes, limit });
        }
        // The magic number, then version and layer: 1 and 0 of a core module.
        match bytes {
            [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => {
                return Err(SandboxError::CoreModule { label });
            }
            [0, b'a', b's', b'm', ..] => {}
            _ => return Err(SandboxError::NotWasm { label }),
        }
        let Shared { engine, linker, cache, compiler, .. } = &*self.shared;
        let digest = blake3::hash(bytes);
        let cached = cache.as_ref().and_then(|cache| cache.get(engine, &digest));
        let component = match cached {
            Some(component) => component,
            None => {
                let (made, compiled) = compile(engine, compiler.as_ref(), bytes, &label)?;
                if let (Some(cache), Some(compiled)) = (cache, compiled) {
                    cache.put(engine, &digest, &compiled);
                }
                made
            }
        };
        let imports = world::imports(&component, engine);
        let exports = world::exports(&component, engine);
        let differences = world::differences(&imports, &exports);
        if !differences.is_empty() {
            return Err(SandboxError::World { label, differences });
        }
        // What still does not fit has the right names and other types: an earlier draft of the world.
        let pre = linker.instantiate_pre(&component).and_then(PluginPre::new).map_err(|e| {
            let differences = vec![format!("{:#}", e)];
            SandboxError::World { label: label.clone(), differences }
        })?;
        Plugin::describe(Compiled {
            sandbox: self.clone(),
            engine: engine.clone(),
            pre,
            label,
            digest: format!("blake3:{}", digest.to_hex()),
            size: bytes.len() as u64,
            imports,
            exports,
            warm: AtomicBool::new(false),
        })
    }
}

/// How code is compiled: what a compiler's process has to have in common with us.
pub(crate) fn compiling() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .concurrency_support(false)
        .wasm_relaxed_simd(false)
        .max_wasm_stack(STACK_BYTES)
        // Where a component has debug information, a trap names the file and the line.
        .wasm_backtrace_details(WasmBacktraceDetails::Enable);
    config
}

/// How code is run: the same, in a pool of places for instances.
fn running() -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(INSTANCES)
        .total_core_instances(INSTANCES * MODULES)
        .total_memories(INSTANCES * 2)
        .total_tables(INSTANCES * 8)
        // One component cannot take what others need.
        .max_core_instances_per_component(MODULES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_tables_per_module(TABLES)
        .max_memory_size(MEMORY_MAX)
        .max_core_instance_size(INSTANCE_BYTES)
        .max_component_instance_size(INSTANCE_BYTES)
        .table_elements(TABLE_ELEMENTS)
        // What a guest wrote is found by asking the kernel and written back, not given to the kernel to be
        // faulted in again: 19 us instead of 39 us for a task that does nothing, and two threads do not wait
        // for each other's page tables (AMD EPYC, Linux 6.18, `examples/instances.rs`). Older kernels that
        // cannot be asked write back the first pages.
        .pagemap_scan(Enabled::Auto)
        .linear_memory_keep_resident(MEMORY_KEPT)
        .table_keep_resident(TABLE_KEPT)
        .max_unused_warm_slots(WARM);
    let mut config = compiling();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

fn tick(engine: &Engine) -> Result<Ticker, SandboxError> {
    let (engine, stop) = (engine.weak(), Arc::new(AtomicBool::new(false)));
    let asked = Arc::clone(&stop);
    let run = move || {
        while !asked.load(Ordering::Relaxed) {
            std::thread::sleep(TICK);
            let Some(engine) = engine.upgrade() else { return };
            engine.increment_epoch();
        }
    };
    std::thread::Builder::new()
        .name("sandbox-ticker".to_owned())
        .spawn(run)
        .map_err(|e| SandboxError::Engine(e.to_string()))?;
    Ok(Ticker { stop })
}
