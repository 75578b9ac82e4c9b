//! The shell of a run: takes in messages from workers and journal, asks the core, does what it says.
//! Decides nothing itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::time::Instant;

use mobula_contract::{
    EventBody, Failure, FailureKind, Object, OutputNote, Pipeline, RunEvent, RunStatus, Value,
};

use crate::core::{Core, Effect, Event, Left, NameCheckpoint, Resume, WorkerId};
use crate::fault::Fault;
use crate::plan::{Plan, UnitId};
use crate::port::{Journal, Policy, Stages};
use crate::worker::{CallOrder, Order, Shared, Worker, spawn_actor_worker, spawn_pool_worker};
use crate::writer::{self, Content, Job, SaveJob};

/// What reaches the shell. The channel has no bound of its own: each sender is one of the bounded
/// number of workers, which waits for an order after its word, or the journal.
pub(crate) enum Message {
    Event(Event),
    Ended { unit: UnitId, worker: WorkerId, runtime_s: f64, result: Result<Object, Failure> },
    Said(EventBody),
}

/// What a run is made of.
pub struct RunConfig {
    /// The checked pipeline.
    pub pipeline: Pipeline,
    /// Pool workers, at least 1.
    pub workers: usize,
    /// Runs tasks and actors.
    pub stages: Arc<dyn Stages>,
    /// Keeps events and checkpoints.
    pub journal: Box<dyn Journal>,
    /// Decides about checkpoints.
    pub policy: Box<dyn Policy>,
    /// Names checkpoints.
    pub name_checkpoint: NameCheckpoint,
    /// Failures to make.
    pub faults: Vec<Fault>,
    /// Kills this process, for the fault `host-kill`.
    pub kill_host: fn(),
    /// Seconds since the run's first start.
    pub begun_s: f64,
    /// What an earlier process left, with the outputs that are still needed.
    pub resumed: Option<(Left, Resume, HashMap<UnitId, Object>)>,
}

impl std::fmt::Debug for RunConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunConfig").field("pipeline", &self.pipeline).finish_non_exhaustive()
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// The status.
    pub status: RunStatus,
    /// Why it failed.
    pub error: Option<String>,
    /// Outputs that nobody in the pipeline reads: the results.
    pub results: Vec<(UnitId, Arc<Object>)>,
    /// Seconds since the run's first start.
    pub wall_s: f64,
}

/// Stops a run from another thread, such as a signal handler's.
#[derive(Debug, Clone)]
pub struct CancelHandle {
    cancelled: Arc<AtomicBool>,
    messages: Sender<Message>,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Message")
    }
}

impl CancelHandle {
    /// Asks running calls to stop and the run to end as interrupted.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
        let _ = self.messages.send(Message::Event(Event::Cancelled));
    }
}

/// A run in this process.
pub struct Run {
    core: Core,
    shared: Arc<Shared>,
    inbox: Receiver<Message>,
    jobs: SyncSender<Job>,
    journal: std::thread::JoinHandle<Box<dyn Journal>>,
    objects: HashMap<UnitId, Arc<Object>>,
    workers: HashMap<WorkerId, Worker>,
    started: Instant,
    begun_s: f64,
    pool_size: usize,
    resumed: bool,
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("core", &self.core).finish_non_exhaustive()
    }
}

impl Run {
    /// Makes a run ready; nothing starts but the journal's thread.
    #[must_use]
    pub fn new(config: RunConfig) -> Self {
        let (messages, inbox) = channel();
        let (jobs, journal) = writer::start(config.journal, messages.clone());
        let plan = Plan::new(&config.pipeline);
        let mut core = Core::new(plan, config.workers, config.policy, config.name_checkpoint);
        let mut objects = HashMap::new();
        let resumed = config.resumed.is_some();
        if let Some((left, resume, outputs)) = config.resumed {
            core.resume(&left, &resume);
            objects = outputs.into_iter().map(|(id, object)| (id, Arc::new(object))).collect();
        }
        let shared = Arc::new(Shared {
            pipeline: config.pipeline,
            stages: config.stages,
            messages,
            jobs: jobs.clone(),
            cancelled: Arc::new(AtomicBool::new(false)),
            faults: config.faults,
            kill_host: config.kill_host,
        });
        Self {
            core,
            shared,
            inbox,
            jobs,
            journal,
            objects,
            workers: HashMap::new(),
            started: Instant::now(),
            begun_s: config.begun_s,
            pool_size: config.workers,
            resumed,
        }
    }

    /// For stopping the run from elsewhere.
    #[must_use]
    pub fn cancel_handle(&self) -> CancelHandle {
        CancelHandle {
            cancelled: Arc::clone(&self.shared.cancelled),
            messages: self.shared.messages.clone(),
        }
    }

    fn now_s(&self) -> f64 {
        self.begun_s + self.started.elapsed().as_secs_f64()
    }

    /// Runs to the end. `watch` sees every event as it happens, progress included.
    pub fn finish(mut self, watch: &mut dyn FnMut(&RunEvent)) -> Outcome {
        let workers = u32::try_from(self.pool_size).unwrap_or(u32::MAX);
        self.keep(EventBody::RunStarted { workers, resumed: self.resumed }, watch);
        let mut effects = self.core.step(Event::Started);
        loop {
            for effect in effects {
                if let Effect::Finish { status, error } = effect {
                    return self.close(status, error);
                }
                self.perform(effect, watch);
            }
            let message = self.inbox.recv().expect("the run itself holds a sender");
            effects = self.take_in(message, watch);
        }
    }

    fn take_in(&mut self, message: Message, watch: &mut dyn FnMut(&RunEvent)) -> Vec<Effect> {
        let event = match message {
            Message::Said(body @ EventBody::Progress { .. }) => {
                watch(&RunEvent { at_s: self.now_s(), body });
                return Vec::new();
            }
            Message::Said(body) => {
                self.keep(body, watch);
                return Vec::new();
            }
            Message::Event(event) => event,
            Message::Ended { unit, worker, runtime_s, result } => {
                let result = result.map(|object| {
                    let note = (describe(&object), object.byte_len());
                    self.objects.insert(unit, Arc::new(object));
                    note
                });
                Event::CallEnded { unit, worker, runtime_s, result }
            }
        };
        self.core.step(event)
    }

    fn keep(&mut self, body: EventBody, watch: &mut dyn FnMut(&RunEvent)) {
        let event = RunEvent { at_s: self.now_s(), body };
        watch(&event);
        let _ = self.jobs.send(Job::Record(vec![event]));
    }

    fn perform(&mut self, effect: Effect, watch: &mut dyn FnMut(&RunEvent)) {
        match effect {
            Effect::Record(body) => self.keep(body, watch),
            Effect::SpawnWorker(worker) => {
                self.workers.insert(worker, spawn_pool_worker(worker, &self.shared));
            }
            Effect::Call { unit, worker, attempt } => self.call(unit, worker, attempt),
            Effect::StartActor { actor, worker, from } => {
                let spawned = spawn_actor_worker(worker, actor, from, &self.shared);
                self.workers.insert(worker, spawned);
            }
            Effect::FinishActor { worker, .. } => self.order(worker, Order::Finish),
            Effect::SaveState { save, worker, id, position, after, .. } => {
                let after = self.core.plan().unit(after).stage.clone();
                self.order(worker, Order::Save { save, after, id, position });
            }
            Effect::SaveObject { save, unit, id } => {
                let content = Content::Object(Arc::clone(&self.objects[&unit]));
                let stage = self.core.plan().unit(unit).stage.clone();
                let decided = Instant::now();
                let (actor, position, blocking_s) = (None, 0, 0.0);
                let job =
                    SaveJob { save, id, stage, actor, position, content, decided, blocking_s };
                let _ = self.jobs.send(Job::Save(job));
            }
            Effect::Release(unit) => {
                self.objects.remove(&unit);
            }
            Effect::CancelCalls => self.shared.cancelled.store(true, Ordering::Relaxed),
            Effect::Finish { .. } => unreachable!("the loop ends with it"),
        }
    }

    /// A worker that is gone has said so itself; its orders go nowhere.
    fn order(&self, worker: WorkerId, order: Order) {
        if let Some(worker) = self.workers.get(&worker) {
            let _ = worker.orders.send(order);
        }
    }

    fn call(&mut self, unit: UnitId, worker: WorkerId, attempt: u32) {
        let plan = self.core.plan().unit(unit);
        let (spec, stage) = (plan.spec, plan.stage.clone());
        match gather(&plan.inputs, &self.objects, self.core.plan()) {
            Ok(inputs) => {
                self.order(worker, Order::Call(CallOrder { unit, spec, stage, inputs, attempt }));
            }
            Err(failure) => {
                let ended = Message::Ended { unit, worker, runtime_s: 0.0, result: Err(failure) };
                let _ = self.shared.messages.send(ended);
            }
        }
    }

    fn close(self, status: RunStatus, error: Option<String>) -> Outcome {
        let wall_s = self.now_s();
        let plan = self.core.plan();
        let results = (0..plan.units.len())
            .map(UnitId)
            .filter(|id| plan.unit(*id).consumers.is_empty())
            .filter_map(|id| Some((id, Arc::clone(self.objects.get(&id)?))))
            .collect();
        for (_, worker) in self.workers {
            drop(worker.orders);
            let _ = worker.thread.join();
        }
        drop(self.jobs);
        drop(self.shared);
        let _ = self.journal.join();
        Outcome { status, error, results, wall_s }
    }
}

fn gather(
    inputs: &[(String, UnitId, String)],
    objects: &HashMap<UnitId, Arc<Object>>,
    plan: &Plan,
) -> Result<Object, Failure> {
    let mut gathered = Object::default();
    for (name, source, field) in inputs {
        let object = &objects[source];
        let Some(value) = object.get(field) else {
            let stage = &plan.unit(*source).stage;
            let there: Vec<&str> = object.fields.iter().map(|(name, _)| name.as_str()).collect();
            let there = there.join(", ");
            let message = format!("stage {stage} gave no field `{field}`: it gave {there}");
            return Err(Failure::new(FailureKind::Invalid, message));
        };
        gathered.fields.push((name.clone(), value.clone()));
    }
    Ok(gathered)
}

fn describe(object: &Object) -> Vec<(String, OutputNote)> {
    let note = |value: &Value| match value {
        Value::Json(json) => OutputNote::Json { value: json.clone() },
        Value::Tensor(tensor) => OutputNote::Tensor {
            dtype: tensor.dtype().name().to_owned(),
            shape: tensor.shape().to_vec(),
        },
        Value::Bytes(bytes) => OutputNote::Bytes { len: bytes.len() as u64 },
    };
    object.fields.iter().map(|(name, value)| (name.clone(), note(value))).collect()
}
