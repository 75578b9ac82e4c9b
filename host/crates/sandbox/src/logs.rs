//! What a guest says: lines to the context, bounded, and the last few kept for the message of a trap.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use mobula_contract::{Level, StageContext};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::limits::{TEXT_BYTES, size};
use crate::text::clean;

/// Lines that a trap's message repeats.
const TAIL: usize = 5;

/// The lines of one instance.
#[derive(Clone)]
pub(crate) struct Logs {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    context: Arc<dyn StageContext>,
    limit: u64,
    left: u64,
    tail: VecDeque<String>,
}

impl Logs {
    pub(crate) fn new(context: Arc<dyn StageContext>, limit: u64) -> Self {
        let inner = Inner { context, limit, left: limit, tail: VecDeque::new() };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// The next call, with a context of its own.
    pub(crate) fn renew(&self, context: Arc<dyn StageContext>, limit: u64) {
        *self.lock() = Inner { context, limit, left: limit, tail: VecDeque::new() };
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A line at a level; what is over the limit is dropped, and said so once.
    pub(crate) fn line(&self, level: Level, text: &str) {
        let text = &*clean(text);
        let mut inner = self.lock();
        if inner.tail.len() == TAIL {
            inner.tail.pop_front();
        }
        inner.tail.push_back(text.to_owned());
        if inner.left == 0 {
            return;
        }
        let cost = text.len() as u64 + 1;
        if cost > inner.left {
            inner.left = 0;
            let limit = size(inner.limit);
            inner
                .context
                .log(Level::Warn, &format!("limit log ({limit}) reached: the rest is dropped"));
            return;
        }
        inner.left -= cost;
        inner.context.log(level, text);
    }

    /// The last lines, oldest first.
    pub(crate) fn tail(&self) -> Vec<String> {
        self.lock().tail.iter().cloned().collect()
    }

    /// Standard output or error of the guest, each line at `level`.
    pub(crate) fn stream(&self, level: Level) -> Stream {
        Stream { logs: self.clone(), level, part: Arc::default() }
    }
}

/// Standard output or error of a guest.
#[derive(Clone)]
pub(crate) struct Stream {
    logs: Logs,
    level: Level,
    part: Arc<Mutex<Vec<u8>>>,
}

impl Stream {
    fn take_in(&self, bytes: &[u8]) {
        let mut part = self.part.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for byte in bytes {
            if *byte != b'\n' {
                part.push(*byte);
            }
            if *byte == b'\n' || part.len() >= TEXT_BYTES {
                self.logs.line(self.level, &String::from_utf8_lossy(&part));
                part.clear();
            }
        }
    }
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Stream {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.take_in(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(1 << 16)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}
