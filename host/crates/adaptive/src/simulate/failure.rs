//! When failures come: the processes, and the instants that a seed makes of them.

use super::random::Random;

/// Purpose of the dice.
const DICE_FAILURES: u64 = 1;

/// A failure process in wall-clock time; all times in seconds.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// None.
    None,
    /// Without memory.
    Exponential {
        /// Mean time between failures.
        mtbf_s: f64,
    },
    /// Each time between failures from a Weibull distribution; below shape 1 they come in clusters.
    Weibull {
        /// Shape.
        shape: f64,
        /// Mean time between failures.
        mtbf_s: f64,
    },
    /// Quiet and bad times in turn, each of random length.
    Burst {
        /// Mean time between failures while it is quiet,
        quiet_mtbf_s: f64,
        /// and in a burst.
        burst_mtbf_s: f64,
        /// Mean length of a quiet time,
        quiet_len_s: f64,
        /// and of a burst.
        burst_len_s: f64,
    },
    /// The machine is taken away at regular intervals; the first comes at a random part of one.
    Spot {
        /// The interval.
        period_s: f64,
        /// How long before it is announced; zero is never.
        notice_s: f64,
    },
    /// Without memory, with a rate that changes once.
    Shift {
        /// Mean time between failures before,
        mtbf_s: f64,
        /// and after.
        mtbf_end_s: f64,
        /// When it changes.
        at_s: f64,
    },
    /// At instants that were recorded, in order.
    Recorded {
        /// The instants since the start.
        instants_s: Vec<f64>,
    },
}

impl Failure {
    /// Failures per second, the true mean over a job of `job_s`.
    #[must_use]
    pub fn mean_rate(&self, job_s: f64) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Exponential { mtbf_s } | Self::Weibull { mtbf_s, .. } => 1.0 / mtbf_s,
            Self::Burst { quiet_mtbf_s, burst_mtbf_s, quiet_len_s, burst_len_s } => {
                let failures = quiet_len_s / quiet_mtbf_s + burst_len_s / burst_mtbf_s;
                failures / (quiet_len_s + burst_len_s)
            }
            Self::Spot { period_s, .. } => 1.0 / period_s,
            Self::Shift { mtbf_s, mtbf_end_s, at_s } => {
                let before_s = at_s.min(job_s);
                (before_s / mtbf_s + (job_s - before_s) / mtbf_end_s) / job_s
            }
            Self::Recorded { instants_s } => {
                let last_s = instants_s.last().copied().unwrap_or(0.0);
                count(instants_s.len()) / job_s.max(last_s)
            }
        }
    }

    /// How long before a failure it is announced.
    pub(crate) fn notice_s(&self) -> f64 {
        if let Self::Spot { notice_s, .. } = self { *notice_s } else { 0.0 }
    }
}

/// The instants of one seed, the same for every policy.
#[derive(Debug)]
pub(crate) struct Instants<'a> {
    process: &'a Failure,
    dice: Random,
    next_s: f64,
    /// Index of the next recorded one.
    index: usize,
    /// Of bursts: whether in one, and its end.
    burst: bool,
    phase_end_s: f64,
    /// Of Weibull: what the mean is to be multiplied by.
    scale: f64,
}

/// The failures of a seed before some second, in order.
#[must_use]
pub fn instants_s(process: &Failure, seed: u64, until_s: f64) -> Vec<f64> {
    let mut instants = Instants::new(process, seed);
    let next = || {
        let next_s = instants.next_s();
        instants.advance();
        (next_s < until_s).then_some(next_s)
    };
    std::iter::from_fn(next).collect()
}

impl<'a> Instants<'a> {
    pub(crate) fn new(process: &'a Failure, seed: u64) -> Self {
        let mut instants = Self {
            process,
            dice: Random::new(seed, DICE_FAILURES),
            next_s: 0.0,
            index: 0,
            burst: false,
            phase_end_s: 0.0,
            scale: 1.0,
        };
        match process {
            Failure::Burst { quiet_len_s, burst_len_s, .. } => {
                let share = burst_len_s / (quiet_len_s + burst_len_s);
                instants.burst = instants.dice.uniform() < share;
                let mean = if instants.burst { *burst_len_s } else { *quiet_len_s };
                instants.phase_end_s = instants.dice.exponential(mean);
            }
            Failure::Weibull { shape, .. } => {
                instants.scale = 1.0 / ln_gamma(1.0 + 1.0 / shape).exp();
            }
            Failure::Spot { period_s, .. } => {
                // The first is a random part of the interval away: take the rest back here.
                instants.next_s = -instants.dice.uniform() * period_s;
            }
            _ => {}
        }
        instants.advance();
        instants
    }

    /// The next failure; infinite when there is none.
    pub(crate) fn next_s(&self) -> f64 {
        self.next_s
    }

    /// Goes on to the one after it.
    pub(crate) fn advance(&mut self) {
        let now_s = self.next_s;
        self.next_s = match *self.process {
            Failure::None => f64::INFINITY,
            Failure::Exponential { mtbf_s } => now_s + self.dice.exponential(mtbf_s),
            Failure::Weibull { shape, mtbf_s } => {
                now_s + mtbf_s * self.scale * self.dice.exponential(1.0).powf(1.0 / shape)
            }
            Failure::Burst { quiet_mtbf_s, burst_mtbf_s, quiet_len_s, burst_len_s } => {
                self.in_phases(now_s, [quiet_mtbf_s, burst_mtbf_s], [quiet_len_s, burst_len_s])
            }
            Failure::Spot { period_s, .. } => now_s + period_s,
            Failure::Shift { mtbf_s, mtbf_end_s, at_s } => {
                let first_s = now_s + self.dice.exponential(mtbf_s);
                if now_s < at_s && first_s < at_s {
                    first_s
                } else {
                    now_s.max(at_s) + self.dice.exponential(mtbf_end_s)
                }
            }
            Failure::Recorded { ref instants_s } => {
                self.index += 1;
                instants_s.get(self.index - 1).copied().unwrap_or(f64::INFINITY)
            }
        };
    }

    fn in_phases(&mut self, mut now_s: f64, mtbf_s: [f64; 2], len_s: [f64; 2]) -> f64 {
        loop {
            let next_s = now_s + self.dice.exponential(mtbf_s[usize::from(self.burst)]);
            if next_s <= self.phase_end_s {
                return next_s;
            }
            // Without memory: at a change of phase one draws anew.
            now_s = self.phase_end_s;
            self.burst = !self.burst;
            self.phase_end_s += self.dice.exponential(len_s[usize::from(self.burst)]);
        }
    }
}

/// ln Γ(x) for x > 0 (Lanczos, g = 7, n = 9, in Godfrey's coefficients).
fn ln_gamma(x: f64) -> f64 {
    const C: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let mut sum = 0.999_999_999_999_809_9;
    let mut at = x;
    for c in C {
        at += 1.0;
        sum += c / at;
    }
    let t = x + 7.5;
    0.5 * std::f64::consts::TAU.ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

#[expect(clippy::cast_precision_loss, reason = "counts of failures are small")]
fn count(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_have_the_rate_that_they_say() {
        let burst = Failure::Burst {
            quiet_mtbf_s: 7200.0,
            burst_mtbf_s: 120.0,
            quiet_len_s: 3600.0,
            burst_len_s: 600.0,
        };
        let processes = [
            Failure::Exponential { mtbf_s: 600.0 },
            Failure::Weibull { shape: 0.7, mtbf_s: 600.0 },
            burst,
            Failure::Spot { period_s: 600.0, notice_s: 0.0 },
        ];
        for process in processes {
            let mut instants = Instants::new(&process, 3);
            let mut seen = 0.0;
            while instants.next_s() < 2e7 {
                seen += 1.0;
                instants.advance();
            }
            let expected = process.mean_rate(1.0) * 2e7;
            assert!((seen / expected - 1.0).abs() < 0.02, "{process:?}: {seen} for {expected}");
        }
    }

    #[test]
    fn shift_changes_the_rate_once() {
        let process = Failure::Shift { mtbf_s: 1000.0, mtbf_end_s: 100.0, at_s: 1e6 };
        let mut instants = Instants::new(&process, 5);
        let (mut before, mut after) = (0.0, 0.0);
        while instants.next_s() < 2e6 {
            *if instants.next_s() < 1e6 { &mut before } else { &mut after } += 1.0;
            instants.advance();
        }
        assert!(
            (before / 1000.0 - 1.0_f64).abs() < 0.1 && (after / 10_000.0 - 1.0_f64).abs() < 0.05
        );
    }

    #[test]
    fn gamma_function_has_its_known_values() {
        for (x, value) in [(1.0, 1.0), (3.0, 2.0), (2.5, 1.329_340_388), (6.0, 120.0)] {
            assert!((ln_gamma(x).exp() / value - 1.0_f64).abs() < 1e-9, "{x}");
        }
    }
}
