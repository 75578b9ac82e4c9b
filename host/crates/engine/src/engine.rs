//! The engine and its sessions: where a program that embeds it begins.

use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Instant;

use mobula_contract::{
    Budget, CheckpointId, Failure, FailureKind, Object, RunEvent, RunId, RunStatus, StageRef,
};

use crate::actor::{Actor, ActorHandle};
use crate::core::{Core, Event, Names, Need, Rules, SessionId, Submit, UnitId};
use crate::fault::Fault;
use crate::inner::{Inner, State, Work};
use crate::journal::MemoryJournal;
use crate::needs::milli;
use crate::objects::{MemoryUse, Objects};
use crate::policy::Policy;
use crate::port::{Journal, Stages};
use crate::refs::ObjectRef;
use crate::retry::Retry;
use crate::session::SessionShell;
use crate::slot::{Slot, lock};
use crate::task::Task;
use crate::timer::Timer;
use crate::writer::{self, Jobs};

/// What the program itself takes of `memory_bytes`: code, runtime, stacks, database. 28 MiB beside what is
/// counted in a run over 700 MB of objects with two workers (16 of them code, `host/tests/load.rs`; AMD
/// EPYC, Linux 6.18), and up to 32 for the pages that places for instances keep from one to the next.
pub const PROCESS_BYTES: u64 = 64 << 20;
/// Units of one session that may wait or run; `submit` waits beyond it.
pub const PENDING_MAX: usize = 1_000_000;

/// How to make an engine.
#[derive(Clone)]
pub struct EngineConfig {
    /// Runs tasks and makes actors.
    pub stages: Arc<dyn Stages>,
    /// Processors: calls never take more of them together.
    pub cpus: f64,
    /// As many processors more are taken by calls that [`Stages`] let wait for processors themselves, as a
    /// cluster does, which is busier when its next calls are there already. 0 where calls begin at once.
    pub ahead: f64,
    /// Bytes that the whole process may use: objects, guests, and [`PROCESS_BYTES`] for itself.
    /// Without limit when not said.
    pub memory_bytes: Option<u64>,
    /// Where objects go that do not fit in memory; a temporary folder when not said.
    pub spill_dir: Option<PathBuf>,
}

impl std::fmt::Debug for EngineConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineConfig")
            .field("cpus", &self.cpus)
            .field("memory_bytes", &self.memory_bytes)
            .finish_non_exhaustive()
    }
}

impl EngineConfig {
    /// All processors of this machine, and no limit of memory.
    #[must_use]
    pub fn new(stages: Arc<dyn Stages>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        #[expect(clippy::cast_precision_loss, reason = "a number of processors")]
        let cpus = cores as f64;
        Self { stages, cpus, ahead: 0.0, memory_bytes: None, spill_dir: None }
    }
}

/// Schedules tasks and actors on the workers of this process. Ends its threads when dropped.
pub struct Engine {
    inner: Arc<Inner>,
    timer: Option<JoinHandle<()>>,
    _spill: Option<tempfile::TempDir>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.inner.lock();
        f.debug_struct("Engine").field("core", &state.core).finish_non_exhaustive()
    }
}

impl Engine {
    /// Starts an engine; workers come with the first work. Fails when the spill folder cannot be made.
    pub fn start(config: EngineConfig) -> Result<Self, Failure> {
        let host = |e: std::io::Error| {
            Failure::new(FailureKind::Host, format!("cannot make a folder for objects: {e}"))
        };
        let total = Need {
            cpus_milli: milli(config.cpus),
            memory_bytes: config.memory_bytes.unwrap_or(u64::MAX),
        };
        let room = Need { cpus_milli: milli(config.cpus + config.ahead), ..total };
        let budget = config.memory_bytes.map_or_else(Budget::unlimited, |bytes| {
            Budget::new(bytes.saturating_sub(PROCESS_BYTES))
        });
        let (spill, folder) = match (config.memory_bytes, config.spill_dir) {
            (None, _) => (None, None),
            (Some(_), Some(folder)) => {
                std::fs::create_dir_all(&folder).map_err(host)?;
                (None, Some(folder))
            }
            (Some(_), None) => {
                let folder = tempfile::tempdir().map_err(host)?;
                let path = folder.path().to_owned();
                (Some(folder), Some(path))
            }
        };
        let timer = Timer::default();
        let objects = Objects::new(budget, folder);
        let core = Core::admitting(total, room);
        let inner = Arc::new(Inner::new(core, objects, config.stages, timer.clone()));
        let stepping = Arc::clone(&inner);
        let thread = timer.start(move |due| stepping.step(Event::Due(due)));
        Ok(Self { inner, timer: Some(thread), _spill: spill })
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    /// Begins a session: what belongs together, is recorded together and ends together.
    #[must_use]
    pub fn session(&self, config: SessionConfig) -> Session {
        Session::open(&self.inner, config)
    }

    /// How much memory is in use, and how much was moved to disk.
    #[must_use]
    pub fn memory(&self) -> MemoryUse {
        self.inner.objects.usage()
    }

    /// Processors and declared memory that no call and no actor has taken.
    #[must_use]
    pub fn free(&self) -> Need {
        self.inner.lock().core.free()
    }

    /// Things that are remembered: units, actors, sessions, and the objects in the store. None when
    /// nobody asks for anything any more.
    #[must_use]
    pub fn remembered(&self) -> usize {
        let state = self.inner.lock();
        let (units, actors, saves) = state.core.remembered();
        units + actors + saves + state.kept() + self.inner.objects.usage().objects
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.inner.close();
        if let Some(timer) = self.timer.take() {
            let _ = timer.join();
        }
    }
}

/// How to begin a session.
#[derive(Default)]
pub struct SessionConfig {
    /// The seed of everything random in it.
    pub seed: u64,
    /// Keeps events and checkpoints; without one, events are not kept and checkpoints only in memory.
    pub journal: Option<Box<dyn Journal>>,
    /// Decides about checkpoints; without one they are taken only to keep an actor's replay short.
    pub policy: Option<Box<dyn Policy>>,
    /// Names checkpoints; goes with the journal.
    pub names: Option<Names>,
    /// Failures to make.
    pub faults: Vec<Fault>,
    /// Kills this process, for the fault `host-kill`.
    pub kill_host: Option<fn()>,
    /// Seconds since the first start, where an earlier process had begun.
    pub begun_s: f64,
    /// The first unit that fails for good ends the session; otherwise only what reads it fails.
    pub stops_on_failure: bool,
}

impl std::fmt::Debug for SessionConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionConfig").field("seed", &self.seed).finish_non_exhaustive()
    }
}

/// Tasks, actors and objects that belong together. Dropping it cancels what still runs.
pub struct Session {
    pub(crate) inner: Arc<Inner>,
    pub(crate) shell: Arc<SessionShell>,
    journal: Mutex<Option<JoinHandle<()>>>,
    named: Mutex<std::collections::BTreeMap<String, ActorHandle>>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("id", &self.shell.id).finish_non_exhaustive()
    }
}

impl Session {
    fn open(inner: &Arc<Inner>, config: SessionConfig) -> Self {
        let jobs = Arc::new(Jobs::default());
        let recorded = config.journal.is_some();
        let journal = config.journal.unwrap_or_else(|| Box::new(MemoryJournal::default()));
        let names = config.names.unwrap_or_else(|| {
            let mut number = 0;
            Box::new(move || {
                number += 1;
                CheckpointId::new(&RunId::new(0, 0), number)
            })
        });
        let mut state = inner.lock();
        let id = SessionId(inner.new_id());
        let rules = Rules { recorded, stops_on_failure: config.stops_on_failure };
        state.core.open_session(id, rules, config.policy, Some(names));
        let shell = Arc::new(SessionShell {
            id,
            seed: config.seed,
            faults: Arc::new(Mutex::new(config.faults)),
            kill_host: config.kill_host.unwrap_or(|| ()),
            recorded,
            started: Instant::now(),
            begun_s: config.begun_s,
            jobs: Arc::clone(&jobs),
            watch: Mutex::default(),
            unseen: AtomicUsize::new(0),
            finished: Mutex::default(),
            waiter: Arc::default(),
        });
        state.enter_session(&shell);
        drop(state);
        let journal = writer::start(journal, jobs, Arc::clone(inner), id);
        Self {
            inner: Arc::clone(inner),
            shell,
            journal: Mutex::new(Some(journal)),
            named: Mutex::default(),
        }
    }

    /// A task of a plugin, `plugin/task`, to be given arguments and inputs and submitted. Where the text
    /// is no such pair, `submit` says so.
    #[must_use]
    pub fn task(&self, export: &str) -> Task<'_> {
        Task::new(self, export)
    }

    /// An actor of this name, to be given its class and arguments and created.
    #[must_use]
    pub fn actor(&self, name: &str) -> Actor<'_> {
        Actor::new(self, name)
    }

    /// The living actor of this name.
    #[must_use]
    pub fn get_actor(&self, name: &str) -> Option<ActorHandle> {
        lock(&self.named).get(name).cloned()
    }

    /// Ends an actor as it is: calls that wait fail.
    pub fn kill_actor(&self, name: &str) {
        let found = lock(&self.named).remove(name);
        if let Some(handle) = found {
            self.inner.step(Event::ActorKilled(handle.id()));
        }
    }

    pub(crate) fn name_actor(&self, name: &str, handle: &ActorHandle) {
        lock(&self.named).insert(name.to_owned(), handle.clone());
    }

    /// Puts an object into the store. Fails where there is no memory for it.
    pub fn put(&self, object: Object) -> Result<ObjectRef, Failure> {
        let unit = UnitId(self.inner.new_id());
        self.inner.objects.insert(unit, object)?;
        let stage = StageRef { name: "put".to_owned(), index: 0, repeated: false };
        let spec = Arc::new(crate::task::plain_spec("put"));
        let slot = Arc::new(Slot::default());
        let work = self.work(stage, spec, Vec::new(), false, &slot);
        let entry = Entry { unit, work, actor: None, need: Need::default(), given: true };
        Ok(self.enter(entry, Retry::times(0), Some((true, 0.0))))
    }

    pub(crate) fn work(
        &self,
        stage: StageRef,
        spec: Arc<mobula_contract::StageSpec>,
        inputs: Vec<(String, crate::input::Input)>,
        stream: bool,
        slot: &Arc<Slot>,
    ) -> Work {
        Work {
            session: Arc::clone(&self.shell),
            stage,
            spec,
            inputs,
            stream,
            slot: Arc::clone(slot),
            cancelled: Arc::default(),
        }
    }

    /// Enters a unit and gives the reference to its object.
    pub(crate) fn enter(&self, entry: Entry, retry: Retry, done: Option<(bool, f64)>) -> ObjectRef {
        self.enter_locked(self.inner.lock(), entry, retry, done)
    }

    /// The same for who holds the lock already.
    pub(crate) fn enter_locked(
        &self,
        mut state: MutexGuard<'_, State>,
        entry: Entry,
        retry: Retry,
        done: Option<(bool, f64)>,
    ) -> ObjectRef {
        let Entry { unit, work, actor, need, given } = entry;
        let slot = Arc::clone(&work.slot);
        let mut sources: Vec<UnitId> =
            work.inputs.iter().flat_map(|(_, input)| input.sources()).copied().collect();
        sources.sort_unstable();
        sources.dedup();
        let submit = Submit {
            unit,
            session: self.shell.id,
            stage: work.stage.clone(),
            sources,
            actor,
            need,
            retry,
            done,
            given,
        };
        state.enter_work(unit, Arc::new(work));
        let wakes = self.inner.step_locked(&mut state, Event::Submitted(vec![submit]));
        drop(state);
        wakes.fire();
        ObjectRef::new(&self.inner, unit, slot)
    }

    /// Sees every event from now on, progress included.
    pub(crate) fn watch(&self) -> Receiver<RunEvent> {
        let (sender, receiver) = channel();
        *lock(&self.shell.watch) = Some(sender);
        // A session that was cancelled before has nobody left who would end the watch.
        if self.is_over() {
            *lock(&self.shell.watch) = None;
        }
        receiver
    }

    /// Stops what runs, and ends the session.
    pub fn cancel(&self) {
        self.inner.step(Event::SessionCancelled(self.shell.id));
    }

    /// For stopping the session from elsewhere, such as a signal handler.
    #[must_use]
    pub fn cancel_handle(&self) -> CancelHandle {
        let (inner, faults) = (Arc::clone(&self.inner), Arc::clone(&self.shell.faults));
        CancelHandle { inner, session: self.shell.id, faults }
    }

    /// Nothing more will be submitted: gives up its named actors, waits for everything that was, and
    /// for the journal. A stream whose reader is kept and not read is waited for as well.
    pub fn finish(self) -> (RunStatus, Option<String>) {
        self.seal();
        self.ended()
    }

    pub(crate) fn seal(&self) {
        lock(&self.named).clear();
        self.inner.step(Event::SessionSealed(self.shell.id));
    }

    pub(crate) fn is_over(&self) -> bool {
        lock(&self.shell.finished).is_some()
    }

    /// Waits for the end of a sealed session, and for its journal.
    pub(crate) fn ended(&self) -> (RunStatus, Option<String>) {
        loop {
            if let Some(finished) = lock(&self.shell.finished).clone() {
                self.close_journal();
                return finished;
            }
            self.shell.waiter.wait(None);
        }
    }

    fn close_journal(&self) {
        if let Some(journal) = lock(&self.journal).take() {
            let _ = journal.join();
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        lock(&self.named).clear();
        self.cancel();
        // What still runs may have something for it: the journal goes on until the session has ended.
        if let Some(journal) = lock(&self.journal).take() {
            self.inner.keep_thread(journal);
        }
    }
}

/// A unit on its way in.
pub(crate) struct Entry {
    pub(crate) unit: UnitId,
    pub(crate) work: Work,
    pub(crate) actor: Option<crate::core::ActorId>,
    pub(crate) need: Need,
    /// It was put in from outside.
    pub(crate) given: bool,
}

/// Stops a session from another thread.
#[derive(Clone)]
pub struct CancelHandle {
    inner: Arc<Inner>,
    session: SessionId,
    faults: Arc<Mutex<Vec<Fault>>>,
}

impl std::fmt::Debug for CancelHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CancelHandle").field("session", &self.session).finish_non_exhaustive()
    }
}

impl CancelHandle {
    /// Asks running calls to stop and the session to end as interrupted.
    pub fn cancel(&self) {
        self.inner.step(Event::SessionCancelled(self.session));
    }

    /// Makes a failure in a call that has not begun yet.
    pub fn inject(&self, fault: Fault) {
        lock(&self.faults).push(fault);
    }

    /// The machine goes away in so many seconds: actors are saved after the call under way where there is
    /// time for it, and then the session ends as interrupted. Without a policy it ends at once.
    pub fn notice(&self, left_s: f64) {
        self.inner.step(Event::SessionNoticed(self.session, left_s));
    }
}
