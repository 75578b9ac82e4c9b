//! The wasm engine and its settings, the thread that counts epochs, and getting from bytes to a
//! compiled component. Knows nothing of what the component exports.

use std::fmt;
use std::hash::{Hash as _, Hasher};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Enabled, Engine, EngineWeak, PoolingAllocationConfig};

use crate::cache::CompileCache;
use crate::error::SandboxError;
use crate::limits::{COMPONENT_BYTES, STACK_BYTES, TABLE_ELEMENTS};
use crate::plugin::Plugin;
use crate::state::{self, State};

/// How often deadlines and cancellation are looked at; a call overstays by at most this.
const TICK: Duration = Duration::from_millis(10);
/// Instances alive at once: tasks that run and actors that live, of all runs of a host.
const INSTANCES: u32 = 256;
/// Core instances of one component: an embedded Python has some twenty, a Rust plugin three.
const CORE_INSTANCES_EACH: u32 = 64;
/// Tables of one component: a Rust plugin has two.
const TABLES_EACH: u32 = 8;
/// Memories of one component: one in all that we know.
const MEMORIES_EACH: u32 = 4;
/// Frames kept of a trap: enough to tell a runaway recursion from a deep call.
pub(crate) const FRAMES_MAX: usize = 48;
/// Memory of a slot that is wiped and kept between two tasks instead of given back to the system.
const KEEP_RESIDENT: usize = 1 << 20;

/// How a sandbox is set up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SandboxConfig {
    /// Where compiled components are kept between starts; nothing is kept without it.
    pub cache_dir: Option<PathBuf>,
    /// Makes every NaN the same NaN, so that results agree bit by bit between kinds of
    /// processors; floating-point loops take up to 2.7 times as long.
    pub canonical_nans: bool,
}

/// Runs plugins. Cloning is cheap, and all clones share one engine and one cache.
#[derive(Clone)]
pub struct Sandbox {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Engine,
    linker: Linker<State>,
    cache: Option<CompileCache>,
}

impl Sandbox {
    /// Starts the engine and its epoch thread, which ends with the last user of the engine.
    pub fn new(config: SandboxConfig) -> Result<Self, SandboxError> {
        let refuse = |err: wasmtime::Error| SandboxError::Engine(err.to_string());
        let pooled = settings(&config, true);
        // Without room for the pool's address space, instances are made one by one: slower only.
        let engine = Engine::new(&pooled)
            .or_else(|_| Engine::new(&settings(&config, false)))
            .map_err(refuse)?;
        let mut linker = Linker::new(&engine);
        state::add_to_linker(&mut linker).map_err(refuse)?;
        start_ticker(engine.weak()).map_err(|err| SandboxError::Engine(err.to_string()))?;
        let cache = config.cache_dir.map(|folder| CompileCache::new(folder, identity(&engine)));
        Ok(Self { shared: Arc::new(Shared { engine, linker, cache }) })
    }

    /// Compiles a component, or takes it from the cache, and asks it what it is.
    ///
    /// `label` is what messages call the plugin: a file name or an upload's name.
    pub fn load(&self, bytes: &[u8], label: &str) -> Result<Plugin, SandboxError> {
        check_kind(bytes, label)?;
        let digest = blake3::hash(bytes);
        let component = self.component(bytes, &digest, label)?;
        Plugin::new(self.clone(), component, bytes.len(), digest, label)
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    pub(crate) fn linker(&self) -> &Linker<State> {
        &self.shared.linker
    }

    fn component(
        &self,
        bytes: &[u8],
        digest: &blake3::Hash,
        label: &str,
    ) -> Result<Component, SandboxError> {
        let Some(cache) = &self.shared.cache else { return self.compile(bytes, label) };
        if let Some(component) = cache.get(digest).and_then(|code| self.revive(&code)) {
            return Ok(component);
        }
        let component = self.compile(bytes, label)?;
        if let Ok(code) = component.serialize() {
            // A cache that cannot be written costs time at the next start and nothing else.
            drop(cache.put(digest, &code));
        }
        Ok(component)
    }

    fn compile(&self, bytes: &[u8], label: &str) -> Result<Component, SandboxError> {
        Component::from_binary(self.engine(), bytes).map_err(|err| SandboxError::Invalid {
            label: label.to_owned(),
            why: err.root_cause().to_string(),
        })
    }

    #[expect(unsafe_code, reason = "compiled code is loaded as it is; the cache vouches for it")]
    fn revive(&self, code: &[u8]) -> Option<Component> {
        // SAFETY: `code` comes from `CompileCache::get` alone, which gives only bytes whose keyed
        // BLAKE3 tag says that this crate wrote them for this component and this engine.
        unsafe { Component::deserialize(self.engine(), code) }.ok()
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("cache", &self.shared.cache).finish_non_exhaustive()
    }
}

fn settings(config: &SandboxConfig, pooled: bool) -> Config {
    let mut engine = Config::new();
    engine
        .epoch_interruption(true)
        .concurrency_support(false)
        .memory_init_cow(true)
        .max_wasm_stack(STACK_BYTES)
        .wasm_relaxed_simd(false)
        .cranelift_nan_canonicalization(config.canonical_nans)
        .wasm_backtrace_max_frames(NonZeroUsize::new(FRAMES_MAX));
    if pooled {
        engine.allocation_strategy(pool());
    }
    engine
}

fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(INSTANCES)
        .total_core_instances(INSTANCES * CORE_INSTANCES_EACH)
        .max_core_instances_per_component(CORE_INSTANCES_EACH)
        .total_memories(INSTANCES)
        .max_memories_per_component(MEMORIES_EACH)
        .total_tables(INSTANCES * 2)
        .max_tables_per_component(TABLES_EACH)
        .max_tables_per_module(TABLES_EACH)
        .table_elements(usize::try_from(TABLE_ELEMENTS).expect("32 bits fit"))
        .total_stacks(0)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(64 << 10)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Counts epochs until the engine is gone.
fn start_ticker(engine: EngineWeak) -> std::io::Result<()> {
    let tick = move || {
        loop {
            thread::sleep(TICK);
            let Some(engine) = engine.upgrade() else { break };
            engine.increment_epoch();
        }
    };
    thread::Builder::new().name("sandbox-epochs".to_owned()).spawn(tick).map(drop)
}

/// What compiled code depends on besides its source.
fn identity(engine: &Engine) -> blake3::Hash {
    struct Digest(blake3::Hasher);

    impl Hasher for Digest {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }

        fn finish(&self) -> u64 {
            let digest = *self.0.finalize().as_bytes();
            u64::from_le_bytes(*digest.first_chunk().expect("a digest has 32 bytes"))
        }
    }

    let mut digest = Digest(blake3::Hasher::new());
    engine.precompile_compatibility_hash().hash(&mut digest);
    digest.0.finalize()
}

/// Tells the three mistakes apart that people make before anything is parsed.
fn check_kind(bytes: &[u8], label: &str) -> Result<(), SandboxError> {
    let label = label.to_owned();
    if bytes.len() > COMPONENT_BYTES {
        return Err(SandboxError::TooLarge { label, got: bytes.len(), max: COMPONENT_BYTES });
    }
    match bytes {
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Err(SandboxError::CoreModule { label }),
        [0, b'a', b's', b'm', ..] => Ok(()),
        _ => Err(SandboxError::NotWasm { label }),
    }
}
