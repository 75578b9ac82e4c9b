//! `cargo xtask bench core --peers`: what our tasks, actors, objects and start cost, beside Ray's, in one
//! run that anyone can repeat.
//!
//! This file decides what is run and what comes of it; `place` finds or makes what that needs, `rounds`
//! asks both sides in turn, `start` starts programs, `figure` keeps what was found.

mod figure;
mod place;
mod rounds;
mod start;

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::peers::{machine, table};
use crate::run::say;
use figure::Figure;
use place::Place;
use rounds::Sides;

const USAGE: &str = "usage: cargo xtask bench core [--peers [--quick] [--json FILE]]";

/// What was asked for.
#[derive(Default)]
struct Options {
    /// Few rounds and short queues: shows that everything works, not how fast it is.
    quick: bool,
    /// Where the document goes; after the table, if not given.
    json: Option<PathBuf>,
}

impl Options {
    fn parse(args: &[&str]) -> Result<Self> {
        let (mut options, mut args) = (Self::default(), args.iter());
        while let Some(arg) = args.next() {
            match *arg {
                "--peers" => {}
                "--quick" => options.quick = true,
                "--json" => options.json = Some(args.next().context(USAGE)?.into()),
                _ => bail!("{USAGE}"),
            }
        }
        Ok(options)
    }
}

/// How much is measured.
#[derive(Clone, Copy)]
struct Effort {
    /// Rounds of what is short; odd, so that a median is one of them.
    rounds: usize,
    /// Fresh processes of each kind.
    starts: usize,
    /// Tasks that wait at one time, in rising order.
    queues: &'static [usize],
}

impl Effort {
    fn of(quick: bool) -> Self {
        if quick {
            Self { rounds: 1, starts: 1, queues: &[1_000, 10_000] }
        } else {
            Self { rounds: 7, starts: 7, queues: &[1_000, 10_000, 100_000] }
        }
    }
}

/// Measures both. Whatever the figures are, only what could not be run is a failure; ours has to.
pub(crate) fn bench(args: &[&str]) -> Result<()> {
    let options = Options::parse(args)?;
    let place = Place::prepare()?;
    let effort = Effort::of(options.quick);
    let before = machine::describe(std::thread::available_parallelism()?.get());
    print(&format!("{}\n", machine::line(&before)))?;

    let mut figures = Vec::new();
    let mut failure = None;
    say("starts of the programs");
    figures.extend(start::measure(&place, effort, &mut failure)?);
    say("idle memory");
    let mut sides = Sides::start(&place, failure)?;
    let versions = sides.versions.clone();
    figures.push(sides.memory()?);
    figures.extend(sides.calls(effort)?);
    figures.extend(sides.queues(effort)?);
    say("interruption");
    let failure = sides.end_ray();
    figures.extend(sides.interruption(effort)?);
    drop(sides);

    print(&table(&figures))?;
    print(&format!("{versions}; each on {} processors\n", place::CPUS))?;
    let document = json!({
        "$type": "bench.core.peers",
        "quick": options.quick,
        "machine": before,
        "versions": versions,
        "processors": place::CPUS,
        "rows": figures.iter().map(Figure::document).collect::<Vec<Value>>(),
    });
    match &options.json {
        Some(path) => fs::write(path, format!("{document:#}\n"))
            .with_context(|| format!("cannot write {}", path.display()))?,
        None => print(&format!("{document:#}\n"))?,
    }
    failure.map_or(Ok(()), |failure| bail!("Ray could not be run: {failure}"))
}

fn table(figures: &[Figure]) -> String {
    let mut rows =
        vec![table::row(["median of rounds", "Mobula", "Ray", "ratio", "goal", "reached"])];
    rows.extend(figures.iter().map(Figure::cells));
    let mut text = table::table(&rows);
    text.push_str("ratio: how many times better we are\n");
    let foreign = figures.iter().map(Figure::foreign).fold(0.0, f64::max);
    text.push_str(&format!("other programs used up to {foreign:.1} cores meanwhile\n"));
    text
}

fn print(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}
