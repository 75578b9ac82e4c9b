//! A fixed script of events gives the committed decisions, word for word. After a change that is meant,
//! run with `BLESS=1` and read the difference.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use mobula_adaptive::{
    Config, Controller, Cost, OutputSeen, PolicyKind, Restored, Saved, StateSeen, SubjectKind, Use,
};

/// Thirty epochs of 15 s with two failures, a notice and a failed save.
fn script(config: Config) -> String {
    let mut log = String::new();
    let mut controller = Controller::new(config, None);
    let task = controller.subject("load", SubjectKind::Output);
    let id = controller.subject("trainer", SubjectKind::State);
    controller.expect(task, Cost { blocking_s: 0.0, background_s: 0.3, slowdown: 0.4 });
    controller.expect(id, Cost { blocking_s: 0.02, background_s: 0.4, slowdown: 0.4 });
    let load = OutputSeen {
        now_s: 3.0,
        runtime_s: 3.0,
        lineage_s: 3.0,
        bytes: 180_000_000,
        used: Use::Until { horizon_s: 450.0 },
        load_s: Some(0.1),
        disk_free: None,
    };
    let decision = controller.decide_output(task, &load);
    writeln!(log, "load · {decision}").unwrap();
    if decision.checkpoint() {
        let saved =
            Saved { blocking_s: 0.0, background_s: 0.2, durable_s: 0.2, bytes: 180_000_000 };
        controller.saved(task, &saved);
    }
    let (mut now_s, mut unsaved_s) = (3.0, 0.0);
    for epoch in 0..30_u32 {
        now_s += 15.0;
        unsaved_s += 15.0;
        let seen = StateSeen {
            now_s,
            runtime_s: 15.0,
            overlap_s: if unsaved_s < 16.0 && epoch > 0 { 0.4 } else { 0.0 },
            unsaved_s,
            remaining_s: Some(15.0 * f64::from(29 - epoch)),
            notice_s: (epoch == 20).then_some(8.0),
            ..StateSeen::default()
        };
        let decision = controller.decide_state(id, &seen);
        writeln!(log, "epoch {epoch} · {decision}").unwrap();
        if decision.checkpoint() && epoch == 12 {
            controller.save_failed(id, 0.05);
        } else if decision.checkpoint() {
            let saved =
                Saved { blocking_s: 0.01, background_s: 0.5, durable_s: 0.52, bytes: 8_000_000 };
            controller.saved(id, &saved);
            unsaved_s = 0.0;
        }
        if epoch == 7 || epoch == 21 {
            controller.failed(id, now_s + 9.0, unsaved_s + 9.0);
            now_s += 12.0;
            unsaved_s = 0.0;
            let back = Restored { now_s, restore_s: 0.3, units_kept: 1 };
            writeln!(log, "recovery · {}", controller.restored(id, &back)).unwrap();
        }
    }
    log
}

#[test]
fn decisions_are_those_that_were_committed() {
    let kinds = ["adaptive", "threshold", "young-daly", "every=5", "always", "never"];
    let mut log = String::new();
    for kind in kinds {
        let kind: PolicyKind = kind.parse().unwrap();
        let usual = Config::of(kind);
        writeln!(log, "== {kind}\n{}", script(usual)).unwrap();
        if kind == PolicyKind::Adaptive {
            let hard = Config { overhead: Some(0.005), saves_max: Some(9), ..usual };
            writeln!(log, "== {kind}, at most 0.5 % and 9 saves\n{}", script(hard)).unwrap();
        }
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/decisions.txt");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&file, &log).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap();
    for (i, (now, then)) in log.lines().zip(committed.lines()).enumerate() {
        assert_eq!(now, then, "line {} of {}", i + 1, file.display());
    }
    assert_eq!(log.lines().count(), committed.lines().count());
}
