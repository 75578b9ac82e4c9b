//! What became of decisions: saves that ended, failures, recoveries, and what is learned from them.

use std::fmt;

use crate::controller::{Controller, as_f64};
use crate::decision::{Cost, Seconds};
use crate::kind::PolicyKind;
use crate::subject::SubjectId;

/// Step of one adjustment of the break-even, in nats, before it is set against the size of things. Small:
/// with the published 0.1 the mean regret of drawn regimes was a third larger (`CONTROLLER.md`).
const STEP: f64 = 0.02;
/// An adjustment fades by this power at the next.
const FADE: f64 = 0.95;
/// Bounds of the factor: within them the harm stays below a quarter of overhead and loss together.
const FACTOR_MIN: f64 = 0.5;
/// See [`FACTOR_MIN`].
const FACTOR_MAX: f64 = 2.0;

/// A save that became durable, as it was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Saved {
    /// Seconds that the subject was held up.
    pub blocking_s: f64,
    /// Seconds of work in the background.
    pub background_s: f64,
    /// Seconds from the decision until it was durable.
    pub durable_s: f64,
    /// Its size.
    pub bytes: u64,
}

/// A restored subject.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Restored {
    /// Now, in seconds of the one monotonic clock.
    pub now_s: f64,
    /// Seconds that restoring took; zero where nothing had been saved.
    pub restore_s: f64,
    /// Units that the newest save kept over the one before it.
    pub units_kept: u32,
}

/// What a recovery has taught.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Feedback {
    /// Useful seconds that the failure took.
    pub lost_s: f64,
    /// Useful seconds that the newest save kept over the one before it.
    pub kept_s: f64,
    /// The latter less the cost of all saves since the failure before.
    pub benefit_s: f64,
    /// The threshold, in units of the longest unit seen, before this.
    pub threshold_before: f64,
    /// And after.
    pub threshold_after: f64,
}

impl fmt::Display for Feedback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "lost {}, kept {}; benefit {} → threshold {:.2} → {:.2}",
            Seconds(self.lost_s),
            Seconds(self.kept_s),
            Seconds(self.benefit_s),
            self.threshold_before,
            self.threshold_after
        )
    }
}

impl Controller {
    /// A save became durable.
    pub fn saved(&mut self, id: SubjectId, saved: &Saved) {
        let numbers = [saved.blocking_s, saved.background_s, saved.durable_s];
        let [blocking, background, durable] = numbers.map(|s| self.measured(s));
        let ended = self.at_mut(id).end_save();
        let subject = self.at_mut(id);
        subject.saves = subject.saves.saturating_add(1);
        subject.save_failures = 0;
        subject.wait = 0;
        if let Some(s) = durable {
            subject.latency.add(s);
        }
        let (Some(blocking_s), Some(background_s)) = (blocking, background) else { return };
        subject.blocking.add(blocking_s);
        subject.background.add(background_s);
        subject.bytes = Some(as_f64(saved.bytes));
        let slowdown = subject.slowdown();
        let charge_s = Cost { blocking_s, background_s, slowdown }.charge_s();
        subject.cycle_s += charge_s;
        if let Some((expected_s, free)) = ended {
            self.bucket.correct(expected_s, charge_s, free);
        }
        if let Some(probe) = self.config.probe {
            let foretold = Cost { slowdown, ..probe.cost(as_f64(saved.bytes)) };
            let shown = charge_s / foretold.charge_s();
            if shown.is_finite() {
                self.probe_shown.add(shown);
            }
        }
    }

    /// A save failed after so many seconds: they are charged, and some units pass before the next try.
    pub fn save_failed(&mut self, id: SubjectId, spent_s: f64) {
        let spent_s = self.measured(spent_s).unwrap_or(0.0);
        let subject = self.at_mut(id);
        subject.back_off();
        subject.cycle_s += spent_s;
        if let Some((expected_s, free)) = subject.end_save() {
            self.bucket.correct(expected_s, spent_s, free);
        }
    }

    /// A YES was not carried out: the budget gets back what it had taken.
    pub fn not_saved(&mut self, id: SubjectId) {
        if let Some((expected_s, free)) = self.at_mut(id).end_save() {
            self.bucket.give_back(expected_s, free);
        }
    }

    /// State was lost (killed, trapped, out of memory, host gone), and so many useful seconds with it.
    /// Say it once for each failure; other subjects that went with it by `lost_with_it`.
    pub fn failed(&mut self, id: SubjectId, now_s: f64, lost_s: f64) {
        self.tick(now_s, 0.0);
        self.rate.failed();
        self.last_s = None;
        self.lost_with_it(id, lost_s);
    }

    /// A subject lost its state in a failure that was counted already.
    pub fn lost_with_it(&mut self, id: SubjectId, lost_s: f64) {
        let lost_s = self.measured(lost_s).unwrap_or(0.0);
        let subject = self.at_mut(id);
        // A save that was being written is lost too; what it took stays spent.
        while let Some((expected_s, _)) = subject.end_save() {
            subject.cycle_s += expected_s;
        }
        subject.failed = true;
        subject.lost_s += lost_s;
        subject.slowed_s = 0.0;
        subject.units = 0;
    }

    /// The user stopped the work: the time until now was survived, and nothing failed.
    pub fn cancelled(&mut self, now_s: f64) {
        self.tick(now_s, 0.0);
        self.last_s = None;
    }

    /// A subject stands again after a failure: `adjust_policy` with what its saves were worth. Where nothing
    /// had failed, as the user had stopped the work, that says nothing of saves, and moves nothing.
    pub fn restored(&mut self, id: SubjectId, restored: &Restored) -> Feedback {
        if let Some(now_s) = self.measured(restored.now_s) {
            self.last_s = Some(now_s);
        }
        if let Some(restore_s) = self.measured(restored.restore_s)
            && restore_s > 0.0
        {
            self.at_mut(id).restore.add(restore_s);
        }
        let charge_s = self.cost(id, None).charge_s();
        let before = self.threshold_of(id, charge_s);
        let subject = self.at_mut(id);
        let kept_s = f64::from(restored.units_kept) * subject.unit.get().unwrap_or(0.0);
        if !std::mem::take(&mut subject.failed) {
            return Feedback {
                lost_s: 0.0,
                kept_s,
                benefit_s: 0.0,
                threshold_before: before,
                threshold_after: before,
            };
        }
        let cycle_s = std::mem::take(&mut subject.cycle_s);
        let lost_s = std::mem::take(&mut subject.lost_s);
        let benefit_s = kept_s - cycle_s;
        let scale_s = lost_s + cycle_s + charge_s;
        if scale_s > 0.0 {
            // More than one step at once would make one lucky save rule for hours.
            let pull = (benefit_s / scale_s).clamp(-1.0, 1.0);
            let factor = subject.factor.powf(FADE) * (-STEP * pull).exp();
            subject.factor = factor.clamp(FACTOR_MIN, FACTOR_MAX);
        }
        self.rule.adjust_policy(benefit_s);
        let after = self.threshold_of(id, charge_s);
        Feedback { lost_s, kept_s, benefit_s, threshold_before: before, threshold_after: after }
    }

    /// The threshold that the next unit of a subject would meet.
    fn threshold_of(&self, id: SubjectId, charge_s: f64) -> f64 {
        let subject = self.at(id);
        let unit_s = subject.unit.get().unwrap_or(0.0);
        match self.config.kind {
            PolicyKind::Adaptive => {
                let from_s = crate::breakeven::pays_from_s(self.rate.mean(), charge_s, unit_s);
                subject.factor * from_s / self.longest_s
            }
            PolicyKind::YoungDaly => (2.0 * charge_s / self.rate.mean()).sqrt() / self.longest_s,
            PolicyKind::Threshold => self.rule.threshold(),
            PolicyKind::Always => 0.0,
            PolicyKind::Every(_) | PolicyKind::Never => 1.0,
        }
    }
}
