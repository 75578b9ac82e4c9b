//! The one thread that talks to the journal: events and checkpoints in the order of the run, so that
//! no checkpoint is durable before the events that lead to it. Training never waits for it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use mobula_contract::{CheckpointId, Failure, Object, RunEvent, StageRef, encode_object};

use crate::core::{Event, SaveId};
use crate::port::{Journal, Save};
use crate::run::Message;

/// Jobs that may wait: enough for a burst of short stages, small against a snapshot's memory.
const JOBS_MAX: usize = 1024;

pub(crate) enum Job {
    Record(Vec<RunEvent>),
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
    State(Vec<u8>),
    Object(Arc<Object>),
}

/// Starts the thread; it ends when every sender of jobs is gone.
pub(crate) fn start(
    mut journal: Box<dyn Journal>,
    messages: Sender<Message>,
) -> (SyncSender<Job>, JoinHandle<Box<dyn Journal>>) {
    let (jobs, queue) = sync_channel(JOBS_MAX);
    let thread = thread::Builder::new().name("journal".to_owned()).spawn(move || {
        write_all(&mut *journal, &queue, &messages);
        journal
    });
    (jobs, thread.expect("the system can start a thread"))
}

fn write_all(journal: &mut dyn Journal, queue: &Receiver<Job>, messages: &Sender<Message>) {
    let mut held = None;
    while let Some(job) = held.take().or_else(|| queue.recv().ok()) {
        match job {
            Job::Record(mut events) => {
                // What has queued up meanwhile goes into the same transaction.
                while let Ok(next) = queue.try_recv() {
                    match next {
                        Job::Record(more) => events.extend(more),
                        other => {
                            held = Some(other);
                            break;
                        }
                    }
                }
                if let Err(failure) = journal.record(&events) {
                    let message = format!("cannot write the history: {failure}");
                    let _ = messages.send(Message::Event(Event::HostFailed(message)));
                }
            }
            Job::Save(job) => {
                let save = job.save;
                let result = write_save(journal, job);
                let _ = messages.send(Message::Event(Event::SaveEnded { save, result }));
            }
            Job::Load(id, reply) => {
                let _ = reply.send(journal.load(&id));
            }
        }
    }
}

fn write_save(journal: &mut dyn Journal, job: SaveJob) -> Result<(f64, String), Failure> {
    let bytes = match job.content {
        Content::State(bytes) => bytes,
        Content::Object(object) => encode_object(&object),
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
