//! An open file: ours first, the system's behind it in the same room.

use std::ffi::{c_char, c_int, c_void};
use std::mem;
use std::path::PathBuf;
use std::ptr;
use std::sync::Arc;

use rusqlite::ffi;

use super::calls;
use crate::disk::{Call, Disk, FileId, Harm, Op};

/// What we know of a watched file.
struct Watched {
    disk: Arc<Disk>,
    path: PathBuf,
    file: FileId,
    /// The next sync makes its name durable, too.
    names: bool,
}

#[repr(C)]
struct File {
    /// What sqlite sees; must be first.
    base: ffi::sqlite3_file,
    /// Ours to free; null while nobody watches.
    watched: *mut Watched,
}

/// Bytes before the system's part: a multiple of any alignment that it needs.
const OURS: usize = mem::size_of::<File>().next_multiple_of(16);

/// Room for both parts.
pub(super) fn bytes(system: c_int) -> c_int {
    system + c_int::try_from(OURS).expect("a few bytes")
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    // Two: with shared memory, without mapping of the file, so that all reads are seen.
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// The system's part of a file, and its methods.
///
/// # Safety
/// `to` is room of [`bytes`], in which the system opened a file.
unsafe fn system(to: *mut ffi::sqlite3_file) -> (*mut ffi::sqlite3_file, &'static Methods) {
    // SAFETY: the room is larger than our part.
    let own = unsafe { to.cast::<u8>().add(OURS) }.cast::<ffi::sqlite3_file>();
    // SAFETY: an open file has methods, which are the system's constants.
    (own, unsafe { &*(*own).pMethods })
}

type Methods = ffi::sqlite3_io_methods;

/// What we know of a file.
///
/// # Safety
/// `to` was opened by [`open`]; the answer is used before anything else of the same file.
unsafe fn watched<'a>(to: *mut ffi::sqlite3_file) -> Option<&'a mut Watched> {
    // SAFETY: our part comes first, and `watched` is null or ours.
    unsafe { (*to.cast::<File>()).watched.as_mut() }
}

/// Opens the system's part.
///
/// # Safety
/// `to` is room of [`bytes`]; the others are as sqlite gave them.
pub(super) unsafe fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    to: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    let base = ffi::sqlite3_file { pMethods: ptr::null() };
    // SAFETY: the room is ours to fill.
    unsafe { to.cast::<File>().write(File { base, watched: ptr::null_mut() }) };
    // SAFETY: behind our part is the room that the system asked for.
    let own = unsafe { to.cast::<u8>().add(OURS) }.cast::<ffi::sqlite3_file>();
    // SAFETY: the system's function gets its own table and its own room.
    let answer = unsafe { (*vfs).xOpen.expect("the system can open")(vfs, name, own, flags, out) };
    if answer == ffi::SQLITE_OK {
        // SAFETY: as above. From here sqlite closes it.
        unsafe { (*to).pMethods = &raw const METHODS };
    }
    answer
}

/// Has what happens to the file told to a disk.
///
/// # Safety
/// `to` was opened by [`open`], and is not watched.
pub(super) unsafe fn watch(
    to: *mut ffi::sqlite3_file,
    disk: Arc<Disk>,
    path: PathBuf,
    names: bool,
) {
    let file = disk.opened(&path);
    let watched = Box::into_raw(Box::new(Watched { disk, path, file, names }));
    // SAFETY: as this function asks for; `close` frees it.
    unsafe { (*to.cast::<File>()).watched = watched };
}

unsafe extern "C" fn close(to: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: sqlite closes what `open` opened, once.
    unsafe {
        let (own, methods) = system(to);
        let watched = mem::replace(&mut (*to.cast::<File>()).watched, ptr::null_mut());
        if !watched.is_null() {
            drop(Box::from_raw(watched));
        }
        methods.xClose.expect("a file can be closed")(own)
    }
}

unsafe extern "C" fn read(
    to: *mut ffi::sqlite3_file,
    buffer: *mut c_void,
    len: c_int,
    at: i64,
) -> c_int {
    // SAFETY: sqlite gives an open file, and room of `len` bytes.
    unsafe {
        let (own, methods) = system(to);
        let read = || methods.xRead.expect("a file can be read")(own, buffer, len, at);
        let Some(watched) = watched(to) else { return read() };
        let perform = |harm: Option<Harm>| {
            harm.into_iter().for_each(calls::arm);
            let answer = read();
            calls::disarm();
            answer
        };
        watched.disk.call((Call::Read, &watched.path), perform, |_, _, _| None)
    }
}

unsafe extern "C" fn write(
    to: *mut ffi::sqlite3_file,
    buffer: *const c_void,
    len: c_int,
    at: i64,
) -> c_int {
    // SAFETY: sqlite gives an open file, and `len` bytes.
    unsafe {
        let (own, methods) = system(to);
        let write = || methods.xWrite.expect("a file can be written")(own, buffer, len, at);
        let Some(watched) = watched(to) else { return write() };
        let perform = |harm: Option<Harm>| {
            harm.into_iter().for_each(calls::arm);
            let answer = write();
            calls::disarm();
            answer
        };
        let len = usize::try_from(len).expect("a length");
        let bytes = std::slice::from_raw_parts(buffer.cast::<u8>(), len);
        watched.disk.call((Call::Write, &watched.path), perform, |_, answer, harm| {
            let bytes = match (*answer == ffi::SQLITE_OK, harm) {
                (true, _) => bytes,
                (false, Some(Harm::Short)) => &bytes[..len.div_ceil(2)],
                (false, _) => return None,
            };
            Some(Op::Write { file: watched.file, at: at.cast_unsigned(), bytes: bytes.to_vec() })
        })
    }
}

unsafe extern "C" fn truncate(to: *mut ffi::sqlite3_file, len: i64) -> c_int {
    // SAFETY: sqlite gives an open file.
    unsafe {
        let (own, methods) = system(to);
        let truncate = || methods.xTruncate.expect("a file can be cut")(own, len);
        let Some(watched) = watched(to) else { return truncate() };
        let refused = |_| ffi::SQLITE_IOERR_TRUNCATE;
        watched.disk.call(
            (Call::Truncate, &watched.path),
            |harm| harm.map_or_else(truncate, refused),
            |_, answer, _| {
                let op = Op::Truncate { file: watched.file, len: len.cast_unsigned() };
                (*answer == ffi::SQLITE_OK).then_some(op)
            },
        )
    }
}

unsafe extern "C" fn sync(to: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: sqlite gives an open file.
    unsafe {
        let (own, methods) = system(to);
        let sync = || methods.xSync.expect("a file can be synced")(own, flags);
        let Some(watched) = watched(to) else { return sync() };
        let file = watched.file;
        let answer = watched.disk.call(
            (Call::Sync, &watched.path),
            |harm| harm.map_or_else(sync, |_| ffi::SQLITE_IOERR_FSYNC),
            |_, answer, _| {
                let done = *answer == ffi::SQLITE_OK;
                Some(if done { Op::Sync { file } } else { Op::SyncFailed { file } })
            },
        );
        if answer == ffi::SQLITE_OK && mem::take(&mut watched.names) {
            let dir = watched.path.parent().expect("a file is in a folder");
            // It does not look whether that fails, so that it cannot be made to fail here.
            watched.disk.mark_sync(dir);
        }
        answer
    }
}

unsafe extern "C" fn size(to: *mut ffi::sqlite3_file, len: *mut i64) -> c_int {
    // SAFETY: sqlite gives an open file, and a place for the answer.
    unsafe {
        let (own, methods) = system(to);
        let size = || methods.xFileSize.expect("a file has a length")(own, len);
        let Some(watched) = watched(to) else { return size() };
        let refused = |_| ffi::SQLITE_IOERR_FSTAT;
        let perform = |harm: Option<Harm>| harm.map_or_else(size, refused);
        watched.disk.call((Call::Size, &watched.path), perform, |_, _, _| None)
    }
}

unsafe extern "C" fn shm_map(
    to: *mut ffi::sqlite3_file,
    page: c_int,
    len: c_int,
    extend: c_int,
    at: *mut *mut c_void,
) -> c_int {
    // SAFETY: sqlite gives an open file, and a place for the answer.
    unsafe {
        let (own, methods) = system(to);
        let map = || methods.xShmMap.expect("memory can be shared")(own, page, len, extend, at);
        let Some(watched) = watched(to) else { return map() };
        let perform = |harm: Option<Harm>| {
            harm.map_or_else(map, |_| {
                *at = ptr::null_mut();
                ffi::SQLITE_IOERR_SHMMAP
            })
        };
        watched.disk.call((Call::Map, &watched.path), perform, |_, _, _| None)
    }
}

/// Methods that are the system's alone.
macro_rules! pass {
    ($($name:ident = $method:ident($($arg:ident: $of:ty),*) $(-> $gives:ty)?;)*) => {$(
        unsafe extern "C" fn $name(to: *mut ffi::sqlite3_file $(, $arg: $of)*) $(-> $gives)? {
            // SAFETY: sqlite gives an open file; the rest goes on as it came.
            unsafe {
                let (own, methods) = system(to);
                methods.$method.expect("the system has this method")(own $(, $arg)*)
            }
        }
    )*};
}

pass! {
    lock = xLock(level: c_int) -> c_int;
    unlock = xUnlock(level: c_int) -> c_int;
    check_reserved_lock = xCheckReservedLock(out: *mut c_int) -> c_int;
    control = xFileControl(op: c_int, arg: *mut c_void) -> c_int;
    sector_size = xSectorSize() -> c_int;
    characteristics = xDeviceCharacteristics() -> c_int;
    shm_lock = xShmLock(offset: c_int, count: c_int, flags: c_int) -> c_int;
    shm_barrier = xShmBarrier();
    shm_unmap = xShmUnmap(delete: c_int) -> c_int;
}
