//! I/O faults: whatever the store does, each of its calls fails once, and each from there on. The
//! store says so and names the thing; what was acknowledged is there at once, and after the next start.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::check::{check, usable};
use crate::dice::{Dice, figure, seed, tell};
use crate::disk::{Call, Fault, Harm, Watch};
use crate::images::{folder, storm};
use crate::layer;
use crate::v1;
use crate::vfs::interruptions;
use crate::world::{Act, Seen, Who, World, script};

/// A call of this number would mean that an act never ends.
const CALLS_MAX: u64 = 5_000;

/// A home that was left in order, and what is in it.
struct Template {
    folder: tempfile::TempDir,
    seen: Seen,
}

impl Template {
    fn new(seed: u64) -> Self {
        let folder = folder();
        let mut world = World::new(folder.path());
        let more = [
            Act::Save { run: 0, who: Who::Trainer, len: 50_000, seed: 1, keep: 3 },
            Act::Save { run: 0, who: Who::Trainer, len: 70_000, seed: 2, keep: 3 },
            Act::Save { run: 0, who: Who::Stats, len: 70_000, seed: 2, keep: 3 },
            Act::Append { run: 0, count: 3 },
            Act::End { run: 0 },
            Act::Run,
            Act::Save { run: 1, who: Who::Trainer, len: 90_000, seed: 3, keep: 3 },
            Act::Append { run: 1, count: 3 },
        ];
        for act in script(&mut Dice::new(seed, 0), 2).into_iter().chain(more) {
            world.act(act).expect("nothing fails");
        }
        drop(world.store.take());
        Self { folder, seen: world.least }
    }

    fn copy(&self) -> World {
        let home = folder().keep();
        for path in crate::disk::files_under(self.folder.path()) {
            let to = home.join(path.strip_prefix(self.folder.path()).expect("below it"));
            std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
            std::fs::copy(&path, &to).expect("a copy");
        }
        World::with(&home, &self.seen)
    }
}

/// What is tried while calls fail.
#[derive(Debug, Clone, Copy)]
enum Trial {
    /// One of the world's acts, the store being open.
    Act(Act),
    /// All that is there is read.
    Load,
    /// The store is opened.
    Open,
}

impl Trial {
    /// Does it; gives what the store says where it fails.
    fn run(self, world: &mut World) -> Result<(), String> {
        match self {
            Self::Act(act) => world.act(act).map_err(|e| e.to_string()),
            Self::Open => world.act(Act::Open).map_err(|e| e.to_string()),
            Self::Load => {
                let store = world.store.as_ref().expect("it is open");
                for row in store.checkpoints(None).map_err(|e| e.to_string())? {
                    let bytes = store.load_checkpoint(&row.id).map_err(|e| e.to_string())?;
                    let kept = &world.most.checkpoints[row.id.as_str()];
                    assert!(bytes == kept.bytes(), "{} has other bytes", row.id);
                }
                Ok(())
            }
        }
    }
}

/// One call fails; then nothing does any more.
fn try_one(
    template: &Template,
    trial: Trial,
    fault: Fault,
) -> Result<Vec<(Call, PathBuf)>, String> {
    let mut world = template.copy();
    let _remove = Remove(world.home.clone());
    if !matches!(trial, Trial::Open) {
        world.act(Act::Open).map_err(|e| e.to_string())?;
    }
    let watch = Watch::new(&world.home);
    watch.harm(Some(fault));
    let answer = trial.run(&mut world);
    let again = Trial::Act(Act::Save { run: 1, who: Who::Stats, len: 3_000, seed: 9, keep: 3 });
    if world.store.is_some() && fault.forever {
        // The trouble goes on; the store says so again, or works all the same.
        let _ = again.run(&mut world);
        let _ = Trial::Load.run(&mut world);
    }
    let hits = watch.hits();
    watch.harm(None);
    match &answer {
        Ok(()) => {}
        Err(said) if hits.is_empty() => return Err(format!("failed without a fault: {said}")),
        Err(said) => named(said, &world.home)?,
    }
    let (least, most) = world.state();
    if let Some(store) = &world.store {
        check(store, &least, &most).map_err(|wrong| format!("same handle: {wrong}"))?;
        again.run(&mut world).map_err(|e| format!("same handle, a save: {e}"))?;
        drop(world.store.take());
    }
    let store = layer::open(&world.home).map_err(|e| format!("opened afterwards: {e}"))?;
    let (least, most) = world.state();
    check(&store, &least, &most).map_err(|wrong| format!("opened afterwards: {wrong}"))?;
    usable(&store, &most)?;
    Ok(hits)
}

struct Remove(PathBuf);

impl Drop for Remove {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A message says what it is about.
fn named(said: &str, home: &Path) -> Result<(), String> {
    let home = home.display().to_string();
    if said.contains(&home) || said.contains("checkpoint c-") {
        return Ok(());
    }
    Err(format!("a message that names nothing: {said}"))
}

/// Fails every call of a trial in every way; gives how many faults there were.
fn all(template: &Template, trial: Trial) -> u64 {
    let ways = Harm::ALL.into_iter().flat_map(|harm| [(harm, false), (harm, true)]);
    let every = |(harm, forever)| {
        for nth in 1..CALLS_MAX {
            let fault = Fault { harm, nth, forever };
            let hits = try_one(template, trial, fault)
                .unwrap_or_else(|wrong| panic!("{trial:?}, {fault:?}: {wrong}"));
            if hits.is_empty() {
                return nth - 1;
            }
        }
        panic!("{trial:?} never ends");
    };
    std::thread::scope(|scope| {
        let ways: Vec<_> = ways.map(|way| scope.spawn(move || every(way))).collect();
        ways.into_iter().map(|way| way.join().expect("a thread that did not fail")).sum()
    })
}

#[test]
fn whatever_call_fails_what_was_acknowledged_stays() {
    let template = Template::new(1);
    let save = |len, seed| Trial::Act(Act::Save { run: 1, who: Who::Trainer, len, seed, keep: 1 });
    let trials = [
        // In the database, in files, and what is there already.
        save(9_000, 5),
        save(120_000, 5),
        save(2_300_000, 5),
        save(90_000, 3),
        Trial::Act(Act::Tend),
        Trial::Act(Act::Append { run: 1, count: 4 }),
        Trial::Act(Act::Collect),
        Trial::Act(Act::Run),
        Trial::Load,
        Trial::Open,
    ];
    let before = interruptions();
    let faults: u64 = trials.into_iter().map(|trial| all(&template, trial)).sum();
    assert!(interruptions() > before, "calls of the system were interrupted and cut short");
    tell("faults", &format!("{faults} calls failed, 0 lost"), 0);
}

#[test]
fn whatever_call_fails_an_old_store_is_upgraded_or_left_as_it_was() {
    let folder = folder();
    let seen = v1::make(folder.path());
    let template = Template { folder, seen };
    let faults = all(&template, Trial::Open);
    tell("faults", &format!("{faults} calls of an upgrade failed, 0 lost"), 0);
}

/// Acts while calls fail now and then, for a while or once: a disk that is full, a cable that is loose.
fn troubled(dice: &mut Dice) -> Result<u64, String> {
    let home = folder();
    let mut world = World::new(home.path());
    let watch = Watch::new(home.path());
    let mut refused = 0;
    for act in script(dice, 30) {
        if dice.one_in(3) {
            let (harm, nth) = (Harm::ALL[dice.index(Harm::ALL.len())], 1 + dice.below(25));
            watch.harm(Some(Fault { harm, nth, forever: dice.one_in(2) }));
        }
        if let Err(e) = world.act(act) {
            named(&e.to_string(), home.path())?;
            refused += 1;
        }
        let needed = world.store.is_none() || matches!(act, Act::Run);
        if needed || dice.one_in(2) {
            watch.harm(None);
        }
        if world.store.is_none() {
            world.act(Act::Open).map_err(|e| format!("opened when all is well: {e}"))?;
        }
        if matches!(act, Act::Run) {
            // Later acts count on it.
            world.act(act).map_err(|e| format!("a run when all is well: {e}"))?;
        }
    }
    watch.harm(None);
    let (least, most) = world.state();
    let store = world.store.take().expect("it is open");
    check(&store, &least, &most).map_err(|wrong| format!("same handle: {wrong}"))?;
    drop(store);
    let store = layer::open(home.path()).map_err(|e| format!("opened afterwards: {e}"))?;
    check(&store, &least, &most).map_err(|wrong| format!("opened afterwards: {wrong}"))?;
    usable(&store, &most)?;
    Ok(refused)
}

#[test]
fn a_disk_that_is_bad_for_a_while_loses_nothing() {
    let (count, seed) = (figure("MOBULA_CRASH_IMAGES", 2_000) / 20, seed());
    let refused = AtomicU64::new(0);
    let tried = storm(count, seed, |mut dice, tried| {
        refused.fetch_add(troubled(&mut dice)?, Ordering::Relaxed);
        tried.fetch_add(1, Ordering::Relaxed);
        Ok(())
    });
    let refused = refused.into_inner();
    assert!(refused > 0, "MOBULA_CRASH_SEED={seed}: nothing was refused");
    tell("faults", &format!("{tried} stores in trouble, {refused} acts refused, 0 lost"), seed);
}
