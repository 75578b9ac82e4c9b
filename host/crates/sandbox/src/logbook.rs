//! What a guest says: log lines, and what it prints, cut into lines; bounded, and the newest few
//! kept for the message of a trap.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use mobula_contract::{Level, StageContext};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError};
use wasmtime_wasi_io::bytes::Bytes;

/// Lines that a trap's message repeats.
const LAST_LINES: usize = 5;
/// The longest line; longer ones are cut into several.
const LINE_BYTES: usize = 4096;
/// What a line costs besides its text, since a million empty lines are not free either.
const LINE_COST: u64 = 16;
/// What a guest may print at a time.
const PERMIT: usize = 64 << 10;

/// Where a guest prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Printed {
    Stdout,
    Stderr,
}

impl Printed {
    fn level(self) -> Level {
        match self {
            Self::Stdout => Level::Info,
            Self::Stderr => Level::Warn,
        }
    }
}

/// The lines of one call, on their way to its context.
pub(crate) struct Logbook {
    context: Arc<dyn StageContext>,
    left: u64,
    full: bool,
    last: VecDeque<String>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Logbook {
    pub(crate) fn new(context: Arc<dyn StageContext>, bytes: u64) -> Self {
        let last = VecDeque::new();
        Self { context, left: bytes, full: false, last, stdout: vec![], stderr: vec![] }
    }

    pub(crate) fn log(&mut self, level: Level, message: &str) {
        for line in message.lines() {
            for piece in pieces(line) {
                self.line(level, piece);
            }
        }
    }

    pub(crate) fn print(&mut self, to: Printed, bytes: &[u8]) {
        for byte in bytes {
            let pending = self.pending(to);
            let ends_line = *byte == b'\n';
            if !ends_line {
                pending.push(*byte);
            }
            if ends_line || pending.len() >= LINE_BYTES {
                self.end_line(to);
            }
        }
    }

    /// Ends the lines that have no end yet.
    pub(crate) fn flush(&mut self) {
        for to in [Printed::Stdout, Printed::Stderr] {
            if !self.pending(to).is_empty() {
                self.end_line(to);
            }
        }
    }

    /// The newest lines, oldest first.
    pub(crate) fn last(&self) -> impl Iterator<Item = &str> {
        self.last.iter().map(String::as_str)
    }

    fn pending(&mut self, to: Printed) -> &mut Vec<u8> {
        match to {
            Printed::Stdout => &mut self.stdout,
            Printed::Stderr => &mut self.stderr,
        }
    }

    fn end_line(&mut self, to: Printed) {
        let line = std::mem::take(self.pending(to));
        self.line(to.level(), &String::from_utf8_lossy(&line));
    }

    fn line(&mut self, level: Level, line: &str) {
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line.to_owned());
        let cost = LINE_COST + line.len() as u64;
        if !self.full && cost <= self.left {
            self.left -= cost;
            self.context.log(level, line);
        } else if !self.full {
            self.full = true;
            self.context.log(Level::Warn, "log limit reached");
        }
    }
}

impl fmt::Debug for Logbook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logbook").field("left", &self.left).finish_non_exhaustive()
    }
}

/// A line in pieces of at most `LINE_BYTES`, cut between characters.
fn pieces(mut line: &str) -> impl Iterator<Item = &str> {
    let mut done = false;
    std::iter::from_fn(move || {
        if done {
            return None;
        }
        let (piece, rest) = line.split_at(line.floor_char_boundary(LINE_BYTES));
        line = rest;
        done = rest.is_empty();
        Some(piece)
    })
}

/// The guest's end of what it prints.
pub(crate) struct PrintStream {
    pub(crate) book: Arc<Mutex<Logbook>>,
    pub(crate) to: Printed,
}

#[async_trait]
impl OutputStream for PrintStream {
    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner).print(self.to, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        Ok(())
    }

    fn check_write(&mut self) -> Result<usize, StreamError> {
        Ok(PERMIT)
    }
}

#[async_trait]
impl Pollable for PrintStream {
    async fn ready(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Kept(Mutex<Vec<String>>);

    impl StageContext for Kept {
        fn log(&self, _: Level, message: &str) {
            self.0.lock().unwrap().push(message.to_owned());
        }
        fn progress(&self, _: u64, _: Option<u64>) {}
        fn metric(&self, _: &str, _: u64, _: f64) {}
        fn seed(&self) -> u64 {
            0
        }
        fn cancelled(&self) -> bool {
            false
        }
    }

    #[test]
    fn prints_become_lines() {
        let kept = Arc::new(Kept::default());
        let mut book = Logbook::new(kept.clone(), 1000);
        book.print(Printed::Stdout, b"one\ntw");
        book.print(Printed::Stderr, b"err\n");
        book.print(Printed::Stdout, b"o");
        book.flush();
        assert_eq!(*kept.0.lock().unwrap(), ["one", "err", "two"]);
    }

    #[test]
    fn the_limit_is_said_once_and_the_last_lines_are_still_kept() {
        let kept = Arc::new(Kept::default());
        let mut book = Logbook::new(kept.clone(), 40);
        for n in 0..10 {
            book.log(Level::Info, &format!("line {n}"));
        }
        assert_eq!(*kept.0.lock().unwrap(), ["line 0", "log limit reached"]);
        assert_eq!(book.last().last(), Some("line 9"));
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let line = "ä".repeat(LINE_BYTES);
        let cut: Vec<_> = pieces(&line).collect();
        assert_eq!(cut.concat(), line);
        assert!(cut.iter().all(|piece| piece.len() <= LINE_BYTES));
        assert_eq!(pieces("").count(), 1);
    }
}
