//! Plugins in other languages than Rust: builds them with the program's own `plugin build`, which installs a
//! toolchain into cargo's target folder where the registries have it, and builds again only what changed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use crate::run::{say, target};

/// Folders of `plugins/`.
const PLUGINS: [&str; 2] = ["subset-js", "subset-python"];

/// Builds them beside the others, with the program that was built last. One whose
/// toolchain cannot be installed is skipped, and said so.
pub(crate) fn build() -> Result<()> {
    let target = target()?;
    for name in PLUGINS {
        let folder = Path::new("plugins").join(name);
        // The SDK is the program's: what an earlier one laid there is old.
        let _ = fs::remove_dir_all(folder.join("sdk"));
        let program = target.join("release/mobula");
        let built = Command::new(&program)
            .args(["plugin", "build", "--install"])
            .arg(&folder)
            .env("MOBULA_HOME", target.join("tmp/author-home"))
            .env("MOBULA_TOOLCHAINS", target.join("toolchains"))
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let to = target.join(format!("release/plugins/{name}.wasm"));
        if !built.status.success() {
            let words = String::from_utf8_lossy(&built.stderr);
            say(&format!("skipped: plugin {name} could not be built here: {}", words.trim()));
            let _ = fs::remove_file(&to);
            continue;
        }
        let from = folder.join("dist").join(format!("{name}.wasm"));
        if fs::read(&from).ok() != fs::read(&to).ok() {
            fs::copy(&from, &to)
                .with_context(|| format!("{} → {}", from.display(), to.display()))?;
        }
    }
    Ok(())
}
