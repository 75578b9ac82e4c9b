//! A regime: what a job is like, what its saves cost, and how it fails.

use super::failure::Failure;
use super::job::{Job, RATIO_MAX};
use crate::decision::Cost;

/// Units of a job, at most.
pub const UNITS_MAX: u32 = 1_000_000;
/// Failures that a run that is given up may meet in the mean, so that it ends.
const FAILURES_MAX: f64 = 1e7;
/// Longest time that a field may hold: 30 years.
const TIME_MAX_S: f64 = 1e9;

/// A regime; all times in seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Regime {
    /// Its name in tables.
    pub name: String,
    /// Units of the job.
    pub units: u32,
    /// Useful seconds of the first unit,
    pub unit_s: f64,
    /// and of the last; in between along a line.
    pub unit_end_s: f64,
    /// What a save costs the job at its start, blocking and slow-down together,
    pub cost_s: f64,
    /// and at its end.
    pub cost_end_s: f64,
    /// Share of the cost for which the job is held up, 0 to 1.
    pub blocking_fraction: f64,
    /// Share of its speed that the job loses while a save is written, 0 to 1. At 0 the background part
    /// costs nothing, and takes as long as it would have blocked.
    pub background_slowdown: f64,
    /// Deviation of a save's cost, as a share of it.
    pub cost_noise: f64,
    /// From a failure to the next start.
    pub downtime_s: f64,
    /// To restore a save.
    pub restore_s: f64,
    /// When it fails.
    pub failure: Failure,
}

/// Something that a regime cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The field, such as `failure.mtbf_s`.
    pub field: &'static str,
    /// What is wrong with it.
    pub message: String,
}

impl Regime {
    /// The job. The regime has no problems.
    #[must_use]
    pub fn job(&self) -> Job {
        let last = f64::from(self.units.saturating_sub(1).max(1));
        let unit = |i: u32| self.unit_s + (self.unit_end_s - self.unit_s) * f64::from(i) / last;
        Job {
            units_s: (0..self.units).map(unit).collect(),
            cost: self.cost(self.cost_s),
            cost_end: self.cost(self.cost_end_s),
            guess: None,
            cost_noise: self.cost_noise,
            downtime_s: self.downtime_s,
            restore_s: self.restore_s,
        }
    }

    /// A charge of so many seconds, as blocking and background parts.
    fn cost(&self, charge_s: f64) -> Cost {
        let blocking_s = self.blocking_fraction * charge_s;
        let behind_s = charge_s - blocking_s;
        let slowdown = self.background_slowdown;
        let background_s = if slowdown > 0.0 { behind_s / slowdown } else { behind_s };
        Cost { blocking_s, background_s, slowdown }
    }

    /// Everything that is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut found = Problems(Vec::new());
        if self.name.trim().is_empty() {
            found.say("name", "is empty".to_owned());
        }
        if !(1..=UNITS_MAX).contains(&self.units) {
            found.say("units", format!("is {}, not from 1 to {UNITS_MAX}", self.units));
        }
        found.positive("unit_s", self.unit_s);
        found.positive("unit_end_s", self.unit_end_s);
        found.between("cost_s", self.cost_s, 0.0, TIME_MAX_S);
        found.between("cost_end_s", self.cost_end_s, 0.0, TIME_MAX_S);
        found.between("blocking_fraction", self.blocking_fraction, 0.0, 1.0);
        found.between("background_slowdown", self.background_slowdown, 0.0, 1.0);
        found.between("cost_noise", self.cost_noise, 0.0, 2.0);
        found.between("downtime_s", self.downtime_s, 0.0, TIME_MAX_S);
        found.between("restore_s", self.restore_s, 0.0, TIME_MAX_S);
        found.failure(&self.failure);
        if found.0.is_empty() {
            let length_s = f64::from(self.units) * (self.unit_s + self.unit_end_s) / 2.0;
            let failures = RATIO_MAX * length_s * self.failure.mean_rate(length_s);
            if failures > FAILURES_MAX {
                let message = format!("gives {failures:.0e} failures in 20 times the job");
                found.say("failure", message);
            }
        }
        found.0
    }
}

struct Problems(Vec<Problem>);

impl Problems {
    fn say(&mut self, field: &'static str, message: String) {
        self.0.push(Problem { field, message });
    }

    fn between(&mut self, field: &'static str, value: f64, low: f64, high: f64) {
        if !(low..=high).contains(&value) {
            self.say(field, format!("is {value}, not from {low} to {high}"));
        }
    }

    fn positive(&mut self, field: &'static str, value: f64) {
        if !(value > 0.0 && value <= TIME_MAX_S) {
            self.say(field, format!("is {value}, not above 0 and up to {TIME_MAX_S}"));
        }
    }

    fn failure(&mut self, failure: &Failure) {
        match failure {
            Failure::None => {}
            Failure::Exponential { mtbf_s } => self.positive("failure.mtbf_s", *mtbf_s),
            Failure::Weibull { shape, mtbf_s } => {
                self.between("failure.shape", *shape, 0.1, 20.0);
                self.positive("failure.mtbf_s", *mtbf_s);
            }
            Failure::Burst { quiet_mtbf_s, burst_mtbf_s, quiet_len_s, burst_len_s } => {
                self.positive("failure.quiet_mtbf_s", *quiet_mtbf_s);
                self.positive("failure.burst_mtbf_s", *burst_mtbf_s);
                self.positive("failure.quiet_len_s", *quiet_len_s);
                self.positive("failure.burst_len_s", *burst_len_s);
            }
            Failure::Spot { period_s, notice_s } => {
                self.positive("failure.period_s", *period_s);
                self.between("failure.notice_s", *notice_s, 0.0, TIME_MAX_S);
            }
            Failure::Shift { mtbf_s, mtbf_end_s, at_s } => {
                self.positive("failure.mtbf_s", *mtbf_s);
                self.positive("failure.mtbf_end_s", *mtbf_end_s);
                self.between("failure.at_s", *at_s, 0.0, TIME_MAX_S);
            }
            Failure::Recorded { instants_s } => {
                let ordered = instants_s.windows(2).all(|pair| pair[0] <= pair[1]);
                let fits = instants_s.iter().all(|s| (0.0..=TIME_MAX_S).contains(s));
                if !ordered || !fits {
                    let message = "has instants that are out of order or below 0".to_owned();
                    self.say("failure.instants_s", message);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::named_regimes;
    use super::*;

    #[test]
    fn charge_is_the_cost_however_it_is_split() {
        let mut regime = named_regimes().remove(0);
        for (fraction, slowdown) in [(0.2, 0.4), (0.0, 1.0), (1.0, 0.4), (0.5, 0.01)] {
            (regime.blocking_fraction, regime.background_slowdown) = (fraction, slowdown);
            assert!((regime.job().cost.charge_s() - regime.cost_s).abs() < 1e-12);
        }
    }

    #[test]
    fn problems_are_told_together_with_their_fields() {
        let mut regime = named_regimes().remove(1);
        assert_eq!(regime.problems(), []);
        regime.units = 0;
        regime.unit_s = f64::NAN;
        regime.cost_s = -1.0;
        regime.failure = Failure::Weibull { shape: 0.0, mtbf_s: 0.0 };
        let fields: Vec<&str> = regime.problems().iter().map(|problem| problem.field).collect();
        assert_eq!(fields, ["units", "unit_s", "cost_s", "failure.shape", "failure.mtbf_s"]);
    }
}
