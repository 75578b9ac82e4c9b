//! Stopping a run from another process: who wants it leaves a file in the home folder, which the process
//! that has the run looks for. No signal, since that process may be a server that has other runs too.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use mobula_contract::RunId;
use mobula_engine::CancelHandle;

/// How often the file is looked for: one call of the system, and nobody waits long.
const POLL: Duration = Duration::from_millis(200);

/// Wants a run to stop. Its process sees that within [`POLL`], if it goes on at all.
pub(crate) fn ask(home: &Path, run: &RunId) -> anyhow::Result<()> {
    let place = place(home, run);
    let write = || {
        fs::create_dir_all(place.parent().unwrap_or(home))?;
        fs::write(&place, [])
    };
    write().with_context(|| format!("cannot write {}", place.display()))
}

fn place(home: &Path, run: &RunId) -> PathBuf {
    home.join("stop").join(run.as_str())
}

/// Hears that others want a run to stop, while this process has it.
pub(crate) struct Ear {
    place: PathBuf,
    /// Closed when the run is over.
    ended: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ear {
    /// For a run whose lock is held. What was asked of an earlier process is forgotten.
    pub(crate) fn open(home: &Path, run: &RunId) -> anyhow::Result<Self> {
        let place = place(home, run);
        match fs::remove_file(&place) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(e).with_context(|| format!("cannot remove {}", place.display()))
            }
            _ => Ok(Self { place, ended: None, thread: None }),
        }
    }

    /// From now on the run can be stopped.
    pub(crate) fn listen(&mut self, handle: CancelHandle) {
        if self.thread.is_some() {
            return;
        }
        let (ended, over) = mpsc::channel();
        let place = self.place.clone();
        let listen = move || {
            while over.recv_timeout(POLL) == Err(RecvTimeoutError::Timeout) {
                if place.exists() {
                    handle.cancel();
                    return;
                }
            }
        };
        // Without a thread the run goes on, and is stopped where it runs.
        let thread = std::thread::Builder::new().name("stop".to_owned()).spawn(listen);
        (self.ended, self.thread) = (Some(ended), thread.ok());
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        drop(self.ended.take());
        if let Some(thread) = self.thread.take() {
            // It does nothing that could fail.
            let _ = thread.join();
        }
        let _ = fs::remove_file(&self.place);
    }
}
