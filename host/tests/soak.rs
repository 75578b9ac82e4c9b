//! Everything that can fail, for a while, in several sessions at once: each result is what it has to be, and
//! nothing is left over. `MOBULA_SOAK_S` says how many seconds, `MOBULA_SOAK_SEED` repeats a seed.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod acts;
mod guests;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use acts::{PATIENCE, Script, faults};
use guests::{By, Dice, Guests, is_empty_but_for};
use mobula_contract::{CheckpointId, Failure, FailureKind, RunEvent, RunStatus};
use mobula_engine::{
    Engine, EngineConfig, Journal, PROCESS_BYTES, Policy, Save, Seen, SessionConfig,
};

/// Seconds, unless said otherwise.
const SECONDS: u64 = 60;
/// Sessions at one time.
const SESSIONS: u64 = 4;
/// Memory for objects and guests: a fraction of what the sessions hold together.
const MEMORY_BYTES: u64 = 64 << 20;
/// What the process may have grown by in the second half: allocators keep some, and the largest moment
/// comes by chance.
const GROWTH_BYTES: u64 = 48 << 20;

#[test]
fn a_soak_of_failures_leaves_nothing_behind() {
    let asked = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seconds = asked("MOBULA_SOAK_S").unwrap_or(SECONDS);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = asked("MOBULA_SOAK_SEED").unwrap_or(now.as_nanos() as u64 % 1_000_000);
    eprintln!("soak of {seconds} s with MOBULA_SOAK_SEED={seed}");
    let guests = Guests::load();
    let alive = Arc::new(AtomicU64::new(0));
    watch_for_hangs(seed, &alive);
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let config = EngineConfig::new(Arc::new(guests.clone()));
        let memory_bytes = Some(PROCESS_BYTES + MEMORY_BYTES);
        let spill_dir = Some(folder.path().to_owned());
        Engine::start(EngineConfig { cpus: 4.0, memory_bytes, spill_dir, ..config }).unwrap()
    };
    // What the sandbox starts with its first calls stays as long as it does.
    soak(&start(), seed, 1, &alive);
    let (before, resident_before) = (held(), resident());
    let engine = start();
    let total = engine.free();
    let peaks = soak(&engine, seed, seconds, &alive);

    is_empty_but_for(&engine, 0);
    // An actor that was told to stop is forgotten at once; its instance goes a moment later.
    wait_until(|| engine.memory().used_bytes == 0);
    let memory = engine.memory();
    eprintln!(
        "{memory:?}, resident from {resident_before} to {peaks:?}, {} sessions",
        alive.load(Ordering::Relaxed)
    );
    assert_eq!((engine.free(), memory.used_bytes), (total, 0), "seed {seed}");
    assert!(memory.spills > 0, "seed {seed}: the memory was small enough");
    assert_eq!(files_in(folder.path()), 0, "seed {seed}: no object is left on disk");
    drop(engine);
    wait_until(|| held() == before);
    assert_eq!(held(), before, "seed {seed}: files and threads");
    let [first, second] = peaks;
    assert!(second <= first + GROWTH_BYTES, "seed {seed}: from {first} to {second} bytes");
}

/// Runs sessions side by side; gives the most that was resident in each half.
fn soak(engine: &Engine, seed: u64, seconds: u64, alive: &AtomicU64) -> [u64; 2] {
    let begun = Instant::now();
    let (end, half) = (Duration::from_secs(seconds), Duration::from_secs(seconds) / 2);
    let wrong: Mutex<Vec<String>> = Mutex::default();
    let mut peaks = [0, 0];
    std::thread::scope(|scope| {
        let wrong = &wrong;
        let sessions: Vec<_> = (0..SESSIONS)
            .map(|number| {
                scope.spawn(move || {
                    let mut dice = Dice(seed.wrapping_mul(SESSIONS) + number);
                    while begun.elapsed() < end && wrong.lock().unwrap().is_empty() {
                        if let Err(what) = session(engine, &mut dice) {
                            wrong.lock().unwrap().push(what);
                        }
                        alive.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        while sessions.iter().any(|session| !session.is_finished()) {
            let peak = &mut peaks[usize::from(begun.elapsed() > half)];
            *peak = resident().max(*peak);
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "seed {seed}: {}", wrong.join("\n"));
    peaks
}

/// One session, from its first act to its end, which may come early.
fn session(engine: &Engine, dice: &mut Dice) -> Result<(), String> {
    let (recorded, decided) = (dice.below(2) == 0, dice.below(2) == 0);
    let config = SessionConfig {
        seed: dice.below(u64::MAX),
        faults: faults(dice),
        journal: recorded.then(|| Box::<Kept>::default() as _),
        policy: decided.then(|| sometimes(Dice(dice.below(u64::MAX)))),
        ..SessionConfig::default()
    };
    let session = engine.session(config);
    let mut script = Script::new(&session, dice);
    for _ in 0..30 {
        script.act().map_err(|failure| format!("cannot be submitted: {failure:?}"))?;
    }
    let acts = script.acts();
    std::thread::sleep(Duration::from_millis(dice.below(30)));
    let dropped = dice.below(3) == 0;
    if dropped {
        if dice.below(2) == 0 {
            drop(acts);
            return Ok(());
        }
        drop(session);
        return acts.into_iter().try_for_each(|act| act.check(true));
    }
    acts.iter().for_each(acts::Act::stop);
    // Some are not waited for: the session is finished with them under way.
    let left = dice.below(4) == 0;
    let mut checked = Ok(());
    if left {
        // A stream that somebody holds and does not read would never end.
        drop(acts);
    } else {
        checked = acts.into_iter().try_for_each(|act| act.check(false));
    }
    let (status, error) = session.finish();
    checked?;
    match (status, error) {
        (RunStatus::Succeeded, None) => Ok(()),
        other => Err(format!("the session ended as {other:?}")),
    }
}

/// Ends the process with the seed where nothing goes on: a thread that hangs cannot be ended otherwise.
fn watch_for_hangs(seed: u64, alive: &Arc<AtomicU64>) {
    let alive = Arc::clone(alive);
    std::thread::spawn(move || {
        let (mut seen, mut since) = (0, Instant::now());
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let now = alive.load(Ordering::Relaxed);
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
            if since.elapsed() > PATIENCE + Duration::from_secs(60) {
                eprintln!("seed {seed}: a hang after {now} sessions");
                std::process::abort();
            }
        }
    });
}

/// Waits for what happens soon, if at all.
fn wait_until(done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Open files, and threads.
fn held() -> (usize, usize) {
    (files_in(Path::new("/proc/self/fd")), files_in(Path::new("/proc/self/task")))
}

fn files_in(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Takes a checkpoint now and then.
fn sometimes(mut dice: Dice) -> Box<dyn Policy> {
    Box::new(By(move |_: &Seen<'_>| dice.below(4) == 0))
}

/// Keeps checkpoints in memory, and no events.
#[derive(Default)]
struct Kept {
    states: Vec<(CheckpointId, Vec<u8>)>,
}

impl Journal for Kept {
    fn record(&mut self, _events: &[RunEvent]) -> Result<(), Failure> {
        Ok(())
    }

    fn save(&mut self, save: Save<'_>) -> Result<String, Failure> {
        self.states.push((save.id.clone(), save.bytes.to_vec()));
        Ok("blake3:".to_owned())
    }

    fn load(&mut self, id: &CheckpointId) -> Result<Vec<u8>, Failure> {
        let found = self.states.iter().find(|(there, _)| there == id);
        let none = || Failure::new(FailureKind::Host, "no such checkpoint");
        found.map(|(_, bytes)| bytes.clone()).ok_or_else(none)
    }
}
