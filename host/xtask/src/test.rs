//! `cargo xtask test`: everything that must be true of a commit.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::plugins;
use crate::run::{cargo, say, setup};

pub(crate) fn test() -> Result<()> {
    setup()?;
    guard()?;
    cargo(&["fmt", "--all", "--check"])?;
    plugins::build()?;
    // One profile for everything: the sandbox's dependencies are built once.
    cargo(&["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    count(&["test", "--release", "--workspace", "--no-fail-fast"])
}

/// Runs the tests, shows what they print, and ends with how many there were of all programs together.
fn count(args: &[&str]) -> Result<()> {
    say(&format!("+ cargo {}", args.join(" ")));
    let mut tests = Command::new("cargo").args(args).stdout(Stdio::piped()).spawn()?;
    let (mut passed, mut failed) = (0, 0);
    for line in BufReader::new(tests.stdout.take().context("no output of cargo")?).lines() {
        let line = line?;
        if let Some(result) = line.strip_prefix("test result: ") {
            passed += number_before(result, " passed");
            failed += number_before(result, " failed");
        }
        writeln!(std::io::stdout(), "{line}")?;
    }
    let status = tests.wait()?;
    writeln!(std::io::stdout(), "{passed} passed, {failed} failed")?;
    if !status.success() {
        bail!("some tests failed, or could not be built ({status})");
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
