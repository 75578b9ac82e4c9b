//! Too much of everything: each limit is reached and named.

use super::*;
use mobula_sandbox::{AXES, FIELDS, JSON_BYTES, REPORTS, TEXT_BYTES};

/// More than a sandbox has places for instances.
const OFTEN: u32 = mobula_sandbox::INSTANCES + 50;

#[test]
fn endless_recursion_ends() {
    let failure = attack("overflows").run().unwrap_err();
    let stack = failure.message == "limit stack (512 KiB) reached in task evil";
    assert!(stack || failure.message.contains("stack overflow"), "{failure}");
}

#[test]
fn endless_loops_end_at_the_deadline() {
    let loops = attack("loops").within(|limits| limits.wall = Duration::from_millis(50));
    loops.reaches("time (0.05 s)");
}

#[test]
fn cancelling_ends_a_loop() {
    let (env, ear) = attack("loops").ear();
    let running =
        std::thread::spawn(move || plugin().run_task("loops", "{}", Object::default(), &env));
    ear.cancelled.store(true, Ordering::Relaxed);
    assert_eq!(running.join().unwrap().unwrap_err().kind, FailureKind::Cancelled);
}

#[test]
fn memory_is_bounded_in_small_parts_and_at_once() {
    let eats = |amount| {
        attack("eats_memory").amount(amount).within(|limits| limits.memory_bytes = 32 << 20)
    };
    eats(64 << 20).reaches("memory (32 MiB)");
    eats(8 << 20).run().unwrap();
    attack("grows_memory").amount(65_000).reaches("memory (512 MiB)");
    // Even where its caller allows more, a guest has no more than 32 bits can name.
    let all = attack("grows_memory").within(|limits| limits.memory_bytes = 8 << 30);
    assert_eq!(all.amount(65_536).found(), "refused");
}

#[test]
fn output_tensors_and_handles_are_bounded() {
    let run = |task, amount| {
        attack(task).amount(amount).within(|limits| {
            limits.output_bytes = 1 << 20;
            limits.tensor_bytes = 1 << 20;
            limits.handles = 100;
        })
    };
    run("returns_much", 2 << 20).reaches("output (1 MiB)");
    run("large_tensor", 2 << 20).reaches("tensor bytes (1 MiB)");
    run("many_builders", 2).reaches("tensor bytes (1 MiB)");
    run("many_handles", 200).reaches("handles (100)");
    run("returns_much", 1000).run().unwrap();
    run("large_tensor", 1000).run().unwrap();
    run("many_handles", 50).run().unwrap();
    attack("many_builders").amount(10_000).reaches("handles (4096)");
    attack("returns_much").amount(400 << 20).reaches("output (64 MiB)");
}

#[test]
fn shapes_that_lie_are_no_tensors() {
    let none = "[false, false, false, false, false]";
    assert_eq!(attack("lying_shapes").amount(AXES as u64).found(), none);
    assert_eq!(attack("lying_shapes").amount(1_000_000).found(), none);
    assert_eq!(
        attack("lying_shapes").amount(AXES as u64 - 1).found(),
        "[true, false, false, false, false]"
    );
}

#[test]
fn fields_and_json_are_bounded() {
    attack("returns_fields").amount(FIELDS as u64).run().unwrap();
    attack("returns_fields").amount(FIELDS as u64 + 1).reaches("fields (1024)");
    attack("returns_fields").amount(400_000).reaches("fields (1024)");
    attack("returns_json").amount(JSON_BYTES - 2).run().unwrap();
    attack("returns_json").amount(JSON_BYTES).reaches("json (8 MiB)");
}

#[test]
fn logs_are_bounded_and_say_so() {
    let talks = attack("talks").amount(5000).within(|limits| limits.log_bytes = 4 << 10);
    let (result, ear) = talks.hear();
    result.unwrap();
    let lines = ear.lines.lock().unwrap();
    let bytes: usize = lines.iter().map(String::len).sum();
    assert!(bytes < 5 << 10, "{bytes}");
    assert_eq!(lines.last().unwrap(), "limit log (4 KiB) reached: the rest is dropped");
    assert!(lines.iter().any(|line| line.contains("standard output")));
}

#[test]
fn long_texts_are_cut_and_cannot_steer_a_terminal() {
    let (result, ear) = attack("shouts").amount(1 << 20).hear();
    result.unwrap();
    let lines = ear.lines.lock().unwrap();
    assert!(lines[0].len() < 3 * TEXT_BYTES && !lines[0].contains('\x1b'), "{}", lines[0].len());
    attack("shouts").amount(200 << 20).reaches("output (64 MiB)");
    let failure = attack("fails_long").amount(10 << 20).run().unwrap_err();
    assert!(failure.kind == FailureKind::Failed && failure.message.len() < 2 * TEXT_BYTES);
}

#[test]
fn reports_are_bounded_and_always_numbers() {
    let (result, ear) = attack("reports").amount(1_000_000).hear();
    result.unwrap();
    assert_eq!(*ear.reports.lock().unwrap(), u64::from(REPORTS) - 1);
    let lines = ear.lines.lock().unwrap();
    let wanted =
        ["metric `loss` at step 0 is NaN", "limit reports (100000) reached: the rest is dropped"];
    assert_eq!(*lines, wanted);
}

#[test]
fn what_ends_badly_leaves_its_place() {
    let small = |limits: &mut Limits| limits.memory_bytes = 4 << 20;
    let (eats, emits) = (attack("eats_memory").amount(8 << 20).within(small), attack("emits"));
    let panics = attack("panics");
    for _ in 0..OFTEN {
        eats.reaches("memory (4 MiB)");
        panics.fails(FailureKind::Trap, "the bottom is reached");
        emits.run().unwrap();
    }
}

#[test]
fn more_instances_than_there_are_places_are_refused() {
    // A sandbox of its own: in the common one this would disturb the other tests.
    let sandbox = Sandbox::new(SandboxConfig::default()).unwrap();
    let plugin = sandbox.load(&component(), "hostile.wasm").unwrap();
    let create = || plugin.create_actor("Counter", "{}", Object::default(), &quiet());
    let mut all: Vec<_> = (0..mobula_sandbox::INSTANCES).map(|_| create().unwrap()).collect();
    let failure = create().unwrap_err();
    assert_eq!(failure.message, "limit instances (256) reached in actor evil");
    all.pop();
    create().unwrap();
}
