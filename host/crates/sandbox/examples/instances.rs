//! What a task costs that does nothing, each in an instance of its own: on one thread, and on two.
//! Usage: `instances [component]`, by default the plugin `hostile` beside the build's other plugins.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mobula_contract::{Level, Object, StageContext};
use mobula_sandbox::{CallEnv, Grants, Limits, Plugin, Sandbox, SandboxConfig};

/// Tasks of one measurement on each thread.
const TASKS: u32 = 10_000;
/// Measurements; the fastest and the median are shown.
const ROUNDS: usize = 7;

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

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let exe = std::env::current_exe()?;
    let release = exe.parent().and_then(Path::parent).ok_or("no target folder")?;
    let given = std::env::args().nth(1).map(Into::into);
    let file = given.unwrap_or_else(|| release.join("test-plugins/hostile.wasm"));
    let plugin = Sandbox::new(SandboxConfig::default())?.load(&std::fs::read(file)?, "hostile")?;
    for threads in [1, 2] {
        let mut rounds = Vec::new();
        let begun = processor();
        for _ in 0..ROUNDS {
            rounds.push(measure(&plugin, threads));
        }
        let (user, system) = processor();
        rounds.sort();
        let tasks = f64::from(TASKS * threads);
        let per_s = |time: Duration| tasks / time.as_secs_f64();
        let each_us = |ticks: f64| ticks * 1e4 / (tasks * ROUNDS as f64);
        let text = format!(
            "{threads} thread(s): {:6.1} us a task at best, {:6.1} median; {:6.0} tasks/s at best, {:6.0} median; \
             each {:.1} us user, {:.1} us system\n",
            1e6 * f64::from(threads) / per_s(rounds[0]),
            1e6 * f64::from(threads) / per_s(rounds[ROUNDS / 2]),
            per_s(rounds[0]),
            per_s(rounds[ROUNDS / 2]),
            each_us(user - begun.0),
            each_us(system - begun.1),
        );
        std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes())?;
    }
    Ok(())
}

/// The time that all threads together take.
fn measure(plugin: &Plugin, threads: u32) -> Duration {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let env = CallEnv {
                    context: Arc::new(Nobody),
                    grants: Grants::default(),
                    limits: Limits::default(),
                    stage: "nothing".to_owned(),
                };
                for _ in 0..TASKS {
                    let result = plugin.run_task("nothing", "{}", Object::default(), &env);
                    result.expect("it does nothing");
                }
            });
        }
    });
    begun.elapsed()
}

/// Hundredths of seconds that this process spent in itself and in the system; 0 where nobody says so.
fn processor() -> (f64, f64) {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = text.rsplit(')').next().unwrap_or_default();
    let mut fields = after_name.split_whitespace().skip(11).map(|n| n.parse().unwrap_or(0.0));
    (fields.next().unwrap_or(0.0), fields.next().unwrap_or(0.0))
}
