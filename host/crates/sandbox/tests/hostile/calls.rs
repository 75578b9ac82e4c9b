//! Ordinary calls: errors, mistakes of the caller, actors and their states, receipts.

use super::*;

#[test]
fn tensors_are_bounded_on_every_side() {
    assert_eq!(
        attack("tensors").found(),
        "[1, 2, 3, 4, 5, 6] [3, 4, 1, 2] [3, 4, 5, 6] [true, true, true, true, true] true [5, 6, 1, 2] true"
    );
}

#[test]
fn errors_keep_their_kind() {
    let kinds = [
        ("invalid", FailureKind::Invalid),
        ("out-of-bounds", FailureKind::OutOfBounds),
        ("quota", FailureKind::Quota),
        ("denied", FailureKind::Denied),
        ("cancelled", FailureKind::Cancelled),
        ("failed", FailureKind::Failed),
    ];
    for (name, kind) in kinds {
        attack("fail").kind(name).fails(kind, "");
    }
}

#[test]
fn callers_mistakes_are_named() {
    let mistakes = [
        ("nosuch", "{}", "hostile has no task `nosuch`"),
        ("fail", r#"{"kind":3}"#, "args.kind: invalid type: integer"),
        ("fail", r#"{"kind":"x","more":1}"#, "unknown field `more`"),
        ("fail", "{", "args"),
        ("nothing", r#"{"x":1}"#, "it takes no args"),
    ];
    for (task, args, message) in mistakes {
        let args = args.to_owned();
        Attack { args, ..attack(task) }.fails(FailureKind::Invalid, message);
    }
    let failure = plugin().run_task("nothing", "{}", images(), &quiet()).unwrap_err();
    assert!(failure.message.contains("no input is called `images`"), "{failure}");
    let failure = plugin().run_task("tensors", "{}", Object::default(), &quiet()).unwrap_err();
    assert!(failure.message.contains("input `images` is missing"), "{failure}");
}

#[test]
fn a_trap_names_the_guests_functions_and_last_lines() {
    let failure = attack("panics").amount(2).fails(FailureKind::Trap, "trap in task evil");
    for part in ["deep_inside", "going down to 0", "the bottom is reached"] {
        assert!(failure.message.contains(part), "{part}: {failure}");
    }
}

#[test]
fn actors_keep_state_and_are_restored_from_it() {
    let (env, nothing) = (quiet(), Object::default);
    let mut actor = plugin().create_actor("Counter", r#"{"amount":3}"#, nothing(), &env).unwrap();
    actor.call("add", r#"{"amount":4}"#, nothing(), &env).unwrap();
    let state = actor.snapshot().unwrap();
    let mut second = plugin().restore_actor("Counter", &state, &env).unwrap();
    assert_eq!(second.snapshot().unwrap(), state);
    assert_eq!(found(second.call("add", r#"{"amount":1}"#, nothing(), &env)), "8");
    let unknown = actor.call("nosuch", "{}", nothing(), &env).unwrap_err();
    assert!(unknown.message.contains("Counter has no method `nosuch`: add, traps"), "{unknown}");
    assert_eq!(actor.call("traps", "{}", nothing(), &env).unwrap_err().kind, FailureKind::Trap);
    let gone = actor.call("add", "{}", nothing(), &env).unwrap_err();
    assert!(gone.message.contains("is gone since its trap"), "{gone}");
    assert!(actor.snapshot().is_err());
}

#[test]
fn states_that_are_none_are_refused() {
    let mut other = 2_u32.to_le_bytes().to_vec();
    other.push(0xa0);
    for state in [&b""[..], b"\x01", b"\x01\0\0\0garbage", &other] {
        let failure = plugin().restore_actor("Counter", state, &quiet()).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Invalid, "{failure}");
    }
    assert!(plugin().create_actor("Nobody", "{}", Object::default(), &quiet()).is_err());
}

#[test]
fn a_panic_in_a_snapshot_ends_the_actor_alone() {
    let env = quiet();
    let mut actor = plugin().create_actor("Fragile", "{}", Object::default(), &env).unwrap();
    let failure = actor.snapshot().unwrap_err();
    assert_eq!(failure.kind, FailureKind::Trap);
    assert!(failure.message.contains("nobody may see the count 1"), "{failure}");
    assert!(actor.snapshot().unwrap_err().message.contains("is gone since its trap"));
}

#[test]
fn a_restore_that_loops_ends_at_the_deadline() {
    let (env, _) = attack("").within(|limits| limits.wall = Duration::from_millis(50)).ear();
    let mut actor = plugin().create_actor("Looper", "{}", Object::default(), &env).unwrap();
    let state = actor.snapshot().unwrap();
    let failure = plugin().restore_actor("Looper", &state, &env).unwrap_err();
    assert_eq!(failure.message, "limit time (0.05 s) reached in actor evil");
    actor.call("count", "{}", Object::default(), &env).unwrap();
}

#[test]
fn a_state_that_grows_ends_at_the_limit_of_what_crosses() {
    let (env, _) = attack("").within(|limits| limits.output_bytes = 1 << 20).ear();
    let mut actor = plugin().create_actor("Hoarder", "{}", Object::default(), &env).unwrap();
    let mut sizes = Vec::new();
    let failure = loop {
        actor.call("take", r#"{"amount":200000}"#, Object::default(), &env).unwrap();
        match actor.snapshot() {
            Ok(state) => sizes.push(state.len()),
            Err(failure) => break failure,
        }
    };
    assert_eq!(failure.message, "limit output (1 MiB) reached in actor call evil");
    assert!(sizes.is_sorted() && (2..10).contains(&sizes.len()), "{sizes:?}");
    assert!(actor.snapshot().is_err());
}

#[test]
fn tasks_run_side_by_side() {
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..50).for_each(|_| drop(attack("nothing").run().unwrap())));
        }
    });
}

#[test]
fn receipts_say_what_a_call_used() {
    let fresh = sandbox().load(&component(), "again").unwrap();
    let (env, ear) = attack("").ear();
    let input = Object::default().with("images", images().get("images").unwrap().clone());
    fresh.run_task("tensors", "", input, &env).unwrap();
    fresh.run_task("returns_much", r#"{"amount":5000}"#, Object::default(), &env).unwrap();
    fresh.run_task("panics", "{}", Object::default(), &env).unwrap_err();
    let missing = Grants { mounts: vec![("data".into(), "/no/such".into())], env: vec![] };
    let denied = CallEnv { grants: missing, ..env.clone() };
    fresh.run_task("nothing", "{}", Object::default(), &denied).unwrap_err();
    let used = std::mem::take(&mut *ear.used.lock().unwrap());
    assert_eq!(used.iter().map(|used| used.cold).collect::<Vec<_>>(), [true, false, false, false]);
    // 6 + 4 + 4 bytes of tensors were read, and 4 of the one that was built; 2 and 3 bytes were appended.
    assert_eq!(used[0].bytes_in, 18);
    assert!((5..300).contains(&used[0].bytes_out), "{used:?}");
    assert_eq!((used[1].bytes_in, used[1].bytes_out), (15, 5000));
    assert!(used[..3].iter().all(|used| used.memory_peak_bytes > 1 << 20), "{used:?}");
    assert_eq!(used[3], Used::default());

    let mut actor = fresh.create_actor("Hoarder", "{}", Object::default(), &env).unwrap();
    actor.call("take", r#"{"amount":8000000}"#, Object::default(), &env).unwrap();
    actor.call("take", r#"{"amount":0}"#, Object::default(), &env).unwrap();
    fresh.restore_actor("Hoarder", b"no", &env).unwrap_err();
    let used = ear.used.lock().unwrap();
    assert_eq!(used.len(), 4);
    assert!(used[0].memory_peak_bytes < 8_000_000 && used[1].memory_peak_bytes > 8_000_000);
    assert_eq!(used[1].memory_peak_bytes, used[2].memory_peak_bytes, "an actor keeps its memory");
}
