//! When saving now beats saving one unit later: the break-even on the grid of units, in closed form.
//!
//! A cycle of `w` useful seconds and a save of cost C takes (e^{λ(w+C)} − 1)/λ in the mean (Daly, "A
//! higher order estimate of the optimum checkpoint interval", 2006, without downtime, which cancels).
//! Per useful second that is g(w) = (e^{λ(w+C)} − 1)/w up to a factor, and one saves at the first
//! boundary where g(W) ≤ g(W + d). With u = (e^{λd} − 1)/d this is C ≤ −ln(1 − uW)/λ − W, to first
//! order C ≤ λ·W·(W + d)/2.

/// Where the logarithm of the loss is cut: 21 mean times between failures.
const SURE: f64 = 1.0 - 1e-9;
/// Newton's steps, at most; three or four are enough wherever a save makes sense.
const STEPS: u32 = 6;

/// (e^{λd} − 1)/d, which is λ for short units.
fn hazard(rate: f64, unit_s: f64) -> f64 {
    if unit_s > 0.0 { ((rate * unit_s).min(50.0)).exp_m1() / unit_s } else { rate }
}

/// Seconds that waiting one more unit is expected to lose, with `unsaved_s` at risk: what a save may
/// cost and still pay. Zero at rate zero.
#[must_use]
pub fn expected_loss_s(rate: f64, unsaved_s: f64, unit_s: f64) -> f64 {
    if rate <= 0.0 || unsaved_s <= 0.0 {
        return 0.0;
    }
    let at_risk = hazard(rate, unit_s) * unsaved_s;
    if at_risk < 1e-4 {
        // The difference of nearly equal numbers; its series is exact enough here.
        return rate * unsaved_s * (unsaved_s + unit_s) / 2.0;
    }
    if at_risk >= SURE {
        // More than any smaller work loses; the limit is infinite.
        return 21.0 / rate;
    }
    (-(-at_risk).ln_1p() / rate - unsaved_s).max(0.0)
}

/// The useful seconds at which a save of `cost_s` begins to pay; infinite at rate zero.
#[must_use]
pub fn pays_from_s(rate: f64, cost_s: f64, unit_s: f64) -> f64 {
    if rate <= 0.0 {
        return f64::INFINITY;
    }
    if cost_s <= 0.0 {
        return 0.0;
    }
    let hazard = hazard(rate, unit_s);
    let half = unit_s / 2.0;
    // The root of the first order, written so that nothing cancels.
    let share = 2.0 * cost_s / rate;
    let first = share / ((half * half + share).sqrt() + half);
    if hazard * first < 1e-4 {
        return first;
    }
    // h(W) = λ(W + C) + ln(1 − uW) is concave and falls: from the right Newton never overshoots. The
    // root is below the first order, and so below where that puts 1 − uW = e^{−λ(W + C)}.
    let mut unsaved = first.min(-(-rate * (first + cost_s)).exp_m1().max(-SURE) / hazard);
    for _ in 0..STEPS {
        let left = 1.0 - hazard * unsaved;
        let slope = rate - hazard / left;
        let step = (rate * (unsaved + cost_s) + left.ln()) / slope;
        unsaved = (unsaved - step).clamp(0.0, SURE / hazard);
        if step.abs() <= 1e-6 * unsaved {
            break;
        }
    }
    unsaved
}

/// Seconds that a job with `unsaved_s` at risk and `remaining_s` to go is expected to lose if it is never
/// saved again: (e^{λr} − 1)(e^{λW} − 1)/λ, the difference of the two expected times, which is λ·r·W
/// to first order.
pub(crate) fn to_the_end_s(rate: f64, unsaved_s: f64, remaining_s: f64) -> f64 {
    if rate <= 0.0 || unsaved_s <= 0.0 || remaining_s <= 0.0 {
        return 0.0;
    }
    // Beyond e^50 it pays whatever it costs.
    let grown = |seconds: f64| (rate * seconds).min(50.0).exp_m1();
    grown(remaining_s) * grown(unsaved_s) / rate
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition.
    fn saves(rate: f64, cost: f64, unit: f64, unsaved: f64) -> bool {
        let g = |w: f64| (rate * (w + cost)).exp_m1() / w;
        g(unsaved) <= g(unsaved + unit)
    }

    #[test]
    fn closed_form_is_the_break_even_of_its_definition() {
        for rate in [1.0 / 60.0, 1.0 / 600.0, 1.0 / 28_800.0] {
            for cost in [0.02, 1.0, 30.0, 60.0] {
                for unit in [0.5, 15.0, 120.0] {
                    let at = pays_from_s(rate, cost, unit);
                    let case = format!("{rate} {cost} {unit}: {at}");
                    assert!(saves(rate, cost, unit, at * 1.001), "{case}");
                    assert!(!saves(rate, cost, unit, at * 0.999), "{case}");
                    let loss = expected_loss_s(rate, at, unit);
                    assert!((loss / cost - 1.0).abs() < 2e-3, "{case}: loses {loss}");
                }
            }
        }
    }

    #[test]
    fn published_examples_hold() {
        // An epoch of 15 s at a failure an hour: 0.05 s pays at once, 1 s after six epochs.
        let rate = 1.0 / 3600.0;
        assert!(pays_from_s(rate, 0.05, 15.0) <= 15.0);
        let epochs = pays_from_s(rate, 1.0, 15.0) / 15.0;
        assert!((5.0..6.0).contains(&epochs), "{epochs}");
        assert_eq!(pays_from_s(0.0, 1.0, 15.0), f64::INFINITY);
    }
}
