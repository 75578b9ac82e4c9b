//! A VFS of sqlite that stands before the system's own: what concerns a watched home is told to its
//! [`Disk`], and fails where the disk says so; everything is then done by the system's, shared memory
//! and locks too.
//!
//! Written by hand. `sqlite-plugin` and `sqlite-vfs` are for file systems of one's own: they would have us
//! write locks and shared memory between processes again, which is what is to be tested; the first also
//! needs libclang. Passing through takes less code than either would.

#![expect(unsafe_code, reason = "sqlite's file systems are tables of C functions")]

mod calls;
mod file;

use std::ffi::{CStr, OsStr, c_char, c_int};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicPtr, Ordering};

use rusqlite::ffi;

use crate::disk::{Call, Harm, Op, disk_of};

pub(crate) use calls::interruptions;

/// The name under which sqlite knows it.
pub(crate) const NAME: &CStr = c"mobula-crash";

/// The system's own.
static SYSTEM: AtomicPtr<ffi::sqlite3_vfs> = AtomicPtr::new(ptr::null_mut());

/// Makes it known to sqlite, once.
pub(crate) fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: no name asks for the default, which lives as long as the process; null is checked.
        let system = unsafe { ffi::sqlite3_vfs_find(ptr::null()) };
        assert!(!system.is_null(), "sqlite has a default file system");
        // SAFETY: it is not null, and nobody writes to it.
        let own = unsafe { &*system };
        calls::hook(own);
        SYSTEM.store(system, Ordering::Release);
        let ours = ffi::sqlite3_vfs {
            szOsFile: file::bytes(own.szOsFile),
            pNext: ptr::null_mut(),
            zName: NAME.as_ptr(),
            xOpen: Some(open),
            xDelete: Some(delete),
            // The rest asks nothing of its first argument, or gets what the system's has there.
            ..*own
        };
        // SAFETY: the table is never freed, its functions are ours or the system's.
        let done = unsafe { ffi::sqlite3_vfs_register(Box::into_raw(Box::new(ours)), 0) };
        assert_eq!(done, ffi::SQLITE_OK, "the file system is registered");
    });
}

/// The path that sqlite gave.
///
/// # Safety
/// `name` is null or ends with a zero, and lives during the call.
unsafe fn path(name: *const c_char) -> Option<PathBuf> {
    if name.is_null() {
        return None;
    }
    // SAFETY: as this function asks for.
    let name = unsafe { CStr::from_ptr(name) };
    Some(Path::new(OsStr::from_bytes(name.to_bytes())).to_owned())
}

/// Opens a file, ours around the system's.
unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    to: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: sqlite gives a name that ends with a zero, or none.
    let path = unsafe { path(name) };
    let disk = path.as_deref().and_then(disk_of);
    let system = SYSTEM.load(Ordering::Acquire);
    let open = || {
        // SAFETY: `to` has the bytes that we asked for in `szOsFile`; the rest comes from sqlite as it is.
        unsafe { file::open(system, name, to, flags, out) }
    };
    let (Some(disk), Some(path)) = (disk, path) else { return open() };
    let new = !path.exists();
    let answer = disk.call(
        (Call::Open, &path),
        |harm| match harm {
            Some(Harm::Enospc) => ffi::SQLITE_FULL,
            Some(_) => ffi::SQLITE_CANTOPEN,
            None => open(),
        },
        |names, answer, _| {
            let made = new && *answer == ffi::SQLITE_OK;
            made.then(|| Op::Create { file: names.create(&path), path: path.clone() })
        },
    );
    if answer == ffi::SQLITE_OK {
        // A log's first sync makes its name durable as well: that is what the system's does.
        let logs = ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_MAIN_JOURNAL;
        let names = flags & ffi::SQLITE_OPEN_CREATE != 0 && flags & logs != 0;
        // SAFETY: the file was just opened by us.
        unsafe { file::watch(to, disk, path, names) };
    } else {
        // SAFETY: `to` is sqlite's room for the file. Without methods it is not closed.
        unsafe { (*to).pMethods = ptr::null() };
    }
    answer
}

/// Removes a file, and makes that durable where sqlite asks for it.
unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    // SAFETY: sqlite gives a name that ends with a zero, or none.
    let path = unsafe { path(name) };
    let system = SYSTEM.load(Ordering::Acquire);
    let delete = || {
        // SAFETY: the system's function gets what sqlite gave, and its own table.
        unsafe { (*system).xDelete.expect("the system can delete")(system, name, sync) }
    };
    let Some((path, disk)) =
        path.and_then(|path| Some((disk_of(&path)?, path))).map(|(d, p)| (p, d))
    else {
        return delete();
    };
    let answer = disk.call(
        (Call::Delete, &path),
        |harm| harm.map_or_else(delete, |_| ffi::SQLITE_IOERR_DELETE),
        |names, answer, _| {
            (*answer == ffi::SQLITE_OK).then(|| {
                names.remove(&path);
                Op::Remove { path: path.clone() }
            })
        },
    );
    if answer == ffi::SQLITE_OK && sync != 0 {
        let dir = path.parent().expect("a file is in a folder").to_owned();
        return disk.call(
            (Call::SyncDir, &dir),
            |harm| harm.map_or(ffi::SQLITE_OK, |_| ffi::SQLITE_IOERR_DIR_FSYNC),
            |_, answer, _| (*answer == ffi::SQLITE_OK).then(|| Op::SyncDir { dir: dir.clone() }),
        );
    }
    answer
}
