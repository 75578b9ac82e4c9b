//! A run of this server while it runs: how far it is, who waits for news of it, and how to stop it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use mobula_contract::{EventBody, OutputNote, Pipeline, PluginPin, RunEvent, RunId, StageRef};
use mobula_engine::{CancelHandle, Fault};
use mobula_server::documents::{Progress, Share};
use mobula_server::watch;

use super::lock;

/// A run that this process performs.
pub(super) struct LiveRun {
    pub(super) run: RunId,
    pub(super) pipeline: String,
    /// The components that it is bound to.
    pub(super) pins: Vec<PluginPin>,
    pub(super) chaos: bool,
    pulse: watch::Sender<u64>,
    state: Mutex<State>,
    control: Mutex<Control>,
    /// Somebody asked for its end.
    pub(super) cancelled: AtomicBool,
}

#[derive(Default)]
struct State {
    done: BTreeSet<StageRef>,
    total: u64,
    /// What stages with `foreach` add once that is known.
    expanded: BTreeMap<String, u32>,
    accuracy: Option<f64>,
    progress: BTreeMap<StageRef, Progress>,
}

/// How to reach the session; what was asked before there is one.
#[derive(Default)]
struct Control {
    handle: Option<CancelHandle>,
    cancel: bool,
    notice_s: Option<f64>,
}

impl LiveRun {
    pub(super) fn new(run: RunId, pipeline: &Pipeline, chaos: bool) -> Self {
        let counted = pipeline.stages.iter().filter(|stage| stage.foreach.is_none());
        let total = counted.map(|stage| u64::from(stage.repeat.unwrap_or(1))).sum();
        Self {
            run,
            pipeline: pipeline.name.clone(),
            pins: pipeline.plugins.clone(),
            chaos,
            pulse: watch::Sender::new(0),
            state: Mutex::new(State { total, ..State::default() }),
            control: Mutex::default(),
            cancelled: AtomicBool::new(false),
        }
    }

    /// There is something new in the store, or a call went on.
    pub(super) fn beat(&self) {
        self.pulse.send_modify(|beat| *beat += 1);
    }

    pub(super) fn follow(&self) -> watch::Receiver<u64> {
        self.pulse.subscribe()
    }

    /// Takes in an event as it happens.
    pub(super) fn see(&self, event: &RunEvent) {
        let mut state = lock(&self.state);
        match &event.body {
            EventBody::Progress { stage, done, total } => {
                let (done, total, at_s) = (*done, *total, event.at_s);
                let progress = Progress { stage: stage.clone(), done, total, at_s };
                state.progress.insert(stage.clone(), progress);
                drop(state);
                self.beat();
            }
            EventBody::StageFinished { stage, outputs, .. } => {
                state.progress.remove(stage);
                state.done.insert(stage.clone());
                for (name, note) in outputs {
                    let OutputNote::Json { value } = note else { continue };
                    if ["accuracy", "val_accuracy", "test_accuracy"].contains(&name.as_str()) {
                        // Of an epoch the last that is said is `val_accuracy`.
                        state.accuracy = value.as_f64().or(state.accuracy);
                    }
                }
            }
            EventBody::StageFailed { stage, .. } => {
                state.progress.remove(stage);
            }
            EventBody::Expanded { stage, count, .. } => {
                state.expanded.insert(stage.clone(), *count);
            }
            _ => {}
        }
    }

    /// Units done of those known, and the newest accuracy.
    pub(super) fn shown(&self) -> (Share, Option<f64>) {
        let state = lock(&self.state);
        let more: u64 = state.expanded.values().map(|count| u64::from(*count)).sum();
        (Share { done: state.done.len() as u64, total: state.total + more }, state.accuracy)
    }

    pub(super) fn progress(&self) -> Vec<Progress> {
        lock(&self.state).progress.values().cloned().collect()
    }

    /// The session is there.
    pub(super) fn control(&self, handle: CancelHandle) {
        let mut control = lock(&self.control);
        if let Some(left_s) = control.notice_s {
            handle.notice(left_s);
        }
        if control.cancel {
            handle.cancel();
        }
        control.handle = Some(handle);
    }

    /// Somebody wants it to end.
    pub(super) fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        self.stop();
    }

    /// It has to end now, to be taken up later.
    pub(super) fn stop(&self) {
        let mut control = lock(&self.control);
        control.cancel = true;
        if let Some(handle) = &control.handle {
            handle.cancel();
        }
    }

    /// It has to end in so many seconds, to be taken up later.
    pub(super) fn notice(&self, left_s: f64) {
        let mut control = lock(&self.control);
        control.notice_s = Some(left_s);
        if let Some(handle) = &control.handle {
            handle.notice(left_s);
        }
    }

    /// Makes a failure; `false` where the session is not there yet.
    pub(super) fn inject(&self, fault: Fault) -> bool {
        let control = lock(&self.control);
        match &control.handle {
            Some(handle) => {
                handle.inject(fault);
                true
            }
            None => false,
        }
    }
}
