//! A real run again, under other policies: what they would have cost with the same failures.

use super::failure::Failure;
use super::job::{Job, Outcome, simulate};
use super::policy::SimulatedPolicy;
use crate::decision::Cost;

/// What a run has shown of one subject.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedRun {
    /// Useful seconds of each unit, each once, in order.
    pub units_s: Vec<f64>,
    /// What a save cost in the mean.
    pub cost: Cost,
    /// Seconds to restore a save.
    pub restore_s: f64,
    /// Seconds from a failure to the next start.
    pub downtime_s: f64,
    /// Failures, in seconds since the start, in order.
    pub failures_s: Vec<f64>,
}

/// What a policy would have cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Replayed {
    /// The policy.
    pub policy: SimulatedPolicy,
    /// How it would have gone.
    pub outcome: Outcome,
}

/// Replays a run under each policy. Values that are no times are left out; without any unit there is
/// nothing to replay.
#[must_use]
pub fn replay(run: &RecordedRun, policies: &[SimulatedPolicy]) -> Vec<Replayed> {
    let good = |s: f64| s.is_finite() && s >= 0.0;
    let or_zero = |s: f64| if good(s) { s } else { 0.0 };
    let units_s: Vec<f64> = run.units_s.iter().copied().filter(|s| good(*s) && *s > 0.0).collect();
    if units_s.is_empty() {
        return Vec::new();
    }
    let mut instants_s: Vec<f64> = run.failures_s.iter().copied().filter(|s| good(*s)).collect();
    instants_s.sort_by(f64::total_cmp);
    let cost = Cost {
        blocking_s: or_zero(run.cost.blocking_s),
        background_s: or_zero(run.cost.background_s),
        slowdown: or_zero(run.cost.slowdown).min(1.0),
    };
    let job = Job {
        units_s,
        cost,
        cost_end: cost,
        guess: None,
        cost_noise: 0.0,
        downtime_s: or_zero(run.downtime_s),
        restore_s: or_zero(run.restore_s),
    };
    let failure = Failure::Recorded { instants_s };
    let under = |policy: &SimulatedPolicy| Replayed {
        policy: *policy,
        outcome: simulate(&job, &failure, policy.decider(), 0),
    };
    policies.iter().map(under).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::PolicyKind;

    #[test]
    fn replay_is_arithmetic_where_it_can_be_done_by_hand() {
        let run = RecordedRun {
            units_s: vec![10.0; 4],
            cost: Cost { blocking_s: 1.0, background_s: 0.0, slowdown: 0.0 },
            restore_s: 0.5,
            downtime_s: 2.0,
            failures_s: vec![35.0],
        };
        let policies = ["never", "always", "every=2"].map(|name| name.parse().unwrap());
        let [never, always, every] = replay(&run, &policies)[..] else { panic!("three policies") };
        // Down at 35 with nothing saved: 37 and all 40 again.
        assert_eq!(never.outcome.makespan_s, 77.0);
        // Three units and saves are done at 33; 2 s are lost, and one unit is left.
        assert_eq!(always.outcome.makespan_s, 35.0 + 2.0 + 0.5 + 10.0);
        assert_eq!(always.outcome.lost_s, 2.0);
        // One save at 21; the units after it are done again.
        assert_eq!(every.outcome.makespan_s, 35.0 + 2.0 + 0.5 + 20.0);
        assert_eq!((every.outcome.saves, every.outcome.overhead_s), (1, 1.0));
        assert_eq!(never.policy.decider(), "never".parse::<SimulatedPolicy>().unwrap().decider());
        assert_ne!(
            never.policy,
            SimulatedPolicy::Of(PolicyKind::Never, super::super::policy::Budgeted::Free)
        );
    }

    #[test]
    fn rubbish_in_a_record_is_left_out() {
        let run = RecordedRun {
            units_s: vec![f64::NAN, -1.0, 0.0, 5.0],
            cost: Cost { blocking_s: f64::NAN, background_s: -1.0, slowdown: 7.0 },
            restore_s: f64::INFINITY,
            downtime_s: -2.0,
            failures_s: vec![f64::NAN, 3.0, 1.0],
        };
        let all = replay(&run, &["always".parse().unwrap()]);
        assert_eq!(all[0].outcome.makespan_s, 8.0);
        assert!(replay(&RecordedRun { units_s: vec![], ..run }, &[]).is_empty());
    }
}
