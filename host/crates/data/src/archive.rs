//! Unpacks the CIFAR-10 archive into a folder in the binary layout, taking the files of that layout
//! and nothing else; getting the archive is `fetch`'s part.

use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use crate::layout::{CLASSES_FILE, RECORD_BYTES, TEST_FILE, TRAIN_FILES};
use crate::staging::{Replaceable, Staging, StagingError};

/// Largest file unpacked: a batch of CIFAR-10 has 10,000 records, this is ten times as much.
const FILE_BYTES_MAX: u64 = 100_000 * RECORD_BYTES as u64;
/// Most bytes read from the decompressor, so that a small archive cannot keep it busy for ever.
const UNPACKED_BYTES_MAX: u64 = 10 * FILE_BYTES_MAX;
/// What a data set consists of.
const WANTED: [&str; 7] = [
    TRAIN_FILES[0],
    TRAIN_FILES[1],
    TRAIN_FILES[2],
    TRAIN_FILES[3],
    TRAIN_FILES[4],
    TEST_FILE,
    CLASSES_FILE,
];

/// Why an archive was not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The archive could not be read, or is no `.tar.gz`.
    #[error("cannot read `{}` as a .tar.gz archive", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// A file of the data set is not in the archive.
    #[error("`{}` holds no `{missing}`; is it the binary version of CIFAR-10", path.display())]
    Missing {
        /// The archive.
        path: PathBuf,
        /// The file's name.
        missing: &'static str,
    },
    /// A file of the data set stands in the archive twice.
    #[error("`{}` holds `{name}` twice; get the archive again", path.display())]
    Twice {
        /// The archive.
        path: PathBuf,
        /// The file's name.
        name: &'static str,
    },
    /// A file in the archive is larger than any batch.
    #[error("`{name}` in `{}` has {bytes} bytes; at most {FILE_BYTES_MAX} are taken", path.display())]
    TooLarge {
        /// The archive.
        path: PathBuf,
        /// The file's name.
        name: &'static str,
        /// Its size.
        bytes: u64,
    },
    /// The disk is full.
    #[error("no room left on the disk for `{}`; free some or choose another folder", path.display())]
    DiskFull {
        /// File that was being written.
        path: PathBuf,
    },
    /// The output folder cannot be used.
    #[error(transparent)]
    Staging(#[from] StagingError),
}

/// Unpacks the data set in `archive` into the folder `out`, which must be new or empty and appears
/// in one rename, complete. Folders inside the archive are ignored, and so is every other file.
///
/// # Errors
/// When the archive is damaged, incomplete or too large, or the folder is taken.
pub fn unpack(archive: &Path, out: &Path) -> Result<(), UnpackError> {
    let archive_error = |source| UnpackError::Archive { path: archive.to_owned(), source };
    let staging = Staging::open(out, Replaceable { marker: None, names: &[] })?;
    let file = BufReader::new(File::open(archive).map_err(archive_error)?);
    let mut entries = tar::Archive::new(GzDecoder::new(file).take(UNPACKED_BYTES_MAX));
    let mut found = [false; WANTED.len()];
    for entry in entries.entries().map_err(archive_error)? {
        let mut entry = entry.map_err(archive_error)?;
        let path = entry.path().map_err(archive_error)?;
        let known = WANTED.iter().position(|name| path.file_name() == Some(name.as_ref()));
        let Some(index) = known.filter(|_| entry.header().entry_type().is_file()) else {
            continue;
        };
        let name = WANTED[index];
        if std::mem::replace(&mut found[index], true) {
            return Err(UnpackError::Twice { path: archive.to_owned(), name });
        }
        let bytes = entry.size();
        if bytes > FILE_BYTES_MAX {
            return Err(UnpackError::TooLarge { path: archive.to_owned(), name, bytes });
        }
        let target = staging.content().join(name);
        copy(&mut entry, &target, archive)?;
    }
    if let Some(index) = found.iter().position(|found| !found) {
        return Err(UnpackError::Missing { path: archive.to_owned(), missing: WANTED[index] });
    }
    Ok(staging.publish()?)
}

fn copy(from: &mut impl io::Read, target: &Path, archive: &Path) -> Result<(), UnpackError> {
    let mut file = File::create_new(target).map_err(|source| StagingError::Io {
        action: "create",
        path: target.to_owned(),
        source,
    })?;
    io::copy(from, &mut file).map_err(|source| match source.kind() {
        io::ErrorKind::StorageFull => UnpackError::DiskFull { path: target.to_owned() },
        _ => UnpackError::Archive { path: archive.to_owned(), source },
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::Path;

    use flate2::{Compression, write::GzEncoder};

    use super::{UnpackError, WANTED, unpack};
    use crate::staging::StagingError;

    fn write_archive(path: &Path, names: &[&str]) {
        let encoder = GzEncoder::new(File::create(path).unwrap(), Compression::fast());
        let mut builder = tar::Builder::new(encoder);
        for name in names {
            let mut header = tar::Header::new_gnu();
            header.set_size(3);
            header.set_mode(0o644);
            header.set_cksum();
            let path = format!("cifar-10-batches-bin/{name}");
            builder.append_data(&mut header, path, &b"abc"[..]).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap();
    }

    #[test]
    fn the_data_set_is_unpacked_without_its_folder_and_extras() {
        let home = tempfile::tempdir().unwrap();
        let (archive, out) = (home.path().join("a.tar.gz"), home.path().join("out"));
        write_archive(&archive, &[&WANTED[..], &["readme.html"]].concat());
        unpack(&archive, &out).unwrap();
        assert_eq!(fs::read_dir(&out).unwrap().count(), WANTED.len());
        assert_eq!(fs::read(out.join("test_batch.bin")).unwrap(), b"abc");
        let again = unpack(&archive, &out).unwrap_err();
        assert!(matches!(again, UnpackError::Staging(StagingError::Occupied { .. })));
    }

    #[test]
    fn damaged_and_incomplete_archives_leave_nothing() {
        let home = tempfile::tempdir().unwrap();
        let (archive, out) = (home.path().join("a.tar.gz"), home.path().join("out"));
        write_archive(&archive, &WANTED[1..]);
        let error = unpack(&archive, &out).unwrap_err();
        assert!(matches!(error, UnpackError::Missing { missing: "data_batch_1.bin", .. }));
        write_archive(&archive, &[&WANTED[..], &WANTED[..1]].concat());
        assert!(matches!(unpack(&archive, &out), Err(UnpackError::Twice { .. })));
        let whole = fs::read(&archive).unwrap();
        fs::write(&archive, &whole[..whole.len() / 2]).unwrap();
        assert!(matches!(unpack(&archive, &out), Err(UnpackError::Archive { .. })));
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "only the archive is left");
    }
}
