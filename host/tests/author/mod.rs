//! A plugin author: writes a plugin into a folder of their own, and uses the program there.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(dead_code, reason = "each test file uses a part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::common::{Ended, Mobula};

/// What is kept from one run of the tests to the next: compiled SDKs, compiled components, and plugins of
/// languages whose builds take long.
fn shared(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// An author's desk.
pub(crate) struct Author {
    pub(crate) mobula: Mobula,
    pub(crate) folder: TempDir,
}

impl Author {
    pub(crate) fn new() -> Self {
        let mobula = Mobula::new();
        std::os::unix::fs::symlink(shared("plugin-cache"), mobula.home.path().join("cache"))
            .unwrap();
        Self { mobula, folder: tempfile::tempdir().unwrap() }
    }

    /// The program, started in a folder of the author's.
    pub(crate) fn command(&self, folder: &Path, args: &[&str]) -> Command {
        let mut command = self.mobula.command(args);
        command
            .current_dir(folder)
            .env("CARGO_TARGET_DIR", shared("plugin-target"))
            // The SDK needs nothing that building this repository did not bring.
            .env("CARGO_NET_OFFLINE", "true")
            .env("MOBULA_TOOLCHAINS", toolchains());
        command
    }

    pub(crate) fn run(&self, folder: &Path, args: &[&str]) -> Ended {
        Ended::from_output(&self.command(folder, args).output().unwrap())
    }

    /// A new plugin; its folder.
    pub(crate) fn begin(&self, name: &str, lang: &str, kind: &str) -> PathBuf {
        let args = ["plugin", "new", name, "--lang", lang, "--kind", kind, "--json"];
        self.run(self.folder.path(), &args).json();
        self.folder.path().join(name)
    }

    /// The same for languages whose builds take long: what an earlier run left as it was built is used again.
    pub(crate) fn begin_kept(&self, name: &str, lang: &str, kind: &str) -> PathBuf {
        let fresh = self.begin(name, lang, kind);
        let kept = shared("authors").join(name);
        if !same(&fresh, &kept) {
            let _ = fs::remove_dir_all(&kept);
            fs::rename(&fresh, &kept).or_else(|_| copy(&fresh, &kept)).unwrap();
        }
        kept
    }

    /// Runs a command with `--json`, which must succeed; its document.
    #[track_caller]
    pub(crate) fn document(&self, folder: &Path, args: &[&str]) -> Json {
        self.run(folder, &[args, &["--json"]].concat()).json()
    }
}

fn toolchains() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("toolchains")
}

/// Whether `cargo xtask plugins` could install what a language needs.
pub(crate) fn has_toolchain(lang: &str) -> bool {
    toolchains().join(lang).is_dir()
}

/// Whether everything in one folder is the same in the other, which may have more.
fn same(folder: &Path, other: &Path) -> bool {
    fs::read_dir(folder).unwrap().all(|entry| {
        let path = entry.unwrap().path();
        let there = other.join(path.file_name().unwrap());
        match path.is_dir() {
            true => same(&path, &there),
            false => fs::read(&path).ok() == fs::read(&there).ok(),
        }
    })
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let there = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &there)?,
            false => fs::copy(&path, &there).map(|_| ())?,
        }
    }
    Ok(())
}

/// Replaces text in a file, which must be there.
#[track_caller]
pub(crate) fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "`{from}` is not in {}", file.display());
    fs::write(file, text.replace(from, to)).unwrap();
}
