//! The commands, one file for each noun.

pub(crate) mod cancel;
pub(crate) mod checkpoints;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod data;
pub(crate) mod doctor;
pub(crate) mod model;
pub(crate) mod pipeline;
pub(crate) mod plugin;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod serve;
pub(crate) mod simulate;
pub(crate) mod tenant;

use std::path::Path;

use anyhow::Context as _;

/// Writes a file whole or not at all.
pub(crate) fn write_file(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write_file_with(file, |part| Ok(part.write_all(bytes)?))
}

/// As [`write_file`], with what `write` gives it.
pub(crate) fn write_file_with(
    file: &Path,
    write: impl FnOnce(&mut dyn std::io::Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || {
        let mut part = tempfile::NamedTempFile::new_in(folder)?;
        write(part.as_file_mut())?;
        part.persist(file)?;
        anyhow::Ok(())
    };
    write().with_context(|| format!("cannot write {}", file.display()))
}
