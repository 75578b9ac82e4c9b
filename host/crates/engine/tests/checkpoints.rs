//! Checkpoints on their way: the newest wins, a damaged one is passed over, and a notice is used.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use common::{By, engine, number};
use mobula_contract::{CheckpointId, EventBody, Failure, FailureKind, RunEvent, RunStatus};
use mobula_engine::{Journal, Save, Seen, Session, SessionConfig};
use serde_json::json;

#[derive(Default)]
struct Kept {
    /// Saves that may still be written, and where they wait.
    open: usize,
    begun: usize,
    states: Vec<(CheckpointId, Vec<u8>)>,
    damaged: usize,
    events: Vec<EventBody>,
}

/// A disk whose writes wait to be let through, and whose newest checkpoints may be damaged.
#[derive(Clone, Default)]
struct Disk(Arc<(Mutex<Kept>, Condvar)>);

impl Disk {
    fn let_through(&self, saves: usize) {
        self.0.0.lock().unwrap().open += saves;
        self.0.1.notify_all();
    }

    fn damage_newest(&self, count: usize) {
        self.0.0.lock().unwrap().damaged = count;
    }

    fn saved(&self) -> usize {
        self.0.0.lock().unwrap().states.len()
    }

    fn wait_until(&self, done: impl Fn(&Kept) -> bool) {
        let patience = (0..10_000).find(|_| {
            std::thread::sleep(Duration::from_millis(1));
            done(&self.0.0.lock().unwrap())
        });
        patience.expect("it happens soon");
    }

    fn session(&self, engine: &mobula_engine::Engine) -> Session {
        let policy = Some(Box::new(By(|_: &Seen<'_>| true)) as _);
        let journal = Some(Box::new(self.clone()) as _);
        let faults = vec!["crash[0]:actor-crash".parse().unwrap()];
        engine.session(SessionConfig { policy, journal, faults, ..SessionConfig::default() })
    }

    fn events(&self) -> Vec<EventBody> {
        std::mem::take(&mut self.0.0.lock().unwrap().events)
    }
}

impl Journal for Disk {
    fn record(&mut self, events: &[RunEvent]) -> Result<(), Failure> {
        let bodies = events.iter().map(|event| event.body.clone());
        self.0.0.lock().unwrap().events.extend(bodies);
        Ok(())
    }

    fn save(&mut self, save: Save<'_>) -> Result<String, Failure> {
        let mut kept = self.0.0.lock().unwrap();
        kept.begun += 1;
        let mut kept = self.0.1.wait_while(kept, |kept| kept.open == 0).unwrap();
        kept.open -= 1;
        kept.states.push((save.id.clone(), save.bytes.to_vec()));
        Ok("blake3:0".to_owned())
    }

    fn load(&mut self, id: &CheckpointId) -> Result<Vec<u8>, Failure> {
        let mut kept = self.0.0.lock().unwrap();
        let at = kept.states.iter().position(|(there, _)| there == id).unwrap();
        if kept.damaged > 0 {
            kept.damaged -= 1;
            return Err(Failure::new(FailureKind::Damaged, format!("{id} is damaged: a bit")));
        }
        Ok(kept.states[at].1.clone())
    }
}

#[test]
fn the_newest_snapshot_wins_and_no_queue_grows() {
    let (engine, disk) = (engine(2.0), Disk::default());
    let session = disk.session(&engine);
    let sum = session.actor("sum").native("sum").create().unwrap();
    let add = sum.method(&session, "add").args(json!({ "x": 1 }));
    add.submit().unwrap().get().unwrap();
    disk.wait_until(|kept| kept.begun == 1);
    for _ in 1..20 {
        add.submit().unwrap().get().unwrap();
    }
    // The first is being written, all others but the newest have given way.
    disk.let_through(2);
    disk.wait_until(|kept| kept.states.len() == 2);
    let crash = sum.method(&session, "add").named("crash").args(json!({ "x": 1 }));
    assert_eq!(number(&crash.submit().unwrap().get().unwrap()), 21);
    disk.let_through(100);
    drop((add, crash, sum));
    session.finish();
    let states = &disk.0.0.lock().unwrap().states.clone();
    assert_eq!(states[0].1, 1_u64.to_le_bytes());
    assert_eq!(states[1].1, 20_u64.to_le_bytes());
    let replaced = |event: &EventBody| matches!(event, EventBody::CheckpointReplaced { .. });
    assert_eq!(disk.events().iter().filter(|event| replaced(event)).count(), 18);
}

#[test]
fn a_damaged_checkpoint_is_named_and_the_one_before_it_used() {
    for damaged in [1, 2] {
        let (engine, disk) = (engine(2.0), Disk::default());
        disk.let_through(usize::MAX / 2);
        let session = disk.session(&engine);
        let sum = session.actor("sum").native("sum").create().unwrap();
        let add = sum.method(&session, "add").args(json!({ "x": 1 }));
        for saves in 1..=2 {
            add.submit().unwrap().get().unwrap();
            disk.wait_until(|kept| kept.states.len() == saves);
        }
        disk.damage_newest(damaged);
        let crash = sum.method(&session, "add").named("crash").args(json!({ "x": 1 }));
        let result = crash.submit().unwrap().get();
        match damaged {
            1 => assert_eq!(number(&result.unwrap()), 3),
            // The calls before both are forgotten: only the history has them.
            _ => assert!(result.unwrap_err().message.contains("`mobula runs resume` goes back")),
        }
        drop((add, crash, sum));
        session.finish();
        let events = disk.events();
        let aside = events.iter().filter_map(|event| match event {
            EventBody::CheckpointSetAside { id, message } => Some((id.clone(), message.clone())),
            _ => None,
        });
        let aside: Vec<_> = aside.collect();
        assert_eq!(aside.len(), damaged, "{events:?}");
        assert!(aside[0].1.contains("is damaged"));
        // The call that only the damaged one held is made again.
        let replays = events
            .iter()
            .filter(|event| matches!(event, EventBody::StageStarted { replay, .. } if *replay));
        assert_eq!(replays.count(), 2 - damaged);
    }
}

#[test]
fn a_notice_ends_the_session_with_everything_saved() {
    let (engine, disk) = (engine(2.0), Disk::default());
    disk.let_through(usize::MAX / 2);
    let session = disk.session(&engine);
    let sum = session.actor("sum").native("sum").create().unwrap();
    let nap = sum.method(&session, "sleep").args(json!({ "ms": 30 }));
    let calls: Vec<_> = (0..200).map(|_| nap.submit().unwrap()).collect();
    calls[0].get().unwrap();
    session.cancel_handle().notice(30.0);
    drop((nap, sum));
    let (status, error) = session.finish();
    assert_eq!((status, error), (RunStatus::Interrupted, None));
    let done = calls.iter().filter(|call| call.get().is_ok()).count();
    // The call that was stopped may have come to its end just then.
    assert!(done < 200 && disk.saved() + 1 >= done, "{done} done, {} saved", disk.saved());
}
