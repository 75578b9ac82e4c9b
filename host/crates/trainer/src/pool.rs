//! A few threads that run the parts of one job at a time; knows nothing of what they compute.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::error::TrainError;

/// Something whose jobs fall into parts that may run at the same time.
pub(crate) trait Work: Send + Sync + 'static {
    type Job: Copy + Send;
    /// Runs one part on thread `worker`, counted from 0; two parts never run on one at a time.
    fn run(&self, job: Self::Job, part: usize, worker: usize);
}

/// Looks at the generation before sleeping: a phase follows the last within some microseconds,
/// and waking a sleeper takes about fifty.
const SPINS: u32 = 4000;

struct Board<J> {
    job: Option<J>,
    parts: usize,
    generation: u64,
    busy: usize,
    quit: bool,
    panic: Option<Box<dyn Any + Send>>,
}

struct Shared<W: Work> {
    work: Arc<W>,
    board: Mutex<Board<W::Job>>,
    /// The board's generation, for spinning without the lock.
    posted: AtomicU64,
    next: AtomicUsize,
    busy: AtomicUsize,
    /// Nanoseconds that the threads beside the caller's have computed.
    cpu_ns: AtomicU64,
    wake: Condvar,
    done: Condvar,
}

/// The threads; joined on drop.
pub(crate) struct Pool<W: Work> {
    shared: Arc<Shared<W>>,
    threads: Vec<JoinHandle<()>>,
}

impl<W: Work> std::fmt::Debug for Pool<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("threads", &(self.threads.len() + 1)).finish_non_exhaustive()
    }
}

impl<W: Work> Pool<W> {
    /// `threads` in all, the caller's among them.
    pub(crate) fn new(work: Arc<W>, threads: usize) -> Result<Self, TrainError> {
        let board = Board { job: None, parts: 0, generation: 0, busy: 0, quit: false, panic: None };
        let shared = Arc::new(Shared {
            work,
            board: Mutex::new(board),
            posted: AtomicU64::new(0),
            next: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            cpu_ns: AtomicU64::new(0),
            wake: Condvar::new(),
            done: Condvar::new(),
        });
        let mut pool = Self { shared, threads: Vec::new() };
        for i in 1..threads {
            let shared = Arc::clone(&pool.shared);
            let thread = thread::Builder::new().name(format!("trainer-{i}"));
            let thread = thread.spawn(move || shared.serve(i)).map_err(TrainError::Thread)?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    /// Seconds that the threads beside the caller's have computed so far, their waiting not counted.
    pub(crate) fn cpu_s(&self) -> f64 {
        std::time::Duration::from_nanos(self.shared.cpu_ns.load(Ordering::Relaxed)).as_secs_f64()
    }

    /// Runs all parts of a job and returns when the last is done. A part's panic goes on here.
    pub(crate) fn run(&self, job: W::Job, parts: usize) {
        let shared = &*self.shared;
        if self.threads.is_empty() {
            (0..parts).for_each(|part| shared.work.run(job, part, 0));
            return;
        }
        {
            let mut board = shared.lock();
            (board.job, board.parts, board.busy) = (Some(job), parts, self.threads.len());
            board.generation += 1;
            shared.next.store(0, Ordering::Release);
            shared.busy.store(self.threads.len(), Ordering::Release);
            shared.posted.store(board.generation, Ordering::Release);
        }
        shared.wake.notify_all();
        let own = shared.parts(job, parts, 0);
        for _ in 0..SPINS {
            if shared.busy.load(Ordering::Acquire) == 0 {
                break;
            }
            std::hint::spin_loop();
        }
        let mut board = shared.lock();
        while board.busy > 0 {
            board = shared.done.wait(board).unwrap_or_else(PoisonError::into_inner);
        }
        let panic = board.panic.take();
        drop(board);
        if let Some(panic) = own.err().or(panic) {
            resume_unwind(panic);
        }
    }
}

fn thread_cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).unwrap_or(0)
}

impl<W: Work> Shared<W> {
    fn lock(&self) -> MutexGuard<'_, Board<W::Job>> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes parts until none is left.
    fn parts(&self, job: W::Job, parts: usize, worker: usize) -> Result<(), Box<dyn Any + Send>> {
        catch_unwind(AssertUnwindSafe(|| {
            loop {
                let part = self.next.fetch_add(1, Ordering::AcqRel);
                if part >= parts {
                    break;
                }
                self.work.run(job, part, worker);
            }
        }))
    }

    fn serve(&self, worker: usize) {
        let mut seen = 0;
        loop {
            for _ in 0..SPINS {
                if self.posted.load(Ordering::Acquire) != seen {
                    break;
                }
                std::hint::spin_loop();
            }
            let mut board = self.lock();
            while board.generation == seen && !board.quit {
                board = self.wake.wait(board).unwrap_or_else(PoisonError::into_inner);
            }
            if board.quit {
                return;
            }
            seen = board.generation;
            let (job, parts) = (board.job.expect("a generation has a job"), board.parts);
            drop(board);
            let before_ns = thread_cpu_ns();
            let outcome = self.parts(job, parts, worker);
            self.cpu_ns.fetch_add(thread_cpu_ns().saturating_sub(before_ns), Ordering::Relaxed);
            let mut board = self.lock();
            board.panic = board.panic.take().or(outcome.err());
            board.busy -= 1;
            self.busy.store(board.busy, Ordering::Release);
            if board.busy == 0 {
                self.done.notify_one();
            }
        }
    }
}

impl<W: Work> Drop for Pool<W> {
    fn drop(&mut self) {
        self.shared.lock().quit = true;
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            // A panic of a part was already passed on by `run`.
            drop(thread.join());
        }
    }
}
