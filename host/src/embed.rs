//! An engine for any program: over the plugins of a home folder and the native trainer.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use mobula_engine::{Engine, EngineConfig, Stages};
use mobula_sandbox::Compiler;

use crate::allocator;
use crate::home;
use crate::plugins::Catalogue;
use crate::stages::HostStages;

/// What this program is started with to compile one component, and do nothing else.
pub(crate) const COMPILE: &str = "--compile-component";
/// What compiles components in a process of its own.
static COMPILER: OnceLock<Compiler> = OnceLock::new();

/// To be called first thing in `main`: where the program was started to compile a component, it does and
/// gives the exit code to end with. A program that calls it has components compiled in processes of
/// their own, bounded in time and memory; one that does not compiles them in its own process.
#[must_use]
pub fn compile_if_asked() -> Option<ExitCode> {
    if let Ok(own) = std::env::current_exe() {
        compile_with(Compiler::new(own, vec![COMPILE.into()]));
    }
    let asked = std::env::args_os().nth(1).is_some_and(|first| first == COMPILE);
    asked.then(mobula_sandbox::compile_child)
}

/// Has components compiled in processes of this program; the first that is named stays.
pub fn compile_with(compiler: Compiler) {
    COMPILER.get_or_init(|| compiler);
}

/// What was named; `None` where components are compiled in this process.
pub(crate) fn compiler() -> Option<Compiler> {
    COMPILER.get().cloned()
}

/// Where an engine finds its plugins, and what it may use.
#[derive(Debug, Clone, Default)]
pub struct HostConfig {
    /// The home folder; `~/.mobula` when not said.
    pub home: Option<PathBuf>,
    /// A folder of components, looked at before those of the home folder.
    pub plugin_dir: Option<PathBuf>,
    /// Processors; all when not said.
    pub cpus: Option<f64>,
    /// Bytes that the whole process may use; without limit when not said.
    pub memory_bytes: Option<u64>,
}

/// An engine over the plugins of a home folder and the native trainer.
///
/// # Errors
/// The home folder or the plugin folder cannot be used, or the sandbox does not work on this machine.
pub fn engine(config: &HostConfig) -> anyhow::Result<Engine> {
    let store = home::store(config.home.clone())?;
    let catalogue = Catalogue::open(&store, config.plugin_dir.as_deref())?;
    let stages = HostStages { catalogue: Arc::new(catalogue), kept: None };
    engine_over(Arc::new(stages), config.cpus, config.memory_bytes)
}

/// The same over stages that were found already.
pub(crate) fn engine_over(
    stages: Arc<dyn Stages>,
    cpus: Option<f64>,
    memory_bytes: Option<u64>,
) -> anyhow::Result<Engine> {
    let config = EngineConfig { memory_bytes, ..EngineConfig::new(stages) };
    let cpus = cpus.unwrap_or(config.cpus);
    start(EngineConfig { cpus, ..config })
}

/// Starts an engine in a process that keeps to its memory.
pub(crate) fn start(config: EngineConfig) -> anyhow::Result<Engine> {
    if config.memory_bytes.is_some() {
        allocator::give_back();
    }
    Engine::start(config).context("cannot start the engine")
}
