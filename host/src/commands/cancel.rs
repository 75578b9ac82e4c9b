//! `mobula runs cancel`: asks the process that has a run to stop it, and waits until it did.

use std::time::{Duration, Instant};

use mobula_contract::{RunId, RunStatus};
use mobula_store::Store;
use serde_json::json;

use crate::exit::{Ended, Exit};
use crate::home;
use crate::output::Output;
use crate::stop;

/// How often the run is looked at.
const POLL: Duration = Duration::from_millis(100);

pub(crate) fn perform(
    store: &Store,
    run: &str,
    wait: Duration,
    output: Output,
) -> anyhow::Result<()> {
    let row = home::run(store, run)?;
    let run = row.run;
    if row.status != RunStatus::Running {
        let message = format!("run {run} is {}: there is nothing to cancel", row.status);
        return Err(Ended::error(Exit::Invalid, message));
    }
    stop::ask(store.home(), &run)?;
    let until = Instant::now() + wait;
    loop {
        let status = store.run_row(run.as_str()).map_err(home::coded)?.status;
        if status != RunStatus::Running {
            return ended(&run, status, output);
        }
        if Instant::now() >= until {
            let lock = store.home().join("locks").join(run.as_str());
            let message = format!(
                "run {run} belongs to another process, which was asked to stop it and did not within \
                 {:.0} s\nit will when it goes on; if it hangs, end it: `fuser {}` names it, and after \
                 its end `mobula runs resume {run}` takes the run up",
                wait.as_secs_f64(),
                lock.display()
            );
            return Err(Ended::error(Exit::Failed, message));
        }
        std::thread::sleep(POLL);
    }
}

/// A run that was asked to stop, and came to an end: of its own, where it was faster.
pub(crate) fn ended(run: &RunId, status: RunStatus, output: Output) -> anyhow::Result<()> {
    let document = json!({ "$type": "run.cancelled", "run": run, "status": status });
    output.result(&document, || match status {
        RunStatus::Interrupted => {
            format!("run {run} is stopped; `mobula runs resume {run}` goes on from what is saved")
        }
        status => format!("run {run} {status} before it could be stopped"),
    })
}
