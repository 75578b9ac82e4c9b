//! Images per second of several sides, measured in turn: round after round, one epoch of each.
//!
//! A round in which other programs ran does not count while there are rounds left to try.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::data;
use super::place::Place;
use super::side::{Optimizer, Peer, Side, Task, Timed};
use super::table::{row, table};
use crate::run::say;

/// Cores that others may use in a round that counts.
const FOREIGN_MAX: f64 = 0.2;
/// Images of an epoch at least; all numbers of images are multiples of every batch.
const IMAGES_MIN: usize = 512;
const IMAGES_STEP: usize = 128;
/// The batch of evaluation, for those that need one.
const EVALUATE_BATCH: usize = 128;

/// How much is measured.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    /// Rounds that count; half of those tried at most.
    rounds: usize,
    /// What an epoch and an evaluation should take; the warm-up shows how many images that is.
    train_s: f64,
    evaluate_s: f64,
}

impl Effort {
    pub(crate) fn of(quick: bool) -> Self {
        if quick {
            Self { rounds: 2, train_s: 1.0, evaluate_s: 0.5 }
        } else {
            Self { rounds: 5, train_s: 2.0, evaluate_s: 1.0 }
        }
    }
}

/// Rates of the rounds that count.
#[derive(Clone, Copy)]
struct Sample {
    median: f64,
    min: f64,
    max: f64,
}

impl Sample {
    fn of(mut rates: Vec<f64>) -> Self {
        rates.sort_by(f64::total_cmp);
        let n = rates.len();
        let median = (rates[(n - 1) / 2] + rates[n / 2]) / 2.0;
        Self { median, min: rates[0], max: rates[n - 1] }
    }

    fn document(self) -> Value {
        json!({ "median": tenths(self.median), "min": tenths(self.min), "max": tenths(self.max) })
    }

    fn range(self) -> String {
        format!("{:.0}..{:.0}", self.min, self.max)
    }
}

/// One side in an outcome.
struct Row {
    side: Side,
    threads: usize,
    about: Value,
    first_step_s: f64,
    train: Sample,
    evaluate: Sample,
}

/// One preset at one batch.
pub(crate) struct Outcome {
    preset: String,
    batch: usize,
    rows: Vec<Row>,
    /// Cores that others used in the worst round that counts.
    foreign: f64,
    /// Sides that could not be run, and why.
    failed: BTreeMap<&'static str, String>,
}

/// A child that has made its first step.
struct Ready {
    peer: Peer,
    threads: usize,
    about: Value,
    first_step_s: f64,
}

/// Measures the sides, each with its number of threads.
pub(crate) fn measure(
    place: &Place,
    preset: &str,
    batch: usize,
    entries: &[(Side, usize)],
    effort: Effort,
) -> Result<Outcome> {
    let (mut ready, mut failed) = (Vec::new(), BTreeMap::new());
    for (side, threads) in entries {
        let task = Task {
            preset,
            batch,
            threads: *threads,
            seed: 0,
            dropout: true,
            optimizer: Optimizer::Adam,
        };
        match start(place, *side, task) {
            Ok(side) => ready.push(side),
            // A peer may be impossible here (torch.compile needs a compiler); we may not.
            Err(e) if !side.is_ours() => {
                say(&format!("  {} is left out: {e:#}", side.name()));
                failed.insert(side.name(), format!("{e:#}"));
            }
            Err(e) => return Err(e),
        }
    }
    same_parameters(&ready)?;
    let train = json!({ "do": "epoch", "data": place.train });
    let (train, train_foreign) = rounds(&mut ready, &train, effort.train_s, effort.rounds)?;
    let evaluate = json!({ "do": "evaluate", "data": place.train, "batch": EVALUATE_BATCH });
    let (evaluate, foreign) = rounds(&mut ready, &evaluate, effort.evaluate_s, effort.rounds)?;
    let samples = train.into_iter().zip(evaluate);
    let rows = ready.into_iter().zip(samples).map(|(ready, (train, evaluate))| {
        let Ready { peer, threads, about, first_step_s } = ready;
        Row { side: peer.side, threads, about, first_step_s, train, evaluate }
    });
    Ok(Outcome {
        preset: preset.to_owned(),
        batch,
        rows: rows.collect(),
        foreign: foreign.max(train_foreign),
        failed,
    })
}

fn start(place: &Place, side: Side, task: Task<'_>) -> Result<Ready> {
    let mut peer = Peer::start(place, side, task)?;
    let first_step_s = peer.first_step_s(place)?;
    let about = peer.ask(&json!({ "do": "describe" }))?;
    say(&format!("  {}: first step after {first_step_s:.3} s", side.name()));
    Ok(Ready { peer, threads: task.threads, about, first_step_s })
}

/// The sides train the same network only if it has as many parameters.
fn same_parameters(ready: &[Ready]) -> Result<()> {
    let first = ready.first().context("no side could be run")?;
    for other in ready {
        let (a, b) = (&first.about["parameters"], &other.about["parameters"]);
        if a != b || !a.is_u64() {
            let (x, y) = (first.peer.side.name(), other.peer.side.name());
            bail!("{x} has {a} parameters, {y} has {b}: they are not the same network");
        }
    }
    Ok(())
}

/// Rounds of one request until enough of them were quiet, or twice as many were tried; then the
/// quietest. Returns the rates of each side, and the load of the worst round that counts.
fn rounds(
    ready: &mut [Ready],
    request: &Value,
    span_s: f64,
    wanted: usize,
) -> Result<(Vec<Sample>, f64)> {
    let mut counts = Vec::new();
    for side in &mut *ready {
        let rate = side.peer.time(&with_count(request, IMAGES_MIN))?.images_per_s;
        let steps = (rate * span_s) as usize / IMAGES_STEP;
        counts.push((steps * IMAGES_STEP).clamp(IMAGES_MIN, data::TRAIN));
    }
    let mut tried: Vec<(f64, Vec<f64>)> = Vec::new();
    let quiet = |tried: &[(f64, Vec<f64>)]| tried.iter().filter(|r| r.0 <= FOREIGN_MAX).count();
    while quiet(&tried) < wanted && tried.len() < 2 * wanted {
        let timed = ready.iter_mut().zip(&counts);
        let timed = timed.map(|(side, count)| side.peer.time(&with_count(request, *count)));
        let timed = timed.collect::<Result<Vec<Timed>>>()?;
        let foreign = timed.iter().map(|timed| timed.foreign).fold(0.0, f64::max);
        tried.push((foreign, timed.iter().map(|timed| timed.images_per_s).collect()));
    }
    tried.sort_by(|a, b| a.0.total_cmp(&b.0));
    tried.truncate(wanted);
    let rates = |side: usize| tried.iter().map(|(_, rates)| rates[side]).collect();
    let samples = (0..ready.len()).map(|side| Sample::of(rates(side))).collect();
    Ok((samples, tried.last().map_or(0.0, |round| round.0)))
}

fn with_count(request: &Value, count: usize) -> Value {
    let mut request = request.clone();
    request["count"] = json!(count);
    request
}

impl Outcome {
    /// The best of the frameworks, which is what ratios are of.
    fn best(&self, what: impl Fn(&Row) -> f64) -> Option<f64> {
        self.rows.iter().filter(|row| !row.side.is_ours()).map(what).max_by(f64::total_cmp)
    }

    /// Name, versions and settings of each side.
    pub(crate) fn sides(&self) -> Vec<[String; 3]> {
        let text = |row: &Row, name: &str| row.about[name].as_str().unwrap_or("?").to_owned();
        let about =
            |row: &Row| [row.side.name().to_owned(), text(row, "versions"), text(row, "settings")];
        self.rows.iter().map(about).collect()
    }

    pub(crate) fn table(&self) -> String {
        let head = ["side", "images/s", "min..max", "ratio", "evaluated/s", "min..max", "ratio"];
        let mut rows = vec![[&row(head)[..], &row(["first step s"])].concat()];
        let (train, evaluate) = (self.best(|r| r.train.median), self.best(|r| r.evaluate.median));
        for row in &self.rows {
            rows.push(vec![
                row.side.name().to_owned(),
                format!("{:.0}", row.train.median),
                row.train.range(),
                ratio(row.train.median, train),
                format!("{:.0}", row.evaluate.median),
                row.evaluate.range(),
                ratio(row.evaluate.median, evaluate),
                format!("{:.3}", row.first_step_s),
            ]);
        }
        let threads = self.rows.first().map_or(0, |row| row.threads);
        let Self { preset, batch, foreign, .. } = self;
        let noise = if *foreign > FOREIGN_MAX { " (NOT QUIET)" } else { "" };
        format!(
            "{preset}, batch {batch}, {threads} threads; others used up to {foreign:.2} cores\
             {noise}\n{}",
            table(&rows)
        )
    }

    pub(crate) fn document(&self) -> Value {
        let (train, evaluate) = (self.best(|r| r.train.median), self.best(|r| r.evaluate.median));
        let over = |value: f64, best: Option<f64>| best.map(|best| thousandths(value / best));
        let side = |row: &Row| {
            json!({
                "side": row.side.name(), "threads": row.threads,
                "train_images_per_s": row.train.document(),
                "train_ratio": over(row.train.median, train),
                "evaluate_images_per_s": row.evaluate.document(),
                "evaluate_ratio": over(row.evaluate.median, evaluate),
                "first_step_s": thousandths(row.first_step_s),
            })
        };
        json!({
            "preset": self.preset, "batch": self.batch,
            "sides": self.rows.iter().map(side).collect::<Vec<_>>(),
            "foreign_cores": thousandths(self.foreign), "quiet": self.foreign <= FOREIGN_MAX,
            "failed": self.failed,
        })
    }

    fn of(&self, side: Side, threads: Option<usize>) -> Option<&Row> {
        let fits = |row: &&Row| row.side == side && threads.is_none_or(|n| n == row.threads);
        self.rows.iter().find(fits)
    }
}

/// Ours over the best peer in every cell, and how ours scale.
pub(crate) fn summary(cells: &[Outcome], scaling: &[Outcome]) -> String {
    let mut rows = vec![row(["ratio to the best peer", "exact", "fast", "evaluation, fast"])];
    for cell in cells {
        let (train, evaluate) = (cell.best(|r| r.train.median), cell.best(|r| r.evaluate.median));
        let of = |side: Side, what: fn(&Row) -> f64, best| {
            cell.of(side, None).map_or_else(String::new, |row| ratio(what(row), best))
        };
        rows.push(vec![
            format!("{}, batch {}", cell.preset, cell.batch),
            of(Side::Exact, |row| row.train.median, train),
            of(Side::Fast, |row| row.train.median, train),
            of(Side::Fast, |row| row.evaluate.median, evaluate),
        ]);
    }
    let mut text = table(&rows);
    let mut rows = vec![row(["ours, images/s at batch 64", "1 thread", "all", "scaling"])];
    for outcome in scaling {
        for side in Side::OURS {
            let Some(one) = outcome.of(side, Some(1)) else { continue };
            let all = outcome.rows.iter().filter(|row| row.side == side && row.threads > 1);
            for all in all {
                rows.push(vec![
                    format!("{}, {}", outcome.preset, side.name()),
                    format!("{:.0}", one.train.median),
                    format!("{:.0} on {}", all.train.median, all.threads),
                    ratio(all.train.median, Some(one.train.median)),
                ]);
            }
        }
    }
    if rows.len() > 1 {
        text.push('\n');
        text.push_str(&table(&rows));
    }
    text
}

fn ratio(value: f64, best: Option<f64>) -> String {
    best.map_or_else(|| "-".to_owned(), |best| format!("{:.2}", value / best))
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn thousandths(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
