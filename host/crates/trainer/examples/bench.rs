//! Images per second of each preset, ours alone: a table, then one JSON document. Pixels in memory,
//! medians of several epochs after one that warms up.

use std::io::Write as _;
use std::ops::ControlFlow;

use mobula_trainer::{EpochArgs, Images, PRESETS, TrainError, Trainer, TrainerConfig};
use serde_json::{Value, json};

/// Images of an epoch: eight steps or more, so that a pause of the machine does not count for all.
const IMAGES: usize = 1024;
/// Epochs that count.
const ROUNDS: usize = 5;
const BATCHES: [usize; 3] = [32, 64, 128];
/// The batch at which one thread is measured as well.
const SCALED: usize = 64;

/// What is measured at once.
struct Cell {
    preset: &'static str,
    batch: usize,
    threads: usize,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pixels: Vec<u8> = (0..IMAGES * 3072).map(|i| (i * i % 251) as u8).collect();
    let labels: Vec<u8> = (0..IMAGES).map(|i| (i % 10) as u8).collect();
    let images = Images::new(&pixels, &labels)?;
    let cores = std::thread::available_parallelism()?.get();
    let mut out = std::io::stdout();
    writeln!(out, "{:<14}{:>6}{:>9}{:>9}{:>9}", "images/s", "batch", "threads", "exact", "fast")?;
    let (mut rows, mut kernels) = (Vec::new(), "");
    for cell in cells(cores) {
        let mut trainers = [cell.trainer(true)?, cell.trainer(false)?];
        kernels = trainers[0].instruction_set();
        let [exact, fast] = rates(&mut trainers, images, cell.batch)?;
        let Cell { preset, batch, threads } = cell;
        writeln!(out, "{preset:<14}{batch:>6}{threads:>9}{exact:>9.0}{fast:>9.0}")?;
        let row = |mode: &str, rate: f64| -> Value {
            json!({ "preset": preset, "mode": mode, "threads": threads, "batch": batch,
                "images_per_s": rate.round() })
        };
        rows.extend([row("exact", exact), row("fast", fast)]);
    }
    let document = json!({ "$type": "bench.trainer", "kernels": kernels, "rows": rows });
    writeln!(out, "{document:#}")?;
    Ok(())
}

/// Every batch on all cores, and one of them on one.
fn cells(cores: usize) -> Vec<Cell> {
    let mut cells = Vec::new();
    for (preset, _) in PRESETS {
        for batch in BATCHES {
            if batch == SCALED && cores > 1 {
                cells.push(Cell { preset, batch, threads: 1 });
            }
            cells.push(Cell { preset, batch, threads: cores });
        }
    }
    cells
}

impl Cell {
    fn trainer(&self, exact: bool) -> Result<Trainer, TrainError> {
        Trainer::new(TrainerConfig {
            model: self.preset.to_owned(),
            threads: Some(self.threads),
            exact,
            ..TrainerConfig::default()
        })
    }
}

/// The median of each trainer, their epochs in turn, so that a busy machine slows both.
fn rates(
    trainers: &mut [Trainer; 2],
    images: Images<'_>,
    batch_size: usize,
) -> Result<[f64; 2], TrainError> {
    let args = EpochArgs { batch_size, ..EpochArgs::default() };
    let mut rates = [Vec::new(), Vec::new()];
    for round in 0..=ROUNDS {
        for (trainer, rates) in trainers.iter_mut().zip(&mut rates) {
            let mut watch = |_| ControlFlow::Continue(());
            let rate = trainer.train_epoch(images, &args, &mut watch)?.images_per_s;
            if round > 0 {
                rates.push(rate);
            }
        }
    }
    Ok(rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[ROUNDS / 2]
    }))
}
