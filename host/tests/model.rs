//! `mobula model`: the trainer alone, as a script and a person see it.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::fs;

use common::{Ended, Mobula, data, digest};
use serde_json::Value as Json;

const NET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tiny-net.toml");

/// `mobula model …` on the synthetic set.
fn model(mobula: &Mobula, command: &str, more: &[&str]) -> Ended {
    let folder = data().display().to_string();
    mobula.run(&[&["model", command, NET, "--data", &folder], more].concat())
}

#[test]
fn a_summary_tells_shapes_parameters_arithmetic_and_memory() {
    let mobula = Mobula::new();
    let args = ["model", "summary", "plain-667k", "--batch-size", "32"];
    let summary = mobula.run(&[&args[..], &["--json"]].concat()).json();
    assert_eq!((&summary["$type"], &summary["parameters"]), (&"model".into(), &666_538.into()));
    assert_eq!(summary["trainable"], 666_538);
    let first = &summary["layers"][0];
    assert_eq!((&first["layer"], &first["kind"]), (&"conv1".into(), &"conv".into()));
    assert_eq!(first["output"], serde_json::json!([32, 32, 32]));
    assert_eq!(first["flops"]["forward"], 2 * 884_736);
    assert_eq!(summary["memory"]["batch_size"], 32);
    assert_eq!(summary["memory"]["parameters_bytes"], 4 * 666_538);
    let parts = summary["memory"].as_object().unwrap().iter();
    let bytes =
        parts.filter(|(name, _)| name.ends_with("_bytes")).map(|(_, v)| v.as_u64().unwrap());
    assert_eq!(summary["memory_bytes"].as_u64().unwrap(), bytes.sum::<u64>());

    let prose = mobula.run(&["model", "summary", "cifar10-664k"]).stdout;
    for word in ["conv1 (conv)", "(None, 32, 32, 32)", "663,786", "1,280", "batch size 64"] {
        assert!(prose.contains(word), "`{word}` is not in: {prose}");
    }
}

#[test]
fn predictions_are_those_of_an_evaluation() {
    let mobula = Mobula::new();
    let path = |name: &str| mobula.home.path().join(name).display().to_string();
    let (weights, out) = (path("w.safetensors"), path("predictions.json"));
    model(&mobula, "train", &["--json", "--epochs", "1", "--out", &weights]).json();
    let begin = ["--init-weights", &weights, "--json"];
    let evaluated = model(&mobula, "evaluate", &begin).json();
    let predicted = model(&mobula, "predict", &begin).json();
    assert_eq!(
        (&predicted["$type"], &predicted["images"]),
        (&"model.predicted".into(), &200.into())
    );
    assert_eq!(predicted["accuracy"], evaluated["accuracy"]);
    assert_eq!(predicted["classes"][0], "disk");
    for row in predicted["predictions"].as_array().unwrap() {
        let shares: Vec<f64> =
            row["probabilities"].as_array().unwrap().iter().map(|p| p.as_f64().unwrap()).collect();
        let class = usize::try_from(row["class"].as_u64().unwrap()).unwrap();
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{row}");
        assert!(shares.iter().all(|share| *share <= shares[class]), "{row}");
    }

    let short = model(&mobula, "predict", &[&begin[..], &["--out", &out]].concat()).json();
    assert_eq!((&short["out"], &short["predictions"]), (&out.as_str().into(), &Json::Null));
    let written: Json = serde_json::from_slice(&fs::read(&out).unwrap()).unwrap();
    assert_eq!(written["predictions"], predicted["predictions"]);

    let ended = model(&mobula, "predict", &[]);
    assert!(ended.stdout.contains("likeliest") && ended.stdout.contains("and 190 more"));
    assert!(ended.stderr.contains("learned nothing"), "{}", ended.stderr);
}

#[test]
fn recipes_and_exact_are_taken_and_told() {
    let mobula = Mobula::new();
    let brief = ["--json", "--epochs", "2"];
    let plain = model(&mobula, "train", &brief).json();
    assert_eq!((&plain["recipe"], &plain["exact"]), (&"plain".into(), &false.into()));
    let fast =
        model(&mobula, "train", &[&brief[..], &["--recipe", "fast", "--exact"]].concat()).json();
    assert_eq!((&fast["recipe"], &fast["exact"]), (&"fast".into(), &true.into()));
    assert_eq!((&fast["batch_size"], &plain["batch_size"]), (&32.into(), &64.into()));
    assert_ne!(fast["state_digest"], plain["state_digest"]);
    model(&mobula, "train", &["--recipe", "slow"]).refused(2, &["slow", "plain", "fast"]);
    model(&mobula, "evaluate", &["--exact", "--json"]).json();
}

#[test]
fn a_pipeline_takes_a_recipe_with_its_epochs() {
    let mobula = Mobula::new();
    let fast = ["--set", "actor.trainer.args.recipe=fast"];
    mobula.tiny(&fast).refused(2, &["actor `trainer`", "recipe `fast`", "schedule_epochs = N"]);
    let whole = [&fast[..], &["--set", "actor.trainer.args.schedule_epochs=6"]].concat();
    let state = digest(&mobula.tiny(&whole).json(), "trainer");
    let fault = [&whole[..], &["--inject", "train[4]:actor-crash@0.5"]].concat();
    assert_eq!(digest(&Mobula::new().tiny(&fault).json(), "trainer"), state);
}

#[test]
fn network_files_that_are_wrong_are_named_with_their_layer() {
    let mobula = Mobula::new();
    let file = mobula.home.path().join("net.toml");
    let net = file.display().to_string();
    let refused = |text: &str, words: &[&str]| {
        fs::write(&file, text).unwrap();
        mobula.run(&["model", "summary", &net]).refused(2, words);
    };
    let head =
        "name = \"x\"\ninput = [8, 8, 3]\n[[layer]]\nkind = \"conv\"\nfilters = 4\n[[layer]]\n";
    refused(
        &format!("{head}kind = \"maxpool\""),
        &["layer 2 (maxpool)", "did you mean `max_pool`"],
    );
    refused(
        &format!("{head}kind = \"dense\"\nunits = 4"),
        &["layer 2 (dense) of network `x`", "8 × 8 × 4"],
    );
    refused("name = ", &["line 1"]);
    refused("hello", &["net.toml", "no name"]);
    fs::write(&file, [0xff, 0xfe]).unwrap();
    mobula.run(&["model", "summary", &net]).refused(2, &["net.toml"]);
    mobula.run(&["model", "summary", "nosuch.toml"]).refused(4, &["nosuch.toml"]);
    mobula.run(&["model", "summary", "cifar10", "--json"]).refused(2, &["cifar10-664k", ".toml"]);
    mobula
        .run(&["model", "summary", "plain-667k", "--batch-size", "0"])
        .refused(2, &["batch-size"]);
    model(&mobula, "predict", &["--init-weights", "nosuch"]).refused(4, &["nosuch"]);
}
