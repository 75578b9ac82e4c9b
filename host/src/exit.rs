//! How a command ends: the exit codes that scripts rely on, and one line of reason.

use std::fmt;

/// Why a command did not succeed, by exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The run or check failed.
    Failed = 1,
    /// Wrong usage or an invalid file.
    Invalid = 2,
    /// Authentication, quota or grant.
    Denied = 3,
    /// No such run, plugin, checkpoint or file.
    NotFound = 4,
    /// Stopped by the user; the state is saved.
    Interrupted = 130,
}

/// A message with its exit code, to be found at the root of an error.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) exit: Exit,
    message: String,
}

impl Ended {
    pub(crate) fn error(exit: Exit, message: impl Into<String>) -> anyhow::Error {
        anyhow::Error::new(Self { exit, message: message.into() })
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Ended {}

/// The exit code of an error: its own where it has one, else 1.
pub(crate) fn code_of(error: &anyhow::Error) -> u8 {
    error.chain().find_map(|cause| cause.downcast_ref::<Ended>()).map_or(1, |e| e.exit as u8)
}
