//! Many outcomes of one policy in one regime, as a row.

use super::job::{Outcome, ratio};

/// A row of the table: means over seeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// Makespan over the failure-free run without saves.
    pub makespan_ratio: f64,
    /// Standard error of it.
    pub stderr: f64,
    /// Saves that were begun.
    pub checkpoints: f64,
    /// Seconds that saves cost, over those of the failure-free run.
    pub overhead: f64,
    /// Useful seconds that failures took, over the same.
    pub lost: f64,
    /// Share of the jobs that were given up.
    pub cut: f64,
}

impl Row {
    /// How much longer than under the oracle, in per cent.
    #[must_use]
    pub fn regret_percent(&self, oracle: &Self) -> f64 {
        100.0 * (self.makespan_ratio / oracle.makespan_ratio - 1.0)
    }
}

/// The row of a policy, from the outcomes of all seeds of jobs of `length_s`. There is at least one.
#[must_use]
pub fn summarise(outcomes: &[Outcome], length_s: f64) -> Row {
    let count = ratio(outcomes.len(), 1);
    let mean = |of: &dyn Fn(&Outcome) -> f64| outcomes.iter().map(of).sum::<f64>() / count;
    let makespan_ratio = mean(&|outcome| outcome.ratio);
    let square = mean(&|outcome| (outcome.ratio - makespan_ratio).powi(2));
    Row {
        makespan_ratio,
        stderr: (square / (count - 1.0).max(1.0)).sqrt(),
        checkpoints: mean(&|outcome| f64::from(outcome.saves)),
        overhead: mean(&|outcome| outcome.overhead_s / length_s),
        lost: mean(&|outcome| outcome.lost_s / length_s),
        cut: mean(&|outcome| f64::from(u8::from(outcome.cut))),
    }
}
