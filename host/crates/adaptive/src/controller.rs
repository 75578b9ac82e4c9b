//! The controller: keeps what is measured, and answers at each boundary whether a checkpoint pays.
//!
//! Reads no clock and allocates nothing once its subjects are registered. The same inputs give the
//! same answers.

use crate::breakeven::{expected_loss_s, pays_from_s, to_the_end_s};
use crate::budget::Bucket;
use crate::decision::{Answer, Cost, Decision, NoReason, YesReason};
use crate::kind::PolicyKind;
use crate::learned::Learned;
use crate::rate::{Rate, RateEstimate, RateModel};
use crate::subject::{Mean, Probe, Subject, SubjectId, SubjectKind};
use crate::threshold::{Observation, Threshold, ThresholdConfig};

/// Longest unit seen, before one was: so that a first task has no ratio of 1 by itself.
const LONGEST_FIRST_S: f64 = 10.0;
/// A pause longer than so many units is a clock that jumped or a machine that slept, no up-time.
const UNITS_OF_PAUSE_MAX: f64 = 10.0;
/// A save must fit this much more than measured before an announced stop.
const NOTICE_ROOM: f64 = 1.3;
/// Beyond so many times the break-even no automatic budget refuses.
const STARVING: f64 = 2.0;
/// No measured time is longer: 30,000 years, whose square is still a number.
const TIME_MAX_S: f64 = 1e12;
/// Shorter is no time at all: a picosecond, by which one can still divide.
const TIME_MIN_S: f64 = 1e-12;
/// Largest share that a budget can give; it stands for no budget at all.
const SHARE_MAX: f64 = 1e6;
/// What must stay free on the disk beside twice the checkpoint.
const DISK_SPARE_BYTES: u64 = 64 << 20;

/// What a controller is made for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Config {
    /// The rule.
    pub kind: PolicyKind,
    /// Share of the useful time that saves may take. Given, nothing passes it; `None` is automatic for
    /// `adaptive` and without limit for the others. `always` and `never` have no budget.
    pub overhead: Option<f64>,
    /// Bytes that a checkpoint may have.
    pub bytes_max: Option<u64>,
    /// How many checkpoints may be taken.
    pub saves_max: Option<u32>,
    /// How the failure rate is learned; `None` is the grid for `adaptive` and Gamma for the others.
    pub rate: Option<RateModel>,
    /// Speed of the store, from which a first save's cost is guessed.
    pub probe: Option<Probe>,
}

impl Config {
    /// A policy with nothing limited by hand.
    #[must_use]
    pub fn of(kind: PolicyKind) -> Self {
        Self { kind, overhead: None, bytes_max: None, saves_max: None, rate: None, probe: None }
    }
}

/// An actor's state at a boundary between two units. Unknown numbers are `None`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct StateSeen {
    /// Now, in seconds of the one monotonic clock.
    pub now_s: f64,
    /// Seconds that the unit ran.
    pub runtime_s: f64,
    /// Of these, seconds during which a save was being written in the background.
    pub overlap_s: f64,
    /// Sum of the runtimes since the newest durable save's snapshot, this unit included.
    pub unsaved_s: f64,
    /// Bytes that a checkpoint would have.
    pub bytes: Option<u64>,
    /// Whether a save of this subject is still being written.
    pub in_flight: bool,
    /// Seconds of work that remain after this unit; zero after the last one.
    pub remaining_s: Option<f64>,
    /// Seconds until an announced stop.
    pub notice_s: Option<f64>,
    /// Free bytes on the store's disk.
    pub disk_free: Option<u64>,
}

/// Decides when a checkpoint pays.
#[derive(Debug, Clone, PartialEq)]
pub struct Controller {
    pub(crate) config: Config,
    pub(crate) subjects: Vec<Subject>,
    pub(crate) rate: Rate,
    pub(crate) bucket: Bucket,
    /// The basic rule; its threshold is that of outputs under `adaptive` too.
    pub(crate) rule: Threshold,
    pub(crate) longest_s: f64,
    pub(crate) last_s: Option<f64>,
    /// Measured costs against those that the probe foretold.
    pub(crate) probe_shown: Mean,
    /// Expected costs of outputs, saved or not.
    pub(crate) outputs_s: Mean,
    pub(crate) dropped: u64,
    pub(crate) learned: Option<Learned>,
}

impl Controller {
    /// A controller, with what an earlier one of the same pipeline had learned.
    #[must_use]
    pub fn new(config: Config, learned: Option<Learned>) -> Self {
        let follows = config.kind == PolicyKind::Adaptive;
        let model = if follows { RateModel::Grid } else { RateModel::Gamma };
        let mut rate = Rate::new(config.rate.unwrap_or(model));
        if let Some(learned) = &learned {
            rate.recall(&learned.rate, learned.rate_kept());
        }
        let basic = ThresholdConfig::default();
        let start = learned.as_ref().map_or(basic.threshold, |l| l.threshold_from(basic.threshold));
        let overhead = config.overhead.filter(|share| share.is_finite() && *share >= 0.0);
        let overhead = overhead.map(|share| share.min(SHARE_MAX));
        Self {
            config: Config { overhead, ..config },
            subjects: Vec::new(),
            rate,
            bucket: Bucket::new(overhead, config.saves_max),
            rule: Threshold::new(ThresholdConfig { threshold: start, ..basic }),
            longest_s: LONGEST_FIRST_S,
            last_s: None,
            probe_shown: Mean::default(),
            outputs_s: Mean::default(),
            dropped: 0,
            learned,
        }
    }

    /// Registers a subject, or finds it again by its name.
    pub fn subject(&mut self, name: &str, kind: SubjectKind) -> SubjectId {
        let same = |subject: &Subject| subject.kind == kind && subject.name == name;
        let at = self.subjects.iter().position(same).unwrap_or_else(|| {
            let mut subject = Subject::new(name, kind);
            if let Some(learned) = &self.learned {
                learned.tell(&mut subject);
            }
            self.subjects.push(subject);
            self.subjects.len() - 1
        });
        SubjectId(u32::try_from(at).expect("fewer than 2^32 names fit in memory"))
    }

    /// Enters a guess of what the first save of a subject will cost. Without one it comes from the
    /// probe and the bytes.
    pub fn expect(&mut self, id: SubjectId, guess: Cost) {
        let numbers = [guess.blocking_s, guess.background_s, guess.slowdown];
        if numbers.iter().all(|x| (0.0..=TIME_MAX_S).contains(x)) {
            self.at_mut(id).guess = Some(Cost { slowdown: guess.slowdown.min(1.0), ..guess });
        } else {
            self.dropped += 1;
        }
    }

    /// How many numbers were no usable measurement, and were dropped.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether the newest save of a subject failed.
    #[must_use]
    pub fn is_degraded(&self, id: SubjectId) -> bool {
        self.at(id).save_failures > 0
    }

    /// What is believed of the failure rate.
    #[must_use]
    pub fn rate(&self) -> RateEstimate {
        self.rate.estimate()
    }

    /// Seconds of a subject's unit, once one was seen.
    #[must_use]
    pub fn unit_s(&self, id: SubjectId) -> Option<f64> {
        self.at(id).unit.get()
    }

    /// What a save of a subject is expected to cost.
    #[must_use]
    pub fn cost(&self, id: SubjectId, bytes: Option<u64>) -> Cost {
        let probe = self.config.probe.map(|probe| (probe, self.probe_shown));
        self.at(id).cost(bytes.map(as_f64), probe)
    }

    pub(crate) fn at(&self, id: SubjectId) -> &Subject {
        &self.subjects[id.0 as usize]
    }

    pub(crate) fn at_mut(&mut self, id: SubjectId) -> &mut Subject {
        &mut self.subjects[id.0 as usize]
    }

    /// A number that must be a measurement: not negative, and no longer than time is. Others are dropped
    /// and counted.
    pub(crate) fn measured(&mut self, value: f64) -> Option<f64> {
        let good = (0.0..=TIME_MAX_S).contains(&value);
        self.dropped += u64::from(!good);
        good.then_some(if value < TIME_MIN_S { 0.0 } else { value })
    }

    /// Up-time since it was last told the time. `unit_s` is the least that has passed if this is the
    /// first time, or the first after a failure.
    pub(crate) fn tick(&mut self, now_s: f64, unit_s: f64) {
        if now_s.is_nan() || now_s.abs() > TIME_MAX_S {
            self.dropped += 1;
            return;
        }
        let units = self.subjects.iter().filter_map(|subject| subject.unit.get());
        let longest_s = units.fold(unit_s, f64::max);
        let longest_s = if longest_s > 0.0 { longest_s } else { LONGEST_FIRST_S };
        let passed_s = self.last_s.map_or(unit_s, |last_s| now_s - last_s);
        if passed_s < 0.0 {
            self.dropped += 1;
        }
        self.rate.survived(passed_s.clamp(0.0, UNITS_OF_PAUSE_MAX * longest_s));
        self.last_s = Some(now_s);
    }

    /// Observes a finished unit of an actor, and decides about its state. A YES takes the expected cost
    /// from the budget; tell what became of it by `saved`, `save_failed` or `not_saved`.
    pub fn decide_state(&mut self, id: SubjectId, seen: &StateSeen) -> Decision {
        let runtime_s = self.measured(seen.runtime_s).unwrap_or(0.0);
        let overlap_s = self.measured(seen.overlap_s).unwrap_or(0.0);
        let unsaved_s = self.measured(seen.unsaved_s).unwrap_or(0.0);
        self.tick(seen.now_s, runtime_s);
        if runtime_s > 0.0 {
            let useful_s = self.at_mut(id).ran(runtime_s, overlap_s);
            self.longest_s = self.longest_s.max(useful_s);
            let charge_s = self.cost(id, seen.bytes).charge_s();
            self.bucket.accrue(useful_s, self.rate.mean(), charge_s);
        }
        let unsaved_s = (unsaved_s - self.at(id).slowed_s).max(0.0);
        let terms = self.terms(id, runtime_s, unsaved_s, seen.bytes);
        let answer = self.answer_state(id, seen, &terms);
        self.conclude(id, answer, &terms)
    }

    /// The numbers that all rules of a state share.
    fn terms(
        &mut self,
        id: SubjectId,
        runtime_s: f64,
        unsaved_s: f64,
        bytes: Option<u64>,
    ) -> Terms {
        let cost = self.cost(id, bytes);
        let charge_s = cost.charge_s();
        let subject = &self.subjects[id.0 as usize];
        let unit_s = subject.unit.get().unwrap_or(runtime_s);
        let rate = self.rate.estimate();
        let (ratio, threshold, more_s) = match self.config.kind {
            PolicyKind::Adaptive => {
                let from_s = subject.factor * pays_from_s(rate.mean, charge_s, unit_s);
                (unsaved_s / self.longest_s, from_s / self.longest_s, from_s - unsaved_s)
            }
            PolicyKind::YoungDaly => {
                let from_s = (2.0 * charge_s / rate.mean).sqrt();
                (unsaved_s / self.longest_s, from_s / self.longest_s, from_s - unsaved_s)
            }
            PolicyKind::Threshold => {
                let seen = self.rule.decide(Observation { runtime_s, unsaved_s });
                (seen.ratio, seen.threshold, f64::NAN)
            }
            PolicyKind::Every(n) => {
                let left = n.saturating_sub(subject.units);
                let share = f64::from(subject.units) / f64::from(n.max(1));
                (share, 1.0, f64::from(left) * unit_s)
            }
            PolicyKind::Always => (1.0, 0.0, 0.0),
            PolicyKind::Never => (0.0, 1.0, f64::NAN),
        };
        let expected_loss_s = expected_loss_s(rate.mean, unsaved_s, unit_s);
        Terms {
            runtime_s,
            unsaved_s,
            unit_s,
            cost,
            charge_s,
            rate,
            ratio,
            threshold,
            more_s,
            expected_loss_s,
        }
    }

    /// The rules in their order; the first that binds gives the reason.
    fn answer_state(&mut self, id: SubjectId, seen: &StateSeen, terms: &Terms) -> Answer {
        let kind = self.config.kind;
        let subject = &self.subjects[id.0 as usize];
        let at_risk = seen.unsaved_s.is_finite() && seen.unsaved_s > 0.0;
        // Where every boundary is to be saved, the newest state wins over one that still waits.
        let newest_wins = matches!(kind, PolicyKind::Always | PolicyKind::Every(_));
        if seen.in_flight && !newest_wins {
            let first = subject.saves == 0;
            let reason = if first { NoReason::FirstSavePending } else { NoReason::InFlight };
            return Answer::No(reason);
        }
        if let Some(reason) = self.standing_refusal(id, at_risk && terms.runtime_s > 0.0) {
            return Answer::No(reason);
        }
        if let (PolicyKind::Adaptive, Some(left_s)) = (kind, seen.notice_s)
            && left_s.is_finite()
        {
            let needed_s = NOTICE_ROOM * self.at(id).latency_s(terms.cost);
            return if left_s <= needed_s {
                Answer::No(NoReason::TooLate)
            } else if left_s - terms.unit_s > needed_s {
                Answer::No(NoReason::LaterBeforeStop)
            } else if self.no_room(seen.bytes, seen.disk_free) {
                Answer::No(NoReason::Disk)
            } else {
                Answer::Yes(YesReason::Notice)
            };
        }
        if terms.ratio < terms.threshold {
            return Answer::No(NoReason::BelowThreshold);
        }
        let unlimited = matches!(kind, PolicyKind::Always);
        let mut yes = YesReason::Rule;
        if !unlimited {
            if let Some(reason) = self.over_budget(terms) {
                return Answer::No(reason);
            }
            if self.bucket_binds() && !self.bucket.allows(terms.charge_s) {
                yes = YesReason::Starving;
            }
            if let Some(remaining_s) = seen.remaining_s.filter(|s| s.is_finite())
                && (remaining_s <= 0.0
                    || kind == PolicyKind::Adaptive
                        && to_the_end_s(terms.rate.mean, terms.unsaved_s, remaining_s)
                            < terms.charge_s)
            {
                return Answer::No(NoReason::NearlyDone);
            }
        }
        if self.no_room(seen.bytes, seen.disk_free) {
            return Answer::No(NoReason::Disk);
        }
        Answer::Yes(yes)
    }

    /// What forbids a save whatever the numbers are. Counts the units of a back-off.
    pub(crate) fn standing_refusal(&mut self, id: SubjectId, at_risk: bool) -> Option<NoReason> {
        if self.config.kind == PolicyKind::Never {
            return Some(NoReason::Policy);
        }
        if !at_risk {
            return Some(NoReason::NothingToSave);
        }
        let subject = self.at_mut(id);
        if subject.wait > 0 {
            subject.wait -= 1;
            return Some(NoReason::BackOff);
        }
        None
    }

    /// Whether a budget of seconds stands above this policy.
    fn bucket_binds(&self) -> bool {
        match self.config.kind {
            PolicyKind::Adaptive => true,
            PolicyKind::Always | PolicyKind::Never => false,
            _ => self.bucket.hard.is_some(),
        }
    }

    /// Which budget forbids it.
    pub(crate) fn over_budget(&self, terms: &Terms) -> Option<NoReason> {
        if self.bucket.saves_left == Some(0) {
            return Some(NoReason::Count);
        }
        let starving = self.bucket.hard.is_none() && terms.ratio > STARVING * terms.threshold;
        let short = self.bucket_binds() && !self.bucket.allows(terms.charge_s);
        (short && !starving).then_some(NoReason::Budget)
    }

    /// Whether quota or disk have no room. A checkpoint of unknown size is tried.
    pub(crate) fn no_room(&self, bytes: Option<u64>, disk_free: Option<u64>) -> bool {
        let Some(bytes) = bytes else { return false };
        let needed = bytes.saturating_mul(2).saturating_add(DISK_SPARE_BYTES);
        self.config.bytes_max.is_some_and(|most| bytes > most)
            || disk_free.is_some_and(|free| free < needed)
    }

    /// Enters the answer, and puts the decision together.
    pub(crate) fn conclude(&mut self, id: SubjectId, answer: Answer, terms: &Terms) -> Decision {
        if matches!(answer, Answer::Yes(_)) {
            let free = self.bucket.take(terms.charge_s);
            self.at_mut(id).begin_save(terms.charge_s, free);
        }
        let budget = self.bucket.state(self.bucket_binds());
        let more_s = match answer {
            Answer::No(NoReason::BelowThreshold) => Some(terms.more_s),
            Answer::No(NoReason::Budget) if self.bucket.share() > 0.0 => {
                let short_s = terms.charge_s - budget.left_s.unwrap_or(0.0);
                Some(terms.more_s.max(short_s / self.bucket.share()))
            }
            _ => None,
        };
        let units = more_s.map(|s| (s / terms.unit_s).ceil().max(1.0));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it was just found to be a small count"
        )]
        let more_units = units.filter(|n| n.is_finite() && *n < 1e9).map(|n| n as u32);
        Decision {
            policy: self.config.kind,
            answer,
            runtime_s: terms.runtime_s,
            unsaved_s: terms.unsaved_s,
            ratio: terms.ratio,
            threshold: terms.threshold,
            rate: terms.rate,
            expected_loss_s: terms.expected_loss_s,
            cost: terms.cost,
            budget,
            more_units,
        }
    }
}

/// The numbers of one decision.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) runtime_s: f64,
    pub(crate) unsaved_s: f64,
    pub(crate) unit_s: f64,
    pub(crate) cost: Cost,
    pub(crate) charge_s: f64,
    pub(crate) rate: RateEstimate,
    pub(crate) ratio: f64,
    pub(crate) threshold: f64,
    /// Useful seconds until the threshold is reached; NaN where that cannot be told.
    pub(crate) more_s: f64,
    pub(crate) expected_loss_s: f64,
}

#[expect(clippy::cast_precision_loss, reason = "costs follow the size to three digits at best")]
pub(crate) fn as_f64(bytes: u64) -> f64 {
    bytes as f64
}
