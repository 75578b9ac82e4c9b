//! What does not fit in memory goes to disk and comes back, what is lost is made again, and no more is
//! admitted than there is.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::{Tested, engine, is_empty_but_for, number};
use mobula_contract::{DType, FailureKind, Object, Tensor, Value};
use mobula_engine::{Engine, EngineConfig, ObjectRef, PROCESS_BYTES, Session, SessionConfig, wait};
use serde_json::json;

const MIB: u64 = 1 << 20;

/// An engine with so much memory for objects, whose files are in this folder.
fn small(memory: u64, folder: &Path) -> Engine {
    let config = EngineConfig::new(Arc::new(Tested));
    let memory_bytes = Some(PROCESS_BYTES + memory);
    let spill_dir = Some(folder.to_owned());
    Engine::start(EngineConfig { cpus: 2.0, memory_bytes, spill_dir, ..config }).unwrap()
}

fn big(session: &Session, bytes: u64, x: u64) -> ObjectRef {
    session.task("t/big").args(json!({ "bytes": bytes, "x": x })).submit().unwrap()
}

fn first_byte(session: &Session, object: &ObjectRef) -> u64 {
    let read = session.task("t/first_byte").input("big", object.field("big")).submit().unwrap();
    number(&read.get().unwrap())
}

#[test]
fn objects_beyond_the_budget_go_to_disk_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let engine = small(8 * MIB, folder.path());
    let session = engine.session(SessionConfig::default());
    let all: Vec<ObjectRef> = (0..40).map(|x| big(&session, MIB, x)).collect();
    let (ready, _) = wait(&all, all.len(), None);
    assert_eq!(ready.len(), 40);
    for round in 0..2 {
        for (x, object) in (0..).zip(&all) {
            assert_eq!(first_byte(&session, object), x, "round {round}");
            let memory = engine.memory();
            assert!(memory.used_bytes <= memory.limit_bytes, "{memory:?}");
        }
    }
    let memory = engine.memory();
    assert!(memory.spills >= 32 && memory.spilled_bytes > 32 * MIB, "{memory:?}");
    drop(all);
    is_empty_but_for(&engine, 1);
    assert_eq!(engine.memory().used_bytes, 0);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no file is left");
}

#[test]
fn what_is_lost_is_made_again_with_what_it_was_made_of() {
    let folder = tempfile::tempdir().unwrap();
    let engine = small(4 * MIB, folder.path());
    let session = engine.session(SessionConfig::default());
    let base = session.task("t/give").args(json!({ "x": 5 })).submit().unwrap();
    let made = session.task("t/big").args(json!({ "bytes": MIB, "x": 9 })).inputs_of(&base);
    let lost = made.submit().unwrap();
    drop((base, made));
    lost.get().unwrap();
    let others: Vec<ObjectRef> = (0..8).map(|x| big(&session, MIB, x)).collect();
    assert_eq!(wait(&others, others.len(), None).0.len(), others.len());
    for damage in ["delete", "change"] {
        let mut files = 0;
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let path = file.unwrap().path();
            files += 1;
            if damage == "delete" {
                std::fs::remove_file(path).unwrap();
            } else {
                let mut bytes = std::fs::read(&path).unwrap();
                *bytes.last_mut().unwrap() ^= 1;
                std::fs::write(path, bytes).unwrap();
            }
        }
        assert!(files > 0);
        assert_eq!(first_byte(&session, &lost), 9);
        for (x, object) in (0..).zip(&others) {
            assert_eq!(first_byte(&session, object), x);
            object.get().unwrap();
        }
    }
    drop((lost, others));
    is_empty_but_for(&engine, 1);
}

#[test]
fn what_came_from_an_actor_or_from_outside_is_not_made_again_but_named() {
    let folder = tempfile::tempdir().unwrap();
    let engine = small(2 * MIB, folder.path());
    let session = engine.session(SessionConfig::default());
    let bytes = vec![1; usize::try_from(MIB).unwrap()];
    let tensor = Tensor::new(DType::U8, vec![MIB], bytes).unwrap();
    let put = session.put(Object::default().with("big", Value::Tensor(tensor))).unwrap();
    let others: Vec<ObjectRef> = (0..4).map(|x| big(&session, MIB, x)).collect();
    assert_eq!(wait(&others, others.len(), None).0.len(), others.len());
    for file in std::fs::read_dir(folder.path()).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    let failure = put.get().unwrap_err();
    assert_eq!(failure.kind, FailureKind::Host);
    assert!(failure.message.contains("was lost and cannot be made again"), "{failure}");
    assert_eq!(first_byte(&session, &others[3]), 3);
}

#[test]
fn what_can_never_fit_fails_by_name_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let engine = small(4 * MIB, folder.path());
    let session = engine.session(SessionConfig::default());
    let never = session.task("t/big").args(json!({ "bytes": 5 * MIB })).max_retries(1);
    let failure = never.submit().unwrap().get().unwrap_err();
    assert_eq!(failure.kind, FailureKind::Memory);
    assert!(failure.message.contains("limit process memory reached"), "{failure}");
    let declared = session.task("t/nothing").memory(PROCESS_BYTES + 5 * MIB).submit();
    assert!(declared.unwrap_err().message.contains("bytes of memory, but there are"));
    assert_eq!(first_byte(&session, &big(&session, 3 * MIB, 7)), 7);
}

#[test]
fn no_more_is_admitted_than_there_is() {
    let engine = engine(2.0);
    let session = engine.session(SessionConfig::default());
    let sleep = session.task("t/sleep").args(json!({ "ms": 3 }));
    let mut all = Vec::new();
    for round in 0..20 {
        let cpus = [0.5, 1.0, 2.0, 0.01][round % 4];
        all.push(sleep.clone().cpus(cpus).submit().unwrap());
    }
    while wait(&all, all.len(), Some(Duration::from_millis(1))).0.len() < all.len() {
        assert!(engine.free().cpus_milli <= 2000);
    }
    all.iter().for_each(|object| drop(object.get().unwrap()));
    for _ in 0..1000 {
        if engine.free().cpus_milli == 2000 {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("{:?}", engine.free());
}
