//! Actors for programs that embed the engine: made by name, called in order, shared by handles.

use std::path::Path;
use std::sync::Arc;

use mobula_contract::{ActorSource, ActorSpec, Failure, FailureKind, Limits};
use serde_json::{Map, Value as Json};

use crate::core::{ActorId, Event, LeftActor, Need, NewActor};
use crate::engine::Session;
use crate::inner::{ActorWork, Inner};
use crate::needs::never_fits;
use crate::task::{Task, retry};

/// An actor on its way to be created.
#[derive(Debug)]
pub struct Actor<'s> {
    session: &'s Session,
    spec: ActorSpec,
    mistake: Option<String>,
}

impl<'s> Actor<'s> {
    pub(crate) fn new(session: &'s Session, name: &str) -> Self {
        let spec = ActorSpec {
            name: name.to_owned(),
            source: ActorSource::Native { class: String::new() },
            args: Map::new(),
            mounts: std::collections::BTreeMap::new(),
            limits: Limits::default(),
        };
        Self { session, spec, mistake: None }
    }

    /// A class that is built into the host, such as `cnn`.
    #[must_use]
    pub fn native(mut self, class: &str) -> Self {
        self.spec.source = ActorSource::Native { class: class.to_owned() };
        self
    }

    /// A class of a plugin, `plugin/Class`.
    #[must_use]
    pub fn plugin(mut self, export: &str) -> Self {
        match export.split_once('/') {
            Some((plugin, class)) => {
                let (plugin, version) = (plugin.to_owned(), None);
                self.spec.source = ActorSource::Plugin { plugin, version, class: class.to_owned() };
            }
            None => self.mistake = Some(format!("`{export}` is not plugin/Class")),
        }
        self
    }

    /// The arguments of its creation: a JSON object.
    #[must_use]
    pub fn args(mut self, args: Json) -> Self {
        match args {
            Json::Object(args) => self.spec.args = args,
            other => self.mistake = Some(format!("arguments are a JSON object, not {other}")),
        }
        self
    }

    /// Grants the guest a folder to read.
    #[must_use]
    pub fn mount(mut self, name: &str, folder: impl AsRef<Path>) -> Self {
        self.spec.mounts.insert(name.to_owned(), folder.as_ref().to_owned());
        self
    }

    /// Processors that each of its calls takes; threads of a native actor.
    #[must_use]
    pub fn cpus(mut self, cpus: f64) -> Self {
        self.spec.limits.cpus = Some(cpus);
        self
    }

    /// Bytes of memory, set aside while it lives.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.spec.limits.memory_bytes = Some(bytes);
        self
    }

    /// How often it is made anew after its state was lost, and the calls since its newest checkpoint
    /// are repeated; three times when not said.
    #[must_use]
    pub fn max_restarts(mut self, times: u32) -> Self {
        self.spec.limits.retries = times;
        self
    }

    /// Makes the actor. A failure of its making is that of its first call.
    pub fn create(self) -> Result<ActorHandle, Failure> {
        let invalid = |message: String| Failure::new(FailureKind::Invalid, message);
        if let Some(mistake) = self.mistake {
            return Err(invalid(mistake));
        }
        if self.session.get_actor(&self.spec.name).is_some() {
            return Err(invalid(format!("there is an actor `{}` already", self.spec.name)));
        }
        let name = self.spec.name.clone();
        let handle = self.session.create_actor(self.spec, true, None)?;
        self.session.name_actor(&name, &handle);
        Ok(handle)
    }
}

impl Session {
    pub(crate) fn create_actor(
        &self,
        spec: ActorSpec,
        eager: bool,
        left: Option<LeftActor>,
    ) -> Result<ActorHandle, Failure> {
        let need = Need { cpus_milli: 0, memory_bytes: spec.limits.memory_bytes.unwrap_or(0) };
        let mut state = self.inner.lock();
        if let Some(why) = never_fits(&state.core, need, &format_args!("actor `{}`", spec.name)) {
            return Err(Failure::new(FailureKind::Invalid, why));
        }
        let actor = ActorId(self.inner.new_id());
        let new = NewActor {
            actor,
            session: self.shell.id,
            name: spec.name.clone(),
            need,
            retry: retry(&spec.limits),
            eager,
            left,
        };
        let spec = Arc::new(spec);
        let (session, cancelled) = (Arc::clone(&self.shell), Arc::default());
        let work = ActorWork { session, spec: Arc::clone(&spec), cancelled };
        state.enter_actor(actor, work);
        let wakes = self.inner.step_locked(&mut state, Event::ActorCreated(Box::new(new)));
        drop(state);
        wakes.fire();
        let inner = Arc::clone(&self.inner);
        Ok(ActorHandle { living: Arc::new(Living { inner, actor, spec }) })
    }
}

/// A living actor. It ends after its last call once all handles are dropped.
#[derive(Clone)]
pub struct ActorHandle {
    living: Arc<Living>,
}

struct Living {
    inner: Arc<Inner>,
    actor: ActorId,
    spec: Arc<ActorSpec>,
}

impl Drop for Living {
    fn drop(&mut self) {
        self.inner.step(Event::ActorSealed(self.actor));
    }
}

impl std::fmt::Debug for ActorHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ActorHandle").field(&self.living.spec.name).finish()
    }
}

impl ActorHandle {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.living.spec.name
    }

    pub(crate) fn id(&self) -> ActorId {
        self.living.actor
    }

    /// A method, to be given arguments and inputs and submitted. Calls are made in the order in which
    /// they are submitted.
    #[must_use]
    pub fn method<'s>(&self, session: &'s Session, method: &str) -> Task<'s> {
        Task::method(session, self.living.actor, &self.living.spec, method)
    }
}
