//! What a stage outside of any run says to: its lines, curves and streams are kept, and shown if wanted.

use std::io::Write as _;
use std::sync::{Mutex, MutexGuard};

use mobula_contract::{Failure, Level, Object, StageContext, Used};

/// The context of one call by hand or of a fixture.
#[derive(Debug)]
pub(crate) struct Desk {
    seed: u64,
    aloud: bool,
    heard: Mutex<Heard>,
}

/// What a call said.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Log lines, with their levels.
    pub(crate) lines: Vec<(Level, String)>,
    /// Points of curves.
    pub(crate) metrics: Vec<(String, u64, f64)>,
    /// Objects of its stream.
    pub(crate) emitted: Vec<Object>,
    /// What the last call used.
    pub(crate) used: Used,
}

impl Desk {
    /// Keeps what it hears.
    pub(crate) fn quiet(seed: u64) -> Self {
        Self { seed, aloud: false, heard: Mutex::default() }
    }

    /// Also shows it, on standard error.
    pub(crate) fn aloud(seed: u64) -> Self {
        Self { aloud: true, ..Self::quiet(seed) }
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().expect("nothing panics while it is held")
    }

    /// Everything that was heard since the last time.
    pub(crate) fn take(&self) -> Heard {
        std::mem::take(&mut *self.lock())
    }

    fn say(&self, text: &str) {
        if self.aloud {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
}

impl StageContext for Desk {
    fn log(&self, level: Level, message: &str) {
        self.say(&format!("{}: {message}", format!("{level:?}").to_lowercase()));
        self.lock().lines.push((level, message.to_owned()));
    }

    fn progress(&self, _done: u64, _total: Option<u64>) {}

    fn metric(&self, name: &str, step: u64, value: f64) {
        self.say(&format!("metric {name}[{step}] = {value}"));
        self.lock().metrics.push((name.to_owned(), step, value));
    }

    fn seed(&self) -> u64 {
        self.seed
    }

    fn cancelled(&self) -> bool {
        false
    }

    fn emit(&self, object: Object) -> Result<(), Failure> {
        self.lock().emitted.push(object);
        Ok(())
    }

    fn used(&self, used: Used) {
        self.lock().used = used;
    }
}
