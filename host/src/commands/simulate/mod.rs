//! `mobula simulate`: checkpoint policies against failures, as a table, a document or a chart.

mod chart;
mod file;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use mobula_adaptive::simulate::{
    Job, Regime, Row, SimulatedPolicy, named_regimes, replay, simulate, summarise,
};
use serde::Serialize;

use crate::args::SimulateArgs;
use crate::exit::{Ended, Exit};
use crate::home;
use crate::output::{Output, table};
use crate::recorded::recorded;

/// Histories of each regime when nothing is said.
const SEEDS: u32 = 80;
/// Policies when nothing is said.
const POLICIES: &str = "adaptive,threshold,young-daly,every=5,always,never,oracle";
/// A sign of life is given so often.
const PROGRESS: Duration = Duration::from_secs(3);

/// The document. The names here are a contract.
#[derive(Debug, Serialize)]
struct Simulation {
    #[serde(rename = "$type")]
    document: &'static str,
    rows: Vec<RowDocument>,
}

/// One policy in one regime.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct RowDocument {
    regime: String,
    policy: String,
    /// Makespan over that of the failure-free run without saves, at most 20.
    makespan_ratio: f64,
    /// Standard error of it.
    stderr: f64,
    regret_to_oracle_percent: f64,
    /// Saves that were begun, in the mean.
    checkpoints: f64,
    /// Seconds that they cost, over those of the failure-free run.
    overhead: f64,
}

pub(crate) fn perform(
    args: &SimulateArgs,
    home: Option<PathBuf>,
    output: Output,
) -> anyhow::Result<()> {
    if let Some(chart) = &args.chart {
        chart::check(chart)?;
    }
    let asked = args.policies.as_deref().map(policies).transpose()?;
    let rows = if let Some(run) = &args.run {
        of_run(run, asked, home)?
    } else {
        let plan = match &args.regimes {
            Some(path) => file::read(path)?,
            None => file::Plan { seeds: None, policies: None, regimes: named_regimes() },
        };
        let seeds = args.seeds.or(plan.seeds).unwrap_or(SEEDS);
        let asked = asked.or(plan.policies).map_or_else(|| policies(POLICIES), Ok)?;
        of_regimes(&plan.regimes, &asked, seeds, output)
    };
    if let Some(path) = &args.chart {
        chart::draw(path, &rows)?;
        output.note(&format!("drew {}", path.display()));
    }
    let document = Simulation { document: "simulation", rows };
    output.result(&document, || prose(&document.rows))
}

/// Policies from a list with commas; all that are unknown are named.
fn policies(text: &str) -> anyhow::Result<Vec<SimulatedPolicy>> {
    let mut wrong = Vec::new();
    let mut found: Vec<SimulatedPolicy> = Vec::new();
    for name in text.split(',').map(str::trim) {
        match name.parse() {
            Ok(policy) if found.contains(&policy) => {
                wrong.push(format!("policy `{name}` stands twice in --policies"));
            }
            Ok(policy) => found.push(policy),
            Err(unknown) => wrong.push(format!("{unknown}, oracle, clairvoyant")),
        }
    }
    if wrong.is_empty() { Ok(found) } else { Err(Ended::error(Exit::Invalid, wrong.join("\n"))) }
}

fn document(regime: &str, policy: SimulatedPolicy, row: &Row, oracle: &Row) -> RowDocument {
    RowDocument {
        regime: regime.to_owned(),
        policy: policy.to_string(),
        makespan_ratio: row.makespan_ratio,
        stderr: row.stderr,
        regret_to_oracle_percent: row.regret_percent(oracle),
        checkpoints: row.checkpoints,
        overhead: row.overhead,
    }
}

/// A recorded run under each policy.
fn of_run(
    run: &str,
    asked: Option<Vec<SimulatedPolicy>>,
    home: Option<PathBuf>,
) -> anyhow::Result<Vec<RowDocument>> {
    let store = home::store(home)?;
    let run = home::run(&store, run)?.run;
    let events = store.events(&run, 0).map_err(home::coded)?;
    let events: Vec<_> = events.into_iter().map(|(_, event)| event).collect();
    let Some(found) = recorded(&events) else {
        let message = format!("run {run} has no finished call of an actor: nothing to replay");
        return Err(Ended::error(Exit::Failed, message));
    };
    let asked = asked.map_or_else(|| policies(POLICIES), Ok)?;
    let length_s: f64 = found.run.units_s.iter().sum();
    let row = |policy| {
        let replayed = replay(&found.run, &[policy]);
        let outcomes: Vec<_> = replayed.iter().map(|replayed| replayed.outcome).collect();
        (!outcomes.is_empty()).then(|| summarise(&outcomes, length_s))
    };
    let regime = format!("{run} {}", found.actor);
    let of_policy = |oracle: Row| {
        let document =
            |policy: &SimulatedPolicy| Some(document(&regime, *policy, &row(*policy)?, &oracle));
        asked.iter().filter_map(document).collect()
    };
    row(SimulatedPolicy::Oracle).map(of_policy).ok_or_else(|| {
        Ended::error(Exit::Failed, format!("run {run} has no measured times: nothing to replay"))
    })
}

/// Each policy in each regime, over as many threads as there are processors. The same rows at any
/// number of threads.
fn of_regimes(
    regimes: &[Regime],
    asked: &[SimulatedPolicy],
    seeds: u32,
    output: Output,
) -> Vec<RowDocument> {
    let jobs: Vec<Job> = regimes.iter().map(Regime::job).collect();
    let mut all = asked.to_vec();
    if !all.contains(&SimulatedPolicy::Oracle) {
        all.push(SimulatedPolicy::Oracle);
    }
    let count = regimes.len() * all.len();
    let mut rows: Vec<Option<Row>> = vec![None; count];
    let next = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(1, usize::from).min(count);
    thread::scope(|scope| {
        let (send, receive) = mpsc::sync_channel(threads);
        for _ in 0..threads {
            let (send, next, jobs, all) = (send.clone(), &next, &jobs, &all);
            scope.spawn(move || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= count {
                        return;
                    }
                    let (regime, policy) = (at / all.len(), all[at % all.len()]);
                    let one = |seed| {
                        let failure = &regimes[regime].failure;
                        simulate(&jobs[regime], failure, policy.decider(), u64::from(seed))
                    };
                    let outcomes: Vec<_> = (0..seeds).map(one).collect();
                    let row = summarise(&outcomes, jobs[regime].length_s());
                    if send.send((at, row)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let mut told = Instant::now();
        for (done, (at, row)) in receive.into_iter().enumerate() {
            rows[at] = Some(row);
            if told.elapsed() >= PROGRESS {
                output.note(&format!("{} of {count} simulated", done + 1));
                told = Instant::now();
            }
        }
    });
    let row = |at: usize| rows[at].as_ref().expect("every thread sent what it took");
    let place = |policy| all.iter().position(|other| *other == policy).expect("it was put in");
    let oracle = place(SimulatedPolicy::Oracle);
    let mut documents = Vec::with_capacity(regimes.len() * asked.len());
    for (i, regime) in regimes.iter().enumerate() {
        let first = i * all.len();
        for policy in asked {
            let row_of = row(first + place(*policy));
            documents.push(document(&regime.name, *policy, row_of, row(first + oracle)));
        }
    }
    documents
}

/// Regimes down, policies across; below them the regrets.
fn prose(rows: &[RowDocument]) -> String {
    let columns = rows.iter().take_while(|row| row.regime == rows[0].regime);
    let columns: Vec<&str> = columns.map(|row| row.policy.as_str()).collect();
    // A file may give two regimes one name: rows come in the order of the columns all the same.
    let first = &rows[0].policy;
    let repeats = columns.iter().skip(1).position(|name| name == first);
    let columns = &columns[..repeats.map_or(columns.len(), |at| at + 1)];
    let mut lines = vec![vec!["regime".to_owned()]];
    lines[0].extend(columns.iter().map(|name| (*name).to_owned()));
    for regime in rows.chunks(columns.len()) {
        let cell = |row: &RowDocument| format!("{:.3}", row.makespan_ratio);
        lines.push(
            std::iter::once(regime[0].regime.clone()).chain(regime.iter().map(cell)).collect(),
        );
    }
    let regrets = |of: &dyn Fn(&[f64]) -> f64| {
        let column = |at: usize| {
            let all: Vec<f64> = rows
                .chunks(columns.len())
                .map(|regime| regime[at].regret_to_oracle_percent)
                .collect();
            format!("{:.2}", of(&all))
        };
        (0..columns.len()).map(column).collect::<Vec<_>>()
    };
    #[expect(clippy::cast_precision_loss, reason = "a few regimes")]
    let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
    let worst = |all: &[f64]| all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    for (name, cells) in [("regret %, mean", regrets(&mean)), ("regret %, worst", regrets(&worst))]
    {
        lines.push(std::iter::once(name.to_owned()).chain(cells).collect());
    }
    table(&lines)
}
