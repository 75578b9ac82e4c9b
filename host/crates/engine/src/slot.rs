//! Where one waits for a unit: its outcome, the objects of a stream, and who is to be woken.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use mobula_contract::{Failure, Receipt};

use crate::core::UnitId;

/// Objects of a stream that wait for their reader: then the stream itself waits.
const STREAM_AHEAD: usize = 8;
/// How often a waiting call looks whether it was cancelled.
const GIVE_UP_POLL: Duration = Duration::from_millis(10);

/// Somebody who waits for some of several slots.
#[derive(Debug)]
pub(crate) struct Waiter {
    hits: AtomicUsize,
    wanted: AtomicUsize,
    gate: Mutex<()>,
    changed: Condvar,
}

impl Default for Waiter {
    fn default() -> Self {
        let (gate, changed) = (Mutex::default(), Condvar::default());
        Self { hits: AtomicUsize::new(0), wanted: AtomicUsize::new(1), gate, changed }
    }
}

impl Waiter {
    pub(crate) fn wake(&self) {
        let hits = self.hits.fetch_add(1, Ordering::SeqCst) + 1;
        if hits >= self.wanted.load(Ordering::SeqCst) {
            let _gate = lock(&self.gate);
            self.changed.notify_one();
        }
    }

    /// Waits until woken or the time is over; whether it was woken.
    pub(crate) fn wait(&self, until: Option<Instant>) -> bool {
        self.wait_for(1, until)
    }

    /// The same until it was woken so often.
    pub(crate) fn wait_for(&self, count: usize, until: Option<Instant>) -> bool {
        self.wanted.store(count, Ordering::SeqCst);
        let enough = || self.hits.load(Ordering::SeqCst) >= count;
        if !spin_until(enough) {
            let mut gate = lock(&self.gate);
            while !enough() {
                gate = match until {
                    None => self.changed.wait(gate).unwrap_or_else(PoisonError::into_inner),
                    Some(until) => {
                        let left = until.saturating_duration_since(Instant::now());
                        if left.is_zero() {
                            return false;
                        }
                        let waited = self.changed.wait_timeout(gate, left);
                        waited.unwrap_or_else(PoisonError::into_inner).0
                    }
                };
            }
        }
        self.hits.store(0, Ordering::SeqCst);
        true
    }
}

/// How long a thread looks before it sleeps. Waking a sleeping processor costs up to 25 µs each way on a
/// virtual machine (measured on two cores: 49 µs for a task that does nothing, 8 µs with this).
const SPIN: Duration = Duration::from_micros(40);

/// Looks for a short time whether something has happened; where there is one processor only once.
pub(crate) fn spin_until(is_so: impl Fn() -> bool) -> bool {
    static ALONE: OnceLock<bool> = OnceLock::new();
    let alone =
        ALONE.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from) < 2);
    if is_so() {
        return true;
    }
    if *alone {
        return false;
    }
    let begun = Instant::now();
    while begun.elapsed() < SPIN {
        for _ in 0..16 {
            if is_so() {
                return true;
            }
            std::hint::spin_loop();
        }
    }
    false
}

/// One unit, as those see it who wait for it.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    inner: Mutex<Inner>,
    room: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    outcome: Option<Result<(), Failure>>,
    receipt: Option<Receipt>,
    waiters: Vec<Arc<Waiter>>,
    items: VecDeque<UnitId>,
    /// The reader of the stream is gone.
    unread: bool,
    /// The paused call may go on.
    go: bool,
}

/// What a stream has for its reader.
pub(crate) enum Next {
    Item(UnitId),
    End(Result<(), Failure>),
    Nothing,
}

impl Slot {
    pub(crate) fn resolved() -> Self {
        let inner = Inner { outcome: Some(Ok(())), ..Inner::default() };
        Self { inner: Mutex::new(inner), room: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    pub(crate) fn outcome(&self) -> Option<Result<(), Failure>> {
        self.lock().outcome.clone()
    }

    pub(crate) fn is_resolved(&self) -> bool {
        self.lock().outcome.is_some()
    }

    pub(crate) fn receipt(&self) -> Option<Receipt> {
        self.lock().receipt
    }

    pub(crate) fn add_receipt(&self, receipt: &Receipt) {
        self.lock().receipt.get_or_insert_default().add(receipt);
    }

    /// Enters the outcome; gives those who are to be woken.
    pub(crate) fn resolve(&self, result: Result<(), Failure>) -> Vec<Arc<Waiter>> {
        let mut inner = self.lock();
        inner.outcome = Some(result);
        std::mem::take(&mut inner.waiters)
    }

    /// The object is being made again.
    pub(crate) fn unresolve(&self) {
        self.lock().outcome = None;
    }

    /// Has the waiter woken when there is something; false when there already is.
    pub(crate) fn watch(&self, waiter: &Arc<Waiter>) -> bool {
        let mut inner = self.lock();
        if inner.outcome.is_some() || !inner.items.is_empty() {
            return false;
        }
        inner.waiters.push(Arc::clone(waiter));
        true
    }

    /// Forgets a waiter that no longer waits.
    pub(crate) fn unwatch(&self, waiter: &Arc<Waiter>) {
        self.lock().waiters.retain(|other| !Arc::ptr_eq(other, waiter));
    }

    /// Another object of the stream; gives those who are to be woken. `None` when nobody reads.
    pub(crate) fn push(&self, item: UnitId) -> Option<Vec<Arc<Waiter>>> {
        let mut inner = self.lock();
        if inner.unread {
            return None;
        }
        inner.items.push_back(item);
        Some(std::mem::take(&mut inner.waiters))
    }

    pub(crate) fn next(&self) -> Next {
        let mut inner = self.lock();
        match (inner.items.pop_front(), &inner.outcome) {
            (Some(item), _) => {
                self.room.notify_all();
                Next::Item(item)
            }
            (None, Some(outcome)) => Next::End(outcome.clone()),
            (None, None) => Next::Nothing,
        }
    }

    /// The reader goes away; gives what it has not read.
    pub(crate) fn leave(&self) -> Vec<UnitId> {
        let mut inner = self.lock();
        inner.unread = true;
        self.room.notify_all();
        inner.items.drain(..).collect()
    }

    /// Whether the reader has caught up with the stream.
    pub(crate) fn has_room(&self) -> bool {
        let inner = self.lock();
        inner.items.len() < STREAM_AHEAD || inner.unread
    }

    /// Waits until the reader has caught up; false when `give_up` says so before.
    pub(crate) fn wait_for_room(&self, give_up: impl Fn() -> bool) -> bool {
        self.wait_for(give_up, |inner| inner.items.len() < STREAM_AHEAD || inner.unread)
    }

    /// Waits until the call that had paused may go on; false when `give_up` says so before.
    pub(crate) fn wait_for_go(&self, give_up: impl Fn() -> bool) -> bool {
        let went = self.wait_for(give_up, |inner| inner.go);
        self.lock().go = false;
        went
    }

    /// Lets the call go on that had paused.
    pub(crate) fn go(&self) {
        self.lock().go = true;
        self.room.notify_all();
    }

    /// Looks now and then whether to give up, since nobody says so.
    fn wait_for(&self, give_up: impl Fn() -> bool, is_so: impl Fn(&Inner) -> bool) -> bool {
        let mut inner = self.lock();
        while !is_so(&inner) {
            if give_up() {
                return false;
            }
            let waited = self.room.wait_timeout(inner, GIVE_UP_POLL);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

/// A panic elsewhere does not make plain data wrong.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
