//! Whether the sides are the same network: the losses of the first steps from the same weights on
//! the same batches, and predictions after weights went to and fro as `host/INTERCHANGE.md` says.
//!
//! Losses are judged with SGD, whose steps are as exact as the gradients. Adam divides a gradient by
//! its own size, so where it is nothing but rounding it still makes a whole step: there even Keras
//! without oneDNN leaves Keras with it within a few steps, and the table only shows it.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::place::Place;
use super::side::{Optimizer, Peer, Side, Task};
use super::table::{row, table};
use crate::run::say;

const STEPS: usize = 20;
const BATCH: usize = 64;
/// "The same to four digits": half a unit of the fourth, relative to the loss.
const LOSS_DIFFERENCE_MAX: f64 = 5e-4;
/// Images whose predictions are compared.
const PREDICTED: usize = 256;
/// Between two programs' probabilities of the same weights: f32 sums in other orders.
const PREDICTION_DIFFERENCE_MAX: f64 = 1e-4;

/// Ours first, to which the others are compared; Keras next, which the losses are judged by.
/// The second Keras is a yardstick: how far rounding alone leads.
const SIDES: [Side; 5] = [Side::Exact, Side::Keras, Side::KerasPlain, Side::TorchNchw, Side::Fast];
/// Those to which weights are moved.
const FRAMEWORKS: [Side; 2] = [Side::Keras, Side::TorchNchw];

/// A way that weights took, and by how much predictions then differed.
struct Way {
    name: String,
    difference: f64,
    max: f64,
}

/// The losses of each of `SIDES` with one optimizer.
struct Curves {
    optimizer: Optimizer,
    losses: Vec<Vec<f64>>,
}

/// What one preset showed.
pub(crate) struct Agreement {
    preset: String,
    /// With SGD and with Adam.
    curves: [Curves; 2],
    ways: Vec<Way>,
}

pub(crate) fn compare(place: &Place, presets: &[&str], threads: usize) -> Result<Vec<Agreement>> {
    presets.iter().map(|preset| agreement(place, preset, threads)).collect()
}

fn agreement(place: &Place, preset: &str, threads: usize) -> Result<Agreement> {
    say(&format!("{preset}: losses of {STEPS} steps, and weights to and fro"));
    let task =
        |optimizer| Task { preset, batch: BATCH, threads, seed: 1, dropout: false, optimizer };
    let (_, sgd) = curves(place, task(Optimizer::Sgd))?;
    let (mut peers, adam) = curves(place, task(Optimizer::Adam))?;
    let mut ways = Vec::new();
    let (ours, others) = peers.split_at_mut(1);
    for other in others.iter_mut().filter(|peer| FRAMEWORKS.contains(&peer.side)) {
        ways.extend(to_and_fro(place, &mut ours[0], other)?);
    }
    Ok(Agreement { preset: preset.to_owned(), curves: [sgd, adam], ways })
}

/// The losses of all sides from the same weights, and the sides.
fn curves(place: &Place, task: Task<'_>) -> Result<(Vec<Peer>, Curves)> {
    let mut peers = Vec::new();
    for side in SIDES {
        peers.push(Peer::start(place, side, task)?);
    }
    let start = place.work.join("start.safetensors");
    weights(&mut peers[0], "save", &start)?;
    let mut losses = Vec::new();
    for peer in &mut peers {
        weights(peer, "load", &start)?;
        let request = json!({ "do": "losses", "data": place.train, "steps": STEPS });
        losses.push(numbers(&peer.ask(&request)?, "losses")?);
    }
    Ok((peers, Curves { optimizer: task.optimizer, losses }))
}

/// Ours to the framework and back unchanged; then what the framework made of them, back to ours.
fn to_and_fro(place: &Place, ours: &mut Peer, other: &mut Peer) -> Result<Vec<Way>> {
    let name = if other.side == Side::Keras { "Keras" } else { "PyTorch" };
    let file = place.work.join("interchange.safetensors");
    weights(ours, "save", &file)?;
    let before = predictions(place, ours)?;
    weights(other, "load", &file)?;
    let to = difference(&before, &predictions(place, other)?);
    weights(other, "save", &file)?;
    weights(ours, "load", &file)?;
    // The very same bits went round, so the very same come out.
    let round = difference(&before, &predictions(place, ours)?);
    let images = 5 * BATCH;
    other.ask(&json!({ "do": "epoch", "data": place.train, "count": images, "shuffle": false }))?;
    weights(other, "save", &file)?;
    weights(ours, "load", &file)?;
    let back = difference(&predictions(place, other)?, &predictions(place, ours)?);
    let way = |name: String, difference, max| Way { name, difference, max };
    Ok(vec![
        way(format!("Mobula to {name}"), to, PREDICTION_DIFFERENCE_MAX),
        way(format!("Mobula to {name} and back"), round, 0.0),
        way(format!("{name}, trained on, to Mobula"), back, PREDICTION_DIFFERENCE_MAX),
    ])
}

/// Has a side `load` or `save` its weights.
pub(crate) fn weights(peer: &mut Peer, what: &str, path: &Path) -> Result<()> {
    peer.ask(&json!({ "do": what, "path": path })).map(|_| ())
}

fn predictions(place: &Place, peer: &mut Peer) -> Result<Vec<f64>> {
    let request = json!({ "do": "predict", "data": place.test, "count": PREDICTED });
    numbers(&peer.ask(&request)?, "probabilities")
}

fn numbers(answer: &Value, name: &str) -> Result<Vec<f64>> {
    let values = answer[name].as_array().with_context(|| format!("no `{name}` in an answer"))?;
    let values = values.iter().map(|value| value.as_f64().context("an answer has no number"));
    values.collect()
}

/// The largest distance; infinite if it cannot be told, so that NaN never passes for agreement.
fn difference(a: &[f64], b: &[f64]) -> f64 {
    if a.len() != b.len() || a.is_empty() {
        return f64::INFINITY;
    }
    let apart = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    apart.fold(0.0, |max, d| if d.is_nan() { f64::INFINITY } else { f64::max(max, d) })
}

impl Curves {
    /// The largest relative difference of a side's losses from Keras'.
    fn apart(&self, side: Side) -> f64 {
        let of = |side: Side| SIDES.iter().position(|s| *s == side).map(|i| &self.losses[i][..]);
        let (losses, keras) = (of(side).unwrap_or(&[]), of(Side::Keras).unwrap_or(&[]));
        let relative: Vec<f64> = losses.iter().zip(keras).map(|(x, y)| x / y).collect();
        difference(&relative, &vec![1.0; keras.len()])
    }

    fn table(&self) -> String {
        let names = SIDES.map(|side| side.name().to_owned());
        let mut rows = vec![[&row([self.optimizer.name()])[..], &names].concat()];
        for step in 0..STEPS {
            let mut cells = vec![(step + 1).to_string()];
            cells.extend(self.losses.iter().map(|losses| format!("{:.6}", losses[step])));
            rows.push(cells);
        }
        let mut apart = row(["from Keras"]);
        apart.extend(SIDES.map(|side| format!("{:.1e}", self.apart(side))));
        rows.push(apart);
        table(&rows)
    }

    fn document(&self) -> Value {
        let losses = SIDES.iter().zip(&self.losses).map(|(side, losses)| {
            let apart = self.apart(*side);
            json!({ "side": side.name(), "losses": losses, "relative_difference_max": apart })
        });
        json!({ "optimizer": self.optimizer.name(), "losses": losses.collect::<Vec<_>>() })
    }
}

impl Agreement {
    pub(crate) fn failures(&self) -> Vec<String> {
        let Self { preset, .. } = self;
        let mut failures = Vec::new();
        let judged = self.curves.iter().find(|curves| curves.optimizer == Optimizer::Sgd);
        let apart = judged.map_or(f64::INFINITY, |curves| curves.apart(Side::Exact));
        if apart > LOSS_DIFFERENCE_MAX {
            failures.push(format!("{preset}: losses are {apart:.1e} apart from Keras'"));
        }
        for Way { name, difference, max } in &self.ways {
            if difference > max {
                failures.push(format!("{preset}: {name}: predictions are {difference:.1e} apart"));
            }
        }
        failures
    }

    pub(crate) fn table(&self) -> String {
        let mut ways = vec![row(["weights", "apart", "at most"])];
        for Way { name, difference, max } in &self.ways {
            ways.push(vec![name.clone(), format!("{difference:.1e}"), format!("{max:.0e}")]);
        }
        let [sgd, adam] = self.curves.each_ref().map(Curves::table);
        format!(
            "{}: losses of the same batches from the same weights, dropout off\n{sgd}\n{adam}\n\
             predictions of {PREDICTED} images, largest difference of a probability\n{}",
            self.preset,
            table(&ways)
        )
    }

    pub(crate) fn document(&self) -> Value {
        let ways = self.ways.iter().map(|Way { name, difference, max }| {
            json!({ "way": name, "difference": difference, "max": max })
        });
        json!({
            "preset": self.preset, "batch": BATCH,
            "curves": self.curves.each_ref().map(Curves::document),
            "interchange": ways.collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn what_cannot_be_compared_differs() {
        assert_eq!(difference(&[1.0, 2.0], &[1.0, 1.5]), 0.5);
        assert_eq!(difference(&[f64::NAN, 2.0], &[1.0, 2.0]), f64::INFINITY);
        assert_eq!(difference(&[1.0], &[1.0, 2.0]), f64::INFINITY);
        assert_eq!(difference(&[], &[]), f64::INFINITY);
    }
}
