//! Finds the batches: in the mount itself, in the folder of a published archive, or in the archive.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use mobula_guest::{Error, Result};

use crate::batch::Batch;

/// The parts to train on, in order; the binary version adds `.bin`.
pub(crate) const TRAIN: [&str; 5] =
    ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"];
/// The part to test on.
pub(crate) const TEST: &str = "test_batch";
/// Folders inside the published archives.
const FOLDERS: [&str; 2] = ["cifar-10-batches-bin", "cifar-10-batches-py"];
/// Bytes of one batch, at most: six times a published one.
const BATCH_BYTES_MAX: u64 = 192 << 20;

/// Where the batches are.
pub(crate) enum Source {
    Folder(PathBuf),
    /// The archive, and its batches by their file names.
    Archive(PathBuf, BTreeMap<String, Vec<u8>>),
}

impl Source {
    pub(crate) fn find(mount: &Path) -> Result<Self> {
        let entries = fs::read_dir(mount).map_err(|e| {
            Error::Denied(format!("cannot read the mount `data`: {e}: grant it a folder"))
        })?;
        let mut names: Vec<String> = Vec::new();
        for entry in entries {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        if names.iter().any(|name| is_batch(name)) {
            return Ok(Self::Folder(mount.to_owned()));
        }
        for folder in FOLDERS {
            if names.iter().any(|name| name == folder) {
                return Ok(Self::Folder(mount.join(folder)));
            }
        }
        let archives =
            names.iter().filter(|name| name.ends_with(".tar.gz") || name.ends_with(".tgz"));
        // The binary version is read several times faster.
        if let Some(name) = archives.min_by_key(|name| !name.contains("binary")) {
            return Self::unpack(mount.join(name));
        }
        let there = if names.is_empty() { "it is empty".to_owned() } else { names.join(", ") };
        Err(Error::Invalid(format!(
            "no CIFAR-10 in the mount `data`: there must be data_batch_1.bin or data_batch_1, one of \
             the folders {}, or a .tar.gz ({there})",
            FOLDERS.join(", ")
        )))
    }

    fn unpack(path: PathBuf) -> Result<Self> {
        let name = file_name(&path);
        let damaged = |e: std::io::Error| Error::Invalid(format!("{name} is damaged: {e}"));
        let mut batches = BTreeMap::new();
        let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(File::open(&path)?)));
        for entry in archive.entries().map_err(damaged)? {
            let entry = entry.map_err(damaged)?;
            let inside = file_name(&entry.path().map_err(damaged)?);
            if !entry.header().entry_type().is_file() || !is_batch(&inside) {
                continue;
            }
            let mut bytes = Vec::new();
            entry.take(BATCH_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(damaged)?;
            batches.insert(inside, bytes);
        }
        Ok(Self::Archive(path, batches))
    }

    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Folder(path) | Self::Archive(path, _) => path.display().to_string(),
        }
    }

    /// The batch of this name, in whichever version is there.
    pub(crate) fn batch(&mut self, name: &str) -> Result<Batch> {
        let binary = format!("{name}.bin");
        if let Some(bytes) = self.bytes(&binary)? {
            return Batch::from_binary(&binary, &bytes);
        }
        if let Some(bytes) = self.bytes(name)? {
            return Batch::from_pickle(name, &bytes);
        }
        let place = self.describe();
        Err(Error::Invalid(format!("{place} has no batch {binary} or {name}")))
    }

    fn bytes(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        let bytes = match self {
            Self::Archive(_, batches) => batches.remove(name),
            Self::Folder(folder) => match File::open(folder.join(name)) {
                Ok(file) => {
                    let mut bytes = Vec::new();
                    file.take(BATCH_BYTES_MAX + 1).read_to_end(&mut bytes)?;
                    Some(bytes)
                }
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
                Err(e) => return Err(e.into()),
            },
        };
        match bytes {
            Some(bytes) if bytes.len() as u64 > BATCH_BYTES_MAX => {
                Err(Error::Invalid(format!("{name} is larger than {BATCH_BYTES_MAX} bytes")))
            }
            other => Ok(other),
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn is_batch(name: &str) -> bool {
    let stem = name.strip_suffix(".bin").unwrap_or(name);
    stem == TEST || TRAIN.contains(&stem)
}
