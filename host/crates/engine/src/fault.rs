//! Failures made on purpose, for demonstrations and tests: `STAGE[INDEX]:KIND[@SHARE]`.

use std::fmt;
use std::str::FromStr;

use mobula_contract::StageRef;

/// What is made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The stage fails once.
    Trap,
    /// The worker's thread dies.
    WorkerCrash,
    /// The actor's state is lost.
    ActorCrash,
    /// The host itself is killed.
    HostKill,
}

/// One failure, made in the first attempt of its stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// The stage.
    pub stage: String,
    /// Which repetition.
    pub index: u32,
    /// What fails.
    pub kind: FaultKind,
    /// After which share of the call; 0 is at its start.
    pub at: f64,
}

impl Fault {
    /// Whether this fault is meant for that repetition.
    #[must_use]
    pub fn is_for(&self, stage: &StageRef) -> bool {
        self.stage == stage.name && self.index == stage.index
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            FaultKind::Trap => "trap",
            FaultKind::WorkerCrash => "worker-crash",
            FaultKind::ActorCrash => "actor-crash",
            FaultKind::HostKill => "host-kill",
        };
        write!(f, "{}[{}]:{kind}@{}", self.stage, self.index, self.at)
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let usage = || {
            format!(
                "`{text}` is not STAGE[INDEX]:KIND[@SHARE], such as train[4]:actor-crash@0.5; KIND \
                 is trap, worker-crash, actor-crash or host-kill"
            )
        };
        let (place, what) = text.split_once(':').ok_or_else(usage)?;
        let (stage, index) = match place.split_once('[') {
            None => (place, 0),
            Some((stage, index)) => {
                let index = index.strip_suffix(']').ok_or_else(usage)?;
                (stage, index.parse().map_err(|_| usage())?)
            }
        };
        let (kind, at) = match what.split_once('@') {
            None => (what, 0.0),
            Some((kind, at)) => (kind, at.parse().map_err(|_| usage())?),
        };
        let kind = match kind {
            "trap" => FaultKind::Trap,
            "worker-crash" => FaultKind::WorkerCrash,
            "actor-crash" => FaultKind::ActorCrash,
            "host-kill" => FaultKind::HostKill,
            _ => return Err(usage()),
        };
        if stage.is_empty() || !(0.0..=1.0).contains(&at) {
            return Err(usage());
        }
        Ok(Self { stage: stage.to_owned(), index, kind, at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_are_read_as_written() {
        let fault: Fault = "train[4]:actor-crash@0.5".parse().unwrap();
        assert_eq!((fault.index, fault.kind, fault.at), (4, FaultKind::ActorCrash, 0.5));
        assert_eq!(fault.to_string(), "train[4]:actor-crash@0.5");
        assert_eq!("load:trap".parse::<Fault>().unwrap().index, 0);
        for bad in
            ["", "train", "train:boom", "train[x]:trap", "train:trap@2", ":trap", "t:trap@NaN"]
        {
            assert!(bad.parse::<Fault>().is_err(), "{bad}");
        }
    }
}
