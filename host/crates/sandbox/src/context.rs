//! What a guest may say to and ask of its host, beyond tensors.

use mobula_contract::{FailureKind, Level};

use crate::bindings::mobula::plugin::values::Value;
use crate::bindings::mobula::plugin::{context, stream, types, values};
use crate::limits::Stop;
use crate::state::State;
use crate::text::clean;
use crate::values::lift;

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
        if self.may_report() {
            self.context.progress(done, total);
        }
        Ok(())
    }

    fn metric(&mut self, name: String, step: u64, value: f64) -> wasmtime::Result<()> {
        // JSON has no such numbers, and events are kept as JSON.
        if !value.is_finite() {
            self.logs.line(Level::Warn, &format!("metric `{name}` at step {step} is {value}"));
        } else if self.may_report() {
            self.context.metric(&clean(&name), step, value);
        }
        Ok(())
    }

    fn seed(&mut self) -> wasmtime::Result<u64> {
        Ok(self.context.seed())
    }

    fn seed_halves(&mut self) -> wasmtime::Result<(u32, u32)> {
        let seed = self.context.seed();
        Ok(((seed >> 32) as u32, seed as u32))
    }

    fn cancelled(&mut self) -> wasmtime::Result<bool> {
        Ok(self.context.cancelled())
    }
}

impl stream::Host for State {
    fn emit(&mut self, fields: Vec<(String, Value)>) -> wasmtime::Result<Result<(), types::Error>> {
        let object = match lift(self, fields)? {
            Ok(object) => object,
            Err(why) => return Ok(Err(types::Error::Invalid(why))),
        };
        let Err(failure) = self.wait(|context| context.emit(object)) else { return Ok(Ok(())) };
        match failure.kind {
            FailureKind::Invalid => Ok(Err(types::Error::Invalid(failure.message))),
            FailureKind::Cancelled => Err(wasmtime::Error::new(Stop::Cancelled)),
            _ => Err(wasmtime::Error::new(Stop::Failed(failure))),
        }
    }
}
