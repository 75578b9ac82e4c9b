//! Tasks that give many objects, one after another.

use super::*;

#[test]
fn objects_of_a_stream_arrive_in_order() {
    let (result, ear) = Attack { wanted: (10, Duration::ZERO), ..attack("emits").amount(5) }.hear();
    assert_eq!(found(result), "all");
    let emitted = ear.emitted.lock().unwrap();
    let index = |object: &Object| object.get("index").cloned();
    let wanted = (0..5).map(|i| Some(Value::Json(i.into())));
    assert!(emitted.iter().map(index).eq(wanted));
    assert!(emitted.iter().all(|object| object.tensor("rows").unwrap().bytes() == [7; 1024]));
    let used = ear.used.lock().unwrap()[0];
    assert!((5 * 1025..6 * 1025).contains(&used.bytes_out), "{used:?}");
}

#[test]
fn nobody_can_flood_a_host_that_does_not_ask() {
    assert_eq!(attack("emits").amount(3).found(), "0: nobody reads this stream");
    let few = Attack { wanted: (2, Duration::ZERO), ..attack("emits").amount(1_000_000) };
    assert_eq!(few.found(), "2: nobody reads this stream");
}

#[test]
fn waiting_for_readers_is_not_the_guests_time() {
    let slow = Attack { wanted: (10, Duration::from_millis(60)), ..attack("emits").amount(5) };
    let slow = slow.within(|limits| limits.wall = Duration::from_millis(200));
    assert_eq!(slow.found(), "all");
}

/// A host whose readers are lost.
struct Broken(FailureKind);

impl StageContext for Broken {
    fn log(&self, _level: Level, _message: &str) {}
    fn progress(&self, _done: u64, _total: Option<u64>) {}
    fn metric(&self, _name: &str, _step: u64, _value: f64) {}
    fn seed(&self) -> u64 {
        0
    }
    fn cancelled(&self) -> bool {
        false
    }
    fn emit(&self, _object: Object) -> Result<(), Failure> {
        Err(Failure::new(self.0, "the readers are gone"))
    }
}

#[test]
fn a_host_that_fails_in_the_middle_of_a_call_ends_it_with_its_own_words() {
    for (kind, message) in [
        (FailureKind::Host, "the readers are gone"),
        (FailureKind::Memory, "the readers are gone"),
        (FailureKind::Cancelled, "task evil was cancelled"),
    ] {
        let env = CallEnv { context: Arc::new(Broken(kind)), ..quiet() };
        let args = r#"{"amount":3}"#;
        let failure = plugin().run_task("emits", args, Object::default(), &env).unwrap_err();
        assert_eq!((failure.kind, failure.message.as_str()), (kind, message));
        attack("nothing").run().unwrap();
    }
}
