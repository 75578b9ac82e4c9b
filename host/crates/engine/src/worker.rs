//! Workers: threads that run one call after another, tasks or one actor. A worker that dies says so by
//! being dropped.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use mobula_contract::{
    CheckpointId, Failure, FailureKind, Object, OutputNote, Receipt, StageContext as _, StageRef,
    Value,
};
use rustix::time::{ClockId, clock_gettime};

use crate::context::{CallContext, Stream};
use crate::core::{ActorId, Event, SaveId, UnitId, WorkerId};
use crate::fault::FaultKind;
use crate::inner::{ActorWork, Inner, Work};
use crate::input::gather;
use crate::objects::Missing;
use crate::port::{Actor, Call};
use crate::slot::{lock, spin_until};
use crate::writer::{Content, Job, SaveJob};

/// What a worker is told.
pub(crate) enum Order {
    Call { unit: UnitId, attempt: u32, work: Arc<Work> },
    Save { save: SaveId, after: StageRef, id: CheckpointId, position: usize },
    Finish,
    Stop,
}

/// The orders of one worker: one call, and for actors a snapshot and the last word.
#[derive(Default)]
pub(crate) struct Inbox {
    orders: Mutex<Orders>,
    /// How many there are, for who looks without the lock.
    count: AtomicUsize,
    changed: Condvar,
}

#[derive(Default)]
struct Orders {
    waiting: VecDeque<Order>,
    /// The worker sleeps: telling a condition that nobody waits for costs a system call all the same.
    asleep: bool,
}

impl Inbox {
    /// Enters an order, under the engine's lock so that orders keep their order; whether the worker is
    /// to be woken.
    pub(crate) fn push(&self, order: Order) -> bool {
        let mut orders = lock(&self.orders);
        orders.waiting.push_back(order);
        self.count.store(orders.waiting.len(), Ordering::Release);
        orders.asleep
    }

    pub(crate) fn wake(&self) {
        self.changed.notify_one();
    }

    /// The next order. `clock` learns of it when the worker had to wait.
    fn next(&self, clock: &mut CpuClock) -> Order {
        if self.count.load(Ordering::Acquire) == 0 {
            clock.read_s = None;
            spin_until(|| self.count.load(Ordering::Acquire) > 0);
        }
        let mut orders = lock(&self.orders);
        loop {
            if let Some(order) = orders.waiting.pop_front() {
                self.count.store(orders.waiting.len(), Ordering::Release);
                return order;
            }
            orders.asleep = true;
            orders = self.changed.wait(orders).unwrap_or_else(PoisonError::into_inner);
            orders.asleep = false;
        }
    }
}

/// What a worker's thread has computed. Where one call follows another at once, the end of the one is the
/// beginning of the other: asking the system takes longer than all else that a small call costs here.
#[derive(Default)]
struct CpuClock {
    /// Seconds when it was read last, if the thread has not waited since.
    read_s: Option<f64>,
}

impl CpuClock {
    fn begin_s(&self) -> f64 {
        self.read_s.unwrap_or_else(thread_cpu_s)
    }

    fn end_s(&mut self) -> f64 {
        *self.read_s.insert(thread_cpu_s())
    }
}

/// A worker that was started.
pub(crate) struct Spawned {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) thread: JoinHandle<()>,
}

/// Sends word when the thread ends without having been told to.
struct Watch {
    worker: WorkerId,
    inner: Arc<Inner>,
    armed: bool,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.armed {
            self.inner.lock().forget_worker(self.worker);
            let message = format!("worker {} died", self.worker);
            self.inner.step(Event::WorkerLost { worker: self.worker, message });
        }
    }
}

fn spawn(
    worker: WorkerId,
    inner: &Arc<Inner>,
    body: impl FnOnce(&Arc<Inner>, &Inbox) + Send + 'static,
) -> Spawned {
    let inbox = Arc::new(Inbox::default());
    let (inner, orders) = (Arc::clone(inner), Arc::clone(&inbox));
    let thread = thread::Builder::new().name(worker.to_string()).spawn(move || {
        let mut watch = Watch { worker, inner: Arc::clone(&inner), armed: true };
        body(&inner, &orders);
        watch.armed = false;
    });
    Spawned { inbox, thread: thread.expect("the system can start a thread") }
}

/// A worker of the pool: tasks, one after another.
pub(crate) fn spawn_pool(worker: WorkerId, inner: &Arc<Inner>) -> Spawned {
    spawn(worker, inner, move |inner, inbox| {
        let mut clock = CpuClock::default();
        while let Order::Call { unit, attempt, work } = inbox.next(&mut clock) {
            let call = CallOrder { unit, worker, attempt, work };
            run_call(inner, &mut clock, call, |call| (inner.stages.run_task(call), true));
        }
    })
}

/// A worker with one actor on it, from the actor's creation to its end.
pub(crate) fn spawn_actor(
    worker: WorkerId,
    actor: ActorId,
    work: Arc<ActorWork>,
    from: Option<CheckpointId>,
    inner: &Arc<Inner>,
) -> Spawned {
    spawn(worker, inner, move |inner, inbox| match create(&work, from, inner) {
        Err(failure) => inner.step(Event::ActorStarted { actor, worker, result: Err(failure) }),
        Ok(living) => {
            inner.step(Event::ActorStarted { actor, worker, result: Ok(()) });
            serve_actor(worker, actor, living, &work, inner, inbox);
        }
    })
}

fn create(
    work: &ActorWork,
    from: Option<CheckpointId>,
    inner: &Arc<Inner>,
) -> Result<Box<dyn Actor>, Failure> {
    let state = from.map(|id| load(id, work)).transpose()?;
    let place = StageRef { name: work.spec.name.clone(), index: 0, repeated: false };
    let context = CallContext::new(inner, &work.session, &place, &work.cancelled);
    inner.stages.create_actor(&work.spec, state, Arc::new(context) as _)
}

fn load(id: CheckpointId, work: &ActorWork) -> Result<Vec<u8>, Failure> {
    let (reply, answer) = sync_channel(1);
    work.session.jobs.push(Job::Load(id, reply));
    let gone = |_| Failure::new(FailureKind::Host, "the journal is closed");
    answer.recv().map_err(gone)?
}

fn serve_actor(
    worker: WorkerId,
    actor: ActorId,
    mut living: Box<dyn Actor>,
    work: &ActorWork,
    inner: &Arc<Inner>,
    inbox: &Inbox,
) {
    let mut clock = CpuClock::default();
    loop {
        match inbox.next(&mut clock) {
            Order::Call { unit, attempt, work } => {
                let order = CallOrder { unit, worker, attempt, work };
                let goes_on = run_call(inner, &mut clock, order, |call| {
                    let result = living.call(call);
                    let alive = result.is_ok() || living.is_alive();
                    (result, alive)
                });
                if !goes_on {
                    return;
                }
            }
            Order::Save { save, after, id, position } => {
                let actor = work.spec.name.clone();
                let order = SaveOrder { save, after, id, position, actor };
                take_snapshot(&mut *living, work, inner, order);
            }
            Order::Finish => {
                let result = living.state_digest();
                // Who learns that the actor ended finds its memory given back.
                drop(living);
                inner.step(Event::ActorFinished { actor, worker, result });
                return;
            }
            Order::Stop => return,
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

fn take_snapshot(living: &mut dyn Actor, work: &ActorWork, inner: &Arc<Inner>, order: SaveOrder) {
    let SaveOrder { save, after, id, position, actor } = order;
    let decided = Instant::now();
    let taken = living.snapshot().and_then(|state| {
        let charge = inner.objects.reserve(state.len() as u64, || false)?;
        Ok((state, charge))
    });
    match taken {
        Err(failure) => inner.step(Event::SaveEnded { save, result: Err(failure) }),
        Ok((state, charge)) => {
            let blocking_s = decided.elapsed().as_secs_f64();
            inner.step(Event::SaveTaken { save, blocking_s, bytes: state.len() as u64 });
            let content = Content::State(state, charge);
            let actor = Some(actor);
            let job =
                SaveJob { save, id, stage: after, actor, position, content, decided, blocking_s };
            if let Some(replaced) = work.session.jobs.push_save(job) {
                inner.step(Event::SaveReplaced(replaced));
            }
        }
    }
}

struct CallOrder {
    unit: UnitId,
    worker: WorkerId,
    attempt: u32,
    work: Arc<Work>,
}

/// Runs one call and sends its end; false when the thing that was called cannot be called again.
fn run_call(
    inner: &Arc<Inner>,
    clock: &mut CpuClock,
    order: CallOrder,
    call: impl FnOnce(Call<'_>) -> (Result<Object, Failure>, bool),
) -> bool {
    let CallOrder { unit, worker, attempt, work } = order;
    let stream = work.stream.then(|| {
        let next = AtomicUsize::new(0);
        Stream { unit, slot: Arc::clone(&work.slot), next }
    });
    let context = CallContext::new(inner, &work.session, &work.stage, &work.cancelled)
        .of_unit(unit)
        .with_fault(attempt)
        .with_stream(stream);
    let context = Arc::new(context);
    let (started, cpu_before_s) = (Instant::now(), clock.begin_s());
    context.reach(0.0);
    let (mut result, mut alive) = if context.cancelled() {
        let message = format!("{} was cancelled", work.stage);
        (Err(Failure::new(FailureKind::Cancelled, message)), true)
    } else {
        match gather(&work.inputs, &inner.objects, &work.stage) {
            Err(Missing::Lost(source)) => {
                inner.step(Event::Lost(source));
                let message = format!("an input of {} was lost", work.stage);
                (Err(Failure::new(FailureKind::Host, message)), true)
            }
            Err(Missing::Failed(failure)) => (Err(failure), true),
            Ok(inputs) => call(Call {
                spec: &work.spec,
                stage: &work.stage,
                inputs,
                context: Arc::clone(&context) as _,
            }),
        }
    };
    if result.is_err() {
        say_lost(inner, &work);
    }
    context.reach(1.0);
    if let Some(kind) = context.fault_due() {
        result = Err(injected(kind, &work.stage));
        alive = false;
    }
    let used = context.taken_use();
    let receipt = Receipt {
        wall_s: started.elapsed().as_secs_f64(),
        cpu_s: clock.end_s() - cpu_before_s + used.helpers_cpu_s,
        memory_peak_bytes: used.memory_peak_bytes,
        bytes_in: used.bytes_in,
        bytes_out: used.bytes_out,
        cold: used.cold,
    };
    work.slot.add_receipt(&receipt);
    let recorded = work.session.recorded;
    let result = result.and_then(|object| {
        let notes = if recorded { describe(&object) } else { Vec::new() };
        let bytes = if recorded { object.byte_len() } else { 0 };
        inner.objects.insert(unit, object)?;
        Ok((notes, bytes))
    });
    drop(context);
    inner.step(Event::CallEnded { unit, worker, receipt, alive, result });
    work.session.jobs.wait_for_room();
    alive
}

/// Says which inputs are nowhere any more, so that they are made again before the call is.
fn say_lost(inner: &Arc<Inner>, work: &Work) {
    for source in work.inputs.iter().flat_map(|(_, input)| input.sources()) {
        if inner.objects.get(*source).is_ok_and(|object| object.is_lost()) {
            inner.step(Event::Lost(*source));
        }
    }
}

/// Seconds that this thread has computed.
fn thread_cpu_s() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "seconds of a thread's life")]
    let seconds = time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
    seconds
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
