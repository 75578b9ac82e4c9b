//! What the core remembers of each session, unit, actor and save.

use std::collections::VecDeque;

use mobula_contract::{CheckpointId, EventBody, Failure, RunStatus, StageRef};

use super::message::{ActorId, Need, SaveId, SessionId, UnitId, WorkerId};
use super::{Names, Rules};
use crate::policy::Policy;
use crate::retry::Retry;

/// A session.
pub(super) struct Session {
    pub(super) rules: Rules,
    pub(super) policy: Option<Box<dyn Policy>>,
    pub(super) names: Option<Names>,
    /// More can come in.
    pub(super) open: bool,
    pub(super) units_left: usize,
    pub(super) actors_left: usize,
    pub(super) running: usize,
    pub(super) saving: usize,
    pub(super) ending: Option<(RunStatus, Option<String>)>,
    pub(super) writing: Writing,
    /// When the machine goes away, if it said so.
    pub(super) notice_until_s: Option<f64>,
}

/// For how long checkpoints of a session were being written.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Writing {
    count: usize,
    since_s: f64,
    ended_s: f64,
}

impl Writing {
    pub(super) fn begin(&mut self, now_s: f64) {
        if self.count == 0 {
            self.since_s = now_s;
        }
        self.count += 1;
    }

    pub(super) fn end(&mut self, now_s: f64) {
        self.ended_s = match self.count {
            1 => self.total_s(now_s),
            _ => self.ended_s,
        };
        self.count -= 1;
    }

    /// Seconds so far during which at least one was being written.
    pub(super) fn total_s(&self, now_s: f64) -> f64 {
        self.ended_s + if self.count > 0 { now_s - self.since_s } else { 0.0 }
    }
}

/// Where a unit stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Phase {
    /// For objects of other units, or for its turn on an actor.
    Waiting,
    /// In the queue, under this ticket.
    Ready(u64),
    /// For the delay before another attempt.
    Delayed,
    Running(WorkerId),
    Done,
    Failed(Failure),
}

/// Whether a running call has what it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pause {
    No,
    /// It gave back what it takes.
    Paused,
    /// It is in the queue to have it again, under this ticket.
    Resuming(u64),
}

/// One unit of work.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) session: SessionId,
    pub(super) stage: StageRef,
    pub(super) sources: Vec<UnitId>,
    pub(super) actor: Option<ActorId>,
    pub(super) need: Need,
    pub(super) retry: Retry,
    pub(super) phase: Phase,
    pub(super) pause: Pause,
    /// Sources whose object is not there.
    pub(super) missing: usize,
    /// Units that wait for this one's object; some may be settled by now.
    pub(super) waiters: Vec<UnitId>,
    /// Its object is in the store.
    pub(super) held: bool,
    /// It has had its object at least once, or failed for good: the session does not wait for it.
    pub(super) counted: bool,
    /// It will not read its inputs again.
    pub(super) settled: bool,
    /// Units that still read its object.
    pub(super) readers: usize,
    /// Units that are remembered and could be made again from its object.
    pub(super) lineage: usize,
    /// Somebody outside can ask for its object.
    pub(super) wanted: bool,
    /// Saves of its object under way.
    pub(super) saving: usize,
    /// It stands in the log of its actor.
    pub(super) logged: bool,
    /// Attempts begun, replays counted.
    pub(super) attempt: u32,
    /// Attempts that failed since the last success.
    pub(super) failed: u32,
    /// The failures, for the last word: where and why.
    pub(super) failures: Vec<(WorkerId, String)>,
    /// Where it failed last.
    pub(super) failed_on: Option<WorkerId>,
    /// The next attempt repeats work that a failure had undone.
    pub(super) replay: bool,
    /// Somebody asked it to stop.
    pub(super) cancelled: bool,
    /// Seconds of its last success.
    pub(super) runtime_s: f64,
    /// When it was called last.
    pub(super) started_s: f64,
    /// For how long checkpoints had been written by then.
    pub(super) written_before_s: f64,
    /// A checkpoint holds its object.
    pub(super) saved: bool,
    /// Objects of a stream, in order.
    pub(super) items: Vec<UnitId>,
    /// The stream that it is an object of.
    pub(super) item_of: Option<UnitId>,
    /// Tasks in a row that lead to it.
    pub(super) depth: u32,
    /// Why it is never made again, if so.
    pub(super) rootless: Option<&'static str>,
}

impl Unit {
    /// A unit that reads nothing and has not run.
    pub(super) fn new(session: SessionId, stage: StageRef, need: Need, retry: Retry) -> Self {
        Self {
            session,
            stage,
            sources: Vec::new(),
            actor: None,
            need,
            retry,
            phase: Phase::Waiting,
            pause: Pause::No,
            missing: 0,
            waiters: Vec::new(),
            held: false,
            counted: false,
            settled: false,
            readers: 0,
            lineage: 0,
            wanted: true,
            saving: 0,
            logged: false,
            attempt: 0,
            failed: 0,
            failures: Vec::new(),
            failed_on: None,
            replay: false,
            cancelled: false,
            runtime_s: 0.0,
            started_s: 0.0,
            written_before_s: 0.0,
            saved: false,
            items: Vec::new(),
            item_of: None,
            depth: 0,
            rootless: None,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Done | Phase::Failed(_))
    }
}

/// Where an actor stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// Not made yet, or to be made anew.
    Absent,
    /// In the queue to be made.
    Queued,
    /// For the delay before another start, or for its save under way.
    Lost,
    Starting,
    Idle,
    /// Its next call is in the queue.
    Called,
    Busy,
    Finishing,
    Over,
}

/// A checkpoint of an actor's state that can be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Durable {
    pub(super) id: CheckpointId,
    /// Calls that it contains.
    pub(super) position: usize,
    /// Repetition of the last of them.
    pub(super) index: Option<u32>,
}

/// A failure that an actor comes back from.
#[derive(Debug, Clone)]
pub(super) struct Recovery {
    /// The call that was under way or next.
    pub(super) failed: Option<StageRef>,
    /// Useful seconds that are gone.
    pub(super) lost_s: f64,
}

/// An actor.
#[derive(Debug)]
pub(super) struct Actor {
    pub(super) session: SessionId,
    pub(super) name: String,
    pub(super) need: Need,
    pub(super) retry: Retry,
    pub(super) life: Life,
    pub(super) worker: Option<WorkerId>,
    /// It is made without a call.
    pub(super) eager: bool,
    pub(super) sealed: bool,
    /// Its memory is taken from what there is.
    pub(super) admitted: bool,
    /// The wait before the next start is over.
    pub(super) rested: bool,
    /// Calls from `base` on that have not been settled.
    pub(super) log: VecDeque<UnitId>,
    /// Calls before the log's first.
    pub(super) base: usize,
    /// The next call, counted from the first ever.
    pub(super) next: usize,
    /// Starts after the first.
    pub(super) restarts: u32,
    /// Those that count against the limit: not the death of the host.
    pub(super) failures: u32,
    pub(super) messages: Vec<(WorkerId, String)>,
    /// In order of position.
    pub(super) durables: Vec<Durable>,
    /// Saves under way, oldest first: one that is written, and at most one that waits for it.
    pub(super) in_flight: Vec<SaveId>,
    /// Seconds spent on saves since the failure before.
    pub(super) spent_s: f64,
    /// Useful seconds that the newest checkpoint holds and the one before does not.
    pub(super) kept_s: f64,
    /// Calls of which the same is true.
    pub(super) kept_units: u32,
    /// It was lost and does not stand again yet.
    pub(super) recovery: Option<Recovery>,
    /// Bytes of the newest snapshot.
    pub(super) bytes: Option<u64>,
    /// When its state began to be restored.
    pub(super) restoring_since_s: f64,
    /// Useful seconds that no checkpoint holds.
    pub(super) unsaved_s: f64,
    /// Seconds of the call during which its state was lost.
    pub(super) partial_s: f64,
    /// Why no more calls are taken.
    pub(super) dead: Option<Failure>,
}

impl Actor {
    /// The call of this position, if it is in the log.
    pub(super) fn at(&self, position: usize) -> Option<UnitId> {
        self.log.get(position.checked_sub(self.base)?).copied()
    }

    /// Calls that are safe on disk.
    pub(super) fn durable_position(&self) -> usize {
        self.durables.last().map_or(0, |durable| durable.position)
    }

    /// Calls before this one are never made again: the checkpoint before the newest is kept as well, for
    /// the case that the newest proves damaged.
    pub(super) fn settled_position(&self) -> usize {
        let second = self.durables.len().checked_sub(2);
        second.map_or(0, |second| self.durables[second].position)
    }

    /// Calls that have come and not been made.
    pub(super) fn waiting(&self) -> usize {
        (self.base + self.log.len()).saturating_sub(self.next)
    }
}

/// A save under way.
#[derive(Debug, Clone)]
pub(super) struct Saving {
    pub(super) session: SessionId,
    pub(super) id: CheckpointId,
    /// The stage after which it was decided.
    pub(super) after: StageRef,
    /// The task whose output it is.
    pub(super) unit: Option<UnitId>,
    /// The actor whose state it is.
    pub(super) actor: Option<ActorId>,
    /// Calls of the actor that it contains.
    pub(super) position: usize,
    pub(super) blocking_s: f64,
    pub(super) bytes: u64,
    /// The snapshot is made; the writer has it.
    pub(super) taken: bool,
}

/// What a worker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Job {
    Idle,
    Task(UnitId),
    /// It belongs to an actor, which may be in a call.
    Actor(ActorId, Option<UnitId>),
}

/// A body that is made only where somebody keeps it.
pub(super) type Body<'a> = &'a dyn Fn() -> EventBody;
