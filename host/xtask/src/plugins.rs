//! Builds our plugins and puts them where the program looks: in `plugins/` beside it.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::run::{GUEST_TARGET, cargo, target};

const PLUGINS: [&str; 5] = ["augment", "batches", "cifar10-load", "running-stats", "subset"];
/// Plugins that only tests and benches use.
const TEST_PLUGINS: [&str; 1] = ["hostile"];

pub(crate) fn build() -> Result<()> {
    let mut args = vec!["build", "--profile", "plugin", "--target", GUEST_TARGET];
    for name in PLUGINS.iter().chain(&TEST_PLUGINS) {
        args.extend(["-p", name]);
    }
    cargo(&args)?;
    let target = target()?;
    let built = target.join(GUEST_TARGET).join("plugin");
    copy(&built, &PLUGINS, &target.join("release/plugins"))?;
    copy(&built, &TEST_PLUGINS, &target.join("release/test-plugins"))
}

fn copy(built: &Path, names: &[&str], folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for name in names {
        // Cargo writes underscores.
        let from = built.join(format!("{}.wasm", name.replace('-', "_")));
        let to = folder.join(format!("{name}.wasm"));
        fs::copy(&from, &to).with_context(|| format!("{} → {}", from.display(), to.display()))?;
    }
    Ok(())
}
