//! Whatever fails, the run does all its epochs, with the same state as a run where nothing failed.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use common::{Mobula, digests, tiny_args};
use serde_json::Value as Json;

/// Random instants of a run at which the host is killed.
const KILLS: u64 = 20;

fn undisturbed() -> &'static [String; 2] {
    static DIGESTS: OnceLock<[String; 2]> = OnceLock::new();
    DIGESTS.get_or_init(|| digests(&Mobula::new().tiny(&[]).json()))
}

#[track_caller]
fn trained_to_the_end(report: &Json) {
    let done = |index: u64| {
        let stages = report["stages"].as_array().unwrap();
        stages
            .iter()
            .any(|s| s["name"] == "train" && s["index"] == index && s["status"] == "succeeded")
    };
    assert!((0..6).all(done), "{report:#}");
    assert_eq!(&digests(report), undisturbed());
}

#[test]
fn every_kind_of_failure_leaves_the_same_state() {
    let faults = [
        "load:trap",
        "load:worker-crash",
        "train_subset:worker-crash",
        "train[0]:trap",
        "train[3]:trap@0.5",
        "train[2]:worker-crash@0.5",
        "train[5]:actor-crash",
        "train[4]:actor-crash@0.5",
        "measure[1]:actor-crash",
        "measure[2]:trap",
        "evaluate:actor-crash",
    ];
    for fault in faults {
        let report = Mobula::new().tiny(&["--inject", fault]).json();
        trained_to_the_end(&report);
        let again = report["stages"].as_array().unwrap().iter().any(|s| s["status"] == "failed");
        assert!(again, "{fault} must have happened: {report:#}");
    }
}

#[test]
fn several_failures_in_one_run_leave_the_same_state() {
    let more = [
        "--inject",
        "load:trap",
        "--inject",
        "train[1]:actor-crash@0.5",
        "--inject",
        "train[4]:worker-crash",
        "--inject",
        "measure[1]:trap",
        "--set",
        "checkpoint.policy=every 2",
    ];
    let without = Mobula::new().tiny(&[&more[..8], &["--set", "checkpoint.policy=never"]].concat());
    trained_to_the_end(&without.json());
    let report = Mobula::new().tiny(&more[..8]).json();
    trained_to_the_end(&report);
    let recoveries = report["recoveries"].as_array().unwrap();
    let of_trainer: Vec<&Json> = recoveries.iter().filter(|r| r["stage"] == "train").collect();
    assert_eq!(of_trainer.len(), 2, "{report:#}");
    assert_eq!(of_trainer[0]["restored_to"], 0);
    // A checkpoint is left out while the one before is still being written.
    assert!(of_trainer[1]["restored_to"].as_u64().unwrap() > 0, "{report:#}");
    assert!(of_trainer[0]["lost_s"].as_f64().unwrap() > 0.0, "{report:#}");
    let account = &report["account"];
    assert!(account["saved_s"].as_f64().unwrap() > 0.0, "{report:#}");
    assert!(account["useful_s"].as_f64() > account["blocking_s"].as_f64(), "{report:#}");
}

#[test]
fn the_number_of_threads_changes_nothing() {
    for cpus in ["1", "2", "3"] {
        let set = format!("actor.trainer.cpus={cpus}");
        let report = Mobula::new().tiny(&["--set", &set, "--workers", cpus]).json();
        assert_eq!(&digests(&report), undisturbed());
    }
}

#[test]
fn a_host_that_kills_itself_is_resumed() {
    for fault in
        ["load:host-kill", "train[0]:host-kill@0.5", "train[3]:host-kill", "evaluate:host-kill"]
    {
        let mobula = Mobula::new();
        let ended = mobula.tiny(&["--inject", fault]);
        assert_eq!(ended.code, None, "{fault}: {}", ended.stderr);
        let runs = mobula.run(&["runs", "list", "--json"]).json();
        assert_eq!(runs["runs"][0]["status"], "interrupted");
        let run = runs["runs"][0]["run"].as_str().unwrap().to_owned();
        trained_to_the_end(&mobula.run(&["runs", "resume", &run, "--json"]).json());
        let again = mobula.run(&["runs", "resume", &run, "--json"]);
        assert_eq!(&digests(&again.json()), undisturbed());
        assert!(again.stderr.contains("already done"));
    }
}

/// A process that has begun its run: it says so when the run is in the store.
fn begun(mobula: &Mobula) -> Child {
    let mut args = tiny_args(&[]);
    args.retain(|arg| *arg != "--json");
    let mut command = mobula.command(&args);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(child.stderr.take().unwrap());
    let mut lines = said.lines().map(Result::unwrap);
    assert!(lines.any(|line| line.starts_with("run r-")), "no run was begun");
    // Whoever reads no more must not let it wait.
    std::thread::spawn(move || lines.for_each(drop));
    child
}

#[test]
fn a_host_killed_at_any_instant_is_resumed() {
    let mobula = Mobula::new();
    let mut whole = begun(&mobula);
    let start = Instant::now();
    whole.wait().unwrap();
    let whole = start.elapsed();
    let mut random = 0x5eed_u64;
    let mut killed = 0;
    for _ in 0..KILLS {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mobula = Mobula::new();
        let mut child = begun(&mobula);
        std::thread::sleep(whole.mul_f64((random >> 33) as f64 / f64::from(1_u32 << 31)));
        child.kill().unwrap();
        child.wait().unwrap();
        let runs = mobula.run(&["runs", "list", "--json"]).json();
        killed += u32::from(runs["runs"][0]["status"] == "interrupted");
        let run = runs["runs"][0]["run"].as_str().unwrap();
        let report = mobula.run(&["runs", "resume", run, "--json"]).json();
        assert_eq!(&digests(&report), undisturbed());
        assert_eq!(mobula.run(&["checkpoints", "verify"]).code, Some(0));
    }
    assert!(killed > 0, "some runs were under way");
}

#[test]
fn ctrl_c_leaves_a_run_that_can_be_resumed() {
    let mobula = Mobula::new();
    let slow = tiny_args(&["--set", "stage.train.repeat=400", "--set", "checkpoint.policy=always"]);
    let child =
        mobula.command(&slow).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    mobula.wait_for_an_epoch();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("mobula runs resume r-"), "{said}");
    let document: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["status"], "interrupted");
    let whole = Mobula::new().run(&slow).json();
    let resumed = mobula.run(&["runs", "resume", "last", "--json"]).json();
    assert_eq!(digests(&resumed), digests(&whole));
}

#[test]
fn two_processes_do_not_run_the_same_run() {
    let mobula = Mobula::new();
    let slow = tiny_args(&["--set", "stage.train.repeat=400"]);
    let mut child =
        mobula.command(&slow).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while mobula.run(&["runs", "show", "last", "--json"]).code != Some(0) {
        std::thread::sleep(Duration::from_millis(20));
    }
    mobula.run(&["runs", "resume", "last"]).refused(1, &["under way in another process"]);
    child.kill().unwrap();
    child.wait().unwrap();
}
