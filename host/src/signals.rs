//! Ctrl-C and SIGTERM: the first asks for an end in order, the second ends the process.

use anyhow::Context as _;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::exit::Exit;

/// What the first signal was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Somebody wants it to stop.
    ByUser,
    /// The machine, or who runs it, wants the process away.
    ByMachine,
}

/// Has the first signal answered by `first`, on a thread of its own; a second one loses only what is not
/// saved.
pub(crate) fn on_first(first: impl FnOnce(Asked) + Send + 'static) -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot listen for signals")?;
    std::thread::spawn(move || {
        let mut signals = signals.forever();
        match signals.next() {
            Some(SIGTERM) => first(Asked::ByMachine),
            Some(_) => first(Asked::ByUser),
            None => return,
        }
        if signals.next().is_some() {
            std::process::exit(Exit::Interrupted as i32);
        }
    });
    Ok(())
}
