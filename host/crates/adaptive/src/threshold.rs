//! The basic rule: save when a unit's runtime is large against the longest seen, while budget is left.
//!
//! Source of the rule and its constants: the published checkpoint controller of the reference
//! pipeline (threshold 0.35, learning rate 0.1, clamp [0.05, 1]).

use std::fmt;

/// Lowest value that `adjust_policy` can move the threshold to.
const THRESHOLD_MIN: f64 = 0.05;
/// Highest value: a unit as long as the longest seen always qualifies.
const THRESHOLD_MAX: f64 = 1.0;
/// Step of one adjustment, before damping by the size of the benefit.
const LEARNING_RATE: f64 = 0.1;
/// Weight of the newest measurement in the mean save cost.
const COST_WEIGHT: f64 = 0.3;

/// Constants of the rule; the defaults are the published ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ThresholdConfig {
    /// Start value of the ratio that a unit must reach.
    pub threshold: f64,
    /// How many checkpoints may be taken; `None` is without limit.
    pub saves_max: Option<u32>,
}

impl Default for ThresholdConfig {
    fn default() -> Self {
        Self { threshold: 0.35, saves_max: None }
    }
}

/// What was measured of one finished unit of work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// Seconds that the unit ran.
    pub runtime_s: f64,
    /// Useful seconds since the last durable checkpoint, this unit included.
    pub unsaved_s: f64,
}

/// Why a checkpoint is not taken: the first rule that forbids it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BasicNo {
    /// The runtime is not a positive finite number.
    NothingToSave,
    /// The count budget is used up.
    Budget,
    /// The ratio is below the threshold.
    BelowThreshold,
}

/// One decision, with every number that led to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BasicDecision {
    /// `None` when the checkpoint is to be taken.
    pub refused: Option<BasicNo>,
    /// Seconds that the unit ran.
    pub runtime_s: f64,
    /// Runtime against the longest runtime seen, 0 to 1.
    pub ratio: f64,
    /// What the ratio had to reach.
    pub threshold: f64,
    /// Checkpoints still allowed after this decision; infinite without a limit.
    pub budget_left: f64,
    /// Seconds that a failure right now would lose.
    pub expected_loss_s: f64,
    /// Expected seconds of the save: the running mean of the measured ones.
    pub cost_s: f64,
}

impl BasicDecision {
    /// Whether the checkpoint is to be taken.
    #[must_use]
    pub fn checkpoint(&self) -> bool {
        self.refused.is_none()
    }
}

impl fmt::Display for BasicDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ratio, threshold, expected_loss_s, cost_s, .. } = self;
        let cost_ms = cost_s * 1e3;
        match self.refused {
            None => write!(
                f,
                "ratio {ratio:.2} ≥ threshold {threshold:.2}, {expected_loss_s:.2} s at risk for \
                 about {cost_ms:.1} ms"
            ),
            Some(BasicNo::BelowThreshold) => {
                write!(f, "ratio {ratio:.2} is below threshold {threshold:.2}")
            }
            Some(BasicNo::Budget) => f.write_str("the budget of checkpoints is used up"),
            Some(BasicNo::NothingToSave) => f.write_str("no measured work to save"),
        }
    }
}

/// The state of the rule over one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    threshold: f64,
    saves_left: Option<u32>,
    runtime_max_s: f64,
    cost_s: Option<f64>,
}

impl Threshold {
    /// A fresh controller: nothing seen, the whole budget left. A start value that is no number is
    /// replaced by the published one.
    #[must_use]
    pub fn new(config: ThresholdConfig) -> Self {
        let start = if config.threshold.is_nan() {
            ThresholdConfig::default().threshold
        } else {
            config.threshold
        };
        Self {
            threshold: start.clamp(THRESHOLD_MIN, THRESHOLD_MAX),
            saves_left: config.saves_max,
            runtime_max_s: 0.0,
            cost_s: None,
        }
    }

    /// The ratio that a unit has to reach now.
    #[must_use]
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// Observes a finished unit and decides; a YES takes one checkpoint of the budget.
    pub fn decide(&mut self, seen: Observation) -> BasicDecision {
        let valid = seen.runtime_s.is_finite() && seen.runtime_s > 0.0;
        let mut ratio = 0.0;
        if valid {
            self.runtime_max_s = self.runtime_max_s.max(seen.runtime_s);
            ratio = seen.runtime_s / self.runtime_max_s;
        }
        let refused = if !valid {
            Some(BasicNo::NothingToSave)
        } else if self.saves_left == Some(0) {
            Some(BasicNo::Budget)
        } else if ratio < self.threshold {
            Some(BasicNo::BelowThreshold)
        } else {
            self.saves_left = self.saves_left.map(|left| left - 1);
            None
        };
        BasicDecision {
            refused,
            runtime_s: if valid { seen.runtime_s } else { 0.0 },
            ratio,
            threshold: self.threshold,
            budget_left: self.saves_left.map_or(f64::INFINITY, f64::from),
            expected_loss_s: if seen.unsaved_s.is_finite() { seen.unsaved_s.max(0.0) } else { 0.0 },
            cost_s: self.cost_s.unwrap_or(0.0),
        }
    }

    /// Enters the measured cost of a save, in seconds; values that are no cost are dropped.
    pub fn saved(&mut self, cost_s: f64) {
        if cost_s.is_finite() && cost_s >= 0.0 {
            let old = self.cost_s.unwrap_or(cost_s);
            self.cost_s = Some(old + COST_WEIGHT * (cost_s - old));
        }
    }

    /// Learns from a recovery: `benefit_s` = seconds that the checkpoints saved − what they cost.
    /// A gain lowers the threshold, a loss raises it, by 0.1·|b|/(|b|+1), clamped to [0.05, 1].
    pub fn adjust_policy(&mut self, benefit_s: f64) {
        if benefit_s.is_nan() {
            return;
        }
        let size = benefit_s.abs();
        let damped = if size.is_infinite() { 1.0 } else { size / (size + 1.0) };
        let step = if benefit_s > 0.0 { -LEARNING_RATE * damped } else { LEARNING_RATE * damped };
        self.threshold = (self.threshold + step).clamp(THRESHOLD_MIN, THRESHOLD_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(runtime_s: f64) -> Observation {
        Observation { runtime_s, unsaved_s: runtime_s }
    }

    #[test]
    fn first_unit_has_ratio_one_and_is_saved() {
        let decision = Threshold::new(ThresholdConfig::default()).decide(unit(3.0));
        assert!(decision.checkpoint());
        assert_eq!(decision.ratio, 1.0);
    }

    #[test]
    fn short_unit_is_below_threshold() {
        let mut rule = Threshold::new(ThresholdConfig::default());
        rule.decide(unit(10.0));
        let decision = rule.decide(unit(3.0));
        assert_eq!(decision.refused, Some(BasicNo::BelowThreshold));
        assert_eq!(decision.to_string(), "ratio 0.30 is below threshold 0.35");
    }

    #[test]
    fn count_budget_is_never_passed() {
        let mut rule = Threshold::new(ThresholdConfig { threshold: 0.30, saves_max: Some(4) });
        let saves = (0..100).filter(|_| rule.decide(unit(1.0)).checkpoint()).count();
        assert_eq!(saves, 4);
        assert_eq!(rule.decide(unit(1.0)).refused, Some(BasicNo::Budget));
    }

    #[test]
    fn benefit_moves_threshold_by_the_published_formula() {
        let mut rule = Threshold::new(ThresholdConfig::default());
        rule.adjust_policy(14.0);
        assert!((rule.threshold() - (0.35 - 0.1 * 14.0 / 15.0)).abs() < 1e-12);
        rule.adjust_policy(f64::NAN);
        for _ in 0..100 {
            rule.adjust_policy(f64::NEG_INFINITY);
        }
        assert_eq!(rule.threshold(), 1.0);
        for _ in 0..100 {
            rule.adjust_policy(f64::INFINITY);
        }
        assert_eq!(rule.threshold(), 0.05);
    }

    #[test]
    fn bad_measurements_are_dropped() {
        let mut rule = Threshold::new(ThresholdConfig::default());
        for bad in [f64::NAN, f64::INFINITY, 0.0, -1.0] {
            assert_eq!(rule.decide(unit(bad)).refused, Some(BasicNo::NothingToSave));
            rule.saved(if bad == 0.0 { f64::NAN } else { bad });
        }
        assert!(rule.decide(unit(0.5)).checkpoint());
        assert_eq!(rule.decide(unit(0.5)).cost_s, 0.0);
    }

    #[test]
    fn measured_costs_are_averaged() {
        let mut rule = Threshold::new(ThresholdConfig::default());
        rule.saved(1.0);
        rule.saved(2.0);
        assert!((rule.decide(unit(1.0)).cost_s - 1.3).abs() < 1e-12);
    }
}
