//! Our side of `cargo xtask bench trainer --peers`: a trainer that answers requests, one JSON
//! object a line.
//!
//! The protocol and the arguments are those of `host/benches/peers/side.py`. Only the trainer's
//! public interface is used, so what is measured is what its users get.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, Write as _};
use std::ops::ControlFlow;
use std::time::Instant;

use mobula_trainer::{EpochArgs, Images, OptimizerKind, Trainer, TrainerConfig};
use serde_json::{Value, json};

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// Bytes of an image of the CIFAR-10 layout.
const IMAGE: usize = 32 * 32 * 3;

fn main() -> Fallible<()> {
    let mut side = Side::new(&Arguments(std::env::args().skip(1).collect()))?;
    for line in std::io::stdin().lock().lines() {
        let answer = side.answer(&serde_json::from_str(&line?)?)?;
        writeln!(std::io::stdout(), "{answer}")?;
    }
    Ok(())
}

/// The command line: `--name value`, as often as there are names.
struct Arguments(Vec<String>);

impl Arguments {
    fn text(&self, name: &str) -> Fallible<&str> {
        let found = self.0.chunks_exact(2).find(|pair| pair[0] == name);
        Ok(&found.ok_or_else(|| format!("`{name}` is missing"))?[1])
    }

    fn number(&self, name: &str) -> Fallible<usize> {
        Ok(self.text(name)?.parse().map_err(|e| format!("`{name}`: {e}"))?)
    }
}

/// Labels, then the pixels of as many images.
struct Set(Vec<u8>);

impl Set {
    fn read(path: &str) -> Fallible<Self> {
        Ok(Self(fs::read(path).map_err(|e| format!("{path}: {e}"))?))
    }

    fn first(&self, count: usize) -> Fallible<Images<'_>> {
        let all = self.0.len() / (1 + IMAGE);
        if count > all {
            return Err(format!("{count} images of a set of {all}").into());
        }
        let (labels, pixels) = self.0.split_at(all);
        Ok(Images::new(&pixels[..count * IMAGE], &labels[..count])?)
    }
}

struct Side {
    trainer: Trainer,
    batch: usize,
    threads: usize,
    dropout: bool,
    /// By path, each read once.
    sets: HashMap<String, Set>,
}

impl Side {
    fn new(args: &Arguments) -> Fallible<Self> {
        let exact = match args.text("--variant")? {
            "exact" => true,
            "fast" => false,
            other => return Err(format!("variant `{other}`; give `exact` or `fast`").into()),
        };
        let (optimizer, learning_rate) = match args.text("--optimizer")? {
            "adam" => (OptimizerKind::Adam, 1e-3),
            _ => (OptimizerKind::Sgd, 1e-4),
        };
        let threads = args.number("--threads")?;
        let config = TrainerConfig {
            model: fs::read_to_string(args.text("--network")?)?,
            seed: args.number("--seed")? as u64,
            threads: Some(threads),
            exact,
            optimizer,
            learning_rate,
            ..TrainerConfig::default()
        };
        Ok(Self {
            trainer: Trainer::new(config)?,
            batch: args.number("--batch")?,
            threads,
            dropout: args.text("--dropout")? == "on",
            sets: HashMap::new(),
        })
    }

    fn answer(&mut self, request: &Value) -> Fallible<Value> {
        let number = |name: &str| -> Fallible<usize> {
            let value =
                request[name].as_u64().ok_or_else(|| format!("no `{name}` in {request}"))?;
            Ok(usize::try_from(value)?)
        };
        let text =
            |name: &str| request[name].as_str().ok_or_else(|| format!("no `{name}` in {request}"));
        match text("do")? {
            "describe" => Ok(self.describe()),
            "step" => self.epoch(text("data")?, self.batch, true),
            "epoch" => {
                let shuffle = request["shuffle"].as_bool().unwrap_or(true);
                self.epoch(text("data")?, number("count")?, shuffle)
            }
            // In lots of our own: the `batch` of the request is for frameworks, which need one.
            "evaluate" => self.evaluate(text("data")?, number("count")?),
            "losses" => self.losses(text("data")?, number("steps")?),
            "predict" => {
                let pixels = first(&mut self.sets, text("data")?, number("count")?)?.pixels();
                Ok(json!({ "probabilities": self.trainer.predict(pixels)? }))
            }
            "load" => {
                self.trainer.load_weights(&fs::read(text("path")?)?)?;
                Ok(json!({}))
            }
            "save" => {
                fs::write(text("path")?, self.trainer.export_safetensors())?;
                Ok(json!({}))
            }
            _ => Err(format!("unknown request {request}").into()),
        }
    }

    fn describe(&self) -> Value {
        let (threads, kernels) = (self.threads, self.trainer.instruction_set());
        json!({
            "parameters": self.trainer.parameters(),
            "versions": format!("mobula {}", env!("CARGO_PKG_VERSION")),
            "settings": format!("{threads} threads, kernels {kernels}"),
        })
    }

    fn epoch_args(&self, shuffle: bool) -> EpochArgs {
        let (batch_size, dropout) = (self.batch, self.dropout);
        EpochArgs { batch_size, shuffle, dropout, ..EpochArgs::default() }
    }

    fn epoch(&mut self, data: &str, count: usize, shuffle: bool) -> Fallible<Value> {
        let args = self.epoch_args(shuffle);
        let images = first(&mut self.sets, data, count)?;
        let mut watch = |_| ControlFlow::Continue(());
        let begun = Instant::now();
        self.trainer.train_epoch(images, &args, &mut watch)?;
        // The whole call, with what a roll-back would need.
        Ok(json!({ "seconds": begun.elapsed().as_secs_f64(), "images": count }))
    }

    fn evaluate(&mut self, data: &str, count: usize) -> Fallible<Value> {
        let images = first(&mut self.sets, data, count)?;
        let begun = Instant::now();
        let seen = self.trainer.evaluate(images)?;
        Ok(json!({
            "seconds": begun.elapsed().as_secs_f64(), "images": count,
            "loss": seen.loss, "accuracy": seen.accuracy,
        }))
    }

    /// The loss of each of the first steps, in the order of the file: differences of the sums that
    /// the running means stand for.
    fn losses(&mut self, data: &str, steps: usize) -> Fallible<Value> {
        let args = self.epoch_args(false);
        let (mut losses, mut sum, mut done) = (Vec::new(), 0.0, 0);
        let images = first(&mut self.sets, data, steps * self.batch)?;
        self.trainer.train_epoch(images, &args, &mut |progress| {
            let now = progress.loss * progress.done as f64;
            losses.push((now - sum) / (progress.done - done) as f64);
            (sum, done) = (now, progress.done);
            ControlFlow::Continue(())
        })?;
        Ok(json!({ "losses": losses }))
    }
}

/// The first images of a file: free of `Side`, whose trainer is borrowed beside them.
fn first<'a>(sets: &'a mut HashMap<String, Set>, path: &str, count: usize) -> Fallible<Images<'a>> {
    if !sets.contains_key(path) {
        sets.insert(path.to_owned(), Set::read(path)?);
    }
    sets[path].first(count)
}
