//! What a controller keeps for the next run of the same pipeline: plain numbers, which fade with age.

use std::fmt;

use crate::controller::Controller;
use crate::decision::Span;
use crate::rate::LearnedRate;
use crate::subject::{Subject, SubjectKind};

/// Half of what was believed of failures is forgotten after so long: machines and their neighbours
/// change within days.
const RATE_HALF_S: f64 = 7.0 * 86_400.0;
/// Costs and runtimes are of no use after so long: code and disk are others.
const COSTS_KEPT_S: f64 = 90.0 * 86_400.0;
/// Askings that are remembered, at most: later runs must be able to change the belief.
const ASKED_MAX: f64 = 50.0;

/// What one subject has taught. Numbers that were never measured are `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct LearnedSubject {
    /// Its name.
    pub name: String,
    /// What is saved of it.
    pub kind: SubjectKind,
    /// Useful seconds of a unit.
    pub unit_s: Option<f64>,
    /// Seconds that a save holds it up.
    pub blocking_s: Option<f64>,
    /// Seconds that a save is written in the background.
    pub background_s: Option<f64>,
    /// Seconds until a save is durable.
    pub durable_s: Option<f64>,
    /// Seconds to restore it.
    pub restore_s: Option<f64>,
    /// Share of its speed that a background save costs.
    pub slowdown: Option<f64>,
    /// Bytes of a save.
    pub bytes: Option<f64>,
    /// What recoveries have made of its break-even, as a factor.
    pub factor: f64,
    /// How often a stored output was asked for.
    pub asked: f64,
    /// How often it was there.
    pub reused: f64,
}

/// What a controller has learned.
#[derive(Debug, Clone, PartialEq)]
pub struct Learned {
    /// Seconds since it was learned; set it when loading.
    pub age_s: f64,
    /// The failure rate.
    pub rate: LearnedRate,
    /// The threshold of the basic rule.
    pub threshold: f64,
    /// The subjects.
    pub subjects: Vec<LearnedSubject>,
}

impl Learned {
    fn age(&self) -> f64 {
        if self.age_s.is_finite() { self.age_s.max(0.0) } else { f64::MAX }
    }

    /// How much of the belief in the failure rate still holds, 0 to 1.
    pub(crate) fn rate_kept(&self) -> f64 {
        0.5_f64.powf(self.age() / RATE_HALF_S)
    }

    /// The threshold of the basic rule, on its way back to its start.
    pub(crate) fn threshold_from(&self, start: f64) -> f64 {
        if !self.threshold.is_finite() {
            return start;
        }
        start + self.rate_kept() * (self.threshold - start)
    }

    /// Gives a subject what is remembered of it.
    pub(crate) fn tell(&self, subject: &mut Subject) {
        let same =
            |known: &&LearnedSubject| known.kind == subject.kind && known.name == subject.name;
        let Some(known) = self.subjects.iter().find(same) else { return };
        if self.age() > COSTS_KEPT_S {
            return;
        }
        subject.unit.set(known.unit_s);
        subject.blocking.set(known.blocking_s);
        subject.background.set(known.background_s);
        subject.latency.set(known.durable_s);
        subject.restore.set(known.restore_s);
        subject.slowdown.set(known.slowdown.map(|share| share.min(1.0)));
        subject.bytes = known.bytes.filter(|bytes| bytes.is_finite() && *bytes >= 0.0);
        let kept = self.rate_kept();
        if known.factor.is_finite() && known.factor > 0.0 {
            subject.factor = known.factor.clamp(0.5, 2.0).powf(kept);
        }
        let asked = if known.asked.is_finite() { known.asked.clamp(0.0, ASKED_MAX) } else { 0.0 };
        let share = if known.asked > 0.0 { known.reused / known.asked } else { 0.0 };
        subject.asked = kept * asked;
        subject.reused = if share.is_finite() { kept * asked * share.clamp(0.0, 1.0) } else { 0.0 };
    }
}

/// The sentence that says what was remembered.
impl fmt::Display for Learned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.subjects.iter().filter(|subject| subject.blocking_s.is_some()).count();
        let failures = format!("{:.0}", self.rate.failures);
        let plural = if failures == "1" { "" } else { "s" };
        write!(
            f,
            "remembers {failures} failure{plural} in {} of earlier runs",
            Span(self.rate.up_s)
        )?;
        let kept = 100.0 * self.rate_kept();
        if kept < 99.5 {
            write!(f, " ({kept:.0} % of it count by now)")?;
        }
        write!(f, " and what saves of {known} of {} subjects cost", self.subjects.len())
    }
}

impl Controller {
    /// What it has learned, to be given to the next run's controller.
    #[must_use]
    pub fn learned(&self) -> Learned {
        let of = |subject: &Subject| LearnedSubject {
            name: subject.name.clone(),
            kind: subject.kind,
            unit_s: subject.unit.get(),
            blocking_s: subject.blocking.get(),
            background_s: subject.background.get(),
            durable_s: subject.latency.get(),
            restore_s: subject.restore.get(),
            slowdown: subject.slowdown.get(),
            bytes: subject.bytes,
            factor: subject.factor,
            asked: subject.asked,
            reused: subject.reused,
        };
        let mut subjects: Vec<LearnedSubject> = self.subjects.iter().map(of).collect();
        // What this run had no use for is still worth knowing.
        let before = self.learned.iter().flat_map(|learned| &learned.subjects);
        for known in before {
            if !subjects.iter().any(|now| now.kind == known.kind && now.name == known.name) {
                subjects.push(known.clone());
            }
        }
        let rate = self.rate.remembered();
        Learned { age_s: 0.0, rate, threshold: self.rule.threshold(), subjects }
    }
}
