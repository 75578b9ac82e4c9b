//! A store at work: acts that are chosen by chance, and what must be in the store after each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use mobula_contract::{
    CheckpointId, EventBody, Folders, Pipeline, RunEvent, RunId, RunStatus, StageRef,
    parse_pipeline,
};
use mobula_store::{NewCheckpoint, NewRun, Retention, Store, StoreError, Subject};

use crate::dice::{Dice, content};
use crate::layer::open;

/// Whose state is saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Trainer,
    Stats,
    Output(u32),
}

impl Who {
    pub(crate) fn actor(self) -> Option<&'static str> {
        match self.subject() {
            Subject::Actor(actor) => Some(actor),
            Subject::Output(..) => None,
        }
    }

    pub(crate) fn subject(self) -> Subject<'static> {
        match self {
            Self::Trainer => Subject::Actor("trainer"),
            Self::Stats => Subject::Actor("stats"),
            Self::Output(index) => Subject::Output("load", index),
        }
    }
}

/// Something that a program does with its store.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Act {
    /// Opens it, closing it before where it was open.
    Open,
    /// Enters a run.
    Run,
    /// Saves a checkpoint of the run of this number.
    Save { run: usize, who: Who, len: usize, seed: u64, keep: u32 },
    /// Appends events.
    Append { run: usize, count: usize },
    /// Ends a run well, so that a collection takes most of its checkpoints.
    End { run: usize },
    /// Collects.
    Collect,
    /// Moves the log into the database.
    Tend,
}

/// A checkpoint that was written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kept {
    pub(crate) run: RunId,
    pub(crate) who: Who,
    pub(crate) number: u64,
    pub(crate) len: usize,
    pub(crate) seed: u64,
}

impl Kept {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        content(self.len, self.seed)
    }
}

/// What is in a store.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Seen {
    pub(crate) runs: BTreeMap<RunId, Vec<RunEvent>>,
    pub(crate) checkpoints: BTreeMap<String, Kept>,
    /// Runs of which an append failed that is there all the same: perhaps not for ever.
    pub(crate) loose: BTreeSet<RunId>,
}

/// A store with its memory of what was done.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) home: PathBuf,
    pub(crate) store: Option<Store>,
    /// What must be there.
    pub(crate) least: Seen,
    /// What may be there: more, once an act has failed that may have been done all the same.
    pub(crate) most: Seen,
    runs: Vec<RunId>,
    entered: u64,
    written: u64,
}

pub(crate) fn pipeline() -> Pipeline {
    let text = "[pipeline]\nname = \"p\"\n[[stage]]\nname = \"a\"\ntask = \"x/y\"\n";
    let here = Path::new(".");
    parse_pipeline("p.toml", text, Folders { base: here, current: here }, &[]).expect("a pipeline")
}

/// Acts by chance, most of them saves. The first opens the store, the second enters a run.
pub(crate) fn script(dice: &mut Dice, count: usize) -> Vec<Act> {
    let (mut acts, mut runs) = (vec![Act::Open, Act::Run], 1);
    while acts.len() < count {
        let run = runs - 1 - dice.index(runs.min(2));
        acts.push(match dice.below(20) {
            0 => {
                runs += 1;
                Act::Run
            }
            1 => Act::End { run },
            2 => Act::Collect,
            3 => Act::Open,
            4 | 5 => Act::Tend,
            6..9 => Act::Append { run, count: 1 + dice.index(5) },
            _ => save(dice, run),
        });
    }
    acts
}

fn save(dice: &mut Dice, run: usize) -> Act {
    let who = match dice.below(5) {
        0 | 1 => Who::Trainer,
        2 | 3 => Who::Stats,
        _ => Who::Output(u32::try_from(dice.below(2)).expect("small")),
    };
    let len = match dice.below(6) {
        0 => dice.index(100),
        5 => dice.index(400_000),
        _ => dice.index(60_000),
    };
    // Few seeds: now and then the same bytes come again.
    let seed = dice.below(40);
    let keep = 1 + u32::try_from(dice.below(3)).expect("small");
    Act::Save { run, who, len, seed, keep }
}

impl World {
    pub(crate) fn new(home: &Path) -> Self {
        Self::with(home, &Seen::default())
    }

    /// One in which something was done before us.
    pub(crate) fn with(home: &Path, seen: &Seen) -> Self {
        let runs: Vec<RunId> = seen.runs.keys().cloned().collect();
        let written = seen.checkpoints.values().map(|kept| kept.number).max().unwrap_or(0);
        let (least, most) = (seen.clone(), seen.clone());
        let (home, entered) = (home.to_owned(), runs.len() as u64);
        Self { home, store: None, least, most, runs, entered, written }
    }

    /// Does one act, and takes note of it: as done when it was acknowledged, else as perhaps done.
    pub(crate) fn act(&mut self, act: Act) -> Result<(), StoreError> {
        let (least, most) = self.between(act);
        let coming = self.coming(act);
        self.written += u64::from(coming.is_some());
        if let Err(e) = self.perform(act, coming.as_ref(), &most) {
            (self.least, self.most) = (least, most);
            return Err(e);
        }
        match act {
            Act::Run | Act::Append { .. } | Act::End { .. } => {
                let run = match act {
                    Act::Append { run, .. } | Act::End { run } => &self.runs[run],
                    _ => self.runs.last().expect("it was just entered"),
                };
                self.least.runs.insert(run.clone(), most.runs[run].clone());
                self.most.runs = most.runs;
                self.most.loose.remove(run);
            }
            Act::Save { .. } => {
                let kept = coming.expect("a save has something to be saved");
                let id = CheckpointId::new(&kept.run, kept.number).as_str().to_owned();
                self.least.checkpoints.insert(id, kept);
                self.most.checkpoints = most.checkpoints;
            }
            Act::Open | Act::Collect | Act::Tend => {}
        }
        self.retire(act);
        Ok(())
    }

    fn perform(&mut self, act: Act, coming: Option<&Kept>, most: &Seen) -> Result<(), StoreError> {
        match act {
            Act::Open => {
                drop(self.store.take());
                self.store = Some(open(&self.home)?);
            }
            Act::Run => {
                let id = self.next_run();
                self.entered += 1;
                self.open_store().create_run(&NewRun { id: &id, pipeline: &pipeline() })?;
                self.runs.push(id);
            }
            Act::Save { keep, .. } => {
                let kept = coming.expect("a save has something to be saved");
                save_one(self.open_store(), kept, keep)?;
            }
            Act::Append { run, .. } | Act::End { run } => {
                let run = self.runs[run].clone();
                let there = self.appended(&run).len();
                self.open_store().append(&run, &most.runs[&run][there..])?;
            }
            Act::Collect => drop(self.open_store().collect(false)?),
            Act::Tend => self.open_store().tend()?,
        }
        Ok(())
    }

    /// The events that are in the store: of an append that failed, none or all.
    fn appended(&self, run: &RunId) -> &[RunEvent] {
        let (least, most) = (&self.least.runs[run], &self.most.runs[run]);
        if least.len() == most.len() {
            return least;
        }
        let store = self.store.as_ref().expect("the store is open");
        let there = store.events(run, 0).map_or(0, |events| events.len());
        if there == most.len() { most } else { least }
    }

    /// Takes out what the store has let go of, which must be what it may let go of.
    fn retire(&mut self, act: Act) {
        let doomed = self.doomed(act, &self.most);
        let Ok(rows) = self.open_store().checkpoints(None) else {
            // The disk fails: nobody knows which of them are gone.
            return self.least.checkpoints.retain(|id, _| !doomed.contains(id));
        };
        let there: BTreeSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        for id in self.least.checkpoints.keys().filter(|id| !there.contains(id.as_str())) {
            assert!(doomed.contains(id), "{id} must not be gone after {act:?}");
        }
        self.least.checkpoints.retain(|id, _| there.contains(id.as_str()));
        self.most.checkpoints.retain(|id, _| there.contains(id.as_str()) || !doomed.contains(id));
    }

    /// Checkpoints that an act may remove from what is there after it.
    pub(crate) fn doomed(&self, act: Act, after: &Seen) -> BTreeSet<String> {
        let all = after.checkpoints.iter();
        let newer = |kept: &Kept, who: bool| {
            let of_same = after
                .checkpoints
                .values()
                .filter(|other| other.run == kept.run && (!who || other.who == kept.who));
            of_same.filter(|other| other.number > kept.number).count()
        };
        let gone = |kept: &Kept| match act {
            Act::Save { run, who, keep, .. } => {
                kept.run == self.runs[run] && kept.who == who && newer(kept, true) >= keep as usize
            }
            Act::Collect => {
                let events = &after.runs[&kept.run];
                let ended = events.iter().any(|e| matches!(e.body, EventBody::RunEnded { .. }));
                let newest = !matches!(kept.who, Who::Output(_)) && newer(kept, true) == 0;
                ended && !newest
            }
            _ => false,
        };
        all.filter(|(_, kept)| gone(kept)).map(|(id, _)| id.clone()).collect()
    }

    /// What an act would add, which may be there although it failed.
    pub(crate) fn coming(&self, act: Act) -> Option<Kept> {
        let Act::Save { run, who, len, seed, .. } = act else { return None };
        let run = self.runs[run].clone();
        Some(Kept { run, who, number: self.written + 1, len, seed })
    }

    fn next_run(&self) -> RunId {
        RunId::new(1_000 + self.entered, 1)
    }

    /// Between which two states the store is while an act is under way.
    pub(crate) fn between(&self, act: Act) -> (Seen, Seen) {
        let (mut least, mut most) = self.state();
        let mut append = |run: usize, more: &dyn Fn(u64) -> Vec<RunEvent>| {
            let run = &self.runs[run];
            let there = self.appended(run).to_vec();
            if there.len() != least.runs[run].len() {
                most.loose.insert(run.clone());
            }
            let more = more(there.len() as u64);
            most.runs.insert(run.clone(), [there, more].concat());
        };
        match act {
            Act::Save { .. } => {
                let kept = self.coming(act).expect("a save");
                let id = CheckpointId::new(&kept.run, kept.number).as_str().to_owned();
                most.checkpoints.insert(id, kept);
            }
            Act::Run => {
                most.runs.insert(self.next_run(), Vec::new());
            }
            Act::Append { run, count } => {
                append(run, &|first| (first..first + count as u64).map(metric).collect());
            }
            Act::End { run } => append(run, &|_| vec![ended()]),
            Act::Open | Act::Collect | Act::Tend => {}
        }
        for id in self.doomed(act, &most) {
            least.checkpoints.remove(&id);
        }
        (least, most)
    }

    /// What must, and what may be there.
    pub(crate) fn state(&self) -> (Seen, Seen) {
        (self.least.clone(), self.most.clone())
    }

    fn open_store(&self) -> &Store {
        self.store.as_ref().expect("the store is open")
    }
}

pub(crate) fn metric(step: u64) -> RunEvent {
    let stage = StageRef { name: "train".to_owned(), index: 0, repeated: true };
    let body = EventBody::Metric { stage, name: "loss".to_owned(), step, value: 0.5 };
    RunEvent { at_s: 1.0, body }
}

pub(crate) fn ended() -> RunEvent {
    let (status, result) = (RunStatus::Succeeded, serde_json::Map::new());
    RunEvent { at_s: 9.0, body: EventBody::RunEnded { status, result, error: None } }
}

/// Keeps so many of the newest, and nothing else.
pub(crate) fn newest(count: u32) -> Retention {
    Retention { newest: count, best: 0, by_age: false }
}

/// Saves a checkpoint; gives its name.
pub(crate) fn save_one(store: &Store, kept: &Kept, keep: u32) -> Result<String, StoreError> {
    let id = CheckpointId::new(&kept.run, kept.number);
    let (stage, index, actor) = match kept.who {
        Who::Trainer => ("train", 0, Some("trainer")),
        Who::Stats => ("measure", 0, Some("stats")),
        Who::Output(index) => ("load", index, None),
    };
    let new = NewCheckpoint {
        id: &id,
        run: Some(&kept.run),
        name: None,
        stage,
        index,
        actor,
        position: kept.number,
        metric: None,
        pinned: false,
        bytes: &kept.bytes(),
    };
    store.save_checkpoint(&new, &newest(keep))?;
    Ok(id.as_str().to_owned())
}
