//! A component in use: what it says of itself, its tasks, and how its actors begin. What an instance is,
//! `instance.rs` knows; how an actor goes on, `actor.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mobula_contract::{Failure, FailureKind, Level, Manifest, Object, StageContext, Used};
use wasmtime::Engine;

use crate::actor::Actor;
use crate::bindings::PluginPre;
use crate::engine::Sandbox;
use crate::error::SandboxError;
use crate::instance::Instance;
use crate::limits::Limits;
use crate::state::{CallEnv, Grants, State};
use crate::text::{clean, clean_json};

/// Time that `describe` may take: it only writes a text.
const DESCRIBE_WALL: Duration = Duration::from_secs(10);
/// Bytes of that text.
const DESCRIBE_BYTES: u64 = 1 << 20;

/// A component that was compiled and fits the world.
pub(crate) struct Compiled {
    /// Its ticker must go on as long as the plugin is used.
    pub(crate) sandbox: Sandbox,
    pub(crate) engine: Engine,
    pub(crate) pre: PluginPre<State>,
    pub(crate) label: String,
    pub(crate) digest: String,
    pub(crate) size: u64,
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
    /// Whether it was ever called.
    pub(crate) warm: AtomicBool,
}

/// A component with its manifest. Clones share it.
#[derive(Clone)]
pub struct Plugin {
    compiled: Arc<Compiled>,
    manifest: Arc<Manifest>,
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin").field("label", &self.compiled.label).finish_non_exhaustive()
    }
}

/// `describe` is called outside of any run: what it says goes nowhere.
struct Nobody;

impl StageContext for Nobody {
    fn log(&self, _level: Level, _message: &str) {}
    fn progress(&self, _done: u64, _total: Option<u64>) {}
    fn metric(&self, _name: &str, _step: u64, _value: f64) {}
    fn seed(&self) -> u64 {
        0
    }
    fn cancelled(&self) -> bool {
        false
    }
}

impl Plugin {
    pub(crate) fn describe(compiled: Compiled) -> Result<Self, SandboxError> {
        let env = CallEnv {
            context: Arc::new(Nobody),
            grants: Grants::default(),
            limits: Limits {
                wall: DESCRIBE_WALL,
                output_bytes: DESCRIBE_BYTES,
                ..Limits::default()
            },
            stage: "describe".to_owned(),
        };
        let failed =
            |detail: String| SandboxError::Describe { label: compiled.label.clone(), detail };
        let place = "describe".to_owned();
        let mut instance =
            Instance::new(&compiled.engine, &env, place).map_err(|e| failed(e.message))?;
        let text = instance
            .enter(&compiled.pre, |world, store| world.mobula_plugin_meta().call_describe(store))
            .map_err(|e| failed(e.message))?;
        // It is shown to people, who did not ask for it.
        let manifest = serde_json::from_str(&text).map(clean_json).and_then(serde_json::from_value);
        let manifest: Manifest =
            manifest.map_err(|e| failed(clean(&e.to_string()).into_owned()))?;
        Ok(Self { compiled: Arc::new(compiled), manifest: Arc::new(manifest) })
    }

    /// What it says of itself.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What its loader called it.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.compiled.label
    }

    /// `blake3:` and the digest of the component.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.compiled.digest
    }

    /// Bytes of the component.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.compiled.size
    }

    /// Interfaces that it imports, with versions.
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.compiled.imports
    }

    /// Interfaces that it exports, with versions.
    #[must_use]
    pub fn exports(&self) -> &[String] {
        &self.compiled.exports
    }

    /// The sandbox that it runs in.
    #[must_use]
    pub fn sandbox(&self) -> &Sandbox {
        &self.compiled.sandbox
    }

    /// Runs a task in a fresh instance, which is gone afterwards.
    pub fn run_task(
        &self,
        name: &str,
        args: &str,
        inputs: Object,
        env: &CallEnv,
    ) -> Result<Object, Failure> {
        self.first(env, "task", |mut instance| {
            let result = instance.lower(args, inputs).and_then(|inputs| {
                let answer = instance.enter(&self.compiled.pre, |world, store| {
                    world.mobula_plugin_task().call_run(store, name, args, &inputs)
                })?;
                instance.lift(answer)
            });
            (result, instance.used())
        })
    }

    /// Makes an actor.
    pub fn create_actor(
        &self,
        class: &str,
        args: &str,
        inputs: Object,
        env: &CallEnv,
    ) -> Result<Actor, Failure> {
        self.first(env, "actor", |mut instance| {
            let made = instance.lower(args, inputs).and_then(|inputs| {
                instance.enter(&self.compiled.pre, |world, store| {
                    let guest = world.mobula_plugin_actor().instance();
                    guest.call_create(store, class, args, &inputs)
                })
            });
            let used = instance.used();
            (Actor::from_made(made, instance), used)
        })
    }

    /// Makes an actor from a snapshot.
    pub fn restore_actor(
        &self,
        class: &str,
        snapshot: &[u8],
        env: &CallEnv,
    ) -> Result<Actor, Failure> {
        self.first(env, "actor", |mut instance| {
            let Some((version, state)) = snapshot.split_first_chunk::<4>() else {
                let message = format!("{} bytes are no snapshot of {class}", snapshot.len());
                return (Err(Failure::new(FailureKind::Invalid, message)), Used::default());
            };
            let made = instance.enter(&self.compiled.pre, |world, store| {
                store.data_mut().bytes_in += state.len() as u64;
                let guest = world.mobula_plugin_actor().instance();
                guest.call_restore(store, class, u32::from_le_bytes(*version), state)
            });
            let used = instance.used();
            (Actor::from_made(made, instance), used)
        })
    }

    /// A call in an instance of its own, and the one word of what it used.
    fn first<T>(
        &self,
        env: &CallEnv,
        kind: &str,
        call: impl FnOnce(Instance) -> (Result<T, Failure>, Used),
    ) -> Result<T, Failure> {
        let cold = !self.compiled.warm.swap(true, Ordering::Relaxed);
        let place = format!("{kind} {}", env.stage);
        let (result, used) = match Instance::new(&self.compiled.engine, env, place) {
            Ok(instance) => call(instance),
            Err(failure) => (Err(failure), Used::default()),
        };
        env.context.used(Used { cold, ..used });
        result
    }
}
