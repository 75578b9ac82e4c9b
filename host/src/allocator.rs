//! The process's allocator where memory has a limit: what is freed goes back to the system at once.

/// Allocations of at least so many bytes are mapped by themselves, and unmapped when they are freed. It is
/// where glibc begins; left alone it raises this to 32 MiB, and keeps twice as much at each heap's end.
const MAPPED_BYTES: i32 = 128 << 10;

/// Has freed memory given back. Objects of some megabytes that come and go otherwise leave holes: a run over
/// 500 MB of them with `--memory 256MiB` had up to 430 MiB resident, and 276 MiB with this (two cores of an
/// AMD EPYC, Linux 6.18, glibc; `tests/load.rs` is the same run with a limit of 320 MiB). Mapping costs time,
/// which a run without a limit does not pay.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        #[expect(unsafe_code, reason = "libc has no other way to ask for it")]
        // SAFETY: mallopt sets numbers of the allocator under the allocator's own lock, and nothing else.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES);
            libc::mallopt(libc::M_TRIM_THRESHOLD, MAPPED_BYTES);
        }
    }
}
