//! The same plugin in three languages, in one pipeline and by hand: the same results, bit for bit.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod author;
mod common;

use std::fs;
use std::io::Write as _;
use std::path::Path;

use author::Author;
use common::data;

const RUST: &str = "subset";
const OTHERS: [&str; 2] = ["subset-python", "subset-js"];

/// Those that `cargo xtask plugins` could build.
fn there() -> Vec<&'static str> {
    let program = Path::new(env!("CARGO_BIN_EXE_mobula")).parent().unwrap();
    let built = |name: &&str| {
        let built = program.join(format!("plugins/{name}.wasm")).is_file();
        if !built {
            let _ = writeln!(std::io::stderr(), "skipped: {name} was not built");
        }
        built
    };
    OTHERS.into_iter().filter(built).collect()
}

#[test]
fn subsets_are_the_same_in_every_language_bit_for_bit() {
    let author = Author::new();
    let here = author.folder.path();
    let pixels: Vec<u8> = (0..600 * 12_u32).map(|i| (i * i / 7) as u8).collect();
    let labels: Vec<u8> = (0..600_u32).flat_map(|i| i64::from(i * i % 7).to_le_bytes()).collect();
    let tensor = |dtype, shape: &[usize], bytes| {
        safetensors::tensor::TensorView::new(dtype, shape.to_vec(), bytes).unwrap()
    };
    let both = [
        ("images", tensor(safetensors::Dtype::U8, &[600, 2, 2, 3], &pixels[..])),
        ("labels", tensor(safetensors::Dtype::I64, &[600], &labels[..])),
    ];
    safetensors::serialize_to_file(both, None, &here.join("in.safetensors")).unwrap();
    // Seeds that no double holds, of either sign in either half, seeds from the arguments, and both ways of
    // choosing.
    let cases = [
        ("18446744073709551557", r#"{"size":100}"#),
        ("9007199254740993", r#"{"size":333,"stratified":true}"#),
        ("9223372036854775809", r#"{"size":100}"#),
        ("81985529216486895", r#"{"size":100}"#),
        ("7", r#"{"size":50,"seed":3}"#),
        ("7", r#"{"size":0}"#),
    ];
    for (seed, args) in cases {
        let take = |plugin: &str| {
            // Not a folder that is called like the plugin: that would be taken for its project.
            let out = here.join("out").join(plugin);
            let out_text = out.display().to_string();
            let run = [
                "plugin",
                "run",
                plugin,
                "subset",
                "--input",
                "images=in.safetensors",
                "--input",
                "labels=in.safetensors",
                "--seed",
                seed,
                "--args",
                args,
                "--out",
                &out_text,
            ];
            author.document(here, &run);
            let read = |name| fs::read(out.join(name)).ok();
            (read("outputs.safetensors"), read("outputs.json"))
        };
        let rust = take(RUST);
        assert!(rust.0.is_some() || rust.1.is_some());
        for other in there() {
            assert!(take(other) == rust, "{other} differs from {RUST} with {args} and seed {seed}");
        }
    }
    let wrong = ["--input", "images=in.safetensors", "--args", r#"{"size":601}"#];
    for plugin in there().into_iter().chain([RUST]) {
        let run = [&["plugin", "run", plugin, "subset"][..], &wrong].concat();
        author.run(here, &run).refused(1, &["size 601 of only 600 rows", "(invalid)"]);
    }
    let rounded =
        ["--input", "images=in.safetensors", "--args", r#"{"size":1,"seed":9007199254740993}"#];
    for plugin in there().into_iter().filter(|plugin| *plugin == "subset-js") {
        let run = [&["plugin", "run", plugin, "subset"][..], &rounded].concat();
        author.run(here, &run).refused(1, &["args.seed", "beyond 2^53", "take it as a string"]);
    }
}

#[test]
fn one_pipeline_runs_all_languages_beside_each_other() {
    let author = Author::new();
    let here = author.folder.path();
    let mut text = format!(
        "[pipeline]\nname = \"languages\"\nseed = 7\n\n[[stage]]\nname = \"load\"\n\
         task = \"cifar10-load/load\"\nmounts = {{ data = \"{}\" }}\n",
        data().display()
    );
    let plugins: Vec<&str> = there().into_iter().chain([RUST]).collect();
    for plugin in &plugins {
        text += &format!(
            "\n[[stage]]\nname = \"{plugin}\"\ntask = \"{plugin}/subset\"\n\
             inputs = {{ images = \"load.x_train\", labels = \"load.y_train\" }}\n\
             args = {{ size = 200, stratified = true, seed = 5 }}\n\
             \n[[actor]]\nname = \"of-{plugin}\"\nplugin = \"running-stats/RunningStats\"\n\
             \n[[stage]]\nname = \"stats-{plugin}\"\nactor = \"of-{plugin}\"\nmethod = \"update\"\n\
             inputs = {{ images = \"{plugin}.images\" }}\n"
        );
    }
    fs::write(here.join("p.toml"), text).unwrap();
    let report = author.document(here, &["run", "p.toml"]);
    assert_eq!(report["status"], "succeeded", "{report:#}");
    let digests: Vec<String> =
        plugins.iter().map(|plugin| common::digest(&report, &format!("of-{plugin}"))).collect();
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}
