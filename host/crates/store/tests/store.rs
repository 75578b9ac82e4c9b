//! The store as a whole: what it keeps, what it refuses, and what survives damage and sudden death.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;
use std::process::{Command, Stdio};

use mobula_contract::{
    CheckpointId, EventBody, Folders, Pipeline, RunEvent, RunId, RunStatus, parse_pipeline,
};
use mobula_store::{CheckpointRow, NewCheckpoint, NewRun, Retention, Store, StoreError, Subject};

/// Set in the child process that is going to be killed.
const VICTIM: &str = "MOBULA_STORE_VICTIM";

fn pipeline() -> Pipeline {
    let text = "[pipeline]\nname = \"p\"\n[[stage]]\nname = \"a\"\ntask = \"x/y\"\n";
    let here = Path::new(".");
    parse_pipeline("p.toml", text, Folders { base: here, current: here }, &[]).unwrap()
}

fn store_with_run(home: &Path) -> (Store, RunId) {
    let store = Store::open(home).unwrap();
    let run = RunId::new(1_000, 1);
    store.create_run(&NewRun { id: &run, pipeline: &pipeline() }).unwrap();
    (store, run)
}

fn started() -> RunEvent {
    RunEvent { at_s: 0.5, body: EventBody::RunStarted { workers: 2, resumed: false } }
}

fn save(store: &Store, run: &RunId, number: u64, bytes: &[u8]) -> Result<String, StoreError> {
    let id = CheckpointId::new(run, number);
    let index = u32::try_from(number).unwrap();
    let actor = Some("trainer");
    let stage = "train";
    let new = NewCheckpoint {
        id: &id,
        run: Some(run),
        name: None,
        stage,
        index,
        actor,
        position: number,
        metric: None,
        pinned: false,
        bytes,
    };
    Ok(store.save_checkpoint(&new, &Retention::default())?.digest)
}

fn newest_good(store: &Store, run: &RunId) -> (CheckpointRow, Vec<u8>) {
    store.newest_valid(run, Subject::Actor("trainer")).unwrap().found.unwrap()
}

fn pattern(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    };
    (0..len).map(next).collect()
}

#[test]
fn checkpoints_of_every_length_come_back() {
    let home = tempfile::tempdir().unwrap();
    let (store, run) = store_with_run(home.path());
    let mib = 1 << 20;
    for (number, len) in (1..).zip([0, 1, mib - 1, mib, mib + 1, 9 * mib + 5]) {
        let bytes = pattern(len, number);
        let digest = save(&store, &run, number, &bytes).unwrap();
        let id = CheckpointId::new(&run, number);
        assert_eq!(store.load_checkpoint(&id).unwrap(), bytes);
        assert_eq!(store.checkpoint(id.as_str()).unwrap().digest, digest);
    }
    let kept: Vec<u64> =
        store.checkpoints(Some(&run)).unwrap().iter().map(|c| c.position).collect();
    assert_eq!(kept, [6, 5, 4], "the newest three");
}

#[test]
fn a_damaged_checkpoint_is_set_aside_for_the_one_before() {
    let home = tempfile::tempdir().unwrap();
    let (store, run) = store_with_run(home.path());
    for number in 1..=3 {
        save(&store, &run, number, &pattern(3 << 20, number)).unwrap();
    }
    let db = rusqlite::Connection::open(home.path().join("mobula.db")).unwrap();
    let newest = CheckpointId::new(&run, 3);
    let flip = "UPDATE chunk SET content = CAST(x'00' || substr(content, 2) AS BLOB) WHERE id =
        (SELECT chunk FROM piece WHERE checkpoint = ?1 AND number = 1)";
    assert_eq!(db.execute(flip, [newest.as_str()]).unwrap(), 1);
    let lose = "DELETE FROM piece WHERE checkpoint = ?1 AND number = 2";
    assert_eq!(db.execute(lose, [CheckpointId::new(&run, 2).as_str()]).unwrap(), 1);

    let (row, bytes) = newest_good(&store, &run);
    assert_eq!((row.position, bytes), (1, pattern(3 << 20, 1)));
    let damaged = store.checkpoint(newest.as_str()).unwrap().damaged.unwrap();
    assert!(damaged.contains("chunk 1 has the hash"), "{damaged}");
    save(&store, &run, 4, b"later").unwrap();
    assert!(store.checkpoints(Some(&run)).unwrap().len() >= 3, "damaged ones do not count");
    let freed = store.collect(false).unwrap();
    assert_eq!(freed.checkpoints.len(), 2);
}

#[test]
fn events_are_numbered_and_the_run_follows_them() {
    let home = tempfile::tempdir().unwrap();
    let (store, run) = store_with_run(home.path());
    let lock = store.lock_run(&run).unwrap();
    store.append(&run, &[started(), started()]).unwrap();
    assert_eq!(store.find_run("r-").unwrap().status, RunStatus::Running);
    drop(lock);
    assert_eq!(store.find_run("last").unwrap().status, RunStatus::Interrupted);
    let body = EventBody::RunEnded {
        status: RunStatus::Failed,
        result: serde_json::Map::new(),
        error: Some("why".to_owned()),
    };
    store.append(&run, &[RunEvent { at_s: 2.0, body }]).unwrap();
    let row = store.find_run(run.as_str()).unwrap();
    assert_eq!(
        (row.status, row.error.as_deref(), row.wall_s),
        (RunStatus::Failed, Some("why"), 2.0)
    );
    let numbers: Vec<u64> = store.events(&run, 1).unwrap().iter().map(|(n, _)| *n).collect();
    assert_eq!(numbers, [2, 3]);
    assert_eq!(store.run_pipeline(&run).unwrap(), pipeline());
}

#[test]
fn a_home_folder_can_be_made_by_many_at_the_same_instant() {
    for _ in 0..20 {
        let home = tempfile::tempdir().unwrap();
        let open = || Store::open(home.path()).map(drop);
        let results = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }
}

#[test]
fn one_process_has_a_run() {
    let home = tempfile::tempdir().unwrap();
    let (store, run) = store_with_run(home.path());
    let lock = store.lock_run(&run).unwrap();
    let other = Store::open(home.path()).unwrap();
    assert!(matches!(other.lock_run(&run), Err(StoreError::Busy(_))));
    drop(lock);
    other.lock_run(&run).unwrap();
}

#[test]
fn what_is_not_there_is_named() {
    let home = tempfile::tempdir().unwrap();
    let (store, run) = store_with_run(home.path());
    let second = RunId::new(1_001, 1);
    store.create_run(&NewRun { id: &second, pipeline: &pipeline() }).unwrap();
    assert!(matches!(store.find_run("r-0"), Err(StoreError::Ambiguous { count: 2, .. })));
    let missing = store.find_run("r-zzz").unwrap_err().to_string();
    assert!(missing.contains("no run `r-zzz`") && missing.contains("runs list"), "{missing}");
    assert!(store.load_checkpoint(&CheckpointId::new(&run, 9)).is_err());
}

#[test]
fn a_file_that_is_no_database_is_named_and_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("mobula.db");
    let garbage = pattern(20_000, 3);
    std::fs::write(&file, &garbage).unwrap();
    let error = Store::open(home.path()).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    assert!(error.to_string().contains("mobula.db"), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), garbage);
}

#[test]
fn a_database_with_an_overwritten_page_is_refused_or_reported() {
    let home = tempfile::tempdir().unwrap();
    let (store, run) = store_with_run(home.path());
    for number in 1..=3 {
        save(&store, &run, number, &pattern(1 << 20, number)).unwrap();
    }
    drop(store);
    let file = home.path().join("mobula.db");
    let whole = std::fs::read(&file).unwrap();
    for page in (1..whole.len() / 4096).step_by(37).chain([1, 2, 3]) {
        let mut broken = whole.clone();
        broken[page * 4096..(page + 1) * 4096].fill(0x5a);
        std::fs::write(&file, &broken).unwrap();
        let read = Store::open(home.path()).and_then(|store| {
            for row in store.checkpoints(None)? {
                match store.load_checkpoint(&row.id) {
                    Ok(bytes) => assert_eq!(bytes, pattern(1 << 20, row.position)),
                    Err(StoreError::Damaged { .. }) => {}
                    Err(e) => return Err(e),
                }
            }
            store.check()
        });
        // Either the bytes are right, or the damage is named: silence would be wrong bytes.
        if let Err(e) = read {
            assert!(e.to_string().contains("mobula.db"), "{e}");
        }
    }
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let cut = Store::open(home.path()).and_then(|store| store.check());
    assert!(matches!(cut, Err(StoreError::Corrupt { .. })), "{cut:?}");
}

#[test]
fn a_database_of_a_later_program_is_not_touched() {
    let home = tempfile::tempdir().unwrap();
    drop(Store::open(home.path()).unwrap());
    let db = rusqlite::Connection::open(home.path().join("mobula.db")).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(Store::open(home.path()), Err(StoreError::Newer { found: 99, .. })));
}

/// A file system of one megabyte is what a full disk is to the store. Without the right to mount
/// one, the limit of the database itself stands in for it: the same error of sqlite.
#[test]
fn a_full_disk_is_named_and_loses_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (store, run) = store_with_run(home.path());
    save(&store, &run, 1, &pattern(1 << 20, 1)).unwrap();
    store.limit_bytes(3 << 20).unwrap();
    let error = save(&store, &run, 2, &pattern(8 << 20, 2)).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    let (row, bytes) = newest_good(&store, &run);
    assert_eq!((row.position, bytes), (1, pattern(1 << 20, 1)));
    store.append(&run, &[started()]).unwrap();
}

#[test]
fn plugins_are_kept_by_name_version_and_content() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let digest = store.push_plugin("subset", "0.1.0", b"component").unwrap();
    assert_eq!(store.push_plugin("subset", "0.1.0", b"component").unwrap(), digest);
    let other = store.push_plugin("subset", "0.1.0", b"other").unwrap_err().to_string();
    assert!(other.contains("raise its version"), "{other}");
    store.push_plugin("subset", "0.2.0", b"other").unwrap();
    assert_eq!(store.plugins().unwrap().len(), 2);
    assert_eq!(std::fs::read(store.plugin_file(&digest)).unwrap(), b"component");
    let newer = store.replace_plugin("subset", "0.1.0", b"newer").unwrap();
    let digests: Vec<String> = store.plugins().unwrap().into_iter().map(|row| row.digest).collect();
    assert!(digests.contains(&newer) && !digests.contains(&digest) && digests.len() == 2);
    // For runs that began with it.
    assert_eq!(std::fs::read(store.plugin_file(&digest)).unwrap(), b"component");
}

/// Not a test by itself: what the killed child does.
#[test]
fn victim() {
    let Ok(home) = std::env::var(VICTIM) else { return };
    let store = Store::open(Path::new(&home)).unwrap();
    let run = RunId::new(1_000, 1);
    for number in 1.. {
        store.append(&run, &[started()]).unwrap();
        save(&store, &run, number, &pattern(2 << 20, number)).unwrap();
    }
}

#[test]
fn death_at_any_instant_leaves_whole_checkpoints_and_events() {
    let mut delay_ms = 11;
    let mut saved = 0;
    for _ in 0..12 {
        let home = tempfile::tempdir().unwrap();
        let (store, run) = store_with_run(home.path());
        drop(store);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["victim", "--exact"])
            .env(VICTIM, home.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(delay_ms));
        child.kill().unwrap();
        child.wait().unwrap();
        delay_ms = (delay_ms * 7 + 13) % 250 + 20;

        let store = Store::open(home.path()).unwrap();
        store.check().unwrap();
        let rows = store.checkpoints(Some(&run)).unwrap();
        for row in &rows {
            assert_eq!(store.load_checkpoint(&row.id).unwrap(), pattern(2 << 20, row.position));
        }
        let newest = rows.first().map_or(0, |row| row.position);
        let numbers: Vec<u64> = store.events(&run, 0).unwrap().iter().map(|(n, _)| *n).collect();
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
        assert!(numbers.len() as u64 - newest <= 1, "a save follows each event");
        saved += newest;
    }
    assert!(saved > 12, "the child got somewhere before it died");
}
