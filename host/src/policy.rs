//! The engine's policy port, filled with the rules of `adaptive`.

use mobula_adaptive::{Observation, Threshold, ThresholdConfig};
use mobula_contract::{CheckpointPlan, EventBody, PolicyPlan, RunEvent};
use mobula_engine::{Policy, Seen, Verdict};

/// What a first save is taken to cost before one was measured, in seconds: a memory copy of a few
/// megabytes, with room.
const COST_FIRST_S: f64 = 0.01;
/// Failures per second that `young-daly` starts from: one an hour.
const RATE_FIRST: f64 = 1.0 / 3600.0;

/// The policy of a plan, with what earlier processes of the same run had learned.
pub(crate) fn policy(plan: &CheckpointPlan, history: &[RunEvent]) -> Box<dyn Policy> {
    let mut policy = PlannedPolicy {
        plan: plan.clone(),
        rule: Threshold::new(ThresholdConfig::default()),
        units: 0,
        useful_s: 0.0,
        spent_s: 0.0,
        bytes: 0,
        saves: 0,
        failures: 0,
    };
    for event in history {
        match &event.body {
            EventBody::Decided { decision } => {
                policy.rule.decide(Observation {
                    runtime_s: decision.runtime_s,
                    unsaved_s: decision.expected_loss_s,
                });
                policy.units += 1;
                policy.useful_s += decision.runtime_s;
            }
            EventBody::CheckpointSaved { checkpoint, .. } => {
                policy.saved(checkpoint.blocking_s, checkpoint.bytes);
            }
            EventBody::Recovered { recovery } => {
                policy.recovered(recovery.benefit_s);
            }
            _ => {}
        }
    }
    Box::new(policy)
}

struct PlannedPolicy {
    plan: CheckpointPlan,
    rule: Threshold,
    units: u32,
    useful_s: f64,
    spent_s: f64,
    bytes: u64,
    saves: u32,
    failures: u32,
}

impl PlannedPolicy {
    fn cost_s(&self) -> f64 {
        if self.saves == 0 { COST_FIRST_S } else { self.spent_s / f64::from(self.saves) }
    }

    /// Seconds that the budget still allows; the first save is free.
    fn budget_left_s(&self) -> Option<f64> {
        self.plan.overhead.map(|share| share * self.useful_s - self.spent_s)
    }

    /// Why not, by the rules that stand above every policy but `always`.
    fn forbidden(&self, seen: &Seen) -> Option<String> {
        if seen.in_flight {
            return Some("the checkpoint before is still being written".to_owned());
        }
        if seen.last {
            return Some("nearly done: nothing is left that would need it".to_owned());
        }
        if let (Some(limit), Some(bytes)) = (self.plan.bytes, seen.bytes)
            && bytes > limit
        {
            return Some(format!("its {bytes} bytes are over the budget of {limit}"));
        }
        let short = self.budget_left_s().filter(|left| self.saves > 0 && *left < self.cost_s());
        short.map(|left| format!("budget: {left:.3} s left, a save costs {:.3} s", self.cost_s()))
    }

    /// Young's interval √(2·cost/rate), by the work that is unsaved: "A first order approximation to
    /// the optimum checkpoint interval", 1974.
    fn interval_s(&self) -> f64 {
        let hours = 1.0 / RATE_FIRST;
        let rate = (1.0 + f64::from(self.failures)) / (hours + self.useful_s);
        (2.0 * self.cost_s() / rate).sqrt()
    }
}

impl Policy for PlannedPolicy {
    fn decide(&mut self, seen: Seen) -> Verdict {
        self.units += 1;
        self.useful_s += seen.runtime_s;
        let Seen { runtime_s, unsaved_s, .. } = seen;
        let basic = self.rule.decide(Observation { runtime_s, unsaved_s });
        let interval_s = self.interval_s();
        let (wanted, reason) = match self.plan.policy {
            PolicyPlan::Never => (false, "policy never".to_owned()),
            PolicyPlan::Always => (true, "policy always".to_owned()),
            PolicyPlan::Every(n) => {
                (self.units.is_multiple_of(n), format!("stage {} of every {n}", self.units))
            }
            PolicyPlan::YoungDaly => {
                let due = unsaved_s >= interval_s;
                let sign = if due { "≥" } else { "<" };
                (due, format!("unsaved {unsaved_s:.2} s {sign} interval {interval_s:.2} s"))
            }
            PolicyPlan::Threshold | PolicyPlan::Adaptive => (basic.checkpoint(), basic.to_string()),
        };
        let unlimited = matches!(self.plan.policy, PolicyPlan::Always | PolicyPlan::Never);
        let forbidden = if unlimited || !wanted { None } else { self.forbidden(&seen) };
        let (ratio, threshold) = match self.plan.policy {
            PolicyPlan::YoungDaly => (unsaved_s / interval_s, 1.0),
            _ => (basic.ratio, basic.threshold),
        };
        Verdict {
            checkpoint: wanted && forbidden.is_none(),
            reason: forbidden.unwrap_or(reason),
            ratio,
            threshold,
            budget_left: self.budget_left_s(),
            expected_loss_s: basic.expected_loss_s,
            cost_s: self.cost_s(),
        }
    }

    fn saved(&mut self, cost_s: f64, bytes: u64) {
        self.rule.saved(cost_s);
        self.spent_s += cost_s;
        self.saves += 1;
        self.bytes = bytes;
    }

    fn recovered(&mut self, benefit_s: f64) -> (f64, f64) {
        self.failures += 1;
        let before = self.rule.threshold();
        self.rule.adjust_policy(benefit_s);
        (before, self.rule.threshold())
    }
}
