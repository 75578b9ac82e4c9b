//! `cargo xtask test`: everything that must be true of a commit.

use std::path::Path;

use anyhow::{Result, bail};

use crate::plugins;
use crate::run::{cargo, setup};

pub(crate) fn test() -> Result<()> {
    setup()?;
    guard()?;
    cargo(&["fmt", "--all", "--check"])?;
    plugins::build()?;
    // One profile for everything: the sandbox's dependencies are built once.
    cargo(&["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    cargo(&["test", "--release", "--workspace", "--no-fail-fast"])
}

/// Our folders are named from the top of the repository.
pub(crate) fn guard() -> Result<()> {
    if !Path::new("host/pipelines/cifar10.toml").is_file() {
        bail!("run this in the top folder of the repository");
    }
    Ok(())
}
