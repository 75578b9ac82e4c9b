//! `--memory` under load: objects several times as large as the limit, the same result, and a process that
//! never takes more than was said.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{Mobula, digest};
use serde_json::Value as Json;

/// What the process may use.
const LIMIT_MIB: u64 = 256;
/// Subsets of a data set, all of which are there at the same time.
const PARTS: u64 = 50;
/// Bytes of an image.
const IMAGE_BYTES: u64 = 3072;

/// Rows of each subset.
fn sizes() -> Vec<u64> {
    (0..PARTS).map(|i| 1000 + i * 2311 % 9500).collect()
}

/// All subsets, then their statistics: those of the last one come first, so that the others wait.
fn pipeline(data: &Path) -> String {
    let mut text = format!(
        "[pipeline]\nname = \"many\"\nseed = 3\n\
         [[stage]]\nname = \"load\"\ntask = \"cifar10-load/load\"\nmounts = {{ data = {data:?} }}\n\
         [[stage]]\nname = \"part\"\ntask = \"subset/subset\"\n\
         foreach = {{ over = {:?}, as = \"size\" }}\n\
         inputs = {{ images = \"load.x_train\", labels = \"load.y_train\" }}\n\
         [[actor]]\nname = \"stats\"\nplugin = \"running-stats/RunningStats\"\n",
        sizes()
    );
    for part in (0..PARTS).rev() {
        let _ = write!(
            text,
            "[[stage]]\nname = \"measure_{part}\"\nactor = \"stats\"\nmethod = \"update\"\n\
             inputs = {{ images = \"part[{part}].images\" }}\n"
        );
    }
    text
}

/// The report of a run, and the most bytes that were resident while it lasted.
fn watched(mut command: Command) -> (Json, u64) {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let watch = std::thread::spawn(move || {
        let mut highest = 0;
        // A process that has ended has no such line any more.
        while let Ok(status) = std::fs::read_to_string(&status)
            && let Some(line) = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))
        {
            let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
            highest = kib << 10;
            std::thread::sleep(Duration::from_millis(2));
        }
        highest
    });
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    (serde_json::from_slice(&output.stdout).unwrap(), watch.join().unwrap())
}

#[test]
fn a_run_stays_within_its_memory_and_gives_the_same() {
    let mobula = Mobula::new();
    let data = mobula.home.path().join("data");
    let out = data.to_str().unwrap();
    let made = mobula.run(&["data", "synth", "--train", "20000", "--test", "100", "--out", out]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let file = mobula.home.path().join("many.toml");
    std::fs::write(&file, pipeline(&data)).unwrap();
    let run = |more: &[&str]| {
        let args = ["run", file.to_str().unwrap(), "--json", "--workers", "2"];
        watched(mobula.command(&[&args[..], more].concat()))
    };
    let limit = LIMIT_MIB << 20;
    let all: u64 = sizes().iter().map(|size| size * IMAGE_BYTES).sum();
    assert!(all > 5 * limit / 2, "{all} bytes are enough to matter");
    let (free, most_free) = run(&[]);
    let (held, most_held) = run(&["--memory", &format!("{LIMIT_MIB}MiB")]);
    assert_eq!(digest(&held, "stats"), digest(&free, "stats"));
    assert!(most_free > 2 * limit, "{most_free} bytes without a limit");
    assert!(most_held <= limit, "{most_held} bytes of {limit}");
    eprintln!("at most {} MiB, and {} MiB without a limit", most_held >> 20, most_free >> 20);
}
