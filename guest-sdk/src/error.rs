//! How a plugin fails. The kind decides what the host does next.

use std::any::Any;
use std::{fmt, io};

/// A failure, told to the host as it is. Every ordinary error becomes one by `?`: the plugin's own failure,
/// which is tried again, but for what the host refused.
///
/// ```
/// use mobula_guest::prelude::*;
///
/// fn number(text: &str) -> Result<i32> {
///     Ok(text.trim().parse::<i32>().context("the first line")?)
/// }
///
/// assert_eq!(number(" 12\n"), Ok(12));
/// let error = number("twelve").err();
/// assert_eq!(error, Some(Error::failed("the first line: invalid digit found in string")));
/// ```
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

    /// Says where it happened; the kind stays.
    fn within(self, place: &str) -> Self {
        let longer = |text: String| format!("{place}: {text}");
        match self {
            Self::Invalid(text) => Self::Invalid(longer(text)),
            Self::OutOfBounds(text) => Self::OutOfBounds(longer(text)),
            Self::Quota(text) => Self::Quota(longer(text)),
            Self::Denied(text) => Self::Denied(longer(text)),
            Self::Failed(text) => Self::Failed(longer(text)),
            Self::Cancelled => Self::Cancelled,
        }
    }

    /// As an error of `std::io`; [`From`] gives it back as it was.
    pub(crate) fn into_io(self) -> io::Error {
        io::Error::other(Carried(self))
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

/// One of ours on its way through `std::io`.
#[derive(Debug)]
struct Carried(Error);

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Carried {}

// `Error` itself is no `std::error::Error`: then this could not be.
impl<E: std::error::Error + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        let any: &dyn Any = &error;
        #[cfg(target_family = "wasm")]
        if let Some(error) = any.downcast_ref::<crate::wasm::WireError>() {
            return error.clone().into_error();
        }
        if let Some(error) = any.downcast_ref::<io::Error>() {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Carried>());
            if let Some(Carried(ours)) = inner {
                return ours.clone();
            }
            if error.kind() == io::ErrorKind::PermissionDenied {
                return Self::Denied(error.to_string());
            }
        }
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(next) = cause {
            // Some repeat their cause, some do not.
            let next_text = next.to_string();
            if !text.contains(&next_text) {
                text = format!("{text}: {next_text}");
            }
            cause = next.source();
        }
        Self::Failed(text)
    }
}

/// Says where an error happened.
pub trait Context<T> {
    /// Puts these words before the message; the kind stays.
    fn context(self, place: impl fmt::Display) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, place: impl fmt::Display) -> Result<T> {
        self.map_err(|error| error.into().within(&place.to_string()))
    }
}
