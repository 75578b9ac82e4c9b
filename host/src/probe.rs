//! How fast the store's disk is, measured once for pipelines of which no save was ever seen.

use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use mobula_adaptive::Probe;

/// Bytes that are written: enough to see a speed, few enough for some milliseconds.
const PROBE_BYTES: usize = 4 << 20;

/// Writes some bytes beside the store, and takes them away again; nothing where that fails.
pub(crate) fn probe(home: &Path) -> Option<Probe> {
    let bytes = vec![0x5a_u8; PROBE_BYTES];
    let begun = Instant::now();
    let copy = std::hint::black_box(bytes.clone());
    let copy_s = begun.elapsed().as_secs_f64();
    let write = |bytes: &[u8]| {
        let begun = Instant::now();
        let mut file = tempfile::tempfile_in(home).ok()?;
        bytes.chunks(1 << 20).try_for_each(|part| file.write_all(part)).ok()?;
        file.sync_data().ok()?;
        Some(begun.elapsed().as_secs_f64())
    };
    let fixed_s = write(&copy[..4096])?;
    let whole_s = write(&copy)?;
    #[expect(clippy::cast_precision_loss, reason = "a few megabytes")]
    let per_s = |seconds: f64| PROBE_BYTES as f64 / seconds.max(1e-6);
    Some(Probe {
        fixed_s,
        bytes_per_s: per_s(whole_s - fixed_s.min(whole_s / 2.0)),
        copied_per_s: per_s(copy_s),
    })
}
