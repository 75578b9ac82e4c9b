//! Guests below every SDK: lengths, offsets and handles that are not what they say.

use super::raw::plugin_of;
use super::*;

/// Runs this body with a tensor as its input, and then an honest one in the same sandbox.
fn run(before: &str, body: &str) -> Result<Object, Failure> {
    let plugin = plugin_of(before, body);
    let (env, ear) = attack("").ear();
    let result = plugin.run_task("run", "{}", images(), &env);
    assert_eq!(ear.budget.used(), 0);
    attack("nothing").run().unwrap();
    result
}

#[track_caller]
fn traps(body: &str, message: &str) {
    let failure = run("", body).unwrap_err();
    assert!(
        failure.kind == FailureKind::Trap && failure.message.contains(message),
        "{body}: {failure:?}"
    );
}

/// The handle of the tensor: the first field is a name (8 bytes), then a tag, then the handle.
const TENSOR: &str = "(i32.load (i32.add (local.get $inputs) (i32.const 12)))";

#[test]
fn an_honest_guest_by_hand_works() {
    let ok = run("", &format!("(drop (call $byte-len {TENSOR})) (call $drop-tensor {TENSOR})"));
    assert_eq!(ok.unwrap(), Object::default());
}

#[test]
fn texts_and_lists_outside_of_memory_are_not_read() {
    for (at, len) in [("131072", "1"), ("131071", "2"), ("-1", "1"), ("0", "-1"), ("-16", "32")] {
        traps(
            &format!("(call $log (i32.const 2) (i32.const {at}) (i32.const {len}))"),
            "out of bounds",
        );
        let gather = format!(
            "(call $gather {TENSOR} (i32.and (i32.const {at}) (i32.const -4)) (i32.const {len}) (i32.const 2048))"
        );
        assert!(run("", &gather).is_err(), "{gather}");
    }
    traps("(call $log (i32.const 99) (i32.const 0) (i32.const 0))", "");
    traps(
        "(i32.store8 (i32.const 900) (i32.const 255)) (call $log (i32.const 2) (i32.const 900) (i32.const 1))",
        "",
    );
}

#[test]
fn answers_are_not_written_outside_of_memory() {
    for at in ["131072", "-4", "131068"] {
        let body = format!("(call $read {TENSOR} (i64.const 0) (i32.const 6) (i32.const {at}))");
        let failure = run("", &body).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Trap, "{failure}");
    }
    // A guest whose allocator lies about where there is room.
    let body = format!(
        "(global.set $free (i32.const -16)) (call $read {TENSOR} (i64.const 0) (i32.const 6) (i32.const 2048))"
    );
    assert_eq!(run("", &body).unwrap_err().kind, FailureKind::Trap);
}

#[test]
fn offsets_that_overflow_are_out_of_bounds() {
    let reads = [
        ("0", "7"),
        ("6", "1"),
        ("-1", "1"),
        ("-1", "-1"),
        ("9223372036854775807", "-1"),
        ("4294967296", "6"),
    ];
    for (offset, len) in reads {
        // The answer's first byte says that it is an error, the fifth that it is out-of-bounds.
        let body = format!(
            "(call $read {TENSOR} (i64.const {offset}) (i32.const {len}) (i32.const 2048))
             (if (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (then unreachable))
             (if (i32.ne (i32.load8_u (i32.const 2052)) (i32.const 1)) (then unreachable))"
        );
        run("", &body).unwrap_or_else(|e| panic!("{offset} {len}: {e}"));
    }
}

#[test]
fn handles_of_others_and_none_are_refused() {
    // Another instance in the same sandbox holds handles of the same numbers.
    let (env, _) = attack("").ear();
    let mut other = plugin().create_actor("Counter", "{}", Object::default(), &env).unwrap();
    for handle in ["0", "7", "1000000", "-1", "2147483647"] {
        traps(&format!("(drop (call $byte-len (i32.const {handle})))"), "handle");
        traps(&format!("(call $drop-tensor (i32.const {handle}))"), "handle");
        traps(&format!("(call $finish (i32.const {handle}) (i32.const 2048))"), "handle");
    }
    let twice = format!("(call $drop-tensor {TENSOR}) (call $drop-tensor {TENSOR})");
    traps(&twice, "handle");
    let after = format!("(call $drop-tensor {TENSOR}) (drop (call $byte-len {TENSOR}))");
    traps(&after, "handle");
    traps(
        &format!("(call $append {TENSOR} (i32.const 0) (i32.const 1) (i32.const 2048))"),
        "handle",
    );
    traps(&format!("(call $finish {TENSOR} (i32.const 2048))"), "handle");
    other.call("add", r#"{"amount":1}"#, Object::default(), &env).unwrap();
}

#[test]
fn an_object_that_names_what_is_not_there_is_no_answer() {
    // An answer of one field, whose value is a tensor with this handle.
    let answer = |tag: u32, handle: u32| {
        format!(
            "(i32.store (i32.const 1028) (i32.const 2048)) (i32.store (i32.const 1032) (i32.const 1))
             (i32.store (i32.const 2048) (i32.const 16)) (i32.store (i32.const 2052) (i32.const 1))
             (i32.store8 (i32.const 2056) (i32.const {tag})) (i32.store (i32.const 2060) (i32.const {handle}))"
        )
    };
    for handle in [0, 9, u32::MAX] {
        assert_eq!(run("", &answer(0, handle)).unwrap_err().kind, FailureKind::Trap);
    }
    assert_eq!(run("", &answer(9, 1)).unwrap_err().kind, FailureKind::Trap);
    // Four thousand million fields in 128 KiB.
    let many =
        "(i32.store (i32.const 1028) (i32.const 2048)) (i32.store (i32.const 1032) (i32.const -1))";
    assert!(run("", many).is_err());
    assert_eq!(
        run("", "(i32.store8 (i32.const 1024) (i32.const 7))").unwrap_err().kind,
        FailureKind::Trap
    );
    assert_eq!(run("", "(return (i32.const -8))").unwrap_err().kind, FailureKind::Trap);
}

#[test]
fn tables_do_not_grow_without_end() {
    let failure =
        run("(table $t 10 funcref)", "(drop (table.grow $t (ref.null func) (i32.const 1000000)))");
    let message = "limit table (200000 elements) reached in task evil";
    assert_eq!(failure.unwrap_err().message, message);
    let huge =
        sandbox().load(&raw::component_of("(table 1000000 funcref)", ""), "huge").unwrap_err();
    assert!(huge.to_string().contains("table"), "{huge}");
}

#[test]
fn memory_counts_from_the_first_page_to_the_last() {
    let grow = "(drop (memory.grow (i32.const 65534)))";
    let failure = run("", grow).unwrap_err();
    assert_eq!(failure.message, "limit memory (512 MiB) reached in task evil");
}

#[test]
fn a_gigabyte_of_log_is_not_kept() {
    // 64 KiB at a time, 16,384 times.
    let plugin = plugin_of(
        "",
        "(local $n i32)
         (loop $more
           (call $log (i32.const 2) (i32.const 65536) (i32.const 65536))
           (local.set $n (i32.add (local.get $n) (i32.const 1)))
           (br_if $more (i32.lt_u (local.get $n) (i32.const 16384))))",
    );
    let (env, ear) = attack("").ear();
    plugin.run_task("run", "{}", images(), &env).unwrap();
    let lines = ear.lines.lock().unwrap();
    assert_eq!(lines.last().unwrap(), "limit log (64 KiB) reached: the rest is dropped");
    assert!(lines.iter().map(String::len).sum::<usize>() < 100 << 10);
}
