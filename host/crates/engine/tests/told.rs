//! What the policy is told, on a clock of the test's own: the numbers are exact.

mod common;

use std::sync::{Arc, Mutex};

use mobula_contract::{CheckpointId, Failure, FailureKind, Receipt, RunId, RunStatus, StageRef};
use mobula_engine::core::{
    ActorId, Core, Effect, Event, Need, NewActor, Rules, SaveId, SessionId, Submit, UnitId,
    WorkerId,
};
use mobula_engine::{Learned, Lost, Policy, Restored, Retry, Saved, Seen, Subject, Verdict};

const SESSION: SessionId = SessionId(1);
const ACTOR: ActorId = ActorId(2);

/// Saves when told to, and writes down what it hears.
#[derive(Clone, Default)]
struct Scribe {
    lines: Arc<Mutex<Vec<String>>>,
    saves: Arc<Mutex<bool>>,
}

impl Scribe {
    fn hear(&self, line: String) {
        self.lines.lock().expect("unpoisoned").push(line);
    }
}

impl Policy for Scribe {
    fn decide(&mut self, seen: Seen<'_>) -> Verdict {
        let Seen {
            at_s, of, runtime_s, beside_save_s, unsaved_s, in_flight, left, notice_s, ..
        } = seen;
        let left = left.map_or("?".to_owned(), |left| left.to_string());
        let notice = notice_s.map_or(String::new(), |left_s| format!(", away in {left_s}"));
        let flying = if in_flight { ", in flight" } else { "" };
        self.hear(format!(
            "{at_s}: {of:?} ran {runtime_s}, {beside_save_s} beside a save, {unsaved_s} unsaved, \
             {left} left{flying}{notice}"
        ));
        common::By(|_: &Seen<'_>| *self.saves.lock().expect("unpoisoned")).decide(seen)
    }

    fn saved(&mut self, saved: Saved<'_>) {
        let Saved { at_s, of, blocking_s, background_s, .. } = saved;
        self.hear(format!("{at_s}: {of:?} saved, {blocking_s} blocking, {background_s} behind"));
    }

    fn save_failed(&mut self, of: Subject<'_>, spent_s: f64) {
        self.hear(format!("{of:?} not saved, {spent_s} spent"));
    }

    fn save_dropped(&mut self, of: Subject<'_>) {
        self.hear(format!("{of:?} gave way"));
    }

    fn lost(&mut self, lost: Lost<'_>) {
        let Lost { at_s, of, lost_s, cause } = lost;
        self.hear(format!("{at_s}: {of:?} lost {lost_s} by {cause:?}"));
    }

    fn restored(&mut self, restored: Restored<'_>) -> Learned {
        let Restored { at_s, of, restore_s, units_kept } = restored;
        let restore_s = restore_s.map_or("anew".to_owned(), |s| format!("in {s}"));
        self.hear(format!("{at_s}: {of:?} back {restore_s}, {units_kept} units kept"));
        Learned::default()
    }
}

struct Desk {
    core: Core,
    scribe: Scribe,
    worker: Option<WorkerId>,
    call: Option<UnitId>,
    save: Option<SaveId>,
    finished: Option<RunStatus>,
}

impl Desk {
    fn new() -> Self {
        let mut core = Core::new(Need { cpus_milli: 4000, memory_bytes: 100 });
        let (scribe, mut number) = (Scribe::default(), 0);
        let names = Box::new(move || {
            number += 1;
            CheckpointId::new(&RunId::new(0, 0), number)
        });
        let rules = Rules { recorded: false, stops_on_failure: true };
        core.open_session(SESSION, rules, Some(Box::new(scribe.clone())), Some(names));
        Self { core, scribe, worker: None, call: None, save: None, finished: None }
    }

    fn at(&mut self, now_s: f64, event: Event) {
        for effect in self.core.step(event, now_s) {
            match effect {
                Effect::Call { unit, worker, .. } => {
                    (self.call, self.worker) = (Some(unit), Some(worker));
                }
                Effect::StartActor { worker, .. } => self.worker = Some(worker),
                Effect::SaveState { save, .. } | Effect::SaveObject { save, .. } => {
                    self.save = Some(save);
                }
                Effect::Finish { status, .. } => self.finished = Some(status),
                _ => {}
            }
        }
    }

    fn submit(&mut self, unit: u64, name: &str, sources: &[u64], actor: Option<ActorId>) {
        let submit = Submit {
            unit: UnitId(unit),
            session: SESSION,
            stage: StageRef { name: name.to_owned(), index: 0, repeated: false },
            sources: sources.iter().copied().map(UnitId).collect(),
            actor,
            need: Need { cpus_milli: 1000, memory_bytes: 0 },
            retry: Retry { delay_ms: 0, ..Retry::times(3) },
            done: None,
            given: false,
        };
        self.at(0.0, Event::Submitted(vec![submit]));
    }

    fn actor_with_calls(&mut self, calls: u64) {
        let new = NewActor {
            actor: ACTOR,
            session: SESSION,
            name: "a".to_owned(),
            need: Need::default(),
            retry: Retry { delay_ms: 0, ..Retry::times(3) },
            eager: false,
            left: None,
        };
        self.at(0.0, Event::ActorCreated(Box::new(new)));
        (10..10 + calls).for_each(|unit| self.submit(unit, "call", &[], Some(ACTOR)));
        self.at(0.0, Event::ActorSealed(ACTOR));
        self.at(0.0, Event::SessionSealed(SESSION));
        self.started(0.0, Ok(()));
    }

    fn started(&mut self, now_s: f64, result: Result<(), Failure>) {
        let worker = self.worker.expect("it starts");
        self.at(now_s, Event::ActorStarted { actor: ACTOR, worker, result });
    }

    /// The call under way ends after so many seconds.
    fn ends(&mut self, now_s: f64, wall_s: f64, saves: bool) {
        *self.scribe.saves.lock().expect("unpoisoned") = saves;
        let (unit, worker) = (self.call.take().expect("called"), self.worker.expect("somewhere"));
        let receipt = Receipt { wall_s, ..Receipt::default() };
        let result = Ok((Vec::new(), 1));
        self.at(now_s, Event::CallEnded { unit, worker, receipt, alive: true, result });
    }

    fn crashes(&mut self, now_s: f64) {
        let (unit, worker) = (self.call.take().expect("called"), self.worker.expect("somewhere"));
        let result = Err(Failure::new(FailureKind::Trap, "a trap"));
        let receipt = Receipt::default();
        self.at(now_s, Event::CallEnded { unit, worker, receipt, alive: false, result });
    }

    fn taken(&mut self, now_s: f64, blocking_s: f64) -> SaveId {
        let save = self.save.take().expect("asked for");
        self.at(now_s, Event::SaveTaken { save, blocking_s, bytes: 8 });
        save
    }

    fn durable(&mut self, now_s: f64, save: SaveId, total_s: f64) {
        self.at(now_s, Event::SaveEnded { save, result: Ok((total_s, String::new())) });
    }

    #[track_caller]
    fn heard(&self, lines: &[&str]) {
        let heard = std::mem::take(&mut *self.scribe.lines.lock().expect("unpoisoned"));
        assert_eq!(heard, lines);
    }
}

#[test]
fn losses_are_counted_from_the_last_durable_checkpoint() {
    let mut desk = Desk::new();
    desk.actor_with_calls(4);
    desk.ends(10.0, 10.0, true);
    let first = desk.taken(10.25, 0.25);
    desk.ends(20.0, 9.5, false);
    // It becomes durable in the middle of the third call.
    desk.durable(22.25, first, 12.25);
    desk.ends(30.0, 10.0, false);
    desk.crashes(34.0);
    desk.started(36.0, Ok(()));
    desk.ends(45.0, 9.0, false);
    desk.heard(&[
        r#"10: Actor("a") ran 10, 0 beside a save, 10 unsaved, 3 left"#,
        r#"20: Actor("a") ran 9.5, 9.75 beside a save, 19.5 unsaved, 2 left, in flight"#,
        r#"22.25: Actor("a") saved, 0.25 blocking, 12 behind"#,
        r#"30: Actor("a") ran 10, 2.25 beside a save, 19.5 unsaved, 1 left"#,
        r#"34: Actor("a") lost 23.5 by Actor"#,
        r#"36: Actor("a") back in 2, 1 units kept"#,
        r#"45: Actor("a") ran 9, 0 beside a save, 9 unsaved, 2 left"#,
    ]);
}

#[test]
fn snapshots_that_give_way_or_fail_keep_nothing() {
    let mut desk = Desk::new();
    desk.actor_with_calls(4);
    desk.ends(1.0, 1.0, true);
    let first = desk.taken(1.0, 0.5);
    desk.ends(2.0, 1.0, true);
    let second = desk.taken(2.0, 0.25);
    desk.at(2.5, Event::SaveReplaced(first));
    desk.ends(3.0, 1.0, true);
    let third = desk.taken(3.0, 0.25);
    desk.at(
        3.5,
        Event::SaveEnded {
            save: second,
            result: Err(Failure::new(FailureKind::Host, "the disk is full")),
        },
    );
    desk.durable(4.0, third, 1.0);
    desk.crashes(4.5);
    desk.started(5.0, Ok(()));
    desk.heard(&[
        r#"1: Actor("a") ran 1, 0 beside a save, 1 unsaved, 3 left"#,
        r#"2: Actor("a") ran 1, 1 beside a save, 2 unsaved, 2 left, in flight"#,
        r#"Actor("a") gave way"#,
        r#"3: Actor("a") ran 1, 1 beside a save, 3 unsaved, 1 left, in flight"#,
        r#"Actor("a") not saved, 0.25 spent"#,
        r#"4: Actor("a") saved, 0.25 blocking, 0.75 behind"#,
        r#"4.5: Actor("a") lost 1.5 by Actor"#,
        r#"5: Actor("a") back in 0.5, 3 units kept"#,
    ]);
}

#[test]
fn an_output_is_worth_the_unsaved_tasks_that_led_to_it() {
    let mut desk = Desk::new();
    desk.submit(10, "load", &[], None);
    desk.submit(11, "subset", &[10], None);
    desk.submit(12, "mean", &[11], None);
    desk.submit(13, "last", &[12, 11], None);
    desk.ends(3.0, 3.0, false);
    desk.ends(4.5, 1.5, true);
    let save = desk.save.expect("asked for");
    desk.durable(5.0, save, 0.5);
    desk.ends(6.5, 2.0, false);
    desk.ends(7.5, 1.0, false);
    desk.heard(&[
        r#"3: Task("load") ran 3, 0 beside a save, 3 unsaved, 1 left"#,
        r#"4.5: Task("subset") ran 1.5, 0 beside a save, 4.5 unsaved, 2 left"#,
        r#"5: Task("subset") saved, 0 blocking, 0.5 behind"#,
        r#"6.5: Task("mean") ran 2, 0.5 beside a save, 2 unsaved, 1 left"#,
        r#"7.5: Task("last") ran 1, 0 beside a save, 3 unsaved, 0 left"#,
    ]);
}

#[test]
fn a_machine_that_goes_away_is_left_with_the_state_saved() {
    let mut desk = Desk::new();
    desk.actor_with_calls(9);
    desk.at(0.5, Event::SessionNoticed(SESSION, 10.0));
    desk.ends(1.0, 1.0, true);
    let save = desk.taken(1.0, 0.1);
    assert_eq!(desk.finished, None);
    desk.durable(1.5, save, 0.5);
    // The call that had begun is stopped, and its end is the end of the session.
    desk.crashes(1.6);
    assert_eq!(desk.finished, Some(RunStatus::Interrupted));
    desk.heard(&[
        r#"1: Actor("a") ran 1, 0 beside a save, 1 unsaved, 8 left, away in 7.5"#,
        r#"1.5: Actor("a") saved, 0.1 blocking, 0.4 behind"#,
    ]);
}
