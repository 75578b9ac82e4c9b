//! Guests that do their worst beside guests that do their work, and a guest that is stopped.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod guests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use guests::{Guests, found, images, is_empty_but_for, numbers};
use mobula_contract::FailureKind;
use mobula_engine::{Engine, EngineConfig, ObjectRef, SessionConfig, wait};
use serde_json::json;

/// Longer than anything may take that is not a hang.
const PATIENCE: Duration = Duration::from_secs(120);

fn engine(cpus: f64) -> Engine {
    let config = EngineConfig::new(Arc::new(Guests::load()));
    Engine::start(EngineConfig { cpus, ..config }).unwrap()
}

#[test]
fn good_work_goes_on_beside_hostile_guests() {
    let engine = engine(4.0);
    let bad = engine.session(SessionConfig::default());
    let task = |name: &str| bad.task(&format!("hostile/{name}")).memory(64 << 20).max_retries(0);
    // Two of four processors are lost to loops that end long after the good work.
    let endless: Vec<ObjectRef> =
        (0..2).map(|_| task("loops").timeout_s(3600.0).submit().unwrap()).collect();
    let amounts = [
        ("eats_memory", 512_u64 << 20, FailureKind::Quota),
        ("panics", 3, FailureKind::Trap),
        ("many_builders", 10_000, FailureKind::Quota),
        ("returns_much", 400 << 20, FailureKind::Quota),
    ];
    let mut attacks = Vec::new();
    for _ in 0..25 {
        attacks.push((task("loops").timeout_s(0.05).submit().unwrap(), Some(FailureKind::Quota)));
        for (name, amount, kind) in amounts {
            let attack = task(name).args(json!({ "amount": amount }));
            attacks.push((attack.submit().unwrap(), Some(kind)));
        }
        let flood = task("talks").args(json!({ "amount": 20_000 }));
        attacks.push((flood.submit().unwrap(), None));
    }
    let good = engine.session(SessionConfig::default());
    let whole = good.put(images(256, 1024)).unwrap();
    let counter = good.actor("counter").plugin("hostile/Counter").args(json!({ "amount": 0 }));
    let counter = counter.max_restarts(0).create().unwrap();
    let add = counter.method(&good, "add").args(json!({ "amount": 2 }));
    let subset = good.task("subset/subset").args(json!({ "size": 50 })).max_retries(0);
    let subset = subset.inputs_of(&whole);
    let (mut sums, mut subsets) = (Vec::new(), Vec::new());
    for _ in 0..100 {
        sums.push(add.submit().unwrap());
        subsets.push(subset.submit().unwrap());
    }
    for (number, sum) in (1..).zip(&sums) {
        let sum = sum.get_timeout(PATIENCE).expect("no hang").unwrap();
        assert_eq!(found(&sum), (2 * number).to_string());
    }
    for subset in &subsets {
        let mut rows = numbers(&subset.get_timeout(PATIENCE).expect("no hang").unwrap()).unwrap();
        rows.sort_unstable();
        rows.dedup();
        assert_eq!(rows.len(), 50);
    }
    drop((sums, subsets, subset, whole, add, counter));
    assert_eq!(good.finish().1, None);
    assert!(wait(&endless, 2, Some(Duration::ZERO)).0.is_empty(), "the loops go on");
    for (attack, kind) in attacks {
        let ended = attack.get_timeout(PATIENCE).expect("no hang");
        assert_eq!(ended.err().map(|failure| failure.kind), kind);
    }
    drop(bad);
    for endless in endless {
        let stopped = endless.get_timeout(PATIENCE).expect("no hang").unwrap_err();
        assert_eq!(stopped.kind, FailureKind::Cancelled);
    }
    is_empty_but_for(&engine, 0);
}

#[test]
fn a_running_guest_is_cancelled_long_before_its_limit() {
    let engine = engine(2.0);
    let session = engine.session(SessionConfig::default());
    let loops = session.task("hostile/loops").timeout_s(60.0);
    let mut waits = Vec::new();
    for _ in 0..20 {
        let running = loops.submit().unwrap();
        assert!(running.get_timeout(Duration::from_millis(30)).is_none(), "it runs");
        let asked = Instant::now();
        running.cancel();
        assert_eq!(running.get().unwrap_err().kind, FailureKind::Cancelled);
        waits.push(asked.elapsed());
        assert!(asked.elapsed() < Duration::from_secs(30), "not at its limit");
        // Its place is free at once.
        session.task("hostile/nothing").submit().unwrap().get().unwrap();
    }
    waits.sort_unstable();
    eprintln!("cancelled within {:?}, at most {:?}", waits[waits.len() / 2], waits.last());
}
