//! What the shim and the file layer tell of a home folder: every call in one order, and which call is to
//! fail. A home that nobody watches is passed through.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A file, whatever its name is at the moment: what the system calls an inode.
pub(crate) type FileId = u32;

/// One thing that was done to the disk, or said by the test.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    /// A file that was not there before.
    Create { file: FileId, path: PathBuf },
    /// Bytes at an offset.
    Write { file: FileId, at: u64, bytes: Vec<u8> },
    /// A new length.
    Truncate { file: FileId, len: u64 },
    /// All of the file so far is on the disk.
    Sync { file: FileId },
    /// The same was asked for and refused: what was not on the disk may never come there, although it
    /// can be read until the power fails.
    SyncFailed { file: FileId },
    /// Names in a folder are on the disk.
    SyncDir { dir: PathBuf },
    /// Another name.
    Rename { file: FileId, from: PathBuf, to: PathBuf },
    /// A folder that was not there before.
    MakeDir { path: PathBuf },
    /// No name.
    Remove { path: PathBuf },
    /// The workload begins its act of this number.
    Begin(usize),
    /// The act was acknowledged.
    Done(usize),
}

/// Calls that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Call {
    Open,
    Read,
    Write,
    Truncate,
    Sync,
    SyncDir,
    Size,
    Delete,
    Rename,
    Map,
    List,
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Harm {
    /// The device gives an error.
    Eio,
    /// No room.
    Enospc,
    /// Half of the bytes, then no room.
    Short,
    /// A signal came between; whoever asks again succeeds.
    Eintr,
    /// `fsync` fails.
    Fsync,
}

impl Harm {
    pub(crate) const ALL: [Self; 5] =
        [Self::Eio, Self::Enospc, Self::Short, Self::Eintr, Self::Fsync];

    fn fits(self, call: Call) -> bool {
        match self {
            Self::Eio => !matches!(call, Call::Sync | Call::SyncDir),
            Self::Enospc => matches!(call, Call::Write | Call::Open | Call::Truncate),
            Self::Short => call == Call::Write,
            Self::Eintr => matches!(call, Call::Write | Call::Read),
            Self::Fsync => matches!(call, Call::Sync | Call::SyncDir),
        }
    }
}

/// Which call fails: the `nth` of those that the harm fits, counted from 1, and those after it too.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) harm: Harm,
    pub(crate) nth: u64,
    pub(crate) forever: bool,
}

/// Calls that failed, of which is remembered which they were.
const HITS_MAX: usize = 16;
/// More calls than these while one fault lasts are made by something that never gives up.
const CALLS_MAX: u64 = 1_000_000;

#[derive(Debug, Default)]
struct State {
    ops: Option<Vec<Op>>,
    files: HashMap<PathBuf, FileId>,
    next: FileId,
    fault: Option<Fault>,
    calls: u64,
    hits: Vec<(Call, PathBuf)>,
    /// A lie for the detectors' sake: which syncs are acknowledged and not done.
    deaf: Option<Deaf>,
}

/// The disk under one home folder.
#[derive(Debug)]
pub(crate) struct Disk {
    home: PathBuf,
    state: Mutex<State>,
}

static WATCHED: Mutex<Vec<Arc<Disk>>> = Mutex::new(Vec::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A test that failed has poisoned it; the others go on.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The disk that a path is on.
pub(crate) fn disk_of(path: &Path) -> Option<Arc<Disk>> {
    lock(&WATCHED).iter().find(|disk| path.starts_with(&disk.home)).cloned()
}

/// All files below a folder, in order.
pub(crate) fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(folder).expect("a folder of ours");
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            found.extend(files_under(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Watches a home folder until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch(Arc<Disk>);

impl Drop for Watch {
    fn drop(&mut self) {
        lock(&WATCHED).retain(|disk| !Arc::ptr_eq(disk, &self.0));
    }
}

impl std::ops::Deref for Watch {
    type Target = Disk;

    fn deref(&self) -> &Disk {
        &self.0
    }
}

impl Watch {
    /// `home` must be there; what is in it counts as on the disk.
    pub(crate) fn new(home: &Path) -> Self {
        let home = home.canonicalize().expect("the home is there");
        let disk = Arc::new(Disk { home, state: Mutex::default() });
        lock(&WATCHED).push(Arc::clone(&disk));
        Self(disk)
    }
}

impl Disk {
    /// Enters all calls from now on. What is in the folder counts as on the disk, and is given.
    pub(crate) fn record(&self) -> Vec<(FileId, PathBuf, Vec<u8>)> {
        let mut state = lock(&self.state);
        state.ops = Some(Vec::new());
        let mut there = Vec::new();
        for path in files_under(&self.home) {
            let bytes = std::fs::read(&path).expect("a file of the home");
            there.push((Names(&mut state).of(&path), path, bytes));
        }
        there
    }

    /// What was entered.
    pub(crate) fn recorded(&self) -> Vec<Op> {
        lock(&self.state).ops.take().unwrap_or_default()
    }

    /// The folder, as the system names it.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// Has calls fail from now on; counts begin anew.
    pub(crate) fn harm(&self, fault: Option<Fault>) {
        let mut state = lock(&self.state);
        (state.fault, state.calls) = (fault, 0);
        state.hits.clear();
    }

    /// Calls that failed since [`Self::harm`].
    pub(crate) fn hits(&self) -> Vec<(Call, PathBuf)> {
        lock(&self.state).hits.clone()
    }

    /// From now on some syncs are acknowledged and not entered, as if the disk ignored them.
    pub(crate) fn ignore_syncs(&self, which: Deaf) {
        lock(&self.state).deaf = Some(which);
    }

    /// A sync of a folder that happened beside another call.
    pub(crate) fn mark_sync(&self, dir: &Path) {
        if !lock(&self.state).ignores(Call::SyncDir, dir) {
            self.mark(Op::SyncDir { dir: dir.to_owned() });
        }
    }

    pub(crate) fn mark(&self, op: Op) {
        if let Some(ops) = &mut lock(&self.state).ops {
            ops.push(op);
        }
    }

    /// Carries out one call: refuses it where that was planned, else does it; then enters what it did,
    /// which a refused one may have done in part. Nothing else happens meanwhile, so that the order is
    /// what really happened.
    pub(crate) fn call<T>(
        &self,
        (call, path): (Call, &Path),
        perform: impl FnOnce(Option<Harm>) -> T,
        done: impl FnOnce(&mut Names<'_>, &T, Option<Harm>) -> Option<Op>,
    ) -> T {
        let mut state = lock(&self.state);
        let harm = state.planned(call, path);
        let answer = perform(harm);
        let silent = state.ignores(call, path);
        if state.ops.is_some() && !silent {
            let op = done(&mut Names(&mut state), &answer, harm);
            state.ops.as_mut().expect("it was there").extend(op);
        }
        answer
    }

    /// The number of a file that was just opened.
    pub(crate) fn opened(&self, path: &Path) -> FileId {
        Names(&mut lock(&self.state)).of(path)
    }
}

/// Tells whether the sync of a file or folder is ignored.
pub(crate) type Deaf = fn(&Path) -> bool;

impl State {
    fn ignores(&self, call: Call, path: &Path) -> bool {
        matches!(call, Call::Sync | Call::SyncDir) && self.deaf.is_some_and(|deaf| deaf(path))
    }

    fn planned(&mut self, call: Call, path: &Path) -> Option<Harm> {
        let fault = self.fault?;
        if !fault.harm.fits(call) {
            return None;
        }
        self.calls += 1;
        let hit = self.calls == fault.nth || (fault.forever && self.calls > fault.nth);
        if hit && self.hits.len() < HITS_MAX {
            self.hits.push((call, path.to_owned()));
        }
        // Nobody could end a thread that asks for ever.
        if self.calls > CALLS_MAX {
            eprintln!("{call:?} of {} was asked for again and again: {fault:?}", path.display());
            std::process::abort();
        }
        hit.then_some(fault.harm)
    }
}

/// Which file has which name, as far as the process sees.
pub(crate) struct Names<'a>(&'a mut State);

impl Names<'_> {
    /// The file of this name, which may be new to us.
    pub(crate) fn of(&mut self, path: &Path) -> FileId {
        if let Some(file) = self.0.files.get(path) {
            return *file;
        }
        self.create(path)
    }

    pub(crate) fn create(&mut self, path: &Path) -> FileId {
        self.0.next += 1;
        self.0.files.insert(path.to_owned(), self.0.next);
        self.0.next
    }

    pub(crate) fn rename(&mut self, from: &Path, to: &Path) -> FileId {
        let file = self.of(from);
        self.0.files.remove(from);
        self.0.files.insert(to.to_owned(), file);
        file
    }

    pub(crate) fn remove(&mut self, path: &Path) {
        self.0.files.remove(path);
    }
}
