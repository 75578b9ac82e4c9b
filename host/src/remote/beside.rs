//! Runs of a server that are stopped or set beside each other.

use std::path::Path;
use std::time::{Duration, Instant};

use mobula_contract::{Folders, Override, Pipeline, RunReport, RunStatus, parse_pipeline};
use serde_json::{Value as Json, json};

use super::{POLL, Remote};
use crate::commands::cancel::ended;
use crate::commands::compare::{Compared, show};
use crate::exit::{Ended, Exit};
use crate::output::Output;

impl Remote {
    pub(super) fn cancel(&self, run: &str, wait: Duration, output: Output) -> anyhow::Result<()> {
        let run = self.whole_name(run)?;
        self.post(&format!("/runs/{run}/cancel"), &json!({}))?;
        let until = Instant::now() + wait;
        loop {
            let shown = self.get(&format!("/runs/{run}"))?;
            let report: RunReport = serde_json::from_value(shown["report"].clone())?;
            if report.status != RunStatus::Running {
                return ended(&report.run, report.status, output);
            }
            if Instant::now() >= until {
                let message = format!(
                    "run {run} was asked to stop and did not within {:.0} s: `mobula runs show {run}` \
                     says how it stands",
                    wait.as_secs_f64()
                );
                return Err(Ended::error(Exit::Failed, message));
            }
            std::thread::sleep(POLL);
        }
    }

    pub(super) fn compare(&self, runs: &[String], output: Output) -> anyhow::Result<()> {
        let mut found = Vec::with_capacity(runs.len());
        for run in runs {
            let shown = self.get(&format!("/runs/{}", self.whole_name(run)?))?;
            found.push(Compared {
                report: serde_json::from_value(shown["report"].clone())?,
                pipeline: shown["pipeline"].as_str().unwrap_or_default().to_owned(),
                started_ms: shown["started_ms"].as_u64().unwrap_or_default(),
                asked: asked(&shown),
            });
        }
        show(&found, output)
    }
}

/// What was asked of a run, where the server kept its file.
fn asked(shown: &Json) -> Option<Pipeline> {
    let text = shown["pipeline_text"].as_str()?;
    let sets = shown["set"].as_array()?.iter();
    let sets: Option<Vec<Override>> = sets.map(|set| Override::parse(set.as_str()?).ok()).collect();
    let here = Path::new("");
    let folders = Folders { base: here, current: here };
    parse_pipeline("the pipeline", text, folders, &sets?).ok()
}
