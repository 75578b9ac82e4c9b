//! The SDKs as this program carries them, and how they are laid into a plugin's folder: a plugin needs
//! nothing of this repository.

use std::path::Path;

use anyhow::Context as _;

use super::args::Language;

/// Version that the carried packages have.
const VERSION: &str = env!("CARGO_PKG_VERSION");

macro_rules! carried {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../../../guest-sdk/", $path)))),*]
    };
}

const WIT: &[(&str, &str)] = carried!["wit/plugin.wit"];
const RUST: &[(&str, &str)] = carried![
    "Cargo.toml",
    "macros/Cargo.toml",
    "macros/src/actor.rs",
    "macros/src/args.rs",
    "macros/src/lib.rs",
    "macros/src/outputs.rs",
    "macros/src/plugin.rs",
    "macros/src/signature.rs",
    "macros/src/task.rs",
    "src/bindings.rs",
    "src/context.rs",
    "src/error.rs",
    "src/export.rs",
    "src/lib.rs",
    "src/ports.rs",
    "src/random.rs",
    "src/shape.rs",
    "src/stream.rs",
    "src/tensor.rs",
    "src/tensor/array.rs",
    "src/tensor/builder.rs",
    "src/tensor/element.rs",
    "src/tensor/memory.rs",
    "src/tensor/parts.rs",
    "src/tensor/wasm.rs",
    "src/wasm.rs",
];
const PYTHON: &[(&str, &str)] =
    carried!["python/actor.py", "python/app.py", "python/mobula/__init__.py"];
const JAVASCRIPT: &[(&str, &str)] = carried!["js/mobula.js"];
/// The versions that the Rust SDK is tested with; cargo takes what a plugin needs of them.
const LOCK: &str = include_str!("../../../../Cargo.lock");

/// Writes the SDK of a language into `sdk`, below a plugin's folder.
pub(crate) fn write(language: Language, folder: &Path) -> anyhow::Result<()> {
    let (files, prefix) = match language {
        Language::Rust => (RUST, ""),
        Language::Python => (PYTHON, "python/"),
        Language::JavaScript => (JAVASCRIPT, "js/"),
    };
    for (path, text) in files.iter().chain(WIT) {
        let file = folder.join(path.strip_prefix(prefix).unwrap_or(path));
        let text = if path.ends_with("Cargo.toml") { alone(text) } else { (*text).to_owned() };
        write_text(&file, &text)?;
    }
    Ok(())
}

/// The lock file that a new Rust plugin begins with.
pub(crate) fn lock() -> &'static str {
    LOCK
}

/// Changes when the carried SDKs do.
pub(crate) fn digest(hasher: &mut blake3::Hasher) {
    for (path, text) in [RUST, PYTHON, JAVASCRIPT, WIT].concat() {
        hasher.update(path.as_bytes()).update(text.as_bytes());
    }
}

pub(crate) fn write_text(file: &Path, text: &str) -> anyhow::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(file, text))
        .with_context(|| format!("cannot write {}", file.display()))
}

/// A manifest that stands without our workspace.
fn alone(manifest: &str) -> String {
    let mut kept = String::new();
    let mut skipping = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            skipping = matches!(line, "[lints]" | "[dev-dependencies]");
        }
        let line = match line {
            _ if skipping => continue,
            "version.workspace = true" => format!("version = \"{VERSION}\""),
            "edition.workspace = true" => "edition = \"2024\"".to_owned(),
            "license.workspace = true" => "license = \"Apache-2.0\"".to_owned(),
            "publish.workspace = true" => "publish = false".to_owned(),
            "mobula-guest-macros.workspace = true" => {
                "mobula-guest-macros = { path = \"macros\" }".to_owned()
            }
            other => other.to_owned(),
        };
        kept += &line;
        kept.push('\n');
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn files(folder: &Path, top: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, top, found);
            } else {
                found.push(path.strip_prefix(top).unwrap().to_string_lossy().into_owned());
            }
        }
    }

    #[test]
    fn every_file_of_the_sdk_is_carried() {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-sdk");
        let mut there = Vec::new();
        for folder in ["src", "macros", "python", "js", "wit"] {
            files(&top.join(folder), &top, &mut there);
        }
        there.retain(|path| !path.contains("__pycache__"));
        let carried = [RUST, PYTHON, JAVASCRIPT, WIT].concat();
        for path in there {
            assert!(carried.iter().any(|(carried, _)| *carried == path), "{path} is not carried");
        }
    }

    #[test]
    fn carried_manifests_need_no_workspace() {
        for (path, text) in RUST.iter().filter(|(path, _)| path.ends_with("Cargo.toml")) {
            let text = alone(text);
            assert!(!text.contains("workspace"), "{path}: {text}");
            assert!(!text.contains("mobula-contract"), "{path}: {text}");
        }
    }
}
