//! `cargo xtask test`: everything that must be true of a commit.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::run::{cargo, say, setup};
use crate::{arm, languages, plugins, python, web};

pub(crate) fn test() -> Result<()> {
    setup()?;
    guard()?;
    cargo(&["fmt", "--all", "--check"])?;
    plugins::build()?;
    let in_browser = web::tests()?;
    // One profile for everything: the sandbox's dependencies are built once.
    cargo(&["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    let tests = ["test", "--release", "--workspace"];
    cargo(&[&tests[..], &["--no-run"]].concat())?;
    languages::build()?;
    let mut here = Command::new("cargo");
    here.args(tests).arg("--no-fail-fast");
    let suites = [Some(here), arm::tests()?, python::tests()?];
    count(suites.into_iter().flatten().chain(in_browser))
}

/// Runs the suites, shows what they print, and ends with how many tests there were of all together.
fn count(suites: impl IntoIterator<Item = Command>) -> Result<()> {
    let (mut passed, mut failed, mut whole) = (0, 0, true);
    for mut suite in suites {
        say(&format!("+ {suite:?}"));
        let mut tests = suite.stdout(Stdio::piped()).spawn()?;
        for line in BufReader::new(tests.stdout.take().context("no output of cargo")?).lines() {
            let line = line?;
            if let Some(result) = line.strip_prefix("test result: ") {
                passed += number_before(result, " passed");
                failed += number_before(result, " failed");
            } else if let Some((good, bad)) = python::counted(&line).or_else(|| web::counted(&line))
            {
                passed += good;
                failed += bad;
            }
            writeln!(std::io::stdout(), "{line}")?;
        }
        whole &= tests.wait()?.success();
    }
    writeln!(std::io::stdout(), "{passed} passed, {failed} failed")?;
    if !whole {
        bail!("some tests failed, or could not be built");
    }
    Ok(())
}

/// The number that stands before a word; 0 without one.
fn number_before(text: &str, word: &str) -> u32 {
    let before = text.split(word).next().unwrap_or_default();
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Our folders are named from the top of the repository.
pub(crate) fn guard() -> Result<()> {
    if !Path::new("host/pipelines/cifar10.toml").is_file() {
        bail!("run this in the top folder of the repository");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::number_before;

    #[test]
    fn counts_are_read_from_a_result_line() {
        let line = "FAILED. 12 passed; 3 failed; 0 ignored";
        assert_eq!((number_before(line, " passed"), number_before(line, " failed")), (12, 3));
        assert_eq!(number_before("nothing", " passed"), 0);
    }
}
