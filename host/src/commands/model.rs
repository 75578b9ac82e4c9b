//! `mobula model`: the trainer alone, on a folder in the CIFAR-10 layout.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Context as _;
use mobula_trainer::{EpochArgs, EpochReport, Images, TrainError, Trainer, TrainerConfig};
use serde_json::json;

use crate::args::{ModelCommand, ModelOptions};
use crate::dataset::{Dataset, Part};
use crate::exit::{Ended, Exit};
use crate::home;
use crate::live::bar;
use crate::output::{Output, table};
use crate::plugins::Catalogue;

pub(crate) fn perform(
    command: &ModelCommand,
    home: Option<PathBuf>,
    output: Output,
) -> anyhow::Result<()> {
    match command {
        ModelCommand::Summary { model } => summary(model, output),
        ModelCommand::Train { model, options } => train(model, options, home, output),
        ModelCommand::Evaluate { model, options } => evaluate(model, options, home, output),
    }
}

fn coded(error: TrainError) -> anyhow::Error {
    let exit = match error {
        TrainError::Cancelled => Exit::Interrupted,
        TrainError::Diverged { .. } | TrainError::Thread(_) => Exit::Failed,
        _ => Exit::Invalid,
    };
    Ended::error(exit, error.to_string())
}

/// A preset's name, or a network file.
fn text(model: &str) -> anyhow::Result<String> {
    if !model.ends_with(".toml") {
        return Ok(model.to_owned());
    }
    std::fs::read_to_string(model)
        .map_err(|e| Ended::error(Exit::NotFound, format!("network file {model}: {e}")))
}

fn summary(model: &str, output: Output) -> anyhow::Result<()> {
    let config = TrainerConfig { model: text(model)?, threads: Some(1), ..Default::default() };
    let trainer = Trainer::new(config).map_err(coded)?;
    let layers: Vec<_> = trainer.summary().iter().map(|layer| {
        json!({ "layer": layer.layer, "output": layer.output, "parameters": layer.parameters })
    }).collect();
    let document = json!({ "$type": "model", "model": model, "layers": layers,
        "parameters": trainer.parameters() });
    output.result(&document, || {
        let mut rows = vec![["layer", "output", "parameters"].map(str::to_owned).to_vec()];
        for layer in trainer.summary() {
            let axes: Vec<String> = layer.output.iter().map(usize::to_string).collect();
            rows.push(vec![layer.layer.clone(), axes.join(" × "), layer.parameters.to_string()]);
        }
        rows.push(vec!["all".to_owned(), String::new(), trainer.parameters().to_string()]);
        table(&rows)
    })
}

fn trainer(model: &str, options: &ModelOptions) -> anyhow::Result<Trainer> {
    let config = TrainerConfig {
        model: text(model)?,
        seed: options.seed,
        threads: options.threads,
        learning_rate: options.learning_rate,
        ..Default::default()
    };
    let mut trainer = Trainer::new(config).map_err(coded)?;
    if let Some(file) = &options.init_weights {
        let bytes = std::fs::read(file).map_err(|e| {
            Ended::error(Exit::NotFound, format!("cannot read weights {}: {e}", file.display()))
        })?;
        trainer.load_weights(&bytes).map_err(coded)?;
    }
    Ok(trainer)
}

fn dataset(
    options: &ModelOptions,
    home: Option<PathBuf>,
    output: Output,
) -> anyhow::Result<Dataset> {
    let store = home::store(home)?;
    let catalogue = Catalogue::open(&store, options.plugin_dir.as_deref())?;
    Dataset::read(&catalogue, &options.data, output)
}

fn images<'a>(part: &Part<'a>) -> anyhow::Result<Images<'a>> {
    Images::new(part.pixels, part.labels).map_err(coded)
}

fn train(
    model: &str,
    options: &ModelOptions,
    home: Option<PathBuf>,
    output: Output,
) -> anyhow::Result<()> {
    let mut trainer = trainer(model, options)?;
    let data = dataset(options, home, output)?;
    let (part, test) = (data.train()?, data.test()?);
    let args = EpochArgs {
        batch_size: options.batch_size as usize,
        validation_split: options.validation_split,
        shuffle: !options.no_shuffle,
        dropout: !options.no_dropout,
    };
    let stop = stop_on_signal()?;
    for epoch in 0..options.epochs {
        let bar = bar(output.json);
        let trained = trainer.train_epoch(images(&part)?, &args, &mut |seen| {
            bar.set_length(seen.total as u64);
            bar.set_position(seen.done as u64);
            match stop.load(Ordering::Relaxed) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        bar.finish_and_clear();
        match trained {
            Ok(report) => output.note(&line(&report)),
            Err(e) => {
                // What was trained is not lost: the trainer is as it was before the epoch.
                save(&trainer, options.out.as_deref())?;
                let message = format!("stopped in epoch {epoch} of {}: {e}", options.epochs);
                return Err(Ended::error(
                    if matches!(e, TrainError::Cancelled) {
                        Exit::Interrupted
                    } else {
                        Exit::Failed
                    },
                    message,
                ));
            }
        }
    }
    save(&trainer, options.out.as_deref())?;
    let tested = trainer.evaluate(images(&test)?).map_err(coded)?;
    let document = json!({ "$type": "model.trained", "model": model, "epochs": trainer.history(),
        "state_digest": trainer.state_digest(), "parameters": trainer.parameters(),
        "test_loss": tested.loss, "test_accuracy": tested.accuracy, "out": options.out });
    output.result(&document, || {
        let out =
            options.out.as_ref().map_or(String::new(), |f| format!("\nweights: {}", f.display()));
        format!(
            "test accuracy {:.4}, loss {:.4}, state {}{out}",
            tested.accuracy,
            tested.loss,
            trainer.state_digest()
        )
    })
}

fn save(trainer: &Trainer, out: Option<&Path>) -> anyhow::Result<()> {
    out.map_or(Ok(()), |file| super::write_file(file, &trainer.weights()))
}

fn line(report: &EpochReport) -> String {
    let held = match (report.val_loss, report.val_accuracy) {
        (Some(loss), Some(hits)) => format!("  val_loss {loss:.4}  val_accuracy {hits:.4}"),
        _ => String::new(),
    };
    format!(
        "epoch {:>3}  loss {:.4}  accuracy {:.4}{held}  {:.2} s  {:.0} images/s",
        report.epoch, report.loss, report.accuracy, report.seconds, report.images_per_s
    )
}

fn evaluate(
    model: &str,
    options: &ModelOptions,
    home: Option<PathBuf>,
    output: Output,
) -> anyhow::Result<()> {
    let mut trainer = trainer(model, options)?;
    if options.init_weights.is_none() {
        output
            .note("no --init-weights: these are the numbers of a network that has learned nothing");
    }
    let data = dataset(options, home, output)?;
    let test = data.test()?;
    let start = Instant::now();
    let found = trainer.evaluate(images(&test)?).map_err(coded)?;
    #[expect(clippy::cast_precision_loss, reason = "a rate to look at")]
    let rate = found.images as f64 / start.elapsed().as_secs_f64();
    let document = json!({ "$type": "model.evaluated", "model": model, "loss": found.loss,
        "accuracy": found.accuracy, "images": found.images, "images_per_s": rate });
    output.result(&document, || {
        format!(
            "accuracy {:.4}, loss {:.4} on {} images, {rate:.0} images/s",
            found.accuracy, found.loss, found.images
        )
    })
}

/// Set by the first Ctrl-C; a second one ends the process.
fn stop_on_signal() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::Relaxed) {
            std::process::exit(Exit::Interrupted as i32);
        }
    })
    .context("cannot listen for Ctrl-C")?;
    Ok(stop)
}
