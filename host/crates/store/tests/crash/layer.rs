//! The file layer of a watched home: what the shim is to the database, for the files beside it.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mobula_store::{Disk as System, Entry, Files, NewFile, OpenOptions, Store, StoreError};

use crate::disk::{Call, Disk, FileId, Harm, Op, disk_of};
use crate::vfs;

/// Longer checkpoints are files: small enough that there are some.
const INLINE_BYTES: u64 = 80_000;

/// Opens a store on the shim and on this layer.
pub(crate) fn open(home: &Path) -> Result<Store, StoreError> {
    vfs::register();
    let vfs = vfs::NAME.to_str().expect("it is ASCII").to_owned();
    Store::open_with(
        home,
        &OpenOptions {
            vfs: Some(vfs),
            files: Arc::new(Layer),
            inline_bytes_max: INLINE_BYTES,
            file_bytes_max: 1 << 20,
        },
    )
}

#[derive(Debug)]
struct Layer;

/// What the system would say.
fn error(harm: Harm) -> io::Error {
    io::Error::from_raw_os_error(match harm {
        Harm::Eio | Harm::Fsync => libc::EIO,
        Harm::Enospc | Harm::Short => libc::ENOSPC,
        Harm::Eintr => libc::EINTR,
    })
}

/// Has a call done, refused or entered.
fn call<T>(
    (kind, path): (Call, &Path),
    perform: impl FnOnce() -> io::Result<T>,
    done: impl FnOnce(&mut crate::disk::Names<'_>) -> Option<Op>,
) -> io::Result<T> {
    match disk_of(path) {
        None => perform(),
        Some(disk) => disk.call(
            (kind, path),
            |harm| harm.map_or_else(perform, |harm| Err(error(harm))),
            |names, answer, _| if answer.is_ok() { done(names) } else { None },
        ),
    }
}

impl Files for Layer {
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        let new: Vec<PathBuf> =
            folder.ancestors().take_while(|f| !f.exists()).map(Path::to_owned).collect();
        for path in new.iter().rev() {
            let op = Op::MakeDir { path: path.clone() };
            call((Call::Open, path), || System.make_folder(path), |_| Some(op))?;
        }
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        let mut number = 0;
        let made = call(
            (Call::Open, path),
            || System.create(path),
            |names| {
                number = names.create(path);
                Some(Op::Create { file: number, path: path.to_owned() })
            },
        )?;
        Ok(match disk_of(path) {
            None => made,
            Some(disk) => {
                Box::new(Watched { path: path.to_owned(), disk, file: number, len: 0, made })
            }
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        call(
            (Call::Rename, to),
            || System.rename(from, to),
            |names| {
                let file = names.rename(from, to);
                Some(Op::Rename { file, from: from.to_owned(), to: to.to_owned() })
            },
        )
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let op = Op::SyncDir { dir: folder.to_owned() };
        call((Call::SyncDir, folder), || System.sync_folder(folder), |_| Some(op))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read>> {
        let made = call((Call::Open, path), || System.open(path), |_| None)?;
        Ok(Box::new(Reader { path: path.to_owned(), again: false, made }))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        call(
            (Call::Delete, path),
            || System.remove(path),
            |names| {
                names.remove(path);
                Some(Op::Remove { path: path.to_owned() })
            },
        )
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        call((Call::List, folder), || System.list(folder), |_| None)
    }

    fn free_bytes(&self, folder: &Path) -> io::Result<u64> {
        call((Call::Size, folder), || System.free_bytes(folder), |_| None)
    }
}

#[derive(Debug)]
struct Watched {
    path: PathBuf,
    disk: Arc<Disk>,
    file: FileId,
    /// Bytes that were written.
    len: u64,
    made: Box<dyn NewFile>,
}

impl NewFile for Watched {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (file, made) = (self.file, &mut self.made);
        let at = self.len;
        self.len += bytes.len() as u64;
        self.disk.call(
            (Call::Write, &self.path),
            |harm| match harm {
                // Whoever writes asks again until all is done.
                None | Some(Harm::Eintr) => made.write(bytes),
                Some(Harm::Short) => {
                    made.write(&bytes[..bytes.len() / 2])?;
                    Err(error(Harm::Short))
                }
                Some(harm) => Err(error(harm)),
            },
            |_, answer, harm| {
                let bytes = match (answer.is_ok(), harm) {
                    (true, _) => bytes,
                    (false, Some(Harm::Short)) => &bytes[..bytes.len() / 2],
                    (false, _) => return None,
                };
                Some(Op::Write { file, at, bytes: bytes.to_vec() })
            },
        )
    }

    fn sync(&mut self) -> io::Result<()> {
        let (file, made) = (self.file, &mut self.made);
        self.disk.call(
            (Call::Sync, &self.path),
            |harm| harm.map_or_else(|| made.sync(), |harm| Err(error(harm))),
            |_, answer, _| {
                Some(if answer.is_ok() { Op::Sync { file } } else { Op::SyncFailed { file } })
            },
        )
    }
}

/// A file that is read.
struct Reader {
    path: PathBuf,
    /// The last call was interrupted: the next one is not.
    again: bool,
    made: Box<dyn Read>,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let made = &mut self.made;
        if std::mem::take(&mut self.again) {
            return made.read(buffer);
        }
        let answer = call((Call::Read, &self.path), || made.read(buffer), |_| None);
        self.again = answer.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::Interrupted);
        answer
    }
}
