//! The format: databases of earlier versions, sizes, sharing of chunks, files of long checkpoints.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::Path;

use mobula_contract::{CheckpointId, Object, RunId, Value, encode_object};
use mobula_store::{Better, Metric, NewCheckpoint, Retention, Store, StoreError, Subject};

mod common;
use common::{create, of_actor, pattern, small_sizes};

/// Written by the program of version 1: an output, then states of 6000, 9000 and 12,000 bytes, of which
/// the first is in two chunks, and the last has a changed byte.
fn golden(home: &Path) -> RunId {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1.db");
    fs::copy(file, home.join("mobula.db")).unwrap();
    RunId::new(1_000, 1)
}

/// `user_version` of what the program writes now.
const VERSION: i64 = 3;

fn pragma(home: &Path, name: &str) -> i64 {
    let db = rusqlite::Connection::open(home.join("mobula.db")).unwrap();
    db.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).unwrap()
}

#[test]
fn a_database_of_version_1_is_upgraded_with_all_that_was_good_in_it() {
    let home = tempfile::tempdir().unwrap();
    let run = golden(home.path());
    let store = Store::open(home.path()).unwrap();
    store.check().unwrap();
    let rows = store.checkpoints(Some(&run)).unwrap();
    assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), [4, 3, 2, 1]);
    for number in [2, 3] {
        let id = CheckpointId::new(&run, number);
        let bytes = pattern(3000 * usize::try_from(number).unwrap(), number);
        assert_eq!(store.load_checkpoint(&id).unwrap(), bytes, "{number}");
    }
    let newest = store.newest_valid(&run, Subject::Actor("trainer")).unwrap();
    assert_eq!(newest.found.unwrap().0.number, 3);
    assert_eq!(newest.set_aside[0].id, CheckpointId::new(&run, 4));
    assert!(newest.set_aside[0].reason.contains("instead of"), "{:?}", newest.set_aside);
    let output = store.newest_valid(&run, Subject::Output("a", 1)).unwrap().found.unwrap().1;
    let answer = Value::Json(serde_json::json!({"is": 42}));
    assert_eq!(output, encode_object(&Object::default().with("answer", answer)));
    assert_eq!(store.events(&run, 0).unwrap().len(), 1);
    store.run_pipeline(&run).unwrap();
    drop(store);
    assert_eq!(pragma(home.path(), "page_size"), 65_536);
    assert_eq!(pragma(home.path(), "auto_vacuum"), 2);
    assert_eq!(pragma(home.path(), "user_version"), VERSION);
}

#[test]
fn a_database_of_version_2_is_upgraded_and_its_events_are_counted() {
    let home = tempfile::tempdir().unwrap();
    let db = rusqlite::Connection::open(home.path().join("mobula.db")).unwrap();
    db.execute_batch(include_str!("golden/v2.sql")).unwrap();
    drop(db);
    let store = Store::open(home.path()).unwrap();
    let (run, other) = (RunId::new(1, 1), RunId::new(2, 1));
    assert!(store.verify(None).unwrap().is_good());
    assert_eq!(store.checkpoints(None).unwrap().len(), 4);
    for number in 1..=3 {
        let bytes = pattern(1000 * usize::try_from(number).unwrap(), number);
        assert_eq!(store.load_checkpoint(&CheckpointId::new(&run, number)).unwrap(), bytes);
    }
    assert_eq!(store.learned_of("p", "a").unwrap().unwrap().body, "{\"x\":1}");
    let events = store.events(&run, 0).unwrap();
    assert_eq!((events.len(), store.events(&other, 0).unwrap().len()), (3, 0));
    assert!(
        store.tenants().unwrap().is_empty(),
        "it has the server's tables, with nothing in them"
    );
    store.append(&run, &[events[0].1.clone()]).unwrap();
    assert_eq!(store.events(&run, 3).unwrap()[0].0, 4);
    drop(store);
    assert_eq!(pragma(home.path(), "user_version"), VERSION);
}

#[test]
fn an_upgrade_leaves_the_database_to_others_that_have_it_open() {
    let home = tempfile::tempdir().unwrap();
    let run = golden(home.path());
    let other = rusqlite::Connection::open(home.path().join("mobula.db")).unwrap();
    let count = |db: &rusqlite::Connection| {
        db.query_row("SELECT COUNT(*) FROM checkpoint", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(count(&other), 4);
    let store = Store::open(home.path()).unwrap();
    assert_eq!(count(&other), 4);
    assert_eq!(pragma(home.path(), "page_size"), 4096, "it could not be rewritten");
    drop(other);
    store.collect(false).unwrap();
    assert_eq!(pragma(home.path(), "page_size"), 65_536, "gc rewrites it");
    let id = CheckpointId::new(&run, 3);
    assert_eq!(store.load_checkpoint(&id).unwrap(), pattern(9000, 3));
}

#[test]
fn the_database_of_another_program_is_refused_and_not_changed() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("mobula.db");
    let db = rusqlite::Connection::open(&file).unwrap();
    db.execute_batch("CREATE TABLE theirs (x)").unwrap();
    drop(db);
    let error = Store::open(home.path()).unwrap_err().to_string();
    assert!(error.contains("another program"), "{error}");
    let db = rusqlite::Connection::open(&file).unwrap();
    let tables: i64 =
        db.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 1);
}

#[test]
fn a_new_database_has_pages_of_64_kib_and_gives_space_back() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let run = create(&store, 1);
    assert_eq!(pragma(home.path(), "page_size"), 65_536);
    assert_eq!(pragma(home.path(), "auto_vacuum"), 2);
    for number in 1..=6 {
        let id = CheckpointId::new(&run, number);
        let bytes = pattern(4 << 20, number);
        let keep = Retention { newest: 6, ..Retention::default() };
        store.save_checkpoint(&of_actor(&id, &run, "a", number, &bytes), &keep).unwrap();
    }
    let before = store.disk_bytes().unwrap();
    for number in 1..=5 {
        store.remove_checkpoint(&CheckpointId::new(&run, number)).unwrap();
    }
    let freed = store.collect(false).unwrap().freed;
    let after = store.disk_bytes().unwrap();
    assert!(freed >= 20 << 20 && after < 6 << 20, "{before} - {freed} = {after}");
    assert_eq!(store.load_checkpoint(&CheckpointId::new(&run, 6)).unwrap(), pattern(4 << 20, 6));
}

#[test]
fn equal_chunks_are_kept_once_and_outlive_each_of_their_checkpoints() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let run = create(&store, 1);
    let ids: Vec<CheckpointId> = (0..4).map(|n| CheckpointId::new(&run, n)).collect();
    let mut bytes = pattern(3 << 20, 1);
    let keep = Retention { newest: 9, ..Retention::default() };
    let save = |n: usize, bytes: &[u8]| {
        store.save_checkpoint(&of_actor(&ids[n], &run, "a", n as u64, bytes), &keep).unwrap()
    };
    assert_eq!(save(0, &bytes).written, 3 << 20);
    bytes[5 << 18] ^= 1;
    assert_eq!(save(1, &bytes).written, 1 << 20, "the second chunk alone is new");
    assert_eq!(save(2, &bytes).written, 0);
    assert_eq!(store.parts(&ids[0]).unwrap().shared_bytes, 2 << 20);
    store.remove_checkpoint(&ids[0]).unwrap();
    store.remove_checkpoint(&ids[1]).unwrap();
    assert_eq!(store.load_checkpoint(&ids[2]).unwrap(), bytes);
    // A chunk that went bad is not what a new checkpoint is made of.
    let db = rusqlite::Connection::open(home.path().join("mobula.db")).unwrap();
    db.execute("UPDATE chunk SET content = zeroblob(len)", []).unwrap();
    save(3, &bytes);
    assert_eq!(store.load_checkpoint(&ids[3]).unwrap(), bytes);
}

#[test]
fn long_checkpoints_are_in_files_which_come_and_go_with_them() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open_with(home.path(), &small_sizes()).unwrap();
    let run = create(&store, 1);
    let keep = Retention { newest: 2, ..Retention::default() };
    let files = || store.verify(None).unwrap();
    let count = || {
        let folders = fs::read_dir(home.path().join("blobs")).unwrap();
        folders.map(|folder| fs::read_dir(folder.unwrap().path()).unwrap().count()).sum::<usize>()
    };
    for number in 1..=5 {
        let id = CheckpointId::new(&run, number);
        let bytes = pattern((5 << 20) / 2, number);
        store.save_checkpoint(&of_actor(&id, &run, "a", number, &bytes), &keep).unwrap();
        assert_eq!(store.load_checkpoint(&id).unwrap(), bytes);
        assert_eq!(store.parts(&id).unwrap().file_bytes, (5 << 20) / 2);
    }
    store.tend().unwrap();
    assert_eq!(count(), 6, "of two checkpoints");
    assert!(files().is_good() && files().orphans.is_empty(), "{:?}", files());
    // The rest of a save that never ended.
    let folder = fs::read_dir(home.path().join("blobs")).unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        path.is_dir().then_some(path)
    });
    fs::write(folder.unwrap().join("half.part"), b"half").unwrap();
    assert_eq!(files().orphans.len(), 1);
    assert_eq!(store.collect(false).unwrap().orphans, 1);
    assert_eq!(count(), 6);
}

#[test]
fn damage_of_any_kind_to_a_file_sets_its_checkpoint_aside() {
    for kind in ["flip", "cut", "more", "gone"] {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open_with(home.path(), &small_sizes()).unwrap();
        let run = create(&store, 1);
        for number in 1..=2 {
            let id = CheckpointId::new(&run, number);
            let bytes = pattern(300 << 10, number);
            let new = of_actor(&id, &run, "a", number, &bytes);
            store.save_checkpoint(&new, &Retention::default()).unwrap();
        }
        let db = rusqlite::Connection::open(home.path().join("mobula.db")).unwrap();
        let query = "SELECT lower(hex(hash)) FROM chunk ORDER BY id DESC LIMIT 1";
        let name: String = db.query_row(query, [], |row| row.get(0)).unwrap();
        let file = home.path().join("blobs").join(&name[..2]).join(&name);
        let mut bytes = fs::read(&file).unwrap();
        match kind {
            "flip" => bytes[200_000] ^= 4,
            "cut" => bytes.truncate(1000),
            "more" => bytes.push(0),
            _ => {}
        }
        match kind {
            "gone" => fs::remove_file(&file).unwrap(),
            _ => fs::write(&file, &bytes).unwrap(),
        }
        let newest = store.newest_valid(&run, Subject::Actor("a")).unwrap();
        assert_eq!(newest.found.unwrap().1, pattern(300 << 10, 1), "{kind}");
        assert_eq!(newest.set_aside.len(), 1, "{kind}");
        let found = store.verify(None).unwrap();
        assert_eq!((found.checked, found.good), (2, 1), "{kind}");
        assert_eq!(found.damaged[0].instead, Some(CheckpointId::new(&run, 1)), "{kind}");
        // The same state again is written again.
        let (id, bytes) = (CheckpointId::new(&run, 3), pattern(300 << 10, 2));
        let new = of_actor(&id, &run, "a", 3, &bytes);
        store.save_checkpoint(&new, &Retention::default()).unwrap();
        assert_eq!(store.load_checkpoint(&id).unwrap(), bytes, "{kind}");
    }
}

#[test]
fn a_changed_row_is_never_believed() {
    let changes = [
        "UPDATE checkpoint SET position = 7 WHERE number = 2",
        "UPDATE checkpoint SET actor = 'a', number = 9 WHERE actor = 'b'",
        "UPDATE checkpoint SET bytes = bytes + 1 WHERE number = 2",
        "UPDATE checkpoint SET digest = 'blake3:00' WHERE number = 2",
        "UPDATE piece SET chunk = (SELECT MIN(id) FROM chunk) WHERE number = 1",
        "DELETE FROM piece WHERE number = 1",
        "UPDATE chunk SET len = len + 1",
    ];
    for change in changes {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path()).unwrap();
        let run = create(&store, 1);
        for (number, actor) in [(1, "a"), (2, "a"), (3, "b")] {
            let (id, bytes) = (CheckpointId::new(&run, number), pattern(2 << 20, number));
            let new = of_actor(&id, &run, actor, number, &bytes);
            store.save_checkpoint(&new, &Retention::default()).unwrap();
        }
        let db = rusqlite::Connection::open(home.path().join("mobula.db")).unwrap();
        assert!(db.execute(change, []).unwrap() > 0, "{change}");
        let found = store.verify(None).unwrap();
        assert!(!found.damaged.is_empty(), "{change}");
        if let Some((row, bytes)) = store.newest_valid(&run, Subject::Actor("a")).unwrap().found {
            assert_eq!(bytes, pattern(2 << 20, row.position), "{change}");
        }
    }
}

#[test]
fn changed_events_and_pipelines_are_not_believed() {
    let home = tempfile::tempdir().unwrap();
    let run = golden(home.path());
    let store = Store::open(home.path()).unwrap();
    let other = create(&store, 5);
    let event = store.events(&run, 0).unwrap().remove(0).1;
    store.append(&other, &[event]).unwrap();
    assert!(store.verify(None).unwrap().faults.iter().all(|fault| fault.contains("plugin")));
    let db = rusqlite::Connection::open(home.path().join("mobula.db")).unwrap();
    db.execute("UPDATE event SET body = replace(body, '0.5', '0.6')", []).unwrap();
    assert!(matches!(store.events(&other, 0), Err(StoreError::Unreadable { .. })));
    db.execute("UPDATE run SET spec = replace(spec, '\"p\"', '\"q\"')", []).unwrap();
    assert!(matches!(store.run_pipeline(&other), Err(StoreError::Unreadable { .. })));
    assert!(store.verify(None).unwrap().faults.iter().any(|fault| fault.contains("pipeline")));
}

#[test]
fn events_that_are_gone_are_missed_wherever_they_were() {
    let losses = ["number = 1", "number = 2", "number = 4", "number > 2", "number > 0"];
    for loss in losses {
        let home = tempfile::tempdir().unwrap();
        let run = golden(home.path());
        let store = Store::open(home.path()).unwrap();
        let event = store.events(&run, 0).unwrap().remove(0).1;
        store.append(&run, &[event.clone(), event.clone(), event.clone()]).unwrap();
        let db = rusqlite::Connection::open(home.path().join("mobula.db")).unwrap();
        assert!(db.execute(&format!("DELETE FROM event WHERE {loss}"), []).unwrap() > 0);
        let error = store.events(&run, 0).unwrap_err().to_string();
        assert!(error.contains("is gone, one of 4"), "{loss}: {error}");
        assert!(store.verify(None).unwrap().faults.iter().any(|fault| fault.contains("is gone")));
        // What comes later is not taken for what is gone.
        store.append(&run, &[event]).unwrap();
        assert_eq!(store.events(&run, 4).unwrap()[0].0, 5, "{loss}");
        assert!(store.events(&run, 0).is_err(), "{loss}");
    }
}

#[test]
fn what_was_learned_is_kept_between_runs_by_pipeline() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    store.keep_learned("p", &[("b", "{\"x\":1}"), ("a", "{}")]).unwrap();
    store.keep_learned("q", &[("a", "[]")]).unwrap();
    store.keep_learned("p", &[("b", "{\"x\":2}")]).unwrap();
    let again = Store::open(home.path()).unwrap();
    let found = again.learned("p").unwrap();
    let found: Vec<_> = found.iter().map(|l| (l.subject.as_str(), l.body.as_str())).collect();
    assert_eq!(found, [("a", "{}"), ("b", "{\"x\":2}")]);
    assert_eq!(again.learned_of("q", "a").unwrap().unwrap().body, "[]");
    assert_eq!(again.learned_of("q", "b").unwrap(), None);
    let db = rusqlite::Connection::open(home.path().join("mobula.db")).unwrap();
    db.execute("UPDATE learned SET body = '{\"x\":3}' WHERE subject = 'b'", []).unwrap();
    assert_eq!(again.learned("p").unwrap().len(), 1, "a changed one is not believed");
    assert_eq!(again.verify(None).unwrap().faults.len(), 1);
}

#[test]
fn imported_checkpoints_belong_to_no_run_and_stay() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let id = CheckpointId::new(&RunId::new(77, 7), 0);
    let new = NewCheckpoint {
        id: &id,
        run: None,
        name: Some("weights"),
        stage: "import",
        index: 0,
        actor: None,
        position: 0,
        metric: Some(Metric { value: f64::NAN, better: Better::Higher }),
        pinned: true,
        bytes: b"weights",
    };
    store.save_checkpoint(&new, &Retention::default()).unwrap();
    let row = store.find_checkpoint("last").unwrap();
    assert_eq!((row.run.as_ref(), row.name.as_deref(), row.metric), (None, Some("weights"), None));
    assert!(store.collect(false).unwrap().checkpoints.is_empty());
    assert_eq!(store.load_checkpoint(&id).unwrap(), b"weights");
    assert_eq!(store.find_checkpoint(&id.as_str()[..6]).unwrap().id, id);
    store.pin(&id, false).unwrap();
    assert!(store.pin(&CheckpointId::from_text("c-none"), true).is_err());
}
