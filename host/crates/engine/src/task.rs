//! A task on its way to be submitted: what is called, with what, and what it may take.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use mobula_contract::{
    ActorSpec, Failure, FailureKind, Limits, StageKind, StageRef, StageSpec, Value,
};
use serde_json::{Map, Value as Json};

use crate::core::{ActorId, Need, UnitId};
use crate::engine::{Entry, PENDING_MAX, Session};
use crate::input::Input;
use crate::needs::{call_cpus_milli, milli, never_fits};
use crate::refs::{FieldRef, ObjectRef, ObjectStream};
use crate::retry::{DELAY_FIRST_MS, Retry};
use crate::slot::Slot;

/// A stage without anything.
pub(crate) fn plain_spec(name: &str) -> StageSpec {
    StageSpec {
        name: name.to_owned(),
        kind: StageKind::Method { actor: String::new(), method: String::new() },
        repeat: None,
        foreach: None,
        inputs: BTreeMap::new(),
        args: Map::new(),
        mounts: BTreeMap::new(),
        limits: Limits::default(),
    }
}

/// How a failed call of these limits is tried again.
pub(crate) fn retry(limits: &Limits) -> Retry {
    Retry {
        max: limits.retries,
        delay_ms: limits.retry.delay_ms.unwrap_or(DELAY_FIRST_MS),
        on: limits.retry.on.clone(),
    }
}

/// A call to be submitted, once or often. `Task` and `Method` share it.
#[derive(Debug, Clone)]
pub struct Task<'s> {
    session: &'s Session,
    spec: Arc<StageSpec>,
    inputs: Vec<(String, Input)>,
    /// They keep what the inputs read.
    held: Vec<ObjectRef>,
    actor: Option<ActorId>,
    mistake: Option<String>,
    /// What it takes where the call itself says nothing.
    cpus_milli: u64,
    /// Tells submissions of the same call apart: each has its own seed.
    count: Arc<AtomicU32>,
}

impl<'s> Task<'s> {
    pub(crate) fn new(session: &'s Session, export: &str) -> Self {
        let (plugin, task) = export.split_once('/').unwrap_or((export, ""));
        let (plugin, version) = match plugin.split_once('@') {
            Some((plugin, version)) => (plugin, Some(version.to_owned())),
            None => (plugin, None),
        };
        let mistake = (plugin.is_empty() || task.is_empty())
            .then(|| format!("`{export}` is not plugin/task, such as subset/subset"));
        let kind = StageKind::Task { plugin: plugin.to_owned(), version, export: task.to_owned() };
        Self::of_kind(session, task, kind, None, mistake)
    }

    pub(crate) fn method(
        session: &'s Session,
        actor: ActorId,
        spec: &ActorSpec,
        method: &str,
    ) -> Self {
        let (name, total) = (&spec.name, session.inner.lock().core.total());
        let kind = StageKind::Method { actor: name.clone(), method: method.to_owned() };
        let cpus_milli = call_cpus_milli(spec, total);
        Self { cpus_milli, ..Self::of_kind(session, method, kind, Some(actor), None) }
    }

    fn of_kind(
        session: &'s Session,
        name: &str,
        kind: StageKind,
        actor: Option<ActorId>,
        mistake: Option<String>,
    ) -> Self {
        let spec = Arc::new(StageSpec { kind, ..plain_spec(name) });
        let (inputs, held, count) = (Vec::new(), Vec::new(), Arc::default());
        Self { session, spec, inputs, held, actor, mistake, cpus_milli: 1000, count }
    }

    fn change(mut self, change: impl FnOnce(&mut StageSpec)) -> Self {
        change(Arc::make_mut(&mut self.spec));
        self
    }

    /// Its name in events and messages, and in its seed; that of the task when not said.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        self.change(|spec| name.clone_into(&mut spec.name))
    }

    /// Its arguments: a JSON object.
    #[must_use]
    pub fn args(mut self, args: Json) -> Self {
        match args {
            Json::Object(args) => self.change(|spec| spec.args = args),
            other => {
                self.mistake.get_or_insert(format!("arguments are a JSON object, not {other}"));
                self
            }
        }
    }

    /// An input that is a field of another unit's object.
    #[must_use]
    pub fn input(mut self, name: &str, field: FieldRef) -> Self {
        self.held.push(field.object().clone());
        self.inputs.push((name.to_owned(), field.into_input()));
        self
    }

    /// All fields of another unit's object, under their own names.
    #[must_use]
    pub fn inputs_of(mut self, object: &ObjectRef) -> Self {
        self.held.push(object.clone());
        self.inputs.push((String::new(), Input::All { from: object.unit() }));
        self
    }

    /// An input that is the same field of several objects: tensors are joined along their rows, JSON
    /// becomes a list.
    #[must_use]
    pub fn joined(mut self, name: &str, fields: &[FieldRef]) -> Self {
        let field = fields.first().map_or(String::new(), |first| first.name().to_owned());
        if fields.iter().any(|other| other.name() != field) {
            self.mistake.get_or_insert(format!("input `{name}` joins fields of different names"));
        }
        self.held.extend(fields.iter().map(|field| field.object().clone()));
        let from = fields.iter().map(|field| field.object().unit()).collect();
        self.inputs.push((name.to_owned(), Input::Joined { from, field }));
        self
    }

    /// An input that is at hand.
    #[must_use]
    pub fn value(mut self, name: &str, value: Value) -> Self {
        self.inputs.push((name.to_owned(), Input::Value(value)));
        self
    }

    /// Grants the guest a folder to read.
    #[must_use]
    pub fn mount(self, name: &str, folder: impl AsRef<Path>) -> Self {
        let folder = folder.as_ref().to_owned();
        self.change(|spec| drop(spec.mounts.insert(name.to_owned(), folder)))
    }

    /// Processors that it takes while it runs; one when not said.
    #[must_use]
    pub fn cpus(self, cpus: f64) -> Self {
        self.change(|spec| spec.limits.cpus = Some(cpus))
    }

    /// Bytes of guest memory that it may have, set aside while it runs.
    #[must_use]
    pub fn memory(self, bytes: u64) -> Self {
        self.change(|spec| spec.limits.memory_bytes = Some(bytes))
    }

    /// Seconds that one attempt may take.
    #[must_use]
    pub fn timeout_s(self, seconds: f64) -> Self {
        self.change(|spec| spec.limits.timeout_s = Some(seconds))
    }

    /// Further attempts after the first; three when not said.
    #[must_use]
    pub fn max_retries(self, times: u32) -> Self {
        self.change(|spec| spec.limits.retries = times)
    }

    /// Kinds of failure after which another attempt is made, in place of the usual ones.
    #[must_use]
    pub fn retry_on(self, kinds: &[FailureKind]) -> Self {
        self.change(|spec| spec.limits.retry.on = Some(kinds.to_vec()))
    }

    /// Submits the call. Waits where the session or the actor's mailbox is full; fails at once where
    /// it could never run.
    pub fn submit(&self) -> Result<ObjectRef, Failure> {
        self.submit_as(false)
    }

    /// Submits a task that gives its objects one after another.
    pub fn stream(&self) -> Result<ObjectStream, Failure> {
        self.submit_as(true).map(ObjectStream::new)
    }

    fn submit_as(&self, stream: bool) -> Result<ObjectRef, Failure> {
        let invalid = |message: String| Failure::new(FailureKind::Invalid, message);
        if let Some(mistake) = &self.mistake {
            return Err(invalid(mistake.clone()));
        }
        let inner = &self.session.inner;
        let need = Need {
            cpus_milli: self.spec.limits.cpus.map_or(self.cpus_milli, milli),
            memory_bytes: match self.actor {
                None => self.spec.limits.memory_bytes.unwrap_or(0),
                Some(_) => 0,
            },
        };
        let name = &self.spec.name;
        let (session, actor) = (self.session.shell.id, self.actor);
        let index = self.count.fetch_add(1, Ordering::Relaxed);
        let stage = StageRef { name: name.clone(), index, repeated: true };
        let slot = Arc::new(Slot::default());
        let spec = Arc::clone(&self.spec);
        let work = self.session.work(stage, spec, self.inputs.clone(), stream, &slot);
        let entry = Entry { unit: UnitId(inner.new_id()), work, actor, need, given: false };
        let state = inner.lock();
        if let Some(why) = never_fits(&state.core, need, &format_args!("stage `{name}`")) {
            return Err(invalid(why));
        }
        let state = inner.wait_for_room(state, |state| {
            state.core.pending(session) < PENDING_MAX
                && actor.is_none_or(|actor| state.core.mailbox(actor) < MAILBOX_MAX)
        });
        if state.is_closed() {
            return Err(Failure::new(FailureKind::Cancelled, "the engine has ended"));
        }
        Ok(self.session.enter_locked(state, entry, retry(&self.spec.limits), None))
    }
}

/// Calls that may wait for one actor; `submit` waits beyond it.
pub const MAILBOX_MAX: usize = 100_000;
