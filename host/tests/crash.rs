//! kill -9 of the real program: one home, run after run, each killed one to five times and taken up again.
//! What a run said was saved is there, and each ends in the state of a run that nothing happened to.
//! `MOBULA_CRASH_RUNS` says how many, `MOBULA_CRASH_SEED` repeats a seed.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Mobula, data, digests, tiny_args};

/// Runs, unless said otherwise.
const RUNS: u64 = 10;
/// Kills of one run, at most.
const KILLS_MAX: u64 = 5;
/// A user who may not write to a home that is somebody else's.
const NOBODY: u32 = 65_534;

fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// The numbers of the checkpoints that a run's events say are saved, and of those that are there.
fn checkpoints(mobula: &Mobula, run: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let said = mobula.run(&["runs", "events", run, "--json"]).json();
    let saved = said["events"].as_array().unwrap().iter().map(|event| &event["body"]);
    let saved = saved.filter(|body| body["type"] == "checkpoint_saved");
    let saved = saved.map(|body| body["checkpoint"]["id"].as_str().unwrap().to_owned()).collect();
    let list = mobula.run(&["checkpoints", "list", "--json"]).json();
    let rows = list["checkpoints"].as_array().unwrap().iter();
    let of_run = rows.filter(|row| row["run"] == run && row["damaged"].is_null());
    (saved, of_run.map(|row| row["id"].as_str().unwrap().to_owned()).collect())
}

/// The number at the end of a checkpoint's name.
fn number(id: &str) -> u64 {
    id.rsplit('-').next().unwrap().parse().unwrap()
}

/// Nothing that was acknowledged is lost: all is whole, and of what was said to be saved the newest is
/// there, or a later one.
fn whole(mobula: &Mobula, run: &str, seed: u64) {
    let verified = mobula.run(&["checkpoints", "verify"]);
    assert_eq!(verified.code, Some(0), "seed {seed}: {}", verified.stderr);
    let (saved, there) = checkpoints(mobula, run);
    let newest = |ids: &BTreeSet<String>| ids.iter().map(|id| number(id)).max().unwrap_or(0);
    assert!(newest(&there) >= newest(&saved), "seed {seed}: said {saved:?}, there {there:?}");
    let query = "PRAGMA integrity_check; SELECT count(*) >= 0 FROM checkpoint;";
    let database = mobula.home.path().join("mobula.db");
    // Another program opens it, where there is one.
    if let Ok(other) = Command::new("sqlite3").arg(database).arg(query).output() {
        let said = String::from_utf8_lossy(&[other.stdout, other.stderr].concat()).into_owned();
        assert_eq!(said, "ok\n1\n", "seed {seed}: sqlite3 says");
    }
}

#[test]
fn runs_killed_at_any_instant_lose_nothing_and_end_in_the_same_state() {
    let runs = asked("MOBULA_CRASH_RUNS").unwrap_or(RUNS);
    let seed = asked("MOBULA_CRASH_SEED").unwrap_or(1);
    eprintln!("kills with MOBULA_CRASH_SEED={seed}");
    let mobula = Mobula::new();
    // Also compiles the plugins, which later ones find.
    let undisturbed = digests(&mobula.tiny(&[]).json());
    let start = Instant::now();
    mobula.tiny(&[]).json();
    let whole_run = start.elapsed();
    let (mut random, mut kills) = (seed, 0);
    let mut below = |end: u64| {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % end
    };
    for number in 1..=runs {
        let wanted = 1 + below(KILLS_MAX);
        let (mut run, mut of_run) = (None::<String>, 0);
        while of_run < wanted {
            let resume = run.clone().map(|run| ["runs".into(), "resume".into(), run]);
            let args = match &resume {
                None => tiny_args(&[]),
                Some(words) => words.iter().map(String::as_str).collect(),
            };
            let mut command = mobula.command(&args);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let life = whole_run.as_micros() as u64 / 2;
            std::thread::sleep(Duration::from_micros(below(life)));
            child.kill().unwrap();
            let ended = child.wait().unwrap();
            let list = mobula.run(&["runs", "list", "--json"]).json();
            let newest = &list["runs"][0];
            if newest["status"] == "interrupted" {
                let id = newest["run"].as_str().unwrap().to_owned();
                whole(&mobula, &id, seed);
                run = Some(id);
                (of_run, kills) = (of_run + 1, kills + 1);
            } else if ended.code().is_some() && run.is_some() {
                // It was faster.
                break;
            }
        }
        eprintln!("run {number} of {runs}: {of_run} kills");
        if let Some(run) = run {
            let report = mobula.run(&["runs", "resume", &run, "--json"]).json();
            assert_eq!(digests(&report), undisturbed, "seed {seed}, after {of_run} kills");
            whole(&mobula, &run, seed);
        }
    }
    assert!(kills >= runs, "MOBULA_CRASH_SEED={seed}: only {kills} kills");
    eprintln!(
        "crash-test | program | {runs} runs, {kills} kills, 0 lost, same state | MOBULA_CRASH_SEED={seed}"
    );
}

fn forbid(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            forbid(&path);
        }
        let mut rights = std::fs::metadata(&path).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(
            &mut rights,
            if path.is_dir() { 0o555 } else { 0o444 },
        );
        std::fs::set_permissions(&path, rights).unwrap();
    }
    let rights = std::os::unix::fs::PermissionsExt::from_mode(0o555);
    std::fs::set_permissions(folder, rights).unwrap();
}

/// A home that may not be written to: it is said, by name, and nothing in it changes.
#[test]
fn a_home_that_is_read_only_is_named() {
    let mobula = Mobula::new();
    mobula.tiny(&[]).json();
    forbid(mobula.home.path());
    let database = std::fs::read(mobula.home.path().join("mobula.db")).unwrap();
    let root = rustix::process::getuid().is_root();
    data();
    for args in [tiny_args(&[]), vec!["checkpoints", "gc"], vec!["runs", "list"]] {
        let mut command = mobula.command(&args);
        if root {
            // Nothing is forbidden to root.
            command.uid(NOBODY);
        }
        let output = match command.output() {
            Ok(output) => output,
            // The program itself is out of reach for others.
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => return,
            Err(e) => panic!("{e}"),
        };
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("panicked"), "{said}");
        if !output.status.success() {
            let home = mobula.home.path().display().to_string();
            assert!(said.contains(&home) && output.status.code() == Some(1), "{args:?}: {said}");
        }
    }
    let after = std::fs::read(mobula.home.path().join("mobula.db")).unwrap();
    assert!(after == database, "the database has changed");
}
