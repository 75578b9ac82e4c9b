//! What users get wrong: each mistake has a message that names it, and an exit code.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::fs;
use std::path::Path;

use common::{Mobula, TINY, data, tiny_args};

/// A pipeline file with one task.
fn file(folder: &Path, body: &str) -> String {
    let path = folder.join("p.toml");
    fs::write(&path, format!("[pipeline]\nname = \"p\"\n{body}")).unwrap();
    path.display().to_string()
}

#[test]
fn mistakes_in_a_pipeline_are_named_before_anything_runs() {
    let mobula = Mobula::new();
    let folder = tempfile::tempdir().unwrap();
    let mount = format!("mounts = {{ data = \"{}\" }}", data().display());
    let load = format!("[[stage]]\nname = \"load\"\ntask = \"cifar10-load/load\"\n{mount}\n");
    let subset =
        |rest: &str| format!("{load}[[stage]]\nname = \"s\"\ntask = \"subset/subset\"\n{rest}\n");
    let images = "inputs = { images = \"load.x_train\" }";
    let cases = [
        ("[[stage]]\nname = \"a\"\ntask = \"nosuch/x\"".to_owned(), 4, "no plugin `nosuch`"),
        ("[[stage]]\nname = \"a\"\ntask = \"subset@9/subset\"".to_owned(), 4, "found only subset 0.1.0"),
        ("[[stage]]\nname = \"a\"\ntask = \"subset/nosuch\"".to_owned(), 2, "`nosuch`: there is subset"),
        ("[[stage]]\nname = \"load\"\ntask = \"cifar10-load/load\"".to_owned(), 3, "mount `data`"),
        (load.replace("synth", "elsewhere"), 4, "elsewhere"),
        (subset(&format!("{images}\nargs = {{ size = \"many\" }}")), 2, "args.size"),
        (subset(&format!("{images}\nargs = {{ }}")), 2, "size"),
        (subset(&format!("{images}\nargs = {{ size = 1, sise = 2 }}")), 2, "sise"),
        (subset("args = { size = 1 }"), 2, "input `images` is missing"),
        (subset("inputs = { images = \"load.x_tran\" }\nargs = { size = 1 }"), 2, "x_tran"),
        (subset("inputs = { images = \"lod.x_train\" }\nargs = { size = 1 }"), 2, "p.toml:"),
        ("[[stage]]\nname = \"a\"\ntask = \"x/y\"\ncolour = 1".to_owned(), 2, "p.toml:6"),
        (format!("{load}[[actor]]\nname = \"t\"\nnative = \"rnn\""), 2, "rnn"),
        (
            format!("{load}[[actor]]\nname = \"t\"\nnative = \"cnn\"\nargs = {{ learning_rate = -1 }}"),
            2,
            "learning_rate",
        ),
        ("[[stage]]\nname = \"a\"\ntask = \"x/y\"\ninputs = { q = \"b.q\" }\n[[stage]]\nname = \"b\"\n\
          task = \"x/y\"\ninputs = { q = \"a.q\" }".to_owned(), 2, "wait for each other"),
    ];
    for (body, code, word) in cases {
        mobula.run(&["run", &file(folder.path(), &body)]).refused(code, &[word]);
    }
    assert_eq!(
        mobula.run(&["runs", "list"]).stdout.trim(),
        "no runs yet: `mobula run FILE` makes one"
    );
}

#[test]
fn files_that_are_not_there_or_no_pipelines_are_named() {
    let mobula = Mobula::new();
    let folder = tempfile::tempdir().unwrap();
    mobula.run(&["run", "nosuch.toml"]).refused(4, &["nosuch.toml"]);
    mobula.run(&["run", &folder.path().display().to_string()]).refused(2, &["cannot read"]);
    let broken = folder.path().join("b.toml");
    fs::write(&broken, "[pipeline\n").unwrap();
    mobula.run(&["run", broken.to_str().unwrap()]).refused(2, &["b.toml:1:"]);
    fs::write(&broken, [0xff, 0xfe, 0]).unwrap();
    mobula.run(&["run", broken.to_str().unwrap()]).refused(2, &["b.toml"]);
    mobula.run(&["run", TINY, "--set", "stage.trian.repeat=3"]).refused(2, &["trian"]);
    mobula.run(&["run", TINY, "--set", "nonsense"]).refused(2, &["nonsense"]);
    mobula.run(&["run", TINY, "--inject", "train:explode"]).refused(2, &["explode"]);
    mobula.tiny(&["--inject", "train[6]:trap"]).refused(2, &["6 repetitions"]);
    mobula.tiny(&["--plugin-dir", "/no/such"]).refused(4, &["/no/such"]);
    mobula.run(&["runs", "show", "r-zzz"]).refused(4, &["r-zzz"]);
    mobula.run(&["runs", "resume", "last"]).refused(4, &["last"]);
    mobula.run(&["checkpoints", "export", "c-1", "-o", "x"]).refused(4, &["c-1"]);
    mobula.run(&["model", "summary", "vgg"]).refused(2, &["vgg", "cifar10-664k"]);
}

#[test]
fn components_that_are_none_are_named() {
    let mobula = Mobula::new();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("text.wasm"), "hello").unwrap();
    fs::write(path("module.wasm"), b"\0asm\x01\0\0\0").unwrap();
    fs::write(path("empty.wasm"), b"\0asm\x0d\0\x01\0").unwrap();
    mobula.run(&["plugin", "inspect", &path("nosuch.wasm")]).refused(4, &["nosuch.wasm"]);
    mobula
        .run(&["plugin", "push", &path("text.wasm")])
        .refused(2, &["text.wasm", "no WebAssembly"]);
    mobula.run(&["plugin", "push", &path("module.wasm")]).refused(2, &["wasm32-wasip2"]);
    let other = &["another world", "mobula:plugin/task@0.1.0"];
    mobula.run(&["plugin", "push", &path("empty.wasm")]).refused(2, other);
    mobula.run(&["plugin", "build", &path("")]).refused(4, &["Cargo.toml"]);
    let listed = mobula.run(&["plugin", "list", "--json", "--plugin-dir", &path("")]);
    // Ours, beside the program: five, and two more where Python and JavaScript could be built.
    assert!(listed.json()["plugins"].as_array().unwrap().len() >= 5, "{}", listed.stdout);
    assert!(listed.stderr.contains("text.wasm"));
}

#[test]
fn folders_without_a_data_set_are_named() {
    let mobula = Mobula::new();
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().display().to_string();
    mobula.run(&["data", "inspect", &here]).refused(2, &["no CIFAR-10", "it is empty"]);
    mobula.run(&["data", "inspect", "/no/such"]).refused(4, &["/no/such", "data synth"]);
    mobula
        .run(&["data", "synth", "--train", "0", "--out", &format!("{here}/x")])
        .refused(2, &["0"]);
    fs::write(folder.path().join("data_batch_1.bin"), [1; 5000]).unwrap();
    let set = format!("stage.load.mounts.data={here}");
    let ended = mobula.run(&["run", TINY, "--set", &set]);
    ended.refused(1, &["data_batch_1.bin", "offset 3073"]);
}

#[test]
fn a_damaged_database_is_named_and_kept() {
    let mobula = Mobula::new();
    mobula.tiny(&[]).json();
    let file = mobula.home.path().join("mobula.db");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, b"no database at all, but long enough to be looked at").unwrap();
    mobula.run(&["runs", "list"]).refused(1, &["mobula.db", "damaged or no database"]);
    mobula.run(&tiny_args(&[])).refused(1, &["mobula.db"]);
    mobula.run(&["doctor"]).refused(1, &[]);
    fs::write(&file, &whole).unwrap();
    mobula.run(&["runs", "show", "last"]).stdout.contains("succeeded").then_some(()).unwrap();
}

#[test]
fn a_damaged_checkpoint_is_found_and_the_one_before_is_used() {
    let mobula = Mobula::new();
    // A run that fails at its end waits until its checkpoints are written.
    let last = ["--inject", "evaluate:trap", "--set", "actor.trainer.max_restarts=0"];
    mobula.tiny(&last).refused(1, &["injected trap in evaluate", "mobula runs resume"]);
    let db = rusqlite_flip(&mobula);
    mobula.run(&["checkpoints", "verify"]).refused(1, &[&db, "damaged"]);
    let report = mobula.run(&["runs", "resume", "last", "--json"]).json();
    assert_eq!(common::digests(&report), common::digests(&Mobula::new().tiny(&[]).json()));
}

/// Damages the newest checkpoint of the trainer in the file itself; gives its name.
fn rusqlite_flip(mobula: &Mobula) -> String {
    let listed = mobula.run(&["checkpoints", "list", "--json"]).json();
    let newest = listed["checkpoints"].as_array().unwrap().iter().find(|c| c["actor"] == "trainer");
    let id = newest.unwrap()["id"].as_str().unwrap().to_owned();
    let export = mobula.home.path().join("w.safetensors");
    let export = export.to_str().unwrap();
    assert_eq!(mobula.run(&["checkpoints", "export", &id, "-o", export]).code, Some(0));
    // A run of weights as they stand in the checkpoint, and so in the database.
    let weights = fs::read(export).unwrap();
    let needle = &weights[weights.len() - 64..];
    for name in ["mobula.db", "mobula.db-wal"] {
        let path = mobula.home.path().join(name);
        let Ok(mut bytes) = fs::read(&path) else { continue };
        let places: Vec<usize> = bytes
            .windows(needle.len())
            .enumerate()
            .filter(|(_, w)| *w == needle)
            .map(|(i, _)| i)
            .collect();
        for at in &places {
            bytes[*at] ^= 1;
        }
        fs::write(&path, bytes).unwrap();
    }
    id
}
