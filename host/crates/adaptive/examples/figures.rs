//! The controller's figures, measured: named and drawn regimes, chains, and the time of a decision.
//! `cargo run --release -p mobula-adaptive --example figures -- SEEDS DRAWN HOLDOUT_SEED`

use std::io::{self, Write};
use std::time::Instant;

use mobula_adaptive::simulate::{
    ChainPolicy, Regime, Row, SimulatedPolicy, against_best, chains, drawn_regimes, named_regimes,
    simulate, summarise,
};
use mobula_adaptive::{Config, Controller, PolicyKind, StateSeen, SubjectKind};

const POLICIES: [&str; 12] = [
    "never",
    "threshold@none",
    "every=5",
    "every=20",
    "threshold",
    "young-daly",
    "adaptive@0.05",
    "adaptive",
    "oracle",
    "clairvoyant",
    "always",
    "every=1",
];
const ADAPTIVE: usize = 7;
const ORACLE: usize = 8;
const THRESHOLD: usize = 4;

fn main() -> io::Result<()> {
    let arguments: Vec<u64> =
        std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    let given = |at: usize, usual: u64| arguments.get(at).copied().unwrap_or(usual);
    let seeds = given(0, 100).max(1);
    let drawn = usize::try_from(given(1, 100)).unwrap_or(100);
    let holdout = given(2, 20_261);
    let mut out = io::stdout().lock();
    regimes(&mut out, "named", &named_regimes(), seeds, true)?;
    regimes(&mut out, "drawn", &drawn_regimes(holdout, drawn), seeds, false)?;
    of_chains(&mut out)?;
    time_of_a_decision(&mut out)
}

fn rows(regime: &Regime, seeds: u64) -> Vec<Row> {
    let job = regime.job();
    let row = |name: &&str| {
        let policy: SimulatedPolicy = name.parse().expect("the names are right");
        let outcome = |seed| simulate(&job, &regime.failure, policy.decider(), seed);
        let outcomes: Vec<_> = (0..seeds).map(outcome).collect();
        summarise(&outcomes, job.length_s())
    };
    POLICIES[..10].iter().map(row).collect()
}

fn regimes(
    out: &mut impl Write,
    what: &str,
    regimes: &[Regime],
    seeds: u64,
    table: bool,
) -> io::Result<()> {
    let begun = Instant::now();
    let mut regrets = Vec::new();
    let mut gains = Vec::new();
    if table {
        writeln!(out, "| regime | {} |", POLICIES[..10].join(" | "))?;
        writeln!(out, "|---|{}", "---|".repeat(10))?;
    }
    for regime in regimes {
        let rows = rows(regime, seeds);
        if table {
            let cells: Vec<String> =
                rows.iter().map(|row| format!("{:.3}", row.makespan_ratio)).collect();
            writeln!(out, "| {} | {} |", regime.name, cells.join(" | "))?;
        }
        let regret = rows[ADAPTIVE].regret_percent(&rows[ORACLE]);
        let gain = -rows[ADAPTIVE].regret_percent(&rows[THRESHOLD]);
        if !table && (regret > 1.0 || gain < -0.3) {
            writeln!(
                out,
                "{}: regret {regret:.2}, gain {gain:.2}: unit {:.2}->{:.2} cost {:.2}->{:.2} x{} bf {:.2} sd {:.2} {:?} oracle {:.3} adaptive {:.3} ({:.0} vs {:.0} saves)",
                regime.name,
                regime.unit_s,
                regime.unit_end_s,
                regime.cost_s,
                regime.cost_end_s,
                regime.units,
                regime.blocking_fraction,
                regime.background_slowdown,
                regime.failure,
                rows[ORACLE].makespan_ratio,
                rows[ADAPTIVE].makespan_ratio,
                rows[ADAPTIVE].checkpoints,
                rows[ORACLE].checkpoints
            )?;
        }
        regrets.push(regret);
        gains.push(gain);
    }
    regrets.sort_by(f64::total_cmp);
    gains.sort_by(f64::total_cmp);
    #[expect(clippy::cast_precision_loss, reason = "a few hundred regimes")]
    let count = regrets.len() as f64;
    let p90 = regrets[regrets.len() * 9 / 10];
    let share = |fits: &dyn Fn(f64) -> bool| {
        #[expect(clippy::cast_precision_loss, reason = "a few hundred regimes")]
        let found = gains.iter().filter(|gain| fits(**gain)).count() as f64;
        100.0 * found / count
    };
    writeln!(
        out,
        "{what}: {count} regimes, {seeds} seeds: regret mean {:.2} %, p90 {p90:.2}, worst {:.2}; against \
         threshold with 5 %: mean gain {:.2} %, better by 0.1 % in {:.0} %, worse by 0.5 % in {:.0} %, \
         worst {:.2} % ({:.1} s)",
        regrets.iter().sum::<f64>() / count,
        regrets.last().copied().unwrap_or(0.0),
        gains.iter().sum::<f64>() / count,
        share(&|gain| gain > 0.1),
        share(&|gain| gain < -0.5),
        gains[0],
        begun.elapsed().as_secs_f64()
    )
}

fn of_chains(out: &mut impl Write) -> io::Result<()> {
    let of = |kind, saves_max, rate_error| ChainPolicy { kind, saves_max, rate_error };
    let policies = [
        of(PolicyKind::Never, None, 1.0),
        of(PolicyKind::Always, None, 1.0),
        of(PolicyKind::Threshold, None, 1.0),
        of(PolicyKind::Threshold, Some(4), 1.0),
        of(PolicyKind::Adaptive, None, 1.0),
        of(PolicyKind::Adaptive, None, 3.0),
        of(PolicyKind::Adaptive, None, 1.0 / 3.0),
    ];
    writeln!(
        out,
        "| chain | never | always | threshold | threshold, 4 saves | adaptive | rate ×3 | rate ÷3 |"
    )?;
    for (name, tasks, mtbf_s, size) in [
        ("10 tasks, 10 min", 10, 600.0, 1.0),
        ("30, 10 min", 30, 600.0, 1.0),
        ("30, 1 h", 30, 3600.0, 1.0),
        ("30, 10 min, outputs ×10", 30, 600.0, 10.0),
        ("100, 5 min", 100, 300.0, 1.0),
    ] {
        let chains = chains(7, 100, tasks, mtbf_s, size);
        let cell = |policy: &ChainPolicy| {
            let (mean, worst) = against_best(&chains, *policy);
            format!("{mean:.3} ({worst:.2})")
        };
        let cells: Vec<String> = policies.iter().map(cell).collect();
        writeln!(out, "| {name} | {} |", cells.join(" | "))?;
    }
    Ok(())
}

fn time_of_a_decision(out: &mut impl Write) -> io::Result<()> {
    let mut controller = Controller::new(Config::of(PolicyKind::Adaptive), None);
    let id = controller.subject("trainer", SubjectKind::State);
    let count = 1_000_000_u32;
    let begun = Instant::now();
    let mut saves = 0;
    for i in 0..count {
        let now_s = f64::from(i) * 15.0;
        let unsaved_s = f64::from(i % 7) * 15.0 + 15.0;
        let seen = StateSeen { now_s, runtime_s: 15.0, unsaved_s, ..StateSeen::default() };
        let decision = controller.decide_state(id, &seen);
        if decision.checkpoint() {
            saves += 1;
            controller.not_saved(id);
        }
    }
    let each_ns = begun.elapsed().as_secs_f64() * 1e9 / f64::from(count);
    writeln!(out, "a decision takes {each_ns:.0} ns ({saves} of {count} saved)")
}
