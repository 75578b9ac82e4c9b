//! Writes synthetic sets in the CIFAR-10 binary layout; what is drawn is decided in `draw`.

mod draw;
mod random;
mod shape;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::thread;

use crate::layout::{CLASSES_FILE, RECORD_BYTES, TEST_FILE, TRAIN_FILES};
use crate::progress::Progress;
use crate::staging::{Replaceable, Staging, StagingError};

pub use draw::{Split, render};
pub use shape::CLASS_NAMES;

/// Most rows in one split: 31 GB, by when a mistyped number is likelier than a wish.
pub const ROWS_MAX: u64 = 10_000_000;
/// Rows drawn between two writes: 3 MB of memory, and progress every few hundredths of a second.
const CHUNK_ROWS: usize = 1024;
/// Threads beyond this would wait for the disk.
const THREADS_MAX: usize = 16;
/// Says that a folder is the output of `synth`, and of which.
const MARKER_FILE: &str = "mobula-synth.json";
/// Version of the drawing: raised when the bytes for a seed change.
const DRAWING_VERSION: u32 = 1;

/// Everything that an earlier output can hold.
const OUTPUT_FILES: [&str; 8] = [
    TRAIN_FILES[0],
    TRAIN_FILES[1],
    TRAIN_FILES[2],
    TRAIN_FILES[3],
    TRAIN_FILES[4],
    TEST_FILE,
    CLASSES_FILE,
    MARKER_FILE,
];

/// What to write, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SynthOptions {
    /// Folder to write: new, empty, or an earlier output of `synth`, which is replaced.
    pub out: PathBuf,
    /// Training rows, split evenly over up to five files.
    pub train: u64,
    /// Test rows.
    pub test: u64,
    /// Seed of all that is drawn.
    pub seed: u64,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Synthesised {
    /// The folder.
    pub out: PathBuf,
    /// Names of the files in it, marker and class names included.
    pub files: Vec<String>,
    /// Training rows.
    pub train: u64,
    /// Test rows.
    pub test: u64,
    /// Seed of all that was drawn.
    pub seed: u64,
}

/// Why no synthetic set was written.
#[derive(Debug, thiserror::Error)]
pub enum SynthError {
    /// A split is empty or far too large.
    #[error("{rows} {split} rows asked for; ask for 1 to {ROWS_MAX}")]
    Rows {
        /// `train` or `test`.
        split: &'static str,
        /// How many were asked for.
        rows: u64,
    },
    /// The output folder cannot be used.
    #[error(transparent)]
    Staging(#[from] StagingError),
    /// The disk is full.
    #[error("no room left on the disk for `{}`; free some or choose another folder", path.display())]
    DiskFull {
        /// File that was being written.
        path: PathBuf,
    },
    /// A file could not be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The callback asked to stop; nothing was left behind.
    #[error("stopped before the data set was complete; nothing was written")]
    Stopped,
}

/// What the marker file says.
#[derive(serde::Serialize)]
struct Marker {
    #[serde(rename = "$type")]
    kind: &'static str,
    drawing: u32,
    seed: u64,
    train: u64,
    test: u64,
}

/// Draws a data set and writes it to `options.out`, which appears in one rename, complete.
///
/// Row `i` of a split depends on the seed, the split and `i` alone, so a larger set starts with
/// the rows of a smaller one (in order over the files). `progress` counts images of both splits.
///
/// # Errors
/// When a row count is out of bounds, the folder is taken, or the disk fails; see [`SynthError`].
pub fn synth(
    options: &SynthOptions,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Synthesised, SynthError> {
    for (split, rows) in [("train", options.train), ("test", options.test)] {
        if rows == 0 || rows > ROWS_MAX {
            return Err(SynthError::Rows { split, rows });
        }
    }
    let replaceable = Replaceable { marker: Some(MARKER_FILE), names: &OUTPUT_FILES };
    let staging = Staging::open(&options.out, replaceable)?;
    let mut writer = Writer {
        folder: staging.content(),
        seed: options.seed,
        done: 0,
        total: options.train + options.test,
        threads: thread::available_parallelism().map_or(1, NonZeroUsize::get).min(THREADS_MAX),
        buffer: vec![0; CHUNK_ROWS * RECORD_BYTES],
        progress,
    };
    let mut files = Vec::with_capacity(OUTPUT_FILES.len());
    for (name, rows) in train_files(options.train) {
        writer.write_rows(name, Split::Train, rows)?;
        files.push(name.to_owned());
    }
    writer.write_rows(TEST_FILE, Split::Test, 0..options.test)?;
    assert_eq!(writer.done, writer.total, "every row asked for was written");
    writer.write_text(CLASSES_FILE, &(CLASS_NAMES.join("\n") + "\n"))?;
    writer.write_text(MARKER_FILE, &marker(options))?;
    files.extend([TEST_FILE, CLASSES_FILE, MARKER_FILE].map(str::to_owned));
    staging.publish()?;
    let SynthOptions { out, train, test, seed } = options.clone();
    Ok(Synthesised { out, files, train, test, seed })
}

/// The training files with the rows of each: five as equal as can be, fewer for fewer rows.
fn train_files(rows: u64) -> impl Iterator<Item = (&'static str, Range<u64>)> {
    let count = rows.clamp(1, TRAIN_FILES.len() as u64);
    let start = move |file: u64| rows / count * file + file.min(rows % count);
    TRAIN_FILES
        .into_iter()
        .zip(0..count)
        .map(move |(name, file)| (name, start(file)..start(file + 1)))
}

fn marker(options: &SynthOptions) -> String {
    let marker = Marker {
        kind: "data.synth",
        drawing: DRAWING_VERSION,
        seed: options.seed,
        train: options.train,
        test: options.test,
    };
    serde_json::to_string(&marker).expect("numbers and a string always serialise") + "\n"
}

/// Fills files of one output folder and counts.
struct Writer<'a> {
    folder: &'a Path,
    seed: u64,
    done: u64,
    total: u64,
    threads: usize,
    buffer: Vec<u8>,
    progress: &'a mut dyn FnMut(Progress) -> ControlFlow<()>,
}

impl Writer<'_> {
    fn write_rows(&mut self, name: &str, split: Split, rows: Range<u64>) -> Result<(), SynthError> {
        let path = self.folder.join(name);
        let mut file = File::create_new(&path).map_err(write_error(&path))?;
        let mut next = rows.start;
        while next < rows.end {
            let count = (rows.end - next).min(CHUNK_ROWS as u64) as usize;
            let chunk = &mut self.buffer[..count * RECORD_BYTES];
            draw_rows(chunk, self.seed, split, next, self.threads);
            file.write_all(chunk).map_err(write_error(&path))?;
            next += count as u64;
            self.done += count as u64;
            let state = Progress { done: self.done, total: Some(self.total) };
            if (self.progress)(state).is_break() {
                return Err(SynthError::Stopped);
            }
        }
        Ok(())
    }

    fn write_text(&self, name: &str, text: &str) -> Result<(), SynthError> {
        let path = self.folder.join(name);
        fs::write(&path, text).map_err(write_error(&path))
    }
}

/// Draws rows from `first` on into `chunk`, in equal parts by `threads` threads.
fn draw_rows(chunk: &mut [u8], seed: u64, split: Split, first: u64, threads: usize) {
    assert_eq!(chunk.len() % RECORD_BYTES, 0, "a chunk holds whole records");
    let share = (chunk.len() / RECORD_BYTES).div_ceil(threads).max(1);
    thread::scope(|scope| {
        for (part, records) in chunk.chunks_mut(share * RECORD_BYTES).enumerate() {
            let start = first + (part * share) as u64;
            scope.spawn(move || {
                for (index, record) in (start..).zip(records.chunks_exact_mut(RECORD_BYTES)) {
                    record.copy_from_slice(&render(seed, split, index));
                }
            });
        }
    });
}

fn write_error(path: &Path) -> impl FnOnce(io::Error) -> SynthError {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::StorageFull => SynthError::DiskFull { path },
        _ => SynthError::Write { path, source },
    }
}
