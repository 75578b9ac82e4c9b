//! kill -9: a process that appends and saves and does nothing else, killed at random instants, again and
//! again on one store. What it said was done is there.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use mobula_contract::RunId;
use mobula_store::NewRun;

use crate::dice::{Dice, figure, seed, tell};
use crate::images::folder;
use crate::layer;
use crate::world::{Kept, Who, ended, metric, pipeline, save_one};

/// Tells the child where its store is.
const VICTIM: &str = "MOBULA_CRASH_VICTIM";
/// Longest life of a child, in microseconds: some saves, after its start.
const LIFE_US: u64 = 50_000;
/// Kills of one run; then comes another, so that lists stay short.
const KILLS_OF_RUN: u64 = 40;
/// Newest checkpoints that the child keeps.
const KEEP: u64 = 3;

/// What the child saves as its checkpoint of this number.
fn kept(run: &RunId, number: u64) -> Kept {
    let len = Dice::new(number, 3).index(160_000);
    Kept { run: run.clone(), who: Who::Trainer, number, len, seed: number }
}

/// Events before each checkpoint.
fn batch(number: u64) -> u64 {
    1 + number % 3
}

/// Not a test by itself: what the child does until it is killed.
#[test]
fn victim() {
    let Ok(home) = std::env::var(VICTIM) else { return };
    let mut out = std::io::stdout();
    let mut say = |what: &str, number: u64| writeln!(out, "{what} {number}").expect("a pipe");
    say("\nstarted", 0);
    let mut store = layer::open(Path::new(&home)).expect("the store opens");
    let run = store.find_run("last").expect("a run").run;
    let mut events = store.events(&run, 0).expect("its events").len() as u64;
    let rows = store.checkpoints(Some(&run)).expect("its checkpoints");
    let newest = rows.iter().map(|row| row.position).max().unwrap_or(0);
    for number in newest + 1.. {
        let more: Vec<_> = (events..events + batch(number)).map(metric).collect();
        store.append(&run, &more).expect("an append");
        events += batch(number);
        say("appended", events);
        save_one(&store, &kept(&run, number), 3).expect("a save");
        say("saved", number);
        match number % 11 {
            3 => drop(store.collect(false).expect("a collection")),
            5 => store.tend().expect("the log is moved"),
            7 => store = layer::open(Path::new(&home)).expect("the store opens again"),
            _ => {}
        }
    }
}

/// What a child said before it died.
#[derive(Debug, Default)]
struct Said {
    started: bool,
    events: u64,
    saved: u64,
}

/// Lets a child live for a while; `from_start` counts from its first word.
fn kill_one(home: &Path, life: Duration, from_start: bool) -> Said {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["kills::victim", "--exact", "--nocapture"])
        .env(VICTIM, home)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a child");
    let mut pipe = child.stdout.take().expect("a pipe");
    let mut text = Vec::new();
    if from_start {
        let mut byte = [0];
        while !text.ends_with(b"started 0\n") && pipe.read(&mut byte).expect("a pipe") == 1 {
            text.push(byte[0]);
        }
    }
    std::thread::sleep(life);
    child.kill().expect("it can be killed");
    let status = child.wait().expect("it is dead");
    assert_eq!(status.code(), None, "a child ended before it was killed");
    pipe.read_to_end(&mut text).expect("a pipe");
    let text = String::from_utf8(text).expect("words");
    // Without its end a line was not said.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let mut said = Said::default();
    for line in whole.lines() {
        match line.split_once(' ') {
            Some(("started", _)) => said.started = true,
            Some(("appended", number)) => said.events = number.parse().expect("a number"),
            Some(("saved", number)) => said.saved = number.parse().expect("a number"),
            _ => {}
        }
    }
    said
}

/// Compares a store with what was said; gives the events and the newest checkpoint that there are.
fn check(home: &Path, run: &RunId, said: &Said, before: (u64, u64)) -> Result<(u64, u64), String> {
    let store = layer::open(home).map_err(|e| format!("open: {e}"))?;
    store.check().map_err(|e| format!("integrity: {e}"))?;
    let (least_events, least) = (said.events.max(before.0), said.saved.max(before.1));
    let rows = store.checkpoints(Some(run)).map_err(|e| e.to_string())?;
    for row in &rows {
        let bytes = store.load_checkpoint(&row.id).map_err(|e| format!("load: {e}"))?;
        if bytes != kept(run, row.position).bytes() {
            return Err(format!("{} has wrong bytes", row.id));
        }
    }
    let newest = rows.iter().map(|row| row.position).max().unwrap_or(0);
    if newest < least || newest > least + 1 {
        return Err(format!("the newest is {newest}, acknowledged was {least}"));
    }
    for number in (newest + 1).saturating_sub(KEEP).max(1)..=newest {
        if !rows.iter().any(|row| row.position == number) {
            return Err(format!("{number} is gone, the newest is {newest}"));
        }
    }
    let found = store.newest_valid(run, Who::Trainer.subject()).map_err(|e| e.to_string())?;
    if found.found.map_or(0, |(row, _)| row.position) != newest {
        return Err(format!("{newest} is not found as the newest"));
    }
    let events = store.events(run, 0).map_err(|e| e.to_string())?;
    let count = events.len() as u64;
    let expected = (0..count).map(|step| (step + 1, metric(step)));
    if !events.into_iter().eq(expected) {
        return Err("other events than were appended".to_owned());
    }
    // The one that was under way has all of its events or none.
    let most = least_events + batch(least + 1);
    if count != least_events && count != most {
        return Err(format!("{count} events, of which {least_events} were acknowledged"));
    }
    Ok((count, newest))
}

/// Another program opens the database, where there is one.
fn foreign_check(home: &Path) -> Option<String> {
    let query = "PRAGMA integrity_check; SELECT count(*) >= 0 FROM checkpoint;";
    let asked = Command::new("sqlite3").arg(home.join("mobula.db")).arg(query).output().ok()?;
    Some(String::from_utf8_lossy(&[asked.stdout, asked.stderr].concat()).into_owned())
}

#[test]
fn what_a_process_said_before_it_was_killed_is_there() {
    let (kills, seed) = (figure("MOBULA_CRASH_KILLS", 200), seed());
    let home = folder();
    let mut dice = Dice::new(seed, 0);
    let (mut run, mut there) = (RunId::new(1_000, 1), (0, 0));
    let (mut saved, mut foreign) = (0, 0);
    for number in 0..kills {
        if number % KILLS_OF_RUN == 0 {
            let store = layer::open(home.path()).expect("the store opens");
            if number > 0 {
                store.append(&run, &[ended()]).expect("the run ends");
                saved += there.1;
            }
            (run, there) = (RunId::new(1_000 + number, 1), (0, 0));
            store.create_run(&NewRun { id: &run, pipeline: &pipeline() }).expect("a run");
        }
        let life = Duration::from_micros(dice.below(LIFE_US));
        let said = kill_one(home.path(), life, dice.one_in(2));
        there = check(home.path(), &run, &said, there).unwrap_or_else(|wrong| {
            panic!("MOBULA_CRASH_SEED={seed}, kill {number} after {life:?}: {wrong} ({said:?})")
        });
        if number % 20 == 0
            && let Some(answer) = foreign_check(home.path())
        {
            assert_eq!(answer, "ok\n1\n", "seed {seed}, kill {number}: sqlite3 says");
            foreign += 1;
        }
    }
    saved += there.1;
    assert!(saved > kills / 2, "MOBULA_CRASH_SEED={seed}: only {saved} saves in {kills} lives");
    let what = format!("{kills} kills, {saved} saves, {foreign} looks by sqlite3, 0 lost");
    tell("kill -9", &what, seed);
}
