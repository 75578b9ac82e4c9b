//! Why the store could not do something.

use std::io;
use std::path::{Path, PathBuf};

/// An error of the store. What was durable before it still is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no such thing.
    #[error("no {what} `{id}`: {hint}")]
    NotFound {
        /// Run, checkpoint or plugin.
        what: &'static str,
        /// As the user named it.
        id: String,
        /// What shows those that there are.
        hint: &'static str,
    },
    /// A short id that fits more than one.
    #[error("`{id}` fits {count} {what}s: give more characters")]
    Ambiguous {
        /// Run or checkpoint.
        what: &'static str,
        /// As the user named it.
        id: String,
        /// How many.
        count: usize,
    },
    /// Another process works on the run.
    #[error("run {0} is under way in another process")]
    Busy(String),
    /// No room on the disk, or the database reached its limit.
    #[error("no room left for {file}: free some space (`mobula checkpoints gc`) and try again")]
    Full {
        /// The database.
        file: PathBuf,
    },
    /// The database is no database, or is damaged.
    #[error("{file} is damaged or no database ({detail}): move it away, or restore a copy of it")]
    Corrupt {
        /// The database.
        file: PathBuf,
        /// What sqlite says.
        detail: String,
    },
    /// A checkpoint whose bytes changed.
    #[error("checkpoint {id} is damaged: {detail}")]
    Damaged {
        /// Which.
        id: String,
        /// How.
        detail: String,
    },
    /// Written by a later program.
    #[error("{file} has format {found}, this program knows up to {known}: use a newer mobula")]
    Newer {
        /// The database.
        file: PathBuf,
        /// Its format.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// The same name and version with other content.
    #[error("plugin {name} {version} is there with other content: raise its version")]
    PluginExists {
        /// Its name.
        name: String,
        /// Its version.
        version: String,
    },
    /// A tenant of this name is there already.
    #[error("there is a tenant `{0}` already")]
    TenantExists(String),
    /// A file or folder.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Anything else that sqlite reports.
    #[error("{file}: {source}")]
    Sqlite {
        /// The database.
        file: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// An entry that this program cannot read.
    #[error("{what} `{id}` cannot be read: {detail}")]
    Unreadable {
        /// Run or event.
        what: &'static str,
        /// Which.
        id: String,
        /// Why.
        detail: String,
    },
}

impl StoreError {
    /// Whether the store may take the same again later: a disk that is full, or does not answer.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Io { .. } | Self::Sqlite { .. })
    }

    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull => Self::Full { file: path.to_owned() },
            _ => Self::Io { path: path.to_owned(), source },
        }
    }

    pub(crate) fn sqlite(file: &Path) -> impl Fn(rusqlite::Error) -> Self + use<> {
        let file = file.to_owned();
        move |source| {
            let file = file.clone();
            match source.sqlite_error_code() {
                Some(rusqlite::ErrorCode::DiskFull) => Self::Full { file },
                Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
                    Self::Corrupt { file, detail: source.to_string() }
                }
                _ => Self::Sqlite { file, source },
            }
        }
    }
}

/// What goes wrong within a transaction, before it is known which database it was.
#[derive(Debug)]
pub(crate) enum Trouble {
    Sqlite(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Trouble {
    pub(crate) fn of(self, file: &Path) -> StoreError {
        match self {
            Self::Sqlite(error) => StoreError::sqlite(file)(error),
            Self::Store(error) => error,
        }
    }

    /// Whether the disk failed, so that what a connection holds of it is not to be believed. A full
    /// disk is no
    /// such failure: what did not fit was taken back.
    pub(crate) fn is_of_disk(&self) -> bool {
        use rusqlite::ErrorCode::{CannotOpen, SystemIoFailure};
        let Self::Sqlite(error) = self else { return false };
        matches!(error.sqlite_error_code(), Some(SystemIoFailure | CannotOpen))
    }
}
