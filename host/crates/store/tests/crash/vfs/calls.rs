//! The system calls below sqlite's own file system: a `write` or `read` that is interrupted or cut
//! short, so that its loops around them are what answers.

use std::cell::Cell;
use std::ffi::{CStr, c_int, c_void};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::ffi;

use crate::disk::Harm;

thread_local! {
    /// What the next calls of this thread answer, the last first.
    static NEXT: Cell<[Option<Answer>; 2]> = const { Cell::new([None, None]) };
}

/// Calls that were interrupted or cut.
static HITS: AtomicU64 = AtomicU64::new(0);

#[derive(Debug, Clone, Copy)]
enum Answer {
    /// This error, and nothing is done.
    Error(c_int),
    /// Half of what was asked for is done.
    Half,
}

type Transfer = unsafe extern "C" fn(c_int, *mut c_void, usize) -> isize;
type TransferAt = unsafe extern "C" fn(c_int, *mut c_void, usize, i64) -> isize;
type Hook = unsafe extern "C" fn();

/// Puts ours before the system's calls. Before any file is opened.
pub(super) fn hook(system: &ffi::sqlite3_vfs) {
    let set = system.xSetSystemCall.expect("the system's calls can be replaced");
    let table = ptr_of(system);
    // SAFETY: pointers to functions, whose types sqlite casts them back to.
    let [read, write, read_at, write_at]: [Hook; 4] = unsafe {
        [
            mem::transmute::<Transfer, Hook>(read),
            mem::transmute::<Transfer, Hook>(write),
            mem::transmute::<TransferAt, Hook>(read_at),
            mem::transmute::<TransferAt, Hook>(write_at),
        ]
    };
    // Which of them it uses depends on the system that sqlite was built on.
    let hooks: [(&CStr, Hook); 6] = [
        (c"read", read),
        (c"write", write),
        (c"pread", read_at),
        (c"pwrite", write_at),
        (c"pread64", read_at),
        (c"pwrite64", write_at),
    ];
    for (name, hook) in hooks {
        // SAFETY: the table is the system's, the name ends with a zero.
        let done = unsafe { set(table, name.as_ptr(), Some(hook)) };
        assert_eq!(done, ffi::SQLITE_OK, "{name:?} is a call of sqlite");
    }
}

fn ptr_of(system: &ffi::sqlite3_vfs) -> *mut ffi::sqlite3_vfs {
    std::ptr::from_ref(system).cast_mut()
}

/// Has the next call of this thread fail, as the harm says.
pub(super) fn arm(harm: Harm) {
    NEXT.set(match harm {
        Harm::Eio | Harm::Fsync => [None, Some(Answer::Error(libc::EIO))],
        Harm::Enospc => [None, Some(Answer::Error(libc::ENOSPC))],
        Harm::Short => [Some(Answer::Error(libc::ENOSPC)), Some(Answer::Half)],
        Harm::Eintr => [Some(Answer::Half), Some(Answer::Error(libc::EINTR))],
    });
}

pub(super) fn disarm() {
    NEXT.set([None, None]);
}

/// How many calls were made to fail, by any thread.
pub(crate) fn interruptions() -> u64 {
    HITS.load(Ordering::Relaxed)
}

/// What to do with `len` bytes: how many to ask for, or the error.
fn planned(len: usize) -> Result<usize, c_int> {
    let [later, now] = NEXT.get();
    NEXT.set([None, later]);
    match now {
        None => Ok(len),
        Some(answer) => {
            HITS.fetch_add(1, Ordering::Relaxed);
            match answer {
                Answer::Error(code) => Err(code),
                Answer::Half => Ok(len.div_ceil(2)),
            }
        }
    }
}

fn fail(code: c_int) -> isize {
    // SAFETY: the place of this thread's error is always there.
    unsafe { *libc::__errno_location() = code };
    -1
}

unsafe extern "C" fn read(fd: c_int, bytes: *mut c_void, len: usize) -> isize {
    match planned(len) {
        // SAFETY: no more bytes than the caller has room for.
        Ok(len) => unsafe { libc::read(fd, bytes, len) },
        Err(code) => fail(code),
    }
}

unsafe extern "C" fn read_at(fd: c_int, bytes: *mut c_void, len: usize, at: i64) -> isize {
    match planned(len) {
        // SAFETY: no more bytes than the caller has room for.
        Ok(len) => unsafe { libc::pread(fd, bytes, len, at) },
        Err(code) => fail(code),
    }
}

unsafe extern "C" fn write(fd: c_int, bytes: *mut c_void, len: usize) -> isize {
    match planned(len) {
        // SAFETY: no more bytes than the caller has.
        Ok(len) => unsafe { libc::write(fd, bytes, len) },
        Err(code) => fail(code),
    }
}

unsafe extern "C" fn write_at(fd: c_int, bytes: *mut c_void, len: usize, at: i64) -> isize {
    match planned(len) {
        // SAFETY: no more bytes than the caller has.
        Ok(len) => unsafe { libc::pwrite(fd, bytes, len, at) },
        Err(code) => fail(code),
    }
}
