//! An engine for any program: over the plugins of a home folder and the native trainer.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use mobula_engine::{Engine, EngineConfig};

use crate::allocator;
use crate::home;
use crate::plugins::Catalogue;
use crate::stages::HostStages;

/// What this program is started with to compile one component, and do nothing else.
pub(crate) const COMPILE: &str = "--compile-component";
/// Whether this program answers to [`COMPILE`].
static ANSWERS: AtomicBool = AtomicBool::new(false);

/// To be called first thing in `main`: where the program was started to compile a component, it does and
/// gives the exit code to end with. A program that calls it has components compiled in processes of
/// their own, bounded in time and memory; one that does not compiles them in its own process.
#[must_use]
pub fn compile_if_asked() -> Option<ExitCode> {
    ANSWERS.store(true, Ordering::Relaxed);
    let asked = std::env::args_os().nth(1).is_some_and(|first| first == COMPILE);
    asked.then(mobula_sandbox::compile_child)
}

/// Whether `main` began with [`compile_if_asked`].
pub(crate) fn answers() -> bool {
    ANSWERS.load(Ordering::Relaxed)
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
    engine_over(stages, config.cpus, config.memory_bytes)
}

/// The same over stages that were found already.
pub(crate) fn engine_over(
    stages: HostStages,
    cpus: Option<f64>,
    memory_bytes: Option<u64>,
) -> anyhow::Result<Engine> {
    if memory_bytes.is_some() {
        allocator::give_back();
    }
    let config = EngineConfig { memory_bytes, ..EngineConfig::new(Arc::new(stages)) };
    let cpus = cpus.unwrap_or(config.cpus);
    Engine::start(EngineConfig { cpus, ..config }).context("cannot start the engine")
}
