//! What may be on a disk after the power failed: the recorded calls up to an instant, of which those that
//! were not synced happened, did not, happened in part, or in another order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::dice::Dice;
use crate::disk::{FileId, Op};

/// The disk at an instant of a recording.
#[derive(Debug, Default)]
pub(crate) struct Drive {
    files: BTreeMap<FileId, Content>,
    names: BTreeMap<PathBuf, FileId>,
    /// Changes of names that no sync of their folder has confirmed.
    renamings: Vec<Naming>,
    /// Folders made since the recording began, and those whose names are on the disk.
    made: BTreeSet<PathBuf>,
    kept: BTreeSet<PathBuf>,
}

#[derive(Debug, Default)]
struct Content {
    synced: Vec<u8>,
    pending: Vec<Piece>,
}

#[derive(Debug, Clone)]
enum Piece {
    Write { at: usize, bytes: Vec<u8> },
    Truncate(usize),
}

#[derive(Debug, Clone)]
enum Naming {
    Link { file: FileId, path: PathBuf },
    Rename { file: FileId, from: PathBuf, to: PathBuf },
    Unlink { path: PathBuf },
    Folder { path: PathBuf },
}

impl Naming {
    fn folder(&self) -> &Path {
        let (Self::Link { path, .. }
        | Self::Rename { to: path, .. }
        | Self::Unlink { path }
        | Self::Folder { path }) = self;
        path.parent().expect("a file is in a folder")
    }
}

/// How bad it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Nothing that was not synced is there.
    Lost,
    /// All of it is there.
    Whole,
    /// Of each file the first part of it, the last write torn.
    Prefix,
    /// Any of it, in any order, in units of 512 bytes to 64 KiB, some of them garbage.
    Torn,
}

/// Files of an image: paths and bytes.
pub(crate) type Image = Vec<(PathBuf, Vec<u8>)>;

impl Drive {
    /// A disk on which these files are.
    pub(crate) fn new(there: &[(FileId, PathBuf, Vec<u8>)]) -> Self {
        let mut drive = Self::default();
        for (file, path, bytes) in there {
            let content = Content { synced: bytes.clone(), pending: Vec::new() };
            drive.files.insert(*file, content);
            drive.names.insert(path.clone(), *file);
        }
        drive
    }

    /// The next call. A sync that failed is decided at once: its bytes come to the disk now or never.
    pub(crate) fn apply(&mut self, op: &Op, dice: &mut Dice) {
        match op {
            Op::Create { file, path } => {
                self.files.entry(*file).or_default();
                self.renamings.push(Naming::Link { file: *file, path: path.clone() });
            }
            Op::Write { file, at, bytes } => {
                let at = usize::try_from(*at).expect("a small file");
                self.pending(*file).push(Piece::Write { at, bytes: bytes.clone() });
            }
            Op::Truncate { file, len } => {
                let len = usize::try_from(*len).expect("a small file");
                self.pending(*file).push(Piece::Truncate(len));
            }
            Op::Sync { file } => {
                let content = self.files.entry(*file).or_default();
                for piece in std::mem::take(&mut content.pending) {
                    piece.apply(&mut content.synced);
                }
            }
            Op::SyncFailed { file } => {
                let content = self.files.entry(*file).or_default();
                let weather = if dice.one_in(2) { Weather::Lost } else { Weather::Torn };
                content.synced = content.after(weather, dice);
                content.pending.clear();
            }
            Op::SyncDir { dir } => self.sync_dir(dir),
            Op::MakeDir { path } => {
                self.made.insert(path.clone());
                self.renamings.push(Naming::Folder { path: path.clone() });
            }
            Op::Rename { file, from, to } => {
                let (file, from, to) = (*file, from.clone(), to.clone());
                if from.parent() == to.parent() {
                    self.renamings.push(Naming::Rename { file, from, to });
                } else {
                    self.renamings.push(Naming::Link { file, path: to });
                    self.renamings.push(Naming::Unlink { path: from });
                }
            }
            Op::Remove { path } => self.renamings.push(Naming::Unlink { path: path.clone() }),
            Op::Begin(_) | Op::Done(_) => {}
        }
    }

    fn pending(&mut self, file: FileId) -> &mut Vec<Piece> {
        &mut self.files.entry(file).or_default().pending
    }

    fn sync_dir(&mut self, dir: &Path) {
        let renamings = std::mem::take(&mut self.renamings);
        for naming in renamings {
            if naming.folder() != dir {
                self.renamings.push(naming);
                continue;
            }
            if let Naming::Folder { path } = &naming {
                self.kept.insert(path.clone());
            }
            rename(&mut self.names, &naming);
        }
    }

    /// How many images there could be at all is settled by this: without anything unsynced, one.
    pub(crate) fn is_settled(&self) -> bool {
        self.renamings.is_empty() && self.files.values().all(|content| content.pending.is_empty())
    }

    /// One of the disks that a power failure at this instant may leave.
    pub(crate) fn image(&self, weather: Weather, dice: &mut Dice) -> Image {
        let (mut names, mut kept) = (self.names.clone(), self.kept.clone());
        let first = match weather {
            Weather::Lost => 0,
            Weather::Whole => self.renamings.len(),
            Weather::Prefix | Weather::Torn => dice.index(self.renamings.len() + 1),
        };
        for (number, naming) in self.renamings.iter().enumerate() {
            // File systems keep changes of names in order, or do not.
            let happened = match weather {
                Weather::Torn => dice.one_in(2),
                _ => number < first,
            };
            if happened {
                if let Naming::Folder { path } = naming {
                    kept.insert(path.clone());
                }
                rename(&mut names, naming);
            }
        }
        let lost = |path: &PathBuf| {
            path.ancestors().any(|part| self.made.contains(part) && !kept.contains(part))
        };
        names.retain(|path, _| !lost(path));
        let bytes = |file: FileId, dice: &mut Dice| match self.files.get(&file) {
            Some(content) => content.after(weather, dice),
            None => Vec::new(),
        };
        names.into_iter().map(|(path, file)| (path, bytes(file, dice))).collect()
    }
}

fn rename(names: &mut BTreeMap<PathBuf, FileId>, naming: &Naming) {
    match naming {
        Naming::Link { file, path } => {
            names.insert(path.clone(), *file);
        }
        Naming::Rename { file, from, to } => {
            names.remove(from);
            names.insert(to.clone(), *file);
        }
        Naming::Unlink { path } => {
            names.remove(path);
        }
        Naming::Folder { .. } => {}
    }
}

impl Content {
    fn after(&self, weather: Weather, dice: &mut Dice) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        match weather {
            Weather::Lost => {}
            Weather::Whole => {
                self.pending.iter().for_each(|piece| piece.clone().apply(&mut bytes));
            }
            Weather::Prefix => {
                let whole = dice.index(self.pending.len() + 1);
                for piece in &self.pending[..whole] {
                    piece.clone().apply(&mut bytes);
                }
                if let Some(Piece::Write { at, bytes: last }) = self.pending.get(whole) {
                    let cut = dice.index(last.len() + 1);
                    overwrite(&mut bytes, *at, &last[..cut]);
                }
            }
            Weather::Torn => {
                let unit = 512 << dice.below(8);
                let mut units: Vec<Piece> =
                    self.pending.iter().flat_map(|piece| piece.units(unit)).collect();
                if dice.one_in(2) {
                    dice.shuffle(&mut units);
                }
                let (lost, garbage) = (2 + dice.below(6), 8 + dice.below(200));
                for mut piece in units {
                    if dice.one_in(lost) {
                        continue;
                    }
                    if let Piece::Write { bytes, .. } = &mut piece
                        && dice.one_in(garbage)
                    {
                        dice.fill(bytes);
                    }
                    piece.apply(&mut bytes);
                }
            }
        }
        bytes
    }
}

impl Piece {
    fn apply(self, to: &mut Vec<u8>) {
        match self {
            Self::Write { at, bytes } => overwrite(to, at, &bytes),
            Self::Truncate(len) => to.resize(len, 0),
        }
    }

    /// The same in pieces that end where a sector does.
    fn units(&self, unit: usize) -> Vec<Self> {
        let Self::Write { at, bytes } = self else { return vec![self.clone()] };
        let (mut at, mut rest, mut units) = (*at, bytes.as_slice(), Vec::new());
        while !rest.is_empty() {
            let (piece, more) = rest.split_at((unit - at % unit).min(rest.len()));
            units.push(Self::Write { at, bytes: piece.to_vec() });
            (at, rest) = (at + piece.len(), more);
        }
        units
    }
}

fn overwrite(to: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if to.len() < at + bytes.len() {
        to.resize(at + bytes.len(), 0);
    }
    to[at..at + bytes.len()].copy_from_slice(bytes);
}
