//! A plugin's folder: its language, its sources, and where its component is.

use std::path::{Path, PathBuf};

use super::args::Language;
use crate::exit::{Ended, Exit};

/// Where components and their stamps go.
const DIST: &str = "dist";
/// Folders that hold nothing that an author wrote.
const NOT_SOURCES: [&str; 8] =
    ["target", "dist", "node_modules", ".venv", ".git", "__pycache__", "fixtures", ".mobula"];

/// A plugin's folder.
#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) folder: PathBuf,
    pub(crate) language: Language,
}

impl Project {
    /// Looks what a folder holds.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        let marks = [
            ("Cargo.toml", Language::Rust),
            ("plugin.py", Language::Python),
            ("plugin.js", Language::JavaScript),
        ];
        match marks.into_iter().find(|(file, _)| folder.join(file).is_file()) {
            Some((_, language)) => Ok(Self { folder: folder.to_owned(), language }),
            None => {
                let message = format!(
                    "{} is no plugin's folder: it has no Cargo.toml, plugin.py or plugin.js \
                     (`mobula plugin new NAME` makes one)",
                    folder.display()
                );
                Err(Ended::error(Exit::NotFound, message))
            }
        }
    }

    pub(crate) fn dist(&self) -> PathBuf {
        self.folder.join(DIST)
    }

    /// The component that was built last.
    pub(crate) fn component(&self) -> anyhow::Result<PathBuf> {
        let newest = std::fs::read_dir(self.dist()).ok().and_then(|entries| {
            let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
            let wasm = files.filter(|file| file.extension().is_some_and(|end| end == "wasm"));
            wasm.max_by_key(|file| file.metadata().and_then(|of| of.modified()).ok())
        });
        newest.ok_or_else(|| {
            let folder = self.folder.display();
            let message =
                format!("{folder} was not built yet: `mobula plugin build {folder}` does that");
            Ended::error(Exit::NotFound, message)
        })
    }

    /// Digest of everything that a build reads.
    pub(crate) fn digest(&self, toolchain: &str) -> String {
        let mut hasher = blake3::Hasher::new();
        super::sdk::digest(&mut hasher);
        hasher.update(toolchain.as_bytes());
        let mut files = Vec::new();
        sources(&self.folder, &mut files);
        files.sort();
        for file in files {
            let name = file.strip_prefix(&self.folder).unwrap_or(&file);
            let text = std::fs::read(&file).unwrap_or_default();
            hasher.update(name.to_string_lossy().as_bytes());
            hasher.update(&(text.len() as u64).to_le_bytes()).update(&text);
        }
        hasher.finalize().to_hex().to_string()
    }
}

/// Files that an author wrote, or that the SDK laid there.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        if path.is_dir() {
            if !NOT_SOURCES.iter().any(|not| Some(*not) == name.as_deref()) {
                sources(&path, found);
            }
        } else {
            found.push(path);
        }
    }
}

/// A component by its file, or the one that was built in a folder.
pub(crate) fn component(path: &Path) -> anyhow::Result<PathBuf> {
    if path.is_dir() { Project::open(path)?.component() } else { Ok(path.to_owned()) }
}
