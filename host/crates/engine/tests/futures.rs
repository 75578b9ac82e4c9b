//! What a program that embeds the engine can do: submit, get, wait, cancel, stream, share actors.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{engine, is_empty_but_for, number, object, rows};
use mobula_contract::{FailureKind, Value};
use mobula_engine::{MAILBOX_MAX, SessionConfig, wait};
use serde_json::json;

#[test]
fn tasks_read_what_others_give_and_nothing_is_left_over() {
    let engine = engine(2.0);
    let session = engine.session(SessionConfig::default());
    let one = session.task("t/give").args(json!({ "x": 1 })).submit().unwrap();
    let two = session.put(object(2)).unwrap();
    let three = session
        .task("t/add")
        .input("a", one.field("x"))
        .input("b", two.field("x"))
        .submit()
        .unwrap();
    let four = session.task("t/add").args(json!({ "x": 1 })).inputs_of(&three).submit().unwrap();
    drop(three);
    assert_eq!(number(&four.get().unwrap()), 4);
    assert!(four.receipt().unwrap().wall_s > 0.0);
    drop((one, two, four));
    is_empty_but_for(&engine, 1);
    assert_eq!(session.finish().1, None);
    is_empty_but_for(&engine, 0);
}

#[test]
fn any_k_of_n_can_be_waited_for() {
    let engine = engine(4.0);
    let session = engine.session(SessionConfig::default());
    let sleep = |ms: u64| session.task("t/sleep").args(json!({ "ms": ms })).submit().unwrap();
    let all = [sleep(20_000), sleep(1), sleep(20_000), sleep(1)];
    let (ready, pending) = wait(&all, 2, None);
    assert_eq!((ready, pending), (vec![1, 3], vec![0, 2]));
    let (ready, _) = wait(&all, 3, Some(Duration::from_millis(20)));
    assert_eq!(ready.len(), 2);
    assert!(all[0].get_timeout(Duration::from_millis(5)).is_none());
    assert_eq!(wait(&all, 9, Some(Duration::ZERO)).0.len(), 2);
}

#[test]
fn what_is_cancelled_stops_and_so_does_what_reads_it() {
    let engine = engine(1.0);
    let session = engine.session(SessionConfig::default());
    let sleep = session.task("t/sleep").args(json!({ "ms": 60_000 }));
    let (running, queued) = (sleep.submit().unwrap(), sleep.submit().unwrap());
    let reader = session.task("t/add").inputs_of(&queued).submit().unwrap();
    queued.cancel();
    assert_eq!(queued.get().unwrap_err().kind, FailureKind::Cancelled);
    let failure = reader.get().unwrap_err();
    assert_eq!(failure.kind, FailureKind::Cancelled);
    assert!(failure.message.starts_with("input from stage sleep[1]"), "{failure}");
    std::thread::sleep(Duration::from_millis(20));
    let asked = Instant::now();
    running.cancel();
    assert_eq!(running.get().unwrap_err().kind, FailureKind::Cancelled);
    assert!(asked.elapsed() < Duration::from_secs(30), "not at the end of its minute");
    session.task("t/nothing").submit().unwrap().get().unwrap();
    drop((running, queued, reader));
    is_empty_but_for(&engine, 1);
}

#[test]
fn a_session_that_is_dropped_stops_what_runs() {
    let engine = engine(2.0);
    let session = engine.session(SessionConfig::default());
    let running = session.task("t/sleep").args(json!({ "ms": 600_000 })).submit().unwrap();
    let waiting = session.task("t/add").inputs_of(&running).submit().unwrap();
    drop(session);
    assert_eq!(running.get().unwrap_err().kind, FailureKind::Cancelled);
    assert_eq!(waiting.get().unwrap_err().kind, FailureKind::Cancelled);
    drop((running, waiting));
    is_empty_but_for(&engine, 0);
}

#[test]
fn streams_are_read_while_they_are_made_and_wait_for_their_reader() {
    let engine = engine(2.0);
    let session = engine.session(SessionConfig::default());
    let count = session.task("t/count_up").args(json!({ "count": 1000 }));
    let mut read = Vec::new();
    for item in count.stream().unwrap() {
        let item = item.unwrap();
        assert!(engine.remembered() < 60, "few are made ahead");
        read.push(number(&item.get().unwrap()));
    }
    assert_eq!(read, (0..1000).collect::<Vec<_>>());
    let mut stream = count.stream().unwrap();
    stream.next().unwrap().unwrap();
    drop(stream);
    is_empty_but_for(&engine, 1);
    let plain = count.submit().unwrap().get().unwrap_err();
    assert!(plain.message.contains("nobody asked this stage for a stream"), "{plain}");
}

#[test]
fn failures_of_a_stream_come_after_its_objects() {
    let engine = engine(2.0);
    let session = engine.session(SessionConfig::default());
    let count = session.task("t/count_up").args(json!({ "count": 9, "fail_at": 3 })).max_retries(0);
    // The seed decides, and differs from one submission to the next.
    let all = (0..20).map(|_| count.stream().unwrap().collect::<Vec<_>>());
    let failed = all.filter(|items| items.len() == 5).count();
    assert!(failed > 0);
}

#[test]
fn actors_keep_their_order_and_are_shared_by_name() {
    let engine = engine(2.0);
    let session = engine.session(SessionConfig::default());
    let sum = session.actor("sum").native("sum").create().unwrap();
    let add = sum.method(&session, "add").args(json!({ "x": 1 }));
    let all: Vec<_> = (0..2000).map(|_| add.submit().unwrap()).collect();
    let found: Vec<u64> = all.iter().map(|object| number(&object.get().unwrap())).collect();
    assert_eq!(found, (1..=2000).collect::<Vec<_>>());
    let again = session.get_actor("sum").unwrap();
    let read = again.method(&session, "add").input("x", all[1].field("x")).submit().unwrap();
    assert_eq!(number(&read.get().unwrap()), 2002);
    assert!(session.actor("sum").native("sum").create().unwrap_err().message.contains("already"));
    assert!(session.get_actor("other").is_none());
    session.kill_actor("sum");
    assert!(session.get_actor("sum").is_none());
    let failure = add.submit().unwrap().get().unwrap_err();
    assert_eq!(failure.kind, FailureKind::Invalid, "{failure}");
    drop((all, read, again, add, sum));
    is_empty_but_for(&engine, 1);
}

#[test]
fn actors_come_back_after_a_crash_with_the_calls_since() {
    let engine = engine(2.0);
    let session = engine.session(SessionConfig::default());
    let sum = session.actor("sum").native("sum").max_restarts(4).create().unwrap();
    let add = sum.method(&session, "add").args(json!({ "x": 1 }));
    for _ in 0..5 {
        add.submit().unwrap();
    }
    for method in ["trap", "panic", "sleep"] {
        let call = sum.method(&session, method).args(json!({ "ms": 60_000 })).submit().unwrap();
        if method == "sleep" {
            std::thread::sleep(Duration::from_millis(50));
            call.cancel();
            assert_eq!(call.get().unwrap_err().kind, FailureKind::Cancelled);
        } else {
            // It is repeated as often as the actor may be made anew, which then is over.
            break;
        }
    }
    let failure = add.submit().unwrap().get().unwrap_err();
    assert!(failure.message.contains("actor sum failed after 5 attempts"), "{failure}");
    let sum = session.actor("second").native("sum").create().unwrap();
    let add = sum.method(&session, "add").args(json!({ "x": 1 }));
    (0..5).for_each(|_| drop(add.submit().unwrap()));
    let stopped = sum.method(&session, "sleep").args(json!({ "ms": 60_000 })).submit().unwrap();
    std::thread::sleep(Duration::from_millis(50));
    stopped.cancel();
    let refused = sum.method(&session, "invalid").submit().unwrap();
    assert_eq!(number(&add.submit().unwrap().get().unwrap()), 6, "five before, and this one");
    assert_eq!(stopped.get().unwrap_err().kind, FailureKind::Cancelled);
    assert_eq!(refused.get().unwrap_err().message, "stage invalid[0] failed: never right");
}

#[test]
fn a_long_life_is_saved_without_being_asked() {
    let engine = engine(2.0);
    let session = engine.session(SessionConfig::default());
    let sum = session.actor("sum").native("sum").create().unwrap();
    let add = sum.method(&session, "add").args(json!({ "x": 1 }));
    for _ in 0..30_000 {
        drop(add.submit().unwrap());
    }
    add.submit().unwrap().get().unwrap();
    assert!(engine.remembered() < 25_000, "{}", engine.remembered());
    let stopped = sum.method(&session, "sleep").args(json!({ "ms": 60_000 })).submit().unwrap();
    std::thread::sleep(Duration::from_millis(20));
    stopped.cancel();
    assert_eq!(number(&add.submit().unwrap().get().unwrap()), 30_002);
}

#[test]
fn a_full_mailbox_makes_its_sender_wait() {
    let engine = engine(2.0);
    let session = engine.session(SessionConfig::default());
    let sum = session.actor("sum").native("sum").create().unwrap();
    let asleep = sum.method(&session, "sleep").args(json!({ "ms": 600_000 })).submit().unwrap();
    let sent = AtomicUsize::new(0);
    let beyond = MAILBOX_MAX + 10;
    let last = std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let add = sum.method(&session, "add").args(json!({ "x": 1 }));
            let mut last = None;
            for _ in 0..beyond {
                last = Some(add.submit().unwrap());
                sent.fetch_add(1, Ordering::Relaxed);
            }
            last.unwrap()
        });
        while sent.load(Ordering::Relaxed) < MAILBOX_MAX - 1 {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(50));
        assert!(sent.load(Ordering::Relaxed) <= MAILBOX_MAX, "the rest waits");
        asleep.cancel();
        sender.join().unwrap()
    });
    assert_eq!(number(&last.get().unwrap()), beyond as u64);
}

#[test]
fn rows_are_views_and_joined_again() {
    let engine = engine(2.0);
    let session = engine.session(SessionConfig::default());
    let whole = session.put(rows(0, 100)).unwrap();
    let parts: Vec<_> = (0..10)
        .map(|i| {
            let part = whole.field("rows").rows(10 * i..10 * i + 10);
            session.task("t/sum_rows").input("rows", part).submit().unwrap()
        })
        .collect();
    let sums: Vec<u64> = parts.iter().map(|part| number(&part.get().unwrap())).collect();
    assert_eq!(sums, (0..10).map(|i| 45 + 100 * i).collect::<Vec<_>>());
    let fields: Vec<_> = parts.iter().map(|part| part.field("x")).collect();
    let list = session.task("t/sum_list").joined("x", &fields).submit().unwrap();
    assert_eq!(number(&list.get().unwrap()), 4950);
    let halves = [(0, 50), (50, 50)].map(|(first, count)| session.put(rows(first, count)).unwrap());
    let fields: Vec<_> = halves.iter().map(|half| half.field("rows")).collect();
    let joined = session.task("t/sum_rows").joined("rows", &fields).submit().unwrap();
    assert_eq!(number(&joined.get().unwrap()), 4950);
    let beyond = session.task("t/sum_rows").input("rows", whole.field("rows").rows(90..200));
    let failure = beyond.submit().unwrap().get().unwrap_err();
    assert_eq!(failure.kind, FailureKind::Invalid);
    let none = session.task("t/sum_rows").input("rows", whole.field("images")).submit().unwrap();
    let failure = none.get().unwrap_err();
    assert!(failure.message.contains("no field `images`: it has rows"), "{failure}");
}

#[test]
fn retries_are_chosen_and_crash_loops_are_summed_up() {
    let engine = engine(2.0);
    let session = engine.session(SessionConfig::default());
    let wrong = session.task("t/invalid").submit().unwrap().get().unwrap_err();
    assert_eq!(wrong.message, "stage invalid[0] failed: never right");
    let insisted = session.task("t/invalid").retry_on(&[FailureKind::Invalid]).max_retries(2);
    let failure = insisted.submit().unwrap().get().unwrap_err();
    assert_eq!(failure.message, "stage invalid[0] failed after 3 attempts: never right");
    let crashing = session.task("t/panic").submit().unwrap().get().unwrap_err();
    assert_eq!(crashing.kind, FailureKind::WorkerLost);
    let words = ["stage panic[0] failed after 4 attempts (before: on w", "died; on w"];
    assert!(words.iter().all(|word| crashing.message.contains(word)), "{crashing}");
    session.task("t/nothing").submit().unwrap().get().unwrap();
}

#[test]
fn mistakes_are_told_at_once() {
    let engine = engine(2.0);
    let session = engine.session(SessionConfig::default());
    let mistakes = [
        (session.task("nothing").submit(), "`nothing` is not plugin/task"),
        (session.task("t/give").args(json!(3)).submit(), "arguments are a JSON object, not 3"),
        (session.task("t/give").cpus(3.0).submit(), "stage `give` needs 3 cpus, but there are 2"),
    ];
    for (result, message) in mistakes {
        let failure = result.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Invalid);
        assert!(failure.message.starts_with(message), "{failure}");
    }
    let value = Value::Json(json!("words"));
    let failure = session.actor("a").native("sum").args(json!({ "broken": true })).max_restarts(1);
    let broken = failure.create().unwrap();
    let call = broken.method(&session, "add").value("x", value).submit().unwrap();
    let failure = call.get().unwrap_err();
    assert_eq!(failure.message, "actor a failed after 2 attempts: cannot be made");
}
