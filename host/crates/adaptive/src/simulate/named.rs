//! The regimes that have names: the table that policies are compared on.

use super::failure::Failure;
use super::regime::Regime;

const MINUTE_S: f64 = 60.0;
const HOUR_S: f64 = 3600.0;

/// A job of so many units of 15 s, with saves of 1 s.
fn plain(name: &str, units: u32, failure: Failure) -> Regime {
    Regime {
        name: name.to_owned(),
        units,
        unit_s: 15.0,
        unit_end_s: 15.0,
        cost_s: 1.0,
        cost_end_s: 1.0,
        blocking_fraction: 0.2,
        background_slowdown: 0.4,
        cost_noise: 0.15,
        downtime_s: 2.0,
        restore_s: 0.5,
        failure,
    }
}

/// The sixteen named regimes.
#[must_use]
pub fn named_regimes() -> Vec<Regime> {
    let exponential = |mtbf_s| Failure::Exponential { mtbf_s };
    let weibull = |shape, mtbf_s| Failure::Weibull { shape, mtbf_s };
    let spot = |notice_s| Failure::Spot { period_s: 2.0 * HOUR_S, notice_s };
    let bursty = Failure::Burst {
        quiet_mtbf_s: 2.0 * HOUR_S,
        burst_mtbf_s: 2.0 * MINUTE_S,
        quiet_len_s: HOUR_S,
        burst_len_s: 6.0 * MINUTE_S,
    };
    let shift = Failure::Shift { mtbf_s: 8.0 * HOUR_S, mtbf_end_s: 5.0 * MINUTE_S, at_s: HOUR_S };
    let half_hour = exponential(30.0 * MINUTE_S);
    vec![
        plain("none 1h", 240, Failure::None),
        plain("exp 8h", 480, exponential(8.0 * HOUR_S)),
        plain("exp 1h", 480, exponential(HOUR_S)),
        plain("exp 10m", 240, exponential(10.0 * MINUTE_S)),
        plain("exp 2m", 240, exponential(2.0 * MINUTE_S)),
        plain("weibull .5 1h", 480, weibull(0.5, HOUR_S)),
        plain("weibull .7 20m", 480, weibull(0.7, 20.0 * MINUTE_S)),
        plain("bursty", 480, bursty),
        plain("spot 2h", 1440, spot(0.0)),
        plain("spot 2h+30s notice", 1440, spot(30.0)),
        Regime {
            unit_s: 5.0,
            unit_end_s: 60.0,
            ..plain("epoch 5->60s, 30m", 240, half_hour.clone())
        },
        Regime { cost_s: 0.2, cost_end_s: 8.0, ..plain("cost .2->8s, 30m", 480, half_hour) },
        Regime {
            cost_s: 60.0,
            cost_end_s: 60.0,
            ..plain("huge state 60s, 1h", 960, exponential(HOUR_S))
        },
        Regime {
            unit_s: 0.5,
            unit_end_s: 0.5,
            ..plain("step .5s, 10m", 4800, exponential(10.0 * MINUTE_S))
        },
        plain("shift 8h->5m", 480, shift),
        plain("short job 5m, 1h", 20, exponential(HOUR_S)),
    ]
}
