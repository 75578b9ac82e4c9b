//! Reads `batches.meta.txt`, the list of class names; what the classes mean is not its concern.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// A label is one byte, so there cannot be more classes.
const CLASSES_MAX: usize = 256;
/// Longest list taken from disk: 256 names of 255 bytes with their line ends.
const LIST_BYTES_MAX: u64 = 64 * 1024;

/// Why a list of class names was refused.
#[derive(Debug, thiserror::Error)]
pub enum ClassNamesError {
    /// The file could not be read.
    #[error("cannot read class names from `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The file is longer than any list of names.
    #[error("class names in `{}` take more than {LIST_BYTES_MAX} bytes; is it the right file", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// No line holds a name.
    #[error("the list of class names is empty; write one name a line, label 0 first")]
    Empty,
    /// An empty line stands between two names, so that labels would shift.
    #[error("line {line} of the class names is blank, with names after it; remove it")]
    Gap {
        /// Line, from 1.
        line: usize,
    },
    /// The same name stands twice.
    #[error("class name `{name}` stands twice; give each class its own name")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// There are more names than labels.
    #[error("{count} class names, but a label has one byte; keep to {CLASSES_MAX}")]
    TooMany {
        /// How many there are.
        count: usize,
    },
}

/// Reads the class names in `path` (a `batches.meta.txt`), in the order of their labels.
///
/// # Errors
/// When the file cannot be read, is not UTF-8 or is no list of names, see [`ClassNamesError`].
pub fn read_class_names(path: &Path) -> Result<Vec<String>, ClassNamesError> {
    let read_error = |source| ClassNamesError::Read { path: path.to_owned(), source };
    let file = fs::File::open(path).map_err(read_error)?;
    let mut text = String::new();
    // One byte more than allowed tells a list that is too long from one that just fits.
    let length = file.take(LIST_BYTES_MAX + 1).read_to_string(&mut text).map_err(read_error)?;
    if length as u64 > LIST_BYTES_MAX {
        return Err(ClassNamesError::TooLong { path: path.to_owned() });
    }
    parse_class_names(&text)
}

/// Splits the text of a `batches.meta.txt` into names: one a line, blank lines only at the end.
///
/// # Errors
/// When the list is empty, has a gap, a name twice or more than 256 names.
pub fn parse_class_names(text: &str) -> Result<Vec<String>, ClassNamesError> {
    let names: Vec<&str> = text.trim_end().lines().map(str::trim).collect();
    if names.is_empty() {
        return Err(ClassNamesError::Empty);
    }
    if names.len() > CLASSES_MAX {
        return Err(ClassNamesError::TooMany { count: names.len() });
    }
    for (index, name) in names.iter().enumerate() {
        if name.is_empty() {
            return Err(ClassNamesError::Gap { line: index + 1 });
        }
        if names[..index].contains(name) {
            return Err(ClassNamesError::Duplicate { name: (*name).to_owned() });
        }
    }
    Ok(names.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::{ClassNamesError, parse_class_names};

    #[test]
    fn trailing_blank_lines_and_carriage_returns_are_dropped() {
        let names = parse_class_names("airplane\r\nautomobile\r\n\r\n\r\n").unwrap();
        assert_eq!(names, ["airplane", "automobile"]);
    }

    #[test]
    fn lists_that_would_mislead_are_refused() {
        assert!(matches!(parse_class_names("\n \n"), Err(ClassNamesError::Empty)));
        assert!(matches!(parse_class_names("a\n\nb"), Err(ClassNamesError::Gap { line: 2 })));
        assert!(matches!(parse_class_names("a\na"), Err(ClassNamesError::Duplicate { .. })));
        let many: String = (0..257).map(|label| format!("{label}\n")).collect();
        assert!(matches!(parse_class_names(&many), Err(ClassNamesError::TooMany { count: 257 })));
    }
}
