//! How a plugin fails. The kind decides what the host does next.

use std::fmt;

/// A failure, told to the host as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The caller's mistake: not retried.
    Invalid(String),
    /// A row or offset that is not there: not retried.
    OutOfBounds(String),
    /// A limit of the host: not retried.
    Quota(String),
    /// No grant allows it: not retried.
    Denied(String),
    /// The run was cancelled.
    Cancelled,
    /// The plugin's own failure: tried again.
    Failed(String),
}

/// What every export returns.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The caller's mistake.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    /// The plugin's own failure.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(text)
            | Self::OutOfBounds(text)
            | Self::Quota(text)
            | Self::Denied(text)
            | Self::Failed(text) => f.write_str(text),
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::PermissionDenied => Self::Denied(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}
