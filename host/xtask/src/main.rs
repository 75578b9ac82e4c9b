//! The project's own tool: one command for each chore of a contributor or a fresh machine.
//!
//! It starts other programs (cargo, rustup, our own) and says what it runs; it holds no logic of the product.

mod arm;
mod costs;
mod crash;
mod demo;
mod peers;
mod plugins;
mod run;
mod test;

use anyhow::{Result, bail};

use crate::run::cargo;

const USAGE: &str = "usage: cargo xtask setup | plugins | demo | test | crash-test [--release-figures] \
    | bench core [--peers [--quick] [--json FILE]] \
    | bench checkpoint [--quick] [--live [--runs N]] [--json FILE] [--dir DIR] \
    | bench kernels | bench recipe [MODEL] [EPOCHS] \
    | bench trainer [--peers [--quick] [--curve] [--json FILE]]";

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["setup"] => run::setup(),
        ["plugins"] => {
            run::setup()?;
            plugins::build()
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
        ["bench", "checkpoint", ref rest @ ..] => example("mobula-store", "bench", rest),
        ["bench", "kernels"] => example("mobula-kernels", "layers", &[]),
        ["bench", "recipe", ref rest @ ..] => example("mobula-trainer", "recipe", rest),
        ["bench", "trainer"] => example("mobula-trainer", "bench", &[]),
        ["bench", "trainer", ref options @ ..] if options.contains(&"--peers") => {
            peers::bench(options)
        }
        _ => bail!("{USAGE}"),
    }
}

/// An example of a crate, which measures something.
fn example(package: &str, name: &str, args: &[&str]) -> Result<()> {
    let run = ["run", "--quiet", "--release", "-p", package, "--example", name, "--"];
    cargo(&[&run, args].concat())
}
