//! The shell around the core: whoever brings an event takes the lock, lets the core decide, and carries
//! out what it says. There is no thread of its own that a task would have to pass through.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Instant;

use mobula_contract::{ActorSpec, Failure, Object, StageRef, StageSpec};
use rustc_hash::FxHashMap;

use crate::core::{ActorId, Core, Effect, Event, SessionId, StreamItem, UnitId, WorkerId};
use crate::input::Input;
use crate::objects::{Garbage, Objects};
use crate::port::Stages;
use crate::session::SessionShell;
use crate::slot::{Slot, Waiter, lock};
use crate::timer::Timer;
use crate::worker::{self, Inbox, Order, Spawned};
use crate::writer::{Content, Job, SaveJob};

/// What is called, and with what.
pub(crate) struct Work {
    pub(crate) session: Arc<SessionShell>,
    pub(crate) stage: StageRef,
    pub(crate) spec: Arc<StageSpec>,
    pub(crate) inputs: Vec<(String, Input)>,
    pub(crate) stream: bool,
    pub(crate) slot: Arc<Slot>,
    pub(crate) cancelled: Arc<AtomicBool>,
}

/// An actor, as its workers need it.
pub(crate) struct ActorWork {
    pub(crate) session: Arc<SessionShell>,
    pub(crate) spec: Arc<ActorSpec>,
    /// It is over, also where it is just being made.
    pub(crate) cancelled: Arc<AtomicBool>,
}

/// Everything that an engine's threads share.
pub(crate) struct Inner {
    state: Mutex<State>,
    pub(crate) objects: Objects,
    pub(crate) stages: Arc<dyn Stages>,
    timer: Timer,
    /// The zero of the core's clock.
    started: Instant,
    ids: AtomicU64,
    /// Something ended: a mailbox may have room.
    pub(crate) room: Condvar,
}

/// What the lock guards.
pub(crate) struct State {
    pub(crate) core: Core,
    works: FxHashMap<UnitId, Arc<Work>>,
    /// Slots of objects that have no work: those put in, and those of streams.
    slots: FxHashMap<UnitId, Arc<Slot>>,
    actors: FxHashMap<ActorId, Arc<ActorWork>>,
    sessions: FxHashMap<SessionId, Arc<SessionShell>>,
    inboxes: FxHashMap<WorkerId, Arc<Inbox>>,
    threads: Vec<JoinHandle<()>>,
    waiting_for_room: usize,
    closed: bool,
}

impl State {
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn enter_work(&mut self, unit: UnitId, work: Arc<Work>) {
        self.works.insert(unit, work);
    }

    /// It has ended by itself; what it was told goes nowhere.
    pub(crate) fn forget_worker(&mut self, worker: WorkerId) {
        self.inboxes.remove(&worker);
    }

    /// Has a thread joined when the engine ends. Those that have ended are let go of, so that they do not
    /// pile up while others come and go.
    fn keep_thread(&mut self, thread: JoinHandle<()>) {
        self.threads.retain(|thread| !thread.is_finished());
        self.threads.push(thread);
    }

    pub(crate) fn enter_actor(&mut self, actor: ActorId, work: ActorWork) {
        self.actors.insert(actor, Arc::new(work));
    }

    pub(crate) fn enter_session(&mut self, session: &Arc<SessionShell>) {
        self.sessions.insert(session.id, Arc::clone(session));
    }

    pub(crate) fn slot(&self, unit: UnitId) -> Option<Arc<Slot>> {
        self.works.get(&unit).map(|work| &work.slot).or_else(|| self.slots.get(&unit)).cloned()
    }

    fn keep_worker(&mut self, id: WorkerId, spawned: Spawned) {
        self.inboxes.insert(id, spawned.inbox);
        self.keep_thread(spawned.thread);
    }

    /// Threads and things that are kept; for tests of what is left over.
    pub(crate) fn kept(&self) -> usize {
        self.works.len() + self.slots.len() + self.actors.len() + self.sessions.len()
    }
}

/// What is left to do once the lock is free.
#[derive(Default)]
pub(crate) struct Wakes {
    waiters: Vec<Arc<Waiter>>,
    inboxes: Vec<Arc<Inbox>>,
    /// Dropped once the lock is free, since giving memory back takes time.
    garbage: Vec<Garbage>,
}

impl Wakes {
    fn absorb(&mut self, more: Self) {
        self.waiters.extend(more.waiters);
        self.inboxes.extend(more.inboxes);
        self.garbage.extend(more.garbage);
    }

    pub(crate) fn fire(self) {
        self.inboxes.iter().for_each(|inbox| inbox.wake());
        self.waiters.iter().for_each(|waiter| waiter.wake());
    }
}

impl Inner {
    pub(crate) fn new(core: Core, objects: Objects, stages: Arc<dyn Stages>, timer: Timer) -> Self {
        let state = State {
            core,
            works: FxHashMap::default(),
            slots: FxHashMap::default(),
            actors: FxHashMap::default(),
            sessions: FxHashMap::default(),
            inboxes: FxHashMap::default(),
            threads: Vec::new(),
            waiting_for_room: 0,
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            objects,
            stages,
            timer,
            started: Instant::now(),
            ids: AtomicU64::new(1),
            room: Condvar::new(),
        }
    }

    /// A number that was never given before.
    pub(crate) fn new_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Brings an event and does what follows from it.
    pub(crate) fn step(self: &Arc<Self>, event: Event) {
        let mut state = self.lock();
        let wakes = self.step_locked(&mut state, event);
        drop(state);
        wakes.fire();
    }

    /// The same for who holds the lock already; the wakes are fired when it is free.
    pub(crate) fn step_locked(self: &Arc<Self>, state: &mut State, event: Event) -> Wakes {
        let mut wakes = Wakes::default();
        let now_s = self.started.elapsed().as_secs_f64();
        for effect in state.core.step(event, now_s) {
            self.perform(state, effect, &mut wakes);
        }
        if state.waiting_for_room > 0 {
            self.room.notify_all();
        }
        wakes
    }

    /// Waits until `has_room` says so; false when the engine was closed meanwhile.
    pub(crate) fn wait_for_room<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        has_room: impl Fn(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        while !state.closed && !has_room(&state) {
            state.waiting_for_room += 1;
            state = self.room.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
            state.waiting_for_room -= 1;
        }
        state
    }

    fn perform(self: &Arc<Self>, state: &mut State, effect: Effect, wakes: &mut Wakes) {
        match effect {
            Effect::SpawnWorker(id) => {
                let spawned = worker::spawn_pool(id, self);
                state.keep_worker(id, spawned);
            }
            Effect::Call { unit, worker, attempt } => {
                let work = Arc::clone(&state.works[&unit]);
                order(state, worker, Order::Call { unit, attempt, work }, wakes);
            }
            Effect::StartActor { actor, worker, from } => {
                let work = Arc::clone(&state.actors[&actor]);
                let spawned = worker::spawn_actor(worker, actor, work, from, self);
                state.keep_worker(worker, spawned);
            }
            Effect::FinishActor { worker, .. } => order(state, worker, Order::Finish, wakes),
            Effect::DismissWorker(worker) => {
                order(state, worker, Order::Stop, wakes);
                state.inboxes.remove(&worker);
            }
            Effect::SaveState { save, worker, after, id, position, .. } => {
                order(state, worker, Order::Save { save, after, id, position }, wakes);
            }
            Effect::SaveObject { save, unit, stage, id } => {
                let content = Content::Object(unit);
                let (actor, position, blocking_s) = (None, 0, 0.0);
                let decided = Instant::now();
                let job =
                    SaveJob { save, id, stage, actor, position, content, decided, blocking_s };
                state.works[&unit].session.jobs.push(Job::Save(job));
            }
            Effect::Resolved { unit, result } => {
                if let Some(slot) = state.slot(unit) {
                    wakes.waiters.extend(slot.resolve(result));
                }
            }
            Effect::Unresolved(unit) => {
                if let Some(slot) = state.slot(unit) {
                    slot.unresolve();
                }
            }
            Effect::ItemResolved { unit, item } => {
                let pushed = state.slot(unit).and_then(|slot| slot.push(item));
                state.slots.insert(item, Arc::new(Slot::resolved()));
                match pushed {
                    Some(waiters) => wakes.waiters.extend(waiters),
                    None => wakes.absorb(self.step_locked(state, Event::Dropped(item))),
                }
            }
            Effect::Release(unit) => wakes.garbage.extend(self.objects.take(unit)),
            Effect::Forget(unit) => {
                state.works.remove(&unit);
                state.slots.remove(&unit);
            }
            Effect::ForgetActor(actor) => {
                if let Some(work) = state.actors.remove(&actor) {
                    work.cancelled.store(true, Ordering::Relaxed);
                }
            }
            Effect::Record(session, body) => {
                if let Some(session) = state.sessions.get(&session) {
                    session.keep(body);
                }
            }
            Effect::CancelCall(unit) => {
                if let Some(work) = state.works.get(&unit) {
                    work.cancelled.store(true, Ordering::Relaxed);
                }
            }
            Effect::Resume(unit) => {
                if let Some(work) = state.works.get(&unit) {
                    work.slot.go();
                }
            }
            Effect::Wake { after_ms, due } => self.timer.wake(after_ms, due),
            Effect::Finish { session, status, error } => {
                if let Some(session) = state.sessions.remove(&session) {
                    session.finish(status, error);
                    wakes.waiters.push(Arc::clone(&session.waiter));
                }
            }
        }
    }

    /// Has the thread of a session joined when the engine ends, or now where it has ended.
    pub(crate) fn keep_thread(&self, thread: JoinHandle<()>) {
        let mut state = self.lock();
        if !state.closed {
            return state.keep_thread(thread);
        }
        drop(state);
        let _ = thread.join();
    }

    /// Enters an object of a stream under the number that belongs to its index.
    pub(crate) fn emit(
        self: &Arc<Self>,
        stream: UnitId,
        index: usize,
        object: Object,
    ) -> Result<(), Failure> {
        let state = self.lock();
        let item = match state.core.item(stream, index) {
            StreamItem::New => UnitId(self.new_id()),
            StreamItem::Again(item) => item,
            StreamItem::Nowhere => return Ok(()),
        };
        drop(state);
        self.objects.insert(item, object)?;
        self.step(Event::Emitted { unit: stream, index, item });
        Ok(())
    }

    /// Ends all threads. Nothing can be submitted from here on.
    pub(crate) fn close(self: &Arc<Self>) {
        let mut state = self.lock();
        if std::mem::replace(&mut state.closed, true) {
            return;
        }
        let mut wakes = Wakes::default();
        let open: Vec<SessionId> = state.sessions.keys().copied().collect();
        for session in open {
            wakes.absorb(self.step_locked(&mut state, Event::SessionCancelled(session)));
        }
        for inbox in state.inboxes.values() {
            if inbox.push(Order::Stop) {
                wakes.inboxes.push(Arc::clone(inbox));
            }
        }
        let threads = std::mem::take(&mut state.threads);
        self.room.notify_all();
        self.timer.close();
        drop(state);
        wakes.fire();
        let own = std::thread::current().id();
        for thread in threads.into_iter().filter(|thread| thread.thread().id() != own) {
            let _ = thread.join();
        }
    }
}

/// A worker that is gone has said so itself; its orders go nowhere.
fn order(state: &State, worker: WorkerId, order: Order, wakes: &mut Wakes) {
    if let Some(inbox) = state.inboxes.get(&worker)
        && inbox.push(order)
    {
        wakes.inboxes.push(Arc::clone(inbox));
    }
}
