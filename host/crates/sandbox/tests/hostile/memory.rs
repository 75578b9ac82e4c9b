//! Memory of the process: taken before it is allocated, given back with what it was taken for.

use super::*;

fn lent(task: &'static str, bytes: u64) -> Attack {
    Attack { budget: Budget::new(bytes), ..attack(task) }
}

#[test]
fn an_instance_is_charged_from_its_first_page() {
    let budget = Budget::unlimited();
    let (env, ear) = Attack { budget: budget.clone(), ..attack("") }.ear();
    let mut actor = plugin().create_actor("Hoarder", "{}", Object::default(), &env).unwrap();
    let begun = budget.used();
    assert!(begun > 1 << 20, "{begun}");
    assert_eq!(begun, ear.used.lock().unwrap()[0].memory_peak_bytes);
    actor.call("take", r#"{"amount":8000000}"#, Object::default(), &env).unwrap();
    drop(actor.snapshot().unwrap());
    let grown = budget.used();
    assert!(grown > 8_000_000, "{grown}");
    actor.call("take", r#"{"amount":0}"#, Object::default(), &env).unwrap();
    assert_eq!(budget.used(), grown, "an actor keeps its memory from call to call");
    drop(actor);
    assert_eq!(budget.used(), 0);
}

#[test]
fn a_guest_for_which_there_is_no_memory_ends() {
    let none = lent("nothing", 1000);
    let (env, _) = none.ear();
    let failure = plugin().run_task("nothing", "{}", Object::default(), &env).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Memory);
    for (task, amount) in
        [("eats_memory", 16 << 20), ("large_tensor", 16 << 20), ("many_builders", 20)]
    {
        let some = lent(task, 8 << 20).amount(amount);
        some.fails(FailureKind::Memory, "no memory left for");
        assert_eq!(some.budget.used(), 0, "{task}");
        lent(task, 64 << 20).amount(amount).run().unwrap();
    }
}

#[test]
fn a_trapped_actor_gives_its_memory_back_at_once() {
    let budget = Budget::unlimited();
    let (env, _) = Attack { budget: budget.clone(), ..attack("") }.ear();
    let mut actor = plugin().create_actor("Counter", "{}", Object::default(), &env).unwrap();
    assert!(budget.used() > 0);
    actor.call("traps", "{}", Object::default(), &env).unwrap_err();
    assert_eq!(budget.used(), 0);
    drop(actor);
}

#[test]
fn a_tensor_holds_its_memory_as_long_as_anybody_has_it() {
    let streams = Attack { wanted: (3, Duration::ZERO), ..lent("emits", 64 << 20).amount(3) };
    let (result, ear) = streams.hear();
    result.unwrap();
    assert_eq!(streams.budget.used(), 3 * 1024);
    let mut emitted = std::mem::take(&mut *ear.emitted.lock().unwrap());
    let view = emitted[0].tensor("rows").unwrap().slice(0, 1).unwrap();
    emitted.clear();
    assert_eq!(streams.budget.used(), 1024);
    drop(view);
    assert_eq!(streams.budget.used(), 0);
}
