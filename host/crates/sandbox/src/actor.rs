//! An actor: one instance for its life, gone with its first trap.

use mobula_contract::{Failure, FailureKind, Object, Used};
use wasmtime::component::ResourceAny;

use crate::bindings::mobula::plugin::types::Error;
use crate::instance::Instance;
use crate::state::CallEnv;
use crate::values::returned;

/// A living actor of a plugin.
pub struct Actor {
    /// Such as `actor stats`.
    place: String,
    /// `None` since its trap: wasmtime lets nobody in again, so its memory goes back at once.
    instance: Option<Instance>,
    handle: ResourceAny,
}

impl std::fmt::Debug for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Actor").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Actor {
    pub(crate) fn from_made(
        made: Result<Result<ResourceAny, Error>, Failure>,
        instance: Instance,
    ) -> Result<Self, Failure> {
        let handle = made?.map_err(returned)?;
        Ok(Self { place: instance.place().to_owned(), instance: Some(instance), handle })
    }

    /// Calls a method. After a trap the actor is gone: drop it and restore another one.
    pub fn call(
        &mut self,
        method: &str,
        args: &str,
        inputs: Object,
        env: &CallEnv,
    ) -> Result<Object, Failure> {
        let answered = self.enter(|instance, handle| {
            instance.renew(env, format!("actor call {}", env.stage));
            let inputs = instance.lower(args, inputs)?;
            let answer = instance.again(|world, store| {
                let guest = world.mobula_plugin_actor().instance();
                guest.call_call(store, handle, method, args, &inputs)
            })?;
            Ok((instance.lift(answer), instance.used()))
        });
        let (result, used) = answered.unwrap_or_else(|(failure, used)| (Err(failure), used));
        env.context.used(used);
        result
    }

    /// Whether it can still be called: not after a trap or a limit.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.instance.is_some()
    }

    /// The whole state: the version of its format (u32, little endian), then the guest's bytes.
    pub fn snapshot(&mut self) -> Result<Vec<u8>, Failure> {
        let result = self.enter(|instance, handle| {
            instance.restart();
            instance.again(|world, store| {
                world.mobula_plugin_actor().instance().call_snapshot(store, handle)
            })
        });
        let (version, state) = result.map_err(|(failure, _)| failure)?.map_err(returned)?;
        Ok([&version.to_le_bytes()[..], &state].concat())
    }

    /// Calls the guest, and lets go of it when that fails.
    fn enter<T>(
        &mut self,
        call: impl FnOnce(&mut Instance, ResourceAny) -> Result<T, Failure>,
    ) -> Result<T, (Failure, Used)> {
        let Some(instance) = &mut self.instance else {
            let message = format!("{} is gone since its trap", self.place);
            return Err((Failure::new(FailureKind::Trap, message), Used::default()));
        };
        let result = call(instance, self.handle).map_err(|failure| (failure, instance.used()));
        if result.is_err() {
            self.instance = None;
        }
        result
    }
}
