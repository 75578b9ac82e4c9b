//! Decisions about the outputs of tasks: to keep one pays if making it again is dearer than reading it.

use crate::breakeven::{expected_loss_s, pays_from_s};
use crate::controller::{Controller, Terms, as_f64};
use crate::decision::{Answer, Decision, NoReason, YesReason};
use crate::kind::PolicyKind;
use crate::subject::SubjectId;
use crate::threshold::Observation;

/// Belief in reuse before any was seen: a Beta distribution with this many uses
const REUSED_FIRST: f64 = 1.0;
/// among so many askings.
const ASKED_FIRST: f64 = 10.0;

/// How much of the difference to the usual cost of outputs counts beside the cost itself, in a chain.
const AGAINST_USUAL: f64 = 0.5;

/// What an output is for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Use {
    /// The next task of a chain: all work since the last saved output hangs on it, as on an actor's
    /// state.
    Chain,
    /// Several readers, the last of which is expected to end in so many seconds.
    Until {
        /// Seconds.
        horizon_s: f64,
    },
}

/// A task's output. Unknown numbers are `None`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutputSeen {
    /// Now, in seconds of the one monotonic clock.
    pub now_s: f64,
    /// Seconds that the task ran.
    pub runtime_s: f64,
    /// Seconds that it takes to make the output again: its own runtime and those of all unsaved
    /// ancestors.
    pub lineage_s: f64,
    /// Its size.
    pub bytes: u64,
    /// What it is for.
    pub used: Use,
    /// Seconds to read it back; from the probe when not known.
    pub load_s: Option<f64>,
    /// Free bytes on the store's disk.
    pub disk_free: Option<u64>,
}

impl Controller {
    /// A stored output of this task was asked for; whether it was there and fitted.
    pub fn reused(&mut self, id: SubjectId, hit: bool) {
        let subject = self.at_mut(id);
        subject.asked += 1.0;
        subject.reused += f64::from(u8::from(hit));
    }

    /// Observes a finished task, and decides about its output. As with states, a YES takes the expected
    /// cost from the budget.
    pub fn decide_output(&mut self, id: SubjectId, seen: &OutputSeen) -> Decision {
        let runtime_s = self.measured(seen.runtime_s).unwrap_or(0.0);
        let lineage_s = self.measured(seen.lineage_s).unwrap_or(0.0).max(runtime_s);
        self.tick(seen.now_s, runtime_s);
        let cost = self.cost(id, Some(seen.bytes));
        let charge_s = cost.charge_s();
        if runtime_s > 0.0 {
            self.at_mut(id).ran(runtime_s, 0.0);
            self.longest_s = self.longest_s.max(runtime_s);
            self.bucket.accrue(runtime_s, self.rate.mean(), charge_s);
        }
        let rate = self.rate.estimate();
        let subject = self.at(id);
        let unit_s = subject.unit.get().unwrap_or(runtime_s);
        let mut terms = Terms {
            runtime_s,
            unsaved_s: lineage_s,
            unit_s,
            cost,
            charge_s,
            rate,
            ratio: lineage_s / self.longest_s,
            threshold: self.rule.threshold(),
            more_s: f64::NAN,
            expected_loss_s: expected_loss_s(rate.mean, lineage_s, unit_s),
        };
        let mut pays = true;
        match (self.config.kind, seen.used) {
            (PolicyKind::Adaptive, Use::Chain) => {
                // The next output may be cheaper to save than this one, or dearer: count the half of it.
                let usual_s = self.outputs_s.get().unwrap_or(charge_s);
                let against_s = charge_s + AGAINST_USUAL * (charge_s - usual_s);
                let against_s = against_s.max(charge_s / 4.0);
                let from_s = subject.factor * pays_from_s(rate.mean, against_s, unit_s);
                terms.threshold = from_s / self.longest_s;
                terms.more_s = from_s - lineage_s;
            }
            (PolicyKind::Adaptive, Use::Until { horizon_s }) => {
                let horizon_s = self.measured(horizon_s).unwrap_or(0.0);
                let load_s = seen.load_s.and_then(|s| self.measured(s));
                let load_s = load_s.unwrap_or_else(|| self.load_s(seen.bytes));
                let lost = -(-rate.mean * horizon_s).exp_m1();
                let subject = self.at(id);
                let reuse = (REUSED_FIRST + subject.reused) / (ASKED_FIRST + subject.asked);
                let needed = 1.0 - (1.0 - reuse) * (1.0 - lost);
                terms.expected_loss_s = (needed * (lineage_s - load_s)).max(0.0);
                pays = terms.expected_loss_s >= charge_s;
            }
            (PolicyKind::YoungDaly, _) => {
                terms.threshold = (2.0 * charge_s / rate.mean).sqrt() / self.longest_s;
            }
            (PolicyKind::Every(n), _) => {
                terms.ratio = f64::from(self.at(id).units) / f64::from(n.max(1));
                terms.threshold = 1.0;
            }
            (PolicyKind::Threshold, _) => {
                let seen = self.rule.decide(Observation { runtime_s, unsaved_s: lineage_s });
                terms.ratio = seen.ratio;
            }
            (PolicyKind::Always, _) => (terms.ratio, terms.threshold) = (1.0, 0.0),
            (PolicyKind::Never, _) => (terms.ratio, terms.threshold) = (0.0, 1.0),
        }
        self.outputs_s.add(charge_s);
        let answer = self.answer_output(id, seen, &terms, lineage_s, pays);
        self.conclude(id, answer, &terms)
    }

    fn answer_output(
        &mut self,
        id: SubjectId,
        seen: &OutputSeen,
        terms: &Terms,
        lineage_s: f64,
        pays: bool,
    ) -> Answer {
        if let Some(reason) = self.standing_refusal(id, lineage_s > 0.0) {
            return Answer::No(reason);
        }
        if terms.ratio < terms.threshold {
            return Answer::No(NoReason::BelowThreshold);
        }
        if !pays {
            return Answer::No(NoReason::NotWorth);
        }
        if self.config.kind != PolicyKind::Always
            && let Some(reason) = self.over_budget(terms)
        {
            return Answer::No(reason);
        }
        if self.no_room(Some(seen.bytes), seen.disk_free) {
            return Answer::No(NoReason::Disk);
        }
        Answer::Yes(YesReason::Rule)
    }

    /// Seconds to read so many bytes back, at the speed of writing them where no other is known.
    fn load_s(&self, bytes: u64) -> f64 {
        let of = |speed: f64| if speed > 0.0 { as_f64(bytes) / speed } else { 0.0 };
        self.config.probe.map_or(0.0, |probe| of(probe.bytes_per_s))
    }
}
