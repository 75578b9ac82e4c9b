//! Starts programs, and finds the folders that they write to.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// The target that plugins are built for.
pub(crate) const GUEST_TARGET: &str = "wasm32-wasip2";

/// Installs what a fresh machine lacks. Toolchains are not installed by themselves everywhere
/// (`RUSTUP_AUTO_INSTALL=0`), so the guest target is asked for by name.
pub(crate) fn setup() -> Result<()> {
    run("rustup", &["target", "add", GUEST_TARGET])
}

pub(crate) fn cargo(args: &[&str]) -> Result<()> {
    run("cargo", args)
}

/// Runs a program to its end; fails as it fails.
pub(crate) fn run(program: &str, args: &[&str]) -> Result<()> {
    run_in(Path::new("."), program, args)
}

/// The same in another folder.
pub(crate) fn run_in(folder: &Path, program: &str, args: &[&str]) -> Result<()> {
    let line = format!("{program} {}", args.join(" "));
    say(&format!("+ {line}"));
    let status = Command::new(program)
        .args(args)
        .current_dir(folder)
        .status()
        .with_context(|| format!("cannot start `{line}`: is {program} installed?"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// Whether a program can be started.
pub(crate) fn found(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

/// Debian's packages, where this is Debian and we may; gives whether they are there now.
pub(crate) fn install(packages: &[&str]) -> bool {
    let args = [&["install", "-y", "--no-install-recommends"], packages].concat();
    let install = || run("apt-get", &args).is_ok();
    let user = Command::new("id").arg("-u").output();
    let root = user.is_ok_and(|user| user.stdout.trim_ascii() == b"0");
    found("apt-get") && root && (install() || (run("apt-get", &["update"]).is_ok() && install()))
}

/// Cargo's target folder.
pub(crate) fn target() -> Result<PathBuf> {
    let found = Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()
        .context("cannot start cargo")?;
    let document: serde_json::Value =
        serde_json::from_slice(&found.stdout).context("cargo metadata gave no JSON")?;
    let target = document["target_directory"].as_str().context("no target_directory in it")?;
    Ok(PathBuf::from(target))
}

/// A line for whoever watches.
pub(crate) fn say(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}
