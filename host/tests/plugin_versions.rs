//! Versions side by side, pins in a pipeline file, and runs that stay with the components they began with.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod author;
mod common;

use std::fs;
use std::path::Path;

use author::{Author, edit};
use serde_json::{Value as Json, json};

/// A pipeline in which each of these exports is called, on the same data.
fn pipeline(folder: &Path, exports: &[&str]) {
    let mut text = "# keep me\n[pipeline]\nname = \"p\"\nseed = 7\n\n[[stage]]\nname = \"load\"\n\
                    task = \"cifar10-load/load\"\nmounts = { data = \"data\" } # and me\n"
        .to_owned();
    for (i, export) in exports.iter().enumerate() {
        text += &format!(
            "\n[[stage]]\nname = \"s{i}\"\ntask = \"{export}\"\ninputs = {{ images = \"load.x_test\" }}\n"
        );
    }
    fs::write(folder.join("p.toml"), text).unwrap();
}

/// An author with data, and a plugin with one task in versions 0.1.0 and 0.2.0, which differ.
fn two_versions(name: &str) -> (Author, std::path::PathBuf) {
    let author = Author::new();
    let folder = author.begin(name, "rust", "task");
    let synth = ["data", "synth", "--out", "data", "--train", "40", "--test", "20", "--json"];
    author.run(&folder, &synth);
    // A number that a run's report shows tells the versions apart.
    edit(&folder.join("src/lib.rs"), "    images: Tensor<f32>,\n}", "    version: f64,\n}");
    edit(
        &folder.join("src/lib.rs"),
        "Ok(Scaled { images: scaled.finish()? })",
        "scaled.finish()?;\n    Ok(Scaled { version: 1.0 })",
    );
    edit(
        &folder.join("src/lib.rs"),
        "assert_eq!(scaled.images.values()?, [0.5, 1.0, 1.5, 2.0]);",
        "assert!(scaled.version > 0.0);",
    );
    author.document(&folder, &["plugin", "build"]);
    author.document(&folder, &["plugin", "push", "."]);
    edit(&folder.join("src/lib.rs"), "version: 1.0", "version: 2.0");
    author.document(&folder, &["plugin", "build"]);
    let other_bytes = author.run(&folder, &["plugin", "push", "."]);
    other_bytes
        .refused(2, &[&format!("{name} 0.1.0 is there with other content"), "raise its version"]);
    edit(&folder.join("Cargo.toml"), "version = \"0.1.0\"", "version = \"0.2.0\"");
    author.document(&folder, &["plugin", "build"]);
    author.document(&folder, &["plugin", "push", "."]);
    (author, folder)
}

#[test]
fn versions_run_side_by_side_and_pins_hold_them() {
    let (author, folder) = two_versions("pixels");
    pipeline(&folder, &["pixels@0.1/pixels", "pixels/pixels", "pixels@0.2/pixels"]);
    let run =
        |args: &[&str]| author.document(&folder, &[&["run", "p.toml", "--fresh"], args].concat());
    let report = run(&[]);
    assert_eq!(report["status"], "succeeded", "{report:#}");
    let mut versions: Vec<f64> =
        report["result"].as_object().unwrap().values().filter_map(Json::as_f64).collect();
    versions.sort_by(f64::total_cmp);
    assert_eq!(versions, [1.0, 2.0, 2.0], "{report:#}");

    // Pins are written, and everything else stays.
    let before = fs::read_to_string(folder.join("p.toml")).unwrap();
    let locked = author.document(&folder, &["pipeline", "lock", "p.toml"]);
    assert_eq!(locked["plugins"].as_array().unwrap().len(), 3);
    let text = fs::read_to_string(folder.join("p.toml")).unwrap();
    assert!(text.starts_with(&before) && text.contains("version = \"0.2.0\""), "{text}");
    let checked = author.document(&folder, &["pipeline", "check", "p.toml"]);
    assert_eq!((&checked["pinned"], &checked["stages"]), (&json!(3), &json!(4)));
    run(&[]);

    // A component with the same name and version but other bytes comes not in its place.
    let digest = locked["plugins"][0]["digest"].as_str().unwrap();
    let other = format!("blake3:{}", "0".repeat(64));
    edit(&folder.join("p.toml"), digest, &other);
    let refused = author.run(&folder, &["run", "p.toml"]);
    refused.refused(4, &["is pinned as version", &other, "mobula pipeline lock"]);
    edit(&folder.join("p.toml"), &other, "blake3:12");
    author.run(&folder, &["run", "p.toml"]).refused(2, &["p.toml:", "`digest`", "64 hex digits"]);
}

#[test]
fn a_run_goes_on_with_the_components_that_it_began_with() {
    let (author, folder) = two_versions("dots");
    pipeline(&folder, &["dots/dots", "dots/dots", "dots/dots"]);
    let killed = author.run(&folder, &["run", "p.toml", "--json", "--inject", "s1[0]:host-kill"]);
    assert_eq!(killed.code, None, "{}", killed.stderr);
    // Meanwhile there is a newer one, and the one that the run began with is gone.
    edit(&folder.join("src/lib.rs"), "version: 2.0", "version: 3.0");
    edit(&folder.join("Cargo.toml"), "version = \"0.2.0\"", "version = \"0.3.0\"");
    author.document(&folder, &["plugin", "build"]);
    author.document(&folder, &["plugin", "push", "."]);
    let removed = author.document(&folder, &["plugin", "remove", "dots@0.2.0"]);
    assert_eq!(removed["plugins"], json!(["dots@0.2.0"]));
    let report = author.document(&folder, &["runs", "resume", "last"]);
    assert_eq!(report["status"], "succeeded", "{report:#}");
    let versions = report["result"].as_object().unwrap().values().filter_map(Json::as_f64);
    assert_eq!(versions.collect::<Vec<_>>(), [2.0, 2.0, 2.0], "{report:#}");
    let report = author.document(&folder, &["run", "p.toml", "--fresh"]);
    let versions = report["result"].as_object().unwrap().values().filter_map(Json::as_f64);
    assert_eq!(versions.collect::<Vec<_>>(), [3.0, 3.0, 3.0], "{report:#}");
}

#[test]
fn a_disabled_plugin_is_hidden_until_it_is_enabled() {
    let (author, folder) = two_versions("points");
    pipeline(&folder, &["points/points"]);
    author.document(&folder, &["pipeline", "lock", "p.toml"]);
    author.document(&folder, &["plugin", "disable", "points@0.2.0"]);
    author
        .run(&folder, &["run", "p.toml"])
        .refused(3, &["points 0.2.0 is disabled", "plugin enable"]);
    let listed = author.document(&folder, &["plugin", "list"]);
    assert_eq!(listed["disabled"], json!(["points@0.2.0"]));
    author.document(&folder, &["plugin", "enable", "points"]);
    author.document(&folder, &["run", "p.toml"]);
    author.run(&folder, &["plugin", "remove", "nosuch"]).refused(4, &["no pushed plugin `nosuch`"]);
    author.document(&folder, &["plugin", "remove", "points"]);
    author.run(&folder, &["run", "p.toml"]).refused(4, &["plugin `points` is pinned"]);
}

#[test]
fn a_failing_call_is_kept_and_repeated_and_its_trap_names_the_line() {
    let author = Author::new();
    let plugin = author.begin("traps", "rust", "actor");
    let source = plugin.join("src/lib.rs");
    let line = "            self.rows += part.rows;";
    edit(&source, line, &format!("{line}\n            check(self.rows);"));
    let text = fs::read_to_string(&source).unwrap();
    let check = "#[inline(never)]\nfn check(rows: u64) {\n    context::info(\"looking\");\n    \
                 assert!(rows < 50, \"{rows} rows are too many\");\n}\n\nplugin! {";
    fs::write(&source, text.replace("plugin! {", check)).unwrap();
    let text = fs::read_to_string(&source).unwrap();
    let number = 1 + text.lines().position(|line| line.contains("assert!(rows < 50")).unwrap();
    author.document(&plugin, &["plugin", "build"]);
    author.document(&plugin, &["plugin", "push", "."]);
    let synth = ["data", "synth", "--out", "data", "--train", "40", "--test", "20", "--json"];
    author.run(&plugin, &synth);
    let set = "actor.summing.max_restarts=0";
    let failed = author.run(&plugin, &["run", "pipeline.toml", "--keep-inputs", "--set", set]);
    let place = format!("panicked at src/lib.rs:{number}:");
    traps(
        &failed,
        &["trap in actor call", "add (", "src/lib.rs:", &place, "looking", "80 rows are too many"],
    );
    let logs = author.run(&plugin, &["runs", "logs", "last"]).stdout;
    let words = logs.split('`').find(|part| part.starts_with("mobula plugin run")).unwrap();
    let words: Vec<&str> = words.split(' ').skip(1).collect();
    assert_eq!(words[2], "traps@0.1.0", "{logs}");
    traps(&author.run(&plugin, &words), &["80 rows are too many", &place, "(trap)"]);
    // Mended, the same call works, and the folder is a fixture.
    edit(&source, "rows < 50", "rows < 5000");
    author.document(&plugin, &["plugin", "build"]);
    let from = words.last().unwrap();
    let ran = author.document(&plugin, &["plugin", "run", ".", "--from", from]);
    assert_eq!(ran["outputs"]["rows"], 80);
}

/// Requires a failure that is told with these words, the guest's own panic among them.
#[track_caller]
fn traps(ended: &common::Ended, words: &[&str]) {
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    for word in words {
        assert!(ended.stderr.contains(word), "`{word}` is not in: {}", ended.stderr);
    }
}
