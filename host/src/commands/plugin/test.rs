//! `mobula plugin test`: every fixture of a plugin in the sandbox, and what differs from what was expected.

use std::path::{Path, PathBuf};
use std::time::Instant;

use mobula_contract::{FailureKind, Level, Object};
use mobula_sandbox::Plugin;
use serde::Serialize;
use serde_json::json;

use super::args::TestArgs;
use super::compare::differences;
use super::fixture::{FILE, Fixture, Step};
use super::project::Project;
use super::values::{read_fields, write_fields};
use crate::exit::{Ended, Exit};
use crate::output::Output;
use crate::plugins::Catalogue;

/// Differences that are told of one fixture.
const PROBLEMS_MAX: usize = 10;

/// How one fixture ended.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    name: String,
    /// `passed`, `failed` or `blessed`.
    status: &'static str,
    problems: Vec<String>,
    /// What the plugin said: warnings always, the rest when it failed.
    lines: Vec<String>,
    seconds: f64,
    memory_peak_bytes: u64,
}

/// Runs all fixtures of a folder's component.
pub(crate) fn perform(
    args: &TestArgs,
    catalogue: &Catalogue,
    output: Output,
) -> anyhow::Result<()> {
    let file = match &args.plugin {
        Some(file) => file.clone(),
        None => Project::open(&args.dir)?.component()?,
    };
    let plugin = catalogue.load_file(&file)?;
    let mut verdicts = Vec::new();
    for folder in fixtures(&args.dir.join("fixtures"))? {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if args.only.as_ref().is_none_or(|only| name.contains(only)) {
            verdicts.push(judge(&folder, name, &plugin, args.bless));
        }
    }
    if verdicts.is_empty() {
        let only = args.only.as_ref().map_or(String::new(), |only| format!(" named like `{only}`"));
        let message = format!("no fixture{only} in {}", args.dir.join("fixtures").display());
        return Err(Ended::error(Exit::NotFound, message));
    }
    report(&plugin, &verdicts, output)
}

/// The verdicts as a document and as prose; an error when one failed.
pub(crate) fn report(plugin: &Plugin, verdicts: &[Verdict], output: Output) -> anyhow::Result<()> {
    let failed = verdicts.iter().filter(|verdict| verdict.status == "failed").count();
    let passed = verdicts.len() - failed;
    let document = json!({
        "$type": "plugin.tested", "plugin": plugin.manifest().name, "version": plugin.manifest().version,
        "digest": plugin.digest(), "passed": passed, "failed": failed, "fixtures": verdicts,
    });
    output.result(&document, || prose(verdicts, passed, failed))?;
    match failed {
        0 => Ok(()),
        _ => Err(Ended::error(
            Exit::Failed,
            format!("{failed} of {} fixtures failed", verdicts.len()),
        )),
    }
}

fn prose(verdicts: &[Verdict], passed: usize, failed: usize) -> String {
    let mut text = String::new();
    for verdict in verdicts {
        text += &format!("{:<8} {} ({:.2} s)\n", verdict.status, verdict.name, verdict.seconds);
        text.extend(verdict.problems.iter().map(|problem| format!("         {problem}\n")));
        text.extend(verdict.lines.iter().map(|line| format!("         | {line}\n")));
    }
    text + &format!("{passed} passed, {failed} failed")
}

/// Runs all fixtures of a folder, for whoever watches it.
pub(crate) fn all(folder: &Path, plugin: &Plugin) -> anyhow::Result<Vec<Verdict>> {
    let folders = fixtures(&folder.join("fixtures"))?.into_iter();
    Ok(folders
        .map(|folder| {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            judge(&folder, name, plugin, false)
        })
        .collect())
}

/// Folders with a `fixture.toml`, by name.
fn fixtures(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|e| {
        let message = format!(
            "cannot read {}: {e}; a fixture is a folder in it, with a {FILE}",
            folder.display()
        );
        Ended::error(Exit::NotFound, message)
    })?;
    let mut folders: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join(FILE).is_file())
        .collect();
    folders.sort();
    Ok(folders)
}

fn judge(folder: &Path, name: String, plugin: &Plugin, bless: bool) -> Verdict {
    let begun = Instant::now();
    let mut verdict = Verdict {
        name,
        status: "failed",
        problems: Vec::new(),
        lines: Vec::new(),
        seconds: 0.0,
        memory_peak_bytes: 0,
    };
    if let Err(error) = weigh(folder, plugin, bless, &mut verdict) {
        verdict.problems.push(format!("{error:#}"));
    }
    let more = verdict.problems.len().saturating_sub(PROBLEMS_MAX);
    if more > 0 {
        verdict.problems.truncate(PROBLEMS_MAX);
        verdict.problems.push(format!("and {more} more"));
    }
    if verdict.problems.is_empty() {
        verdict.status = if bless { "blessed" } else { "passed" };
    }
    verdict.seconds = begun.elapsed().as_secs_f64();
    verdict
}

fn weigh(folder: &Path, plugin: &Plugin, bless: bool, verdict: &mut Verdict) -> anyhow::Result<()> {
    let fixture = Fixture::read(folder)?;
    let steps = fixture.play(plugin, false)?;
    for step in &steps {
        let problems = judge_step(&fixture, step, bless)?;
        let loud = |level: Level| !problems.is_empty() || level >= Level::Warn;
        let lines = step.heard.lines.iter().filter(|(level, _)| loud(*level));
        verdict.lines.extend(lines.map(|(_, line)| line.clone()));
        verdict.problems.extend(problems);
        verdict.memory_peak_bytes =
            verdict.memory_peak_bytes.max(step.heard.used.memory_peak_bytes);
    }
    let calls = fixture.spec.calls.len();
    if steps.len() < calls && verdict.problems.is_empty() {
        verdict.problems.push(format!("the actor is gone after {} of {calls} calls", steps.len()));
    }
    if let Some(restored) = fixture.play_restored(plugin)? {
        verdict.problems.extend(forgotten(&steps, &restored));
    }
    Ok(())
}

fn judge_step(fixture: &Fixture, step: &Step, bless: bool) -> anyhow::Result<Vec<String>> {
    let Step { stem, what, fails, result, heard } = step;
    let tolerance = fixture.spec.tolerance.unwrap_or(0.0);
    let object = match (result, fails) {
        (Ok(_), Some(fails)) => {
            return Ok(vec![format!("{what} succeeded; it should fail: {:?}", fails.kind)]);
        }
        (Err(failure), Some(fails)) => {
            let same = failure.kind == fails.kind && failure.message.contains(&fails.words);
            let (kind, message) = (kind(failure.kind), &failure.message);
            let wanted = format!("{}: …{}…", self::kind(fails.kind), fails.words);
            return Ok(match same {
                true => Vec::new(),
                false => vec![format!("{what} failed with {kind}: {message}; expected {wanted}")],
            });
        }
        (Err(failure), None) => {
            return Ok(vec![format!(
                "{what} failed with {}: {}",
                kind(failure.kind),
                failure.message
            )]);
        }
        (Ok(object), None) => object,
    };
    let mut problems = hold(fixture, &format!("{stem}expected"), object, tolerance, bless)?;
    for (i, emitted) in heard.emitted.iter().enumerate() {
        let stem = format!("{stem}stream{i}.expected");
        problems.extend(
            hold(fixture, &stem, emitted, tolerance, bless)?
                .into_iter()
                .map(|why| format!("object {i} of the stream: {why}")),
        );
    }
    let next = format!("{stem}stream{}.expected", heard.emitted.len());
    if !bless && read_fields(&fixture.folder, &next)?.is_some() {
        problems.push(format!("the stream ended after {} objects", heard.emitted.len()));
    }
    Ok(problems.into_iter().map(|why| format!("{what}: {why}")).collect())
}

fn hold(
    fixture: &Fixture,
    stem: &str,
    object: &Object,
    tolerance: f64,
    bless: bool,
) -> anyhow::Result<Vec<String>> {
    if bless {
        write_fields(&fixture.folder, stem, object)?;
        return Ok(Vec::new());
    }
    Ok(match read_fields(&fixture.folder, stem)? {
        Some(expected) => differences(object, &expected, tolerance),
        None => vec![format!(
            "nothing is expected yet: `mobula plugin test --bless` writes what comes out to {stem}.json"
        )],
    })
}

/// Calls that gave something else after the actor had been saved and restored.
fn forgotten(steps: &[Step], restored: &[Step]) -> Vec<String> {
    let mut found = Vec::new();
    for (step, again) in steps.iter().zip(restored) {
        let what = &again.what;
        match (&step.result, &again.result) {
            (Ok(first), Ok(again)) => {
                let different = differences(again, first, 0.0);
                found.extend(different.into_iter().map(|why| {
                    format!("{what}, after the actor was saved and restored: {why} (is it in the state?)")
                }));
            }
            (Ok(_), Err(failure)) => {
                let message = &failure.message;
                found.push(format!("{what}, after the actor was saved and restored: {message}"));
            }
            (Err(_), _) => {}
        }
    }
    found
}

/// The kind's name as pipelines write it.
pub(crate) fn kind(kind: FailureKind) -> String {
    let name = serde_json::to_value(kind).ok();
    name.and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}
