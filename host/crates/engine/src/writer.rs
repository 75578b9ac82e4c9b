//! The one thread of a session that talks to its journal: events and checkpoints in the order in which
//! they happened, so that no checkpoint is durable before the events that lead to it. Calls never
//! wait for it, unless it falls far behind.

use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use mobula_contract::{
    Charge, CheckpointId, Failure, FailureKind, RunEvent, StageRef, encode_object,
};

use crate::core::{Event, SaveId, SessionId, UnitId};
use crate::inner::Inner;
use crate::objects::{Missing, Objects};
use crate::port::{Journal, Save};
use crate::slot::lock;

/// Jobs that may wait before calls wait for them: enough for a burst of short stages, small against
/// a snapshot's memory.
const JOBS_MAX: usize = 4096;

pub(crate) enum Job {
    Record(RunEvent),
    Save(SaveJob),
    Load(CheckpointId, SyncSender<Result<Vec<u8>, Failure>>),
}

pub(crate) struct SaveJob {
    pub(crate) save: SaveId,
    pub(crate) id: CheckpointId,
    pub(crate) stage: StageRef,
    pub(crate) actor: Option<String>,
    pub(crate) position: usize,
    pub(crate) content: Content,
    pub(crate) decided: Instant,
    pub(crate) blocking_s: f64,
}

pub(crate) enum Content {
    /// The state of an actor, and what it takes of the process's memory.
    State(Vec<u8>, Charge),
    /// What this unit gave; the core keeps it until the save has ended.
    Object(UnitId),
}

/// The jobs of one journal. Pushing never waits, since it happens under the engine's lock.
#[derive(Default)]
pub(crate) struct Jobs {
    inner: Mutex<Queue>,
    changed: Condvar,
    room: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

impl Jobs {
    /// Once closed nothing comes in: who waits for an answer learns so by its sender being dropped.
    pub(crate) fn push(&self, job: Job) {
        let mut queue = lock(&self.inner);
        if queue.closed {
            return;
        }
        queue.jobs.push_back(job);
        if queue.jobs.len() == 1 {
            self.changed.notify_one();
        }
    }

    /// Enters a save. One of the same actor that still waits gives way to it: the newest wins, and an
    /// actor has at most one snapshot waiting and one being written.
    pub(crate) fn push_save(&self, job: SaveJob) -> Option<SaveId> {
        let mut queue = lock(&self.inner);
        let same = |other: &Job| match other {
            Job::Save(other) => other.actor.is_some() && other.actor == job.actor,
            Job::Record(_) | Job::Load(..) => false,
        };
        let before = queue.jobs.iter().position(same).and_then(|at| queue.jobs.remove(at));
        drop(queue);
        self.push(Job::Save(job));
        match before {
            Some(Job::Save(before)) => Some(before.save),
            _ => None,
        }
    }

    /// Waits until the journal has caught up. Never called under the engine's lock.
    pub(crate) fn wait_for_room(&self) {
        let mut queue = lock(&self.inner);
        while queue.jobs.len() >= JOBS_MAX && !queue.closed {
            queue = self.room.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends the thread once everything is written.
    pub(crate) fn close(&self) {
        lock(&self.inner).closed = true;
        self.changed.notify_all();
        self.room.notify_all();
    }

    fn next(&self) -> Option<Job> {
        let mut queue = lock(&self.inner);
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                self.room.notify_all();
                return Some(job);
            }
            if queue.closed {
                return None;
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What has queued up behind an event goes into the same transaction.
    fn more_events(&self, events: &mut Vec<RunEvent>) {
        let mut queue = lock(&self.inner);
        while let Some(Job::Record(_)) = queue.jobs.front() {
            let Some(Job::Record(event)) = queue.jobs.pop_front() else { break };
            events.push(event);
        }
        self.room.notify_all();
    }
}

/// Starts the thread; it gives the journal back when the jobs are closed.
pub(crate) fn start(
    mut journal: Box<dyn Journal>,
    jobs: Arc<Jobs>,
    inner: Arc<Inner>,
    session: SessionId,
) -> JoinHandle<()> {
    let run = move || {
        while let Some(job) = jobs.next() {
            match job {
                Job::Record(event) => {
                    let mut events = vec![event];
                    jobs.more_events(&mut events);
                    if let Err(failure) = journal.record(&events) {
                        let message = format!("cannot write the history: {failure}");
                        inner.step(Event::SessionFailed(session, message));
                    }
                }
                Job::Save(job) => {
                    let save = job.save;
                    let result = write_save(&mut *journal, &inner.objects, job);
                    inner.step(Event::SaveEnded { save, result });
                }
                Job::Load(id, reply) => {
                    let _ = reply.send(journal.load(&id));
                }
            }
        }
    };
    let thread = thread::Builder::new().name("journal".to_owned()).spawn(run);
    thread.expect("the system can start a thread")
}

fn write_save(
    journal: &mut dyn Journal,
    objects: &Objects,
    job: SaveJob,
) -> Result<(f64, String), Failure> {
    let (bytes, _charge) = match job.content {
        Content::State(bytes, charge) => (bytes, charge),
        Content::Object(unit) => match objects.get(unit) {
            // A copy of the whole object, for as long as it is written.
            Ok(object) => {
                object.bring().map_err(|why| Failure::new(FailureKind::Host, why))?;
                let charge = objects.reserve(object.byte_len(), || false)?;
                (encode_object(&object), charge)
            }
            Err(Missing::Failed(failure)) => return Err(failure),
            Err(Missing::Lost(_)) => {
                return Err(Failure::new(FailureKind::Host, "the object is gone"));
            }
        },
    };
    let digest = journal.save(Save {
        id: &job.id,
        stage: &job.stage,
        actor: job.actor.as_deref(),
        position: job.position,
        bytes: &bytes,
        blocking_s: job.blocking_s,
    })?;
    Ok((job.decided.elapsed().as_secs_f64(), digest))
}
