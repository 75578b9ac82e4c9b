//! Names of things that outlive a process. Makes no randomness of its own: the bits come in.

use std::fmt;

use serde::{Deserialize, Serialize};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Characters after the prefix of a run id: 60 bits.
const RUN_CHARS: u32 = 12;

/// The name of a run: `r-` and twelve characters, in order of creation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RunId(String);

impl RunId {
    /// An id from the start of the run (milliseconds since 1970, 44 bits kept, so that ids sort by
    /// age) and 16 bits that tell runs of one millisecond apart.
    #[must_use]
    pub fn new(started_ms: u64, salt: u16) -> Self {
        let bits = (started_ms & ((1 << 44) - 1)) << 16 | u64::from(salt);
        let chars = (0..RUN_CHARS).rev().map(|i| {
            let index = (bits >> (5 * i)) & 31;
            char::from(ALPHABET[usize::try_from(index).expect("five bits fit")])
        });
        Self(format!("r-{}", chars.collect::<String>()))
    }

    /// Reads what a user typed; `None` when it cannot be a run id.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("r-")?;
        let valid = rest.len() == 12 && rest.bytes().all(|b| ALPHABET.contains(&b));
        valid.then(|| Self(text.to_owned()))
    }

    /// The id as printed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a checkpoint: `c-`, the run's characters, and its number in the run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CheckpointId(String);

impl CheckpointId {
    /// The `number`-th checkpoint of a run, counted from 1.
    #[must_use]
    pub fn new(run: &RunId, number: u64) -> Self {
        Self(format!("c-{}-{number}", &run.as_str()[2..]))
    }

    /// Takes the text as it is; whether such a checkpoint exists is the store's to say.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The id as printed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CheckpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_sort_by_age_and_read_back() {
        let old = RunId::new(1_000, 9);
        let new = RunId::new(1_001, 0);
        assert!(old < new);
        assert_eq!(RunId::parse(new.as_str()), Some(new.clone()));
        assert_eq!(RunId::parse("r-nonsense"), None);
        assert!(CheckpointId::new(&new, 3).as_str().ends_with("-3"));
    }
}
