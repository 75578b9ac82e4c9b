//! A machine that carries out calls for a run on another one: components by their digests, and what they are
//! called with. Keeps nothing of the run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mobula_contract::{ActorSpec, Failure, FailureKind, Object, StageContext};
use mobula_engine::{Actor, Call};
use mobula_sandbox::{Compiler, Plugin, Sandbox, SandboxConfig};

use crate::stages;

/// Components that were admitted, each compiled once.
pub struct Node {
    sandbox: Sandbox,
    plugins: Mutex<BTreeMap<String, Plugin>>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("plugins", &self.plugins().len()).finish_non_exhaustive()
    }
}

impl Node {
    /// A node that keeps compiled components in a folder, which others on the same machine may share.
    ///
    /// # Errors
    /// The folder cannot be written, or the sandbox does not work on this machine.
    pub fn new(cache: PathBuf, compiler: Option<Compiler>) -> Result<Self, Failure> {
        let config = SandboxConfig { cache_dir: Some(cache) };
        let sandbox = match compiler {
            Some(compiler) => Sandbox::with_compiler(config, compiler),
            None => Sandbox::new(config),
        };
        let failed =
            |e: mobula_sandbox::SandboxError| Failure::new(FailureKind::Host, e.to_string());
        Ok(Self { sandbox: sandbox.map_err(failed)?, plugins: Mutex::default() })
    }

    fn plugins(&self) -> MutexGuard<'_, BTreeMap<String, Plugin>> {
        self.plugins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a component of this digest was admitted.
    #[must_use]
    pub fn has(&self, digest: &str) -> bool {
        self.plugins().contains_key(digest)
    }

    /// Takes a component that a run is bound to.
    ///
    /// # Errors
    /// The bytes do not have this digest, or are no component that can be used.
    pub fn admit(&self, digest: &str, component: &[u8]) -> Result<(), Failure> {
        let there = format!("blake3:{}", blake3::hash(component).to_hex());
        if there != digest {
            let message = format!("the run is bound to component {digest}, but was sent {there}");
            return Err(Failure::new(FailureKind::Denied, message));
        }
        let mut plugins = self.plugins();
        if !plugins.contains_key(digest) {
            let failed =
                |e: mobula_sandbox::SandboxError| Failure::new(FailureKind::Invalid, e.to_string());
            let plugin = self.sandbox.load(component, digest).map_err(failed)?;
            plugins.insert(digest.to_owned(), plugin);
        }
        Ok(())
    }

    fn plugin(&self, digest: &str) -> Result<Plugin, Failure> {
        self.plugins().get(digest).cloned().ok_or_else(|| {
            let message = format!("component {digest} was not sent to this machine");
            Failure::new(FailureKind::Host, message)
        })
    }

    /// Runs a task of a component to its end.
    ///
    /// # Errors
    /// The failure of the call.
    pub fn run_task(&self, digest: &str, call: Call<'_>) -> Result<Object, Failure> {
        stages::run_task(&self.plugin(digest)?, call, None)
    }

    /// Makes an actor: native without a digest, else of that component; from its state where there is one.
    ///
    /// # Errors
    /// The failure of its beginning.
    pub fn create_actor(
        &self,
        digest: Option<&str>,
        spec: &ActorSpec,
        state: Option<Vec<u8>>,
        context: Arc<dyn StageContext>,
    ) -> Result<Box<dyn Actor>, Failure> {
        let plugin = digest.map(|digest| self.plugin(digest)).transpose()?;
        stages::create_actor(plugin, spec, state, context, None)
    }
}
