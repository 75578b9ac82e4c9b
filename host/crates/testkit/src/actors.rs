//! Actors that keep a count, too much, or nothing at all.

use mobula_guest::prelude::*;
use mobula_guest::serde::{Deserializer, Serializer};

use crate::{Amount, Nothing, Report, report};

/// Counts, and can be told to trap.
#[state]
pub(crate) struct Counter {
    count: u64,
}

#[actor]
impl Counter {
    fn new(args: Amount) -> Result<Self> {
        Ok(Self { count: args.amount })
    }

    fn add(&mut self, args: Amount) -> Result<Report> {
        self.count += args.amount;
        report(self.count.to_string())
    }

    fn traps(&mut self) -> Result<Nothing> {
        assert!(self.count == u64::MAX, "this actor is done for");
        Ok(Nothing {})
    }
}

/// Takes more with each call, and has it all in its state.
#[state]
pub(crate) struct Hoarder {
    all: Vec<u64>,
}

#[actor]
impl Hoarder {
    fn new() -> Result<Self> {
        Ok(Self { all: Vec::new() })
    }

    fn take(&mut self, args: Amount) -> Result<Report> {
        let more = usize::try_from(args.amount / 8).unwrap_or(0);
        self.all.resize(self.all.len() + more, u64::MAX);
        report(self.all.len().to_string())
    }
}

/// Panics when its state is asked for.
#[state]
pub(crate) struct Fragile {
    #[serde(serialize_with = "panics")]
    count: u64,
}

fn panics<S: Serializer>(count: &u64, _: S) -> std::result::Result<S::Ok, S::Error> {
    panic!("nobody may see the count {count}")
}

#[actor]
impl Fragile {
    fn new() -> Result<Self> {
        Ok(Self { count: 1 })
    }
}

/// Never comes back from a snapshot.
#[state]
pub(crate) struct Looper {
    #[serde(deserialize_with = "loops")]
    count: u64,
}

fn loops<'de, D: Deserializer<'de>>(_: D) -> std::result::Result<u64, D::Error> {
    loop {
        std::hint::black_box(0);
    }
}

#[actor]
impl Looper {
    fn new() -> Result<Self> {
        Ok(Self { count: 1 })
    }

    fn count(&self) -> Result<Report> {
        report(self.count.to_string())
    }
}
