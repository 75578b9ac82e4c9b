//! Accuracy after ten epochs over five seeds: Keras and ours from the same weights on the same
//! batches, without dropout, so that nothing but arithmetic can differ.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::agree::weights;
use super::data;
use super::place::Place;
use super::side::{Optimizer, Peer, Side, Task};
use super::table::{row, table};
use crate::run::say;

/// Without BatchNorm: after so few steps its moving statistics lag, and the seeds of `cifar10-664k`
/// scattered from 25 to 67 %, whoever trained them.
const PRESET: &str = "plain-667k";
const EPOCHS: usize = 10;
const SEEDS: u64 = 5;
const IMAGES: usize = 2000;
const BATCH: usize = 64;

/// Ours, which makes the weights that all start from, and whom it is compared to.
const SIDES: [Side; 3] = [Side::Exact, Side::Keras, Side::Fast];

/// Shares of hits: a row of `SIDES` for each seed.
pub(crate) struct Accuracy(Vec<Vec<f64>>);

pub(crate) fn compare(place: &Place, threads: usize) -> Result<Accuracy> {
    (0..SEEDS).map(|seed| of_seed(place, threads, seed)).collect::<Result<_>>().map(Accuracy)
}

fn of_seed(place: &Place, threads: usize, seed: u64) -> Result<Vec<f64>> {
    say(&format!("accuracy of {PRESET} after {EPOCHS} epochs, seed {seed}"));
    let task = Task {
        preset: PRESET,
        batch: BATCH,
        threads,
        seed,
        dropout: false,
        optimizer: Optimizer::Adam,
    };
    let start = place.work.join("start.safetensors");
    let mut accuracies = Vec::new();
    for side in SIDES {
        let mut peer = Peer::start(place, side, task)?;
        weights(&mut peer, if accuracies.is_empty() { "save" } else { "load" }, &start)?;
        for _ in 0..EPOCHS {
            peer.ask(&json!({
                "do": "epoch", "data": place.train, "count": IMAGES, "shuffle": false,
            }))?;
        }
        let seen = peer.ask(&json!({
            "do": "evaluate", "data": place.test, "count": data::TEST, "batch": BATCH,
        }))?;
        accuracies.push(seen["accuracy"].as_f64().context("no `accuracy` in an answer")?);
    }
    Ok(accuracies)
}

impl Accuracy {
    fn mean(&self, side: usize) -> f64 {
        self.0.iter().map(|seed| seed[side]).sum::<f64>() / self.0.len() as f64
    }

    pub(crate) fn table(&self) -> String {
        let names = SIDES.map(|side| side.name().to_owned());
        let mut rows = vec![[&row(["seed"])[..], &names, &row(["exact - Keras"])].concat()];
        let cells = |name: String, values: Vec<f64>| {
            let mut cells = vec![name];
            cells.extend(values.iter().map(|value| format!("{:.2} %", value * 100.0)));
            cells.push(format!("{:+.2} points", (values[0] - values[1]) * 100.0));
            cells
        };
        for (seed, values) in self.0.iter().enumerate() {
            rows.push(cells(seed.to_string(), values.clone()));
        }
        let means = (0..SIDES.len()).map(|side| self.mean(side)).collect();
        rows.push(cells("mean".to_owned(), means));
        format!(
            "{PRESET}: accuracy on {} images after {EPOCHS} epochs of {IMAGES}\n{}",
            data::TEST,
            table(&rows)
        )
    }

    pub(crate) fn document(&self) -> Value {
        let sides = SIDES.iter().enumerate().map(|(i, side)| {
            let seeds: Vec<f64> = self.0.iter().map(|seed| seed[i]).collect();
            json!({ "side": side.name(), "seeds": seeds, "mean": self.mean(i) })
        });
        json!({
            "preset": PRESET, "epochs": EPOCHS, "images": IMAGES, "batch": BATCH,
            "sides": sides.collect::<Vec<_>>(),
            "points_exact_from_keras": (self.mean(0) - self.mean(1)) * 100.0,
        })
    }
}
