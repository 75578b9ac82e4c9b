//! `cargo xtask bench trainer --peers`: our trainer beside Keras and PyTorch, in one run that
//! anyone can repeat.
//!
//! This file decides what is run and what comes of it; `child` and `side` talk to the processes,
//! `speed`, `agree` and `accuracy` compare them, `place` finds or makes what they need.

mod accuracy;
mod agree;
pub(crate) mod child;
mod data;
pub(crate) mod machine;
pub(crate) mod place;
mod side;
mod speed;
pub(crate) mod table;

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::run::say;
use place::Place;
use side::Side;
use speed::Effort;

/// What is compared, of the trainer's presets the default first.
const PRESETS: [&str; 3] = ["cifar10-664k", "plain-667k", "strided-593k"];
const BATCHES: [usize; 3] = [32, 64, 128];

const USAGE: &str = "usage: cargo xtask bench trainer --peers [--quick] [--curve] [--json FILE]";

/// What was asked for.
#[derive(Default)]
struct Options {
    /// One preset, one batch, few rounds: shows that everything works, not how fast it is.
    quick: bool,
    /// Also accuracy after ten epochs, over five seeds.
    curve: bool,
    /// Where the document goes; after the tables, if not given.
    json: Option<PathBuf>,
}

impl Options {
    fn parse(args: &[&str]) -> Result<Self> {
        let (mut options, mut args) = (Self::default(), args.iter());
        while let Some(arg) = args.next() {
            match *arg {
                "--peers" => {}
                "--quick" => options.quick = true,
                "--curve" => options.curve = true,
                "--json" => options.json = Some(args.next().context(USAGE)?.into()),
                _ => bail!("{USAGE}"),
            }
        }
        Ok(options)
    }
}

pub(crate) fn bench(args: &[&str]) -> Result<()> {
    let options = Options::parse(args)?;
    let place = Place::prepare()?;
    let cores = std::thread::available_parallelism()?.get();
    let presets = if options.quick { &PRESETS[..1] } else { &PRESETS[..] };
    let machine = machine::describe(cores);
    print(&format!("{}\n", machine::line(&machine)))?;
    if place.compiled_before {
        print(
            "torch.compile has code of an earlier run: its first step is sooner than a new one's\n",
        )?;
    }

    let agreements = agree::compare(&place, presets, cores)?;
    for agreement in &agreements {
        print(&agreement.table())?;
    }
    let accuracy = options.curve.then(|| accuracy::compare(&place, cores)).transpose()?;
    if let Some(accuracy) = &accuracy {
        print(&accuracy.table())?;
    }
    let (sides, cells) = speeds(&place, &options, presets, cores)?;
    let scaling = scaling(&place, &options, presets, cores)?;
    print(&speed::summary(&cells, &scaling))?;

    let document = json!({
        "$type": "bench.trainer.peers",
        "quick": options.quick,
        "machine": machine,
        "torch_compile_cache": if place.compiled_before { "warm" } else { "cold" },
        "sides": sides,
        "agreement": agreements.iter().map(agree::Agreement::document).collect::<Vec<_>>(),
        "accuracy": accuracy.map(|accuracy| accuracy.document()),
        "speed": cells.iter().map(speed::Outcome::document).collect::<Vec<_>>(),
        "scaling": scaling.iter().map(speed::Outcome::document).collect::<Vec<_>>(),
    });
    match &options.json {
        Some(path) => fs::write(path, format!("{document:#}\n"))
            .with_context(|| format!("cannot write {}", path.display()))?,
        None => print(&format!("{document:#}\n"))?,
    }
    let failures: Vec<_> = agreements.iter().flat_map(agree::Agreement::failures).collect();
    if !failures.is_empty() {
        bail!("the sides do not agree:\n{}", failures.join("\n"));
    }
    Ok(())
}

/// Every preset at every batch, all sides in turn; and what each side says of itself.
fn speeds(
    place: &Place,
    options: &Options,
    presets: &[&'static str],
    threads: usize,
) -> Result<(Value, Vec<speed::Outcome>)> {
    let mut outcomes = Vec::new();
    let batches = if options.quick { &[64][..] } else { &BATCHES[..] };
    for preset in presets {
        for batch in batches {
            let entries = Side::ALL.map(|side| (side, threads));
            say(&format!("{preset}, batch {batch}"));
            let outcome =
                speed::measure(place, preset, *batch, &entries, Effort::of(options.quick))?;
            print(&outcome.table())?;
            outcomes.push(outcome);
        }
    }
    let sides = outcomes.first().map(speed::Outcome::sides).unwrap_or_default();
    for side in &sides {
        print(&format!("{}: {}; {}\n", side[0], side[1], side[2]))?;
    }
    Ok((json!(sides), outcomes))
}

/// Ours alone with one thread and with all.
fn scaling(
    place: &Place,
    options: &Options,
    presets: &[&'static str],
    threads: usize,
) -> Result<Vec<speed::Outcome>> {
    if threads == 1 {
        return Ok(Vec::new());
    }
    let entries = Side::OURS.map(|side| [(side, 1), (side, threads)]).concat();
    let mut outcomes = Vec::new();
    for preset in presets {
        say(&format!("{preset}, batch 64, 1 and {threads} threads"));
        outcomes.push(speed::measure(place, preset, 64, &entries, Effort::of(options.quick))?);
    }
    Ok(outcomes)
}

fn print(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}
