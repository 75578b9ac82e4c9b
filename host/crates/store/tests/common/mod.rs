//! What the tests of the store share: a run to save for, and bytes to save.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(dead_code, reason = "each test file uses a part")]

use std::path::Path;

use mobula_contract::{CheckpointId, Folders, Pipeline, RunId, parse_pipeline};
use mobula_store::{NewCheckpoint, NewRun, OpenOptions, Store};

pub(crate) fn pipeline() -> Pipeline {
    let text = "[pipeline]\nname = \"p\"\n[[stage]]\nname = \"a\"\ntask = \"x/y\"\n";
    let here = Path::new(".");
    parse_pipeline("p.toml", text, Folders { base: here, current: here }, &[]).unwrap()
}

pub(crate) fn create(store: &Store, number: u64) -> RunId {
    let run = RunId::new(number, 1);
    store.create_run(&NewRun { id: &run, pipeline: &pipeline() }).unwrap();
    run
}

/// A checkpoint of an actor, named by its number.
pub(crate) fn of_actor<'a>(
    id: &'a CheckpointId,
    run: &'a RunId,
    actor: &'a str,
    position: u64,
    bytes: &'a [u8],
) -> NewCheckpoint<'a> {
    NewCheckpoint {
        id,
        run: Some(run),
        name: None,
        stage: "train",
        index: u32::try_from(position).unwrap(),
        actor: Some(actor),
        position,
        metric: None,
        pinned: false,
        bytes,
    }
}

/// Long checkpoints are those of more than 256 KiB here, in files of 1 MiB.
pub(crate) fn small_sizes() -> OpenOptions {
    OpenOptions { inline_bytes_max: 256 << 10, file_bytes_max: 1 << 20, ..OpenOptions::default() }
}

pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, below: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

pub(crate) fn pattern(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    };
    (0..len).map(next).collect()
}
