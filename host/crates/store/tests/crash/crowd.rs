//! Many at once on one home: actors that save, others that read, and a collection in between, in threads
//! and in a second process. Nobody is told to come back later, and nobody's work is lost.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mobula_contract::{CheckpointId, RunId};
use mobula_store::{NewCheckpoint, NewRun, Store, StoreError, Subject};

use crate::dice::{content, figure, tell};
use crate::layer;
use crate::world::{metric, newest, pipeline};

/// Actors that save, in this process.
const SAVERS: u64 = 32;
const READERS: u64 = 2;
/// Newest checkpoints that each keeps.
const KEEP: u32 = 2;
/// Tells a second process where the home is.
const NEIGHBOUR: &str = "MOBULA_CRASH_NEIGHBOUR";
/// Ids of savers in the second process begin here.
const NEIGHBOUR_FIRST: u64 = 100;

/// The run of a saver: each has its own, so that numbers do not meet.
fn run(saver: u64) -> RunId {
    RunId::new(5_000 + saver, 1)
}

fn bytes(saver: u64, number: u64) -> Vec<u8> {
    // The last one's are files.
    let large = if saver + 1 == SAVERS { 100_000 } else { 0 };
    let len = usize::try_from(1 + saver * 977 + number % 5_000 + large).expect("small");
    content(len, saver << 32 | number)
}

fn save(store: &Store, saver: u64, number: u64) -> Result<(), StoreError> {
    let (run, bytes) = (run(saver), bytes(saver, number));
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
        bytes: &bytes,
    };
    store.append(&run, &[metric(number - 1)])?;
    store.save_checkpoint(&new, &newest(KEEP)).map(drop)
}

/// Reads the newest of a saver, which must be what it was when it was saved.
fn read(store: &Store, saver: u64) -> Result<u64, StoreError> {
    let found = store.newest_valid(&run(saver), Subject::Actor("trainer"))?;
    Ok(found.found.map_or(0, |(row, found)| {
        assert!(found == bytes(saver, row.position), "{} has wrong bytes", row.id);
        row.position
    }))
}

/// Saves until it is told to stop; gives how often.
fn saver(home: &Path, number: u64, stop: &AtomicBool) -> Result<u64, (String, StoreError)> {
    let store = layer::open(home).map_err(|e| ("open".to_owned(), e))?;
    let new = NewRun { id: &run(number), pipeline: &pipeline() };
    store.create_run(&new).map_err(|e| ("enter a run".to_owned(), e))?;
    let mut saved = 0;
    loop {
        save(&store, number, saved + 1).map_err(|e| (format!("save {}", saved + 1), e))?;
        saved += 1;
        if stop.load(Ordering::Relaxed) {
            return Ok(saved);
        }
        std::thread::sleep(Duration::from_millis(number % 5));
    }
}

/// Ends the second process with this one.
struct End {
    neighbour: Child,
}

impl Drop for End {
    fn drop(&mut self) {
        let _ = self.neighbour.kill();
        let _ = self.neighbour.wait();
    }
}

/// Ends the threads when the one that holds it ends.
struct Failed<'a>(&'a AtomicBool);

impl Drop for Failed<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Not a test by itself: savers in a process of their own.
#[test]
fn neighbour() {
    let Ok(home) = std::env::var(NEIGHBOUR) else { return };
    let store = layer::open(Path::new(&home)).expect("the store opens");
    let id = run(NEIGHBOUR_FIRST);
    store.create_run(&NewRun { id: &id, pipeline: &pipeline() }).expect("a run");
    for number in 1.. {
        save(&store, NEIGHBOUR_FIRST, number).expect("a save beside others");
    }
}

fn start_neighbour(home: &Path) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["crowd::neighbour", "--exact"])
        .env(NEIGHBOUR, home)
        .stdout(Stdio::null())
        .spawn()
        .expect("a second process")
}

#[test]
fn many_savers_readers_and_a_collection_do_not_harm_each_other() {
    let seconds = figure("MOBULA_CRASH_CROWD_S", 4);
    let home = tempfile::tempdir().expect("a home");
    let home = home.path();
    drop(layer::open(home).expect("the store opens"));
    let (stop, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut end = End { neighbour: start_neighbour(home) };
    let saved: BTreeMap<u64, u64> = std::thread::scope(|scope| {
        let (stop, reads) = (&stop, &reads);
        let failed = Failed(stop);
        let savers: Vec<_> =
            (0..SAVERS).map(|number| scope.spawn(move || saver(home, number, stop))).collect();
        let readers: Vec<_> = (0..READERS)
            .map(|first| {
                scope.spawn(move || {
                    let store = layer::open(home)?;
                    for number in (first..).step_by(3) {
                        if stop.load(Ordering::Relaxed) {
                            return Ok(());
                        }
                        read(&store, number % SAVERS)?;
                        reads.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok::<_, StoreError>(())
                })
            })
            .collect();
        let collector = layer::open(home).expect("the store opens");
        let end = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < end {
            std::thread::sleep(Duration::from_millis(50));
            collector.collect(false).expect("a collection beside others");
        }
        drop(failed);
        for reader in readers {
            reader.join().expect("a reader").expect("reading beside others");
        }
        let saved = savers.into_iter().map(|saver| saver.join().expect("a saver"));
        (0..).zip(saved.map(|saved| saved.expect("a save beside others"))).collect()
    });
    let alive = end.neighbour.try_wait().expect("a child").is_none();
    drop(end);
    assert!(alive, "the second process failed");

    let store = layer::open(home).expect("the store opens");
    store.check().expect("the database is whole");
    for (saver, count) in &saved {
        assert_eq!(read(&store, *saver).expect("it can be read"), *count, "of saver {saver}");
        let events = store.events(&run(*saver), 0).expect("its events");
        assert_eq!(events.len() as u64, *count, "events of saver {saver}");
    }
    assert!(read(&store, NEIGHBOUR_FIRST).expect("it can be read") > 0, "the other process saved");
    let (saves, reads): (u64, u64) = (saved.values().sum(), reads.into_inner());
    let what = format!("{SAVERS} savers for {seconds} s, {saves} saves, {reads} reads, 0 lost");
    tell("crowd", &what, 0);
}
