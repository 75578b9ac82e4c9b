//! The simulator against arithmetic, and the controller against its bars.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::thread;

use mobula_adaptive::simulate::{
    Failure, Regime, Row, SimulatedPolicy, drawn_regimes, named_regimes, simulate, summarise,
};

fn row(regime: &Regime, policy: &str, seeds: u64) -> Row {
    let job = regime.job();
    let decider = policy.parse::<SimulatedPolicy>().unwrap().decider();
    let outcomes: Vec<_> =
        (0..seeds).map(|seed| simulate(&job, &regime.failure, decider, seed)).collect();
    summarise(&outcomes, job.length_s())
}

/// Rows of policies in all regimes, on two threads.
fn rows(regimes: &[Regime], policies: &[&str], seeds: u64) -> Vec<Vec<Row>> {
    let all = |regimes: &[Regime]| -> Vec<Vec<Row>> {
        let of = |regime| policies.iter().map(|policy| row(regime, policy, seeds)).collect();
        regimes.iter().map(of).collect()
    };
    thread::scope(|scope| {
        let (first, second) = regimes.split_at(regimes.len() / 2);
        let other = scope.spawn(|| all(second));
        let mut rows = all(first);
        rows.extend(other.join().unwrap());
        rows
    })
}

fn named(name: &str) -> Regime {
    named_regimes().into_iter().find(|regime| regime.name == name).unwrap()
}

/// A job of 60 units of 10 s, saves that block for 2 s, a failure every 5 min.
fn plain() -> Regime {
    Regime {
        units: 60,
        unit_s: 10.0,
        unit_end_s: 10.0,
        cost_s: 2.0,
        cost_end_s: 2.0,
        blocking_fraction: 1.0,
        cost_noise: 0.0,
        failure: Failure::Exponential { mtbf_s: 300.0 },
        ..named("exp 1h")
    }
}

/// Expected seconds of work of `work_s` that begins anew after each failure.
fn expected_s(regime: &Regime, rate: f64, work_s: f64, restore_s: f64) -> f64 {
    let down_s = (rate * (regime.downtime_s + restore_s)).exp();
    (rate * work_s).exp_m1() * down_s / rate
}

#[test]
fn never_takes_its_closed_form() {
    let regime = plain();
    let expected = expected_s(&regime, 1.0 / 300.0, 600.0, 0.0) / 600.0;
    let seen = row(&regime, "never", 40_000);
    assert!(seen.cut < 0.01, "{seen:?}");
    assert!((seen.makespan_ratio / expected - 1.0).abs() < 0.02, "{expected}: {seen:?}");
}

#[test]
fn every_n_takes_its_closed_form() {
    let regime = plain();
    let rate = 1.0 / 300.0;
    for n in [2_u32, 5, 10] {
        // The first part has nothing to restore, the last no save.
        let (work_s, parts) = (f64::from(n) * 10.0, f64::from(60 / n));
        let first_s = expected_s(&regime, rate, work_s + 2.0, 0.0);
        let middle_s = expected_s(&regime, rate, work_s + 2.0, 0.5);
        let last_s = expected_s(&regime, rate, work_s, 0.5);
        let expected = (first_s + (parts - 2.0) * middle_s + last_s) / 600.0;
        let seen = row(&regime, &format!("every={n}"), 4000);
        assert!((seen.makespan_ratio / expected - 1.0).abs() < 0.01, "{n}: {expected}, {seen:?}");
    }
}

#[test]
fn oracle_saves_at_the_integer_optimum() {
    let regime = plain();
    let cycle =
        |n: u32| expected_s(&regime, 1.0 / 300.0, f64::from(n) * 10.0 + 2.0, 0.5) / f64::from(n);
    let best = (1..=60).min_by(|a, b| cycle(*a).total_cmp(&cycle(*b))).unwrap();
    let oracle = row(&regime, "oracle", 2000);
    let fixed = row(&regime, &format!("every={best}"), 2000);
    assert_eq!(oracle.makespan_ratio, fixed.makespan_ratio, "every {best}");
    for worse in [best / 2, best * 2] {
        assert!(
            row(&regime, &format!("every={worse}"), 2000).makespan_ratio > oracle.makespan_ratio
        );
    }
}

#[test]
fn saves_cost_what_the_regime_says_however_they_are_split() {
    let regime = Regime { cost_noise: 0.0, ..named("none 1h") };
    for (fraction, slowdown) in [(1.0, 0.4), (0.2, 0.4), (0.0, 1.0), (0.5, 0.2)] {
        let regime =
            Regime { blocking_fraction: fraction, background_slowdown: slowdown, ..regime.clone() };
        let always = row(&regime, "always", 1);
        assert_eq!(always.checkpoints, 239.0);
        assert!((always.makespan_ratio - (1.0 + 239.0 / 3600.0)).abs() < 1e-9, "{always:?}");
        assert!((always.overhead - 239.0 / 3600.0).abs() < 1e-9, "{always:?}");
    }
}

#[test]
fn nobody_beats_who_knows_the_failures_where_failures_decide() {
    for regime in ["exp 10m", "weibull .7 20m", "shift 8h->5m"].map(named) {
        let clairvoyant = row(&regime, "clairvoyant", 30).makespan_ratio;
        for policy in ["adaptive", "oracle", "every=5", "threshold", "always", "never"] {
            assert!(
                row(&regime, policy, 30).makespan_ratio > clairvoyant,
                "{} {policy}",
                regime.name
            );
        }
    }
}

#[test]
fn outcomes_are_the_same_each_time() {
    let regime = named("bursty");
    assert_eq!(row(&regime, "adaptive", 10), row(&regime, "adaptive", 10));
}

#[test]
fn bars_hold_on_the_named_regimes() {
    let regimes = named_regimes();
    let rows = rows(&regimes, &["adaptive", "oracle", "threshold@0.05"], 100);
    let mut regrets: Vec<f64> = rows.iter().map(|row| row[0].regret_percent(&row[1])).collect();
    for (regime, row) in regimes.iter().zip(&rows) {
        let behind = row[0].regret_percent(&row[2]);
        assert!(behind <= 0.5, "{}: {behind:.2} % behind the basic rule", regime.name);
    }
    bars(&mut regrets);
    let quiet = &rows[0][0];
    assert!(quiet.makespan_ratio <= 1.015, "{quiet:?}");
}

#[test]
fn bars_hold_on_drawn_regimes() {
    let regimes = drawn_regimes(1, 80);
    let rows = rows(&regimes, &["adaptive", "oracle", "threshold@0.05"], 30);
    let mut regrets: Vec<f64> = rows.iter().map(|row| row[0].regret_percent(&row[1])).collect();
    bars(&mut regrets);
    let gains: Vec<f64> = rows.iter().map(|row| -row[0].regret_percent(&row[2])).collect();
    let share = |fits: &dyn Fn(&f64) -> bool| {
        let found = gains.iter().filter(|gain| fits(gain)).count();
        f64::from(u32::try_from(found).unwrap()) / 80.0
    };
    let (better, worse) = (share(&|gain| *gain > 0.1), share(&|gain| *gain < -0.5));
    // In a third of these both save after every unit, and tie; 0.7 is reached by some draws only.
    assert!(better >= 0.6 && worse <= 0.06, "{better} better, {worse} worse: {gains:.2?}");
}

/// Mean, 90th percentile and worst of the regrets to the oracle, in per cent.
#[expect(clippy::cast_precision_loss, reason = "a few regimes")]
fn bars(regrets: &mut [f64]) {
    regrets.sort_by(f64::total_cmp);
    let mean = regrets.iter().sum::<f64>() / regrets.len() as f64;
    let (p90, worst) = (regrets[regrets.len() * 9 / 10], regrets[regrets.len() - 1]);
    assert!(mean <= 0.5 && p90 <= 1.5 && worst <= 10.0, "{mean:.2} {p90:.2} {worst:.2}");
}

#[test]
fn spending_while_failures_are_frequent_does_not_lock_saves_out_later() {
    // Failures every 3 min for a while, then every 40 min: a cumulative budget was spent by then.
    let regime = Regime {
        units: 480,
        cost_s: 6.0,
        cost_end_s: 6.0,
        failure: Failure::Shift { mtbf_s: 180.0, mtbf_end_s: 2400.0, at_s: 2400.0 },
        ..named("exp 1h")
    };
    let (adaptive, oracle) = (row(&regime, "adaptive", 60), row(&regime, "oracle", 60));
    let regret = adaptive.regret_percent(&oracle);
    assert!(regret < 3.0, "{regret:.2} %: {adaptive:?}, {oracle:?}");
}
