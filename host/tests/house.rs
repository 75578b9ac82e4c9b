//! The house stays as ARCHITECTURE.md draws it: who may import whom, and how files look.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

/// Lines of a source file, at most.
const LINES_MAX: usize = 500;
/// Columns of a source line, at most.
const COLUMNS_MAX: usize = 110;

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Each package of ours, with what it needs to run (not to be tested).
fn needs() -> BTreeMap<String, Vec<String>> {
    let found = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(top())
        .output()
        .unwrap();
    let document: Json = serde_json::from_slice(&found.stdout).unwrap();
    let package = |package: &Json| {
        let needs = package["dependencies"].as_array().unwrap().iter();
        let needs = needs.filter(|need| need["kind"].is_null());
        let names = needs.map(|need| need["name"].as_str().unwrap().to_owned()).collect();
        (package["name"].as_str().unwrap().to_owned(), names)
    };
    document["packages"].as_array().unwrap().iter().map(package).collect()
}

#[test]
fn every_room_knows_only_those_it_may_know() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("mobula-adaptive", &[][..]),
        ("mobula-contract", &[]),
        ("mobula-data", &[]),
        ("mobula-engine", &["mobula-contract"]),
        ("mobula-guest", &["mobula-guest-macros", "mobula-contract"]),
        ("mobula-guest-macros", &[]),
        ("mobula-kernels", &[]),
        (
            "mobula-python",
            &[
                "mobula",
                "mobula-adaptive",
                "mobula-contract",
                "mobula-sandbox",
                "mobula-store",
                "mobula-trainer",
            ],
        ),
        ("mobula-sandbox", &["mobula-contract"]),
        ("mobula-server", &["mobula-contract"]),
        ("mobula-store", &["mobula-contract"]),
        ("mobula-trainer", &["mobula-kernels"]),
        ("augment", &["mobula-guest"]),
        ("batches", &["mobula-guest"]),
        ("cifar10-load", &["mobula-guest"]),
        ("hostile", &["mobula-guest"]),
        ("running-stats", &["mobula-guest"]),
        ("subset", &["mobula-guest"]),
        ("xtask", &[]),
    ]);
    let alone = [
        ("wasmtime", "mobula-sandbox"),
        ("wasmtime-wasi", "mobula-sandbox"),
        ("rusqlite", "mobula-store"),
        ("axum", "mobula-server"),
    ];
    for (package, needs) in needs() {
        for need in &needs {
            let keeper = alone.iter().find(|(library, _)| library == need);
            assert!(keeper.is_none_or(|(_, keeper)| *keeper == package), "{package} knows {need}");
        }
        if package == "mobula" {
            continue;
        }
        let known =
            allowed.get(package.as_str()).unwrap_or_else(|| panic!("{package} is new: draw it"));
        let ours = needs.iter().filter(|need| need.starts_with("mobula"));
        for need in ours {
            assert!(known.contains(&need.as_str()), "{package} must not know {need}");
        }
        if package == "mobula-adaptive" {
            assert!(needs.is_empty(), "{package} has no dependencies: {needs:?}");
        }
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !["target", "node_modules"].contains(&name.as_str()) {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn source_files_are_short_and_say_what_they_are_for() {
    let mut files = Vec::new();
    for part in ["host", "guest-sdk", "plugins"] {
        sources(&top().join(part), &mut files);
    }
    assert!(files.len() > 100);
    let mut wrong = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(top()).unwrap().display().to_string();
        if text.lines().count() > LINES_MAX {
            wrong.push(format!("{name} has more than {LINES_MAX} lines"));
        }
        for (i, line) in text.lines().enumerate() {
            // A text is not broken where its reader would have to put it together again.
            if line.chars().count() > COLUMNS_MAX && !line.contains('"') {
                wrong.push(format!("{name}:{} is too long", i + 1));
            }
        }
        let parts_of_tests = name.ends_with("tests.rs") || name.contains("/tests/");
        if !parts_of_tests && !text.starts_with("//!") {
            wrong.push(format!("{name} does not say what it is for"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
