//! What the shell keeps of a session, and how it tells what happens in it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mobula_contract::{EventBody, RunEvent, RunStatus};

use crate::core::SessionId;
use crate::fault::Fault;
use crate::slot::{Waiter, lock};
use crate::writer::{Job, Jobs};

/// Events that a watcher may be behind before calls wait for it: a slow terminal, some seconds of lines.
const UNSEEN_MAX: usize = 10_000;
/// How often they look.
const UNSEEN_POLL: Duration = Duration::from_millis(1);

/// The shell's part of a session.
pub(crate) struct SessionShell {
    pub(crate) id: SessionId,
    pub(crate) seed: u64,
    /// Failures to make; some may come while the session runs.
    pub(crate) faults: Arc<Mutex<Vec<Fault>>>,
    pub(crate) kill_host: fn(),
    pub(crate) recorded: bool,
    pub(crate) started: Instant,
    pub(crate) begun_s: f64,
    pub(crate) jobs: Arc<Jobs>,
    /// Sees every event as it happens, progress included.
    pub(crate) watch: Mutex<Option<Sender<RunEvent>>>,
    /// Events that it has not seen yet.
    pub(crate) unseen: AtomicUsize,
    pub(crate) finished: Mutex<Option<(RunStatus, Option<String>)>>,
    pub(crate) waiter: Arc<Waiter>,
}

impl SessionShell {
    pub(crate) fn now_s(&self) -> f64 {
        self.begun_s + self.started.elapsed().as_secs_f64()
    }

    /// Keeps an event and shows it. May be called under the engine's lock: it never waits.
    pub(crate) fn keep(&self, body: EventBody) {
        if !self.recorded {
            return;
        }
        let event = RunEvent { at_s: self.now_s(), body };
        let shown_only = matches!(event.body, EventBody::Progress { .. });
        if let Some(watch) = &*lock(&self.watch) {
            self.unseen.fetch_add(1, Ordering::Relaxed);
            let _ = watch.send(event.clone());
        }
        if !shown_only {
            self.jobs.push(Job::Record(event));
        }
    }

    /// What a running call says; it waits where the journal or the watcher has fallen far behind.
    pub(crate) fn say(&self, body: EventBody) {
        self.keep(body);
        self.jobs.wait_for_room();
        while self.unseen.load(Ordering::Relaxed) > UNSEEN_MAX && lock(&self.watch).is_some() {
            std::thread::sleep(UNSEEN_POLL);
        }
    }

    /// The watcher has seen one more event.
    pub(crate) fn seen(&self) {
        self.unseen.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn finish(&self, status: RunStatus, error: Option<String>) {
        *lock(&self.finished) = Some((status, error));
        *lock(&self.watch) = None;
        // Until now calls and actors could still ask the journal for something.
        self.jobs.close();
    }
}
