//! Bit rot: bytes that changed while nobody looked, in any file of a store. It is noticed or does no harm:
//! never other bytes than were saved, never a panic, and the newest checkpoint that is whole is found.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use mobula_store::{Store, StoreError};

use crate::dice::{Dice, figure, seed, tell};
use crate::disk::files_under;
use crate::images::{Image, folder, storm, unpack};
use crate::layer;
use crate::world::{Act, Kept, Seen, Who, World};

/// Acts that make the store.
const SAVES: u64 = 14;

/// A healthy store as files, and what is in it.
struct Healthy {
    files: Image,
    /// After each act, the last at the end.
    states: Vec<Seen>,
}

impl Healthy {
    /// Closed, or as a process that died has left it: then the log is full.
    fn new(dice: &mut Dice, closed: bool) -> Self {
        let folder = folder();
        let mut world = World::new(folder.path());
        let mut states = Vec::new();
        let mut act = |act| {
            world.act(act).expect("nothing fails");
            states.push(world.least.clone());
        };
        act(Act::Open);
        act(Act::Run);
        act(Act::Run);
        for number in 0..SAVES {
            let run = dice.index(2);
            let who = [Who::Trainer, Who::Stats, Who::Output(0)][dice.index(3)];
            let len = [dice.index(200), dice.index(30_000), dice.index(150_000)][dice.index(3)];
            act(Act::Save { run, who, len, seed: number, keep: 3 });
            if dice.one_in(3) {
                act(Act::Append { run, count: 1 + dice.index(6) });
            }
        }
        if closed {
            drop(world.store.take());
        }
        let read = |path: PathBuf| {
            let bytes = std::fs::read(&path).expect("a file of the store");
            (path.strip_prefix(folder.path()).expect("in the home").to_owned(), bytes)
        };
        let shared = |path: &PathBuf| path.to_string_lossy().ends_with("-shm");
        let files = files_under(folder.path()).into_iter().filter(|path| !shared(path));
        Self { files: files.map(read).collect(), states }
    }
}

/// Damages one file; says how.
fn damage(files: &mut Image, dice: &mut Dice) -> String {
    let full: Vec<usize> = (0..files.len()).filter(|i| !files[*i].1.is_empty()).collect();
    let (path, bytes) = &mut files[full[dice.index(full.len())]];
    let name = path.display().to_string();
    let page = [512, 4096, 65536][dice.index(3)];
    let pages = bytes.len() / page;
    match dice.below(6) {
        0 | 1 => {
            let bits = 1 + dice.below(4);
            let at: Vec<usize> = (0..bits).map(|_| dice.index(bytes.len())).collect();
            at.iter().for_each(|at| bytes[*at] ^= 1 << dice.below(8));
            format!("{name}: bits flipped at {at:?}")
        }
        2 => {
            let at = dice.index(bytes.len());
            let len = 1 + dice.index(page.min(bytes.len() - at));
            bytes[at..at + len].fill(0);
            format!("{name}: {len} bytes zeroed at {at}")
        }
        3 => {
            bytes.truncate(dice.index(bytes.len()));
            format!("{name}: cut to {} bytes", bytes.len())
        }
        4 if pages > 1 => {
            let (from, to) = (dice.index(pages), dice.index(pages));
            bytes.copy_within(from * page..(from + 1) * page, to * page);
            format!("{name}: {page} bytes of page {from} also written to {to}")
        }
        _ => {
            let (one, other) = (dice.index(pages.max(1)), dice.index(pages.max(1)));
            for i in 0..page.min(bytes.len()) {
                let (a, b) = (one * page + i, other * page + i);
                if a.max(b) < bytes.len() {
                    bytes.swap(a, b);
                }
            }
            format!("{name}: pages {one} and {other} of {page} bytes in each other's place")
        }
    }
}

/// What became of a damaged store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Nothing is missing and nothing is other than it was.
    Harmless,
    /// The store says that something is wrong.
    Noticed,
    /// The end of a log is gone, whole transactions of it: the store is what it was some time before.
    /// SQLite cannot tell that from a log whose end was being written when the power failed.
    Before,
}

/// Looks at everything; gives what is wrong where it was not noticed.
fn look(home: &Path, healthy: &Healthy, log: bool) -> Result<Fate, String> {
    let store = match layer::open(home) {
        Ok(store) => store,
        Err(e) => return named(&e, home),
    };
    let seen = healthy.states.last().expect("something was done");
    let all = healthy.states.iter().flat_map(|state| state.checkpoints.clone()).collect();
    let (mut look, mut found) = (Look::default(), Seen::default());
    checkpoints(&store, &all, &mut found, &mut look)?;
    history(&store, &mut found, &mut look);
    if found != *seen {
        look.differs("something is gone".to_owned());
    }
    look.ask(store.check());
    match (look.noticed, look.differs) {
        (Some(e), _) => named(&e, home),
        (None, _) if found == *seen => Ok(Fate::Harmless),
        (None, _) if log && healthy.states.contains(&found) => Ok(Fate::Before),
        (None, what) => Err(format!("{what:?}, and nobody noticed")),
    }
}

fn named(e: &StoreError, home: &Path) -> Result<Fate, String> {
    let said = e.to_string();
    let home = home.display().to_string();
    // An entry that cannot be read is named by what it is.
    let names = [home.as_str(), "checkpoint c-", "event `r-", "run `r-", "no run"];
    let named = names.iter().any(|name| said.contains(name));
    if named { Ok(Fate::Noticed) } else { Err(format!("a message that names nothing: {said}")) }
}

#[derive(Debug, Default)]
struct Look {
    noticed: Option<StoreError>,
    differs: Option<String>,
}

impl Look {
    fn ask<T>(&mut self, answer: Result<T, StoreError>) -> Option<T> {
        answer.map_err(|e| self.noticed = Some(e)).ok()
    }

    fn differs(&mut self, what: String) {
        self.differs.get_or_insert(what);
    }
}

/// A wrong checkpoint is wrong whether somebody noticed or not.
fn checkpoints(
    store: &Store,
    all: &BTreeMap<String, Kept>,
    found: &mut Seen,
    look: &mut Look,
) -> Result<(), String> {
    let rows = look.ask(store.checkpoints(None)).unwrap_or_default();
    let mut whole = Vec::new();
    for row in &rows {
        let Ok(bytes) = store.load_checkpoint(&row.id).map_err(|e| look.noticed = Some(e)) else {
            continue;
        };
        let id = row.id.as_str();
        let kept = all.get(id).ok_or(format!("{id} was never saved"))?;
        if bytes != kept.bytes() {
            return Err(format!("{id} is loaded with wrong bytes"));
        }
        let right = row.position == kept.number
            && row.run.as_deref() == Some(kept.run.as_str())
            && row.actor.as_deref() == kept.who.actor();
        if !right {
            return Err(format!("{id} is loaded as something else: {row:?}"));
        }
        found.checkpoints.insert(id.to_owned(), kept.clone());
        whole.push(kept);
    }
    for kept in all.values() {
        let same = whole.iter().filter(|other| other.run == kept.run && other.who == kept.who);
        let newest = same.map(|other| other.number).max();
        let answer = match store.newest_valid(&kept.run, kept.who.subject()) {
            Ok(answer) => answer,
            Err(e) if rows.is_empty() => {
                look.noticed = Some(e);
                continue;
            }
            Err(e) => return Err(format!("one that is whole was not found: {e}")),
        };
        // Where the list cannot be read, more may be found than was seen in it.
        let number = answer.found.as_ref().map(|(row, _)| row.position);
        if number < newest {
            return Err(format!("the newest whole one is {newest:?}, found was {number:?}"));
        }
        if let Some((row, bytes)) = answer.found
            && all.get(row.id.as_str()).is_none_or(|kept| kept.bytes() != bytes)
        {
            return Err(format!("{} is found with wrong bytes", row.id));
        }
    }
    Ok(())
}

fn history(store: &Store, found: &mut Seen, look: &mut Look) {
    for row in look.ask(store.runs()).unwrap_or_default() {
        if let Some(events) = look.ask(store.events(&row.run, 0)) {
            let numbers = events.iter().map(|(number, _)| *number);
            if !numbers.eq(1..=events.len() as u64) {
                look.differs(format!("a gap in the events of {}", row.run));
            }
            let events = events.into_iter().map(|(_, event)| event).collect();
            found.runs.insert(row.run.clone(), events);
        }
        let pipeline = look.ask(store.run_pipeline(&row.run));
        if pipeline.is_some_and(|pipeline| pipeline != crate::world::pipeline()) {
            look.differs(format!("another pipeline of {}", row.run));
            found.runs.remove(&row.run);
        }
    }
}

#[test]
fn rotten_bytes_are_noticed_or_do_no_harm() {
    let (count, seed) = (figure("MOBULA_CRASH_ROT", 1_000), seed());
    let (noticed, before) = (AtomicU64::new(0), AtomicU64::new(0));
    let tried = storm(count, seed, |mut dice, tried| {
        let closed = dice.one_in(2);
        let healthy = Healthy::new(&mut dice, closed);
        for _ in 0..20 {
            let mut files = healthy.files.clone();
            let how = damage(&mut files, &mut dice);
            let home = unpack(Path::new(""), &files);
            let fate = look(home.path(), &healthy, how.contains("-wal"))
                .map_err(|e| format!("{e} ({how})"))?;
            noticed.fetch_add(u64::from(fate == Fate::Noticed), Ordering::Relaxed);
            before.fetch_add(u64::from(fate == Fate::Before), Ordering::Relaxed);
            tried.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    });
    let (noticed, before) = (noticed.into_inner(), before.into_inner());
    assert!(noticed > count / 4, "MOBULA_CRASH_SEED={seed}: only {noticed} were noticed");
    let what = format!("{tried} stores, {noticed} noticed, {before} logs cut, 0 wrong");
    tell("bit rot", &what, seed);
}
