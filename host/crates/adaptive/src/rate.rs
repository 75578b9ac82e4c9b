//! How often state is lost: what is believed of the failure rate, from up-time and failures alone.
//!
//! Two beliefs. The grid keeps a probability for each of 25 rates and slowly forgets, so that it
//! follows rates that change. The Gamma form is two numbers and never forgets.

/// Rates of the grid.
pub const RATES: usize = 25;
/// The highest rate of the grid is one failure in so many seconds.
const BETWEEN_MIN_S: f64 = 20.0;
/// The lowest: one in 30 days.
const BETWEEN_MAX_S: f64 = 30.0 * 86_400.0;
/// The prior's median: one failure an hour.
const PRIOR_BETWEEN_S: f64 = 3600.0;
/// The prior's spread in nats: a factor of 6 to both sides is nothing unusual.
const PRIOR_SPREAD: f64 = 1.8;
/// The grid forgets over this up-time.
const FORGET_S: f64 = 8.0 * 3600.0;
/// And this share at each failure: failures come when something has changed.
const FORGET_AT_FAILURE: f64 = 0.05;

/// Which belief a controller holds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum RateModel {
    /// Follows rates that change.
    #[default]
    Grid,
    /// (1 + failures) / (1 h + up-time).
    Gamma,
    /// So many failures a second, whatever happens; a number that is no rate is learned by the grid.
    Known(f64),
}

/// What is believed of the rate, for people.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateEstimate {
    /// Failures per second, the mean of the belief: expected cost is linear in the rate to first
    /// order, so that only the mean counts.
    pub mean: f64,
    /// Lower end of the 90 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Failures that were seen in this run.
    pub failures: u32,
}

/// The belief.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rate {
    model: RateModel,
    rates: [f64; RATES],
    prior: [f64; RATES],
    belief: [f64; RATES],
    /// Of this run.
    failures: u32,
    /// For the Gamma form: up-time and failures, those of earlier runs included.
    up_s: f64,
    hits: f64,
}

impl Rate {
    pub(crate) fn new(model: RateModel) -> Self {
        let known = |rate: f64| rate.is_finite() && rate > 0.0;
        let model = match model {
            RateModel::Known(rate) if !known(rate) => RateModel::Grid,
            model => model,
        };
        let step = (BETWEEN_MAX_S / BETWEEN_MIN_S).ln() / 24.0;
        let rates = std::array::from_fn(|k| {
            (-BETWEEN_MIN_S.ln() - step * f64::from(u8::try_from(k).expect("k < 25"))).exp()
        });
        let mut prior = rates.map(|rate: f64| {
            let away = (rate * PRIOR_BETWEEN_S).ln() / PRIOR_SPREAD;
            (-0.5 * away * away).exp()
        });
        normalise(&mut prior);
        Self { model, rates, prior, belief: prior, failures: 0, up_s: 0.0, hits: 0.0 }
    }

    /// Seconds without a failure.
    pub(crate) fn survived(&mut self, seconds: f64) {
        self.up_s += seconds;
        if self.model != RateModel::Grid || seconds <= 0.0 {
            return;
        }
        for (p, rate) in self.belief.iter_mut().zip(&self.rates) {
            *p *= (-rate * seconds).exp();
        }
        self.forget(1.0 - (-seconds / FORGET_S).exp());
    }

    /// State was lost.
    pub(crate) fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
        self.hits += 1.0;
        self.forget(FORGET_AT_FAILURE);
        for (p, rate) in self.belief.iter_mut().zip(&self.rates) {
            *p *= rate;
        }
        self.forget(0.0);
    }

    /// Makes it a probability again, a share of it the prior.
    fn forget(&mut self, share: f64) {
        if !normalise(&mut self.belief) {
            self.belief = self.prior;
        }
        for (p, prior) in self.belief.iter_mut().zip(&self.prior) {
            *p += share * (prior - *p);
        }
    }

    /// Failures per second.
    pub(crate) fn mean(&self) -> f64 {
        match self.model {
            RateModel::Grid => self.belief.iter().zip(&self.rates).map(|(p, rate)| p * rate).sum(),
            RateModel::Gamma => (1.0 + self.hits) / (PRIOR_BETWEEN_S + self.up_s),
            RateModel::Known(rate) => rate,
        }
    }

    pub(crate) fn estimate(&self) -> RateEstimate {
        let mean = self.mean();
        let (low, high) = match self.model {
            RateModel::Grid => (self.quantile(0.05), self.quantile(0.95)),
            RateModel::Gamma => gamma_interval(1.0 + self.hits, mean),
            RateModel::Known(rate) => (rate, rate),
        };
        RateEstimate { mean, low, high, failures: self.failures }
    }

    /// The rate below which this share of the belief lies; between two rates of the grid by their
    /// logarithms.
    fn quantile(&self, share: f64) -> f64 {
        // The grid runs from the highest rate down.
        let mut above = 1.0;
        for k in 0..RATES {
            let below = above - self.belief[k];
            if below <= share && k + 1 < RATES {
                let part =
                    if self.belief[k] > 0.0 { (above - share) / self.belief[k] } else { 0.5 };
                let step = (self.rates[k + 1] / self.rates[k]).ln();
                return self.rates[k] * (step * (part.clamp(0.0, 1.0) - 0.5)).exp();
            }
            above = below;
        }
        self.rates[RATES - 1]
    }

    pub(crate) fn remembered(&self) -> LearnedRate {
        LearnedRate { belief: self.belief, up_s: self.up_s, failures: self.hits }
    }

    /// Takes over what an earlier run believed; `kept` of it is still held for true.
    pub(crate) fn recall(&mut self, learned: &LearnedRate, kept: f64) {
        let fits = |x: &f64| x.is_finite() && *x >= 0.0;
        if learned.belief.iter().all(fits) {
            self.belief = learned.belief;
            self.forget(1.0 - kept);
        }
        if fits(&learned.up_s) && fits(&learned.failures) {
            self.up_s = kept * learned.up_s;
            self.hits = kept * learned.failures;
        }
    }
}

/// The belief in plain numbers, to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct LearnedRate {
    /// Probability of each rate of the grid, from one failure in 20 s down to one in 30 days.
    pub belief: [f64; RATES],
    /// Seconds of up-time, older ones counting less.
    pub up_s: f64,
    /// Failures, older ones counting less.
    pub failures: f64,
}

/// Whether there was anything to normalise.
fn normalise(weights: &mut [f64; RATES]) -> bool {
    let sum: f64 = weights.iter().sum();
    if !(sum.is_finite() && sum > 0.0) {
        return false;
    }
    for weight in weights {
        *weight /= sum;
    }
    true
}

/// 90 % interval of a Gamma belief by Wilson's and Hilferty's cube root of the normal ("The
/// distribution of chi-square", 1931).
fn gamma_interval(shape: f64, mean: f64) -> (f64, f64) {
    let at = |z: f64| {
        let root = 1.0 - 1.0 / (9.0 * shape) + z / (3.0 * shape.sqrt());
        mean * root.max(0.0).powi(3)
    };
    (at(-1.645), at(1.645))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn belief_comes_to_the_true_rate() {
        for model in [RateModel::Grid, RateModel::Gamma] {
            let mut rate = Rate::new(model);
            for _ in 0..60 {
                for _ in 0..60 {
                    rate.survived(10.0);
                }
                rate.failed();
            }
            let seen = rate.estimate();
            assert!((seen.mean * 600.0 - 1.0).abs() < 0.25, "{model:?}: {seen:?}");
            assert!(seen.low < 1.0 / 600.0 && 1.0 / 600.0 < seen.high, "{model:?}: {seen:?}");
            assert_eq!(seen.failures, 60);
        }
    }

    #[test]
    fn quiet_lowers_and_failures_raise_the_rate() {
        for model in [RateModel::Grid, RateModel::Gamma] {
            let mut rate = Rate::new(model);
            let start = rate.mean();
            rate.survived(3600.0);
            let quiet = rate.mean();
            rate.failed();
            assert!(quiet < start && quiet < rate.mean(), "{model:?}");
        }
    }

    #[test]
    fn a_century_without_failure_leaves_a_belief() {
        let mut rate = Rate::new(RateModel::Grid);
        rate.survived(3e9);
        let seen = rate.estimate();
        assert!(seen.mean > 0.0 && seen.low <= seen.high && seen.high.is_finite(), "{seen:?}");
    }

    #[test]
    fn grid_forgets_a_bad_hour_and_gamma_does_not() {
        let settle = |model| {
            let mut rate = Rate::new(model);
            for _ in 0..30 {
                rate.survived(120.0);
                rate.failed();
            }
            for _ in 0..960 {
                rate.survived(30.0);
            }
            rate.mean()
        };
        assert!(settle(RateModel::Grid) < 0.3 * settle(RateModel::Gamma));
    }
}
