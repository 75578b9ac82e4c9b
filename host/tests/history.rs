//! The history from the command line: runs of other processes that are stopped, runs side by side, and what
//! shells complete.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::fs::File;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};

use common::{Mobula, tiny_args};
use serde_json::{Value as Json, json};

/// A run in another process that goes on for long.
fn under_way(mobula: &Mobula) -> Child {
    let slow = tiny_args(&["--set", "stage.train.repeat=4000"]);
    let mut command = mobula.command(&slow);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    mobula.wait_for_an_epoch();
    child
}

#[test]
fn a_run_of_another_process_is_stopped_and_can_be_taken_up() {
    let mobula = Mobula::new();
    let mut child = under_way(&mobula);
    let cancelled = mobula.run(&["runs", "cancel", "last", "--json"]).json();
    assert_eq!(cancelled["$type"], "run.cancelled");
    assert_eq!(cancelled["status"], "interrupted");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let run = cancelled["run"].as_str().unwrap();
    mobula.run(&["runs", "cancel", run]).refused(2, &["interrupted", "nothing to cancel"]);
    mobula.run(&["runs", "cancel", "r-000000000000"]).refused(4, &["r-000000000000"]);
    // What was asked of the first process is not asked of the second.
    let mut again = mobula.command(&["runs", "resume", run]);
    let mut again = again.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let resumed = |event: &&Json| event["body"]["type"] == "run_started";
    loop {
        let events = mobula.run(&["runs", "events", run, "--json"]).json();
        if events["events"].as_array().unwrap().iter().filter(resumed).count() == 2 {
            break;
        }
        assert!(again.try_wait().unwrap().is_none(), "it did not go on");
    }
    mobula.run(&["runs", "cancel", run, "--json"]).json();
    assert_eq!(again.wait().unwrap().code(), Some(130));
}

#[test]
fn a_process_that_does_not_answer_is_named_with_what_to_do() {
    let mobula = Mobula::new();
    let mut child = under_way(&mobula);
    let shown = mobula.run(&["runs", "show", "last", "--json"]).json();
    let run = shown["run"].as_str().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // This process has the run now, and listens to nobody.
    let lock = File::open(mobula.home.path().join("locks").join(run)).unwrap();
    lock.lock().unwrap();
    let silent = mobula.run(&["runs", "cancel", run, "--wait", "0.3"]);
    silent.refused(1, &["belongs to another process", "fuser", "mobula runs resume r-"]);
    drop(lock);
    mobula.run(&["runs", "cancel", run]).refused(2, &["interrupted", "nothing to cancel"]);
}

#[test]
fn runs_stand_side_by_side_with_what_differs() {
    let mobula = Mobula::new();
    let first = mobula.tiny(&["--set", "stage.train.repeat=2"]).json();
    let second = mobula.tiny(&["--set", "stage.train.repeat=3"]).json();
    let (a, b) = (first["run"].as_str().unwrap(), second["run"].as_str().unwrap());
    let compared = mobula.run(&["runs", "compare", a, b, "--json"]).json();
    assert_eq!(compared["$type"], "runs.compared");
    assert_eq!(compared["runs"][0]["run"], a);
    assert_eq!(compared["runs"][1]["result"], second["result"]);
    let row = |key: &str, by: &str, name: &str| {
        let rows = compared[key].as_array().unwrap();
        rows.iter().find(|row| row[by] == name).map(|row| row["values"].clone())
    };
    assert_eq!(row("parameters", "path", "stage.train.repeat"), Some(json!([2, 3])));
    assert_eq!(row("parameters", "path", "name"), None, "the same for both");
    let curves = row("curves", "field", "train.loss").unwrap();
    let points = |n: usize| curves[n].as_array().unwrap().len();
    assert_eq!((points(0), points(1)), (2, 3));
    let shown = mobula.run(&["runs", "compare", a, b, a]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    let line = shown.stdout.lines().find(|line| line.starts_with("stage.train.repeat")).unwrap();
    let cells: Vec<&str> = line.split_whitespace().skip(1).collect();
    assert_eq!(cells, ["2", "3", "2"]);
    mobula.run(&["runs", "compare", a]).refused(2, &["2 values"]);
    mobula.run(&["runs", "compare", a, "r-000000000000"]).refused(4, &["r-000000000000"]);
}

#[test]
fn shells_complete_nouns_and_verbs() {
    let mobula = Mobula::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = mobula.run(&["completions", shell]);
        assert_eq!(script.code, Some(0), "{shell}: {}", script.stderr);
        assert!(script.stdout.contains("compare"), "{shell}");
    }
    let script = mobula.run(&["completions", "bash"]).stdout;
    let ask = "\nCOMP_WORDS=(mobula runs ca); COMP_CWORD=2; _mobula mobula ca runs; \
        echo \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-s"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut bash = bash.spawn().unwrap();
    bash.stdin.take().unwrap().write_all((script + ask + "\n").as_bytes()).unwrap();
    let said = bash.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout).trim(), "cancel", "{said:?}");
    mobula.run(&["completions", "ksh"]).refused(2, &["ksh"]);
}
