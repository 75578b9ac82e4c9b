//! What holds of the controller whatever it is told.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use mobula_adaptive::{
    Config, Controller, Cost, Decision, NoReason, OutputSeen, PolicyKind, RateModel, Restored,
    Saved, StateSeen, SubjectId, SubjectKind, Use, expected_loss_s, pays_from_s,
};
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::{prop_assert, prop_assert_eq, proptest};

fn controller(config: Config) -> (Controller, SubjectId) {
    let mut controller = Controller::new(config, None);
    let id = controller.subject("trainer", SubjectKind::State);
    (controller, id)
}

fn known(rate: f64) -> Config {
    Config { rate: Some(RateModel::Known(rate)), ..Config::of(PolicyKind::Adaptive) }
}

/// The first decision at this work, rate and cost.
fn decide(rate: f64, unsaved_s: f64, cost_s: f64) -> Decision {
    let (mut controller, id) = controller(known(rate));
    controller.expect(id, Cost { blocking_s: cost_s, background_s: 0.0, slowdown: 0.4 });
    let seen = StateSeen { now_s: 15.0, runtime_s: 15.0, unsaved_s, ..StateSeen::default() };
    controller.decide_state(id, &seen)
}

/// Anything that a caller may hand over by mistake, and what it should.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => 0.0..1e4_f64,
        1 => any::<f64>(),
        1 => prop_oneof![
            proptest::strategy::Just(f64::NAN),
            proptest::strategy::Just(f64::INFINITY),
            proptest::strategy::Just(-1.0),
            proptest::strategy::Just(0.0),
        ],
    ]
}

fn kind() -> impl Strategy<Value = PolicyKind> {
    prop_oneof![
        4 => proptest::strategy::Just(PolicyKind::Adaptive),
        1 => proptest::strategy::Just(PolicyKind::Threshold),
        1 => proptest::strategy::Just(PolicyKind::YoungDaly),
        1 => (1..9_u32).prop_map(PolicyKind::Every),
        1 => proptest::strategy::Just(PolicyKind::Always),
        1 => proptest::strategy::Just(PolicyKind::Never),
    ]
}

fn finite(decision: &Decision) -> bool {
    let Decision {
        runtime_s,
        unsaved_s,
        ratio,
        threshold,
        rate,
        expected_loss_s,
        cost,
        budget,
        ..
    } = decision;
    let numbers = [
        *runtime_s,
        *unsaved_s,
        *ratio,
        *threshold,
        rate.mean,
        rate.low,
        rate.high,
        *expected_loss_s,
        cost.charge_s(),
        budget.used,
        budget.share.unwrap_or(0.0),
        budget.left_s.unwrap_or(0.0),
    ];
    numbers.iter().all(|x| x.is_finite())
}

proptest! {
    #[test]
    fn more_at_risk_or_more_failures_never_turn_a_yes_into_a_no(
        rate in 1e-6..0.02_f64, unsaved_s in 0.1..1e4_f64, cost_s in 0.001..100.0_f64, more in 1.0..10.0_f64,
    ) {
        if decide(rate, unsaved_s, cost_s).checkpoint() {
            prop_assert!(decide(rate, unsaved_s * more, cost_s).checkpoint());
            prop_assert!(decide(rate * more, unsaved_s, cost_s).checkpoint());
        }
    }

    #[test]
    fn a_dearer_save_never_turns_a_no_into_a_yes(
        rate in 1e-6..0.02_f64, unsaved_s in 0.1..1e4_f64, cost_s in 0.001..100.0_f64, more in 1.0..10.0_f64,
    ) {
        if !decide(rate, unsaved_s, cost_s).checkpoint() {
            prop_assert!(!decide(rate, unsaved_s, cost_s * more).checkpoint());
        }
    }

    #[test]
    fn ratio_reaches_threshold_exactly_when_expected_loss_reaches_cost(
        rate in 1e-7..0.05_f64,
        unsaved_s in 0.1..1e5_f64,
        cost_s in 0.001..100.0_f64,
        unit_s in 0.01..200.0_f64,
    ) {
        let loss_s = expected_loss_s(rate, unsaved_s, unit_s);
        let from_s = pays_from_s(rate, cost_s, unit_s);
        // Where they are nearly equal, rounding may put them on two sides.
        if (unsaved_s / from_s - 1.0).abs() > 0.01 {
            prop_assert_eq!(unsaved_s >= from_s, loss_s >= cost_s, "{} {}", loss_s, from_s);
        }
    }

    #[test]
    fn no_input_makes_a_number_that_is_none(
        kind in kind(),
        overhead in proptest::option::of(number()),
        steps in proptest::collection::vec((number(), number(), number(), number(), 0..9_u8), 1..60),
    ) {
        let (mut controller, id) = controller(Config { overhead, ..Config::of(kind) });
        let output = controller.subject("task", SubjectKind::Output);
        for (now_s, runtime_s, other_s, more_s, what) in steps {
            let decision = match what {
                0 => { controller.failed(id, now_s, other_s); continue }
                1 => {
                    let units_kept = u32::from(what);
                    let told = controller.restored(id, &Restored { now_s, restore_s: other_s, units_kept });
                    prop_assert!(told.threshold_after.is_finite(), "{:?}", told);
                    continue;
                }
                2 => { controller.save_failed(id, other_s); continue }
                3 => {
                    let (blocking_s, background_s) = (runtime_s, other_s);
                    let saved = Saved { blocking_s, background_s, durable_s: more_s, bytes: 1 };
                    controller.saved(id, &saved);
                    continue;
                }
                4 => controller.decide_output(output, &OutputSeen {
                    now_s, runtime_s, lineage_s: other_s, bytes: 1 << 20,
                    used: Use::Until { horizon_s: more_s }, load_s: Some(other_s), disk_free: None,
                }),
                _ => controller.decide_state(id, &StateSeen {
                    now_s, runtime_s, overlap_s: other_s, unsaved_s: more_s, remaining_s: Some(other_s),
                    notice_s: (what == 5).then_some(more_s), ..StateSeen::default()
                }),
            };
            prop_assert!(finite(&decision), "{:?}", decision);
            prop_assert!(!decision.to_string().contains("NaN"), "{}", decision);
        }
    }

    #[test]
    fn a_hard_budget_is_never_passed(
        share in 0.001..0.2_f64,
        cost_s in 0.01..20.0_f64,
        unit_s in 0.1..60.0_f64,
        kind in kind(),
        fails in 5..60_u32,
    ) {
        let (mut controller, id) = controller(Config { overhead: Some(share), ..Config::of(kind) });
        let limited = !matches!(kind, PolicyKind::Always | PolicyKind::Never);
        let (mut useful_s, mut spent_s, mut unsaved_s, mut now_s, mut first_s) = (0.0, 0.0, 0.0, 0.0, None);
        for i in 0..400 {
            useful_s += unit_s;
            now_s += unit_s;
            unsaved_s += unit_s;
            let seen = StateSeen { now_s, runtime_s: unit_s, unsaved_s, ..StateSeen::default() };
            let decision = controller.decide_state(id, &seen);
            if decision.checkpoint() {
                // What the budget knows when it says yes: all saves until now, and this one as expected.
                let expected_s = decision.cost.charge_s();
                if let (Some(first_s), true) = (first_s, limited) {
                    let allowed_s = share * useful_s + first_s + 1e-9 * useful_s;
                    prop_assert!(spent_s + expected_s <= allowed_s, "{} + {} of {}", spent_s, expected_s, allowed_s);
                }
                let saved = Saved { blocking_s: cost_s, background_s: 0.0, durable_s: cost_s, bytes: 1 };
                controller.saved(id, &saved);
                first_s.get_or_insert(cost_s);
                spent_s += cost_s;
                unsaved_s = 0.0;
            }
            if i % fails == fails - 1 {
                controller.failed(id, now_s, unsaved_s);
                controller.restored(id, &Restored { now_s, restore_s: 0.1, units_kept: 1 });
                unsaved_s = 0.0;
            }
        }
    }
}

#[test]
fn stages_without_time_and_a_million_units_leave_sound_numbers() {
    let (mut controller, id) = controller(Config::of(PolicyKind::Adaptive));
    let nothing = StateSeen { now_s: 1.0, ..StateSeen::default() };
    let decision = controller.decide_state(id, &nothing);
    assert_eq!(decision.refused(), Some(NoReason::NothingToSave));
    assert!(finite(&decision));
    let (mut unsaved_s, mut saves) = (0.0, 0_u32);
    for i in 0..1_000_000_u32 {
        unsaved_s += 1e-3;
        let now_s = 1.0 + f64::from(i) * 1e-3;
        let seen = StateSeen { now_s, runtime_s: 1e-3, unsaved_s, ..StateSeen::default() };
        let decision = controller.decide_state(id, &seen);
        assert!(finite(&decision));
        if decision.checkpoint() {
            let saved =
                Saved { blocking_s: 1e-3, background_s: 1e-2, durable_s: 1.1e-2, bytes: 1 << 20 };
            controller.saved(id, &saved);
            (unsaved_s, saves) = (0.0, saves + 1);
        }
    }
    assert!((50..2000).contains(&saves), "{saves}");
}

#[test]
fn a_clock_that_jumps_is_no_time_without_failures() {
    let quiet = |jump_s: f64| {
        let (mut controller, id) = controller(Config::of(PolicyKind::Adaptive));
        let mut now_s = 0.0;
        for i in 0..100 {
            now_s += if i == 50 { jump_s } else { 15.0 };
            let seen =
                StateSeen { now_s, runtime_s: 15.0, unsaved_s: 15.0, ..StateSeen::default() };
            controller.decide_state(id, &seen);
        }
        controller.rate().mean
    };
    let steady = quiet(15.0);
    // A year asleep counts as ten units, a clock set back as none.
    assert!(quiet(3.2e7) > 0.85 * steady && quiet(-1e6) < 1.05 * steady);
}

#[test]
fn failed_saves_are_tried_again_after_ever_longer_waits() {
    let (mut controller, id) = controller(known(0.01));
    controller.expect(id, Cost { blocking_s: 0.01, background_s: 0.0, slowdown: 0.4 });
    let mut tried = Vec::new();
    for i in 0..140_u32 {
        let now_s = f64::from(i) * 15.0;
        let unsaved_s = now_s + 15.0;
        let seen = StateSeen { now_s, runtime_s: 15.0, unsaved_s, ..StateSeen::default() };
        if controller.decide_state(id, &seen).checkpoint() {
            tried.push(i);
            controller.save_failed(id, 0.01);
        }
    }
    let waits: Vec<u32> = tried.windows(2).map(|pair| pair[1] - pair[0] - 1).collect();
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64]);
    assert!(controller.is_degraded(id));
    controller.saved(id, &Saved { blocking_s: 0.01, background_s: 0.0, durable_s: 0.01, bytes: 1 });
    assert!(!controller.is_degraded(id));
}

#[test]
fn an_announced_stop_is_used_to_the_last_boundary() {
    let (mut controller, id) = controller(known(1e-6));
    controller.expect(id, Cost { blocking_s: 0.5, background_s: 2.0, slowdown: 0.4 });
    let mut at = |left_s: f64| {
        let seen = StateSeen {
            runtime_s: 15.0,
            unsaved_s: 100.0,
            notice_s: Some(left_s),
            ..StateSeen::default()
        };
        let decision = controller.decide_state(id, &seen);
        controller.not_saved(id);
        decision.refused()
    };
    assert_eq!(at(60.0), Some(NoReason::LaterBeforeStop));
    assert_eq!(at(10.0), None);
    assert_eq!(at(2.0), Some(NoReason::TooLate));
}

#[test]
fn outputs_are_kept_by_what_it_takes_to_make_them_again() {
    let mut controller = Controller::new(Config::of(PolicyKind::Adaptive), None);
    let load = controller.subject("load", SubjectKind::Output);
    let subset = controller.subject("subset", SubjectKind::Output);
    for id in [load, subset] {
        controller.expect(id, Cost { blocking_s: 0.0, background_s: 0.1, slowdown: 0.4 });
    }
    let seen = |runtime_s, lineage_s, bytes| OutputSeen {
        now_s: lineage_s,
        runtime_s,
        lineage_s,
        bytes,
        used: Use::Until { horizon_s: 150.0 },
        load_s: Some(0.01),
        disk_free: None,
    };
    // 3 s of loading are no third of the longest stage; the subset carries them with it.
    let decision = controller.decide_output(load, &seen(3.0, 3.0, 180_000_000));
    assert_eq!((decision.refused(), decision.ratio), (Some(NoReason::BelowThreshold), 0.3));
    let decision = controller.decide_output(subset, &seen(1.5, 4.5, 15_000_000));
    assert_eq!((decision.refused(), decision.ratio), (None, 0.45));
}

#[test]
fn what_the_user_stopped_moves_no_threshold() {
    for kind in [PolicyKind::Adaptive, PolicyKind::Threshold] {
        let told = |stop: fn(&mut Controller, SubjectId)| {
            let (mut controller, id) = controller(Config::of(kind));
            let seen =
                StateSeen { now_s: 60.0, runtime_s: 60.0, unsaved_s: 60.0, ..StateSeen::default() };
            controller.decide_state(id, &seen);
            let saved = Saved { blocking_s: 0.2, background_s: 3.0, durable_s: 3.2, bytes: 9 };
            controller.saved(id, &saved);
            stop(&mut controller, id);
            let restored = Restored { now_s: 91.0, restore_s: 0.5, units_kept: 1 };
            let told = controller.restored(id, &restored);
            (told.benefit_s, told.threshold_before, told.threshold_after)
        };
        let (benefit_s, before, after) = told(|controller, _| controller.cancelled(90.0));
        assert_eq!((benefit_s, before), (0.0, after), "{kind:?}");
        let (benefit_s, before, after) = told(|controller, id| controller.failed(id, 90.0, 30.0));
        assert!(benefit_s > 0.0 && after < before, "{kind:?}: {benefit_s} {before} {after}");
    }
}

#[test]
fn what_was_learned_serves_the_next_run_and_fades() {
    let (mut first, id) = controller(Config::of(PolicyKind::Adaptive));
    for i in 1..=20 {
        let now_s = f64::from(i) * 120.0;
        let seen = StateSeen { now_s, runtime_s: 60.0, unsaved_s: 60.0, ..StateSeen::default() };
        if first.decide_state(id, &seen).checkpoint() {
            let saved = Saved { blocking_s: 0.2, background_s: 3.0, durable_s: 3.2, bytes: 9 };
            first.saved(id, &saved);
        }
        first.failed(id, now_s + 30.0, 30.0);
        first.restored(id, &Restored { now_s: now_s + 31.0, restore_s: 0.5, units_kept: 1 });
    }
    let fresh = controller(Config::of(PolicyKind::Adaptive)).0.rate().mean;
    let after = |age_s| {
        let learned = mobula_adaptive::Learned { age_s, ..first.learned() };
        let mut next = Controller::new(Config::of(PolicyKind::Adaptive), Some(learned));
        let id = next.subject("trainer", SubjectKind::State);
        (next.rate().mean, next.cost(id, None).blocking_s)
    };
    let (rate, cost_s) = after(0.0);
    assert!((rate / first.rate().mean - 1.0).abs() < 1e-9 && (cost_s - 0.2).abs() < 1e-12);
    let (old, _) = after(7.0 * 86_400.0);
    assert!(fresh < old && old < rate, "{fresh} {old} {rate}");
    let (forgotten, cost_s) = after(3e9);
    assert!((forgotten / fresh - 1.0).abs() < 1e-6 && cost_s < 0.1);
    let text = first.learned().to_string();
    assert!(text.contains("20 failures") && text.contains("1 of 1 subjects"), "{text}");
}
