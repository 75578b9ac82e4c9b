//! What the shell keeps of a session, and how it tells what happens in it.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use mobula_contract::{EventBody, RunEvent, RunStatus};

use crate::core::SessionId;
use crate::fault::Fault;
use crate::slot::{Waiter, lock};
use crate::writer::{Job, Jobs};

/// The shell's part of a session.
pub(crate) struct SessionShell {
    pub(crate) id: SessionId,
    pub(crate) seed: u64,
    pub(crate) faults: Vec<Fault>,
    pub(crate) kill_host: fn(),
    pub(crate) recorded: bool,
    pub(crate) started: Instant,
    pub(crate) begun_s: f64,
    pub(crate) jobs: Arc<Jobs>,
    /// Sees every event as it happens, progress included.
    pub(crate) watch: Mutex<Option<Sender<RunEvent>>>,
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
            let _ = watch.send(event.clone());
        }
        if !shown_only {
            self.jobs.push(Job::Record(event));
        }
    }

    /// What a running call says; it waits where the journal has fallen far behind.
    pub(crate) fn say(&self, body: EventBody) {
        self.keep(body);
        self.jobs.wait_for_room();
    }

    pub(crate) fn finish(&self, status: RunStatus, error: Option<String>) {
        *lock(&self.finished) = Some((status, error));
        *lock(&self.watch) = None;
        // Until now calls and actors could still ask the journal for something.
        self.jobs.close();
    }
}
