//! Where things are: Ray's Python, our programs, and a folder for what comes up; and how sides are started.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::peers::child::Child;
use crate::peers::place::{SCRIPTS, python};
use crate::plugins;
use crate::run::{cargo, say, target};
use crate::test::guard;

/// Processors of each side: `host/benches/core.rs` and `ray_side.py` say the same.
pub(super) const CPUS: usize = 2;

pub(super) struct Place {
    python: PathBuf,
    /// The benchmark `core`.
    bench: PathBuf,
    /// The program itself.
    pub(super) mobula: PathBuf,
    /// Where the plugin is whose task does nothing.
    pub(super) plugins: PathBuf,
    /// For home folders and logs; in cargo's target folder.
    pub(super) work: PathBuf,
}

impl Place {
    /// Makes what is missing.
    pub(super) fn prepare() -> Result<Self> {
        guard()?;
        let target = target()?;
        let work = target.join("peers/core");
        fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
        let what = "Ray from PyPI (a few hundred MB, once)";
        let python = python(&target.join("peers/ray"), "requirements-ray.txt", what)?;
        plugins::build()?;
        cargo(&["build", "--release", "-p", "mobula"])?;
        let release = target.join("release");
        let (mobula, plugins) = (release.join("mobula"), release.join("test-plugins"));
        Ok(Self { python, bench: build_bench()?, mobula, plugins, work })
    }

    /// Our engine; it keeps compiled plugins in the folder `cache`.
    pub(super) fn ours(&self) -> Result<Child> {
        let mut command = Command::new(&self.bench);
        command.arg("--serve").arg(self.work.join("cache"));
        Child::start("Mobula", command, &self.work.join("mobula.log"))
    }

    pub(super) fn ray(&self) -> Result<Child> {
        let mut command = Command::new(&self.python);
        command.arg(format!("{SCRIPTS}/ray_side.py")).env("PYTHONDONTWRITEBYTECODE", "1");
        Child::start("Ray", command, &self.work.join("ray.log"))
    }
}

/// Builds the benchmark; cargo says where it is.
fn build_bench() -> Result<PathBuf> {
    let args = ["bench", "-p", "mobula", "--bench", "core", "--no-run"];
    say(&format!("+ cargo {}", args.join(" ")));
    let built = Command::new("cargo")
        .args(args)
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    if !built.status.success() {
        bail!("the benchmark cannot be built");
    }
    let text = String::from_utf8_lossy(&built.stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut benches = messages.filter(|message| message["target"]["kind"][0] == "bench");
    let executable = benches.find_map(|bench| Some(bench["executable"].as_str()?.into()));
    executable.context("cargo does not say where the benchmark is")
}

/// Our version, with the commit if there is a repository.
pub(super) fn version() -> String {
    let commit = Command::new("git").args(["describe", "--always", "--dirty"]).output();
    let commit = commit.ok().filter(|found| found.status.success());
    let commit = commit.map(|found| String::from_utf8_lossy(&found.stdout).trim().to_owned());
    let commit = commit.map_or(String::new(), |commit| format!(" ({commit})"));
    format!("Mobula {}{commit}", env!("CARGO_PKG_VERSION"))
}
