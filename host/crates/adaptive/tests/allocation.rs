//! Decisions allocate nothing: they stand between two steps of a training loop.

#![expect(unsafe_code, reason = "an allocator that counts has to be one")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use mobula_adaptive::{
    Config, Controller, OutputSeen, PolicyKind, Restored, Saved, StateSeen, SubjectKind, Use,
};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: it came from the same allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn decisions_and_feedback_allocate_nothing() {
    let kinds = [
        PolicyKind::Adaptive,
        PolicyKind::Threshold,
        PolicyKind::YoungDaly,
        PolicyKind::Every(5),
        PolicyKind::Always,
        PolicyKind::Never,
    ];
    for kind in kinds {
        let mut controller = Controller::new(Config::of(kind), None);
        let state = controller.subject("trainer", SubjectKind::State);
        let output = controller.subject("load", SubjectKind::Output);
        let before = ALLOCATIONS.with(Cell::get);
        let mut unsaved_s = 0.0;
        for i in 0..500_u32 {
            let now_s = f64::from(i) * 15.0;
            unsaved_s += 15.0;
            let seen = StateSeen { now_s, runtime_s: 15.0, unsaved_s, ..StateSeen::default() };
            if controller.decide_state(state, &seen).checkpoint() {
                let saved =
                    Saved { blocking_s: 0.2, background_s: 2.0, durable_s: 2.2, bytes: 8 << 20 };
                controller.saved(state, &saved);
                unsaved_s = 0.0;
            }
            let task = OutputSeen {
                now_s,
                runtime_s: 3.0,
                lineage_s: 7.0,
                bytes: 1 << 20,
                used: Use::Until { horizon_s: 600.0 },
                load_s: None,
                disk_free: None,
            };
            if controller.decide_output(output, &task).checkpoint() {
                controller.not_saved(output);
            }
            if i % 50 == 49 {
                controller.failed(state, now_s, unsaved_s);
                unsaved_s = 0.0;
                controller.restored(state, &Restored { now_s, restore_s: 0.5, units_kept: 3 });
            }
        }
        assert_eq!(ALLOCATIONS.with(Cell::get) - before, 0, "{kind}");
    }
    let before = ALLOCATIONS.with(Cell::get);
    drop(std::hint::black_box(vec![1_u8]));
    assert_eq!(ALLOCATIONS.with(Cell::get) - before, 1, "the counter counts");
}
