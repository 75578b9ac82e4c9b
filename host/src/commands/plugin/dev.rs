//! `mobula plugin dev`: builds and tests whenever a file of the plugin changes, until it is stopped.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::Context as _;
use notify::{EventKind, RecursiveMode, Watcher as _};

use super::build::{Built, build};
use super::project::Project;
use super::test;
use crate::output::Output;
use crate::plugins::Catalogue;

/// Editors write a file in several steps: what changes within this time is one change.
const SETTLED: Duration = Duration::from_millis(200);

/// Who wants to know of a new build that passed its fixtures: a running server, whose next runs use it.
pub(crate) trait Successor {
    /// Takes the component up.
    fn take_over(&mut self, built: &Built) -> anyhow::Result<()>;
}

/// Nobody runs the plugin: there is nothing to reload.
pub(crate) struct Nobody;

impl Successor for Nobody {
    fn take_over(&mut self, _built: &Built) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Watches until the process is stopped.
pub(crate) fn perform(
    dir: &Path,
    catalogue: &Catalogue,
    home: &Path,
    successor: &mut impl Successor,
    output: Output,
) -> anyhow::Result<()> {
    let project = Project::open(dir)?;
    let (sender, changes) = channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if let Ok(event) = event
            && !matches!(event.kind, EventKind::Access(_))
        {
            // The receiver is gone only when the command ends.
            let _ = sender.send(event.paths);
        }
    })
    .context("cannot watch files")?;
    let watched = project.folder.canonicalize().unwrap_or_else(|_| project.folder.clone());
    watcher
        .watch(&watched, RecursiveMode::Recursive)
        .with_context(|| format!("cannot watch {}", watched.display()))?;
    loop {
        if let Err(error) = turn(&project, catalogue, home, successor, output) {
            output.note(&format!("error: {error:#}"));
        }
        output.note(&format!("watching {} (Ctrl-C ends)", project.folder.display()));
        if !wait(&changes, &watched) {
            return Ok(());
        }
    }
}

/// One build with its fixtures.
fn turn(
    project: &Project,
    catalogue: &Catalogue,
    home: &Path,
    successor: &mut impl Successor,
    output: Output,
) -> anyhow::Result<()> {
    let built = build(project, false, catalogue, home, output)?;
    let verdicts = test::all(&project.folder, &built.plugin)?;
    test::report(&built.plugin, &verdicts, output)?;
    successor.take_over(&built)
}

/// Waits for a change of something that an author writes, and for it to be over. `false` when nobody can say
/// any more.
fn wait(changes: &Receiver<Vec<PathBuf>>, folder: &Path) -> bool {
    loop {
        let Ok(paths) = changes.recv() else { return false };
        if !paths.iter().any(|path| is_source(path, folder)) {
            continue;
        }
        while changes.recv_timeout(SETTLED).is_ok() {}
        return true;
    }
}

fn is_source(path: &Path, folder: &Path) -> bool {
    const MADE: [&str; 7] =
        ["target", "dist", "node_modules", ".venv", ".git", "__pycache__", "Cargo.lock"];
    let inner = path.strip_prefix(folder).unwrap_or(path);
    let mut parts = inner.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
    !parts.any(|part| MADE.contains(&part.as_str()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::is_source;

    #[test]
    fn what_a_build_writes_is_no_change() {
        let source = |path: &str| is_source(Path::new(path), Path::new("/p/target/x"));
        assert!(source("/p/target/x/src/lib.rs") && source("/p/target/x/fixtures/a/inputs.json"));
        assert!(!source("/p/target/x/target/release/x.wasm") && !source("/p/target/x/dist/x.wasm"));
    }
}
