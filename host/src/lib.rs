//! The program `mobula`, and what another program needs to be like it: [`engine()`] is an engine over the
//! plugins of a home folder and the native trainer, the same that the command line runs pipelines on.
//! Wires the rooms of the house together; the only place that knows everybody.
//!
//! The reference pipeline without a pipeline file, in the verbs that users of Ray know; a program that
//! runs it is `examples/embed.rs`:
//!
//! ```no_run
//! use mobula::engine::SessionConfig;
//! use serde_json::json;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = mobula::engine(&mobula::HostConfig::default())?;
//! let session = engine.session(SessionConfig { seed: 7, ..SessionConfig::default() });
//!
//! // A task goes to any free worker; what it gives is there at once, as a reference.
//! let load = session.task("cifar10-load/load").mount("data", "data/cifar-10").submit()?;
//! let subset = |images: &str, labels: &str, size: u32| {
//!     let task = session.task("subset/subset").args(json!({ "size": size }));
//!     task.input("images", load.field(images)).input("labels", load.field(labels)).submit()
//! };
//! let train = subset("x_train", "y_train", 5000)?;
//! let test = subset("x_test", "y_test", 1000)?; // runs beside the other
//!
//! // An actor keeps its state; its calls are made in order.
//! let trainer = session.actor("trainer").native("cnn").create()?;
//! let epoch = trainer
//!     .method(&session, "train_epoch")
//!     .args(json!({ "batch_size": 64, "validation_split": 0.1 }))
//!     .input("images", train.field("images"))
//!     .input("labels", train.field("labels"));
//! for number in 0..10 {
//!     println!("epoch {number}: {:?}", epoch.submit()?.get()?.get("loss"));
//! }
//! let evaluate = trainer.method(&session, "evaluate");
//! let evaluate = evaluate.input("images", test.field("images")).input("labels", test.field("labels"));
//! println!("{:?}", evaluate.submit()?.get()?.get("test_accuracy"));
//! # Ok(())
//! # }
//! ```

mod allocator;
mod args;
mod check;
mod cluster;
mod commands;
mod dataset;
mod embed;
mod exit;
mod home;
mod job;
mod journal;
mod kept;
mod learned;
mod live;
mod native;
mod node;
mod origin;
mod output;
mod plugins;
mod policy;
mod probe;
mod recorded;
mod remote;
mod resume;
mod serve;
mod signals;
mod stages;
mod stop;
mod timeline;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Cli, Command};
use crate::output::Output;

pub use cluster::{Cluster, Component, Components, Joined};
pub use embed::{HostConfig, compile_if_asked, compile_with, engine};
/// Objects, tensors, failures.
pub use mobula_contract as contract;
/// The engine's own names: sessions, tasks, actors, references.
pub use mobula_engine as engine;
pub use node::Node;

/// The command line, from the arguments to the exit code.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(code) = compile_if_asked() {
        return code;
    }
    ExitCode::from(ended(Cli::parse(), None))
}

/// The same for a program that has other machines to run on: `run` and `runs resume` go there.
pub fn main_on(cluster: &dyn Cluster, arguments: impl IntoIterator<Item = OsString>) -> u8 {
    match Cli::try_parse_from(arguments) {
        Ok(cli) => ended(cli, Some(cluster)),
        Err(usage) => {
            let _ = usage.print();
            u8::try_from(usage.exit_code()).unwrap_or(2)
        }
    }
}

/// Performs a command; gives its exit code.
fn ended(cli: Cli, cluster: Option<&dyn Cluster>) -> u8 {
    let output = Output { json: cli.json };
    match perform(cli, cluster, output) {
        Ok(()) => 0,
        Err(error) => {
            output.note(&format!("error: {error:#}"));
            exit::code_of(&error)
        }
    }
}

fn perform(cli: Cli, cluster: Option<&dyn Cluster>, output: Output) -> anyhow::Result<()> {
    let home = cli.home;
    if let Some(server) = &cli.server
        && let Some(done) = remote::perform(&cli.command, server, home.clone(), output)
    {
        return done;
    }
    match &cli.command {
        Command::Run(args) => commands::run::start(args, home, cluster, output),
        Command::Runs(command) => commands::runs::perform(command, home, cluster, output),
        Command::Plugin(command) => commands::plugin::perform(command, home, output),
        Command::Pipeline(command) => commands::pipeline::perform(command, home, output),
        Command::Checkpoints(command) => commands::checkpoints::perform(command, home, output),
        Command::Model(command) => commands::model::perform(command, home, output),
        Command::Data(command) => commands::data::perform(command, home, output),
        Command::Serve(args) => commands::serve::perform(args, home, output),
        Command::Tenant(command) => commands::tenant::perform(command, home, output),
        Command::Login(args) => remote::login(args, home, output),
        Command::Simulate(args) => commands::simulate::perform(args, home, output),
        Command::Doctor => commands::doctor::perform(home, output),
        Command::Completions { shell } => commands::completions::perform(*shell),
    }
}
