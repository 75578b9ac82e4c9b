//! Other machines that carry out the calls of a run: what this program asks of them, what it tells them of
//! components, and how it hands itself over to a program that has them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use mobula_contract::{Failure, Manifest};
use mobula_engine::Stages;

use crate::args::RunHow;
use crate::exit::{Ended, Exit};
use crate::plugins::Catalogue;

/// What names the folder of plugins beside the program that handed itself over.
pub(crate) const BESIDE: &str = "MOBULA_PLUGINS_BESIDE";
/// What the interpreter is told: to say clearly what is missing, or else to go on as we would.
const START: &str = "\
import sys
try:
    from mobula.ray import main
except ImportError as error:
    sys.stderr.write(
        f'error: --engine ray needs the Python package `mobula` with Ray, but {sys.executable or \"python\"} '
        f'says: {error}; install both with `pip install mobula[ray]`, or name another interpreter with '
        '--python\\n'
    )
    sys.exit(2)
sys.exit(main(sys.argv[1:]))
";

/// Machines that carry out calls in this process's place.
pub trait Cluster: Sync {
    /// Joins them. `address` is as the user gave it, `components` are those that the run is bound to.
    ///
    /// # Errors
    /// Why they cannot be joined.
    fn join(&self, address: Option<&str>, components: Components) -> anyhow::Result<Joined>;
}

/// A cluster that was joined.
pub struct Joined {
    /// Who carries out calls.
    pub stages: Arc<dyn Stages>,
    /// Processors of all machines together.
    pub cpus: f64,
    /// How many more the calls may ask for that wait there for a free one.
    pub ahead: f64,
}

impl std::fmt::Debug for Joined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Joined").field("cpus", &self.cpus).finish_non_exhaustive()
    }
}

/// The components that a run is bound to.
#[derive(Clone)]
pub struct Components {
    pub(crate) catalogue: Arc<Catalogue>,
}

impl std::fmt::Debug for Components {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Components")
    }
}

/// One of them.
#[derive(Debug, Clone)]
pub struct Component {
    /// `blake3:` and the digest of its bytes.
    pub digest: String,
    /// Where its bytes are on this machine.
    pub file: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
}

impl Components {
    /// The component that a stage or an actor names.
    ///
    /// # Errors
    /// It is not there any more.
    pub fn find(&self, plugin: &str, version: Option<&str>) -> Result<Component, Failure> {
        self.catalogue.component(plugin, version).map_err(crate::stages::lost)
    }
}

/// Goes on as the Python program that has Ray, with the same arguments. Comes back only when it cannot.
pub(crate) fn hand_over(how: &RunHow) -> anyhow::Error {
    let python = how.python.clone().unwrap_or_else(|| PathBuf::from("python3"));
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let mut command = Command::new(&python);
    command.args(["-c", START]).args(arguments);
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("plugins")));
    command.envs(beside.map(|beside| (BESIDE, beside)));
    let why = start(command);
    let message = format!(
        "cannot start {}: {why}; --engine ray runs in Python: install it, or name an interpreter with \
         --python or MOBULA_PYTHON",
        python.display()
    );
    Ended::error(Exit::Invalid, message)
}

/// Becomes this program, so that signals and exit codes are its own.
#[cfg(unix)]
fn start(mut command: Command) -> std::io::Error {
    use std::os::unix::process::CommandExt as _;
    command.exec()
}

#[cfg(not(unix))]
fn start(mut command: Command) -> std::io::Error {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => error,
    }
}
