//! The reference pipeline and the commands around it, as a script sees them.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::fs;

use common::{Mobula, REFERENCE, STREAM, data, digest};
use serde_json::Value as Json;

#[test]
fn streams_and_lists_run_once_for_each() {
    let set = format!("stage.load.mounts.data={}", data().display());
    let run = |more: &[&str]| {
        let mobula = Mobula::new();
        let args = [&["run", STREAM, "--json", "--set", &set], more].concat();
        mobula.run(&args).json()
    };
    let report = run(&[]);
    let stages = report["stages"].as_array().unwrap();
    let count = |name: &str| stages.iter().filter(|stage| stage["name"] == name).count();
    assert_eq!((count("batches"), count("seen"), count("sample")), (1, 5, 3), "500 images by 100");
    let last = |name: &str, field: &str| {
        let stage = stages.iter().rfind(|stage| stage["name"] == name).unwrap();
        stage["outputs"][field].clone()
    };
    assert_eq!(last("seen", "count"), 500 * 32 * 32);
    assert_eq!(last("together", "count"), 300 * 32 * 32, "three samples joined");
    let cost = &report["cost"];
    assert_eq!(cost["calls"], 11);
    assert!(cost["cold_calls"].as_u64() >= Some(3), "{cost}");
    for field in ["cpu_s", "memory_peak_bytes", "bytes_in", "bytes_out"] {
        assert!(cost[field].as_f64() > Some(0.0), "{field}: {cost}");
    }
    let digest_of = |report: &Json| digest(report, "stats");
    for fault in ["seen[3]:actor-crash", "batches:worker-crash@0.5", "sample[1]:trap"] {
        assert_eq!(digest_of(&run(&["--inject", fault])), digest_of(&report), "{fault}");
    }
    for place in ["seen[3]", "batches", "sample[1]", "together"] {
        let mobula = Mobula::new();
        let fault = format!("{place}:host-kill");
        let args = ["run", STREAM, "--json", "--set", &set, "--inject", &fault];
        assert_eq!(mobula.run(&args).code, None, "{place}: killed");
        let resumed = mobula.run(&["runs", "resume", "last", "--json"]).json();
        for actor in ["stats", "sampled"] {
            assert_eq!(digest(&resumed, actor), digest(&report, actor), "{place}: {actor}");
        }
    }
}

#[test]
fn a_program_that_embeds_the_engine_runs_the_reference_pipeline() {
    let home = tempfile::tempdir().unwrap();
    let exe = std::path::Path::new(env!("CARGO_BIN_EXE_mobula"));
    let folder = exe.parent().unwrap();
    let output = std::process::Command::new(folder.join("examples/embed"))
        .args([data(), &folder.join("plugins"), home.path()])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("epoch 9: loss ") && text.contains("test accuracy "), "{text}");
}

#[test]
fn what_never_fits_is_refused_before_anything_runs() {
    let mobula = Mobula::new();
    let wide = ["--workers", "2", "--set", "stage.load.cpus=3"];
    let said = ["stage `load` needs 3 cpus, but there are 2"];
    mobula.tiny(&wide).refused(2, &said);
    let large = ["--memory", "1GiB", "--set", "stage.load.memory=2GiB"];
    mobula
        .tiny(&large)
        .refused(2, &["stage `load` needs 2147483648 bytes of memory, but there are"]);
    mobula.tiny(&["--memory", "1MiB"]).refused(2, &["the least is 128MiB"]);
    mobula.tiny(&["--memory", "lots"]).refused(2, &["`lots` is no number of bytes"]);
}

#[test]
fn the_reference_pipeline_runs_and_tells_everything() {
    let mobula = Mobula::new();
    let set = format!("stage.load.mounts.data={}", data().display());
    let small = [
        "stage.train_subset.args.size=200",
        "stage.test_subset.args.size=100",
        "stage.train.repeat=2",
    ];
    let args = [
        "run",
        REFERENCE,
        "--json",
        "--set",
        &set,
        "--set",
        small[0],
        "--set",
        small[1],
        "--set",
        small[2],
        "--workers",
        "2",
    ];
    let ended = mobula.run(&args);
    let report = ended.json();
    assert_eq!(ended.stdout.lines().count(), 1, "one document");
    assert_eq!(
        (&report["$type"], &report["status"]),
        (&"run.finished".into(), &"succeeded".into())
    );
    let stages = report["stages"].as_array().unwrap();
    let stage = |name: &str| stages.iter().find(|stage| stage["name"] == name).unwrap();
    let (train, test) = (stage("train_subset"), stage("test_subset"));
    let time = |stage: &Json, at: &str| stage[at].as_f64().unwrap();
    assert_ne!(train["worker"], test["worker"]);
    assert!(time(train, "started_s") < time(test, "ended_s"));
    assert!(time(test, "started_s") < time(train, "ended_s"), "they overlap: {train} {test}");
    assert_eq!(stage("evaluate")["kind"], "actor");
    let result = report["result"].as_object().unwrap();
    assert_eq!(result.keys().collect::<Vec<_>>(), ["test_accuracy", "test_loss"]);
    assert_eq!(report["decisions"].as_array().unwrap().len(), 6);
    let reason = report["decisions"][0]["reason"].as_str().unwrap();
    assert!(!reason.is_empty());

    let shown = mobula.run(&["runs", "show", "last", "--json"]).json();
    assert_eq!(shown, report, "the history tells the same");
    let trace = mobula.run(&["runs", "timeline", "last"]).json();
    assert!(
        trace["traceEvents"].as_array().unwrap().iter().any(|event| event["name"] == "train[1]")
    );
    let logs = mobula.run(&["runs", "logs", "last"]);
    assert!(logs.stdout.contains("load: reading /data"), "{}", logs.stdout);
}

#[test]
fn weights_go_out_of_a_checkpoint_and_into_the_trainer() {
    let mobula = Mobula::new();
    let set = format!("stage.load.mounts.data={}", data().display());
    let args = [
        "run",
        REFERENCE,
        "--json",
        "--set",
        &set,
        "--set",
        "stage.train_subset.args.size=200",
        "--set",
        "stage.test_subset.args.size=100",
        "--set",
        "stage.train.repeat=1",
        "--set",
        "checkpoint.policy=always",
    ];
    let report = mobula.run(&args).json();
    let checkpoints = report["checkpoints"].as_array().unwrap();
    let last = checkpoints.iter().rfind(|c| c["stage"] == "train").unwrap();
    let file = mobula.home.path().join("weights.safetensors");
    let file = file.to_str().unwrap();
    mobula.run(&["checkpoints", "export", last["id"].as_str().unwrap(), "-o", file]);
    let folder = data().display().to_string();
    let evaluate =
        ["model", "evaluate", "cifar10-664k", "--json", "--data", &folder, "--init-weights", file];
    let evaluated = mobula.run(&evaluate).json();
    assert_eq!(evaluated["$type"], "model.evaluated");
    assert!(evaluated["loss"].as_f64().unwrap() > 0.0);
    let net = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tiny-net.toml");
    mobula
        .run(&["model", "evaluate", net, "--data", &folder, "--init-weights", file])
        .refused(2, &["weights cannot be used"]);
}

#[test]
fn the_trainer_alone_gives_documents_and_files() {
    let mobula = Mobula::new();
    let folder = data().display().to_string();
    let net = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tiny-net.toml");
    let out = mobula.home.path().join("out.safetensors");
    let args = [
        "model",
        "train",
        net,
        "--json",
        "--data",
        &folder,
        "--epochs",
        "2",
        "--out",
        out.to_str().unwrap(),
    ];
    let trained = mobula.run(&args).json();
    assert_eq!(trained["$type"], "model.trained");
    assert_eq!(trained["epochs"].as_array().unwrap().len(), 2);
    assert!(trained["state_digest"].as_str().unwrap().starts_with("blake3:"));
    assert!(out.is_file());
    let summary = mobula.run(&["model", "summary", "cifar10-664k", "--json"]).json();
    assert_eq!(summary["parameters"], 663_786);
}

#[test]
fn data_sets_are_made_and_looked_at() {
    let mobula = Mobula::new();
    let sheet = mobula.home.path().join("sheet.png");
    let folder = data().display().to_string();
    let args = ["data", "inspect", &folder, "--json", "--sheet", sheet.to_str().unwrap()];
    let seen = mobula.run(&args).json();
    assert_eq!((&seen["train"]["rows"], &seen["test"]["rows"]), (&500.into(), &200.into()));
    assert_eq!(&fs::read(sheet).unwrap()[1..4], b"PNG");
}

#[test]
fn plugins_are_pushed_inspected_and_found_by_name() {
    let mobula = Mobula::new();
    let exe = std::path::Path::new(env!("CARGO_BIN_EXE_mobula"));
    let folder = exe.parent().unwrap().join("test-plugins/hostile.wasm");
    let pushed = mobula.run(&["plugin", "push", folder.to_str().unwrap(), "--json"]).json();
    assert_eq!((&pushed["name"], &pushed["version"]), (&"hostile".into(), &"0.1.0".into()));
    let seen = mobula.run(&["plugin", "inspect", "hostile", "--json"]).json();
    assert_eq!(seen["digest"], pushed["digest"]);
    assert!(seen["exports"].as_array().unwrap().contains(&"mobula:plugin/actor@0.1.0".into()));
    let args = &seen["tasks"][1]["args"];
    assert_eq!(args["properties"]["kind"]["description"], "Which one.");
    assert_eq!(args["additionalProperties"], false);
}

#[test]
fn the_synthetic_set_is_worth_training_on() {
    let mobula = Mobula::new();
    let out = mobula.home.path().join("five-thousand").display().to_string();
    mobula
        .run(&["data", "synth", "--train", "5000", "--test", "1000", "--out", &out, "--json"])
        .json();
    let accuracy = |model: &str| {
        let args = ["model", "train", model, "--json", "--data", &out, "--epochs", "10"];
        mobula.run(&args).json()["test_accuracy"].as_f64().unwrap()
    };
    let linear = accuracy(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/linear.toml"));
    assert!(linear < 0.6, "too easy: a linear classifier reaches {linear}");
    let network = accuracy("cifar10-664k");
    assert!(network > 0.85, "too hard: the network reaches {network}");
}
