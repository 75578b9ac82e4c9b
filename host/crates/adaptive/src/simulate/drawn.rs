//! Regimes drawn at random, so that nothing is tuned to those with names.

use super::failure::Failure;
use super::random::Random;
use super::regime::Regime;

/// Purpose of the dice.
const DICE_REGIMES: u64 = 5;
/// Units of a drawn job.
const UNITS: [f64; 2] = [10.0, 20_000.0];

/// So many regimes: units of 0.5 to 120 s, saves of 0.02 to 30 s, a failure every 3 min to 8 h by one of
/// five processes (exponential, Weibull, burst, spot, spot with notice), unit and cost drifting by ½ to
/// 2, jobs of 5 min to 6 h.
#[must_use]
pub fn drawn_regimes(seed: u64, count: usize) -> Vec<Regime> {
    let mut dice = Random::new(seed, DICE_REGIMES);
    (0..count).map(|number| drawn(&mut dice, number)).collect()
}

fn drawn(dice: &mut Random, number: usize) -> Regime {
    let unit_s = dice.log_uniform(0.5, 120.0);
    let cost_s = dice.log_uniform(0.02, 30.0);
    let mtbf_s = dice.log_uniform(180.0, 28_800.0);
    let unit_end_s = unit_s * dice.log_uniform(0.5, 2.0);
    let cost_end_s = cost_s * dice.log_uniform(0.5, 2.0);
    let length_s = dice.log_uniform(300.0, 21_600.0);
    let units = (length_s / (unit_s + unit_end_s) * 2.0).clamp(UNITS[0], UNITS[1]);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "just clamped")]
    let units = units as u32;
    let (kind, failure) = match dice.below(5) {
        0 => ("exponential", Failure::Exponential { mtbf_s }),
        1 => {
            let shape = 0.5 + 0.5 * dice.uniform();
            ("weibull", Failure::Weibull { shape, mtbf_s })
        }
        2 => {
            // Bursts bring nine in ten failures; together they come at the rate that was drawn.
            let quiet_len_s = mtbf_s * (2.0 + 4.0 * dice.uniform());
            let burst_len_s = quiet_len_s * (0.05 + 0.15 * dice.uniform());
            let failures = (quiet_len_s + burst_len_s) / mtbf_s;
            let burst = Failure::Burst {
                quiet_mtbf_s: quiet_len_s / (0.1 * failures),
                burst_mtbf_s: burst_len_s / (0.9 * failures),
                quiet_len_s,
                burst_len_s,
            };
            ("burst", burst)
        }
        3 => ("spot", Failure::Spot { period_s: mtbf_s, notice_s: 0.0 }),
        _ => ("spot with notice", Failure::Spot { period_s: mtbf_s, notice_s: 30.0 }),
    };
    Regime {
        name: format!("{number} {kind}"),
        units,
        unit_s,
        unit_end_s,
        cost_s,
        cost_end_s,
        blocking_fraction: 0.05 + 0.75 * dice.uniform(),
        background_slowdown: 0.1 + 0.5 * dice.uniform(),
        cost_noise: 0.15,
        downtime_s: 2.0,
        restore_s: 0.5,
        failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_regimes_are_possible_and_repeatable() {
        let regimes = drawn_regimes(1, 300);
        assert!(regimes.iter().all(|regime| regime.problems().is_empty()));
        assert_eq!(regimes, drawn_regimes(1, 300));
        assert_ne!(regimes[..10], drawn_regimes(2, 10));
    }
}
