//! Every limit and every wall of the sandbox, hit by a real guest.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use mobula_contract::{DType, Failure, FailureKind, Level, Object, StageContext, Tensor, Value};
use mobula_sandbox::{CallEnv, Grants, Limits, Plugin, Sandbox, SandboxConfig, SandboxError};

/// Keeps what a guest says.
#[derive(Default)]
struct Ear {
    lines: Mutex<Vec<String>>,
    cancelled: AtomicBool,
}

impl StageContext for Ear {
    fn log(&self, _level: Level, message: &str) {
        self.lines.lock().unwrap().push(message.to_owned());
    }
    fn progress(&self, _done: u64, _total: Option<u64>) {}
    fn metric(&self, _name: &str, _step: u64, _value: f64) {}
    fn seed(&self) -> u64 {
        42
    }
    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

fn component() -> Vec<u8> {
    let folder = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
    let file = folder.join("test-plugins/hostile.wasm");
    std::fs::read(&file)
        .unwrap_or_else(|e| panic!("{}: {e}: run `cargo xtask plugins`", file.display()))
}

fn plugin() -> Plugin {
    static PLUGIN: OnceLock<Plugin> = OnceLock::new();
    let load = || {
        let sandbox = Sandbox::new(SandboxConfig::default()).unwrap();
        sandbox.load(&component(), "hostile.wasm").unwrap()
    };
    PLUGIN.get_or_init(load).clone()
}

fn env(limits: Limits, grants: Grants) -> (CallEnv, Arc<Ear>) {
    let ear = Arc::new(Ear::default());
    let context = Arc::clone(&ear) as Arc<dyn StageContext>;
    (CallEnv { context, grants, limits, stage: "evil".to_owned() }, ear)
}

fn images() -> Object {
    let tensor = Tensor::new(DType::U8, vec![3, 2], vec![1, 2, 3, 4, 5, 6]).unwrap();
    Object::default().with("images", Value::Tensor(tensor))
}

fn run_in(name: &str, args: &str, limits: Limits, grants: Grants) -> Result<Object, Failure> {
    let takes_images = ["tensors", "many_handles"].contains(&name);
    let inputs = if takes_images { images() } else { Object::default() };
    plugin().run_task(name, args, inputs, &env(limits, grants).0)
}

fn run(name: &str, args: &str) -> Result<Object, Failure> {
    run_in(name, args, Limits::default(), Grants::default())
}

fn found(result: Result<Object, Failure>) -> String {
    match result.unwrap().get("found") {
        Some(Value::Json(text)) => text.as_str().unwrap().to_owned(),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn stopped(result: Result<Object, Failure>, message: &str) {
    let failure = result.unwrap_err();
    assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Quota, message));
}

#[test]
fn tensors_are_bounded_on_every_side() {
    assert_eq!(
        found(run("tensors", "{}")),
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
        let failure = run("fail", &format!(r#"{{"kind":"{name}"}}"#)).unwrap_err();
        assert_eq!(failure.kind, kind, "{failure}");
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
        let failure = run(task, args).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Invalid);
        assert!(failure.message.contains(message), "{failure}");
    }
    let (env, _) = env(Limits::default(), Grants::default());
    let failure = plugin().run_task("nothing", "{}", images(), &env).unwrap_err();
    assert!(failure.message.contains("no input is called `images`"), "{failure}");
    let failure = plugin().run_task("tensors", "{}", Object::default(), &env).unwrap_err();
    assert!(failure.message.contains("input `images` is missing"), "{failure}");
}

#[test]
fn a_trap_names_the_guests_functions_and_last_lines() {
    let failure = run("panics", r#"{"amount":2}"#).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Trap);
    for part in ["trap in task evil", "deep_inside", "going down to 0", "the bottom is reached"] {
        assert!(failure.message.contains(part), "{part}: {failure}");
    }
}

#[test]
fn endless_recursion_ends() {
    let failure = run("overflows", "{}").unwrap_err();
    let stack = failure.message == "limit stack (512 KiB) reached in task evil";
    assert!(stack || failure.message.contains("stack overflow"), "{failure}");
}

#[test]
fn endless_loops_end_at_the_deadline() {
    let limits = Limits { wall: Duration::from_millis(50), ..Limits::default() };
    let result = run_in("loops", "{}", limits, Grants::default());
    stopped(result, "limit time (0.05 s) reached in task evil");
}

#[test]
fn cancelling_ends_a_loop() {
    let (env, ear) = env(Limits::default(), Grants::default());
    let running =
        std::thread::spawn(move || plugin().run_task("loops", "{}", Object::default(), &env));
    ear.cancelled.store(true, Ordering::Relaxed);
    assert_eq!(running.join().unwrap().unwrap_err().kind, FailureKind::Cancelled);
}

#[test]
fn memory_output_tensors_and_handles_are_bounded() {
    let limits = Limits {
        memory_bytes: 32 << 20,
        output_bytes: 1 << 20,
        tensor_bytes: 1 << 20,
        handles: 100,
        ..Limits::default()
    };
    let run = |name: &str, amount: u64| {
        run_in(name, &format!(r#"{{"amount":{amount}}}"#), limits.clone(), Grants::default())
    };
    stopped(run("eats_memory", 64 << 20), "limit memory (32 MiB) reached in task evil");
    stopped(run("returns_much", 2 << 20), "limit output (1 MiB) reached in task evil");
    stopped(run("large_tensor", 2 << 20), "limit tensor bytes (1 MiB) reached in task evil");
    stopped(run("many_handles", 200), "limit handles (100) reached in task evil");
    run("eats_memory", 8 << 20).unwrap();
    run("returns_much", 1000).unwrap();
    run("large_tensor", 1000).unwrap();
    run("many_handles", 50).unwrap();
}

#[test]
fn logs_are_bounded_and_say_so() {
    let limits = Limits { log_bytes: 4 << 10, ..Limits::default() };
    let (env, ear) = env(limits, Grants::default());
    plugin().run_task("talks", r#"{"amount":5000}"#, Object::default(), &env).unwrap();
    let lines = ear.lines.lock().unwrap();
    let bytes: usize = lines.iter().map(String::len).sum();
    assert!(bytes < 5 << 10, "{bytes}");
    assert_eq!(lines.last().unwrap(), "limit log (4 KiB) reached: the rest is dropped");
    assert!(lines.iter().any(|line| line.contains("standard output")));
}

#[test]
fn nothing_is_granted_unasked() {
    let seen = found(run("looks_around", "{}"));
    assert!(seen.starts_with("vars [] args 0 net "), "{seen}");
    assert!(!seen.contains("open") && seen.ends_with("roots 0"), "{seen}");
    assert!(run("reads", r#"{"kind":"/etc/passwd"}"#).is_err());
    let env = vec![("COLOUR".to_owned(), "blue".to_owned())];
    let granted = Grants { env, ..Grants::default() };
    let seen = found(run_in("looks_around", "{}", Limits::default(), granted));
    assert!(seen.contains("COLOUR=blue"), "{seen}");
}

#[test]
fn mounts_are_read_only_and_have_no_way_out() {
    let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("a.txt"), "hello").unwrap();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    let secret = outside.path().join("secret");
    std::os::unix::fs::symlink(&secret, folder.path().join("link")).unwrap();
    std::os::unix::fs::symlink(outside.path(), folder.path().join("out")).unwrap();
    let mounts = vec![("data".to_owned(), folder.path().to_owned())];
    let grants = Grants { mounts, ..Grants::default() };
    let run = |task: &str, path: &str| {
        run_in(task, &format!(r#"{{"kind":"{path}"}}"#), Limits::default(), grants.clone())
    };
    assert_eq!(found(run("reads", "/data/a.txt")), "hello");
    let name = outside.path().file_name().unwrap().to_str().unwrap();
    let ways =
        ["/data/link", "/data/out/secret", &format!("/data/../{name}/secret"), "/etc/passwd"];
    for way in ways {
        assert!(run("reads", way).is_err(), "{way}");
    }
    for way in ["/data/a.txt", "/data/new.txt", "/data/link"] {
        assert!(run("writes", way).is_err(), "{way}");
    }
    assert_eq!(std::fs::read_to_string(folder.path().join("a.txt")).unwrap(), "hello");
    assert_eq!(std::fs::read_to_string(secret).unwrap(), "secret");
    let missing =
        Grants { mounts: vec![("data".to_owned(), PathBuf::from("/no/such"))], env: vec![] };
    let failure = run_in("nothing", "{}", Limits::default(), missing).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Denied);
    assert!(failure.message.contains("mount `data`: /no/such"), "{failure}");
}

#[test]
fn time_and_chance_are_the_same_in_every_run() {
    let once = found(run("sleeps", "{}"));
    assert!(once.contains("slept 3600") && once.contains("seed 42"), "{once}");
    assert_eq!(once, found(run("sleeps", "{}")));
}

#[test]
fn actors_keep_state_and_are_restored_from_it() {
    let (env, _) = env(Limits::default(), Grants::default());
    let nothing = Object::default;
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
    let (env, _) = env(Limits::default(), Grants::default());
    let mut other = 2_u32.to_le_bytes().to_vec();
    other.push(0xa0);
    for state in [&b""[..], b"\x01", b"\x01\0\0\0garbage", &other] {
        let failure = plugin().restore_actor("Counter", state, &env).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Invalid, "{failure}");
    }
    assert!(plugin().create_actor("Nobody", "{}", Object::default(), &env).is_err());
}

#[test]
fn tasks_run_side_by_side() {
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..50).for_each(|_| drop(run("nothing", "{}").unwrap())));
        }
    });
}

#[test]
fn what_is_no_plugin_is_told_apart() {
    let sandbox = Sandbox::new(SandboxConfig::default()).unwrap();
    let load = |bytes: &[u8]| sandbox.load(bytes, "x.wasm").unwrap_err();
    assert!(matches!(load(b""), SandboxError::NotWasm { .. }));
    assert!(matches!(load(b"#!/bin/sh\n"), SandboxError::NotWasm { .. }));
    let module = wat::parse_str("(module)").unwrap();
    assert!(matches!(load(&module), SandboxError::CoreModule { .. }));
    let whole = component();
    assert!(matches!(load(&whole[..whole.len() / 2]), SandboxError::Compile { .. }));
    let empty = load(&wat::parse_str("(component)").unwrap());
    assert!(empty.to_string().contains("mobula:plugin/task@0.1.0, it has none"), "{empty}");
    let later = r#"(component (import "mobula:plugin/tensors@0.2.0" (instance)))"#;
    let later = load(&wat::parse_str(later).unwrap());
    assert!(later.to_string().contains("imports mobula:plugin/tensors@0.2.0"), "{later}");
    assert!(later.to_string().contains("this host has version 0.1.0"), "{later}");
}

fn one_file(folder: &Path) -> PathBuf {
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

#[test]
fn a_damaged_cache_is_compiled_anew() {
    let folder = tempfile::tempdir().unwrap();
    let config = SandboxConfig { cache_dir: Some(folder.path().to_owned()) };
    let sandbox = Sandbox::new(config).unwrap();
    let bytes = component();
    sandbox.load(&bytes, "hostile").unwrap();
    let file = one_file(folder.path());
    let good = std::fs::read(&file).unwrap();
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    for damaged in [&flipped[..], &good[..good.len() / 3], b""] {
        std::fs::write(&file, damaged).unwrap();
        let plugin = sandbox.load(&bytes, "hostile").unwrap();
        let (env, _) = env(Limits::default(), Grants::default());
        plugin.run_task("nothing", "{}", Object::default(), &env).unwrap();
        assert!(std::fs::read(one_file(folder.path())).unwrap().len() == good.len(), "mended");
    }
}
