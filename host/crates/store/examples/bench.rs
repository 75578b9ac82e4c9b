//! How fast checkpoints are written and read, beside raw files of the same bytes in the same folder:
//! in turns, since
//! a disk is never twice the same. `cargo xtask bench checkpoint` runs it.
//!
//! Raw is a new file, written in pieces of 1 MiB and made durable with `fdatasync`; a restore is set beside
//! the slower of reading that file and hashing its bytes. The log is moved into the database between
//! the saves, as
//! the thread for it does in a run; how long that takes is told too.

#![expect(clippy::print_stdout, reason = "its table is what it is for")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot run has nothing to tell")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use mobula_contract::{CheckpointId, Folders, RunId, parse_pipeline};
use mobula_store::{NewCheckpoint, NewRun, Retention, Store};
use serde_json::json;

const MB: usize = 1 << 20;
/// Sizes with their rounds (of `--quick` a third), and the least share of raw that a save shall reach.
const SIZES: [(usize, usize, f64); 5] =
    [(2, 45, 0.65), (8, 33, 0.65), (16, 21, 0.65), (64, 9, 0.45), (256, 5, 0.85)];
/// From here on the thread for it moves the log while saves follow each other.
const MOVED_FROM: u64 = 48 << 20;
/// The least share of raw that a restore shall reach.
const RESTORE: f64 = 0.8;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let after = |name: &str| {
        let at = args.iter().position(|arg| arg == name)?;
        Some(PathBuf::from(args.get(at + 1).unwrap_or_else(|| panic!("{name} what?"))))
    };
    let quick = args.iter().any(|arg| arg == "--quick");
    let folder = after("--dir").unwrap_or_else(|| ".".into());
    let home = tempfile::tempdir_in(folder).unwrap();
    println!(
        "{:>7} {:>6} {:>10} {:>10} {:>6} {:>6} {:>5} {:>9} {:>10} {:>10} {:>6} {:>6} {:>5} {:>9}",
        "MiB",
        "rounds",
        "raw MB/s",
        "save MB/s",
        "ratio",
        "quiet",
        "goal",
        "move ms",
        "raw read",
        "restore",
        "ratio",
        "quiet",
        "goal",
        "again ms"
    );
    let mut rows = Vec::new();
    let only = after("--size").map(|size| size.to_string_lossy().into_owned());
    for (size, rounds, goal) in SIZES {
        if only.as_ref().is_some_and(|only| *only != size.to_string()) {
            continue;
        }
        let rounds = if quick { rounds.div_ceil(3) } else { rounds };
        rows.push(measure(home.path(), size, rounds, goal));
    }
    println!(
        "medians of rounds in turn; ratio: median of each round's; quiet: of the shortest times, where others use the machine; move: the log into the database and old files away, between saves, mean; \
         restore: checked, beside the slower of reading and hashing; again: the same bytes once more"
    );
    if let Some(file) = after("--json") {
        let document = json!({ "$type": "bench.checkpoint.store", "quick": quick, "rows": rows });
        std::fs::write(file, format!("{document:#}\n")).unwrap();
    }
}

/// Seconds of each round.
#[derive(Default)]
struct Times {
    raw: Vec<f64>,
    save: Vec<f64>,
    tend: Vec<f64>,
    read: Vec<f64>,
    hash: Vec<f64>,
    load: Vec<f64>,
    again: Vec<f64>,
}

fn measure(home: &Path, size: usize, rounds: usize, goal: f64) -> serde_json::Value {
    let home = home.join(size.to_string());
    let store = Store::open(&home).unwrap();
    let run = RunId::new(1, 1);
    let text = "[pipeline]\nname = \"p\"\n[[stage]]\nname = \"a\"\ntask = \"x/y\"\n";
    let folders = Folders { base: &home, current: &home };
    let pipeline = parse_pipeline("p.toml", text, folders, &[]).unwrap();
    store.create_run(&NewRun { id: &run, pipeline: &pipeline }).unwrap();
    let keep = Retention { newest: 3, best: 0, by_age: false };
    let mut bytes = vec![0; size * MB];
    let (mut times, mut state, mut number) = (Times::default(), 7_u64, 0);
    let mut save = |bytes: &[u8]| {
        number += 1;
        let id = CheckpointId::new(&run, number);
        let new = NewCheckpoint {
            id: &id,
            run: Some(&run),
            name: None,
            stage: "train",
            index: 0,
            actor: Some("trainer"),
            position: number,
            metric: None,
            pinned: false,
            bytes,
        };
        let begun = Instant::now();
        store.save_checkpoint(&new, &keep).unwrap();
        (begun.elapsed().as_secs_f64(), id)
    };
    // As many as are kept, and one that has the first of them dropped, come before what is measured.
    for round in 0..rounds + 4 {
        fill(&mut bytes, &mut state);
        let warm = round >= 4;
        // In turn first, so that neither always follows the other.
        let mut raw = None;
        if round % 2 == 0 {
            raw = Some(write_raw(&home, &bytes));
        }
        let (saved, id) = save(&bytes);
        let raw = raw.unwrap_or_else(|| write_raw(&home, &bytes));
        let tend = timed(|| {
            if store.log_bytes().unwrap() > MOVED_FROM || size > 64 {
                store.tend().unwrap();
            }
        });
        let read = timed(|| assert_eq!(read_raw(&home, bytes.len()).len(), bytes.len()));
        let hash = timed(|| assert_ne!(blake3::hash(&bytes).as_bytes()[..], [0; 32]));
        let load = timed(|| assert_eq!(store.load_checkpoint(&id).unwrap().len(), bytes.len()));
        if warm {
            times.raw.push(raw);
            times.save.push(saved);
            times.tend.push(tend);
            times.read.push(read);
            times.hash.push(hash);
            times.load.push(load);
        }
    }
    for _ in 0..3 {
        times.again.push(save(&bytes).0);
        store.tend().unwrap();
    }
    std::fs::remove_dir_all(&home).unwrap();
    told(size, goal, &times)
}

fn told(size: usize, goal: f64, times: &Times) -> serde_json::Value {
    let speed = |seconds: &[f64]| (size * MB) as f64 / 1e6 / median(seconds);
    let ratio =
        |a: &[f64], b: &[f64]| median(&a.iter().zip(b).map(|(a, b)| a / b).collect::<Vec<_>>());
    let best: Vec<f64> = times.read.iter().zip(&times.hash).map(|(a, b)| a.max(*b)).collect();
    let quiet = |a: &[f64], b: &[f64]| least(a) / least(b);
    let save = ratio(&times.raw, &times.save);
    let restore = ratio(&best, &times.load);
    println!(
        "{size:>7} {:>6} {:>10.0} {:>10.0} {save:>6.2} {:>6.2} {goal:>5.2} {:>9.1} {:>10.0} {:>10.0} {restore:>6.2} \
         {:>6.2} {RESTORE:>5.2} {:>9.1}",
        times.raw.len(),
        speed(&times.raw),
        speed(&times.save),
        quiet(&times.raw, &times.save),
        mean(&times.tend) * 1e3,
        speed(&times.read),
        speed(&times.load),
        quiet(&best, &times.load),
        median(&times.again) * 1e3,
    );
    let ms = |seconds: &[f64]| median(seconds) * 1e3;
    json!({ "mib": size, "rounds": times.raw.len(), "raw_ms": ms(&times.raw),
        "durable_ms": ms(&times.save), "save_ratio": save, "save_goal": goal, "save_ratio_quiet": quiet(&times.raw, &times.save),
        "move_ms": mean(&times.tend) * 1e3, "read_ms": ms(&times.read), "hash_ms": ms(&times.hash),
        "restore_ms": ms(&times.load), "restore_ratio": restore, "restore_goal": RESTORE, "restore_ratio_quiet": quiet(&best, &times.load),
        "again_ms": ms(&times.again) })
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn timed(act: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    act();
    begun.elapsed().as_secs_f64()
}

/// Bytes without any order, as those of moments and weights are.
fn fill(bytes: &mut [u8], state: &mut u64) {
    for word in bytes.chunks_exact_mut(8) {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        word.copy_from_slice(&state.to_le_bytes());
    }
}

fn write_raw(home: &Path, bytes: &[u8]) -> f64 {
    let path = home.join("raw");
    let _ = std::fs::remove_file(&path);
    timed(|| {
        let mut file = File::create(&path).unwrap();
        bytes.chunks(MB).for_each(|piece| file.write_all(piece).unwrap());
        file.sync_data().unwrap();
    })
}

fn read_raw(home: &Path, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let mut file = File::open(home.join("raw")).unwrap();
    bytes.chunks_mut(MB).for_each(|piece| file.read_exact(piece).unwrap());
    bytes
}
