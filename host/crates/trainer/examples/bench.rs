//! Images per second of each preset, as one JSON document: pixels in memory, batch 64, medians of several
//! epochs after one that warms up.

use std::io::Write as _;
use std::ops::ControlFlow;

use mobula_trainer::{EpochArgs, Images, PRESETS, TrainError, Trainer, TrainerConfig};
use serde_json::json;

/// Images of an epoch: ten steps or more, so that a pause of the machine does not count for all.
const IMAGES: usize = 1024;
/// Epochs that count.
const ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pixels: Vec<u8> = (0..IMAGES * 3072).map(|i| (i * i % 251) as u8).collect();
    let labels: Vec<u8> = (0..IMAGES).map(|i| (i % 10) as u8).collect();
    let cores = std::thread::available_parallelism()?.get();
    let mut threads: Vec<usize> = vec![1, cores];
    threads.dedup();
    let mut rows = Vec::new();
    let mut kernels = "";
    for (preset, _) in PRESETS {
        for threads in &threads {
            let config = TrainerConfig {
                model: preset.to_owned(),
                threads: Some(*threads),
                ..TrainerConfig::default()
            };
            let mut trainer = Trainer::new(config)?;
            kernels = trainer.instruction_set();
            let rates = (0..=ROUNDS).map(|_| epoch(&mut trainer, &pixels, &labels));
            let mut rates = rates.collect::<Result<Vec<f64>, _>>()?.split_off(1);
            rates.sort_by(f64::total_cmp);
            rows.push(json!({
                "preset": preset, "threads": threads, "batch": 64,
                "images_per_s": rates[ROUNDS / 2].round(),
            }));
        }
    }
    let document = json!({ "$type": "bench.trainer", "kernels": kernels, "rows": rows });
    writeln!(std::io::stdout(), "{document:#}")?;
    Ok(())
}

fn epoch(trainer: &mut Trainer, pixels: &[u8], labels: &[u8]) -> Result<f64, TrainError> {
    let images = Images::new(pixels, labels)?;
    let mut watch = |_| ControlFlow::Continue(());
    Ok(trainer.train_epoch(images, &EpochArgs::default(), &mut watch)?.images_per_s)
}
