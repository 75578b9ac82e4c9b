//! Sends word when a delay is over: one thread for all delays of an engine.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::core::Due;
use crate::slot::lock;

#[derive(Debug, Default)]
struct Shared {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    due: BinaryHeap<Reverse<(Instant, u64)>>,
    what: std::collections::HashMap<u64, Due>,
    count: u64,
    closed: bool,
}

/// The delays of an engine.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timer {
    shared: Arc<Shared>,
}

impl Timer {
    pub(crate) fn wake(&self, after_ms: u64, due: Due) {
        let mut inner = lock(&self.shared.inner);
        let number = inner.count;
        inner.count += 1;
        inner.what.insert(number, due);
        inner.due.push(Reverse((Instant::now() + Duration::from_millis(after_ms), number)));
        self.shared.changed.notify_one();
    }

    pub(crate) fn close(&self) {
        lock(&self.shared.inner).closed = true;
        self.shared.changed.notify_one();
    }

    /// Starts the thread; `send` is called without any lock held.
    pub(crate) fn start(&self, send: impl Fn(Due) + Send + 'static) -> JoinHandle<()> {
        let timer = self.clone();
        let run = move || {
            while let Some(due) = timer.next() {
                send(due);
            }
        };
        let thread = thread::Builder::new().name("timer".to_owned()).spawn(run);
        thread.expect("the system can start a thread")
    }

    fn next(&self) -> Option<Due> {
        let mut inner = lock(&self.shared.inner);
        loop {
            if inner.closed {
                return None;
            }
            let now = Instant::now();
            match inner.due.peek().map(|Reverse((at, _))| *at) {
                Some(at) if at <= now => {
                    let Reverse((_, number)) = inner.due.pop().expect("just seen");
                    return inner.what.remove(&number);
                }
                Some(at) => {
                    let waited = self.shared.changed.wait_timeout(inner, at - now);
                    inner = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                None => {
                    let waited = self.shared.changed.wait(inner);
                    inner = waited.unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}
