//! A run as a person watches it: on a terminal a live table with a bar per stage, elsewhere a line for
//! each thing that matters. Always on standard error.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use mobula_contract::{
    EventBody, Level, OutputNote, Pipeline, RecoveryReport, RunEvent, RunStatus, StageRef,
};

/// How often a running bar moves by itself.
const TICK: Duration = Duration::from_millis(120);
/// What the line of a stage says anyway.
const UNSHOWN: [&str; 3] = ["epoch", "seconds", "images"];
/// Room for the index of a stage whose number of runs is not known yet.
const FOREACH_WIDTH: usize = 5;
/// Digits after the point of a metric.
const DIGITS: usize = 4;

/// Shows the events of one run.
pub(crate) struct Live {
    bars: MultiProgress,
    open: BTreeMap<String, ProgressBar>,
    terminal: bool,
    width: usize,
    quiet: bool,
}

/// What a recovery was worth, and what was learned from it.
pub(crate) fn learned(recovery: &RecoveryReport) -> String {
    let RecoveryReport { lost_s, kept_s, benefit_s, threshold_before, threshold_after, .. } =
        recovery;
    format!(
        "lost {lost_s:.3} s, kept {kept_s:.3} s; benefit {benefit_s:.3} s → threshold \
         {threshold_before:.2} → {threshold_after:.2}"
    )
}

impl Live {
    /// `quiet` shows only warnings and errors, for scripts that read JSON.
    pub(crate) fn new(pipeline: &Pipeline, quiet: bool) -> Self {
        let names = pipeline.stages.iter().map(|stage| {
            let index = stage.repeat.map_or(0, |n| n.saturating_sub(1).to_string().len() + 2);
            let index = if stage.foreach.is_some() { FOREACH_WIDTH } else { index };
            stage.name.chars().count() + index
        });
        Self {
            bars: MultiProgress::new(),
            open: BTreeMap::new(),
            terminal: std::io::stderr().is_terminal() && !quiet,
            width: names.max().unwrap_or(0).max(10),
            quiet,
        }
    }

    /// Takes in an event.
    pub(crate) fn see(&mut self, event: &RunEvent) {
        match &event.body {
            EventBody::StageStarted { stage, worker, attempt, replay, .. } => {
                self.start(stage, worker, *attempt, *replay);
            }
            EventBody::Progress { stage, done, total } => self.progress(stage, *done, *total),
            EventBody::StageFinished { stage, outputs, runtime_s, .. } => {
                let shown = numbers(outputs);
                self.end(stage);
                self.line('✓', &stage.to_string(), &format!("{runtime_s:8.3} s  {shown}"));
            }
            EventBody::StageFailed { stage, message, retried, .. } => {
                self.end(stage);
                let next = if *retried { "; will be tried again" } else { "" };
                self.loud('✗', &stage.to_string(), &format!("{message}{next}"));
            }
            EventBody::ActorLost { actor, message, .. } => self.loud('✗', actor, message),
            EventBody::Decided { decision } => {
                self.line(' ', "", &decision.reason);
            }
            EventBody::Recovered { recovery } => {
                let from = match (&recovery.from_checkpoint, recovery.restored_to) {
                    (Some(id), Some(to)) => format!("restored {id} (up to index {to})"),
                    _ => "nothing was saved: starting from the beginning".to_owned(),
                };
                self.loud('↻', "recovery", &format!("{from}, {}", learned(recovery)));
            }
            EventBody::CheckpointFailed { id, message } => {
                let message = format!("not saved: {message}; the run goes on without it");
                self.loud('✗', id.as_str(), &message);
            }
            EventBody::CheckpointReplaced { id } => {
                self.line(' ', id.as_str(), "gave way to a newer one");
            }
            EventBody::CheckpointSetAside { id, message } => {
                self.loud('✗', id.as_str(), &format!("{message}; the one before it is used"));
            }
            EventBody::Remembered { note, .. } => self.line('·', "controller", note),
            EventBody::Log { stage, level, message } => match level {
                Level::Warn | Level::Error => self.loud('!', &stage.to_string(), message),
                Level::Info => self.line('·', &stage.to_string(), message),
                Level::Trace | Level::Debug => {}
            },
            EventBody::RunEnded { status, error, .. } => {
                for bar in std::mem::take(&mut self.open).into_values() {
                    bar.finish_and_clear();
                }
                if *status == RunStatus::Failed
                    && let Some(error) = error
                {
                    self.loud('✗', "run", error);
                }
            }
            EventBody::RunStarted { .. }
            | EventBody::ActorStarted { .. }
            | EventBody::ActorFinished { .. }
            | EventBody::Expanded { .. }
            | EventBody::CheckpointSaved { .. }
            | EventBody::Metric { .. } => {}
        }
    }

    fn start(&mut self, stage: &StageRef, worker: &str, attempt: u32, replay: bool) {
        if !self.terminal {
            return;
        }
        let bar = self.bars.add(ProgressBar::new_spinner());
        bar.set_style(style(false));
        bar.set_prefix(format!("{:<width$}", stage.to_string(), width = self.width));
        let again = if attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
        let again = if replay { format!("{again}, replay") } else { again };
        bar.set_message(format!("on {worker}{again}"));
        bar.enable_steady_tick(TICK);
        if let Some(before) = self.open.insert(stage.to_string(), bar) {
            before.finish_and_clear();
        }
    }

    fn progress(&self, stage: &StageRef, done: u64, total: Option<u64>) {
        let Some(bar) = self.open.get(&stage.to_string()) else { return };
        if let Some(total) = total {
            if bar.length() != Some(total) {
                bar.set_style(style(true));
                bar.set_length(total);
            }
            bar.set_position(done.min(total));
        }
    }

    fn end(&mut self, stage: &StageRef) {
        if let Some(bar) = self.open.remove(&stage.to_string()) {
            bar.finish_and_clear();
        }
    }

    fn line(&self, mark: char, name: &str, text: &str) {
        if !self.quiet {
            self.loud(mark, name, text);
        }
    }

    fn loud(&self, mark: char, name: &str, text: &str) {
        let line = format!("{mark} {name:<width$} {text}", width = self.width);
        if !self.terminal || self.bars.println(&line).is_err() {
            crate::output::Output { json: false }.note(line.trim_end());
        }
    }
}

fn style(bounded: bool) -> ProgressStyle {
    let template = if bounded {
        "{spinner} {prefix} {elapsed:>6} {wide_bar:.cyan/blue} {pos}/{len} {msg}"
    } else {
        "{spinner} {prefix} {elapsed:>6} {msg}"
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The numbers of an output in one line.
fn numbers<'a>(outputs: impl IntoIterator<Item = &'a (String, OutputNote)>) -> String {
    let shown = outputs.into_iter().filter_map(|(name, note)| match note {
        OutputNote::Json { .. } if UNSHOWN.contains(&name.as_str()) => None,
        OutputNote::Json { value } => match value.as_f64() {
            Some(_) if value.is_u64() => Some(format!("{name} {value}")),
            Some(number) if number.abs() >= 100.0 => Some(format!("{name} {number:.0}")),
            Some(number) => Some(format!("{name} {number:.DIGITS$}")),
            None => None,
        },
        OutputNote::Tensor { dtype, shape } => {
            let axes: Vec<String> = shape.iter().map(u64::to_string).collect();
            Some(format!("{name} {dtype}[{}]", axes.join("×")))
        }
        OutputNote::Bytes { len } => Some(format!("{name} {}", crate::output::bytes(*len))),
    });
    shown.collect::<Vec<_>>().join("  ")
}

/// A bar for one piece of work outside of a run; invisible without a terminal or when `quiet`.
pub(crate) fn bar(quiet: bool) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    bar.set_style(style(true));
    bar
}
