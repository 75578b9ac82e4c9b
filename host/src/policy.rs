//! The engine's policy port, filled with the controller of `adaptive`: which subject is meant, what lies
//! ahead of it in the pipeline, and the report of each decision.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mobula_adaptive::{
    Config, Controller, Decision, OutputSeen, PolicyKind, Probe, StateSeen, SubjectId, SubjectKind,
    Use,
};
use mobula_contract::{
    CheckpointPlan, DecisionDetail, EventBody, Pipeline, PolicyPlan, RunEvent, StageKind,
};
use mobula_engine::{Cause, Learned, Lost, Policy, Restored, Saved, Seen, Subject, Verdict};
use serde_json::Value as Json;

use crate::learned;

/// The policy of a run; its clones are the same, so that what it learned can be kept at the end.
#[derive(Clone)]
pub(crate) struct RunPolicy(Arc<Mutex<Inner>>);

struct Inner {
    controller: Controller,
    /// For each task, who reads its output and how often.
    readers: BTreeMap<String, Vec<Reader>>,
    /// Seconds of the run before this process.
    before_s: f64,
    /// The death of a process takes all its actors, and is one failure.
    host_counted: bool,
    /// Where the store is, to see whether its disk is full.
    home: Option<PathBuf>,
}

struct Reader {
    /// The actor or task whose unit it is.
    actor: bool,
    name: String,
    times: u32,
}

/// The rule of a plan, by its name.
pub(crate) fn kind(plan: PolicyPlan) -> PolicyKind {
    match plan {
        PolicyPlan::Adaptive => PolicyKind::Adaptive,
        PolicyPlan::Threshold => PolicyKind::Threshold,
        PolicyPlan::YoungDaly => PolicyKind::YoungDaly,
        PolicyPlan::Every(n) => PolicyKind::Every(n),
        PolicyPlan::Always => PolicyKind::Always,
        PolicyPlan::Never => PolicyKind::Never,
    }
}

fn config(plan: &CheckpointPlan, probe: Option<Probe>) -> Config {
    Config {
        overhead: plan.overhead,
        bytes_max: plan.bytes,
        saves_max: plan.saves,
        probe,
        ..Config::of(kind(plan.policy))
    }
}

fn readers(pipeline: &Pipeline) -> BTreeMap<String, Vec<Reader>> {
    let mut readers: BTreeMap<String, Vec<Reader>> = BTreeMap::new();
    for stage in &pipeline.stages {
        let mut read: Vec<&str> = stage.inputs.values().map(|input| input.stage.as_str()).collect();
        read.sort_unstable();
        read.dedup();
        for from in read {
            let (actor, name) = match &stage.kind {
                StageKind::Task { .. } => (false, stage.name.clone()),
                StageKind::Method { actor, .. } => (true, actor.clone()),
            };
            let times = stage.repeat.unwrap_or(1);
            readers.entry(from.to_owned()).or_default().push(Reader { actor, name, times });
        }
    }
    readers
}

impl RunPolicy {
    /// The policy of a pipeline, with what earlier runs learned and what this run did before.
    pub(crate) fn new(
        pipeline: &Pipeline,
        remembered: Option<&Json>,
        history: &[RunEvent],
        home: Option<PathBuf>,
        probe: Option<Probe>,
    ) -> Self {
        let known = remembered.and_then(learned::read);
        let mut inner = Inner {
            controller: Controller::new(config(&pipeline.checkpoint, probe), known),
            readers: readers(pipeline),
            before_s: history.last().map_or(0.0, |event| event.at_s),
            host_counted: false,
            home,
        };
        inner.replay(pipeline, history);
        Self(Arc::new(Mutex::new(inner)))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the next run of the pipeline is to be told.
    pub(crate) fn learned(&self) -> Json {
        learned::write(&self.lock().controller.learned())
    }
}

impl Inner {
    fn subject(&mut self, of: Subject<'_>) -> SubjectId {
        match of {
            Subject::Actor(name) => self.controller.subject(name, SubjectKind::State),
            Subject::Task(name) => self.controller.subject(name, SubjectKind::Output),
        }
    }

    fn unit_s(&mut self, actor: bool, name: &str) -> Option<f64> {
        let of = if actor { Subject::Actor(name) } else { Subject::Task(name) };
        let id = self.subject(of);
        self.controller.unit_s(id)
    }

    /// What an output is for: the next task of a chain, or readers that end in so many seconds.
    fn used(&mut self, task: &str, runtime_s: f64) -> Use {
        let readers = self.readers.remove(task).unwrap_or_default();
        let used = match &readers[..] {
            [only] if !only.actor && only.times == 1 => Use::Chain,
            readers => {
                let mut horizon_s = 0.0;
                for Reader { actor, name, times } in readers {
                    let unit_s = self.unit_s(*actor, name).unwrap_or(runtime_s);
                    horizon_s += unit_s * f64::from(*times);
                }
                Use::Until { horizon_s }
            }
        };
        self.readers.insert(task.to_owned(), readers);
        used
    }

    fn disk_free(&self) -> Option<u64> {
        let found = rustix::fs::statvfs(self.home.as_ref()?).ok()?;
        Some(found.f_bavail.saturating_mul(found.f_frsize))
    }

    fn decide(&mut self, seen: Seen<'_>) -> Decision {
        let id = self.subject(seen.of);
        let now_s = self.before_s + seen.at_s;
        let (runtime_s, disk_free) = (seen.runtime_s, self.disk_free());
        match seen.of {
            Subject::Actor(_) => {
                let remaining_s = seen.left.map(|calls| as_f64(calls) * runtime_s);
                self.controller.decide_state(
                    id,
                    &StateSeen {
                        now_s,
                        runtime_s,
                        overlap_s: seen.beside_save_s,
                        unsaved_s: seen.unsaved_s,
                        bytes: seen.bytes,
                        in_flight: seen.in_flight,
                        remaining_s,
                        notice_s: seen.notice_s,
                        disk_free,
                    },
                )
            }
            Subject::Task(name) => {
                let used = match seen.left {
                    // Nobody reads it: nothing ahead could want it again.
                    Some(0) => Use::Until { horizon_s: 0.0 },
                    _ => self.used(name, runtime_s),
                };
                let (lineage_s, bytes) = (seen.unsaved_s, seen.bytes.unwrap_or(0));
                let load_s = None;
                let seen =
                    OutputSeen { now_s, runtime_s, lineage_s, bytes, used, load_s, disk_free };
                self.controller.decide_output(id, &seen)
            }
        }
    }

    fn saved(&mut self, saved: Saved<'_>) {
        let id = self.subject(saved.of);
        let Saved { blocking_s, background_s, bytes, .. } = saved;
        let durable_s = blocking_s + background_s;
        let saved = mobula_adaptive::Saved { blocking_s, background_s, durable_s, bytes };
        self.controller.saved(id, &saved);
    }

    fn lost(&mut self, lost: Lost<'_>) {
        let (id, now_s) = (self.subject(lost.of), self.before_s + lost.at_s);
        match lost.cause {
            Cause::User => self.controller.cancelled(now_s),
            Cause::Host if self.host_counted => self.controller.lost_with_it(id, lost.lost_s),
            Cause::Host => {
                self.host_counted = true;
                self.controller.failed(id, now_s, lost.lost_s);
            }
            Cause::Actor => self.controller.failed(id, now_s, lost.lost_s),
        }
    }

    fn restored(&mut self, restored: Restored<'_>) -> Learned {
        let id = self.subject(restored.of);
        let learned = self.controller.restored(
            id,
            &mobula_adaptive::Restored {
                now_s: self.before_s + restored.at_s,
                restore_s: restored.restore_s.unwrap_or(0.0),
                units_kept: restored.units_kept,
            },
        );
        Learned {
            benefit_s: learned.benefit_s,
            threshold_before: learned.threshold_before,
            threshold_after: learned.threshold_after,
        }
    }

    /// Takes in what an earlier process of this run saw, as far as its events tell.
    fn replay(&mut self, pipeline: &Pipeline, history: &[RunEvent]) {
        let before_s = std::mem::take(&mut self.before_s);
        let actor_of = |stage: &str| match &pipeline.stage(stage)?.kind {
            StageKind::Method { actor, .. } => Some(actor.as_str()),
            StageKind::Task { .. } => None,
        };
        let of = |stage| actor_of(stage).map_or(Subject::Task(stage), Subject::Actor);
        for RunEvent { at_s, body } in history {
            match body {
                EventBody::Decided { decision } => {
                    let of = of(&decision.stage);
                    let detail = decision.detail.as_ref();
                    let unsaved_s = detail.map_or(decision.expected_loss_s, |d| d.unsaved_s);
                    let again = self.decide(Seen {
                        at_s: *at_s,
                        of,
                        runtime_s: decision.runtime_s,
                        beside_save_s: 0.0,
                        unsaved_s,
                        bytes: None,
                        in_flight: false,
                        left: None,
                        notice_s: None,
                    });
                    if again.checkpoint() && !decision.checkpoint {
                        let id = self.subject(of);
                        self.controller.not_saved(id);
                    }
                }
                EventBody::CheckpointSaved { checkpoint, actor } => {
                    let of = match actor {
                        Some(actor) => Subject::Actor(actor),
                        None => Subject::Task(&checkpoint.stage),
                    };
                    let blocking_s = checkpoint.blocking_s;
                    let background_s = (checkpoint.total_s - blocking_s).max(0.0);
                    let bytes = checkpoint.bytes;
                    self.saved(Saved { at_s: *at_s, of, blocking_s, background_s, bytes });
                }
                EventBody::Recovered { recovery } => {
                    let of = of(&recovery.stage);
                    let (lost_s, cause) = (recovery.lost_s, Cause::Actor);
                    self.lost(Lost { at_s: *at_s, of, lost_s, cause });
                    let id = self.subject(of);
                    let unit_s = self.controller.unit_s(id).unwrap_or(0.0);
                    let units_kept = units(recovery.kept_s, unit_s);
                    self.restored(Restored { at_s: *at_s, of, restore_s: None, units_kept });
                }
                _ => {}
            }
        }
        self.before_s = before_s;
    }
}

impl Policy for RunPolicy {
    fn decide(&mut self, seen: Seen<'_>) -> Verdict {
        let decision = self.lock().decide(seen);
        let seconds = |share: f64| share * 3600.0;
        let rate = decision.rate;
        Verdict {
            checkpoint: decision.checkpoint(),
            reason: decision.to_string(),
            ratio: decision.ratio,
            threshold: decision.threshold,
            budget_left: decision.budget.left_s,
            expected_loss_s: decision.expected_loss_s,
            cost_s: decision.cost.charge_s(),
            detail: Some(DecisionDetail {
                unsaved_s: decision.unsaved_s,
                failures_per_hour: seconds(rate.mean),
                failures_per_hour_90: [seconds(rate.low), seconds(rate.high)],
                failures_seen: rate.failures,
                cost_blocking_s: decision.cost.blocking_s,
                cost_background_s: decision.cost.background_charge_s(),
                overhead_used: decision.budget.used,
                refused: decision.refused().map(|reason| reason.to_string()),
                due_in_units: decision.more_units,
            }),
        }
    }

    fn saved(&mut self, saved: Saved<'_>) {
        self.lock().saved(saved);
    }

    fn save_failed(&mut self, of: Subject<'_>, spent_s: f64) {
        let mut inner = self.lock();
        let id = inner.subject(of);
        inner.controller.save_failed(id, spent_s);
    }

    fn save_dropped(&mut self, of: Subject<'_>) {
        let mut inner = self.lock();
        let id = inner.subject(of);
        inner.controller.not_saved(id);
    }

    fn lost(&mut self, lost: Lost<'_>) {
        self.lock().lost(lost);
    }

    fn restored(&mut self, restored: Restored<'_>) -> Learned {
        self.lock().restored(restored)
    }
}

#[expect(clippy::cast_precision_loss, reason = "calls of one actor are far fewer than 2^52")]
fn as_f64(count: usize) -> f64 {
    count as f64
}

/// How many units of a length make up so many seconds.
fn units(seconds: f64, unit_s: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number that is too large becomes the largest"
    )]
    let count = if unit_s > 0.0 { (seconds / unit_s).round() as u32 } else { 0 };
    count
}

#[cfg(test)]
mod agreement;
