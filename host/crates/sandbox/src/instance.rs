//! One instance of a component: made, entered, and asked what it used. Knows no task from an actor.

use mobula_contract::{Failure, FailureKind, Object, Used};
use wasmtime::{Engine, Store, UpdateDeadline};

use crate::bindings::mobula::plugin::types::Error;
use crate::bindings::{Plugin as World, PluginPre};
use crate::failure::from_error;
use crate::state::{CallEnv, State};
use crate::values::{Fields, lift, lower, returned};

/// A store, and the world in it once it was entered.
pub(crate) struct Instance {
    store: Store<State>,
    world: Option<World>,
    /// Such as `task subset`.
    place: String,
}

impl Instance {
    /// Fails when a grant cannot be given; nothing of the guest has run yet.
    pub(crate) fn new(engine: &Engine, env: &CallEnv, place: String) -> Result<Self, Failure> {
        let state =
            State::new(env).map_err(|e| Failure::new(FailureKind::Denied, e.to_string()))?;
        let mut store = Store::new(engine, state);
        store.limiter(|state| state);
        store.epoch_deadline_callback(|store| match store.data().stop() {
            Some(stop) => Err(wasmtime::Error::new(stop)),
            None => Ok(UpdateDeadline::Continue(1)),
        });
        let mut instance = Self { store, world: None, place };
        instance.prepare(env);
        Ok(instance)
    }

    /// Begins another call.
    pub(crate) fn renew(&mut self, env: &CallEnv, place: String) {
        self.place = place;
        self.store.data_mut().renew(env);
        self.prepare(env);
    }

    fn prepare(&mut self, env: &CallEnv) {
        self.store.set_epoch_deadline(1);
        let fuel = usize::try_from(env.limits.output_bytes).unwrap_or(usize::MAX);
        self.store.set_hostcall_fuel(fuel);
    }

    /// Begins an entry that no caller stands behind, such as a snapshot.
    pub(crate) fn restart(&mut self) {
        self.store.data_mut().restart_deadline();
        self.store.set_epoch_deadline(1);
    }

    /// Calls the guest; the first time this makes the instance of `pre`.
    pub(crate) fn enter<T>(
        &mut self,
        pre: &PluginPre<State>,
        call: impl FnOnce(&World, &mut Store<State>) -> wasmtime::Result<T>,
    ) -> Result<T, Failure> {
        if self.world.is_none() {
            let made = pre.instantiate(&mut self.store);
            self.world = Some(made.map_err(|e| self.failure(&e))?);
        }
        self.again(call)
    }

    /// Calls the guest that was entered before.
    pub(crate) fn again<T>(
        &mut self,
        call: impl FnOnce(&World, &mut Store<State>) -> wasmtime::Result<T>,
    ) -> Result<T, Failure> {
        let world = self.world.as_ref().expect("an instance is entered before it is entered again");
        call(world, &mut self.store).map_err(|e| self.failure(&e))
    }

    /// The inputs of a call as the guest takes them.
    pub(crate) fn lower(&mut self, args: &str, inputs: Object) -> Result<Fields, Failure> {
        let state = self.store.data_mut();
        state.bytes_in += args.len() as u64;
        lower(state, inputs).map_err(|e| self.failure(&e))
    }

    /// The answer of a call as the host takes it.
    pub(crate) fn lift(&mut self, answer: Result<Fields, Error>) -> Result<Object, Failure> {
        let fields = answer.map_err(returned)?;
        match lift(self.store.data_mut(), fields) {
            Ok(Ok(object)) => Ok(object),
            Ok(Err(why)) => {
                let message = format!("{}: result: {why}", self.place);
                Err(Failure::new(FailureKind::Failed, message))
            }
            Err(e) => Err(self.failure(&e)),
        }
    }

    /// What the call used.
    pub(crate) fn used(&self) -> Used {
        self.store.data().used()
    }

    /// Such as `task subset`.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    fn failure(&self, error: &wasmtime::Error) -> Failure {
        let state = self.store.data();
        from_error(error, &self.place, &state.limits, &state.logs)
    }
}
