//! `cargo xtask crash-test`: the store against power failures, failing calls, rotten bytes, kill -9 and
//! crowds, with the figures of every commit or of a release. `host/RELIABILITY.md` says what each is.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};

use crate::plugins;
use crate::run::{say, setup};

const USAGE: &str = "usage: cargo xtask crash-test [--release-figures]";

/// What the tests read, and how much of it a release takes.
const RELEASE: [(&str, &str); 5] = [
    ("MOBULA_CRASH_IMAGES", "100000"),
    ("MOBULA_CRASH_ROT", "100000"),
    ("MOBULA_CRASH_KILLS", "10000"),
    ("MOBULA_CRASH_RUNS", "500"),
    ("MOBULA_CRASH_CROWD_S", "3600"),
];
/// What repeats a run. In `cargo xtask test` it is always the same.
const SEED: &str = "MOBULA_CRASH_SEED";
/// The start of a line that the tests print for the table.
const MARK: &str = "crash-test | ";

pub(crate) fn test(args: &[&str]) -> Result<()> {
    let release = match args {
        [] => false,
        ["--release-figures"] => true,
        _ => bail!("{USAGE}"),
    };
    setup()?;
    crate::test::guard()?;
    plugins::build()?;
    let (mut rows, mut whole) = (Vec::new(), true);
    for package in ["mobula-store", "mobula"] {
        whole &= suite(package, release, &mut rows)?;
    }
    print(&rows)?;
    if !whole {
        bail!("something was lost, or could not be tested: the seed above repeats it");
    }
    Ok(())
}

/// Runs the crash tests of a package, one after the other, shows what they say, and keeps their rows.
fn suite(package: &str, release: bool, rows: &mut Vec<[String; 3]>) -> Result<bool> {
    let mut tests = Command::new("cargo");
    tests.args(["test", "--release", "-p", package, "--test", "crash", "--no-fail-fast"]);
    tests.args(["--", "--nocapture", "--test-threads=1"]);
    if release {
        tests.envs(RELEASE);
    }
    if std::env::var_os(SEED).is_none() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        tests.env(SEED, (now.as_nanos() % 1_000_000).to_string());
    }
    say(&format!("+ {tests:?}"));
    let mut child = tests.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    for line in BufReader::new(child.stderr.take().context("no output of cargo")?).lines() {
        let line = line?;
        say(&line);
        rows.extend(row(&line));
    }
    Ok(child.wait()?.success())
}

/// Suite, what came of it, and what repeats it.
fn row(line: &str) -> Option<[String; 3]> {
    let (_, rest) = line.split_once(MARK)?;
    let mut cells = rest.splitn(3, " | ").map(str::to_owned);
    Some([cells.next()?, cells.next()?, cells.next()?])
}

fn print(rows: &[[String; 3]]) -> Result<()> {
    let mut out = std::io::stdout();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let [first, second] = [0, 1].map(|column| width(column).unwrap_or(0));
    for [suite, what, seed] in rows {
        writeln!(out, "{suite:first$}  {what:second$}  {seed}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::row;

    #[test]
    fn rows_are_found_in_what_tests_say() {
        let line = "test a ... crash-test | images | 2,000 images, 0 lost | MOBULA_CRASH_SEED=7";
        let cells = ["images", "2,000 images, 0 lost", "MOBULA_CRASH_SEED=7"];
        assert_eq!(row(line), Some(cells.map(str::to_owned)));
        assert_eq!(row("test a ... ok"), None);
    }
}
