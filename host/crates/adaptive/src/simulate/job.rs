//! One job through its failures, under one policy: a simulation of discrete events.
//!
//! A save holds the job up for its blocking part and then goes on in the background, during which the
//! job runs slower; it counts once the background part is done. Failures come by the wall clock, in
//! work, saves, downtime and restore alike. What follows a failure: downtime, restore of the newest
//! durable save, and the work since its snapshot again.

use super::clairvoyant;
use super::failure::{Failure, Instants};
use super::random::Random;
use crate::breakeven::pays_from_s;
use crate::controller::{Config, Controller, StateSeen};
use crate::decision::{Cost, Decision};
use crate::feedback::{Restored, Saved};
use crate::kind::PolicyKind;
use crate::subject::{SubjectId, SubjectKind};

/// A job is given up at so many times its failure-free length.
pub const RATIO_MAX: f64 = 20.0;
/// The controller's first guess of the cost is off by this, in nats, to one side or the other.
const GUESS_OFF: f64 = 0.5;
/// Purposes of dice.
const DICE_GUESS: u64 = 2;
const DICE_COST: u64 = 3;
/// The subject's name.
pub const JOB: &str = "job";
/// Bytes of a simulated checkpoint; nothing depends on them.
pub const JOB_BYTES: u64 = 1 << 20;

/// Who decides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decider {
    /// The controller that the engine has, in this configuration.
    Controller(Config),
    /// Knows the true mean rate, the true cost and the next unit: saves at the exact break-even on the
    /// grid of units.
    Oracle,
    /// Knows every failure beforehand: saves at the last boundary that is early enough.
    Clairvoyant,
}

/// What is to be done, and what saves cost on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Useful seconds of each unit.
    pub units_s: Vec<f64>,
    /// What a save costs after the first unit,
    pub cost: Cost,
    /// and after the last; in between along a line.
    pub cost_end: Cost,
    /// What the first save is expected to cost; too much or too little by a factor of e^½ when not said.
    pub guess: Option<Cost>,
    /// Deviation of a save's cost as a share of it; its logarithm is normal.
    pub cost_noise: f64,
    /// Seconds from a failure to the next start.
    pub downtime_s: f64,
    /// Seconds to restore a save.
    pub restore_s: f64,
}

impl Job {
    /// Seconds of the job without failures and saves.
    #[must_use]
    pub fn length_s(&self) -> f64 {
        self.units_s.iter().sum()
    }

    /// The mean cost of a save after so many units.
    pub(crate) fn cost_at(&self, done: usize) -> Cost {
        let share = ratio(done, self.units_s.len());
        let between = |from: f64, to: f64| from + share * (to - from);
        Cost {
            blocking_s: between(self.cost.blocking_s, self.cost_end.blocking_s),
            background_s: between(self.cost.background_s, self.cost_end.background_s),
            slowdown: between(self.cost.slowdown, self.cost_end.slowdown),
        }
    }
}

/// How one job went.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Outcome {
    /// Wall-clock seconds, at most [`RATIO_MAX`] times the failure-free length.
    pub makespan_s: f64,
    /// The same against the failure-free length without saves.
    pub ratio: f64,
    /// Saves that were begun.
    pub saves: u32,
    /// Seconds that saves cost the job: blocking and slow-down.
    pub overhead_s: f64,
    /// Seconds of work that failures took.
    pub lost_s: f64,
    /// Failures that came before the end.
    pub failures: u32,
    /// Whether it was given up.
    pub cut: bool,
}

/// Something that happened in a simulated job.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Happened {
    /// A unit ended after so many seconds, and it was decided whether to save; after the last one nothing
    /// is decided.
    Unit {
        /// Wall-clock seconds of the unit.
        runtime_s: f64,
        /// What the controller decided.
        decision: Option<Decision>,
    },
    /// The newest save became durable, after so many seconds in the background.
    Durable {
        /// Seconds that it held the job up.
        blocking_s: f64,
        /// Seconds in the background.
        background_s: f64,
    },
    /// State was lost; with a save that was being written, if there was one.
    Failed {
        /// Whether there was one.
        writing: bool,
    },
    /// State was lost again before it stood.
    FailedAgain,
    /// It stands again, after so many seconds of restoring.
    Stands {
        /// Seconds.
        restore_s: f64,
    },
}

/// Runs a job under a policy through the failures of a seed. Same inputs, same outcome.
#[must_use]
pub fn simulate(job: &Job, failure: &Failure, decider: Decider, seed: u64) -> Outcome {
    let mut run = Run::new(job, failure, decider, seed);
    run.go();
    run.outcome
}

/// The same, and what happened at which second.
#[must_use]
pub fn traced(
    job: &Job,
    failure: &Failure,
    decider: Decider,
    seed: u64,
) -> (Outcome, Vec<(f64, Happened)>) {
    let mut run = Run::new(job, failure, decider, seed);
    run.trace = Some(Vec::new());
    run.go();
    (run.outcome, run.trace.unwrap_or_default())
}

/// The controller of a simulated job at its start, with its guess of the cost, and the job in it.
#[must_use]
pub fn controller_at_start(job: &Job, config: Config, seed: u64) -> (Controller, SubjectId) {
    let mut controller = Controller::new(config, None);
    let subject = controller.subject(JOB, SubjectKind::State);
    let side = if Random::new(seed, DICE_GUESS).uniform() < 0.5 { -1.0 } else { 1.0 };
    let guess = job.guess.unwrap_or_else(|| job.cost.times(f64::exp(side * GUESS_OFF)));
    controller.expect(subject, guess);
    (controller, subject)
}

/// A save whose background part is being written.
#[derive(Debug, Clone, Copy)]
struct Writing {
    /// Units that its snapshot holds.
    done: usize,
    left_s: f64,
    cost: Cost,
    begun_s: f64,
}

struct Run<'a> {
    job: &'a Job,
    decider: Decider,
    seed: u64,
    instants: Instants<'a>,
    notice_s: f64,
    oracle_rate: f64,
    controller: Controller,
    subject: SubjectId,
    length_s: f64,
    now_s: f64,
    /// Units that are done.
    done: usize,
    /// Units in the newest durable save, and in the one before.
    durable: usize,
    durable_before: usize,
    writing: Option<Writing>,
    /// Wall and useful seconds since the durable snapshot, and since the one being written.
    since_durable: Since,
    since_writing: Since,
    outcome: Outcome,
    /// The controller's last.
    decision: Option<Decision>,
    /// What happened, where somebody wants to know.
    trace: Option<Vec<(f64, Happened)>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Since {
    wall_s: f64,
    useful_s: f64,
}

impl Since {
    fn add(&mut self, wall_s: f64, useful_s: f64) {
        self.wall_s += wall_s;
        self.useful_s += useful_s;
    }
}

impl<'a> Run<'a> {
    fn new(job: &'a Job, failure: &'a Failure, decider: Decider, seed: u64) -> Self {
        let config = match decider {
            Decider::Controller(config) => config,
            Decider::Oracle | Decider::Clairvoyant => Config::of(PolicyKind::Never),
        };
        let (controller, subject) = controller_at_start(job, config, seed);
        let length_s = job.length_s();
        Self {
            job,
            decider,
            seed,
            instants: Instants::new(failure, seed),
            notice_s: failure.notice_s(),
            oracle_rate: failure.mean_rate(length_s),
            controller,
            subject,
            length_s,
            now_s: 0.0,
            done: 0,
            durable: 0,
            durable_before: 0,
            writing: None,
            since_durable: Since::default(),
            since_writing: Since::default(),
            outcome: Outcome::default(),
            decision: None,
            trace: None,
        }
    }

    fn go(&mut self) {
        let limit_s = RATIO_MAX * self.length_s;
        while self.done < self.job.units_s.len() && self.now_s < limit_s {
            self.step();
        }
        self.outcome.cut = self.done < self.job.units_s.len();
        self.outcome.makespan_s = self.now_s.min(limit_s);
        self.outcome.ratio = self.outcome.makespan_s / self.length_s;
    }

    /// One unit and the decision after it.
    fn step(&mut self) {
        let unit_s = self.job.units_s[self.done];
        let (runtime_s, overlap_s) = self.runtime_of(unit_s);
        if !self.work(runtime_s) {
            return self.fail(unit_s * ((self.instants.next_s() - self.now_s) / runtime_s));
        }
        self.done += 1;
        self.since_durable.add(runtime_s, unit_s);
        self.since_writing.add(runtime_s, unit_s);
        let last = self.done == self.job.units_s.len();
        let saves = !last && self.decide(runtime_s, overlap_s);
        let decision = self.decision.take();
        self.note(self.now_s, Happened::Unit { runtime_s, decision });
        if !saves {
            return;
        }
        let cost = self.noisy_cost(self.done);
        self.outcome.saves += 1;
        self.outcome.overhead_s += cost.blocking_s;
        if self.now_s + cost.blocking_s >= self.instants.next_s() {
            return self.fail(0.0);
        }
        let begun_s = self.now_s;
        self.now_s += cost.blocking_s;
        let left_s = cost.background_s;
        self.writing = Some(Writing { done: self.done, left_s, cost, begun_s });
        self.since_writing = Since::default();
        if left_s <= 0.0 {
            self.became_durable(self.now_s);
        }
    }

    fn note(&mut self, at_s: f64, happened: Happened) {
        if let Some(trace) = &mut self.trace {
            trace.push((at_s, happened));
        }
    }

    /// Wall-clock seconds of so much work from now, and those of them beside a background save.
    fn runtime_of(&self, unit_s: f64) -> (f64, f64) {
        let Some(writing) = self.writing else { return (unit_s, 0.0) };
        let speed = 1.0 - writing.cost.slowdown;
        let done_meanwhile_s = writing.left_s * speed;
        if done_meanwhile_s >= unit_s {
            let runtime_s = unit_s / speed;
            (runtime_s, runtime_s)
        } else {
            (writing.left_s + unit_s - done_meanwhile_s, writing.left_s)
        }
    }

    /// Lets a unit's time pass, unless a failure comes first. What was written in it becomes durable.
    fn work(&mut self, runtime_s: f64) -> bool {
        let end_s = self.now_s + runtime_s;
        let until_s = end_s.min(self.instants.next_s());
        if let Some(writing) = &mut self.writing {
            let passed_s = until_s - self.now_s;
            let durable_s = self.now_s + writing.left_s;
            self.outcome.overhead_s += writing.cost.slowdown * passed_s.min(writing.left_s);
            if durable_s <= until_s {
                self.became_durable(durable_s);
            } else {
                writing.left_s -= passed_s;
            }
        }
        if self.instants.next_s() < end_s {
            return false;
        }
        self.now_s = end_s;
        true
    }

    fn became_durable(&mut self, at_s: f64) {
        let Some(writing) = self.writing.take() else { return };
        self.durable_before = self.durable;
        self.durable = writing.done;
        self.since_durable = self.since_writing;
        let Cost { blocking_s, background_s, .. } = writing.cost;
        let durable_s = at_s - writing.begun_s;
        let saved = Saved { blocking_s, background_s, durable_s, bytes: JOB_BYTES };
        self.controller.saved(self.subject, &saved);
        self.note(at_s, Happened::Durable { blocking_s, background_s });
    }

    /// What a save after so many units costs: the same for all policies that save there.
    fn noisy_cost(&self, done: usize) -> Cost {
        let cost = self.job.cost_at(done);
        let noise = self.job.cost_noise;
        if noise <= 0.0 {
            return cost;
        }
        let unit = u64::try_from(done).expect("usize fits");
        let dice = Random::new(self.seed ^ unit.wrapping_mul(0x9E37_79B9), DICE_COST).normal();
        // The mean of the factor is 1.
        cost.times((noise * dice - noise * noise / 2.0).exp())
    }

    /// Whether to save after the unit that was just done.
    fn decide(&mut self, runtime_s: f64, overlap_s: f64) -> bool {
        let next_unit_s = self.job.units_s[self.done];
        match self.decider {
            Decider::Controller(_) => {
                let left_s = self.instants.next_s() - self.now_s;
                let left = self.job.units_s.len() - self.done;
                let seen = StateSeen {
                    now_s: self.now_s,
                    runtime_s,
                    overlap_s,
                    unsaved_s: self.since_durable.wall_s,
                    bytes: Some(JOB_BYTES),
                    in_flight: self.writing.is_some(),
                    remaining_s: Some(ratio(left, 1) * runtime_s),
                    notice_s: (left_s <= self.notice_s).then_some(left_s),
                    disk_free: None,
                };
                let decision = self.controller.decide_state(self.subject, &seen);
                let saves = decision.checkpoint();
                self.decision = Some(decision);
                if saves && self.writing.is_some() {
                    // A snapshot that would wait for the one being written is left out.
                    self.controller.not_saved(self.subject);
                    return false;
                }
                saves
            }
            Decider::Oracle => {
                let cost_s = self.job.cost_at(self.done).charge_s();
                let from_s = pays_from_s(self.oracle_rate, cost_s, next_unit_s);
                self.writing.is_none() && self.since_durable.useful_s >= from_s
            }
            Decider::Clairvoyant => {
                let (cost, next) = (self.noisy_cost(self.done), self.noisy_cost(self.done + 1));
                let left_s = self.instants.next_s() - self.now_s;
                let unsaved_s = self.since_durable.useful_s;
                self.writing.is_none()
                    && clairvoyant::saves(cost, next, unsaved_s, next_unit_s, left_s)
            }
        }
    }

    /// State is lost, with so much of a unit; goes on when it stands again.
    fn fail(&mut self, partial_s: f64) {
        let mut at_s = self.instants.next_s();
        let lost_s = self.since_durable.useful_s + partial_s;
        self.outcome.lost_s += lost_s;
        let restore_s = if self.durable > 0 { self.job.restore_s } else { 0.0 };
        self.controller.failed(self.subject, at_s, lost_s);
        self.note(at_s, Happened::Failed { writing: self.writing.is_some() });
        let limit_s = RATIO_MAX * self.length_s;
        loop {
            self.outcome.failures = self.outcome.failures.saturating_add(1);
            self.instants.advance();
            let up_s = at_s + self.job.downtime_s;
            self.now_s = up_s + restore_s;
            let next_s = self.instants.next_s();
            if next_s >= self.now_s || at_s >= limit_s {
                break;
            }
            // Who is down does not see what happens there; who is restoring does.
            if next_s >= up_s {
                self.controller.failed(self.subject, next_s, 0.0);
            }
            self.note(next_s, Happened::FailedAgain);
            at_s = next_s;
        }
        self.writing = None;
        self.done = self.durable;
        self.since_durable = Since::default();
        self.since_writing = Since::default();
        let kept = u32::try_from(self.durable - self.durable_before).unwrap_or(u32::MAX);
        let restored = Restored { now_s: self.now_s, restore_s, units_kept: kept };
        self.controller.restored(self.subject, &restored);
        self.note(self.now_s, Happened::Stands { restore_s });
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of units are small")]
pub(crate) fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}
