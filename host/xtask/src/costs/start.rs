//! From the start of a program to the result of its first task: ours as a user starts it, with plugins
//! compiled before and not; Ray's with its import, its own start and its task.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use super::Effort;
use super::figure::{Aim, Figure, Found};
use super::place::Place;
use super::rounds::request;
use crate::run::say;

const PIPELINE: &str = "[pipeline]
name = \"nothing\"

[[stage]]
name = \"nothing\"
task = \"hostile/nothing\"
";
/// With what the program's line for a stage begins that is done.
const DONE: &str = "✓ nothing";

/// Fresh processes in turn. `failure` takes why Ray could not be run.
pub(super) fn measure(
    place: &Place,
    effort: Effort,
    failure: &mut Option<String>,
) -> Result<Vec<Figure>> {
    let pipeline = place.work.join("nothing.toml");
    fs::write(&pipeline, PIPELINE)?;
    let home = place.work.join("home");
    let (mut warm, mut cold, mut ray) = (Found::default(), Found::default(), Found::default());
    for _ in 0..effort.starts {
        if home.is_dir() {
            fs::remove_dir_all(&home)?;
        }
        cold.push(ours_ms(place, &home, &pipeline)?, 0.0);
        warm.push(ours_ms(place, &home, &pipeline)?, 0.0);
        if failure.is_some() {
            continue;
        }
        match ray_ms(place) {
            Ok(value) => ray.push(value, 0.0),
            Err(e) => {
                say(&format!("  Ray is left out: {e:#}"));
                *failure = Some(format!("{e:#}"));
            }
        }
    }
    let figure = |what: &str, name: &str, goal, ours| Figure {
        what: format!("start of the program to its first result, {what} (ms)"),
        name: name.to_owned(),
        aim: Aim::AtMost(goal),
        ours,
        ray: ray.clone(),
    };
    Ok(vec![
        figure("warm cache", "first_result_warm_ms", 60.0, warm),
        figure("cold", "first_result_cold_ms", 400.0, cold),
    ])
}

/// Milliseconds until the program says that its stage is done.
fn ours_ms(place: &Place, home: &Path, pipeline: &Path) -> Result<f64> {
    let mut command = Command::new(&place.mobula);
    command
        .arg("--home")
        .arg(home)
        .arg("run")
        .arg(pipeline)
        .arg("--plugin-dir")
        .arg(&place.plugins);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let begun = Instant::now();
    let mut process = command.spawn().context("cannot start mobula")?;
    let mut said = Vec::new();
    let mut found = None;
    for line in BufReader::new(process.stderr.take().context("no output of mobula")?).lines() {
        let line = line?;
        if line.starts_with(DONE) {
            found = found.or(Some(begun.elapsed().as_secs_f64() * 1e3));
        }
        said.push(line);
    }
    match (process.wait()?.success(), found) {
        (true, Some(found)) => Ok(found),
        _ => bail!("`{command:?}` did not run its task:\n{}", said.join("\n")),
    }
}

fn ray_ms(place: &Place) -> Result<f64> {
    Ok(place.ray()?.first(&request("tasks_per_s", 1))? * 1e3)
}
