#![allow(clippy::unwrap_used, reason = "probe")]
use mobula_contract::*;
use mobula_store::*;
use std::path::Path;
fn pipeline() -> Pipeline {
    let text = "[pipeline]\nname = \"p\"\n[[stage]]\nname = \"a\"\ntask = \"x/y\"\n";
    let here = Path::new(".");
    parse_pipeline("p.toml", text, Folders { base: here, current: here }, &[]).unwrap()
}
#[test]
fn probe() {
    let home = tempfile::tempdir().unwrap();
    let mut store = Store::open(home.path()).unwrap();
    let run = RunId::new(1000, 1);
    store.create_run(&NewRun { id: &run, pipeline: &pipeline() }).unwrap();
    println!("dup: {}", store.create_run(&NewRun { id: &run, pipeline: &pipeline() }).unwrap_err());
    let ev = RunEvent { at_s: 0.5, body: EventBody::RunStarted { workers: 2, resumed: false } };
    println!("missing run: {}", store.append(&RunId::new(5, 5), &[ev]).unwrap_err());
    for n in 1..=3u64 {
        let id = CheckpointId::new(&run, n);
        let bytes = vec![7u8; 9 << 20];
        store
            .save_checkpoint(
                &NewCheckpoint {
                    id: &id,
                    run: &run,
                    stage: "s",
                    index: 0,
                    actor: None,
                    position: n,
                    bytes: &bytes,
                },
                3,
            )
            .unwrap();
    }
    let end = RunEvent {
        at_s: 1.0,
        body: EventBody::RunEnded {
            status: RunStatus::Succeeded,
            result: Default::default(),
            error: None,
        },
    };
    store.append(&run, &[end]).unwrap();
    let f = home.path().join("mobula.db");
    let db = rusqlite::Connection::open(&f).unwrap();
    let av: i64 = db.query_row("PRAGMA auto_vacuum", [], |r| r.get(0)).unwrap();
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    println!("auto_vacuum {av}; before gc {}", f.metadata().unwrap().len());
    println!("{:?}", store.collect(false).unwrap());
    println!("after gc {}", f.metadata().unwrap().len());
}
#[test]
fn opening_at_once() {
    let mut bad = 0;
    for _ in 0..100 {
        let home = tempfile::tempdir().unwrap();
        let p = home.path();
        let errs: Vec<_> = std::thread::scope(|s| {
            (0..6)
                .map(|_| s.spawn(move || Store::open(p).err()))
                .collect::<Vec<_>>()
                .into_iter()
                .filter_map(|h| h.join().unwrap())
                .collect()
        });
        for e in errs {
            if bad == 0 {
                println!("open: {e}");
            }
            bad += 1;
        }
    }
    println!("failed opens {bad}");
}
#[test]
fn looking_makes_busy() {
    let home = tempfile::tempdir().unwrap();
    let p = home.path();
    let store = Store::open(p).unwrap();
    let run = RunId::new(1000, 1);
    store.create_run(&NewRun { id: &run, pipeline: &pipeline() }).unwrap();
    drop(store.lock_run(&run).unwrap());
    let mut busy = 0;
    std::thread::scope(|s| {
        let h = s.spawn(move || {
            let o = Store::open(p).unwrap();
            for _ in 0..20000 {
                o.runs().unwrap();
            }
        });
        let mut n = 0;
        while !h.is_finished() {
            n += 1;
            if store.lock_run(&run).is_err() {
                busy += 1;
            }
        }
        println!("{busy} of {n} busy with no holder");
    });
}
