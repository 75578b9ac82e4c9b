//! Puts a finished folder in its place in one rename; what goes into the folder is not its concern.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Why a folder could not be prepared or put in its place.
#[derive(Debug, thiserror::Error)]
pub enum StagingError {
    /// The folder holds something that this library did not write.
    #[error(
        "`{}` holds `{found}`, which is not from an earlier output of this command; \
         choose an empty or a new folder",
        path.display()
    )]
    Occupied {
        /// The folder asked for.
        path: PathBuf,
        /// One name found in it.
        found: String,
    },
    /// The output is a file, or has no name of its own (such as `/` or `..`).
    #[error("`{}` cannot become a folder of data; choose a folder's path", path.display())]
    NotAFolder {
        /// The path asked for.
        path: PathBuf,
    },
    /// The file system said no.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
}

/// Whose earlier output may be replaced.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Replaceable {
    /// The file that proves an earlier output, none if nothing may be replaced.
    pub(crate) marker: Option<&'static str>,
    /// Every name that an earlier output can hold; any other one is the user's.
    pub(crate) names: &'static [&'static str],
}

/// A folder being filled next to its destination. Dropped unpublished, it vanishes.
#[derive(Debug)]
pub(crate) struct Staging {
    target: PathBuf,
    replaceable: Replaceable,
    scratch: TempDir,
    content: PathBuf,
}

impl Staging {
    /// Checks that `target` may be written and opens an empty folder beside it.
    pub(crate) fn open(target: &Path, replaceable: Replaceable) -> Result<Self, StagingError> {
        let parent = match (target.file_name(), target.parent()) {
            (Some(_), Some(parent)) if parent.as_os_str().is_empty() => Path::new("."),
            (Some(_), Some(parent)) => parent,
            _ => return Err(StagingError::NotAFolder { path: target.to_owned() }),
        };
        check_free(target, replaceable)?;
        fs::create_dir_all(parent).map_err(io_error("create", parent))?;
        let scratch = tempfile::Builder::new()
            .prefix(".mobula-data-")
            .tempdir_in(parent)
            .map_err(io_error("create a folder in", parent))?;
        // A folder inside, because the outer one is readable by its owner alone.
        let content = scratch.path().join("new");
        fs::create_dir(&content).map_err(io_error("create", &content))?;
        Ok(Self { target: target.to_owned(), replaceable, scratch, content })
    }

    /// The folder to fill.
    pub(crate) fn content(&self) -> &Path {
        &self.content
    }

    /// Moves the filled folder to its destination, in place of an earlier output.
    pub(crate) fn publish(self) -> Result<(), StagingError> {
        let Self { target, replaceable, scratch, content } = self;
        check_free(&target, replaceable)?;
        let old = scratch.path().join("old");
        let replaced = target.exists();
        if replaced {
            fs::rename(&target, &old).map_err(io_error("move away", &target))?;
        }
        let Err(source) = fs::rename(&content, &target) else { return Ok(()) };
        if replaced && fs::rename(&old, &target).is_err() {
            // The earlier output stays where it is, rather than vanish with the scratch folder.
            let kept = scratch.keep().join("old");
            return Err(io_error("put back the earlier output from", &kept)(source));
        }
        Err(io_error("rename to", &target)(source))
    }
}

fn check_free(target: &Path, replaceable: Replaceable) -> Result<(), StagingError> {
    let entries = match fs::read_dir(target) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(StagingError::NotAFolder { path: target.to_owned() });
        }
        Err(error) => return Err(io_error("read", target)(error)),
    };
    let ours = replaceable.marker.is_some_and(|marker| target.join(marker).is_file());
    for entry in entries {
        let name = entry.map_err(io_error("read", target))?.file_name();
        if !ours || !replaceable.names.iter().any(|known| OsStr::new(known) == name) {
            let found = name.to_string_lossy().into_owned();
            return Err(StagingError::Occupied { path: target.to_owned(), found });
        }
    }
    Ok(())
}

/// An adapter for `map_err` that says what was tried on which path.
pub(crate) fn io_error(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> StagingError {
    let path = path.to_owned();
    move |source| StagingError::Io { action, path, source }
}
