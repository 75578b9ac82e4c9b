//! Ends that come at a bad moment: nothing waits for ever, and nothing is left over.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{By, Tested, engine, is_empty_but_for, number};
use mobula_contract::{DType, Failure, FailureKind, Object, RunEvent, Tensor, Value};
use mobula_engine::{
    Engine, EngineConfig, Journal, PROCESS_BYTES, Policy, Save, Seen, SessionConfig,
};
use serde_json::json;

/// Takes a checkpoint after each call.
fn always() -> Box<dyn Policy> {
    Box::new(By(|_: &Seen<'_>| true))
}

/// Keeps one state, and takes its time to find it.
#[derive(Default)]
struct Slow(Vec<u8>);

impl Journal for Slow {
    fn record(&mut self, _: &[RunEvent]) -> Result<(), Failure> {
        Ok(())
    }
    fn save(&mut self, save: Save<'_>) -> Result<String, Failure> {
        self.0 = save.bytes.to_vec();
        Ok(String::new())
    }
    fn load(&mut self, _: &mobula_contract::CheckpointId) -> Result<Vec<u8>, Failure> {
        std::thread::sleep(Duration::from_millis(30));
        Ok(self.0.clone())
    }
}

#[test]
fn a_session_can_be_dropped_while_a_checkpoint_is_made() {
    let engine = engine(2.0);
    let config = SessionConfig { policy: Some(always()), ..SessionConfig::default() };
    let session = engine.session(config);
    let sum = session.actor("sum").native("sum").args(json!({ "slow": true })).create().unwrap();
    let add = sum.method(&session, "add").args(json!({ "x": 1 }));
    add.submit().unwrap().get().unwrap();
    let waiting = add.submit().unwrap();
    drop((add, sum));
    drop(session);
    let waited = waiting.get_timeout(Duration::from_secs(30)).expect("it does not hang");
    assert!(waited.is_err_and(|failure| failure.kind == FailureKind::Cancelled));
    drop(waiting);
    is_empty_but_for(&engine, 0);
}

#[test]
fn a_session_can_be_dropped_while_an_actor_comes_back() {
    for wait_ms in [0, 5, 10, 15, 20, 30] {
        let engine = engine(2.0);
        let (policy, journal) = (Some(always()), Some(Box::<Slow>::default() as _));
        let session = engine.session(SessionConfig { policy, journal, ..SessionConfig::default() });
        let sum = session.actor("sum").native("sum").max_restarts(9).create().unwrap();
        let add = sum.method(&session, "add").args(json!({ "x": 1 }));
        add.submit().unwrap().get().unwrap();
        let trap = sum.method(&session, "trap").submit().unwrap();
        std::thread::sleep(Duration::from_millis(wait_ms));
        drop((add, sum));
        drop(session);
        assert!(trap.get_timeout(Duration::from_secs(30)).expect("it does not hang").is_err());
        drop(trap);
        is_empty_but_for(&engine, 0);
        // What would wait for the journal now would wait for ever.
        drop(engine);
    }
}

#[test]
fn an_actor_that_is_never_made_ends_with_its_session() {
    let engine = engine(2.0);
    let session = engine.session(SessionConfig::default());
    let endless = || json!({ "endless": true });
    let one = session.actor("one").native("sum").args(endless()).create().unwrap();
    let call = one.method(&session, "add").submit().unwrap();
    std::thread::sleep(Duration::from_millis(20));
    session.kill_actor("one");
    assert_eq!(call.get().unwrap_err().kind, FailureKind::Invalid);
    let two = session.actor("two").native("sum").args(endless()).create().unwrap();
    std::thread::sleep(Duration::from_millis(20));
    drop((call, one, two));
    drop(session);
    is_empty_but_for(&engine, 0);
    // Waits for the threads that were to make them.
    drop(engine);
}

#[test]
fn an_actor_is_over_even_where_its_last_call_ends_well() {
    let engine = engine(2.0);
    let session = engine.session(SessionConfig::default());
    let sum = session.actor("sum").native("sum").create().unwrap();
    let nap = sum.method(&session, "nap").args(json!({ "ms": 50 })).submit().unwrap();
    let after = sum.method(&session, "add").args(json!({ "x": 1 })).submit().unwrap();
    std::thread::sleep(Duration::from_millis(20));
    session.kill_actor("sum");
    assert_eq!(number(&nap.get().unwrap()), 0);
    let failure = after.get().unwrap_err();
    assert_eq!(failure.message, "actor sum was ended");
    drop((nap, after, sum));
    is_empty_but_for(&engine, 1);
}

#[test]
fn a_stream_that_failed_has_failed_for_who_asks_again() {
    let engine = engine(2.0);
    let session = engine.session(SessionConfig::default());
    let mut stream = session.task("t/invalid").stream().unwrap();
    assert_eq!(stream.next().unwrap().unwrap_err().kind, FailureKind::Invalid);
    assert!(stream.next().is_none(), "it is told once");
    let returned = stream.returned().get_timeout(Duration::from_secs(30)).unwrap();
    assert_eq!(returned.unwrap_err().kind, FailureKind::Invalid);
}

#[test]
fn no_memory_for_what_is_joined_is_no_mistake_of_the_caller() {
    const MIB: u64 = 1 << 20;
    let config = EngineConfig::new(Arc::new(Tested));
    let memory_bytes = Some(PROCESS_BYTES + 5 * MIB);
    let engine = Engine::start(EngineConfig { memory_bytes, ..config }).unwrap();
    let session = engine.session(SessionConfig::default());
    let part = |x: u8| {
        let bytes = vec![x; usize::try_from(3 * MIB).unwrap()];
        let tensor = Tensor::new(DType::U8, vec![3 * MIB], bytes).unwrap();
        session.put(Object::default().with("big", Value::Tensor(tensor))).unwrap()
    };
    let parts = [part(1), part(2)].map(|part| part.field("big"));
    let first = session.task("t/first_byte").joined("big", &parts).max_retries(0);
    let failure = first.submit().unwrap().get().unwrap_err();
    assert_eq!(failure.kind, FailureKind::Memory, "{failure}");
}
