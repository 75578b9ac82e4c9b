//! `mobula model`: the trainer alone, on a folder in the CIFAR-10 layout.

mod predict;
mod summary;

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use mobula_trainer::{
    EpochArgs, EpochReport, Images, Recipe, TrainError, Trainer, TrainerSettings,
};
use serde_json::json;

use crate::args::{ModelCommand, ModelOptions, RecipeName, TrainerOptions};
use crate::dataset::{Dataset, Part};
use crate::exit::{Ended, Exit};
use crate::home;
use crate::live::bar;
use crate::output::Output;
use crate::plugins::Catalogue;
use crate::signals;

pub(crate) fn perform(
    command: &ModelCommand,
    home: Option<PathBuf>,
    output: Output,
) -> anyhow::Result<()> {
    match command {
        ModelCommand::Summary { model, batch_size } => {
            summary::perform(model, *batch_size as usize, output)
        }
        ModelCommand::Train { model, options } => train(model, options, home, output),
        ModelCommand::Evaluate { model, options } => evaluate(model, &options.common, home, output),
        ModelCommand::Predict { model, options } => predict::perform(model, options, home, output),
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
    let text = std::fs::read_to_string(model)
        .map_err(|e| Ended::error(unread(&e), format!("network file {model}: {e}")))?;
    // The trainer would take a text without any value for the name of a preset.
    if !text.contains('=') {
        let message = format!("network file {model}: it has no name, input and layers");
        return Err(Ended::error(Exit::Invalid, message));
    }
    Ok(text)
}

/// The exit code of a file that could not be read.
fn unread(error: &io::Error) -> Exit {
    match error.kind() {
        io::ErrorKind::NotFound => Exit::NotFound,
        _ => Exit::Invalid,
    }
}

/// Settings of what every command shares.
fn settings(model: &str, options: &TrainerOptions) -> anyhow::Result<TrainerSettings> {
    Ok(TrainerSettings {
        model: Some(text(model)?),
        seed: Some(options.seed),
        threads: options.threads,
        exact: Some(options.exact),
        ..Default::default()
    })
}

fn trainer(settings: TrainerSettings, weights: Option<&Path>) -> anyhow::Result<Trainer> {
    let mut trainer = Trainer::new(settings.resolved()).map_err(coded)?;
    if let Some(file) = weights {
        let said = |e| format!("cannot read weights {}: {e}", file.display());
        let bytes = std::fs::read(file).map_err(|e| Ended::error(unread(&e), said(e)))?;
        trainer.load_weights(&bytes).map_err(coded)?;
    }
    Ok(trainer)
}

/// A trainer that shall tell what it knows, which without weights is nothing.
fn trained(model: &str, options: &TrainerOptions, output: Output) -> anyhow::Result<Trainer> {
    if options.init_weights.is_none() {
        output
            .note("no --init-weights: these are the numbers of a network that has learned nothing");
    }
    trainer(settings(model, options)?, options.init_weights.as_deref())
}

fn dataset(
    options: &TrainerOptions,
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
    let mut trainer = trainer_by_recipe(model, options, output)?;
    let data = dataset(&options.common, home, output)?;
    let (part, test) = (data.train()?, data.test()?);
    let args = epoch_args(options, trainer.config().recipe);
    let trained = train_epochs(&mut trainer, images(&part)?, &args, options.epochs, output);
    // What was trained is not lost: after an error the trainer is as it was before the epoch.
    save(&trainer, options.out.as_deref())?;
    trained?;
    let tested = trainer.evaluate(images(&test)?).map_err(coded)?;
    let document = json!({ "$type": "model.trained", "model": model,
        "recipe": trainer.config().recipe, "exact": options.common.exact,
        "batch_size": args.batch_size, "epochs": trainer.history(),
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

/// A trainer that shall learn; what its recipe settles, the options override.
fn trainer_by_recipe(
    model: &str,
    options: &ModelOptions,
    output: Output,
) -> anyhow::Result<Trainer> {
    let recipe = match options.recipe {
        RecipeName::Plain => Recipe::Plain,
        RecipeName::Fast => Recipe::Fast,
    };
    let settings = TrainerSettings {
        recipe: Some(recipe),
        learning_rate: options.learning_rate,
        // Of no epochs there is no schedule, but nor is there a step that would ask for it.
        schedule_epochs: Some(options.epochs.max(1)),
        ..settings(model, &options.common)?
    };
    let trainer = trainer(settings, options.common.init_weights.as_deref())?;
    if trainer.config().recipe != recipe {
        output.note(
            "recipe `fast` is for networks with a batch_norm for each convolution; this one trains \
             by `plain`",
        );
    }
    Ok(trainer)
}

fn epoch_args(options: &ModelOptions, recipe: Recipe) -> EpochArgs {
    EpochArgs {
        batch_size: options.batch_size.map_or(recipe.batch_size(), |size| size as usize),
        validation_split: options.validation_split,
        shuffle: !options.no_shuffle,
        dropout: !options.no_dropout,
    }
}

fn train_epochs(
    trainer: &mut Trainer,
    images: Images<'_>,
    args: &EpochArgs,
    epochs: u32,
    output: Output,
) -> anyhow::Result<()> {
    let stop = stop_on_signal()?;
    for epoch in 0..epochs {
        let bar = bar(output.json);
        let trained = trainer.train_epoch(images, args, &mut |seen| {
            bar.set_length(seen.total as u64);
            bar.set_position(seen.done as u64);
            match stop.load(Ordering::Relaxed) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        bar.finish_and_clear();
        let report = trained.map_err(|e| {
            let exit = match e {
                TrainError::Cancelled => Exit::Interrupted,
                _ => Exit::Failed,
            };
            Ended::error(exit, format!("stopped in epoch {epoch} of {epochs}: {e}"))
        })?;
        output.note(&line(&report));
    }
    Ok(())
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
    options: &TrainerOptions,
    home: Option<PathBuf>,
    output: Output,
) -> anyhow::Result<()> {
    let mut trainer = trained(model, options, output)?;
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
    signals::on_first(move |_| asked.store(true, Ordering::Relaxed))?;
    Ok(stop)
}
