//! Time as a guest sees it: virtual, the same in every run. Sleeping moves the clock and returns at
//! once, so that no guest can hold a worker by it.

use std::time::Duration;

use wasmtime::component::HasData;
use wasmtime::component::{Linker, Resource, ResourceTable};
use wasmtime_wasi::HostWallClock;
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

use crate::state::State;

/// What a look at the clock costs: so that loops which wait for time to pass end.
const TICK_NS: u64 = 1_000;
/// 2020-01-01 00:00:00 UTC, in seconds since 1970: any fixed date does.
const WALL_S: u64 = 1_577_836_800;

/// The wall clock: it stands still.
pub(crate) struct FixedWall;

impl HostWallClock for FixedWall {
    fn resolution(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn now(&self) -> Duration {
        Duration::from_secs(WALL_S)
    }
}

/// The monotonic clock of one instance.
pub(crate) struct Virtual<'a> {
    pub(crate) now_ns: &'a mut u64,
    pub(crate) table: &'a mut ResourceTable,
}

struct VirtualClock;

impl HasData for VirtualClock {
    type Data<'a> = Virtual<'a>;
}

struct Ready;

#[wasmtime_wasi::async_trait]
impl Pollable for Ready {
    async fn ready(&mut self) {}
}

impl Virtual<'_> {
    fn move_to(&mut self, when_ns: u64) -> wasmtime::Result<Resource<DynPollable>> {
        *self.now_ns = when_ns.max(*self.now_ns);
        let ready = self.table.push(Ready)?;
        subscribe(self.table, ready)
    }
}

impl monotonic_clock::Host for Virtual<'_> {
    fn now(&mut self) -> wasmtime::Result<u64> {
        *self.now_ns = self.now_ns.saturating_add(TICK_NS);
        Ok(*self.now_ns)
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(TICK_NS)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.move_to(when)
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.move_to(self.now_ns.saturating_add(duration))
    }
}

/// Puts this clock in the place of the real one.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<State, VirtualClock>(linker, State::clock)?;
    linker.allow_shadowing(false);
    Ok(())
}
