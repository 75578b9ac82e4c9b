//! Chains of tasks without state: which outputs to save, against the exact optimum.
//!
//! After a failure a chain goes on from the newest saved output. The expected time of the tasks from
//! one saved output to the next, with the save, is (e^{λ(w+s)} − 1)(1/λ + D) and e^{λl} times that for
//! loading the output before it (A. Benoit et al., "Checkpointing strategies for computational
//! workflows", 2018); the best set of saves is a dynamic programme over their last elements.

use super::job::ratio;
use super::random::Random;
use crate::controller::{Config, Controller};
use crate::feedback::Saved;
use crate::kind::PolicyKind;
use crate::output::{OutputSeen, Use};
use crate::rate::RateModel;
use crate::subject::{Probe, SubjectKind};

/// Purpose of the dice.
const DICE_CHAINS: u64 = 6;
/// Bytes that a simulated store copies in a second.
const BYTES_PER_S: f64 = 1e8;
/// Spread of runtimes and saves in nats.
const SPREAD: f64 = 0.8;

/// A chain; all times in seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    /// Runtime of each task.
    pub tasks_s: Vec<f64>,
    /// What saving each task's output costs; loading costs the same.
    pub saves_s: Vec<f64>,
    /// True failures per second.
    pub rate: f64,
    /// From a failure to the next start.
    pub downtime_s: f64,
}

/// How outputs are chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChainPolicy {
    /// The rule.
    pub kind: PolicyKind,
    /// Count budget.
    pub saves_max: Option<u32>,
    /// What the controller takes for the rate, over the true one.
    pub rate_error: f64,
}

/// So many chains of so many tasks: runtimes about 10 s and saves about 0.7 s times `size`, both
/// log-normal, a failure every `mtbf_s`.
#[must_use]
pub fn chains(seed: u64, count: usize, tasks: usize, mtbf_s: f64, size: f64) -> Vec<Chain> {
    let mut dice = Random::new(seed, DICE_CHAINS);
    let mut draw = |median: f64| median * (SPREAD * dice.normal()).exp();
    let mut chain = || Chain {
        tasks_s: (0..tasks).map(|_| draw(10.0)).collect(),
        saves_s: (0..tasks).map(|_| draw(0.7 * size)).collect(),
        rate: 1.0 / mtbf_s,
        downtime_s: 2.0,
    };
    (0..count).map(|_| chain()).collect()
}

impl Chain {
    /// Expected seconds from the output of task `from − 1` (0: from nothing) to that of task `to − 1`,
    /// saved unless it is the last.
    fn segment_s(&self, from: usize, to: usize, work_s: f64) -> f64 {
        let save_s = if to == self.tasks_s.len() { 0.0 } else { self.saves_s[to - 1] };
        let load_s = if from == 0 { 0.0 } else { self.saves_s[from - 1] };
        let again = (self.rate * load_s).exp() * (1.0 / self.rate + self.downtime_s);
        again * (self.rate * (work_s + save_s)).exp_m1()
    }
}

/// Expected seconds of a chain when exactly these outputs are saved.
#[must_use]
pub fn expected_s(chain: &Chain, saved: &[bool]) -> f64 {
    let (mut from, mut work_s, mut total_s) = (0, 0.0, 0.0);
    for (i, task_s) in chain.tasks_s.iter().enumerate() {
        work_s += task_s;
        let last = i + 1 == chain.tasks_s.len();
        if saved[i] || last {
            total_s += chain.segment_s(from, i + 1, work_s);
            (from, work_s) = (i + 1, 0.0);
        }
    }
    total_s
}

/// The least expected seconds that any set of saves gives.
#[must_use]
pub fn best_s(chain: &Chain) -> f64 {
    let tasks = chain.tasks_s.len();
    let mut best = vec![0.0; tasks + 1];
    for to in 1..=tasks {
        let mut work_s = 0.0;
        let mut least = f64::INFINITY;
        for from in (0..to).rev() {
            work_s += chain.tasks_s[from];
            least = f64::min(least, best[from] + chain.segment_s(from, to, work_s));
        }
        best[to] = least;
    }
    best[tasks]
}

/// Expected seconds of a chain whose outputs the controller chooses.
#[must_use]
pub fn decided_s(chain: &Chain, policy: ChainPolicy) -> f64 {
    let probe = Probe { fixed_s: 0.0, bytes_per_s: 0.0, copied_per_s: BYTES_PER_S };
    let rate = RateModel::Known(chain.rate * policy.rate_error);
    let mut controller = Controller::new(
        Config {
            saves_max: policy.saves_max,
            rate: Some(rate),
            probe: Some(probe),
            ..Config::of(policy.kind)
        },
        None,
    );
    let (mut now_s, mut lineage_s) = (0.0, 0.0);
    let mut saved = vec![false; chain.tasks_s.len()];
    for (i, (task_s, save_s)) in chain.tasks_s.iter().zip(&chain.saves_s).enumerate() {
        let id = controller.subject(&format!("task {i}"), SubjectKind::Output);
        now_s += task_s;
        lineage_s += task_s;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive, small"
        )]
        let bytes = (save_s * BYTES_PER_S) as u64;
        let seen = OutputSeen {
            now_s,
            runtime_s: *task_s,
            lineage_s,
            bytes,
            used: Use::Chain,
            load_s: Some(*save_s),
            disk_free: None,
        };
        saved[i] = controller.decide_output(id, &seen).checkpoint();
        if saved[i] {
            now_s += save_s;
            lineage_s = 0.0;
            let durable =
                Saved { blocking_s: *save_s, background_s: 0.0, durable_s: *save_s, bytes };
            controller.saved(id, &durable);
        }
    }
    expected_s(chain, &saved)
}

/// Mean and worst of expected time over the optimum.
#[must_use]
pub fn against_best(chains: &[Chain], policy: ChainPolicy) -> (f64, f64) {
    let of = |chain: &Chain| decided_s(chain, policy) / best_s(chain);
    let all: Vec<f64> = chains.iter().map(of).collect();
    let mean = all.iter().sum::<f64>() / ratio(all.len(), 1);
    (mean, all.iter().copied().fold(0.0, f64::max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dynamic_programme_finds_what_trying_everything_finds() {
        for chain in chains(1, 20, 11, 120.0, 3.0) {
            let tried = (0..1_u32 << 11).map(|set| {
                let saved: Vec<bool> = (0..11).map(|i| set >> i & 1 == 1).collect();
                expected_s(&chain, &saved)
            });
            let least = tried.fold(f64::INFINITY, f64::min);
            assert!((best_s(&chain) / least - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn chains_are_within_two_per_cent_of_the_optimum() {
        let adaptive = ChainPolicy { kind: PolicyKind::Adaptive, saves_max: None, rate_error: 1.0 };
        for (tasks, mtbf_s, size) in [
            (10, 600.0, 1.0),
            (30, 600.0, 1.0),
            (30, 3600.0, 1.0),
            (30, 600.0, 10.0),
            (100, 300.0, 1.0),
        ] {
            let chains = chains(7, 100, tasks, mtbf_s, size);
            let (mean, worst) = against_best(&chains, adaptive);
            assert!(mean <= 1.02, "{tasks} tasks, {mtbf_s} s, size {size}: {mean:.4}, {worst:.4}");
        }
    }
}
