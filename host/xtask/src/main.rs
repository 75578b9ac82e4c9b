//! The project's own tool: one command for each chore of a contributor or a fresh machine.
//!
//! It starts other programs (cargo, rustup) and says what it runs; it holds no logic of the product.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// The target that plugins are built for.
const GUEST_TARGET: &str = "wasm32-wasip2";

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("setup") => setup(),
        Some("test") => test(),
        Some(other) => bail!("unknown command `{other}`: use setup or test"),
        None => bail!("usage: cargo xtask setup | test"),
    }
}

/// Installs what a fresh machine lacks. Toolchains are not installed by themselves everywhere
/// (`RUSTUP_AUTO_INSTALL=0`), so the guest target is asked for by name.
fn setup() -> Result<()> {
    run("rustup", &["target", "add", GUEST_TARGET])
}

fn test() -> Result<()> {
    setup()?;
    run("cargo", &["fmt", "--all", "--check"])?;
    run("cargo", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    run("cargo", &["test", "--workspace", "--no-fail-fast"])
}

fn run(program: &str, args: &[&str]) -> Result<()> {
    let line = format!("{program} {}", args.join(" "));
    let status = Command::new(program)
        .args(args)
        .status()
        .with_context(|| format!("cannot start `{line}`: is {program} installed?"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}
