//! What a guest may say to and ask of its host, beyond tensors.

use mobula_contract::Level;

use crate::bindings::mobula::plugin::{context, types, values};
use crate::state::State;

impl types::Host for State {}
impl values::Host for State {}

impl context::Host for State {
    fn log(&mut self, level: context::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            context::Level::Trace => Level::Trace,
            context::Level::Debug => Level::Debug,
            context::Level::Info => Level::Info,
            context::Level::Warn => Level::Warn,
            context::Level::Error => Level::Error,
        };
        self.logs.line(level, &message);
        Ok(())
    }

    fn progress(&mut self, done: u64, total: Option<u64>) -> wasmtime::Result<()> {
        self.context.progress(done, total);
        Ok(())
    }

    fn metric(&mut self, name: String, step: u64, value: f64) -> wasmtime::Result<()> {
        self.context.metric(&name, step, value);
        Ok(())
    }

    fn seed(&mut self) -> wasmtime::Result<u64> {
        Ok(self.context.seed())
    }

    fn cancelled(&mut self) -> wasmtime::Result<bool> {
        Ok(self.context.cancelled())
    }
}
