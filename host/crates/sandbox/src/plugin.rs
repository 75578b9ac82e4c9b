//! A component in use: tasks in instances of their own, actors in one for their life.

use std::sync::Arc;
use std::time::Duration;

use mobula_contract::{Failure, FailureKind, Level, Manifest, Object, StageContext};
use wasmtime::component::ResourceAny;
use wasmtime::{Engine, Store, UpdateDeadline};

use crate::bindings::{Plugin as World, PluginPre};
use crate::engine::Sandbox;
use crate::error::SandboxError;
use crate::failure::from_error;
use crate::limits::Limits;
use crate::state::{CallEnv, Grants, State};
use crate::values::{lift, lower, returned};

/// Time that `describe` may take: it only writes a text.
const DESCRIBE_WALL: Duration = Duration::from_secs(10);

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
            limits: Limits { wall: DESCRIBE_WALL, ..Limits::default() },
            stage: "describe".to_owned(),
        };
        let failed =
            |detail: String| SandboxError::Describe { label: compiled.label.clone(), detail };
        let place = "describe".to_owned();
        let mut instance = Instance::new(&compiled, &env, place).map_err(|e| failed(e.message))?;
        let called = instance.world.mobula_plugin_meta().call_describe(&mut instance.store);
        let text = called.map_err(|e| failed(instance.failure(&e).message))?;
        let manifest: Manifest = serde_json::from_str(&text).map_err(|e| failed(e.to_string()))?;
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
        let mut instance = Instance::new(&self.compiled, env, format!("task {}", env.stage))?;
        let inputs = instance.lower(inputs)?;
        let called =
            instance.world.mobula_plugin_task().call_run(&mut instance.store, name, args, &inputs);
        match called {
            Ok(Ok(fields)) => lift(instance.store.data_mut(), &instance.place, fields),
            Ok(Err(error)) => Err(returned(error)),
            Err(e) => Err(instance.failure(&e)),
        }
    }

    /// Makes an actor.
    pub fn create_actor(
        &self,
        class: &str,
        args: &str,
        inputs: Object,
        env: &CallEnv,
    ) -> Result<Actor, Failure> {
        let mut instance = Instance::new(&self.compiled, env, format!("actor {}", env.stage))?;
        let inputs = instance.lower(inputs)?;
        let made = instance.world.mobula_plugin_actor().instance().call_create(
            &mut instance.store,
            class,
            args,
            &inputs,
        );
        Actor::from_made(made, instance)
    }

    /// Makes an actor from a snapshot.
    pub fn restore_actor(
        &self,
        class: &str,
        snapshot: &[u8],
        env: &CallEnv,
    ) -> Result<Actor, Failure> {
        let Some((version, state)) = snapshot.split_first_chunk::<4>() else {
            let message = format!("{} bytes are no snapshot of {class}", snapshot.len());
            return Err(Failure::new(FailureKind::Invalid, message));
        };
        let mut instance = Instance::new(&self.compiled, env, format!("actor {}", env.stage))?;
        let made = instance.world.mobula_plugin_actor().instance().call_restore(
            &mut instance.store,
            class,
            u32::from_le_bytes(*version),
            state,
        );
        Actor::from_made(made, instance)
    }
}

/// One instance of a component.
struct Instance {
    store: Store<State>,
    world: World,
    /// Such as `task subset`.
    place: String,
}

impl Instance {
    fn new(compiled: &Compiled, env: &CallEnv, place: String) -> Result<Self, Failure> {
        let state =
            State::new(env).map_err(|e| Failure::new(FailureKind::Denied, e.to_string()))?;
        let logs = state.logs.clone();
        let mut store = Store::new(&compiled.engine, state);
        store.limiter(|state| state);
        prepare(&mut store, env);
        store.epoch_deadline_callback(|store| match store.data().stop() {
            Some(stop) => Err(wasmtime::Error::new(stop)),
            None => Ok(UpdateDeadline::Continue(1)),
        });
        match compiled.pre.instantiate(&mut store) {
            Ok(world) => Ok(Self { store, world, place }),
            Err(e) => Err(from_error(&e, &place, &env.limits, &logs)),
        }
    }

    fn lower(&mut self, inputs: Object) -> Result<crate::values::Fields, Failure> {
        lower(self.store.data_mut(), inputs).map_err(|e| self.failure(&e))
    }

    fn failure(&self, error: &wasmtime::Error) -> Failure {
        let state = self.store.data();
        from_error(error, &self.place, &state.limits, &state.logs)
    }
}

/// Sets what belongs to one call.
fn prepare(store: &mut Store<State>, env: &CallEnv) {
    store.set_epoch_deadline(1);
    store.set_hostcall_fuel(usize::try_from(env.limits.output_bytes).unwrap_or(usize::MAX));
}

/// A living actor of a plugin.
pub struct Actor {
    instance: Instance,
    handle: ResourceAny,
    gone: bool,
}

impl std::fmt::Debug for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Actor").field("place", &self.instance.place).finish_non_exhaustive()
    }
}

impl Actor {
    fn from_made(
        made: wasmtime::Result<Result<ResourceAny, crate::bindings::mobula::plugin::types::Error>>,
        instance: Instance,
    ) -> Result<Self, Failure> {
        match made {
            Ok(Ok(handle)) => Ok(Self { instance, handle, gone: false }),
            Ok(Err(error)) => Err(returned(error)),
            Err(e) => Err(instance.failure(&e)),
        }
    }

    /// Calls a method. After a trap or a limit the actor is gone and every call says so.
    pub fn call(
        &mut self,
        method: &str,
        args: &str,
        inputs: Object,
        env: &CallEnv,
    ) -> Result<Object, Failure> {
        self.alive()?;
        self.instance.store.data_mut().renew(env);
        self.instance.place = format!("actor call {}", env.stage);
        prepare(&mut self.instance.store, env);
        let inputs = self.instance.lower(inputs)?;
        let Instance { store, world, place } = &mut self.instance;
        let guest = world.mobula_plugin_actor().instance();
        let called = guest.call_call(&mut *store, self.handle, method, args, &inputs);
        match called {
            Ok(Ok(fields)) => lift(store.data_mut(), place, fields),
            Ok(Err(error)) => Err(returned(error)),
            Err(e) => Err(self.lose(&e)),
        }
    }

    /// The whole state: the version of its format (u32, little endian), then the guest's bytes.
    pub fn snapshot(&mut self) -> Result<Vec<u8>, Failure> {
        self.alive()?;
        let Instance { store, world, .. } = &mut self.instance;
        store.data_mut().restart_deadline();
        store.set_epoch_deadline(1);
        let guest = world.mobula_plugin_actor().instance();
        match guest.call_snapshot(&mut *store, self.handle) {
            Ok(Ok((version, state))) => Ok([&version.to_le_bytes()[..], &state].concat()),
            Ok(Err(error)) => Err(returned(error)),
            Err(e) => Err(self.lose(&e)),
        }
    }

    /// Whether it can still be called: not after a trap or a limit.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !self.gone
    }

    fn alive(&self) -> Result<(), Failure> {
        if self.gone {
            let message = format!("{} is gone since its trap", self.instance.place);
            return Err(Failure::new(FailureKind::Trap, message));
        }
        Ok(())
    }

    fn lose(&mut self, error: &wasmtime::Error) -> Failure {
        self.gone = true;
        self.instance.failure(error)
    }
}
