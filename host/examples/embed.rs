//! The reference pipeline in a program of your own: load, two subsets at the same time, a trainer that
//! keeps its state, ten epochs, evaluation. `cargo run --release --example embed -- data/cifar-10`,
//! with the plugins beside the program (`cargo xtask plugins`) or in a folder named second.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use mobula::HostConfig;
use mobula::contract::{Object, Value};
use mobula::engine::SessionConfig;
use serde_json::json;

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    if let Some(code) = mobula::compile_if_asked() {
        return Ok(code);
    }
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let data = args.next().ok_or("usage: embed DATA [PLUGINS [HOME]]")?;
    let (plugin_dir, home) = (args.next(), args.next());
    let engine = mobula::engine(&HostConfig { home, plugin_dir, ..HostConfig::default() })?;
    let session = engine.session(SessionConfig { seed: 7, ..SessionConfig::default() });

    let load = session.task("cifar10-load/load").mount("data", data).submit()?;
    let subset = |images: &str, labels: &str, size: u32| {
        let task = session.task("subset/subset").named(images).args(json!({ "size": size }));
        task.input("images", load.field(images)).input("labels", load.field(labels)).submit()
    };
    let train = subset("x_train", "y_train", 400)?;
    let test = subset("x_test", "y_test", 100)?;

    let trainer = session.actor("trainer").native("cnn").create()?;
    let epoch = trainer
        .method(&session, "train_epoch")
        .args(json!({ "batch_size": 64, "validation_split": 0.1 }))
        .input("images", train.field("images"))
        .input("labels", train.field("labels"));
    let mut out = std::io::stdout();
    // All ten are submitted before the first is done; each comes when its turn has come.
    let epochs = (0..10).map(|_| epoch.submit()).collect::<Result<Vec<_>, _>>()?;
    for (number, epoch) in epochs.iter().enumerate() {
        let loss = number_of(&*epoch.get()?, "loss");
        let cost = epoch.receipt().unwrap_or_default();
        writeln!(out, "epoch {number}: loss {loss:.4}, {:.2} s", cost.wall_s)?;
    }
    let evaluate = trainer.method(&session, "evaluate");
    let evaluate = evaluate.input("images", test.field("images"));
    let found = evaluate.input("labels", test.field("labels")).submit()?.get()?;
    writeln!(out, "test accuracy {:.3}", number_of(&found, "test_accuracy"))?;
    Ok(ExitCode::SUCCESS)
}

fn number_of(object: &Object, field: &str) -> f64 {
    match object.get(field) {
        Some(Value::Json(json)) => json.as_f64().unwrap_or(f64::NAN),
        _ => f64::NAN,
    }
}
