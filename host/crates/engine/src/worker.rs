//! Workers: threads that run one call after another, tasks or one actor, and what a call sees of its
//! host. A worker that dies says so by being dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use mobula_contract::{
    ActorSpec, CheckpointId, EventBody, Failure, FailureKind, Level, Object, Pipeline,
    StageContext, StageRef,
};

use crate::core::{ActorId, Event, SaveId, WorkerId};
use crate::fault::{Fault, FaultKind};
use crate::plan::UnitId;
use crate::port::{Actor, Call, Stages};
use crate::run::Message;
use crate::writer::{Content, Job, SaveJob};

/// Orders that a worker may have before it: a call, a snapshot and the last word.
const ORDERS_MAX: usize = 8;

/// What all workers of a run share.
pub(crate) struct Shared {
    pub(crate) pipeline: Pipeline,
    pub(crate) stages: Arc<dyn Stages>,
    pub(crate) messages: Sender<Message>,
    pub(crate) jobs: SyncSender<Job>,
    pub(crate) cancelled: Arc<AtomicBool>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) kill_host: fn(),
}

pub(crate) enum Order {
    Call(CallOrder),
    Save { save: SaveId, after: StageRef, id: CheckpointId, position: usize },
    Finish,
}

pub(crate) struct CallOrder {
    pub(crate) unit: UnitId,
    pub(crate) spec: usize,
    pub(crate) stage: StageRef,
    pub(crate) inputs: Object,
    pub(crate) attempt: u32,
}

/// A worker's thread, as the run sees it.
pub(crate) struct Worker {
    pub(crate) orders: SyncSender<Order>,
    pub(crate) thread: JoinHandle<()>,
}

/// What a call may say to and ask of its host.
pub struct CallContext {
    stage: StageRef,
    seed: u64,
    messages: Sender<Message>,
    cancelled: Arc<AtomicBool>,
    fault: Option<Fault>,
    fault_due: AtomicBool,
    kill_host: fn(),
}

impl std::fmt::Debug for CallContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallContext").field("stage", &self.stage).finish_non_exhaustive()
    }
}

impl CallContext {
    fn new(shared: &Shared, stage: &StageRef, attempt: u32) -> Self {
        let fault = shared.faults.iter().find(|fault| attempt == 1 && fault.is_for(stage));
        Self {
            stage: stage.clone(),
            seed: stage_seed(shared.pipeline.seed, stage),
            messages: shared.messages.clone(),
            cancelled: Arc::clone(&shared.cancelled),
            fault: fault.cloned(),
            fault_due: AtomicBool::new(false),
            kill_host: shared.kill_host,
        }
    }

    fn reach(&self, share: f64) {
        let Some(fault) = self.fault.as_ref().filter(|fault| share >= fault.at) else { return };
        if fault.kind == FaultKind::HostKill {
            (self.kill_host)();
        }
        self.fault_due.store(true, Ordering::Relaxed);
    }

    fn fault_due(&self) -> Option<FaultKind> {
        let due = self.fault_due.load(Ordering::Relaxed);
        self.fault.as_ref().filter(|_| due).map(|fault| fault.kind)
    }

    fn say(&self, body: EventBody) {
        let _ = self.messages.send(Message::Said(body));
    }
}

impl StageContext for CallContext {
    fn log(&self, level: Level, message: &str) {
        let (stage, message) = (self.stage.clone(), message.to_owned());
        self.say(EventBody::Log { stage, level, message });
    }

    fn progress(&self, done: u64, total: Option<u64>) {
        self.say(EventBody::Progress { stage: self.stage.clone(), done, total });
        if let Some(total) = total.filter(|total| *total > 0) {
            #[expect(clippy::cast_precision_loss, reason = "a share for a progress bar")]
            self.reach(done as f64 / total as f64);
        }
    }

    fn metric(&self, name: &str, step: u64, value: f64) {
        let (stage, name) = (self.stage.clone(), name.to_owned());
        self.say(EventBody::Metric { stage, name, step, value });
    }

    fn seed(&self) -> u64 {
        self.seed
    }

    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed) || self.fault_due().is_some()
    }
}

/// The seed of a stage: FNV-1a over the run's seed, the stage's name and its index.
fn stage_seed(run: u64, stage: &StageRef) -> u64 {
    let bytes = run.to_le_bytes();
    let index = stage.index.to_le_bytes();
    let all = bytes.iter().chain(stage.name.as_bytes()).chain(&index);
    all.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Sends word when the thread ends without having been told to.
struct Watch {
    worker: WorkerId,
    messages: Sender<Message>,
    armed: bool,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.armed {
            let message = format!("worker {} died", self.worker);
            let event = Event::WorkerLost { worker: self.worker, message };
            let _ = self.messages.send(Message::Event(event));
        }
    }
}

fn spawn(
    worker: WorkerId,
    shared: &Arc<Shared>,
    body: impl FnOnce(&Arc<Shared>, &Receiver<Order>) + Send + 'static,
) -> Worker {
    let (orders, queue) = sync_channel(ORDERS_MAX);
    let shared = Arc::clone(shared);
    let thread = thread::Builder::new().name(worker.to_string()).spawn(move || {
        let messages = shared.messages.clone();
        let mut watch = Watch { worker, messages, armed: true };
        body(&shared, &queue);
        watch.armed = false;
    });
    Worker { orders, thread: thread.expect("the system can start a thread") }
}

/// A worker of the pool: tasks, one after another.
pub(crate) fn spawn_pool_worker(worker: WorkerId, shared: &Arc<Shared>) -> Worker {
    spawn(worker, shared, move |shared, queue| {
        while let Ok(Order::Call(order)) = queue.recv() {
            run_call(worker, shared, order, |call| shared.stages.run_task(call));
        }
    })
}

/// A worker with one actor on it, from the actor's creation to its end.
pub(crate) fn spawn_actor_worker(
    worker: WorkerId,
    actor: ActorId,
    from: Option<CheckpointId>,
    shared: &Arc<Shared>,
) -> Worker {
    spawn(worker, shared, move |shared, queue| {
        let spec = &shared.pipeline.actors[actor.0];
        let send = |event| shared.messages.send(Message::Event(event)).is_ok();
        match create(spec, from, shared) {
            Err(failure) => {
                send(Event::ActorStarted { actor, worker, result: Err(failure) });
            }
            Ok(mut living) => {
                send(Event::ActorStarted { actor, worker, result: Ok(()) });
                serve_actor(worker, actor, &mut *living, shared, queue);
            }
        }
    })
}

fn create(
    spec: &ActorSpec,
    from: Option<CheckpointId>,
    shared: &Shared,
) -> Result<Box<dyn Actor>, Failure> {
    let state = from.map(|id| load(id, shared)).transpose()?;
    let place = StageRef { name: spec.name.clone(), index: 0, repeated: false };
    let context = Arc::new(CallContext::new(shared, &place, 0));
    shared.stages.create_actor(spec, state, context)
}

pub(crate) fn load(id: CheckpointId, shared: &Shared) -> Result<Vec<u8>, Failure> {
    let gone = || Failure::new(FailureKind::Host, "the journal is closed");
    let (reply, answer) = sync_channel(1);
    shared.jobs.send(Job::Load(id, reply)).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}

fn serve_actor(
    worker: WorkerId,
    actor: ActorId,
    living: &mut dyn Actor,
    shared: &Arc<Shared>,
    queue: &Receiver<Order>,
) {
    while let Ok(order) = queue.recv() {
        match order {
            Order::Call(order) => {
                if !run_call(worker, shared, order, |call| living.call(call)) {
                    return;
                }
            }
            Order::Save { save, after, id, position } => {
                let actor = shared.pipeline.actors[actor.0].name.clone();
                take_snapshot(living, shared, SaveOrder { save, after, id, position, actor });
            }
            Order::Finish => {
                let result = living.state_digest();
                let event = Event::ActorFinished { actor, worker, result };
                let _ = shared.messages.send(Message::Event(event));
                return;
            }
        }
    }
}

struct SaveOrder {
    save: SaveId,
    after: StageRef,
    id: CheckpointId,
    position: usize,
    actor: String,
}

fn take_snapshot(living: &mut dyn Actor, shared: &Shared, order: SaveOrder) {
    let SaveOrder { save, after, id, position, actor } = order;
    let decided = Instant::now();
    match living.snapshot() {
        Err(failure) => {
            let event = Event::SaveEnded { save, result: Err(failure) };
            let _ = shared.messages.send(Message::Event(event));
        }
        Ok(state) => {
            let blocking_s = decided.elapsed().as_secs_f64();
            let event = Event::SaveTaken { save, blocking_s, bytes: state.len() as u64 };
            let _ = shared.messages.send(Message::Event(event));
            let content = Content::State(state);
            let actor = Some(actor);
            let job =
                SaveJob { save, id, stage: after, actor, position, content, decided, blocking_s };
            let _ = shared.jobs.send(Job::Save(job));
        }
    }
}

/// Runs one call and sends its end; false when the thing that was called cannot be called again.
fn run_call(
    worker: WorkerId,
    shared: &Arc<Shared>,
    order: CallOrder,
    call: impl FnOnce(Call<'_>) -> Result<Object, Failure>,
) -> bool {
    let context = Arc::new(CallContext::new(shared, &order.stage, order.attempt));
    let started = Instant::now();
    context.reach(0.0);
    let mut result = match context.fault_due() {
        Some(_) => Err(Failure::new(FailureKind::Cancelled, "stopped")),
        None => call(Call {
            spec: &shared.pipeline.stages[order.spec],
            stage: &order.stage,
            inputs: order.inputs,
            context: Arc::clone(&context),
        }),
    };
    context.reach(1.0);
    if let Some(kind) = context.fault_due() {
        result = Err(injected(kind, &order.stage));
    }
    let runtime_s = started.elapsed().as_secs_f64();
    let again = result.is_ok();
    let _ = shared.messages.send(Message::Ended { unit: order.unit, worker, runtime_s, result });
    again
}

/// The failure that was asked for; a crash of the worker unwinds instead of returning.
fn injected(kind: FaultKind, stage: &StageRef) -> Failure {
    match kind {
        FaultKind::WorkerCrash => std::panic::resume_unwind(Box::new("injected worker-crash")),
        FaultKind::ActorCrash => {
            Failure::new(FailureKind::WorkerLost, format!("injected actor-crash in {stage}"))
        }
        FaultKind::Trap | FaultKind::HostKill => {
            Failure::new(FailureKind::Trap, format!("injected trap in {stage}"))
        }
    }
}
