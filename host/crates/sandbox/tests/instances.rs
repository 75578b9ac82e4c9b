//! Many instances, one after another: the process does not grow by them. Alone in its program, where no other
//! test takes memory.

use std::sync::Arc;

use mobula_contract::{Level, Object, StageContext};
use mobula_sandbox::{CallEnv, Grants, Limits, Sandbox, SandboxConfig};

struct Nobody;

impl StageContext for Nobody {
    fn log(&self, _level: Level, _message: &str) {}
    fn progress(&self, _done: u64, _total: Option<u64>) {}
    fn metric(&self, _name: &str, _step: u64, _value: f64) {}
    fn seed(&self) -> u64 {
        0
    }
    fn cancelled(&self) -> bool {
        false
    }
}

/// Pages that are in memory; `None` where nobody says so.
fn resident_pages() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    text.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn ten_thousand_instances_leave_no_memory_behind() {
    let exe = std::env::current_exe().unwrap();
    let file = exe.parent().unwrap().parent().unwrap().join("test-plugins/hostile.wasm");
    let bytes = std::fs::read(&file)
        .unwrap_or_else(|e| panic!("{}: {e}: run `cargo xtask plugins`", file.display()));
    let plugin = Sandbox::new(SandboxConfig::default()).unwrap().load(&bytes, "hostile").unwrap();
    let env = CallEnv {
        context: Arc::new(Nobody),
        grants: Grants::default(),
        limits: Limits::default(),
        stage: "many".to_owned(),
    };
    let run = |task: &str, args: &str| drop(plugin.run_task(task, args, Object::default(), &env));
    let round = |count: u32| {
        for i in 0..count {
            run("nothing", "{}");
            if i % 100 == 0 {
                run("panics", "{}");
                run("eats_memory", r#"{"amount":8000000}"#);
            }
        }
    };
    round(1000);
    let Some(before) = resident_pages() else { return };
    round(10_000);
    let after = resident_pages().unwrap();
    // 16 MiB of pages of 4 KiB; 10,000 instances of the smallest would be 20 GB.
    assert!(after < before + 4096, "{before} pages, then {after}");
}
