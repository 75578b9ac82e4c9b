//! The WASI that guests see: read-only folders and the environment of their grants, clocks that
//! count instead of measure, random numbers from the run's seed, prints that become log lines.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::component::{HasSelf, Linker, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::cli::{stderr, stdout};
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};
use wasmtime_wasi::p2::{self, DynOutputStream, DynPollable, Pollable, subscribe};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, async_trait};

use crate::env::Grants;
use crate::logbook::{PrintStream, Printed};
use crate::state::State;

/// What each look at the monotonic clock adds: loops that wait for time to pass do end.
const CLOCK_STEP_NS: u64 = 1_000;
/// The wall clock's only answer: 2000-01-01, so that date arithmetic has room on both sides.
const WALL_SECONDS: u64 = 946_684_800;
/// The seed of a guest's hash tables: the same in every instance, so that a restored actor walks
/// its tables in the order in which the lost one did.
const HASH_SEED: (u64, u64) = (0x6d6f_6275_6c61_0001, 0x6d6f_6275_6c61_0002);

/// Files and environment of the grants, and nothing else.
pub(crate) fn context(grants: &Grants) -> Result<WasiCtx, String> {
    let mut builder = WasiCtxBuilder::new();
    builder.allow_blocking_current_thread(true).allow_tcp(false).allow_udp(false);
    for (name, value) in &grants.env {
        builder.env(name, value);
    }
    for (name, folder) in &grants.mounts {
        builder
            .preopened_dir(folder, format!("/{name}"), FsPerms::ReadOnly)
            .map_err(|err| format!("mount `{name}` cannot be opened: {}", err.root_cause()))?;
    }
    Ok(builder.build())
}

/// WASI 0.2, with our own clocks, random numbers and prints in place of the machine's.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    type Own = HasSelf<State>;
    p2::add_to_linker_sync(linker)?;
    linker.allow_shadowing(true);
    wall_clock::add_to_linker::<State, Own>(linker, |state| state)?;
    monotonic_clock::add_to_linker::<State, Own>(linker, |state| state)?;
    random::add_to_linker::<State, Own>(linker, |state| state)?;
    insecure::add_to_linker::<State, Own>(linker, |state| state)?;
    insecure_seed::add_to_linker::<State, Own>(linker, |state| state)?;
    stdout::add_to_linker::<State, Own>(linker, |state| state)?;
    stderr::add_to_linker::<State, Own>(linker, |state| state)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Nanoseconds that pass by being asked for; sleeping moves it on without waiting.
#[derive(Debug, Clone, Default)]
pub(crate) struct VirtualClock(Arc<AtomicU64>);

impl VirtualClock {
    fn now(&self) -> u64 {
        self.0.fetch_add(CLOCK_STEP_NS, Ordering::Relaxed)
    }

    pub(crate) fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn timer(
        &self,
        table: &mut ResourceTable,
        wakes_at: u64,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        let timer = table.push(Timer { clock: self.clone(), wakes_at })?;
        subscribe(table, timer)
    }
}

/// A sleep on the virtual clock: over as soon as someone waits for it.
struct Timer {
    clock: VirtualClock,
    wakes_at: u64,
}

#[async_trait]
impl Pollable for Timer {
    async fn ready(&mut self) {
        self.clock.0.fetch_max(self.wakes_at, Ordering::Relaxed);
    }
}

impl monotonic_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.clock.now())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(CLOCK_STEP_NS)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.clock.timer(&mut self.table, when)
    }

    fn subscribe_duration(&mut self, ns: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let wakes_at = self.clock.now().saturating_add(ns);
        self.clock.timer(&mut self.table, wakes_at)
    }
}

impl wall_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Ok(wall_clock::Datetime { seconds: WALL_SECONDS, nanoseconds: 0 })
    }

    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Ok(wall_clock::Datetime { seconds: 1, nanoseconds: 0 })
    }
}

/// Random bytes that depend on a seed alone: BLAKE3 as a stream.
#[derive(Debug)]
pub(crate) struct VirtualRandom {
    seed: u64,
    /// Made at the first draw, since most calls draw nothing.
    stream: Option<blake3::OutputReader>,
}

impl VirtualRandom {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, stream: None }
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        let seed = self.seed;
        let start = || {
            let mut hasher = blake3::Hasher::new_derive_key("mobula sandbox guest random v1");
            hasher.update(&seed.to_le_bytes()).finalize_xof()
        };
        self.stream.get_or_insert_with(start).fill(bytes);
    }
}

impl State {
    fn random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.check_transfer(len)?;
        let mut bytes = vec![0; usize::try_from(len)?];
        self.random.fill(&mut bytes);
        Ok(bytes)
    }

    fn random_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.random.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

impl random::Host for State {
    fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes(len)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.random_u64())
    }
}

impl insecure::Host for State {
    fn get_insecure_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes(len)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.random_u64())
    }
}

impl insecure_seed::Host for State {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok(HASH_SEED)
    }
}

impl State {
    fn prints(&mut self, to: Printed) -> wasmtime::Result<Resource<DynOutputStream>> {
        let stream: DynOutputStream = Box::new(PrintStream { book: Arc::clone(&self.book), to });
        Ok(self.table.push(stream)?)
    }
}

impl stdout::Host for State {
    fn get_stdout(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        self.prints(Printed::Stdout)
    }
}

impl stderr::Host for State {
    fn get_stderr(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        self.prints(Printed::Stderr)
    }
}
