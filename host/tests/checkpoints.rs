//! Checkpoints as their user meets them: what the controller says and remembers, runs that begin with
//! another's state, and machines that go away.

mod common;

use std::process::Stdio;

use common::{Mobula, digest, digests, tiny_args};
use serde_json::Value as Json;

const ADAPTIVE: [&str; 2] = ["--set", "checkpoint.policy=adaptive"];

#[test]
fn decisions_are_explained_and_what_was_learned_is_kept() {
    let mobula = Mobula::new();
    let first = mobula.tiny(&ADAPTIVE).json();
    let decisions = first["decisions"].as_array().unwrap();
    let of_training: Vec<&Json> = decisions.iter().filter(|d| d["stage"] == "train").collect();
    assert_eq!(of_training.len(), 6);
    for decision in &of_training {
        let reason = decision["reason"].as_str().unwrap();
        for word in ["ratio", "threshold", "unsaved", "failure per", "expected loss", "cost"] {
            assert!(reason.contains(word), "`{word}` is not in: {reason}");
        }
        let detail = &decision["detail"];
        let rates = [&detail["failures_per_hour_90"][0], &detail["failures_per_hour"]];
        assert!(rates[0].as_f64().unwrap() < rates[1].as_f64().unwrap(), "{decision:#}");
        assert_eq!(detail["refused"].is_null(), decision["checkpoint"] == true, "{decision:#}");
    }
    let shown = |run: &str| mobula.run(&["runs", "events", run, "--json"]).json();
    let remembered = |events: &Json| {
        let events = events["events"].as_array().unwrap().clone();
        events.into_iter().find(|event| event["body"]["type"] == "remembered")
    };
    assert!(remembered(&shown("last")).is_none(), "there was nothing to remember");
    let inject = ["--inject", "train[4]:actor-crash"];
    mobula.tiny(&[&ADAPTIVE[..], &inject].concat()).json();
    let event = remembered(&shown("last")).expect("the first run taught something");
    assert!(event["body"]["note"].as_str().unwrap().contains("remembers 0 failures"), "{event:#}");
    mobula.tiny(&ADAPTIVE).json();
    let event = remembered(&shown("last")).expect("and so did the second");
    assert!(
        event["body"]["note"].as_str().unwrap().contains("remembers 1 failure in "),
        "{event:#}"
    );
}

#[test]
fn a_run_begins_with_the_state_of_another() {
    let mobula = Mobula::new();
    let stopped = mobula.tiny(&["--set", "stage.train.repeat=2"]).json();
    let checkpoints = stopped["checkpoints"].as_array().unwrap();
    // A snapshot may give way to that after the evaluation, which holds the same weights.
    let of_trainer = |c: &&Json| c["index"] == 1 || c["stage"] == "evaluate";
    let id =
        checkpoints.iter().rfind(of_trainer).expect("saved at the end")["id"].as_str().unwrap();
    let epochs = |report: &Json| -> Vec<u64> {
        let stages = report["stages"].as_array().unwrap().iter();
        let trained = stages.filter(|s| s["name"] == "train" && s["status"] == "succeeded");
        trained.map(|stage| stage["outputs"]["epoch"].as_u64().unwrap()).collect()
    };
    // Two epochs, then four more: the trainer is where six in one run had brought it.
    let from = format!("trainer={id}");
    let more = ["--set", "stage.train.repeat=4", "--from", &from];
    let six = mobula.tiny(&more).json();
    assert_eq!(epochs(&six), [2, 3, 4, 5]);
    let undisturbed = digest(&Mobula::new().tiny(&[]).json(), "trainer");
    assert_eq!(digest(&six, "trainer"), undisturbed);
    // It holds whatever happens: the state is part of the run.
    for fault in ["train[0]:actor-crash@0.5", "train[1]:host-kill"] {
        let ended = mobula.tiny(&[&more[..], &["--inject", fault]].concat());
        let report = match ended.code {
            Some(_) => ended.json(),
            None => mobula.run(&["runs", "resume", "last", "--json"]).json(),
        };
        assert_eq!(digest(&report, "trainer"), undisturbed, "{fault}");
    }
    // Weights alone begin a training of their own.
    let file = mobula.home.path().join("w.safetensors").display().to_string();
    mobula.run(&["checkpoints", "export", id, "-o", &file, "--json"]).json();
    let from = format!("trainer={file}");
    let tuned = mobula.tiny(&["--set", "stage.train.repeat=1", "--from", &from]).json();
    assert_eq!(epochs(&tuned), [0]);
    assert_ne!(digest(&tuned, "trainer"), undisturbed);
}

#[test]
fn states_that_fit_nothing_are_named_before_anything_runs() {
    let mobula = Mobula::new();
    let junk = mobula.home.path().join("junk").display().to_string();
    std::fs::write(&junk, b"no tensors").unwrap();
    let from = |from: &str| mobula.tiny(&["--from", from]);
    from("nobody=x").refused(2, &["--from nobody", "no such actor", "trainer"]);
    from("trainer=c-nothing").refused(4, &["c-nothing"]);
    from(&format!("trainer={junk}")).refused(2, &["--from trainer"]);
    from("trainer").refused(2, &["ACTOR=CHECKPOINT"]);
    assert_eq!(mobula.run(&["runs", "list", "--json"]).json()["runs"], serde_json::json!([]));
}

#[test]
fn a_machine_that_goes_away_leaves_a_run_that_is_saved_and_taken_up() {
    let mobula = Mobula::new();
    let long =
        tiny_args(&["--notice", "2", "--set", "stage.train.repeat=1500", ADAPTIVE[0], ADAPTIVE[1]]);
    let child =
        mobula.command(&long).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    mobula.wait_for_an_epoch();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Json = serde_json::from_slice(&output.stdout).unwrap();
    // With a save of its own, or one that was being written when the time came.
    let saved = report["checkpoints"].as_array().unwrap();
    assert!(saved.iter().any(|c| c["stage"] == "train"), "{saved:#?}");
    let resumed = mobula.run(&["runs", "resume", "last", "--json"]).json();
    let whole = Mobula::new().run(&long).json();
    assert_eq!(digests(&resumed), digests(&whole));
}

#[test]
fn the_best_is_kept_beside_the_newest() {
    let mobula = Mobula::new();
    let set = |set| ["--set", set];
    let args = [
        set("checkpoint.keep=1"),
        set("checkpoint.best=val_loss"),
        set("checkpoint.policy=always"),
        // A disk that is slow for a moment passes over some of them, not over all.
        set("stage.train.repeat=200"),
    ];
    let report = mobula.tiny(args.as_flattened()).json();
    let loss = |stage: &Json| stage["outputs"]["val_loss"].as_f64();
    let stages = report["stages"].as_array().unwrap().iter();
    let saved = report["checkpoints"].as_array().unwrap();
    let was_saved = |stage: &&Json| {
        saved.iter().any(|saved| saved["stage"] == "train" && saved["index"] == stage["index"])
    };
    let trained = stages.filter(|stage| stage["name"] == "train").filter(was_saved);
    let best = trained.min_by(|a, b| loss(a).partial_cmp(&loss(b)).unwrap()).unwrap();
    let kept = mobula.run(&["checkpoints", "list", "--json"]).json();
    let kept = kept["checkpoints"].as_array().unwrap();
    let of_trainer: Vec<&Json> = kept.iter().filter(|c| c["actor"] == "trainer").collect();
    assert!(of_trainer.len() <= 2, "{kept:#?}");
    let is_best = |c: &&&Json| c["stage"] == "train" && c["index"] == best["index"];
    let found = of_trainer.iter().find(is_best).expect("the best one");
    assert_eq!(found["metric"].as_f64(), loss(best));
}
