//! The Python package: built as a wheel, installed into an environment below cargo's target folder, and
//! tested there. Its tests on Ray run where Ray can be installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::run::{found, run, say, target};

const FOLDER: &str = "host/python";
/// What building and testing takes.
const TOOLS: [&str; 4] = ["maturin>=1.9,<2", "numpy>=1.26", "pytest>=8", "pip"];
/// What runs pipelines on a cluster.
const RAY: &str = "ray>=2.52";
/// What the plain program of the bench takes.
const KERAS: [&str; 2] = ["keras>=3", "tensorflow-cpu"];
/// What of the interpreter must be true.
const NEW_ENOUGH: &str = "import sys, venv; sys.exit(sys.version_info < (3, 10))";

/// An environment with the package of this commit.
pub(crate) struct Environment {
    folder: PathBuf,
    /// Whether Ray is there.
    pub(crate) ray: bool,
}

impl Environment {
    /// A program of the environment.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }
}

/// Makes the environment, builds the wheel and installs it. `None` where Python or its packages cannot be
/// had, which is said.
pub(crate) fn install() -> Result<Option<Environment>> {
    let python = Command::new("python3").args(["-c", NEW_ENOUGH]).output();
    if !python.is_ok_and(|ended| ended.status.success()) {
        say(
            "the Python package is not tested: python3 3.10 or newer with `venv` does it (Debian: python3-venv)",
        );
        return Ok(None);
    }
    let folder = target()?.join("python");
    let environment = Environment { ray: false, folder };
    let own = environment.program("python");
    if !own.is_file() {
        run("python3", &["-m", "venv", &text(&environment.folder)])?;
    }
    if !pip(&own, &TOOLS) {
        say(
            "the Python package is not tested: its tools (maturin, numpy, pytest) could not be installed",
        );
        return Ok(None);
    }
    let wheels = environment.folder.join("wheels");
    let _ = fs::remove_dir_all(&wheels);
    let manifest = format!("{FOLDER}/Cargo.toml");
    let build = ["build", "--release", "--manifest-path", &manifest, "--out", &text(&wheels)];
    run(&text(&environment.program("maturin")), &build)?;
    let wheel = fs::read_dir(&wheels)?.next().context("maturin built no wheel")??.path();
    let install =
        ["-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps", &text(&wheel)];
    run(&text(&own), &install)?;
    let ray = pip(&own, &[RAY]);
    if !ray {
        say(
            "nothing is tested on Ray, which could not be installed: `pip install ray` would do it",
        );
    }
    Ok(Some(Environment { ray, ..environment }))
}

fn pip(python: &Path, packages: &[&str]) -> bool {
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    say(&format!("+ pip install {}", packages.join(" ")));
    Command::new(python).args(install).args(packages).status().is_ok_and(|ended| ended.success())
}

/// The command of the package's tests, if they can run here.
pub(crate) fn tests() -> Result<Option<Command>> {
    if !found("python3") {
        say("the Python package is not tested: python3 3.10 or newer does it");
        return Ok(None);
    }
    let Some(environment) = install()? else { return Ok(None) };
    let mut tests = Command::new(environment.program("python"));
    tests.args(["-m", "pytest", "--color=no", FOLDER]).env("CARGO_TARGET_DIR", target()?);
    Ok(Some(tests))
}

/// Pipelines and tasks on the embedded engine, on Ray through us, and in plain Ray and Keras.
pub(crate) fn bench(options: &[&str]) -> Result<()> {
    let environment = install()?.filter(|environment| environment.ray);
    let environment = environment.context("the bench needs Python with Ray")?;
    if !pip(&environment.program("python"), &KERAS) {
        say("the plain Ray + Keras program is not measured: Keras could not be installed");
    }
    let built = target()?.join("release");
    let place = |part: &str| text(&built.join(part));
    let (program, plugins) = (place("mobula"), place("plugins"));
    let nothing = place("test-plugins/hostile.wasm");
    let script = format!("{FOLDER}/bench/ray_bench.py");
    let args = [&[script.as_str(), &program, &plugins, &nothing], options].concat();
    run(&text(&environment.program("python")), &args)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// How many tests passed and failed, from the last line of pytest.
pub(crate) fn counted(line: &str) -> Option<(u32, u32)> {
    let (counts, took) = line.trim_matches(['=', ' ']).rsplit_once(" in ")?;
    if took.split(' ').next()?.trim_end_matches('s').parse::<f64>().is_err() {
        return None;
    }
    let (mut passed, mut failed) = (0, 0);
    for part in counts.split(", ") {
        let (number, what) = part.split_once(' ')?;
        let number: u32 = number.parse().ok()?;
        match what {
            "passed" | "xfailed" => passed += number,
            "failed" | "error" | "errors" => failed += number,
            "skipped" | "deselected" | "warning" | "warnings" => {}
            _ => return None,
        }
    }
    Some((passed, failed))
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn counts_are_read_from_the_last_line_of_pytest() {
        assert_eq!(counted("12 passed in 3.21s"), Some((12, 0)));
        assert_eq!(counted("2 failed, 10 passed, 1 skipped in 65.00s (0:01:05)"), Some((10, 2)));
        assert_eq!(counted("=== 1 failed, 3 passed, 1 error in 0.12s ==="), Some((3, 2)));
        assert_eq!(counted("  25 passed (31.2s)"), None);
        assert_eq!(counted("test in_time ... ok in 3s"), None);
    }
}
