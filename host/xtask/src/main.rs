//! The project's own tool: one command for each chore of a contributor or a fresh machine.
//!
//! It starts other programs (cargo, rustup, our own) and says what it runs; it holds no logic of the product.

mod arm;
mod costs;
mod crash;
mod demo;
mod languages;
mod peers;
mod plugins;
mod python;
mod run;
mod stopwatch;
mod test;
mod web;

use anyhow::{Result, bail};

use crate::run::cargo;

const USAGE: &str = "usage: cargo xtask setup | plugins | demo | test | crash-test [--release-figures] \
    | bench core [--peers [--quick] [--json FILE]] \
    | bench checkpoint [--quick] [--json FILE] [--dir DIR] \
    | bench checkpoint --live [--runs N] \
    | bench ray [--epochs N] [--tasks N] [--json FILE] \
    | bench kernels | bench plugin | bench recipe [MODEL] [EPOCHS] | bench server \
    | bench trainer [--peers [--quick] [--curve] [--json FILE]]";

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["setup"] => run::setup(),
        ["plugins"] => {
            run::setup()?;
            plugins::build()?;
            web::build()?;
            cargo(&["build", "--release", "-p", "mobula"])?;
            languages::build()
        }
        ["demo"] => demo::demo(),
        ["test"] => test::test(),
        ["crash-test", ref options @ ..] => crash::test(options),
        ["bench", "core"] => {
            plugins::build()?;
            cargo(&["bench", "--quiet", "-p", "mobula", "--bench", "core"])
        }
        ["bench", "core", ref options @ ..] if options.contains(&"--peers") => {
            costs::bench(options)
        }
        ["bench", "checkpoint", "--live", ref rest @ ..] => live(rest),
        ["bench", "checkpoint", ref rest @ ..] => example("mobula-store", "bench", rest),
        ["bench", "ray", ref options @ ..] => {
            plugins::build()?;
            cargo(&["build", "--release", "-p", "mobula"])?;
            python::bench(options)
        }
        ["bench", "plugin"] => stopwatch::bench(),
        ["bench", "server"] => server(),
        ["bench", "kernels"] => example("mobula-kernels", "layers", &[]),
        ["bench", "recipe", ref rest @ ..] => example("mobula-trainer", "recipe", rest),
        ["bench", "trainer"] => example("mobula-trainer", "bench", &[]),
        ["bench", "trainer", ref options @ ..] if options.contains(&"--peers") => {
            peers::bench(options)
        }
        _ => bail!("{USAGE}"),
    }
}

/// Real trainings that are killed, beside their simulation.
fn live(rest: &[&str]) -> Result<()> {
    plugins::build()?;
    cargo(&["build", "--release", "-p", "mobula"])?;
    let target = run::target()?;
    let place = |part: &str| target.join(part).display().to_string();
    let (program, plugins) = (place("release/mobula"), place("release/plugins"));
    example("mobula", "live", &[&[program.as_str(), plugins.as_str()], rest].concat())
}

/// A server with a long history, and one that many follow.
fn server() -> Result<()> {
    plugins::build()?;
    web::build()?;
    cargo(&["build", "--release", "-p", "mobula"])?;
    let target = run::target()?;
    let place = |part: &str| target.join(part).display().to_string();
    let (program, noop) = (place("release/mobula"), place("release/test-plugins/hostile.wasm"));
    example("mobula", "server", &[&program, &noop])
}

/// An example of a crate, which measures something.
fn example(package: &str, name: &str, args: &[&str]) -> Result<()> {
    let run = ["run", "--quiet", "--release", "-p", package, "--example", name, "--"];
    cargo(&[&run, args].concat())
}
