//! The layer of files beside the database. Each step that a crash could come between is a call of its
//! own, so that a test can write it down or have it fail.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

/// Bytes of one write, at most: longer ones are three times as slow on ext4, since the kernel takes them
/// page by page with its own lock held.
pub const WRITE_BYTES_MAX: usize = 1 << 20;

/// What the store does with files of its own.
pub trait Files: Debug + Send + Sync {
    /// Makes a folder, where it is missing, with those above it.
    fn make_folder(&self, folder: &Path) -> io::Result<()>;
    /// A new, empty file; one that is there is an error.
    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>>;
    /// Gives a file another name; one that is there is replaced.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Opens a file to be read from its beginning.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read>>;
    /// Takes a file away.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// What is in a folder, in no particular order; nothing when it is missing.
    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>>;
    /// Bytes that can still be written to the disk of a folder.
    fn free_bytes(&self, folder: &Path) -> io::Result<u64>;
}

/// A file that is being written.
pub trait NewFile: Debug {
    /// Adds bytes, all of them; they are at most [`WRITE_BYTES_MAX`].
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes what was written durable.
    fn sync(&mut self) -> io::Result<()>;
}

/// Something in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub path: PathBuf,
    /// Bytes of a file; 0 for a folder.
    pub bytes: u64,
    /// Whether it is a folder.
    pub folder: bool,
}

/// The files of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Files for Disk {
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        Ok(Box::new(DiskFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read>> {
        Ok(Box::new(File::open(path)?))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        let entries = match fs::read_dir(folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry?;
            match entry.metadata() {
                Ok(about) => found.push(Entry {
                    path: entry.path(),
                    bytes: if about.is_dir() { 0 } else { about.len() },
                    folder: about.is_dir(),
                }),
                // Gone since it was listed.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        Ok(found)
    }

    fn free_bytes(&self, folder: &Path) -> io::Result<u64> {
        let about = rustix::fs::statvfs(folder)?;
        Ok(about.f_bavail.saturating_mul(about.f_frsize))
    }
}

#[derive(Debug)]
struct DiskFile(File);

impl NewFile for DiskFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_written_named_listed_and_removed() {
        let home = tempfile::tempdir().unwrap();
        let (part, path) = (home.path().join("x.part"), home.path().join("x"));
        let mut file = Disk.create(&part).unwrap();
        file.write(b"by").unwrap();
        file.write(b"tes").unwrap();
        file.sync().unwrap();
        assert!(Disk.create(&part).is_err(), "one that is there");
        Disk.rename(&part, &path).unwrap();
        Disk.sync_folder(home.path()).unwrap();
        let mut found = Vec::new();
        Disk.open(&path).unwrap().read_to_end(&mut found).unwrap();
        assert_eq!(found, b"bytes");
        let listed = Disk.list(home.path()).unwrap();
        assert_eq!(listed, [Entry { path: path.clone(), bytes: 5, folder: false }]);
        Disk.remove(&path).unwrap();
        assert_eq!(Disk.list(&home.path().join("missing")).unwrap(), []);
        assert!(Disk.free_bytes(home.path()).unwrap() > 0);
    }
}
