//! Crash images: a recorded workload, cut off at every sync and between, each time with other luck for
//! what was not synced. Every image must open, with all that was acknowledged and nothing half written.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::check::{check, usable};
use crate::dice::{Dice, figure, seed, tell};
use crate::disk::{Deaf, Fault, FileId, Harm, Op, Watch};
use crate::image::{Drive, Weather};
use crate::layer;

pub(crate) use crate::image::Image;
use crate::v1;
use crate::world::{Act, Seen, World, script};

/// Acts of one workload.
const ACTS: usize = 24;
/// Images of one sync boundary: one of each kind, more of the torn ones.
const LUCK: [Weather; 5] =
    [Weather::Lost, Weather::Whole, Weather::Prefix, Weather::Torn, Weather::Torn];
/// Of a workload whose interest is one failed sync, one of so many syncs is looked at.
const THIN: u64 = 6;
/// Workloads after which a fault of the disk must have been seen.
const WORKLOADS_MAX: u64 = 40;
/// Other instants than syncs: one of so many.
const BETWEEN: u64 = 24;

/// What a workload did to its disk, and what was acknowledged when.
pub(crate) struct Recording {
    home: std::path::PathBuf,
    there: Vec<(FileId, std::path::PathBuf, Vec<u8>)>,
    ops: Vec<Op>,
    /// Where it becomes interesting: at the first sync that failed, else at the beginning.
    from: usize,
    /// What must be there, and what may be there, while each act is under way.
    limits: Vec<(Seen, Seen)>,
    /// What is there when so many acts are done.
    states: Vec<(Seen, Seen)>,
}

/// Runs acts on a home and records them. What is bad about the disk is told to it before the first one.
fn record(world: World, dice: &mut Dice, bad: impl FnOnce(&Watch)) -> Recording {
    record_said(world, dice, bad, false)
}

/// With `early` each act is said to be done when it begins.
fn record_said(
    mut world: World,
    dice: &mut Dice,
    bad: impl FnOnce(&Watch),
    early: bool,
) -> Recording {
    let watch = Watch::new(&world.home);
    let there = watch.record();
    bad(&watch);
    let (mut limits, mut states) = (Vec::new(), vec![world.state()]);
    for (number, act) in script(dice, ACTS).into_iter().enumerate() {
        let between = world.between(act);
        watch.mark(Op::Begin(number));
        if early {
            watch.mark(Op::Done(number));
        }
        if let Err(e) = world.act(act) {
            assert!(!watch.hits().is_empty(), "{act:?} failed without a fault: {e}");
            if world.store.is_none() {
                world.act(Act::Open).expect("only one call fails");
            }
            if matches!(act, Act::Run) {
                world.act(act).expect("only one call fails");
            }
        }
        if !early {
            watch.mark(Op::Done(number));
        }
        let (least, mut most) = between;
        most.runs.extend(world.most.runs.clone());
        limits.push((least, most));
        states.push(world.state());
    }
    drop(world.store.take());
    let home = watch.home().to_owned();
    let ops = watch.recorded();
    let from = ops.iter().position(|op| matches!(op, Op::SyncFailed { .. })).unwrap_or(0);
    Recording { home, there, ops, from, limits, states }
}

impl Recording {
    /// What there must and may be when so many acts were begun and done.
    fn limits(&self, begun: usize, done: usize) -> (&Seen, &Seen) {
        let (least, most) = if begun > done { &self.limits[done] } else { &self.states[done] };
        (least, most)
    }

    /// Makes images at every `thin`-th sync and at some instants between; gives what was wrong with the
    /// first bad one.
    fn replay(&self, dice: &mut Dice, thin: u64, tried: &AtomicU64) -> Result<(), String> {
        let mut drive = Drive::new(&self.there);
        let (mut begun, mut done) = (0, 0);
        for (number, op) in self.ops.iter().enumerate() {
            let syncs = matches!(op, Op::Sync { .. } | Op::SyncDir { .. } | Op::Done(_));
            let here = if syncs { dice.one_in(thin) } else { dice.one_in(BETWEEN * thin) };
            if here && number >= self.from {
                for weather in LUCK {
                    let image = drive.image(weather, dice);
                    tried.fetch_add(1, Ordering::Relaxed);
                    open(&self.home, &image, self.limits(begun, done), dice).map_err(|wrong| {
                        format!("{wrong} (call {number} {op:.0?}, {weather:?}, act {begun})")
                    })?;
                    if drive.is_settled() {
                        break;
                    }
                }
            }
            match op {
                Op::Begin(act) => begun = act + 1,
                Op::Done(act) => done = act + 1,
                _ => drive.apply(op, dice),
            }
        }
        Ok(())
    }
}

/// Writes an image and opens it.
fn open(
    recorded: &Path,
    image: &Image,
    (least, most): (&Seen, &Seen),
    dice: &mut Dice,
) -> Result<(), String> {
    let home = unpack(recorded, image);
    let store = layer::open(home.path()).map_err(|e| format!("open: {e}"))?;
    check(&store, least, most)?;
    if dice.one_in(4) {
        usable(&store, most)?;
        drop(store);
        let store = layer::open(home.path()).map_err(|e| format!("open again: {e}"))?;
        store.check().map_err(|e| format!("integrity afterwards: {e}"))?;
    }
    Ok(())
}

/// Writes files to a new folder, which were below `recorded`.
pub(crate) fn unpack(recorded: &Path, image: &Image) -> tempfile::TempDir {
    let home = folder();
    for (path, bytes) in image {
        let below = path.strip_prefix(recorded).expect("in the home");
        let path = home.path().join(below);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder of the image");
        std::fs::write(&path, bytes).expect("a file of the image");
    }
    home
}

/// A folder in memory where there is one: an image lives for a moment.
pub(crate) fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a folder for tests")
}

/// Runs workloads on all processors until enough was tried; gives how much it was.
pub(crate) fn storm(
    count: u64,
    seed: u64,
    one: impl Fn(Dice, &AtomicU64) -> Result<(), String> + Sync,
) -> u64 {
    let (tried, next) = (AtomicU64::new(0), AtomicU64::new(0));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while tried.load(Ordering::Relaxed) < count {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if let Err(wrong) = one(Dice::new(seed, number), &tried) {
                        panic!("MOBULA_CRASH_SEED={seed}, workload {number}: {wrong}");
                    }
                }
            });
        }
    });
    tried.into_inner()
}

#[test]
fn after_a_power_failure_all_that_was_acknowledged_is_there() {
    let (count, seed) = (figure("MOBULA_CRASH_IMAGES", 2_000), seed());
    let tried = storm(count, seed, |mut dice, tried| {
        let home = folder();
        let world = if dice.one_in(6) {
            // The first act brings it up to date.
            World::with(home.path(), &v1::make(home.path()))
        } else {
            World::new(home.path())
        };
        let recording = record(world, &mut dice, |_| {});
        recording.replay(&mut dice, 1, tried)
    });
    tell("images", &format!("{tried} images, 0 lost"), seed);
}

/// After a sync that failed, the system takes what it could not write for written: it can be read, and is
/// gone after the next power failure. Nothing that was acknowledged later may build on it.
#[test]
fn after_a_failed_sync_nothing_that_is_acknowledged_builds_on_what_it_lost() {
    let (count, seed) = (figure("MOBULA_CRASH_IMAGES", 2_000) / 2, seed());
    let failed = AtomicU64::new(0);
    let tried = storm(count, seed, |mut dice, tried| {
        let home = folder();
        let nth = 1 + dice.below(40);
        let fault = Fault { harm: Harm::Fsync, nth, forever: false };
        let recording = record(World::new(home.path()), &mut dice, |watch| watch.harm(Some(fault)));
        let syncs = recording.ops.iter().filter(|op| matches!(op, Op::SyncFailed { .. }));
        failed.fetch_add(syncs.count() as u64, Ordering::Relaxed);
        recording
            .replay(&mut dice, THIN, tried)
            .map_err(|wrong| format!("sync {nth} failed: {wrong}"))
    });
    let failed = failed.into_inner();
    assert!(failed > 0, "syncs have failed");
    tell("images", &format!("{tried} images after {failed} failed syncs, 0 lost"), seed);
}

/// Has workloads recorded until an image shows that something is wrong with the disk.
fn found_out(what: &str, early: bool, bad: impl Fn(&Watch)) {
    let seed = seed();
    for number in 0..WORKLOADS_MAX {
        let mut dice = Dice::new(seed, number);
        let home = folder();
        let recording = record_said(World::new(home.path()), &mut dice, &bad, early);
        if let Err(wrong) = recording.replay(&mut dice, 1, &AtomicU64::new(0)) {
            tell("detectors", &format!("{what}: found in workload {number}: {wrong:.160}"), seed);
            return;
        }
    }
    panic!("MOBULA_CRASH_SEED={seed}: {what} was not found out");
}

fn ends_with(path: &Path, end: &str) -> bool {
    path.to_string_lossy().ends_with(end)
}

/// The detector detects: a disk that acknowledges syncs and does nothing loses what was acknowledged.
#[test]
fn syncs_that_are_ignored_are_found_out() {
    found_out("no sync at all", false, |watch| watch.ignore_syncs(|_| true));
    let log: Deaf = |path| ends_with(path, "-wal");
    found_out("no sync of the log", false, |watch| watch.ignore_syncs(log));
    let database: Deaf = |path| ends_with(path, "mobula.db");
    found_out("no sync of the database", false, |watch| watch.ignore_syncs(database));
    let files: Deaf = |path| ends_with(path, ".part");
    found_out("no sync of files", false, |watch| watch.ignore_syncs(files));
    let folders: Deaf = |path| path.is_dir();
    found_out("no sync of folders", false, |watch| watch.ignore_syncs(folders));
}

#[test]
fn an_acknowledgement_before_the_commit_is_found_out() {
    found_out("early acknowledgement", true, |_| {});
}
