//! Several processes with one home folder at the same time: nothing that one was told is durable is
//! lost, nobody
//! is turned away, and the log stays within its bound.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use mobula_contract::{CheckpointId, RunId};
use mobula_store::{Keeper, LOG_BYTES_MAX, Retention, Store, StoreError, Subject};

mod common;
use common::{create, of_actor, pattern, small_sizes};

/// Home folder and part of a child process.
const HOME: &str = "MOBULA_STORE_HOME";
const PART: &str = "MOBULA_STORE_PART";
const SAVES: u64 = 24;
const SAVERS: u64 = 3;

fn len(saver: u64, number: u64) -> usize {
    [3 << 20, 100_000, 700_000][usize::try_from((saver + number) % 3).unwrap()]
}

/// Not a test by itself: what the children do.
#[test]
fn child() {
    let (Ok(home), Ok(part)) = (std::env::var(HOME), std::env::var(PART)) else { return };
    let home = Path::new(&home);
    let store = Store::open_with(home, &small_sizes()).unwrap();
    match part.parse::<u64>() {
        Ok(saver) => {
            let keeper = Keeper::start(home, &small_sizes()).unwrap();
            let run = RunId::new(saver, 1);
            for number in 1..=SAVES {
                let (id, bytes) =
                    (CheckpointId::new(&run, number), pattern(len(saver, number), number));
                let new = of_actor(&id, &run, "a", number, &bytes);
                store.save_checkpoint(&new, &Retention::default()).unwrap();
                keeper.nudge();
                acknowledge(&id);
            }
        }
        Err(_) if part == "collect" => {
            for _ in 0..12 {
                store.collect(false).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
        Err(_) => {
            for _ in 0..12 {
                for saver in 0..SAVERS {
                    let newest = store.newest_valid(&RunId::new(saver, 1), Subject::Actor("a"));
                    let newest = newest.unwrap();
                    assert!(newest.set_aside.is_empty(), "{:?}", newest.set_aside);
                    if let Some((row, bytes)) = newest.found {
                        assert_eq!(bytes, pattern(len(saver, row.number), row.number));
                    }
                }
            }
        }
    }
}

fn acknowledge(id: &CheckpointId) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    writeln!(out, "acknowledged {id}").unwrap();
}

fn start(home: &Path, part: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture"])
        .env(HOME, home)
        .env(PART, part)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn processes_that_save_read_and_collect_do_not_harm_each_other() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open_with(home.path(), &small_sizes()).unwrap();
    let runs: Vec<RunId> = (0..SAVERS).map(|saver| create(&store, saver)).collect();
    let mut children: Vec<Child> =
        (0..SAVERS).map(|saver| start(home.path(), &saver.to_string())).collect();
    children.extend(["collect", "read"].map(|part| start(home.path(), part)));
    let log = home.path().join("mobula.db-wal");
    let mut acknowledged = 0;
    for child in children {
        let mut child = child;
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        for line in said.map_while(Result::ok) {
            acknowledged += u64::from(line.contains("acknowledged"));
            let bytes = std::fs::metadata(&log).map_or(0, |about| about.len());
            assert!(bytes <= LOG_BYTES_MAX, "the log has {bytes} bytes");
        }
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(ended.status.success(), "{said}");
    }
    assert_eq!(acknowledged, SAVERS * SAVES);
    for (saver, run) in (0..).zip(&runs) {
        let rows = store.checkpoints(Some(run)).unwrap();
        let numbers: Vec<u64> = rows.iter().map(|row| row.number).collect();
        assert_eq!(numbers, [SAVES, SAVES - 1, SAVES - 2]);
        for row in rows {
            let bytes = store.load_checkpoint(&row.id).unwrap();
            assert_eq!(bytes, pattern(len(saver, row.number), row.number));
        }
    }
    store.collect(false).unwrap();
    let found = store.verify(None).unwrap();
    assert!(found.is_good() && found.orphans.is_empty(), "{found:?}");
}

#[test]
fn a_log_that_would_become_too_long_is_moved_before_a_save() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let run = create(&store, 1);
    let log = home.path().join("mobula.db-wal");
    for number in 1..=4 {
        let (id, bytes) = (CheckpointId::new(&run, number), pattern(60 << 20, number));
        let new = of_actor(&id, &run, "a", number, &bytes);
        let keep = Retention { newest: 1, ..Retention::default() };
        store.save_checkpoint(&new, &keep).unwrap();
        assert!(std::fs::metadata(&log).unwrap().len() <= LOG_BYTES_MAX);
    }
    assert!(store.log_bytes().unwrap() > 0);
    store.tend().unwrap();
    assert_eq!(store.log_bytes().unwrap(), 0);
}

#[test]
fn files_are_not_collected_while_another_writes_or_reads_some() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open_with(home.path(), &small_sizes()).unwrap();
    let run = create(&store, 1);
    let id = CheckpointId::new(&run, 1);
    let bytes = pattern(2 << 20, 1);
    store.save_checkpoint(&of_actor(&id, &run, "a", 1, &bytes), &Retention::default()).unwrap();
    let reader = Store::open_with(home.path(), &small_sizes()).unwrap();
    let mut read = 0;
    let streamed = reader.stream_checkpoint(&id, |piece| {
        if read == 0 {
            // Its row goes, its files stay until they were read.
            store.remove_checkpoint(&id).unwrap();
        }
        read += piece.len();
        Ok(())
    });
    streamed.unwrap();
    assert_eq!(read, bytes.len());
    assert!(matches!(store.load_checkpoint(&id), Err(StoreError::NotFound { .. })));
    let found = store.verify(None).unwrap();
    assert_eq!(found.orphans.len(), 2, "they could not be removed");
    store.collect(false).unwrap();
    assert!(store.verify(None).unwrap().orphans.is_empty());
}
