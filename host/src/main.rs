//! The binary `mobula`: reads the command line, wires the rooms of the house together, and turns what
//! comes out into prose, JSON and exit codes. The only place that knows everybody.

mod allocator;
mod args;
mod check;
mod commands;
mod dataset;
mod exit;
mod home;
mod journal;
mod live;
mod native;
mod output;
mod plugins;
mod policy;
mod resume;
mod stages;
mod timeline;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Cli, Command};
use crate::output::Output;

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|first| first == plugins::COMPILE) {
        return mobula_sandbox::compile_child();
    }
    let cli = Cli::parse();
    let output = Output { json: cli.json };
    match perform(cli, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output.note(&format!("error: {error:#}"));
            ExitCode::from(exit::code_of(&error))
        }
    }
}

fn perform(cli: Cli, output: Output) -> anyhow::Result<()> {
    let home = cli.home;
    match &cli.command {
        Command::Run(args) => commands::run::start(args, home, output),
        Command::Runs(command) => commands::runs::perform(command, home, output),
        Command::Plugin(command) => commands::plugin::perform(command, home, output),
        Command::Checkpoints(command) => commands::checkpoints::perform(command, home, output),
        Command::Model(command) => commands::model::perform(command, home, output),
        Command::Data(command) => commands::data::perform(command, home, output),
        Command::Doctor => commands::doctor::perform(home, output),
    }
}
